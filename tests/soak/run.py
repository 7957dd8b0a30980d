# SPDX-License-Identifier: MIT
"""run.py – rounds of calls that are broken, each followed by a moment without
any, in which it is measured what is left of them."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import itertools
import json
import random
import re
import threading
import time

from tests.bench import run as bench
from tests.bench import tools
from tests.demo import processes
from tests.e2e import service as service_module
from tests.e2e.installed import Installed
from tests.e2e.service import REPO
from tests.soak import breaker, callers, holdings
from tests.soak.story import Story
from tests.soak.voice import Brain

IDLE_S = 90             # until nothing of a round is left
ALL_FAULTS_CALLS = 1000     # so many meet a fault of each kind
PERSONS = 12
# Of tests/bench/tools.py: what the voice asks for, and how often.
ASKED = {"sano": 6, "escribe": 4, "cuelga": 1, "basura": 1, "corta": 1,
         "quinientos": 1, "ocupado": 1}
OURS = ("identificar_personal", "transferir_llamada", "terminar_llamada")
FIELDS = "goodbye: Que esté muy bien."
# What the log may complain of while all that is done to the service; whatever
# else it says as warning or error is a finding.
EXPLAINED = (
    # What is done to processes.
    "^(callworker|toolworker|supervisor) (killed by|ended by|exited with)",
    "^(callworker|toolworker|supervisor) hangs, killing it",
    "^(worker|toolworker) lost ", "^alarm=rescue rescue from=",
    "^its successor had no voice",
    "^found again, worker lost meanwhile", "^nobody let the call go",
    "^tool lost its worker", "^goes to the fallback why=",
    # What services do.
    "^tool (query failed|query cannot be sent|answered|call refused) ",
    "^ari (connection lost|request (failed|refused)) ?",
    "^left over in Asterisk", "^media channel was lost with the connection",
    "hears nothing: nudging",
    "^voice (lost|failed|response failed|gone)[, ]", "no voice session",
    "^the voice (has trouble|does not answer) ",
    "^alarm=openai_(server|network|rate)",
    # What callers do.
    "^RTP from a stranger dropped", "^refused: ", "^alarm=lockout",
)


CALL = re.compile(r"\d+\.\d+")       # a channel's id


def tool_file(name):
    return json.loads((REPO / f"etc/tools.d/{name}.json").read_text())


def define(services):
    """The tools of the soak: the bench's, and those that do something to the
    call itself."""
    made = tools.definitions(services)
    made = {name: made[name] for name in ASKED}
    for name in OURS:
        made[name] = tool_file(name)
    transfer = made["transferir_llamada"]
    destinations = {f"p{n}": {"endpoint": endpoint(n), "ring_s": 20}
                    for n in range(PERSONS)}
    transfer["executor"]["destinations"] = destinations
    transfer["parameters"]["properties"] = {
        "destino": {"type": "string", "enum": list(destinations)}}
    return made


def endpoint(number):
    return f"Local/p{number}@telefonista-transfer"


@dataclasses.dataclass
class Round:
    """What came of one."""
    calls: int
    seconds: float
    outcomes: collections.Counter
    hits: list
    lost: list                  # of (Outcome, kind of fault)
    repeated: int
    answers: int
    holdings: object


class Soak:
    """A world that is called, and broken."""

    def __init__(self, folder, *, seed, at_once, pause_s=(.2, .8)):
        self.at_once, self.pause_s = at_once, pause_s
        self.dice = random.Random(seed)
        self.folder = folder
        self.chaos = bench.Chaos(folder, calls=at_once, seed=seed,
                                 strict=False, define=define, fields=FIELDS)
        self.world = self.chaos.world
        self.plans = {}             # number -> voice.Plan
        self.callers = []           # of this round
        self.dialling = threading.Lock()
        self.idle = []              # Holdings, in order
        self.rounds = []
        self.refusing_until = 0.0   # monotonic s: OpenAI does, at times
        self.left = []              # what was not as before, in words
        self.story = None
        self._numbers = itertools.count(1)
        self._persons = collections.deque(range(PERSONS))
        self._free = threading.Semaphore(PERSONS)
        self.world.openai.brain_factory = lambda session: Brain(self.plans)

    def __enter__(self):
        self.installed = Installed(self.folder / "bin")
        self._binary = service_module.BINARY
        service_module.BINARY = self.installed.path()
        self.chaos.__enter__()
        return self

    def __exit__(self, *exc):
        self.chaos.__exit__(*exc)
        service_module.BINARY = self._binary

    def start(self):
        self.runtime = self.folder / "run"
        self.runtime.mkdir()
        self.records = self.folder / "records"
        self.world.ari.session_limit = 200
        self.world.allow(".")     # problems() judges
        self.chaos.start(
            MAX_CALLS=self.at_once + 20, VAD_SILENCE_MS=400,
            STAFF_PINS=f"ana:{callers.PIN}", RECORDS_DIR=self.records,
            CONTROL_SOCKET=self.runtime / "control", SILENT_CALLER_SECONDS=60)
        self.story = Story(self.world.service.log)
        self.rest()
        return self

    # For callers

    pause = staticmethod(time.sleep)

    def number(self):
        return f"300{next(self._numbers):07d}"

    def dial(self, caller):
        with self.dialling:         # not while Asterisk restarts
            return self.world.ari.call(caller=caller.number,
                                       codec=caller.codec)

    @contextlib.contextmanager
    def person(self, caller):
        """(destination, Person) that nobody else has."""
        with self._free:
            number = self._persons.popleft()
            try:
                yield f"p{number}", self.world.ari.person(
                    endpoint(number), caller.codec)
            finally:
                self._persons.append(number)

    def function_calls(self, dice):
        made = []
        for name in dice.choices(*zip(*[(n, w) for n, w in ASKED.items()]),
                                 k=dice.randint(1, 3)):
            question = self.chaos.questions.plain(name)
            if name == "sano":
                question.arguments["ms"] = dice.randint(0, 3000)
            made.append(question.script())
        return made

    # Rounds

    def play(self, count, without=()):
        """A round of so many calls; what came of it."""
        begin = time.monotonic()
        self._forget()
        made = callers.crowd(self, self.dice, count)
        harm = breaker.Breaker(self, random.Random(self.dice.getrandbits(64)),
                               self.pause_s, without)
        harm.start()
        with concurrent.futures.ThreadPoolExecutor(self.at_once) as pool:
            outcomes = sum(pool.map(self._one, made), [])
        harm.stop()
        seconds = time.monotonic() - begin
        lost = [(out, blame(out, harm.hits)) for out in outcomes
                if out.end not in ("served", "refused")]
        self.rest()
        self.rounds.append(Round(
            len(outcomes), seconds,
            collections.Counter(o.end for o in outcomes),
            harm.hits, lost, sum(o.repeated for o in outcomes),
            sum(o.answers for o in outcomes), self.idle[-1]))
        return self.rounds[-1]

    def _one(self, make):
        """The outcomes of one caller, who calls again if he was refused."""
        outcomes = []
        while not outcomes or outcomes[-1].end == "refused":
            self.pause(3 * len(outcomes))
            caller = make()
            self.callers.append(caller)
            outcomes.append(caller.run())
        return outcomes

    def _forget(self):
        """What the simulators remember of calls that are over: it is theirs,
        but would fill this machine."""
        world = self.world
        self.callers.clear()
        world.service.seen.clear()  # pids come again
        world.openai.sessions[:] = world.openai.live
        with world.openai.log.changed:
            world.openai.log.entries.clear()
        world.openai.handshakes.clear()
        world.ari.phones.clear()
        world.ari.requests.clear()
        world.ari.events.clear()
        world.ari.continued.clear()

    def rest(self):
        """Until nothing is left of any call; what is held then."""
        world, service = self.world, self.world.service
        spares = int(service.settings["WARM_WORKERS"])
        world.openai.faults.clear()
        self.chaos.pool_is_whole()
        world.until(lambda: not self._things(),
                    lambda: f"gone from Asterisk: {self._things()}", IDLE_S)
        world.until(lambda: len(world.openai.live) == spares,
                    lambda: f"{spares} sessions: {len(world.openai.live)}",
                    IDLE_S)
        if self.idle:
            first, now = self.idle[0], self._take
            try:
                world.until(lambda: not holdings.differences(first, now()),
                            "as before", IDLE_S)
            except TimeoutError:
                self.left += holdings.differences(first, now())
        self.idle.append(self._take())

    def _things(self):
        model = self.world.ari.model
        return [*model.channels, *model.bridges]

    def _take(self):
        return holdings.take(self.world.service, self._things(),
                             (self.runtime, self.records / "open"))

    # Judging

    def problems(self):
        """Everything that is not as promised, in words."""
        story = self.story.read()
        found = [f"lost: {out}; after {kind}" for made in self.rounds
                 for out, kind in made.lost]
        found += [f"left over: {what}" for what in self.left]
        for sim in (self.world.ari, self.world.openai, self.world.mikrotik):
            found += [f"seen by {type(sim).__name__}: {violation}"
                      for violation in sim.violations]
            sim.violations.clear()
        found += self._records(story)
        report = self.chaos.report()
        writes = collections.Counter(
            token for kind, _, token in report["seen"] if kind == "escribe")
        found += [f"written {n} times: {token}"
                  for token, n in writes.items() if n > 1]
        found += [f"in the log, {n} times: {story.examples[text]}"
                  for text, n in story.complaints.items() if not any(
                      re.search(p, text) for p in EXPLAINED)]
        found += [f"no end in the log: {call}" for call in story.arrived()
                  if not story.count(call, "-> (ENDING|TRANSFERRED)")]
        if sum(made.calls for made in self.rounds) >= ALL_FAULTS_CALLS:
            seen = {hit.kind for made in self.rounds for hit in made.hits}
            found += [f"never happened: {kind}"
                      for kind in breaker.WEIGHTS if kind not in seen]
        found += [problem for problem in (
            holdings.growth(self.idle[1:], role)
            for role in ("keeper", "supervisor")) if problem]
        return found

    def _records(self, story):
        """One file per call, without a hole in it and with an end."""
        files = collections.defaultdict(list)
        for path in self.records.glob("*/*.jsonl"):
            # A second one of the same second is called CALL.2.
            files[CALL.match(path.stem.partition("-")[2])[0]].append(path)
        found = []
        for call in story.arrived():
            paths = files.pop(call, [])
            if not story.count(call, "has worker pid="):
                continue
            # What died before the answer has a record of its own, cut.
            anew = story.count(call, "another worker|set up again")
            if not 1 <= len(paths) <= 1 + anew:
                found.append(f"{len(paths)} records of {call}")
            for path in paths:
                entries = [json.loads(line) for line in
                           path.read_text().splitlines()]
                numbers = [entry["n"] for entry in entries]
                if numbers != list(range(1, len(numbers) + 1)):
                    found.append(f"holes in {path.name}: {numbers}")
                elif entries[-1]["type"] not in ("final", "cut"):
                    found.append(f"no end in {path.name}")
        return found + [f"a record of nobody: {call}" for call in files]

    def finish(self):
        """The service is stopped; no simulator may have complained."""
        self.world.calls.clear()
        self.world.finish()
        left = processes.descendants(self.world.service.pid)
        assert not left, f"left over: {left}"


def blame(out, hits):
    """What may have lost a call: the last thing that hit it alone, else the
    last that hit everybody and it."""
    mine = [h for h in hits if h.at <= out.over and
            any(c.outcome is out for c in h.callers)]
    alone = [h for h in mine if h.aimed]
    around = [h for h in mine if out.over - h.at < breaker.EVERYBODY_S]
    for found in (alone, around):
        if found:
            return found[-1].kind
    return "nothing"
