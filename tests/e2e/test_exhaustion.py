# SPDX-License-Identifier: MIT
"""When something runs out: descriptors, ports, memory, processes, disk. New
callers go to the fallback at once, those who talk notice nothing, the log has
one alarm, nobody spins, and all is well again when there is enough again."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.demo import processes
from tests.e2e.service import SANITIZED
from tests.e2e.world import GREETING, LONG, TOOL

TICKS = os.sysconf("SC_CLK_TCK")
AT_ONCE_MS = 1500   # from the arrival to the fallback, on a busy machine


def descriptor_limit(pid, left):
    """The limit that leaves a process just so many more descriptors."""
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    limit = free = 0
    while free < left or limit <= 2:
        free += limit not in used
        limit += 1
    while limit in used:
        limit += 1
    return limit


@contextlib.contextmanager
def squeezed(pid, what, value):
    """The soft limit of a process that runs, for a while."""
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (value, before[1]))
    try:
        yield
    finally:
        if processes.alive(pid):
            resource.prlimit(pid, what, before)


def starved(pid, left=0):
    """Hardly a descriptor is left."""
    return squeezed(pid, resource.RLIMIT_NOFILE, descriptor_limit(pid, left))


def memory(pid):
    """Of its address space, what is in use: so much, and it gets no more."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[0]
    return int(pages) * resource.getpagesize()


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextlib.contextmanager
def nobody_spins(*pids):
    """Less than half a processor, all that while."""
    before = [cpu_seconds(pid) for pid in pids]
    start = time.monotonic()
    yield
    took = time.monotonic() - start
    for pid, used in zip(pids, before):
        if processes.alive(pid):
            assert cpu_seconds(pid) - used < 1 + took / 2, processes.title(pid)


def refused(call):
    """It went to the fallback, and did not ring for long."""
    call.to_fallback()
    took = int(call.wait_log(r"ended why=.* total_ms=(\d+)").group(1))
    assert took < AT_ONCE_MS
    return call


def talks(call, name):
    """Caller and voice still hear each other."""
    call.heard_by_voice(call.says(name))


def one_alarm(world, name, since=0):
    assert world.service.count(f"alarm={name} ", since) == 1


def spares_are_back(world, count=1):
    world.service.wait_title(world.supervisor, f"spares={count}$", 40)


# Descriptors

@pytest.mark.parametrize("left", [0, 1, 3, 12])
def test_a_supervisor_without_descriptors_refuses_and_keeps_what_it_has(
        world, left):
    world.expect("alarm=descriptors ", "goes to the fallback")
    world.allow("could not be started", "no voice session", "callworker ")
    world.answers(*["Sigo."] * 9)
    world.start()
    call = world.call().hears(GREETING)
    spares_are_back(world)
    pid = world.supervisor
    with starved(pid, left), nobody_spins(pid, world.service.pid):
        for _ in range(4):
            refused(world.call())
        talks(call, "sigo")
        call.asks("sigue", "Sigo.")
    assert world.supervisor == pid
    one_alarm(world, "descriptors")
    spares_are_back(world)
    world.healthy()
    talks(call, "más")
    world.service.wait_log("descriptors suffice again")


def test_a_call_is_rescued_though_no_descriptor_is_left(world):
    """What a rescue needs is kept back from new calls."""
    world.expect("alarm=rescue", "worker lost")
    world.allow("alarm=descriptors", "callworker ", "could not be started",
                "no voice session", "goes to the fallback")
    world.answers(LONG)
    world.start()
    call = world.call().hears(GREETING)
    spares_are_back(world)
    pid = world.supervisor
    with starved(pid):
        call.says("cuenta", wait=False)
        call.begins_to_hear(LONG)
        call.rescued()
        call.hears(LONG)
        refused(world.call())
    assert world.supervisor == pid
    spares_are_back(world)
    world.healthy()
    talks(call, "más")


def test_a_keeper_without_descriptors_keeps_everybody(world):
    world.allow("alarm=", "could not be started", "goes to the fallback",
                "callworker ", "no voice session", "descriptor")
    world.answers(*["Sigo."] * 9)
    world.start(WARM_WORKERS=0)
    call = world.call().hears(GREETING)
    keeper, supervisor = world.service.pid, world.supervisor
    for left in (0, 2, 5):
        with starved(keeper, left), nobody_spins(keeper, supervisor):
            refused(world.call())
            refused(world.call())
            talks(call, f"sigo {left}")
    assert world.supervisor == supervisor
    assert world.service.count("alarm=process ") <= 2
    world.healthy()
    talks(call, "más")


def test_a_call_that_the_keeper_cannot_hold_goes_on(world):
    """It is only not protected from the supervisor's death."""
    world.allow("alarm=", "could not be started", "callworker ",
                "no voice session", "descriptor")
    world.start()
    spares_are_back(world)
    keeper, supervisor = world.service.pid, world.supervisor
    with starved(keeper, 0), nobody_spins(keeper, supervisor):
        call = world.call().hears(GREETING)
        talks(call, "sigo")
    assert world.supervisor == supervisor
    spares_are_back(world)
    world.healthy()
    talks(call, "más")


def test_a_callworker_without_descriptors_does_not_lose_its_call(world):
    """The session drops just then: another one needs a socket."""
    world.allow("voice ", "no voice session", "alarm=", "callworker ",
                "goes to the fallback", "worker ")
    world.answers(*["Sigo."] * 9)
    world.start()
    call = world.call().hears(GREETING)
    worker = call.worker
    with starved(worker), nobody_spins(worker):
        talks(call, "sigo")
        call.asks("sigue", "Sigo.")
        world.openai.inject("reset", call.session)
        time.sleep(1)
    call._session = None
    world.until(lambda: call.phone.state in ("up", "queue"), "a clean way on")
    if call.phone.state == "up":
        call.asks("y ahora", "Sigo.")
    world.healthy()


def test_a_toolworker_without_descriptors_answers_honestly(world):
    world.allow("tool answered", "tool query failed")
    def asking(question):
        return {"calls": [{"name": TOOL, "arguments": {"question": question}}],
                "preamble": "", "then": {"reply": "Ya sé."}}
    world.mikrotik.answer("clientes", "Veinte.", delay=4)
    world.answers(*map(asking, ("¿Cuántos clientes?", "¿Y qué?", "¿Y?")))
    world.start()
    call = world.call().hears(GREETING)
    [worker] = world.service.pids("toolworker")
    call.says("cuántos")        # by the connection that there is
    world.until(lambda: world.mikrotik.in_flight, "the query")
    with starved(worker), nobody_spins(worker):
        call.says("y qué más")
        found = world.service.wait_log(r"tool answered .* status=(\w+)")
    assert found.group(1) not in ("ok", "timeout", "cancelled")
    call.hears("Ya sé.")
    world.service.wait_log("tool answered .* status=ok")
    mark = world.service.mark()
    call.asks("y ahora", "Ya sé.")
    world.service.wait_log("tool answered .*status=ok", since=mark)


# Ports

def test_without_rtp_ports_callers_go_to_the_fallback(world):
    world.expect("alarm=rtp_port ", "goes to the fallback")
    world.make(MAX_CALLS=4)
    first = world.service.settings["RTP_PORT_MIN"]
    world.service.write_config(RTP_PORT_MAX=first + 7)
    world.service.start()
    world.ready()
    call = world.call().hears(GREETING)
    with contextlib.ExitStack() as others:
        taken = 0
        for port in range(first, first + 8):
            sock = others.enter_context(
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            with contextlib.suppress(OSError):
                sock.bind(("127.0.0.1", port))
                taken += 1
        assert taken == 7
        for _ in range(3):
            refused(world.call())
        talks(call, "sigo")
    one_alarm(world, "rtp_port")
    world.healthy()
    world.service.wait_log("RTP ports suffice again")


# Processes

@contextlib.contextmanager
def no_more_tasks(pid):
    """As TasksMax of a unit: its fork fails with EAGAIN."""
    top = Path("/sys/fs/cgroup/pids")
    group = top / f"telefonista-{pid}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no cgroup of processes can be made here")
    try:
        (group / "cgroup.procs").write_text(str(pid))
        (group / "pids.max").write_text("1")
        yield
    finally:
        (group / "pids.max").write_text("max")
        # With it whom it has started meanwhile.
        for task in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                (top / "cgroup.procs").write_text(task)
        group.rmdir()


@pytest.mark.parametrize("exhausted, error", [
    (lambda pid: starved(pid, 1), "Too many open files"),
    (no_more_tasks, "Resource temporarily unavailable")],
    ids=["descriptors", "TasksMax"])
def test_without_processes_callers_go_to_the_fallback_at_once(
        world, exhausted, error):
    """The keeper can start none; it is asked again when somebody calls."""
    world.expect("alarm=process ", "goes to the fallback")
    world.allow("could not be started", "callworker ", "no voice session")
    world.start()
    call = world.call().hears(GREETING)
    spares_are_back(world)
    keeper = world.service.pid
    with exhausted(keeper), nobody_spins(keeper, world.supervisor):
        [spare] = [pid for pid in world.service.pids("callworker")
                   if pid != call.worker]
        world.service.signal(signal.SIGKILL, spare)
        world.service.wait_title(world.supervisor, "spares=0$")
        for _ in range(4):
            refused(world.call())
        talks(call, "sigo")
    one_alarm(world, "process")
    assert world.service.find(f"alarm=process .*{error}")
    spares_are_back(world)
    world.healthy()


# Memory

@pytest.mark.skipif(SANITIZED, reason="sanitizers map terabytes")
def test_a_callworker_without_memory_is_rescued_or_goes_on(world):
    world.allow("worker lost", "alarm=rescue", "callworker ", "voice ",
                "session", "realtime", "memory", "alarm=memory")
    world.answers(*["Sigo."] * 9)
    world.start()
    call = world.call().hears(GREETING)
    spares_are_back(world)
    for what in resource.RLIMIT_DATA, resource.RLIMIT_AS:
        resource.prlimit(call.worker, what, (4096, 4096))
    for number in range(3):
        call.asks(f"sigue {number}", "Sigo.")
    world.healthy()


@pytest.mark.skipif(SANITIZED, reason="sanitizers map terabytes")
def test_a_supervisor_without_memory_loses_no_call(world):
    world.allow("alarm=", "memory", "goes to the fallback", "supervisor ",
                "callworker ", "no voice session", "ari ", "supervisor ended",
                "cannot", "worker ", "left over", "was forgotten", "hangs")
    world.answers(*["Sigo."] * 9)
    world.start()
    call = world.call().hears(GREETING)
    spares_are_back(world)
    pid = world.supervisor
    with squeezed(pid, resource.RLIMIT_AS, memory(pid)):
        others = [world.call() for _ in range(6)]
        talks(call, "sigo")
        for other in others:
            world.until(lambda: other.phone.state in ("up", "queue"),
                        "neither ringing for ever nor a dead line")
    world.service.signal(signal.SIGKILL, world.supervisor)
    talks(call, "más")
    world.service.wait_title(world.supervisor, "ari=up", 40)
    spares_are_back(world)
    world.healthy()


# Disk

@pytest.fixture
def small_disk(world):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = world.folder / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs",
                           disk], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("mount is not allowed here")
    world.closing.callback(
        subprocess.run, ["umount", "-l", disk], check=True)
    return disk


def fill(disk):
    """Not a byte more goes onto it; the file to remove."""
    filler = disk / "filler"
    with open(filler, "wb", buffering=0) as file:
        for size in (4096, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass
    return filler


def test_a_full_disk_costs_lines_of_the_log_and_no_call(world, small_disk):
    world.answers(*["Sigo."] * 9)
    log = small_disk / "telefonista.log"
    world.make(LOG_FILE_PATH=log).start()
    world.service.log = log
    world.ready()
    call = world.call().hears(GREETING)
    filler = fill(small_disk)
    full = log.read_text()
    with nobody_spins(world.service.pid):
        other = world.call().hears(GREETING)
        call.asks("sigue", "Sigo.")
        other.asks("sigue", "Sigo.")
        for number in range(20):    # whatever of the file's page was left
            other.phone.dtmf("5")
    filler.unlink()
    world.expect("alarm=log the log could not be written")
    last = world.call().hears(GREETING)
    world.service.wait_log(r"alarm=log .*lost_lines=\d+")
    assert log.read_text().startswith(full.rpartition("\n")[0])
    # Of the first two it may not say all that happened.
    for one in (call, other, last):
        one.hangup()
        one.phone.wait_for("ended")
    world.until(lambda: not world.made(), "nothing left")
    world.calls.clear()
    world.healthy()
