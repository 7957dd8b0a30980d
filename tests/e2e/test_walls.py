# SPDX-License-Identifier: MIT
"""Walls, seen from outside on a running service, and from inside by
tests/unit/intruder.c, which enters a role's wall as that role does. What the
system calls of each role are is tests/unit/test_sandbox.c's part."""

import errno
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.service import BUILD, PATIENCE, SANITIZED, WALLS
from tests.e2e.world import GREETING

ROLES = ("keeper", "supervisor", "callworker", "toolworker")
CALL, EACCES, EPERM = "callworker", errno.EACCES, errno.EPERM

pytestmark = pytest.mark.skipif(
    SANITIZED or WALLS["SANDBOX"] == "off",
    reason="sanitizers need holes in walls")


def status(pid):
    """{name: value} of what the kernel says about a process."""
    return dict(line.split(":\t", 1) for line in Path(
        f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def core_limit(pid):
    return re.search(r"Max core file size +(\S+) +(\S+)",
                     Path(f"/proc/{pid}/limits").read_text()).groups()


def behind_a_wall(pid):
    """None, or what is missing."""
    of = status(pid)
    if (of["Seccomp"], of["NoNewPrivs"]) != ("2", "1"):
        return f"Seccomp {of['Seccomp']} NoNewPrivs {of['NoNewPrivs']}"
    return None if int(of["CapEff"], 16) == 0 else f"CapEff {of['CapEff']}"


def intrude(world, role, *attempts, **environment):
    """{(verb, argument): errno} of what an intruder could do, until a
    forbidden call killed it: then the last is 'killed'."""
    words = [str(word) for attempt in attempts for word in attempt]
    run = subprocess.run(
        [BUILD / "tests/intruder", role, world.service.config,
         world.openai.url, str(world.openai.ca_file), *words],
        env={"PATH": "/usr/bin", **WALLS, "SANDBOX": "enforce",
             **environment}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=PATIENCE)
    found = {}
    for line in run.stdout.splitlines():
        verb, _, rest = line.partition(" ")
        argument, _, number = rest.rpartition(" ")
        found[verb, argument] = int(number)
    if run.returncode == -signal.SIGSYS:
        verb, argument = words[2 * len(found):2 * len(found) + 2]
        found[verb, argument] = "killed"
    else:
        assert run.returncode == 0, run.stderr
    return found


def of_process(pid):
    """Files through which one process looks into another."""
    return [("read", f"/proc/{pid}/{what}") for what in
            ("mem", "environ", "maps", "fd/3", "fd/9", "fd/12", "root")]


def secret(world, name):
    return world.service.folder / name.lower()


def apart(world):
    """Each secret in a folder of its own, as systemd's credentials are."""
    world.make()
    for name in ("ASTERISK_PASSWORD", "OPENAI_API_KEY"):
        folder = world.folder.parent / f"{world.folder.name}-{name}"
        folder.mkdir()
        path = Path(folder, "secret")
        secret(world, name).rename(path)
        world.service.write_config(**{f"{name}_FILE": path})
    world.service.start()
    world.ready()
    return {name: world.folder.parent / f"{world.folder.name}-{name}/secret"
            for name in ("ASTERISK_PASSWORD", "OPENAI_API_KEY")}


def test_every_process_of_a_running_service_is_behind_a_wall(world):
    world.start()
    world.call().hears(GREETING)
    seen = set()
    world.service.tree()
    for pid, role in [(world.service.pid, "keeper"),
                      *world.service.tree().items()]:
        world.service.until(
            lambda pid=pid: behind_a_wall(pid) is None,
            lambda pid=pid, role=role: f"{role}: {behind_a_wall(pid)}")
        seen.add(role)
        if role != "keeper":
            assert core_limit(pid) == ("0", "0")
        # Not dumpable: its files are root's, whoever it runs as.
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0
    assert seen == set(ROLES)


def test_the_kernel_takes_a_toolworker_first_when_memory_runs_out(world):
    world.start()
    world.call().hears(GREETING)
    for pid, role in world.service.tree().items():
        score = int(Path(f"/proc/{pid}/oom_score_adj").read_text())
        own = int(Path("/proc/self/oom_score_adj").read_text())
        assert score == (500 if role == "toolworker" else own), role


def test_an_intruder_in_a_callworker_sees_no_secret_and_no_other_call(world):
    secrets = apart(world)
    victim = world.call().hears(GREETING).worker
    control = world.folder / "control"
    attempts = [("read", path) for path in secrets.values()] + [
        ("read", world.service.config), ("write", world.service.log),
        ("read", "/etc/passwd"), ("read", "/etc/hosts"),
        ("read", f"/proc/{world.supervisor}/environ"),
        *of_process(victim), *of_process(world.supervisor)]
    found = intrude(world, CALL, *attempts)
    assert set(found.values()) == {EACCES}, found
    assert len(found) == len(set(map(lambda a: (a[0], str(a[1])), attempts)))
    for pid in (victim, world.supervisor, world.service.pid):
        assert intrude(world, CALL, ("signal", pid)) == {
            ("signal", str(pid)): EPERM}
        assert intrude(world, CALL, ("peek", pid)) == {
            ("peek", str(pid)): "killed"}
    assert intrude(world, CALL, ("connect", control)) == {
        ("connect", str(control)): EPERM}


def test_with_an_older_landlock_it_sees_as_little(world):
    secrets = apart(world)
    victim = world.call().hears(GREETING).worker
    found = intrude(world, CALL, *(("read", path)
                                   for path in secrets.values()),
                    *of_process(victim), TELEFONISTA_LANDLOCK_ABI="2")
    assert set(found.values()) == {EACCES}, found


def test_an_intruder_in_a_toolworker_reads_no_other_roles_secret(world):
    secrets = apart(world)
    victim = world.call().hears(GREETING).worker
    found = intrude(world, "toolworker", *(("read", path)
                                           for path in secrets.values()),
                    ("read", world.service.config), *of_process(victim))
    assert set(found.values()) == {EACCES}, found
    routers = world.folder.parent / f"{world.folder.name}-routers.json"
    routers.write_text("{}")
    assert intrude(world, "toolworker", ("read", routers),
                   ROUTERS_FILE=str(routers)) == {("read", str(routers)): 0}
    assert intrude(world, "toolworker", ("read", "/etc/hosts")) == {
        ("read", "/etc/hosts"): 0}
    assert intrude(world, "toolworker", ("peek", victim)) == {
        ("peek", str(victim)): "killed"}


def test_an_intruder_in_a_supervisor_reads_its_own_secret_only(world):
    secrets = apart(world)
    victim = world.call().hears(GREETING).worker
    own = ("read", secrets["ASTERISK_PASSWORD"])
    other = ("read", secrets["OPENAI_API_KEY"])
    found = intrude(world, "supervisor", own, other,
                    ("read", f"/proc/{victim}/mem"),
                    ("write", world.service.config))
    assert list(found.values()) == [0, EACCES, EACCES, EACCES], found
    assert intrude(world, "supervisor", ("signal", victim)) == {
        ("signal", str(victim)): EPERM}


@pytest.mark.parametrize("abi", ["0", "2"])
def test_calls_go_on_with_less_of_landlock_or_none(world, abi):
    world.make()
    world.service.environment["TELEFONISTA_LANDLOCK_ABI"] = abi
    if abi == "0":
        world.expect("SANDBOX: this kernel has no Landlock")
    world.service.start()
    world.ready()
    world.answers("Sigo aquí.")
    world.call().hears(GREETING).asks("hola", "Sigo aquí.")
    said = world.service.count("kernel has no Landlock")
    assert said == (1 if abi == "0" else 0)
    world.healthy()


def test_without_walls_it_says_so(world):
    world.make()
    world.service.environment["SANDBOX"] = "off"
    world.expect("SANDBOX=off: there are no walls")
    world.service.start()
    world.ready()
    world.call().hears(GREETING)
    assert status(world.supervisor)["Seccomp"] == "0"


def test_new_settings_outside_of_the_wall_are_a_new_supervisors_part(world):
    world.start()
    call, old = world.call().hears(GREETING), world.supervisor
    elsewhere = world.folder.parent / f"{world.folder.name}-elsewhere"
    shutil.copytree(world.folder / "personas", elsewhere)
    world.service.write_config(PERSONA_DIR=elsewhere)
    mark = world.service.mark()
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("ready app=", since=mark)
    world.service.wait_gone(old)
    world.answers("Sigo aquí.")
    call.asks("y ahora", "Sigo aquí.")
    world.call().hears(GREETING)
    world.healthy()


def test_a_file_that_was_replaced_is_a_new_supervisors_part(world):
    """Nobody says so: it is noticed."""
    elsewhere = world.folder.parent / f"{world.folder.name}-ca"
    elsewhere.mkdir()
    shutil.copy(world.openai.ca_file, elsewhere / "ca.pem")
    world.answers("Sigo aquí.")
    world.start(ASTERISK_CA_FILE=elsewhere / "ca.pem")
    call, old = world.call().hears(GREETING), world.supervisor
    mark = world.service.mark()
    shutil.copy(world.openai.ca_file, elsewhere / "new")
    os.rename(elsewhere / "new", elsewhere / "ca.pem")
    world.service.wait_log("a new supervisor takes over", since=mark)
    world.service.wait_log("ready app=", since=mark)
    world.service.wait_gone(old)
    call.asks("y ahora", "Sigo aquí.")
    world.healthy()


def test_as_root_it_only_runs_if_told_to(world):
    if os.geteuid() != 0:
        pytest.skip("this is not root")
    world.make()
    world.service.environment["RUN_AS_ROOT"] = "no"
    world.expect("configuration: RUN_AS_ROOT: the service does not run as "
                 "root.*set RUN_AS_ROOT=yes")
    world.service.start()
    assert world.service.wait() == 2
    world.status = 2
