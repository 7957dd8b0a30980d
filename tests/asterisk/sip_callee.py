# SPDX-License-Identifier: MIT
"""A telephone that is called: the person to whom a call is transferred.

The SIP and the audio are those of sip_phone.py; this one waits for an INVITE
and does with it what the test says: rings, answers, or gives a final status.

    with SipCallee(("127.0.0.1", 5060)) as person:
        ...Asterisk dials person.uri...
        person.wait_ringing()
        person.answer()
"""

import random

from sip_phone import SipPhone


class SipCallee(SipPhone):
    """One telephone, one call at a time. It rings until it is told more."""

    def __init__(self, server, codec="ulaw", status=None, rings=True):
        """status: "486 Busy Here" to give it at once, "200 OK" to answer at
        once; rings: send 180, else only 100."""
        super().__init__(server, codec)
        self.status, self.rings = status, rings
        self.invite = None      # the SipMessage that is unanswered, or was

    @property
    def uri(self):
        return "sip:person@127.0.0.1:%d" % self.port

    # -- what a test does with it

    def answer(self):
        self.respond("200 OK")

    def respond(self, status):
        """Gives the final answer to the INVITE."""
        with self._changed:
            assert self.state in ("calling", "ringing"), self.state
            if status.startswith("200"):
                self._reply(self.invite, status, self._offer())
                self._set_state("answered")
            else:
                self._reply(self.invite, status)
                self._end(status)

    def hangup(self):
        with self._changed:
            if self.state in ("calling", "ringing"):
                self.respond("603 Decline")
            else:
                super().hangup()

    # -- SIP

    def _take(self, msg):
        if not msg.is_response and msg.method == "INVITE" and \
                self.state in ("idle", "ended"):
            self._note("< INVITE")
            self._take_call(msg)
        elif not msg.is_response and msg.method == "CANCEL" and \
                self.state in ("calling", "ringing"):
            self._note("< CANCEL")
            self._reply(msg, "200 OK")
            self._reply(self.invite, "487 Request Terminated")
            self._end("CANCEL")
        else:
            super()._take(msg)

    def _take_call(self, msg):
        self.invite = msg
        self.end_reason = ""
        # Our side of the dialog, as RFC 3261, 12.1.1 makes it of an INVITE.
        target = msg.get("contact").split("<")[-1].split(">")[0]
        self._dialog = {
            "call_id": msg.get("call-id"), "cseq": random.randrange(1, 10000),
            "from": "%s;tag=%08x" % (msg.get("to"), random.getrandbits(32)),
            "to": msg.get("from"), "target": target, "user": "person"}
        self._direction = "sendrecv"
        self._take_answer(msg.body)
        self._set_state("calling")
        self._reply(msg, "100 Trying")
        if self.status:
            self.respond(self.status)
        elif self.rings:
            self._reply(msg, "180 Ringing")
            self._set_state("ringing")

    def _reply(self, msg, status, body=""):
        """As our side says To: with our tag."""
        if self._dialog and msg.get("call-id") == self._dialog["call_id"] \
                and "tag=" not in msg.get("to"):
            msg.headers = [(n, self._dialog["from"] if n == "to" else v)
                           for n, v in msg.headers]
        super()._reply(msg, status, body)
