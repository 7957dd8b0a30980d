# SPDX-License-Identifier: MIT
"""callers.py – people who call while everything breaks: what they do, chosen
by dice, and whether they were served.

What they ask for is little: a call that nobody meant to end goes on, and who
speaks hears an answer that is for him, asked three times if need be.
"""

import dataclasses
import functools
import threading
import time

from tests.e2e.world import (FALLBACK, GREETING, LONG, TROUBLE, speech,
                             tone)
from tests.sim import rtp
from tests.soak.voice import Plan

PATIENCE_S = 20         # for one answer, whatever happens meanwhile
ANSWERED_S = 40         # for the answer of the telephone
TRIES = 3
LOOK_S = .08            # between two looks
GOODBYE = "Que le vaya bien."
PREAMBLE = "Un momento, lo miro."
SEPARATOR = b"\x00"     # of what is heard, where a caller began to listen
PIN = "482915"


class Over(Exception):
    """The call has ended, whoever wanted it."""


class Deaf(Exception):
    """The call goes on, and nothing is answered."""


@dataclasses.dataclass
class Outcome:
    """How a call went."""
    number: str
    call: str = ""              # the channel's id
    what: str = ""              # what its caller was doing last
    end: str = ""               # served, refused, lost, deaf, unanswered,
                                # or error: of the caller himself
    why: str = ""               # whoever meant it to end; "" nobody
    begin: float = 0.0
    over: float = 0.0
    answers: int = 0
    repeated: int = 0           # asked once more, since nothing was answered
    detail: str = ""


class Caller:
    """One call."""

    def __init__(self, soak, dice):
        self.soak, self.dice = soak, dice
        self.codec = dice.choice(("ulaw", "alaw"))
        self.number = soak.number()
        self.plan = soak.plans[self.number] = Plan(self.number)
        self.outcome = Outcome(self.number, begin=time.monotonic())
        self.hits = []              # (monotonic s, kind) of what hit it alone
        self.session_lost_s = 0.0   # monotonic, when it was last
        self.phone = None
        self._heard, self._taken = bytearray(), 0

    # Life

    def run(self):
        """The whole call; its Outcome."""
        out = self.outcome
        fuse = None
        try:
            self.phone = self.soak.dial(self)
            out.call = self.phone.channel.id
            if self.dice.random() < .2:
                fuse = threading.Timer(self.dice.uniform(0, 12), self.hang_up)
                fuse.start()
            out.end = "unanswered"
            self._live()
            out.end = "served"
        except Over:
            if self._is_refused():
                out.end = "refused"
            elif out.why or self.phone.state == "ended" and \
                    self.phone.hung_up_by == "caller":
                out.end = "served"
            elif out.end == "":
                out.end = "lost"
            out.detail = out.detail or self._last_words()
        except Deaf as said:
            out.end, out.detail = "deaf", f"{said}; {self._last_words()}"
        except Exception as error:      # ours: told with all the others
            out.end, out.detail = "error", repr(error)
        finally:
            if fuse:
                fuse.cancel()
        out.over = time.monotonic()
        if self.phone.state != "ended":
            self.phone.hangup()
        self.phone.sim.wait_for(lambda: self.phone.state == "ended", 60,
                                f"{out.call} hung up")
        return out

    def _is_refused(self):
        """At once, since no session could be made at that moment."""
        return time.monotonic() < self.soak.refusing_until and \
            self.soak.story.says(self.outcome.call, REFUSED) and \
            not self.soak.story.says(self.outcome.call, "-> TALKING")

    def _last_words(self):
        lines = self.soak.story.read().calls.get(self.outcome.call, ())
        return " | ".join(line.partition(" call=")[2].partition(" ")[2]
                          for line in lines[-6:] if " says bye " not in line)

    def _live(self):
        self.doing("waiting for the answer")
        self.until(lambda: self.phone.answered_ns, ANSWERED_S, "no answer")
        self.outcome.end = ""
        self.doing("greeting")
        # Or what is said in its place when the service fails.
        self.until(lambda: any(map(self.heard, (
            GREETING, TROUBLE, self.plan.own))), PATIENCE_S, "no greeting")
        for _ in range(self.dice.randint(1, 4)):
            self.dice.choices(*zip(*self.ACTS.items()))[0](self)
        self.doing("hanging up")
        self.hang_up()

    def doing(self, what):
        self.outcome.what = what

    def meant(self, why):
        """Whoever does WHY wants this call to end."""
        self.outcome.why = self.outcome.why or why

    def hang_up(self):
        self.meant("caller")
        self.phone.hangup()

    def is_live(self):
        return self.phone is not None and self.outcome.over == 0 and \
            self.phone.state not in ("ended", "queue")

    # Waiting

    def over(self):
        """Ended, or no longer with the voice."""
        return self.phone.state in ("ended", "queue") or \
            self.phone.where is not None and self.phone.where[0] == FALLBACK

    def until(self, predicate, seconds, what):
        """Until it is true; Deaf if it is not in time, Over if the call is."""
        end = time.monotonic() + seconds
        while not predicate():
            if self.over():
                raise Over
            if time.monotonic() > end:
                raise Deaf(what)
            self.soak.pause(LOOK_S)

    def until_over(self, seconds=PATIENCE_S):
        self.until(lambda: False, seconds, "not hung up")

    def pause(self, low, high):
        end = time.monotonic() + self.dice.uniform(low, high)
        while time.monotonic() < end:
            if self.over():
                raise Over
            self.soak.pause(LOOK_S)

    def heard(self, text, ms=None):
        """Whether a text, or its first ms, has come since listen()."""
        packets = self.phone.recording.packets
        last, silence = len(packets), rtp.SILENCE[self.codec]
        self._heard += b"".join(p.payload for p in packets[
            self._taken:last]).replace(silence, b"")
        self._taken = last
        wanted = tone(text, self.codec)
        return (wanted if ms is None else wanted[:8 * ms]) in self._heard

    def listen(self):
        """From here on."""
        self.heard(GREETING)
        self._heard.clear()

    # What they do

    def says(self, ms=400):
        clip = self.phone.play(speech(self.number, self.codec, ms))
        self.until(lambda: clip.end_ns or clip.cut, PATIENCE_S, "not said")

    def ask(self, what, turn=None, text=None, before=lambda: None):
        """Speak until the voice has answered TEXT, by default its own. Who
        was not answered does first what BEFORE says."""
        self.doing(what)
        for number in range(TRIES):
            if number:
                before()
            self.plan.turn = turn or self.plan.plain
            self.listen()
            self.says()
            try:
                self.until(lambda: self.heard(text or self.plan.own),
                           PATIENCE_S, what)
                self.outcome.answers += 1
                return
            except Deaf:
                self.outcome.repeated += number < TRIES - 1
        raise Deaf(what)

    def act_plain(self):
        self.ask("plain question")

    def act_barge_in(self):
        self.doing("barge-in")
        self.plan.turn = lambda: {"transcript": "diga", "reply": LONG}
        self.listen()
        self.says()
        try:
            self.until(lambda: self.heard(LONG, ms=100), PATIENCE_S, "LONG")
        except Deaf:
            self.outcome.repeated += 1
        self.ask("barge-in")

    def asking(self):
        """A turn with function calls; made anew each time it is taken."""
        return {"transcript": "mire", "preamble": PREAMBLE,
                "calls": self.soak.function_calls(self.dice),
                "then": {"reply": self.plan.own}}

    def act_tools(self):
        self.ask("tools pending", self.asking)

    def act_tools_and_leave(self):
        self.doing("tools pending")
        self.plan.turn = self.asking
        self.says()
        self.pause(0, 3)
        self.hang_up()
        self.until_over()

    def act_tools_and_talk(self):
        """Another question while the first one runs."""
        self.doing("tools pending")
        self.plan.turn = self.asking
        self.says()
        self.pause(.5, 2)
        self.ask("tools pending")

    def act_pin(self):
        """The PIN, right or wrong, whole or not."""
        self.doing("PIN")
        self.plan.turn = lambda: {
            "transcript": "clave", "calls": [{"name": "identificar_personal"}],
            "then": {"reply": self.plan.own}}
        begin = self.soak.story.read().count(self.outcome.call, AWAITED)
        self.says()
        try:
            self.until(lambda: self.soak.story.read().count(
                self.outcome.call, AWAITED) > begin, PATIENCE_S, "PIN")
        except Deaf:
            self.outcome.repeated += 1
        else:
            self.pause(0, .5)
            self.phone.dtmf(self.dice.choice((
                PIN + "#", PIN + "#", "111111#", PIN[:3], "*" + PIN + "#")))
            self.pause(.3, 3)
            # Whoever dialled nothing whole: that is the end of it.
            self.phone.dtmf("#")
        # Digits that a supervisor had when it died are dialled again.
        self.ask("PIN", before=lambda: self.phone.dtmf(PIN + "#"))

    def act_dtmf_flood(self):
        self.doing("DTMF flood")
        self.phone.sim.on_loop(
            self.phone.sim.model.phone_dtmf, self.phone,
            "".join(self.dice.choices("123456789*#", k=80)), 8)
        self.pause(.7, 1.5)
        self.ask("DTMF flood")

    def act_hold(self):
        self.doing("hold")
        self.phone.hold()
        self.pause(.1, 1.5)
        self.phone.unhold()
        self.ask("hold")

    def act_garbage(self):
        """Strangers, and noise from Asterisk's own port."""
        self.doing("strange RTP")
        noise = [self.dice.randbytes(self.dice.randint(0, 400))
                 for _ in range(30)]
        try:
            self.phone.send_garbage(*noise)
            self.phone.send_stranger(*noise)
        except (RuntimeError, OSError):
            pass                    # not bridged at this moment
        self.ask("strange RTP")

    def act_goodbye(self):
        self.doing("farewell")
        self.plan.turn = lambda: {
            "transcript": "adiós", "preamble": GOODBYE,
            "calls": [{"name": "terminar_llamada"}], "then": {"reply": ""}}
        for _ in range(TRIES):
            self.meant("goodbye")
            self.says()
            try:
                self.until_over()
            except Deaf:
                self.outcome.repeated += 1
        raise Deaf("not hung up")

    def act_transfer(self):
        """To a person, who picks up, declines, is busy or does nothing."""
        with self.soak.person(self) as (destination, person):
            how = self.dice.choice(("picks up", "declined", "busy", "rings"))
            person.refuses = how if how in ("declined", "busy") else None
            self.doing(f"transfer, {how}")
            self.plan.turn = lambda: {
                "transcript": "una persona", "preamble": PREAMBLE,
                "calls": [{"name": "transferir_llamada",
                           "arguments": {"destino": destination}}],
                "then": {"reply": self.plan.own}}
            self.listen()
            self.says()
            if person.refuses is None:
                self._rings(how, person)
            try:
                self.until(lambda: self.heard(self.plan.own), PATIENCE_S,
                           "transfer")
            except Deaf:
                self.outcome.repeated += 1
            self.ask(f"transfer, {how}")

    def _rings(self, how, person):
        try:
            self.until(lambda: person.state == "ringing", PATIENCE_S, "ring")
        except Deaf:
            self.outcome.repeated += 1
            return
        self.pause(0, 1.5)
        if how == "rings":          # nobody is there: the caller gives up
            self.hang_up()
            self.until_over()
        person.pick_up()
        try:
            self.until(lambda: self.soak.story.says(
                self.outcome.call, "-> TRANSFERRED"), PATIENCE_S,
                "transferred")
        except Deaf:
            self.outcome.repeated += 1
            return
        self.doing("with a person")
        self.pause(.2, 2)
        self.meant("person")
        self.dice.choice((person, self.phone)).hangup()
        self.until_over()

    ACTS = {act_plain: 6, act_barge_in: 2, act_tools: 4,
            act_tools_and_leave: 2, act_tools_and_talk: 2, act_pin: 2, act_dtmf_flood: 1, act_hold: 1,
            act_garbage: 1, act_goodbye: 2, act_transfer: 3}


REFUSED = ('fallback why="(too many requests|the service failed|'
           'the connection broke)')
AWAITED = "secret digits are awaited"


def crowd(soak, dice, count):
    """The callers of one round, each with dice of its own."""
    return [functools.partial(Caller, soak, type(dice)(dice.getrandbits(64)))
            for _ in range(count)]
