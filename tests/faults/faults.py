# SPDX-License-Identifier: MIT
"""faults.py – what strikes: each a class or an instance with the same few
methods. gap_ms, later_ms and lost are the targets: the table says what is
over them. gap_limit_ms, later_limit_ms and lost_limit are asserted, since
machines stall.
"""

import contextlib
import datetime
import os
import re
import resource
import signal
import subprocess
import time

import pytest

from tests.e2e.installed import Installed, versions
from tests.e2e.service import BUILD
from tests.faults.cell import FIRST, GREETING, TALE
from tests.faults.points import FaultPage
from tests.sim.impair_tcp import TcpRelay
from tests.sim.impair_udp import UdpRelay

FAULT_BINARY = BUILD / "faults" / "telefonista"
SEED = 20261121


class Fault:
    """Nothing at all: the undisturbed run."""
    name, title = "none", "nothing"
    gap_ms = later_ms = lost = None         # targets
    gap_limit_ms, later_limit_ms = 1000, 4000
    lost_limit = None
    queries = 1                 # at most: how often one question is asked
    cuts_words = False          # the network loses what is said
    loses_call = False          # the call cannot be kept: aftermath() instead
    arms = False                # strikes by itself, when a line is reached
    may_be = {}                 # phase -> what else than kept it may be
    excuses = {}                # phase -> why it cannot be struck there

    def prepare(self, cell):
        """Before the start: settings of the service."""
        return {}

    def arm_listening(self, cell):
        """Before the caller's first turn."""

    def arm_tool(self, cell):
        """Before the caller asks for a query."""

    def strike(self, cell):
        """Now."""

    def go_on(self, cell):
        """What the caller is owed after it."""
        cell.phase.go_on(cell)

    def settle(self, cell):
        """Until the service says that it is over it."""

    def heal(self, cell):
        """The world is as it was; before the last turns."""

    def aftermath(self, cell):
        """What has to come of a call that cannot be kept."""

    def finally_(self, cell):
        """Before nothing may be left of the call."""

    def gone(self, cell):
        """Until the service is done with the call."""
        cell.call.gone()

    def judge(self, cell):
        """More than what all cells have in common."""


# The callworker

class Worker(Fault):
    gap_ms, later_ms = 100, 1000
    lost = lost_limit = 1       # a frame between ring and network

    def __init__(self, name, title, number):
        self.name, self.title, self.number = name, title, number

    def strike(self, cell):
        cell.world.service.signal(self.number, cell.worker())

    def settle(self, cell):
        if cell.phase.name != "setup":
            cell.logged(r"rescue from=\d+ to=\d+")


class Hang(Worker):
    gap_ms, later_ms = 2600, 2600
    gap_limit_ms, later_limit_ms = 3500, 5000


class AtLine(Worker):
    """Aborts at a line that has to do with what goes on."""
    arms = True
    LINES = {"setup": "call.assigned", "greeting": "rtp.send",
             "listening": "caller.started", "speaking": "uplink",
             "voice": "rtp.send", "tool": "tool.answer",
             "transfer": "rtp.send", "farewell": "hang_up"}

    def __init__(self, name, title, lines=None):
        super().__init__(name, title, None)
        self.lines = lines or self.LINES
        self.excuses = {} if lines is None else {
            phase: "the line is one of a query" for phase in self.LINES
            if phase not in lines}

    def prepare(self, cell):
        cell.page = FaultPage(cell.world.folder / "fault-page")
        cell.world.binary = FAULT_BINARY
        if cell.phase.name == "setup":      # it is over before one looks
            cell.page.arm(self.lines["setup"])
        return {"environment": cell.page.environment}

    def arm_tool(self, cell):
        cell.page.arm(self.lines["tool"])

    def strike(self, cell):
        if cell.phase.name not in ("setup", "tool"):
            cell.page.arm(self.lines[cell.phase.name])

    def finally_(self, cell):
        cell.world.ari.take_violations("rtp-sequence", "rtp-timestamp")

    def judge(self, cell):
        assert cell.page.armed == 0, "nobody reached the line"
        assert cell.world.service.find(r"killed by signal 6 \(Aborted\)")


# Toolworker, supervisor, keeper

class ToolWorker(Fault):
    name, title = "tool-kill", "toolworker kill -9"
    gap_ms, later_ms, lost, lost_limit = 100, 1000, 0, 0
    queries = 2         # this one may be made again

    def strike(self, cell):
        for pid in cell.world.service.pids("toolworker"):
            cell.world.service.signal(signal.SIGKILL, pid)


class Supervisor(Fault):
    lost = lost_limit = 0
    gap_ms, later_ms = 100, 1000

    def __init__(self, name, title, number):
        self.name, self.title, self.number = name, title, number

    def strike(self, cell):
        cell.world.service.signal(self.number, cell.world.supervisor)

    def settle(self, cell):
        cell.logged("ari listing -> up")


class Upgrade(Fault):
    """As a package manager and `systemctl reload` do it."""
    name, title = "upgrade", "upgrade by reload"
    lost = lost_limit = 0
    gap_ms, later_ms = 100, 1000

    def prepare(self, cell):
        cell.installed = Installed(cell.world.folder / "bin")
        cell.world.binary = cell.installed.path()
        return {}

    def strike(self, cell):
        cell.old = cell.world.supervisor
        cell.build = cell.installed.upgrade()
        cell.world.service.signal(signal.SIGHUP)

    def settle(self, cell):
        cell.logged(r"supervisor ended with status 6 \(handed over\), another "
                    "one takes over")
        cell.logged("ari listing -> up")

    def judge(self, cell):
        self.settle(cell)
        assert cell.world.supervisor != cell.old, "the same supervisor"
        assert list(versions(cell.world.service, "supervisor").values()) == \
            [cell.build]


class Keeper(Fault):
    """The one death that nothing outlives: workers finish their sentence and
    say goodbye. Who is still there when systemd starts the service again is a
    new caller."""
    name, title, loses_call = "keeper-kill", "keeper kill -9", True

    def strike(self, cell):
        cell.world.service.tree()
        cell.world.service.signal(signal.SIGKILL)
        cell.world.service.wait()

    def aftermath(self, cell):
        service, phone = cell.world.service, cell.call.phone
        cell.world.until(lambda: not service.left(),
                         lambda: f"ended: {service.left()}")
        cell.gap_until_ns = cell.struck_ns
        if cell.phase.name == "voice":
            cell.note_loss("the voice's sentence", TALE)
        now_ns = time.monotonic_ns()
        service.start()
        cell.hears(GREETING, now_ns)
        cell.outcome.kept = "begun anew"
        cell.turn("primera", FIRST)
        cell.delays.clear()


# Asterisk

class AriCut(Fault):
    name, title = "ari-cut", "ARI connection cut"
    lost = lost_limit = 0
    gap_ms, later_ms = 100, 1000
    refused = 0                 # times

    def strike(self, cell):
        ari = cell.world.ari
        if self.refused:
            ari.fault("GET", "/events", status=503, count=self.refused)
        ari.with_session("drop", "rst")

    def settle(self, cell):
        cell.logged("ari listing -> up")


class AriRefused(AriCut):
    name, title, refused = "ari-refused", "ARI refused for a while", 3


class AsteriskRestart(Fault):
    name, title, loses_call = "asterisk", "Asterisk restarts", True

    def strike(self, cell):
        cell.world.ari.restart(.5)

    def aftermath(self, cell):
        """A clean end, and the next caller is served."""
        cell.outcome.kept = "with the PBX"
        cell.gap_until_ns = cell.struck_ns
        cell.call.gone()
        cell.logged("ari listing -> up")
        cell.world.until(lambda: all(
            s.closed.is_set() for s in cell.world.sessions_of(cell.call)),
            "its session is closed")
        cell.next_caller()


# OpenAI

class OpenAI(Fault):
    gap_ms, later_ms = 100, 1500
    later_limit_ms = 4000
    lost = lost_limit = 0

    def __init__(self, name, title, kind, refused=None, **arguments):
        self.name, self.title = name, title
        self.kind, self.arguments = kind, arguments
        self.refused = refused      # HTTP status of the next handshake

    def prepare(self, cell):
        return {}

    def strike(self, cell):
        world = cell.world
        victim = world.until(lambda: world.sessions_of(cell.call),
                             "a session that knows the caller")[-1]
        if self.refused:
            world.spares_are_warm()
            world.openai.faults.next("handshake", "http",
                                     status=self.refused)
        world.openai.inject(self.kind, victim, **self.arguments)
        cell.victim = victim

    def settle(self, cell):
        if cell.phase.name != "farewell":
            cell.logged("voice goes on after_ms=")

    def judge(self, cell):
        if cell.phase.name != "farewell":
            assert not cell.world.openai.faults.waiting("handshake"), \
                "nobody was refused"


class BlackHole(OpenAI):
    """The connection stands, and nothing comes through any more, not even a
    pong: noticed within six seconds, then as a reset is."""
    gap_ms, later_ms = 100, 6000 + 1500
    later_limit_ms = 6000 + 4000

    def __init__(self):
        super().__init__("openai-hole", "OpenAI black hole", "half_open")


class SlowNetwork(Fault):
    """What loss and a long way make of a TCP connection."""
    name, title = "openai-slow", "OpenAI: 2 % loss, jitter, narrow"
    gap_ms, later_ms, lost, lost_limit = 100, None, 0, 0
    later_limit_ms = 4000

    def prepare(self, cell):
        openai = cell.world.openai
        cell.relay = cell.world.closing.enter_context(
            TcpRelay("127.0.0.1", openai.port, seed=SEED))
        return {"OPENAI_REALTIME_URL": openai.url.replace(
            f":{openai.port}/", f":{cell.relay.port}/")}

    def strike(self, cell):
        cell.before = self._lost(cell)
        cell.relay.impair(loss=.02, jitter_ms=40, rate_kbps=600)

    def heal(self, cell):
        cell.swallowed = self._lost(cell) - cell.before
        cell.relay.clear()

    finally_ = heal

    @staticmethod
    def _lost(cell):
        return sum(dice.lost for link in cell.relay.links
                   for dice in link.dice.values())

    def judge(self, cell):
        assert cell.swallowed, "the network lost nothing"


# The network of the voice

class Rtp(Fault):
    excuses = {"setup": "no RTP flows before the answer"}
    cuts_words = True
    # The relay is a thread of the test's, which stalls with the machine.
    gap_limit_ms, later_limit_ms = 2000, 5000

    def __init__(self, name, title, does, **network):
        self.name, self.title, self.network = name, title, network
        self.does = does            # a count of impair.Dice: it must rise

    def prepare(self, cell):
        cell.relay = cell.world.closing.enter_context(UdpRelay(SEED))
        cell.world.ari.media_relay = cell.relay
        return {}

    def strike(self, cell):
        cell.relay.impair(**self.network)

    def heal(self, cell):
        self._note(cell)
        cell.relay.clear()

    def finally_(self, cell):
        self._note(cell)
        cell.world.ari.take_violations("rtp-sequence", "rtp-timestamp")

    @staticmethod
    def _note(cell):
        """What the relay did to what the caller hears."""
        down = cell.relay.paths[0]["down"]
        cell.swallowed = down.lost + down.in_bursts + down.overflowed

    def judge(self, cell):
        """We lose none beside those that the network loses."""
        assert sum(getattr(dice, self.does)
                   for path in cell.relay.paths for dice in path.values()), \
            "the network was not bad"
        if not self.network.get("reorder"):
            assert cell.outcome.lost <= cell.swallowed + 1


# The machine

class FullDisk(Fault):
    name, title = "disk", "full disk"
    gap_ms, later_ms, lost, lost_limit = 100, 1000, 0, 0

    def prepare(self, cell):
        place = cell.world.folder / "small"
        place.mkdir()
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place],
            capture_output=True, text=True)
        if made.returncode:
            pytest.skip(f"no small disk can be made here: {made.stderr}")
        cell.world.closing.callback(
            subprocess.run, ["umount", "-l", place], check=False)
        cell.disk = place
        cell.log = place / "telefonista.log"
        cell.records = place / "records"
        return {"LOG_FILE_PATH": cell.log}

    def strike(self, cell):
        with contextlib.suppress(OSError), \
                open(cell.disk / "filler", "wb", buffering=0) as out:
            while out.write(bytes(4096)):
                pass
        assert os.statvfs(cell.disk).f_bavail == 0

    def heal(self, cell):
        (cell.disk / "filler").unlink(missing_ok=True)

    finally_ = settle = heal

    def gone(self, cell):
        """Its last lines may be those that found no room."""
        cell.world.until(lambda: not cell.world.made(), "nothing left")
        cell.world.calls.remove(cell.call)

    def judge(self, cell):
        lines = sum(map(int, re.findall(r"for a while lost_lines=(\d+)",
                                        cell.world.service.text())))
        if lines:
            cell.outcome.notes.append(f"{lines} lines of the log")


class Descriptors(Fault):
    """All of the service may open no more; what is open stays."""
    name, title = "emfile", "EMFILE"
    gap_ms, later_ms, lost, lost_limit = 100, 1000, 0, 0
    may_be = {"setup": {"refused"}}

    def go_on(self, cell):
        """Who still hears ringing may be sent to the queue; so may the next
        caller, and both politely. Then everybody is served again."""
        if cell.phase.name != "setup":
            cell.phase.go_on(cell)
            return
        phone = cell.call.phone
        cell.world.until(lambda: phone.state == "queue" or
                         cell.heard_share(GREETING) > .8, "an answer")
        if phone.state == "queue":
            cell.outcome.kept = "refused"
        self.heal(cell)
        cell.next_caller()

    def strike(self, cell):
        cell.limits = {}
        for pid in {cell.world.service.pid, *cell.world.service.tree()}:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                used = set(map(int, os.listdir(f"/proc/{pid}/fd")))
                free = min(set(range(len(used) + 1)) - used)
                cell.limits[pid] = resource.prlimit(
                    pid, resource.RLIMIT_NOFILE)
                resource.prlimit(pid, resource.RLIMIT_NOFILE,
                                 (free, cell.limits[pid][1]))

    def heal(self, cell):
        if cell.limits and cell.phase.name == "listening":
            self._refuses_politely(cell)
        for pid, limit in cell.limits.items():
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
        cell.limits = {}

    finally_ = heal

    @staticmethod
    def _refuses_politely(cell):
        """Somebody calls who cannot be served; the others are not harmed."""
        phone = cell.world.call().phone
        cell.world.until(lambda: phone.state in ("queue", "up"),
                         "an answer or the queue")
        if phone.state == "up":
            phone.hangup()

    def judge(self, cell):
        if cell.phase.name == "listening":
            assert cell.world.service.find("alarm=descriptors")


class ClockStep(Fault):
    gap_ms, later_ms, lost, lost_limit = 100, 1000, 0, 0

    def __init__(self, name, title, seconds):
        self.name, self.title, self.seconds = name, title, seconds

    def prepare(self, cell):
        cell.page = FaultPage(cell.world.folder / "fault-page")
        cell.world.binary = FAULT_BINARY
        return {"environment": cell.page.environment}

    def strike(self, cell):
        cell.page.step_clock(self.seconds)

    def judge(self, cell):
        """The service has seen it."""
        times = [datetime.datetime.fromisoformat(at) for at in re.findall(
            r"^(\S+) \w+\[\d+\] ", cell.world.service.text(), re.MULTILINE)]
        steps = [(b - a).total_seconds() for a, b in zip(times, times[1:])]
        assert any(abs(step - self.seconds) < abs(self.seconds) / 2
                   for step in steps), "the clock did not step"


FAULTS = [
    Fault(),
    Worker("kill", "callworker kill -9", signal.SIGKILL),
    Worker("segv", "callworker SIGSEGV", signal.SIGSEGV),
    AtLine("abort", "callworker aborts at a line"),
    AtLine("abort-ask", "aborts before it asks", {"tool": "tool.request"}),
    AtLine("abort-asked", "aborts after it asked", {"tool": "tool.requested"}),
    Hang("stop", "callworker SIGSTOP", signal.SIGSTOP),
    ToolWorker(),
    Supervisor("sup-kill", "supervisor kill -9", signal.SIGKILL),
    Supervisor("sup-stop", "supervisor SIGSTOP", signal.SIGSTOP),
    Upgrade(),
    Keeper(),
    AriCut(),
    AriRefused(),
    AsteriskRestart(),
    OpenAI("openai-reset", "OpenAI reset", "reset"),
    OpenAI("openai-1011", "OpenAI close 1011", "close", code=1011),
    OpenAI("openai-expire", "OpenAI session expired", "expire"),
    OpenAI("openai-429", "OpenAI reset, then 429", "reset", refused=429),
    OpenAI("openai-500", "OpenAI reset, then 500", "reset", refused=500),
    BlackHole(),
    SlowNetwork(),
    Rtp("rtp-loss", "RTP: 5 % loss, bursts", "lost", loss=.05, burst=.01,
        burst_packets=4),
    Rtp("rtp-jitter", "RTP: jitter 60 ms", "packets", delay_ms=20,
        jitter_ms=60),
    Rtp("rtp-reorder", "RTP: reordered, doubled", "reordered", reorder=.1,
        duplicate=.05),
    Rtp("rtp-rate", "RTP: 60 kbit/s", "overflowed", rate_kbps=60, queue_ms=100),
    FullDisk(),
    Descriptors(),
    ClockStep("clock-on", "clock steps an hour on", 3600),
    ClockStep("clock-back", "clock steps a day back", -86400),
]
