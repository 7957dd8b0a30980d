# SPDX-License-Identifier: MIT
"""One whole call, in the foreground: the real binaries between a simulated
Asterisk with a caller, a simulated OpenAI Realtime and simulated MikroTik
routers. Shows it, measures it, and leaves build/demo/call.wav.

    make demo, or /usr/bin/python3 -m tests.demo.demo

The binaries are those of $TELEFONISTA_BUILD, by default build/.
Exit status 0: every point of the call happened; 1: the last lines say which
did not, and where the logs are.
"""

import json
import os
import signal
import subprocess
import sys
import time

from tests.e2e.service import BINARY, BUILD, REPO, Service
from tests.sim.ari import AriSim
from tests.sim.openai_realtime import OpenAISim

from . import facts, processes, story
from .hearing import Hearing
from .routers import PASSWORD, Routers
from .screen import Narrator, Screen

FOLDER = REPO / "build" / "demo"
LIMIT_SECONDS = 150     # all of it, whatever happens
INTERRUPT_AFTER_MS = 1700   # of the voice's answer
SOUND_MS = 1200             # heard before the caller gets impatient
RECORDING = FOLDER / "call.wav"


class Failed(Exception):
    """A point that did not happen; its text says which."""


def until(predicate, seconds, what):
    """Wait for predicate(); its value. Failed if it does not come true."""
    end = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds:.0f} s")
        time.sleep(.01)


class Call:
    """The simulators, the service, one call, and what was seen of it."""

    def __init__(self, screen):
        self.screen = screen
        self.ari = AriSim()
        self.openai = OpenAISim(story.VOICE_SCRIPT,
                                log_file=FOLDER / "openai.log")
        self.routers = Routers(story.ROUTERS)
        self.simulators = (self.ari, self.openai, self.routers)
        self.service = self.phone = self.hearing = self.narrator = None
        self.session = None         # the voice's session of this call
        self.clips = {}             # text -> Clip
        self.baseline = {}          # role -> descriptors before the call
        self.ps_call_line = None    # as ps showed it, with its tool
        self.call_pid = None
        self.memory = []            # (role, PSS in kB) in mid-call
        self._running = []          # simulators to be stopped

    # Before the call

    def prepare(self):
        started = time.monotonic()
        story.synthesise()
        self._row("voices", "espeak-ng says what caller and assistant say",
                  started)
        started = time.monotonic()
        for sim in self.simulators:
            sim.start_in_thread()
            self._running.append(sim)
        self._row("simulators", "Asterisk, OpenAI Realtime and "
                  f"{len(story.ROUTERS)} MikroTik routers", started)
        started = time.monotonic()
        self.service = Service(
            FOLDER, self._settings(),
            {"ASTERISK_PASSWORD": self.ari.password,
             "OPENAI_API_KEY": self.openai.api_key,
             "TOOL_ROUTER_PASSWORD": PASSWORD}).start()
        until(self._is_ready, 20, "the service is ready")
        self.baseline = self._held()
        self._row("telefonista", f"{os.path.relpath(BINARY)}, with a spare "
                  "callworker connected", started)

    def _row(self, label, text, started):
        self.screen.row(label,
                        f"{text} ({time.monotonic() - started:.1f} s)")

    def _settings(self):
        """What an operator would set; secrets are in files of their own. A
        binary outside of the tree does not find etc/ by itself."""
        etc = REPO / "etc"
        elsewhere = {} if BUILD.parent == REPO else \
            {"PERSONA_DIR": etc / "personas", "TOOLS_DIR": etc / "tools.d"}
        return {
            **elsewhere,
            "ASTERISK_HOST": self.ari.host, "ASTERISK_PORT": self.ari.port,
            "ASTERISK_USERNAME": self.ari.user,
            "OPENAI_REALTIME_URL": self.openai.url,
            "OPENAI_CA_FILE": self.openai.ca_file,
            "ENABLE_MIKROTIK_TOOLS": "no",
            "ROUTERS_FILE": self.routers.write_inventory(
                FOLDER / "routers.json"),
            "LOCAL_IP_ADDRESS": "127.0.0.1", "WARM_WORKERS": 1,
            "TOOL_WORKERS": 1}

    def _is_ready(self):
        if self.service.status is not None:
            raise Failed("the service is ready: it ended at once, status "
                         f"{self.service.status}")
        return self.ari.session_of() and self.openai.live and \
            sorted(self.service.tree().values()) == \
            ["callworker", "keeper", "supervisor", "toolworker"]

    def _held(self):
        """{role: descriptors} of the two that outlive every call. TCP is
        left out: idle connections to Asterisk are kept for the next call."""
        held = {}
        for pid, role in self.service.tree().items():
            if role in ("keeper", "supervisor"):
                held[role] = processes.descriptors(pid)
                del held[role]["tcp"]
        return held

    # The call

    def run(self):
        self.screen.heading(f"The call {story.CALLER} → {story.DIALLED}")
        self.phone = self.ari.call(exten=story.DIALLED, caller=story.CALLER,
                                   codec=story.CODEC)
        self.hearing = Hearing(self.phone, self.openai, story.agent_speech)
        self.narrator = Narrator(self.screen, self.phone.started_ns,
                                 self.hearing)
        self.narrator.note(self.phone.started_ns, "phone", "rings")
        self.narrator.start()
        self._until(lambda: self.phone.answered_ns, 10, "the call is answered")
        self.narrator.note(self.phone.answered_ns, "phone", "is answered")
        self._heard("the greeting", lambda: self.hearing.utterances and
                    self.hearing.utterances[0])
        self.session = self.hearing.utterances[0].run.session
        self._questions()
        self._query()
        self._farewell()

    def _until(self, predicate, seconds, what):
        """until(), as long as the call lives."""
        def look():
            value = predicate()
            if not value and self.phone.state in ("queue", "ended"):
                raise Failed(f"{what}: the call was lost before")
            return value
        return until(look, seconds, what)

    def _questions(self):
        self._say(story.PLANS, 300)
        patient_ms = story.middle_of_a_word(story.PLANS_REPLY,
                                            INTERRUPT_AFTER_MS)
        self._until(lambda: self._progress(story.PLANS_REPLY) >= patient_ms,
                    20, "the voice answers the first question")
        self._say(story.INTERRUPTION, 0)
        plans = self.hearing.find(story.PLANS_REPLY)
        self._until(lambda: plans.over, 20, "the voice stops for the caller")

    def _query(self):
        self._until(
            lambda: len(self.routers.asked) == len(story.ROUTERS) - 1, 20,
            f"{story.QUERY} asks the routers")
        self.narrator.note(int(min(self.routers.asked.values()) * 1e9),
                           "tool", f"{story.QUERY}: {story.ARGUMENTS}")
        self._heard("the announcement of the query",
                    lambda: self.hearing.find(story.PREAMBLE))
        self._process_tree()
        self._until(lambda: len(self.hearing.waiting) * 20 > SOUND_MS, 10,
                    "the caller hears that somebody works on it")
        self.narrator.note(self.hearing.waiting[0].t_ns, "phone",
                           "♪ a soft sound: somebody works on it")
        self._say(story.IMPATIENCE, 0)
        self._heard("the answer to an impatient caller",
                    lambda: self.hearing.find(story.PATIENCE_REPLY))
        self._heard("how far the query is", self._line)
        self._until(self.result, 20, "the query is answered")
        t_s, text = self.result()
        self.narrator.note(int(t_s * 1e9), "tool", f"answers: {text}")

    def _farewell(self):
        self._heard("the answer of the query",
                    lambda: self.hearing.find(story.ANSWER))
        self._say(story.THANKS, 300, 300)
        self.phone.hangup()
        self._until(lambda: self.phone.ended_ns, 10, "the caller hangs up")
        self.narrator.note(self.phone.ended_ns, "phone",
                           "the caller has hung up")

    def _say(self, text, pause_ms, hush_ms=0):
        clip = self.phone.play(story.line(text, pause_ms, hush_ms))
        self.clips[text] = clip
        self.narrator.says(clip, text)
        try:
            clip.wait(30)
        except TimeoutError:
            raise Failed("the caller can speak: the call is not running")

    def _line(self):
        return next(filter(None, map(self.hearing.find,
                                     story.PROGRESS_LINES)), None)

    def _progress(self, text):
        utterance = self.hearing.find(text)
        return utterance.heard_ms if utterance else 0

    def _heard(self, what, find):
        """Until an utterance has been heard to its end."""
        utterance = self._until(find, 20, f"{what} is heard")
        self._until(lambda: utterance.over, 60, f"{what} is heard to its end")

    def result(self):
        """(s when the voice was given the tool's result, its text)."""
        items = [e["item"] for e in
                 self.session.received("conversation.item.create")
                 if e["item"]["type"] == "function_call_output"]
        times = [e["t"] for e in list(self.openai.log.entries)
                 if e["event"] == "recv" and e["session"] == self.session.id
                 and e["type"] == "conversation.item.create"]
        if not items:
            return None
        return times[-1], " ".join(
            map(str, json.loads(items[0]["output"]).values()))

    # In mid-call

    def _process_tree(self):
        """As ps shows it, once the title of the call names its tool."""
        def with_tool():
            lines = processes.ps(self.service.tree())
            return [l for l in lines if f"tool={story.QUERY}" in l] and lines
        lines = self._until(with_tool, 4, f"ps shows tool={story.QUERY}")
        found = [l for l in lines if self.phone.channel.id in l]
        self.ps_call_line = found[0] if found else None
        self.call_pid = int(found[0].split()[0]) if found else None
        names = {"callworker": "spare"}
        self.memory = [("this call" if pid == self.call_pid else
                        names.get(role, role), processes.pss_kb(pid))
                       for pid, role in self.service.tree().items()]
        self.narrator.block(lines)

    # After the call

    def aftermath(self):
        """[(happened, what)]: nothing is left of the call, then of all."""
        return [self._try(self._no_leftovers), self._try(self._as_before),
                self._try(self._stops)]

    @staticmethod
    def _try(check):
        try:
            return True, check()
        except Failed as failure:
            return False, str(failure)

    def _no_leftovers(self):
        def gone():
            model = self.ari.model
            return not (model.channels or model.bridges
                        or processes.alive(self.call_pid or 0)
                        or processes.zombies(self.service.pid)
                        or not self.session.closed.is_set())
        until(gone, 10, "no channel, bridge, session or process of the call "
              "is left")
        return "no channel, bridge, session or process of the call is left"

    def _as_before(self):
        what = "keeper and supervisor hold no more descriptors than before"

        def more():
            return {role: dict(counts - self.baseline[role])
                    for role, counts in self._held().items()
                    if counts - self.baseline[role]}
        try:
            until(lambda: not more(), 10, what)
        except Failed as failure:
            raise Failed(f"{failure}; more: {more()}") from None
        return what

    def _stops(self):
        try:
            status = self.service.stop()
        except subprocess.TimeoutExpired:
            raise Failed("the service ends on SIGTERM") from None
        if status != 0:
            raise Failed("the service ends on SIGTERM with status 0, not "
                         f"{status}")
        until(lambda: not self.service.left(), 5,
              "no process of the service is left")
        return "on SIGTERM the service ended, status 0, and left no process"

    def save(self):
        """The recording; and what was asked of the simulated Asterisk."""
        if self.phone and self.phone.sent:
            self.phone.save(RECORDING)
        with open(FOLDER / "ari.log", "w") as out:
            lines = [(r.t_ns / 1e9, "request", r.method, r.path, r.query,
                      r.status) for r in list(self.ari.requests)]
            lines += [(e.t_ns / 1e9, "event", e.event)
                      for e in list(self.ari.events)]
            for entry in sorted(lines, key=lambda entry: entry[0]):
                out.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def clean_up(self):
        """Ends whatever was started; a second ^C does not stop it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self.narrator:
            self.narrator.finish()
        if self.phone:
            self.phone.hangup()     # or the service would say goodbye first
        if self.service:
            try:
                self.service.stop(5)
            except subprocess.TimeoutExpired:
                pass
            self.service.destroy()
        for sim in self._running:
            stop = getattr(sim, "stop_thread", sim.stop)
            stop()


def report(screen, call):
    """Summary and points; True if all of them happened."""
    found = facts.Facts(call)
    points = found.points()
    summary = found.summary()
    points += call.aftermath() + [found.calm()]
    caller_s, agent_s = facts.audible(RECORDING)
    points.append((caller_s > 5 and agent_s > 10,
                   f"{os.path.relpath(RECORDING)} has {caller_s:.0f} s of "
                   f"the caller and {agent_s:.0f} s of the voice"))
    screen.heading("What was measured")
    for label, text in summary:
        screen.row(label, text)
    screen.heading("What had to happen")
    for happened, what in points:
        screen.point(happened, what)
    return all(happened for happened, _ in points)


def complain(screen, failure, log):
    """In plain words: what failed, the last complaints, where the logs are."""
    screen.line()
    screen.line(screen.style("bad", "✗ The demo failed: ") + str(failure))
    if log.exists():
        lines = log.read_text(errors="replace").splitlines()
        bad = [l for l in lines if "error: " in l or "warning: " in l]
        for line in (bad or lines)[-6:]:
            screen.line("    " + line[:200])
    screen.line(f"  Logs: {os.path.relpath(log)} (the service), openai.log "
                "and ari.log beside it.")


def fresh_folder():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in ("call.wav", "telefonista.log", "openai.log", "ari.log"):
        (FOLDER / name).unlink(missing_ok=True)


def give_up(number, _frame):
    if number == signal.SIGALRM:
        raise Failed(f"all of it within {LIMIT_SECONDS} s")
    raise KeyboardInterrupt


def perform(screen, call):
    """0, or 1 after having said why."""
    log = FOLDER / "telefonista.log"
    try:
        call.prepare()
        call.run()
        call.narrator.finish()
        if call.narrator.error:
            raise call.narrator.error
        call.save()
        if not report(screen, call):
            complain(screen, "see ✗ above", log)
            return 1
    except Failed as failure:
        if call.narrator:
            call.narrator.finish()
        call.save()
        complain(screen, failure, log)
        return 1
    screen.line()
    screen.line(f"Listen: {os.path.relpath(RECORDING)} (caller left, "
                f"assistant right). Log: {os.path.relpath(log)}")
    return 0


def main():
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP,
                   signal.SIGINT):
        signal.signal(number, give_up)
    signal.alarm(LIMIT_SECONDS)
    fresh_folder()
    screen = Screen()
    screen.line(screen.style("bold", "Telefonista: one whole call") +
                " – no Asterisk, no OpenAI key, real binaries\n")
    call = Call(screen)
    try:
        return perform(screen, call)
    except KeyboardInterrupt:
        if call.narrator:
            call.narrator.finish()
        screen.line("\nstopped")
        return 130
    finally:
        signal.alarm(0)
        call.clean_up()


if __name__ == "__main__":
    sys.exit(main())
