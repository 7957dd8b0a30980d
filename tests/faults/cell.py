# SPDX-License-Identifier: MIT
"""cell.py – one call, brought into a phase, struck by a fault, and what came
of it: the cell of the matrix."""

import dataclasses
import json
import re
import time

from tests.e2e.service import PATIENCE
from tests.e2e.world import World, speech, tone
from tests.faults.brain import Brain, Plan, share
from tests.sim import rtp
from tests.sim.recording import percentile

# As between Bogotá and the service.
PTIME_MS = 20
ONE_WAY_MS, FIRST_AUDIO_MS, SPEEDUP = 40, 400, 5

GREETING = ("Buenas tardes, le atiende la línea de pruebas, y este saludo es "
            "largo para que algo pueda pasar mientras suena.")
TALE = ("Esta respuesta es tan larga que tiene tiempo de romperse todo lo que "
        "se puede romper mientras la voz la dice, y aun así debe oírse entera,"
        " desde la primera palabra hasta la última, sin que nadie note nada, "
        "porque para eso hay quien siga donde el otro se quedó.")
GOODBYE = ("Con mucho gusto, que le vaya muy bien, y gracias por llamar a la "
           "línea de pruebas, hasta una próxima oportunidad.")
OTHERWISE = "Sigo aquí, dígame."
FIRST, NEXT = "Primera respuesta.", "Otra respuesta."
RESULT, CONNECTING = "Son doce clientes.", "Le comunico."
TOOL, TRANSFER, HANG_UP = ("consultar_mikrotik", "transferir_llamada",
                           "terminar_llamada")
PERSON = "Local/persona@telefonista-transfer"

PERSONA = f"""---
language: es
voice: marin
tools: {TOOL}, {TRANSFER}, {HANG_UP}
greeting: {GREETING}
still_there: ¿Sigue ahí?
silent_goodbye: Adiós, callado.
limit_goodbye: Adiós, límite.
shutdown_goodbye: Adiós, cierre.
tool_wait: Un momento.
trouble: ¿Perdón?
goodbye: Adiós pues.
person_wait: Ya le busco.
no_person: No hay nadie.
---
Usted atiende pruebas.
"""

# What is asked in these words gets this answer. Transcripts name no other.
TURNS = {
    "primera": {"reply": FIRST},
    "cuento": {"reply": TALE},
    "clientes": {"preamble": "Ya miro.", "then": {"reply": RESULT},
                 "calls": [{"name": TOOL, "arguments": {
                     "question": "¿Cuántos clientes hay?"}}]},
    "persona": {"preamble": CONNECTING, "then": {"reply": "No se pudo."},
                "calls": [{"name": TRANSFER,
                           "arguments": {"destino": "persona"}}]},
    "adiós": {"preamble": GOODBYE, "then": {"reply": ""},
              "calls": [{"name": HANG_UP, "arguments": {}}]},
    "otra": {"reply": NEXT},
}
CLIP_MS = {"otra": 800}


def clip(name):
    """What the caller says, in bytes."""
    return speech(f"faults {name}", ms=CLIP_MS.get(name, 600))


@dataclasses.dataclass
class Outcome:
    """A row of the table."""
    fault: str
    phase: str
    kept: str = "?"             # yes, no, or what was meant to come instead
    gap_ms: float = None        # longest between two packets at the phone
    lost: int = None            # packets that never came, by their numbers
    greeted: int = None         # how often the greeting was heard
    later_ms: float = None      # next turn, against one undisturbed
    notes: list = dataclasses.field(default_factory=list)
    verdict: str = ""
    gap_target: float = None
    later_target: float = None
    lost_target: int = None


class Distant:
    """Of a world: the simulators are as far as the real ones, and the model
    is ours."""

    def __init__(self, folder, **how):
        super().__init__(folder, **how)
        for name, value in (("one_way_ms", ONE_WAY_MS),
                            ("first_audio_ms", FIRST_AUDIO_MS),
                            ("transcription_ms", 300), ("speedup", SPEEDUP)):
            setattr(self.openai.settings, name, value)
        self.plan = Plan(GREETING, OTHERWISE)
        for name, turn in TURNS.items():
            self.plan.turn(f"La palabra es {name}.", clip(name), **turn)
        self.openai.brain_factory = lambda session: Brain(session, self.plan)
        self.binary = None
        # What a fault makes the service say is its business; simulators and
        # sanitizers are listened to all the same.
        self.allow("")

    def make(self, environment=None, **settings):
        service = super().make(**settings)
        (self.folder / "personas/prueba.md").write_text(PERSONA)
        service.environment.update(environment or {})
        service.binary = self.binary or service.binary
        return service

    def spares_are_warm(self):
        """As many sessions wait for a call as should."""
        wanted = int(self.service.settings["WARM_WORKERS"])
        self.until(lambda: sum(
            1 for s in self.openai.live if s.events_out and
            not s.received("session.update")) >= wanted, "warm spares")

    def sessions_of(self, call):
        """All sessions of a voice that have talked with this caller."""
        return [s for s in list(self.openai.sessions)
                if call.phone.number in s.instructions]


class FaultWorld(Distant, World):
    """All of it simulated."""


class Cell:
    """One run. The phase brings the call there and goes on after the fault;
    the fault strikes; measures are taken here."""

    def __init__(self, world, fault, phase):
        self.world, self.fault, self.phase = world, fault, phase
        self.outcome = Outcome(fault.name, phase.name,
                               gap_target=fault.gap_ms,
                               later_target=fault.later_ms,
                               lost_target=fault.lost)
        self.call = self.person = self.last_clip = None
        self.struck_ns = self.mark = 0
        self.gap_until_ns = None
        self.relay = self.page = None
        self.log = None             # where it is, if in a file of its own
        self.delays = []            # ms, of the turns that were measured

    # The course

    def run(self):
        fault, phase, world = self.fault, self.phase, self.world
        if phase.name == "transfer":
            self.person = world.ari.person(PERSON)
        self.records = world.folder / "records"
        settings = fault.prepare(self)
        world.make(RECORDS_DIR=self.records, **settings)
        world.service.start()
        if self.log:
            world.service.log = self.log
        world.ready()
        phase.reach(self)
        self.strike()
        if fault.loses_call:
            fault.aftermath(self)
        else:
            fault.go_on(self)
            fault.heal(self)
            if phase.talks_on and self.call.phone.state == "up":
                self.talk_on()
        self.finish()
        return self.outcome

    def strike(self):
        self.mark = self.world.service.mark()
        self.struck_ns = time.monotonic_ns()
        self.fault.strike(self)

    def talk_on(self):
        """Two turns; the later one is undisturbed by now."""
        self.quiet()
        self.turn("otra", NEXT)
        self.quiet()
        self.turn("otra", NEXT)

    def next_caller(self):
        """Somebody else calls, and is served."""
        old, other = self.call, self.place()
        self.hears(GREETING)
        self.turn("primera", FIRST)
        other.hangup().gone()
        self.call = old
        self.delays.clear()

    def finish(self):
        world, call = self.world, self.call
        self.measure()
        if call.phone.state not in ("ended", "queue"):
            call.phone.hangup()
        self.fault.finally_(self)
        self.fault.gone(self)
        world.until(lambda: not world.made(), lambda: f"gone: {world.made()}")
        self.record_is_whole()

    def record_is_whole(self):
        """What the call has produced is on the disk, from its first line to
        its last; a second one if it was set up twice. One that no worker has
        had has produced nothing."""
        if not self.world.service.find(
                rf"call={re.escape(self.call.id)} assigned caller="):
            return
        name = f"[0-9]*/*-{self.call.id}.jsonl"
        found = self.world.until(
            lambda: list(self.records.glob(name)),
            lambda: f"a record: {list(self.records.glob('*/*'))}")
        assert len(found) == 1 or self.phase.name == "setup" or \
            self.fault.loses_call, found
        for path in found:
            lines = [json.loads(line)
                     for line in path.read_text().splitlines()]
            assert [line["n"] for line in lines] == list(
                range(1, len(lines) + 1)), "the record has holes"
            assert lines[0]["type"] == "call", f"begins with {lines[0]}"

    # What phases do

    def place(self):
        self.call = self.world.call()
        return self.call

    def ask(self, name):
        """The caller says what TURNS has an answer to; the clip, said."""
        return self.begin_to_ask(name).wait(PATIENCE)

    def begin_to_ask(self, name):
        self.last_clip = self.call.phone.play(clip(name))
        return self.last_clip

    def turn(self, name, answer, said=None):
        """Ask and hear the answer; how long it took to begin."""
        said = said or self.ask(name)
        since = said.end_ns - 5_000_000
        self.hears(answer, since)
        self.delays.append(self.began_ms(answer, said.end_ns))
        return said

    def began_ms(self, text, since_ns):
        """From an instant to the first packet of a text."""
        whole = tone(text)
        for packet in self.call.phone.recording.between(since_ns):
            if any(packet.payload[i:i + 40] in whole for i in (0, 60, 119)):
                return (packet.t_ns - since_ns) / 1e6
        return None

    def hears(self, text, since_ns=0, part=.8, seconds=PATIENCE):
        """Until so much of a text was heard."""
        whole = tone(text)
        self.world.until(
            lambda: share(whole, self.call.phone.recording.payload(since_ns))
            >= part or self.over(text),
            lambda: f"{text!r}; " + self.said(), seconds)

    def over(self, text):
        """Fails at once if the call has ended: nothing more will come."""
        state = self.call.phone.state
        assert state not in ("ended", "queue"), \
            f"caller is in state {state}, and was to hear {text[:30]!r}"
        return False

    def heard_share(self, text, since_ns=0):
        return share(tone(text), self.call.phone.recording.payload(since_ns))

    def quiet(self, ms=700):
        """Until nobody has spoken for a while from now on, and the model
        owes nothing."""
        phone, begin_ns = self.call.phone, time.monotonic_ns()

        def is_quiet():
            self.over("quiet")
            now = time.monotonic_ns()
            return now - begin_ns >= ms * 1e6 and \
                (self.last_clip is None or self.last_clip.end_ns) and \
                not phone.recording.sounding(now - int(ms * 1e6)) and \
                all(s.is_idle for s in self.world.sessions_of(self.call)
                    if not s.closed.is_set() and not s.connection._frozen)
        self.world.until(is_quiet, lambda: "quiet; " + self.said())

    def goes_on(self, ms):
        """Until so much was heard since the fault, be it silence."""
        self.world.until(
            lambda: 20 * len(self.call.phone.recording.between(
                self.struck_ns)) >= ms or self.over("anything"),
            f"{ms} ms of RTP after the fault")

    def said(self):
        """What was heard so far, in words."""
        texts = [GREETING, TALE, GOODBYE, OTHERWISE, FIRST, NEXT, RESULT,
                 CONNECTING, "Ya miro.", "Un momento.", "¿Perdón?",
                 "No se pudo.", "¿Sigue ahí?"]
        found = [f"{text[:20]!r} {self.heard_share(text):.0%}"
                 for text in texts if self.heard_share(text) > 0]
        return "heard: " + ", ".join(found)

    # Measures

    def measure(self):
        outcome, phone = self.outcome, self.call.phone
        end_ns = self.gap_until_ns or time.monotonic_ns()
        packets = phone.recording.between(self.struck_ns - 200_000_000,
                                          end_ns)
        gaps = [(b.t_ns - a.t_ns) / 1e6 for a, b in zip(packets, packets[1:])]
        outcome.gap_ms = max(gaps, default=None)
        if gaps and hasattr(phone, "stall_ms"):     # its own thread's
            outcome.gap_ms = max(outcome.gap_ms - phone.stall_ms(),
                                 PTIME_MS)
        outcome.lost = self.packets_lost(packets)
        if outcome.kept == "?":
            outcome.kept = "yes" if phone.state == "up" else "no"
        outcome.greeted = self.greetings()
        self.measure_delay()

    def measure_delay(self):
        """The first turn that ended after the fault, against the others."""
        known = [ms for ms in self.delays if ms is not None]
        after = self.phase.turn_after
        if after is None or len(known) < 2 or len(known) <= after:
            return
        others = known[:after] + known[after + 1:]
        self.outcome.later_ms = known[after] - percentile(others, .5)

    @staticmethod
    def packets_lost(packets):
        """Numbers that are missing between the first and the last."""
        if not packets:
            return None
        first = packets[0].seq
        came = {(p.seq - first + 0x8000) & 0xffff for p in packets}
        return max(came) - min(came) + 1 - len(came)

    def greetings(self):
        """How often the greeting began."""
        heard = self.call.phone.recording.payload()
        begin = tone(GREETING)[:80]
        return heard.replace(rtp.SILENCE["ulaw"], b"").count(
            begin.replace(rtp.SILENCE["ulaw"], b""))

    def note_loss(self, what, text):
        """Remember how much of a text was not heard, and whether the voice
        has said something since: it may go on with other words."""
        missing = 1 - self.heard_share(text)
        went_on = self.heard_share(OTHERWISE) > .8
        if missing > .02:
            ms = missing * len(tone(text)) / 8
            self.outcome.notes.append(f"{ms:.0f} ms of {what}" + (
                ", then it goes on" if went_on else ""))
        return missing <= .02 or went_on

    def hears_out(self, what, text):
        """A text is heard to its end, or the voice goes on with another: no
        caller is left with half a sentence."""
        assert self.note_loss(what, text) or self.fault.cuts_words, \
            f"the voice leaves off in {what}"

    def note_unheard(self, said):
        """Remember how much of the caller's words no session has."""
        audio = [bytes(s.input_audio)
                 for s in self.world.sessions_of(self.call)]
        best = max((share(said.audio, each) for each in audio), default=0)
        if best < .98:
            ms = (1 - best) * said.duration_ms
            self.outcome.notes.append(f"{ms:.0f} ms of the caller's words")

    def remembers(self, name):
        """The voice that talks now knows an earlier turn."""
        live = [s for s in self.world.sessions_of(self.call)
                if not s.closed.is_set()]
        assert live and live[-1].brain.knows(f"La palabra es {name}."), \
            f"the voice does not know {name!r}"

    # What is asked of the log

    def logged(self, pattern, seconds=PATIENCE):
        return self.world.service.wait_log(pattern, seconds, self.mark)

    def worker(self):
        """The pid of the call's callworker by now."""
        return self.call.worker
