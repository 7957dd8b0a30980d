# SPDX-License-Identifier: MIT
"""run.py – calls that talk, rounds of them with tools and without, and the
one who kills toolworkers meanwhile. What was promised is asserted at the end
of each round; what was measured is handed back."""

import collections
import dataclasses
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request

from tests.bench import tools
from tests.demo import processes
from tests.e2e import ports
from tests.e2e.service import PATIENCE, REPO
from tests.e2e.world import PERSONA, World
from tests.sim.openai_brain import Reply, ScriptBrain
from tests.sim.openai_schema import EventChecker
from tests.sim.recording import percentile

WORKERS = 4
OTHERS_NICE = 19    # least of all
TURN_S = 3.0        # between two turns of a caller
SETTLED_MS = 2000   # of audio; longer than a pause, and than it is under way
NOT_RUN = ("cancelled",)
READY = "Listo, eso es lo que hay por ahora."
PREAMBLE = "Un momento, lo miro."


class Brain(ScriptBrain):
    """Says that there are results, not what they are: a voice that reads four
    thousand bytes to the caller shows nothing more. Notes when they came."""

    def __init__(self, script, outputs):
        super().__init__(script)
        self._outputs = outputs

    def function_output(self, output):
        super().function_output(output)
        self._outputs.append((time.monotonic(), output))

    def _spoken_results(self):
        self._results.clear()
        return Reply(READY)


class Chaos:
    """A world whose tools are those of tools.py, or what DEFINE makes of the
    services' addresses: at most 16, as a persona may offer. FIELDS: more
    lines of the persona."""

    def __init__(self, folder, *, calls, seed, strict=True,
                 define=tools.definitions, fields=""):
        self.folder, self.count, self.seed = folder, calls, seed
        self.questions = tools.Questions(seed)
        self.world = World(folder)
        self.outputs = []               # (monotonic s, output) as they came
        self.asked = {}                 # (name, arguments text) -> Question
        self._define, self._fields = define, fields
        if not strict:      # the schema of every event costs most of the CPU
            self.world.openai.checker = EventChecker(folder / "no-schema")
        self.world.openai.brain_factory = lambda session: Brain(
            self.world.openai.script, self.outputs)

    def __enter__(self):
        self.world.__enter__()
        try:
            self._start_services()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, *exc):
        if getattr(self, "hostile", None):
            self.hostile.terminate()
            self.hostile.wait()
        self.world.__exit__(*exc)

    def _start_services(self):
        ready = self.folder / "hostile.json"
        self.hostile = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", sys.executable, "-m", "tests.bench.hostile",
             "--ready-file", str(ready), "--seed", str(self.seed)],
            cwd=REPO, stdin=subprocess.DEVNULL)
        self.world.ari.wait_for(ready.exists, PATIENCE, "the services")
        self.services = json.loads(ready.read_text())
        made = self._define(self.services)
        tools.write(self.folder / "tools.d", made)
        self.names = list(made)

    def start(self, **settings):
        secret = self.folder / "tool_token"
        secret.touch(mode=0o600)
        secret.write_text(tools.SECRET + "\n")
        world = self.world
        first = ports.claim(world.claims, *world.RTP_PORTS, 200)
        world.make(**{
            "MAX_CALLS": self.count, "WARM_WORKERS": min(8, self.count),
            "TOOL_WORKERS": WORKERS, "TOOLS_DIR": self.folder / "tools.d",
            "TOOL_TOKEN_FILE": secret, "RTP_PORT_MIN": first,
            # A machine that stalls must not make two turns of one.
            "VAD_SILENCE_MS": 600,
            "RTP_PORT_MAX": first + 199, **settings})
        (self.folder / "personas" / "prueba.md").write_text(re.sub(
            "^tools: .*$", "\n".join(["tools: " + ", ".join(self.names),
                                      *self._fields.splitlines()]),
            PERSONA, flags=re.MULTILINE))
        # What toolworkers and tools do to themselves here is the point.
        world.allow("tool answered ", "tool call refused ", "toolworker ",
                    "tool lost its worker", "mikrotik service",
                    "tool query (failed|cannot be sent) ",
                    "hears nothing: nudging")
        world.service.start()
        world.ready()
        self.pool_is_whole()
        return self

    def give_way(self):
        """Telephones, Asterisk and OpenAI, which are threads of this process,
        and the services are other machines: what they cost here must not be
        taken for the product's. For good: the next service would inherit it.
        """
        for task in [self.hostile.pid, *os.listdir("/proc/self/task")]:
            os.setpriority(os.PRIO_PROCESS, int(task), OTHERS_NICE)

    def report(self):
        """What the services have seen."""
        with urllib.request.urlopen(self.services["healthy"] + "/_report",
                                    timeout=PATIENCE) as answer:
            return json.load(answer)

    def keep(self, folder):
        """What a failure is to be understood from, in files."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "service.log").write_text(self.world.service.text())
        with open(folder / "voice.log", "w") as out:
            for entry in list(self.world.openai.log.entries):
                out.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return folder

    # Calls

    def turn(self, questions, preamble=""):
        """A turn of a script in which the model makes these calls."""
        for question in questions:
            self.asked[question.name, question.arguments if isinstance(
                question.arguments, str) else json.dumps(
                    question.arguments, ensure_ascii=False)] = question
        return {"preamble": preamble,
                "calls": [question.script() for question in questions]}

    def place(self, scripts, pause_s=.05):
        """One call for each list of turns, all up and greeted."""
        world = self.world
        first = len(world.ari.phones) + 1
        world.script(scripts=[
            {"instructions_contain": f"300{first + n:07d}", "turns": turns}
            for n, turns in enumerate(scripts)])
        calls = []
        for _ in scripts:
            calls.append(world.call())
            time.sleep(pause_s)     # as callers come, one after the other
        for call in calls:
            call.up().wait_log("greeting ready")
        return calls

    @staticmethod
    def _function_calls(calls):
        """(call, item, whether it is run) of all that the voice's service has
        in its conversations. What the caller interrupted is not run."""
        for call in calls:
            completed = {e["response"]["id"] for e in
                         call.session.sent("response.done")
                         if e["response"]["status"] == "completed"}
            for event in call.session.sent("response.output_item.done"):
                item = event["item"]
                if item["type"] == "function_call" and \
                        item["status"] == "completed":
                    yield call, item, event["response_id"] in completed

    def made(self, calls, ran=True):
        """{call_id: (call, Question)} of the function calls that the model
        has made in these calls; not RAN: those that were not to be run."""
        return {item["call_id"]: (call, self.asked[
            item["name"], item["arguments"]]) for call, item, is_run
            in self._function_calls(calls) if is_run == ran}

    @staticmethod
    def answers(calls):
        """{call_id: [(call, output)]} of what the model was given."""
        found = collections.defaultdict(list)
        for call in calls:
            for event in call.session.received("conversation.item.create"):
                if event["item"]["type"] == "function_call_output":
                    found[event["item"]["call_id"]].append(
                        (call, event["item"]["output"]))
        return found

    def all_answered(self, calls, seconds=PATIENCE):
        """Until every function call has an answer. Looks seldom: it must not
        take the time of the calls that it looks at."""
        end = time.monotonic() + seconds
        while True:
            given = self.answers(calls)
            missing = {i: call for ran in (True, False) for i, (call, _)
                       in self.made(calls, ran).items() if i not in given}
            if not missing:
                return
            if time.monotonic() >= end:
                raise TimeoutError(f"no answer within {seconds} s: " +
                                   self.stories(missing))
            time.sleep(.3)

    def all_said(self, calls):
        """Until the voice has heard and answered whatever the callers have
        said by now: nothing new is asked after it."""
        heard = {call: len(call.session.input_audio) + SETTLED_MS * 8
                 for call in calls}
        self.world.until(
            lambda: all(len(call.session.input_audio) >= heard[call] and
                        call.session.is_idle for call in calls),
            lambda: "all said and answered but for " + str(
                [call.phone.number for call in calls
                 if not call.session.is_idle]), 2 * PATIENCE)

    # Judging

    def stories(self, call_ids):
        """What the voice's service and ours have to tell of function calls,
        {call_id: call}; of three of them."""
        told = [f"{len(call_ids)} function calls"]
        for call_id, call in list(call_ids.items())[:3]:
            events = [e for e in list(self.world.openai.log.entries)
                      if e.get("session") == call.session.id]
            at = [n for n, e in enumerate(events) if call_id in str(e)]
            told.append(f"-- {call_id} of call {call.id}")
            told += [str(e) for e in events[
                max(0, min(at) - 20):max(at) + 20]] if at else []
            told += [line for line in call.lines() if call_id in line or
                     "call not run" in line or " voice" in line]
        return "\n".join(told)

    def judge(self, calls, unlucky=()):
        """Exactly one right answer each; a Counter of (name, status)."""
        given = self.answers(calls)
        problems, whose = [], {}
        ends = collections.Counter()

        def check(call_id, call, question, allowed):
            outputs = given.pop(call_id, [])
            if len(outputs) != 1 or outputs[0][0] is not call:
                return f"{len(outputs)} answers"
            status = json.loads(outputs[0][1]).get("status")
            ends[question.name, status] += 1
            if allowed:
                return "" if status in allowed else f"status {status}"
            return tools.judge(question, outputs[0][1], unlucky)

        for ran in (True, False):
            for call_id, (call, question) in self.made(calls, ran).items():
                wrong = check(call_id, call, question,
                              () if ran else NOT_RUN)
                if wrong:
                    problems.append((call_id, question, wrong))
                    whose[call_id] = call
        problems += [(i, "answer to nothing") for i in given]
        assert not problems, "\n".join(map(str, problems[:20])) + "\n" + \
            self.stories(whose)
        return ends

    def judge_services(self, unlucky=()):
        """What the services have seen of all rounds."""
        report = self.report()
        assert report["unreadable"] == []
        assert report["trapped"] == 0, "a redirect was followed elsewhere"
        assert report["served_behind_tls"] == 0
        writes = collections.Counter(
            token for kind, _, token in report["seen"] if kind == "escribe")
        twice = [token for token, n in writes.items() if n > 1]
        assert not twice, f"written twice: {twice}"
        questions = {q.token: q for q in self.asked.values()}
        for seen in report["injected"]:
            question = questions[seen["token"]]
            assert question.injected, f"sent although invalid: {question}"
            wrong = tools.judge_injected(question, seen)
            assert not wrong, wrong
        return report

    def pool_is_whole(self):
        """As many toolworkers as there should be, idle, and nobody else."""
        world, service = self.world, self.world.service
        spares = int(service.settings["WARM_WORKERS"])

        def wrong():
            roles = collections.Counter(service.tree().values())
            busy = [service.title(p) for p in service.pids("toolworker")
                    if "jobs=0" not in service.title(p)]
            calls = roles.pop("callworker", 0)
            talking = sum(c.phone.state not in ("ended", "queue")
                          for c in world.calls)
            if roles != {"keeper": 1, "supervisor": 1, "toolworker": WORKERS} \
                    or busy or calls != spares + talking:
                return f"{dict(roles)} callworkers={calls} busy={busy}"
            zombies = processes.zombies(service.pid)
            return zombies and f"zombies {zombies}"
        world.until(lambda: not wrong(), lambda: f"pool back: {wrong()}",
                    2 * PATIENCE)

    def keeps_secrets(self):
        """The tools' secret is in no log, title or environment."""
        service = self.world.service
        assert tools.SECRET not in service.text()
        for pid in service.tree():
            for place in ("cmdline", "environ"):
                try:
                    with open(f"/proc/{pid}/{place}", "rb") as shown:
                        assert tools.SECRET.encode() not in shown.read()
                except (FileNotFoundError, ProcessLookupError):
                    pass


class Killer(threading.Thread):
    """Kills and freezes toolworkers at random until it is told to stop; at
    least one is left alone. What it froze is killed by the supervisor, or by
    nobody: then pool_is_whole() waits in vain."""

    def __init__(self, service, seed, pause_s=(.7, 1.7)):
        super().__init__(daemon=True)
        self.killed, self.frozen = [], []
        self._service, self._pause_s = service, pause_s
        self._dice = random.Random(seed)
        self._done = threading.Event()

    def run(self):
        while not self._done.wait(self._dice.uniform(*self._pause_s)):
            pids = self._service.pids("toolworker")
            stopped = [p for p in pids if _is_stopped(p)]
            running = [p for p in pids if p not in stopped]
            if len(running) < 2:
                continue
            pid = self._dice.choice(running)
            freeze = not stopped and self._dice.random() < .3
            try:
                os.kill(pid, signal.SIGSTOP if freeze else signal.SIGKILL)
            except ProcessLookupError:
                continue
            (self.frozen if freeze else self.killed).append(pid)

    def stop(self):
        self._done.set()
        self.join()


def _is_stopped(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


# Rounds

@dataclasses.dataclass
class Round:
    """What one round has measured; a list has one value per call."""
    tools: bool
    late_p99_ms: list
    late_max_ms: list
    skipped: list           # frames that a callworker left out
    gap_p99_ms: list        # between two packets at the phone
    gap_max_ms: list
    ends: collections.Counter
    killed: int = 0
    frozen: int = 0


def talk(calls, seconds):
    """Each caller speaks every TURN_S, not all at the same moment."""
    begin, clips = time.monotonic(), []
    due = [(begin + TURN_S * (turn + n / len(calls)), call)
           for turn in range(max(1, int(seconds / TURN_S)))
           for n, call in enumerate(calls)]
    for number, (when, call) in enumerate(sorted(due, key=lambda d: d[0])):
        time.sleep(max(0, when - time.monotonic()))
        clips.append(call.says(f"turno {number}", wait=False))
    time.sleep(max(0, begin + seconds - time.monotonic()))
    for clip in clips:
        clip.wait(PATIENCE)


def play_round(chaos, with_tools, seconds, seed, most=4):
    """A round: calls, SECONDS of talk, hang-ups, the verdict."""
    world = chaos.world
    turns = int(seconds / TURN_S) + 1
    scripts = [[chaos.turn(chaos.questions.some(most), PREAMBLE)
                if with_tools else {"reply": PREAMBLE + " " + READY}
                for _ in range(turns)] for _ in range(chaos.count)]
    calls = chaos.place(scripts)
    killer = Killer(world.service, seed) if with_tools else None
    begin_ns = time.monotonic_ns()
    if killer:
        killer.start()
    try:
        talk(calls, seconds)
    finally:
        if killer:
            killer.stop()
    end_ns = time.monotonic_ns()
    chaos.all_said(calls)
    chaos.all_answered(calls, 2 * PATIENCE)
    for call in calls:
        assert call.phone.state == "up", f"call ended: {call.lines()[-5:]}"
        call.hangup()
    chaos.keeps_secrets()
    for call in calls:
        call.gone()
    # Only now: judging takes time that calls must not be without.
    made = Round(with_tools, *_measure(calls, begin_ns, end_ns),
                 chaos.judge(calls, tools.UNLUCKY if with_tools else ()))
    if killer:
        made.killed, made.frozen = len(killer.killed), len(killer.frozen)
    made.late_p99_ms, made.late_max_ms, made.skipped = _last_words(
        world.service.text(), calls)
    chaos.pool_is_whole()
    world.calls.clear()
    return made


def _measure(calls, begin_ns, end_ns):
    gaps = [[ms for _, ms in call.phone.recording.gaps(0, begin_ns, end_ns)]
            for call in calls]
    return [], [], [], [percentile(g, .99) for g in gaps], \
        [max(g, default=0) for g in gaps]


def _last_words(text, calls):
    """(p99 ms, max ms, skipped frames) of each call's bye."""
    media = {call: json.loads(bye)["media"] for call, bye in re.findall(
        r"call=(\S+) worker says bye (\{.*\})", text)}
    missing = [call.id for call in calls if call.id not in media]
    assert not missing, f"no bye of {missing}"
    own = [media[call.id] for call in calls]
    return ([m["clock_late_p99_us"] / 1000 for m in own],
            [m["clock_late_max_us"] / 1000 for m in own],
            [m["skipped_frames"] for m in own])
