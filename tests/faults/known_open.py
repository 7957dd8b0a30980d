# SPDX-License-Identifier: MIT
"""known_open.py – cells that do not hold yet, each with the reason. The table
names them; whoever closes one takes it out."""

LIVE = ("greeting", "listening", "speaking", "voice", "tool", "transfer",
        "farewell")
NO_DESCRIPTOR = ("without a descriptor for another connection to Asterisk who "
                 "hears ringing is hung up on, not sent to the queue")
NO_RECONNECT = "a lost voice session is not replaced yet"

KNOWN_OPEN = {
    ("emfile", "setup"): NO_DESCRIPTOR,
    **{(fault, phase): NO_RECONNECT for phase in LIVE for fault in
       ("openai-reset", "openai-1011", "openai-expire", "openai-429",
        "openai-500", "openai-hole")},
}
