# SPDX-License-Identifier: MIT
"""pbx.py – the soak on a real Asterisk: sipp calls, which says nothing of the
service but only hears it; what came of each call is read in the log.
"""

import contextlib
import random
import re
import time

from tests.demo import processes
from tests.e2e import service as service_module
from tests.e2e.installed import Installed
from tests.e2e.world import TOOL, speech
from tests.sim import rtp
from tests.soak import breaker, holdings
from tests.soak.callers import Outcome
from tests.soak.story import Story

# A supervisor that dies in ENDING leaves nothing for the next one to tell.
ENDED = re.compile(r"-> ENDING \((.*)\)$")
# What needs the simulated Asterisk, or its callers.
NOT_HERE = ("ari_cut", "ari_slow", "asterisk_restart", "openai_reset",
            "openai_1011", "openai_half_open", "openai_429")
QUIET_MS = 2500     # after each utterance of a caller, who says it for ever
IDLE_S = 90


def words():
    """What every caller says, again and again."""
    return speech("sipp", ms=400) + rtp.SILENCE["ulaw"] * (8 * QUIET_MS)


class SippCall:
    """One call as the service's log has it; see breaker.py."""

    def __init__(self, soak, call):
        self.soak = soak
        self.outcome = Outcome(number="", call=call, begin=time.monotonic())
        self.hits = []

    def meant(self, why):
        self.outcome.why = self.outcome.why or why

    def end(self):
        """Why it has ended, "" if it has not."""
        for line in reversed(self.soak.story.calls[self.outcome.call]):
            found = ENDED.search(line)
            if found:
                return found[1]
        return ""

    def is_live(self):
        return not self.end()


class PbxSoak:
    """The world of tests/asterisk, broken."""

    def __init__(self, world, sipp, seed, at_once, pause_s=(.4, 1.6)):
        self.world, self._sipp, self.at_once = world, sipp, at_once
        self.dice = random.Random(seed)
        self.pause_s = pause_s
        self.story = None
        self.idle, self.hits, self.lost = [], [], []
        self.refusing_until = 0.0
        self._calls = {}

    @contextlib.contextmanager
    def started(self):
        """The service, from a copy of its binaries that can be upgraded."""
        world = self.world
        self.installed = Installed(world.folder / "bin")
        binary = service_module.BINARY
        service_module.BINARY = self.installed.path()
        world.allow(".")            # see lost, and holdings
        world.mikrotik.answer("", "Hay 12.", delay=1)
        world.script(turns=[{"reply": "Bien."}, {
            "preamble": "Miro.", "calls": [{"name": TOOL, "arguments": {
                "question": "¿Cuántos clientes hay?"}}],
            "then": {"reply": "Son doce."}}], otherwise="Entendido.")
        (world.folder / "run").mkdir()
        try:
            world.start(MAX_CALLS=self.at_once + 10, WARM_WORKERS=6,
                        MAX_CALLS_PER_NUMBER=self.at_once + 10, TOOL_WORKERS=3,
                        RECORDS_DIR=world.folder / "records",
                        CONTROL_SOCKET=world.folder / "run" / "control")
            self.story = Story(world.service.log)
            world.until(lambda: sum(
                "jobs=0" in world.service.title(pid) for pid in
                world.service.pids("toolworker")) == 3, "toolworkers")
            self.idle.append(self._take())
            yield self
        finally:
            service_module.BINARY = binary

    @property
    def callers(self):
        for call in self.story.read().arrived():
            if call not in self._calls:
                self._calls[call] = SippCall(self, call)
        return list(self._calls.values())

    def play(self, folder, count, talk_ms, without=()):
        """A round: so many calls of so long; (succeeded, failed) of sipp."""
        known = len(self.callers)
        harm = breaker.Breaker(self, random.Random(self.dice.getrandbits(64)),
                               self.pause_s, (*NOT_HERE, *without))
        harm.start()
        try:
            counts = self._sipp(
                self.world.rig, folder, calls=count, at_once=self.at_once,
                talk_ms=talk_ms, audio=words(),
                timeout=60 + 3 * count * talk_ms // 1000 // self.at_once)
        finally:
            harm.stop()
        self.hits += harm.hits
        self._rest()
        for call in self.callers[known:]:
            why = call.end()
            if why.startswith("caller gone") or call.outcome.why:
                continue
            self.lost.append((call.outcome.call, why, [
                hit.kind for hit in harm.hits if call in hit.callers]))
        return counts

    def _rest(self):
        world = self.world
        world.rig.wait_idle(IDLE_S)
        world.until(lambda: not any(c.is_live() for c in self.callers),
                    "all calls ended", IDLE_S)
        with contextlib.suppress(TimeoutError):
            world.until(lambda: not holdings.differences(
                self.idle[0], self._take()), "as before", IDLE_S)
        self.idle.append(self._take())

    def _take(self):
        world = self.world
        things = [t["id"] for t in world.rig.channels() + world.rig.bridges()]
        taken = holdings.take(
            world.service, things,
            (world.folder / "run", world.folder / "records" / "open"))
        app = world.rig.ari("GET", "applications/" + world.rig.app)
        taken.counts["subscriptions"] = [
            app["channel_ids"], app["bridge_ids"]]
        counted = world.rig.cli("core show channels count")
        taken.counts["Asterisk says"] = re.findall(
            r"(\d+) active (?:channel|call)s?", counted)
        taken.counts["Asterisk's RTP sockets"] = processes.descriptors(
            world.rig.process.pid)["udp"]
        pid = world.rig.process.pid
        taken.memory["asterisk"] = holdings.Memory(
            pid, processes.pss_kb(pid), holdings.rss_kb(pid),
            holdings.own_kb(pid))
        return taken
