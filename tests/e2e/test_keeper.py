# SPDX-License-Identifier: MIT
"""The keeper: upgraded by exec with the same pid and the same children; what
it tells systemd; and whom it takes for hung."""

import re
import signal
import socket
import struct
import subprocess
import time

import pytest

from tests.demo import processes
from tests.e2e import service as service_module
from tests.e2e.installed import Installed, rtp_losses, versions
from tests.e2e.test_upgrade import reload
from tests.e2e.world import GREETING, LONG, SHUTDOWN_GOODBYE


@pytest.fixture
def installed(world, monkeypatch, tmp_path):
    made = Installed(tmp_path / "bin")
    monkeypatch.setattr(service_module, "BINARY", made.path())
    return made


class Systemd:
    """What the service says on systemd's socket."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.said = []

    def heard(self):
        while True:
            try:
                self.said.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return self.said

    def count(self, text):
        return sum(text in said for said in self.heard())


@pytest.fixture
def systemd(tmp_path):
    made = Systemd(tmp_path / "notify")
    yield made
    made.socket.close()


def keeper_of(world):
    """The build id that the keeper's process runs."""
    return versions(world.service, "keeper")[world.service.pid]


def wait_taken_over(world, mark):
    world.service.wait_log("goes on as the new keeper", since=mark)


def test_a_new_keeper_has_the_same_pid_and_the_same_children(world, installed):
    world.answers(LONG, LONG, "Sigo.")
    world.start()
    call = world.call().hears(GREETING)
    before = world.service.tree()
    for _ in range(2):
        asked = call.says("diga")
        call.begins_to_hear(LONG)
        build = installed.upgrade("")           # the keeper alone
        mark, old = world.service.mark(), world.supervisor
        world.service.signal(signal.SIGHUP)
        wait_taken_over(world, mark)
        world.service.wait_log("reading the configuration again", since=mark)
        assert keeper_of(world) == build
        assert world.supervisor == old
        assert world.service.title(world.service.pid) == "telefonista: keeper"
        call.hears(LONG, asked.end_ns)
    after = world.service.tree()
    assert {pid for pid, role in before.items() if role == "supervisor"} | \
        {world.service.pid, call.worker} <= set(after)
    call.asks("y ahora", "Sigo.")
    assert rtp_losses(call) == []
    # It reaps, it starts, it hands over.
    worker = call.worker
    call.hangup().gone()
    world.service.wait_gone(worker)
    world.until(lambda: not processes.zombies(world.service.pid), "reaped")
    world.allow("supervisor ended by signal 9")
    still = world.call().hears(GREETING)
    mark = world.service.mark()
    world.service.signal(signal.SIGKILL, world.supervisor)
    world.service.wait_log("ari listing -> up", since=mark)
    still.heard_by_voice(still.says("sigo aquí"))
    world.healthy()


def test_keeper_and_supervisor_are_replaced_by_one_reload(world, installed):
    world.answers(LONG)
    world.start()
    call = world.call().hears(GREETING)
    call.says("diga")
    call.begins_to_hear(LONG)
    build = installed.upgrade()
    log = reload(world)
    assert log.index("goes on as the new keeper") < log.index("stands by")
    assert keeper_of(world) == build
    assert list(versions(world.service, "supervisor").values()) == [build]
    call.hears(LONG)
    assert rtp_losses(call) == []
    world.healthy()


def test_descriptors_do_not_add_up(world, installed):
    world.start()
    world.healthy()
    counts = []
    for _ in range(3):
        installed.upgrade()
        reload(world)
        world.healthy()
        world.until(lambda: len(world.service.pids("callworker")) ==
                    world.service.settings["WARM_WORKERS"], "only spares")
        world.until(lambda: len(world.service.pids("toolworker")) == 1,
                    "one toolworker")
        counts.append(processes.descriptors(world.service.pid))
    assert counts[0] == counts[1] == counts[2]


@pytest.mark.parametrize("how, why", [
    ("exit 1", "with status 1"), ("kill -SEGV $$", "by signal 11"),
    ("exit 2", "with status 2"), ("exec sleep 60", "by signal 9")])
def test_a_keeper_that_does_not_understand_is_not_used(
        world, installed, how, why):
    world.start()
    call = world.call().hears(GREETING)
    old = keeper_of(world)
    installed.breaks("", how)
    world.expect("alarm=upgrade the new keeper is not used, the old one goes "
                 f"on .*{why}")
    mark = world.service.mark()
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("reading the configuration again", since=mark)
    assert keeper_of(world) == old
    call.heard_by_voice(call.says("sigo aquí"))
    assert rtp_losses(call) == []
    world.healthy()


def test_a_keeper_that_is_missing_is_not_used(world, installed):
    world.start()
    installed.path().unlink()
    world.expect("alarm=upgrade the new keeper is not used.*No such file")
    mark = world.service.mark()
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("reading the configuration again", since=mark)
    world.healthy()


def of_another_format(installed):
    """A keeper whose state begins with another word."""
    content = installed.path().read_bytes()
    magic = struct.pack("<Q", 0x7265706565746574)
    assert magic in content
    return content.replace(magic, b"another!")


def test_another_format_of_the_state_is_not_understood(world, installed):
    world.start()
    old = keeper_of(world)
    installed.put("", of_another_format(installed))
    world.expect("another keeper's state is not understood .*no keeper's state",
                 "alarm=upgrade the new keeper is not used, the old one goes")
    mark = world.service.mark()
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("reading the configuration again", since=mark)
    assert keeper_of(world) == old
    world.healthy()


def test_a_keeper_that_stumbles_over_the_state_gives_back(world, installed):
    """It passed the trial and fails then: the old program goes on."""
    world.start()
    call = world.call().hears(GREETING)
    old = keeper_of(world)
    installed.put("-real", of_another_format(installed))
    installed.breaks("", 'case "$*" in *--resume-check*) exit 0;; esac\n'
                     f'exec {installed.path("-real")} "$@"')
    world.expect("the state of the keeper before this one cannot be taken")
    mark = world.service.mark()
    world.service.signal(signal.SIGHUP)
    wait_taken_over(world, mark)
    world.service.wait_log("reading the configuration again", since=mark)
    assert keeper_of(world) == old
    call.heard_by_voice(call.says("sigo aquí"))
    world.healthy()


# systemd

def test_systemd_hears_of_the_start_of_reloads_and_of_the_end(
        world, installed, systemd):
    service = world.make()
    service.environment["NOTIFY_SOCKET"] = systemd.path
    service.start()
    world.ready()
    assert systemd.count("READY=1") == 1
    installed.upgrade()
    before_us = time.monotonic_ns() // 1000
    reload(world)
    world.until(lambda: systemd.count("READY=1") == 2, "READY again")
    [told] = [s for s in systemd.said if "RELOADING=1" in s]
    at = int(re.search(r"MONOTONIC_USEC=(\d+)", told)[1])
    assert before_us <= at <= time.monotonic_ns() // 1000
    ready = [n for n, said in enumerate(systemd.said) if said == "READY=1"]
    assert ready[0] < systemd.said.index(told) < ready[1]
    assert systemd.count("STATUS=ari=up") > 0
    service.stop()
    assert systemd.count("STOPPING=1") >= 1
    assert systemd.count("WATCHDOG=1") == 0     # not asked for


def test_the_watchdog_is_fed_only_while_the_supervisor_works(world, systemd):
    world.allow("supervisor", "ari")
    service = world.make()
    service.environment.update(
        NOTIFY_SOCKET=systemd.path, WATCHDOG_USEC="2000000")
    service.start()
    world.ready()
    fed = systemd.count("WATCHDOG=1")
    world.until(lambda: systemd.count("WATCHDOG=1") >= fed + 2, "fed")
    # Asterisk's outage is none of ours.
    world.ari.with_session("freeze", True)
    fed = systemd.count("WATCHDOG=1")
    world.until(lambda: systemd.count("WATCHDOG=1") >= fed + 2, "fed")
    world.ari.with_session("freeze", False)
    # Five seconds of a supervisor's silence are too much.
    old, mark = world.supervisor, service.mark()
    service.signal(signal.SIGSTOP, old)
    service.wait_log("supervisor hangs, killing it", since=mark)
    hungry = systemd.count("WATCHDOG=1")
    world.until(lambda: systemd.count("WATCHDOG=1") > hungry, "fed again")
    assert world.supervisor != old


# Who hangs

def test_a_supervisor_that_hangs_costs_no_packet(world):
    world.expect("supervisor hangs, killing it", "supervisor ended by signal")
    world.answers(LONG, "Sigo.")
    world.start()
    call = world.call().hears(GREETING)
    call.says("diga")
    call.begins_to_hear(LONG)
    mark, began = world.service.mark(), time.monotonic()
    world.service.signal(signal.SIGSTOP, world.supervisor)
    world.service.wait_log("ari listing -> up", since=mark)
    assert time.monotonic() - began < 12
    call.hears(LONG)
    call.asks("y ahora", "Sigo.")
    assert rtp_losses(call) == []
    world.healthy()


def traced(pid):
    """A process that has attached itself to PID, as a debugger does, lets it
    run, and stops it when told to; a context."""
    code = f"""
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                        ctypes.c_void_p]
if libc.ptrace(16, {pid}, None, None):          # PTRACE_ATTACH: it stops
    sys.exit(os.strerror(ctypes.get_errno()))
os.waitpid({pid}, 0x40000000)                   # __WALL
print("stopped", flush=True)
sys.stdin.readline()
libc.ptrace(17, {pid}, None, None)              # PTRACE_DETACH
"""
    return subprocess.Popen(["/usr/bin/python3", "-c", code], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_supervisor_in_a_debugger_may_stand_still(world):
    world.start()
    call, old = world.call().hears(GREETING), world.supervisor
    with traced(old) as debugger:
        if debugger.stdout.readline() != "stopped\n":
            pytest.skip("this machine lets nobody trace")
        began = time.monotonic()
        world.until(lambda: time.monotonic() - began > 8,
                    "longer than a supervisor may be silent")
        debugger.stdin.write("\n")
        debugger.stdin.flush()
        debugger.wait(10)
    call.heard_by_voice(call.says("sigo aquí"))
    assert world.supervisor == old
    assert rtp_losses(call) == []
    world.healthy()


# The one death that nothing outlives

def test_when_the_keeper_is_killed_the_sentence_is_finished(world):
    world.answers(LONG)
    world.expect("the keeper is gone, ending")
    world.allow("channel to the supervisor is gone", "nobody let the call go",
                "left over in Asterisk")
    world.start()
    call = world.call().hears(GREETING)
    idle = world.call().hears(GREETING)
    call.says("diga")
    call.begins_to_hear(LONG)
    world.service.tree()
    world.service.signal(signal.SIGKILL)
    world.service.wait()
    call.hears(LONG).hears(SHUTDOWN_GOODBYE)
    idle.hears(SHUTDOWN_GOODBYE)
    world.until(lambda: not world.service.left(),
                lambda: f"left: {world.service.left()}")
    assert rtp_losses(call) == []
    # Who hangs up now is seen by nobody; who stays is a new call.
    idle.hangup().phone.wait_for("ended")
    mark, now_ns = world.service.mark(), time.monotonic_ns()
    world.service.start()
    world.service.wait_log(f"call={call.id} was waiting in our application",
                           since=mark)
    call.hears(GREETING, now_ns)
    world.until(lambda: len(world.made()) == 2, "what was left is gone")
    world.calls.remove(idle)
