# SPDX-License-Identifier: MIT
"""phases.py – where in a call a fault may meet it, and what has to come after.

reach() ends with the call in the phase; go_on() waits for what the caller is
owed and notes what of it was lost. turn_after: which of the measured turns is
the first to end after the fault.
"""

import time

from tests.faults.brain import share
from tests.faults.cell import (CONNECTING, FIRST, GOODBYE, GREETING, NEXT,
                               RESULT, TALE, clip)

QUERY_S = 2.5       # the router's answer
SPEAKING_AT_MS = 300    # of a clip
RINGS_ON_MS = 1500
GOES_ON_MS = 1500       # of silence: a voice that has more to say has begun


def greeted(cell):
    """A call whose caller has heard the greeting."""
    cell.place().begins_to_hear(GREETING)
    cell.hears(GREETING)
    cell.quiet(300)


def acquainted(cell):
    """A call in which one turn went well: what others are compared with."""
    greeted(cell)
    cell.fault.arm_listening(cell)
    cell.turn("primera", FIRST)
    cell.quiet(300)


class SetUp:
    name, title, talks_on, turn_after = "setup", "set-up", True, 0

    def reach(self, cell):
        slow = cell.world.ari.fault("POST", "/bridges/.*", delay_s=.5)
        cell.place()
        cell.world.until(lambda: slow.hits, "the bridge is being made")

    def go_on(self, cell):
        cell.hears(GREETING)
        cell.quiet()
        cell.note_loss("the greeting", GREETING)


class Greeting:
    name, title, talks_on, turn_after = "greeting", "greeting", True, 0

    def reach(self, cell):
        cell.place().begins_to_hear(GREETING)

    def go_on(self, cell):
        cell.fault.settle(cell)
        cell.quiet(GOES_ON_MS)
        cell.hears_out("the greeting", GREETING)


class Listening:
    """The caller speaks as soon as it has happened."""
    name, title, talks_on, turn_after = "listening", "listening", True, 1

    def reach(self, cell):
        acquainted(cell)

    def go_on(self, cell):
        said = cell.turn("otra", NEXT)
        cell.note_unheard(said)
        cell.remembers("primera")
        cell.fault.settle(cell)


class CallerSpeaking:
    name, title, talks_on, turn_after = "speaking", "caller speaking", True, 1

    def reach(self, cell):
        acquainted(cell)
        cell.said = cell.begin_to_ask("otra")
        cell.world.until(
            lambda: cell.said.start_ns and time.monotonic_ns() >=
            cell.said.start_ns + SPEAKING_AT_MS * 1_000_000, "half a word")

    def go_on(self, cell):
        cell.said.wait()
        cell.turn("otra", NEXT, cell.said)
        cell.note_unheard(cell.said)
        cell.remembers("primera")
        cell.fault.settle(cell)


class VoiceSpeaking:
    name, title, talks_on, turn_after = "voice", "voice speaking", True, 1

    def reach(self, cell):
        acquainted(cell)
        cell.ask("cuento")
        cell.call.begins_to_hear(TALE, ms=400)

    def go_on(self, cell):
        cell.fault.settle(cell)
        cell.quiet(GOES_ON_MS)
        cell.hears_out("the voice's sentence", TALE)
        cell.remembers("cuento")


class ToolPending:
    name, title, talks_on, turn_after = "tool", "tool pending", True, 1

    def reach(self, cell):
        cell.world.mikrotik.answer("clientes", "Hay 12.", delay=QUERY_S)
        acquainted(cell)
        cell.fault.arm_tool(cell)
        cell.ask("clientes")
        if not cell.fault.arms:
            cell.world.until(lambda: cell.world.mikrotik.in_flight,
                             "the query")

    def go_on(self, cell):
        cell.hears(RESULT)
        cell.fault.settle(cell)
        asked = len(cell.world.mikrotik.questions)
        if asked != 1:
            cell.outcome.notes.append(f"the query ran {asked} times")
        assert asked <= cell.fault.queries, f"the query ran {asked} times"
        cell.remembers("clientes")


class Transfer:
    """The person's telephone rings; answered after the fault."""
    name, title, talks_on, turn_after = "transfer", "transfer", False, None

    def reach(self, cell):
        acquainted(cell)
        cell.ask("persona")
        cell.hears(CONNECTING)
        cell.person.wait_for("ringing")

    def go_on(self, cell):
        cell.fault.settle(cell)
        cell.goes_on(RINGS_ON_MS)
        cell.gap_until_ns = time.monotonic_ns()
        cell.person.pick_up()
        cell.call.wait_log("-> TRANSFERRED")
        for one, other in ((cell.call.phone, cell.person),
                           (cell.person, cell.call.phone)):
            words = clip(f"transfer {one.number}")
            one.play(words)
            cell.world.until(
                lambda w=words, o=other:
                share(w, o.recording.payload()) > .8,
                lambda w=words, o=other: "each other's words: " +
                str(share(w, o.recording.payload())))


class Farewell:
    name, title, talks_on, turn_after = "farewell", "farewell", False, None

    def reach(self, cell):
        acquainted(cell)
        cell.ask("adiós")
        cell.call.begins_to_hear(GOODBYE)
        if not cell.fault.arms:
            cell.call.wait_log("the voice hangs up once it was heard")

    def go_on(self, cell):
        cell.call.phone.wait_for("ended", 30)
        cell.gap_until_ns = cell.call.phone.ended_ns
        by = cell.call.phone.hung_up_by
        assert by == "agent", f"hung up by {by}"
        cell.outcome.kept = "yes"
        cell.hears_out("the goodbye", GOODBYE)


PHASES = [SetUp(), Greeting(), Listening(), CallerSpeaking(),
          VoiceSpeaking(), ToolPending(), Transfer(), Farewell()]
