# SPDX-License-Identifier: MIT
"""world.py – everything around the service, and calls as a test tells them.

    def test_...(world):
        world.start()
        call = world.call()
        call.hears(GREETING)
        call.asks("primera", "La respuesta.")

The simulated voice is a tone: each text has its own bytes, none of which is
silence, so that what was heard can be compared bit by bit. The callers speak
in the same way. finish() judges: nothing may be left of a call, nobody may
have seen a violation, and what is logged as error or warning was expected.
"""

import base64
import contextlib
import functools
import itertools
import os
import random
import re
import signal
import time

from tests.demo import processes
from tests.e2e import ports
from tests.e2e.service import (PATIENCE, REPO, SANITIZED, SANITIZER,
                               Service)
from tests.sim import openai_voice, rtp
from tests.sim.ari import AriSim
from tests.sim.mikrotik import MikrotikSim
from tests.sim.openai_realtime import OpenAISim
from tests.sim.sim_client import FAST

TOOL = "consultar_mikrotik"
GREETING = "Hola."
STILL_THERE = "¿Sigue ahí?"
SILENT_GOODBYE = "Adiós, callado."
LIMIT_GOODBYE = "Adiós, límite."
SHUTDOWN_GOODBYE = "Adiós, cierre."
TOOL_WAIT = "Un momento."
TROUBLE = "¿Perdón?"
# Three seconds: for what happens while the voice speaks.
LONG = ("Esta respuesta es tan larga que nadie la quiere oír hasta el final, "
        "y por eso pasan cosas mientras suena, que es para lo que está.")

PERSONA = f"""---
language: es
voice: marin
tools: {TOOL}
greeting: {GREETING}
still_there: {STILL_THERE}
silent_goodbye: {SILENT_GOODBYE}
limit_goodbye: {LIMIT_GOODBYE}
shutdown_goodbye: {SHUTDOWN_GOODBYE}
tool_wait: {TOOL_WAIT}
trouble: {TROUBLE}
---
Usted atiende pruebas.
"""

FORMATS = {"ulaw": openai_voice.PCMU, "alaw": openai_voice.PCMA}
FALLBACK = "telefonista-fallback"
VOICE_LATE_S = 4    # of a response, which at their pace takes far less


def quick_voice(text, audio_format=openai_voice.PCMU):
    """The voice of the tests: a tone, shorter than people speak."""
    return openai_voice.tone(text, audio_format, 20, 200)


openai_voice.VOICES["quick"] = quick_voice


def tone(text, codec="ulaw"):
    """The bytes with which the simulated voice says text."""
    return quick_voice(text, FORMATS[codec])


def speech(name, codec="ulaw", ms=300):
    """Loud bytes of a caller, different for each name, in whole packets."""
    generator = random.Random(f"caller {name}")
    flip = {"ulaw": 0xFF, "alaw": 0x55}[codec]
    alphabet = bytes(b for b in range(256) if (b ^ flip) & 0x70 >= 0x50)
    return bytes(generator.choices(alphabet, k=8 * ms))


def spurts(payload, codec="ulaw"):
    """What was heard between silences of 20 ms and more."""
    silence = rtp.SILENCE[codec]
    parts = (part.strip(silence) for part in payload.split(silence * 160))
    return [part for part in parts if part]


class Call:
    """One caller, and the session of the voice that talks with it."""

    _former = ()                    # sessions of workers that died

    def __init__(self, world, phone):
        self.world, self.phone = world, phone
        self.id = phone.channel.id
        self.codec = phone.codec
        self._session = None

    # What it is

    @property
    def session(self):
        """The voice's side, once it knows the caller's number."""
        if self._session is None:
            self._session = self.world.until(
                lambda: next((s for s in reversed(self.world.openai.sessions)
                              if self.phone.number in s.instructions
                              and s not in self._former), None),
                f"a session that knows {self.phone.number}")
        return self._session

    def next_session(self):
        """The session that has taken over since, once it knows the caller."""
        sessions = self.world.openai.sessions
        since = sessions.index(self.session) + 1
        self._session = self.world.until(
            lambda: next((s for s in reversed(sessions[since:])
                          if self.phone.number in s.instructions), None),
            f"another session that knows {self.phone.number}")
        return self._session

    @property
    def worker(self):
        """The pid of its callworker (the last one, if there were more)."""
        self.wait_log("has worker pid=")
        return int(re.findall(
            rf"call={re.escape(self.id)} has worker pid=(\d+)",
            self.world.service.text())[-1])

    def heard(self, start_ns=0):
        """All spurts of sound so far, as bytes."""
        return spurts(self.phone.recording.payload(start_ns), self.codec)

    def heard_texts(self, *texts):
        """Whether just these texts were heard, whole and in this order, with
        or without pauses."""
        silence = rtp.SILENCE[self.codec]
        return b"".join(self.heard()).replace(silence, b"") == \
            b"".join(tone(text, self.codec) for text in texts)

    def lines(self):
        """The log lines of this call, and of its worker."""
        return [line for line in self.world.service.text().splitlines()
                if f"call={self.id} " in line]

    # What the caller does

    def says(self, name, ms=300, wait=True):
        """Speak, quiet for a moment before and after; the clip."""
        clip = self.phone.play(speech(name, self.codec, ms))
        if wait:
            clip.wait(PATIENCE)
        return clip

    def asks(self, name, answer, ms=300):
        """Speak and hear the answer to the end; the clip."""
        clip = self.says(name, ms)
        self.hears(answer, clip.end_ns - 5_000_000)
        return clip

    def hangup(self):
        self.phone.hangup()
        return self

    # What happens to it

    def forget_session(self):
        """Its worker dies: what is asked of its session is the next one's."""
        self._former = (*self._former, self.session)
        self._session = None

    def rescued(self, number=signal.SIGKILL):
        """Its worker dies of a signal and another one goes on: (the one's
        pid, the other's pid, ms until it was given the call)."""
        old = self.worker
        self.forget_session()
        self.world.service.signal(number, old)
        found = self.wait_log(rf"rescue from={old} to=(\d+) after_ms=(\d+)")
        return old, int(found.group(1)), int(found.group(2))

    def lost(self):
        """Its worker dies, and at once the next one: to the fallback."""
        self.rescued()
        self.world.service.signal(signal.SIGKILL, self.worker)
        return self.to_fallback(why="worker lost again so soon")

    # What is waited for

    def up(self):
        self.phone.wait_for("up", PATIENCE)
        return self

    def hears(self, text, start_ns=0, seconds=PATIENCE):
        """Until the whole of a text was heard, bit by bit. A machine that
        stalls may have put silence into it; heard() tells."""
        wanted = tone(text, self.codec)

        def found():
            heard = b"".join(self.heard(start_ns))
            assert self.phone.state != "ended" or wanted in heard, \
                f"call ended, {text!r} was not heard"
            return wanted in heard
        self.world.until(found, lambda: f"{text!r} heard; heard so far: "
                         f"{self.world.describe(self.heard())}", seconds)
        return self

    def begins_to_hear(self, text, ms=100):
        """Until the beginning of a text was heard, as by hears(); the
        time."""
        wanted = tone(text, self.codec)[:8 * ms]
        self.world.until(
            lambda: wanted in b"".join(self.heard()),
            f"beginning of {text!r} heard")
        return time.monotonic_ns()

    def heard_by_voice(self, clip):
        """Until the voice's service was given all of a clip; a machine that
        stalls may have put silence into it."""
        silence = rtp.SILENCE[self.codec]
        self.world.until(
            lambda: clip.audio in bytes(self.session.input_audio).replace(
                silence, b""), f"{len(clip.audio)} bytes at the voice")
        return self

    def wait_log(self, pattern, seconds=PATIENCE):
        """Until a line about this call matches."""
        return self.world.service.wait_log(
            rf"call={re.escape(self.id)} .*{pattern}", seconds)

    def ended(self, why=None):
        """Until nothing of it is left."""
        self.phone.wait_for("ended", PATIENCE)
        return self.gone(why)

    def gone(self, why=None):
        """Until the service is done with it."""
        if why:
            self.wait_log(rf'ended why="{why}"')
        self.wait_log("ENDING -> ENDED")
        return self

    def to_fallback(self, why=None):
        """Until the caller is in the dialplan's fallback."""
        self.phone.wait_for("queue", PATIENCE)
        assert self.phone.where == (FALLBACK, self.phone.exten, 1)
        if why:
            self.wait_log(f'goes to the fallback why="{why}"')
        return self.gone()


class World:
    """The three simulators and, once started, the service."""

    RTP_PORTS = (12000, 30000)  # somewhere in there

    def __init__(self, folder):
        self.folder = folder
        self.ari = AriSim()
        self.openai = OpenAISim({"settings": {}}, **{**FAST, "voice": "quick"})
        self.mikrotik = MikrotikSim()
        self.service = None
        self.calls = []
        self.expected = []          # of what is logged: must come
        self.allowed = []           # may come
        self.status = 0             # of the service, at the end
        self.since = 0              # where in its log judging begins
        self.closing = contextlib.ExitStack()   # after the service's end
        self.claims = contextlib.ExitStack()    # after everybody's
        self._numbers = itertools.count(1)
        self._finished = False

    def __enter__(self):
        self.ari.start_in_thread()
        self.openai.start_in_thread()
        self.mikrotik.start_in_thread()
        return self

    def __exit__(self, *exc):
        if self.service:
            self.service.destroy()
        self.closing.close()
        self.mikrotik.stop_thread()
        self.openai.stop_thread()
        self.ari.stop()
        self.claims.close()

    # The service

    @functools.cached_property
    def rtp_first(self):
        """The first of a hundred ports."""
        return ports.claim(self.claims, *self.RTP_PORTS)

    def settings(self):
        """What an operator would write, and short times."""
        first = self.rtp_first
        return {
            "ASTERISK_HOST": self.ari.host, "ASTERISK_PORT": self.ari.port,
            "ASTERISK_USERNAME": self.ari.user,
            "OPENAI_REALTIME_URL": self.openai.url,
            "OPENAI_CA_FILE": self.openai.ca_file,
            "MIKROTIK_API_URL": self.mikrotik.url,
            "LOCAL_IP_ADDRESS": "127.0.0.1",
            "RTP_PORT_MIN": first, "RTP_PORT_MAX": first + 99,
            "PERSONA": "prueba", "PERSONA_DIR": self.folder / "personas",
            "TOOLS_DIR": REPO / "etc/tools.d", "TOOL_WORKERS": 1,
            "FALLBACK_CONTEXT": FALLBACK, "WARM_WORKERS": 1,
            "ANSWER_TIMEOUT_MS": 15000,
            # A machine that stalls makes two turns of one.
            "VAD_SILENCE_MS": 600 if SANITIZED else 250}

    def make(self, **settings):
        """The service, configured; not started."""
        personas = self.folder / "personas"
        personas.mkdir(exist_ok=True)
        (personas / "prueba.md").write_text(PERSONA)
        (personas / "_llamada.md").write_text(
            (REPO / "etc/personas/_llamada.md").read_text())
        environment = {name: os.environ[name] for name in
                       ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
                       if name in os.environ}
        self.service = Service(
            self.folder, {**self.settings(), **settings},
            {"ASTERISK_PASSWORD": self.ari.password,
             "OPENAI_API_KEY": self.openai.api_key}, environment)
        return self.service

    def start(self, **settings):
        """Start it, and wait until it could take a call at once."""
        self.make(**settings).start()
        self.ready()
        return self.service

    def ready(self):
        self.service.wait_log("ari listing -> up")
        wanted = self.service.settings["WARM_WORKERS"]
        self.until(lambda: sum(1 for s in self.openai.live if s.events_out)
                   >= wanted, f"{wanted} sessions")

    @property
    def supervisor(self):
        return self.service.the("supervisor")

    # Calls

    def call(self, **how):
        """Somebody calls, from a number that nobody else has."""
        how.setdefault("caller", f"300{next(self._numbers):07d}")
        call = Call(self, self.ari.call(**how))
        self.calls.append(call)
        return call

    def script(self, **script):
        """What the voice says in calls that begin from now on."""
        self.openai.script.clear()
        self.openai.script.update(script, settings={})

    def answers(self, *replies):
        """The voice's answers to the caller's turns, in order."""
        self.script(turns=[
            turn if isinstance(turn, dict) else {"reply": turn}
            for turn in replies])

    def healthy(self):
        """A whole call goes through: the service is not harmed."""
        call = self.call()
        call.hears(GREETING)
        call.heard_by_voice(call.says("sano"))
        return call.hangup().gone()

    # Waiting and judging

    def until(self, predicate, what, seconds=PATIENCE):
        if self.service:
            return self.service.until(predicate, what, seconds)
        return self.ari.wait_for(predicate, seconds, what)

    def expect(self, *patterns):
        """Errors or warnings that have to be in the log at the end."""
        self.expected += patterns

    def allow(self, *patterns):
        """Errors or warnings that may be there."""
        self.allowed += patterns

    def describe(self, heard):
        """Spurts, with the names of those whose text is known."""
        known = {tone(text, codec): text for codec in FORMATS for text in
                 (GREETING, STILL_THERE, SILENT_GOODBYE, LIMIT_GOODBYE,
                  SHUTDOWN_GOODBYE, TOOL_WAIT, TROUBLE)}
        return [known.get(spurt, f"{len(spurt) / 8:.0f} ms")
                for spurt in heard]

    def hang_up_all(self):
        for call in self.calls:
            if call.phone.state != "ended":
                call.phone.hangup()

    def settle(self):
        """All callers gone, and nothing left of their calls."""
        self.hang_up_all()
        for call in self.calls:
            call.gone()
        self.until(lambda: not self.made(), lambda: f"gone: {self.made()}")
        self.judge()

    def begin(self):
        """In a shared world: start the service if no test has yet, and look
        at nothing that was before."""
        if self.service is None:
            self.start()
        self.since = self.service.mark()
        self.calls.clear()
        self.ari.take_violations()
        self.openai.violations.clear()
        self.script()
        self.openai.faults.clear()
        self.ari.faults.clear()
        self.mikrotik.always(None)

    def made(self):
        """Channels and bridges of the service's making that still are."""
        model = self.ari.model
        return [i for i in [*model.channels, *model.bridges]
                if i.startswith("telefonista-")]

    def voice_was_late(self):
        """Whether the simulated voice was kept so long by a machine that
        stalls that it was rightly reminded."""
        return any(run.took_s > VOICE_LATE_S and not run.reply.fault
                   for session in self.openai.sessions
                   for run in session.responses)

    def judge(self):
        """What the simulators have seen, and what the log complains of."""
        assert self.ari.violations == []
        assert self.ari.unimplemented == []
        assert self.ari.keys_in_urls == 0
        assert self.openai.violations == []
        assert self.mikrotik.violations == []
        complaints = self.service.complaints(self.since)
        reports = [line for line in complaints if SANITIZER.search(line)]
        assert reports == []
        wanted = self.expected + self.allowed
        if self.voice_was_late():
            wanted.append("the caller waits and hears nothing: nudging")
        odd = [line for line in complaints
               if not any(re.search(p, line) for p in wanted)]
        assert odd == []
        self.keeps_secrets()

    def keeps_secrets(self):
        """No secret was written to the log, in any form."""
        pair = f"{self.ari.user}:{self.ari.password}".encode()
        text = self.service.text()
        for secret in (self.ari.password, self.openai.api_key,
                       base64.b64encode(pair).decode()):
            assert secret not in text

    def finish(self):
        """The end of a test: everyone hangs up, the service is stopped."""
        if self.service is None or self._finished:
            return
        self._finished = True
        service = self.service
        if service.process is not None:
            if service.status is None:
                self.hang_up_all()
                for call in self.calls:
                    if service.find(f"call={re.escape(call.id)} arrived"):
                        call.gone()
            assert service.stop() == self.status
            self.until(lambda: not service.left(),
                       lambda: f"gone: {service.left()}")
        assert self.made() == []
        self.judge()
        for pattern in self.expected:
            assert service.find(pattern), f"no log line {pattern}"

    def report(self):
        """Sections for pytest: what the service said, and who complained."""
        if self.service is None:
            return []
        lines = self.service.text().splitlines()
        requests = [f"{r.method} {r.path} -> {r.status} {r.ms:.1f} ms"
                    for r in list(self.ari.requests)[-40:]]
        tree = [processes.title(pid) for pid in self.service.seen]
        return [("log of the service", "\n".join(lines[-120:])),
                ("requests to Asterisk", "\n".join(requests)),
                ("processes seen", "\n".join(tree))]
