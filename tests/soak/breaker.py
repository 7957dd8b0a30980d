# SPDX-License-Identifier: MIT
"""breaker.py – the one who breaks things while people call: a fault every
moment, chosen and aimed by dice.

A fault hits one call, or everything. What ends calls by its nature (Asterisk
restarts; a call's process dies twice in half a minute) says so to the callers
that it hits: of all others it is expected that they go on.
"""

import collections
import dataclasses
import os
import signal
import threading
import time

from tests.demo import processes
from tests.sim import openai_faults

# A second death of a call's worker within 30 s is the call's own fault.
APART_S = 35
# Sessions that are lost five times in a minute are given up.
AGAIN_S = 15
# A worker that dies before the answer is replaced: no fault of the call's.
TALKING = "-> TALKING"


@dataclasses.dataclass
class Hit:
    """One fault, and the callers that were there."""
    at: float
    kind: str
    callers: list
    aimed: bool = False         # at one of them


class Breaker(threading.Thread):
    """Breaks until it is told to stop."""

    def __init__(self, soak, dice, pause_s, without=()):
        super().__init__(daemon=True, name="breaker")
        self.hits = []              # of Hit
        self.errors = []            # of this very thread: none
        self._soak, self._dice, self._pause_s = soak, dice, pause_s
        self._weights = {kind: weight for kind, weight in WEIGHTS.items()
                         if kind not in without}
        self._done = threading.Event()
        self._undo = []             # (when, function) of what passes by itself
        self._last = collections.defaultdict(float)

    def run(self):
        try:
            while not self._done.wait(self._dice.uniform(*self._pause_s)):
                self._pass()
                self._once()
        except Exception as error:
            self.errors.append(error)
        finally:
            self._pass(everything=True)

    def stop(self):
        self._done.set()
        self.join()
        if self.errors:
            raise self.errors[0]

    def counts(self):
        return collections.Counter(hit.kind for hit in self.hits)

    def _pass(self, everything=False):
        now = time.monotonic()
        for due, undo in list(self._undo):
            if everything or due <= now:
                self._undo.remove((due, undo))
                undo()

    def _later(self, seconds, undo):
        self._undo.append((time.monotonic() + seconds, undo))

    def _once(self):
        # Few callers do not get what was meant for many.
        if self._dice.random() * self._soak.at_once > 2 * len(self._live()):
            return
        kind = self._dice.choices(*zip(*self._weights.items()))[0]
        if time.monotonic() - self._last[kind] < SELDOM_S.get(kind, 0):
            return
        self._last[kind] = time.monotonic()
        begin = len(self.hits)
        try:
            callers = getattr(self, "do_" + kind)()
        except (ProcessLookupError, PermissionError):
            return                  # it was gone before
        if callers is not None and len(self.hits) == begin:
            self._hit(kind, callers)

    def _hit(self, kind, callers, aimed=False):
        self.hits.append(Hit(time.monotonic(), kind, list(callers), aimed))

    # Aiming

    def _live(self):
        return [c for c in self._soak.callers if c.is_live()]

    def _victim(self, *, talking=True):
        """Somebody whose call is up, with the pid of its worker, whom no
        process was taken from lately; or (None, None)."""
        story, now = self._soak.story.read(), time.monotonic()
        live = [c for c in self._live() if
                not c.hits or now - c.hits[-1][0] > APART_S]
        self._dice.shuffle(live)
        for caller in live:
            lines = story.calls.get(caller.outcome.call, ())
            up = any(TALKING in line for line in list(lines))
            pid = story.worker(caller.outcome.call)
            if pid and up == talking and processes.role(pid) == "callworker":
                return caller, pid
        return None, None

    def _strike(self, kind, number, talking=True):
        caller, pid = self._victim(talking=talking)
        if caller is None:
            return None
        caller.hits.append((time.monotonic(), kind))
        self._hit(kind, [caller], aimed=True)  # first: it may end at once
        os.kill(pid, number)
        return [caller]

    def _session(self):
        """(caller, session) of somebody who talks with the voice, and has not
        lost it lately."""
        now = time.monotonic()
        live = [c for c in self._live() if now - c.session_lost_s > AGAIN_S]
        for caller in self._dice.sample(live, len(live)):
            for session in reversed(self._soak.world.openai.live):
                if caller.number in session.instructions:
                    caller.session_lost_s = now
                    return caller, session
        return None, None

    # Callworkers

    def do_worker_kill(self):
        return self._strike("worker_kill", signal.SIGKILL)

    def do_worker_segv(self):
        return self._strike("worker_segv", signal.SIGSEGV)

    def do_worker_stop(self):
        return self._strike("worker_stop", signal.SIGSTOP)

    def do_setup_kill(self):
        """Before the answer."""
        return self._strike("setup_kill", signal.SIGKILL, talking=False)

    def do_spare_kill(self):
        spares = [pid for pid in self._soak.world.service.pids("callworker")
                  if "spare" in processes.title(pid)]
        if not spares:
            return None
        os.kill(self._dice.choice(spares), signal.SIGKILL)
        return []

    def do_worker_twice(self):
        """A poisonous call: it goes to the fallback."""
        hit = self._strike("worker_twice", signal.SIGKILL)
        if hit:
            hit[0].meant("killed twice")
            first = self._soak.story.worker(hit[0].outcome.call)

            def again():
                pid = self._soak.story.read().worker(hit[0].outcome.call)
                if pid != first and processes.role(pid) == "callworker":
                    os.kill(pid, signal.SIGKILL)
            self._later(2, again)
        return hit

    # Supervisor and toolworkers

    def _supervisor(self, number):
        [pid] = self._soak.world.service.pids("supervisor")[:1] or [None]
        if pid is None:
            return None
        os.kill(pid, number)
        return self._live()

    def do_supervisor_kill(self):
        return self._supervisor(signal.SIGKILL)

    def do_supervisor_hang(self):
        """Until the keeper has noticed."""
        return self._supervisor(signal.SIGSTOP)

    def do_reload(self):
        self._soak.world.service.signal(signal.SIGHUP)
        return self._live()

    def do_upgrade(self):
        self._soak.installed.upgrade()
        return self.do_reload()

    def _toolworker(self, number):
        pids = self._soak.world.service.pids("toolworker")
        if len(pids) < 2:
            return None
        os.kill(self._dice.choice(pids), number)
        return self._live()

    def do_toolworker_kill(self):
        return self._toolworker(signal.SIGKILL)

    def do_toolworker_stop(self):
        return self._toolworker(signal.SIGSTOP)

    # OpenAI

    def _inject(self, kind, fault, **how):
        caller, session = self._session()
        if caller is None:
            return None
        self._hit(kind, [caller], aimed=True)
        # Who calls while the service is known to fail gets the fallback.
        self._soak.refusing_until = time.monotonic() + REFUSING_S
        openai = self._soak.world.openai

        def act(fault, **how):
            if not session.closed.is_set():
                openai_faults.LIVE_FAULTS[fault](session, **how)
        openai.call(act, fault, **how)
        if fault == "half_open":    # its service would not see it closed
            self._later(20, lambda: openai.call(act, "reset"))
        return [caller]

    def do_openai_reset(self):
        return self._inject("openai_reset", "reset")

    def do_openai_1011(self):
        return self._inject("openai_1011", "close", code=1011)

    def do_openai_half_open(self):
        return self._inject("openai_half_open", "half_open")

    def do_openai_429(self):
        """Three handshakes are refused, and a session is lost."""
        self._soak.world.openai.faults.next(
            "handshake", "http", count=3,
            status=self._dice.choice((429, 500, 503)))
        return self._inject("openai_429", "reset")

    def do_response_fails(self):
        self._soak.world.openai.faults.next(
            "response", "failed", code="server_error", after_ms=0)
        return self._live()

    # Asterisk

    def do_ari_cut(self):
        ari = self._soak.world.ari
        if ari.session_of() is None:
            return None
        ari.with_session("drop", "rst")
        return self._live()

    def do_ari_slow(self):
        fault = self._soak.world.ari.fault(
            "*", "/(channels|bridges).*", delay_s=.3, count=20)
        self._later(5, lambda: self._soak.world.ari.faults.remove(fault))
        return self._live()

    def do_asterisk_restart(self):
        with self._soak.dialling:
            callers = self._live()
            for caller in callers:
                caller.meant("Asterisk restarted")
            self._hit("asterisk_restart", callers)
            self._soak.world.ari.restart(self._dice.uniform(.1, 1))
        return callers


WEIGHTS = {
    "worker_kill": 6, "worker_segv": 3, "worker_stop": 3, "setup_kill": 2,
    "spare_kill": 2, "worker_twice": 1, "supervisor_kill": 2,
    "supervisor_hang": 1, "reload": 2, "upgrade": 2, "toolworker_kill": 3,
    "toolworker_stop": 1, "openai_reset": 4, "openai_1011": 3,
    "openai_half_open": 2, "openai_429": 2, "response_fails": 2,
    "ari_cut": 2, "ari_slow": 1, "asterisk_restart": 1}
# Not more often than once in so many seconds.
SELDOM_S = {"supervisor_hang": 60, "asterisk_restart": 60,
            "supervisor_kill": 10, "upgrade": 20, "reload": 10,
            "openai_429": 30, "ari_cut": 10}
# What must not be there where one supervisor is to grow old.
OF_SUPERVISOR = ("supervisor_kill", "supervisor_hang", "reload", "upgrade")
EVERYBODY_S = 25    # so long what happens to a call may be a fault's doing
REFUSING_S = 20     # so long no session may be tried for
