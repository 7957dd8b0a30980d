# SPDX-License-Identifier: MIT
"""The installed unit under a real systemd: start, the crash of each process,
reload, stop, and nothing left of any of them."""

import os
import re
import signal
import subprocess

import pytest

from tests.e2e.service import REPO
from tests.e2e.world import GREETING, LONG, SHUTDOWN_GOODBYE
from tests.packaging.conftest import UNIT

EXPOSURE_MAX = 1.5


def members(systemd):
    """{pid inside: name} of what is in the unit's control group."""
    group = systemd.show(UNIT, "ControlGroup")
    if not group:
        return {}
    text = systemd.run(
        "cat", f"/sys/fs/cgroup/unified{group}/cgroup.procs",
        check=False).stdout
    return {int(pid): systemd.run("cat", f"/proc/{pid}/comm",
                                  check=False).stdout.strip()
            for pid in text.split()}


def status_field(pid, name):
    text = open(f"/proc/{pid}/status", encoding="ascii").read()
    return re.search(rf"^{name}:\s*(.*)$", text, re.M).group(1)


def test_the_unit_is_closed_as_far_as_it_can_be(tmp_path):
    """Without a systemd that runs: the figure that the README explains."""
    unit = tmp_path / UNIT
    unit.write_text((REPO / "packaging/telefonista.service.in").read_text()
                    .replace("@PREFIX@", "/usr"))
    shown = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", unit],
        capture_output=True, text=True, check=False).stdout
    exposure = float(re.search(r"exposure level for \S+: ([\d.]+)",
                               shown).group(1))
    assert exposure <= EXPOSURE_MAX
    explained = (REPO / "packaging/README.md").read_text()
    for line in shown.splitlines():
        if line.startswith("✗"):
            name = line.split()[1]
            assert f"`{name}`" in explained, f"{name} is not explained"


def test_it_starts_serves_reloads_and_stops(installed):
    installed.answers(LONG)
    installed.start(DRAIN_SECONDS=9)
    systemd, service = installed.systemd, installed.service
    assert systemd.show(UNIT, "ActiveState") == "active"
    assert "ari=up" in systemd.show(UNIT, "StatusText")
    call = installed.call().hears(GREETING)
    call.says("cuénteme")
    call.hears(LONG)
    # Everybody is the service's user, with nothing that root could do.
    user = systemd.run("id", "-u", "telefonista").stdout.strip()
    for pid in service.tree():
        assert status_field(pid, "Uid").split() == [user] * 4
        assert int(status_field(pid, "CapEff"), 16) == 0
        assert int(status_field(pid, "CapBnd"), 16) == 0
        assert status_field(pid, "NoNewPrivs") == "1"
        assert status_field(pid, "Seccomp") == "2"
    listed = systemd.run("telefonistactl", "calls").stdout
    assert call.id in listed
    mode = systemd.run("stat", "-c", "%a %U:%G", "/run/telefonista/control")
    assert mode.stdout.strip() == "660 telefonista:telefonista"
    mark = service.mark()
    keeper = service.pid
    systemd.ctl("reload", UNIT)
    service.wait_log("ready app=|reading the configuration again", since=mark)
    assert service.pid == keeper
    assert systemd.show(UNIT, "NRestarts") == "0"
    call.heard_by_voice(call.says("sigo aquí"))
    assert service.stop() == 0
    call.ended()
    assert call.heard_texts(GREETING, LONG, SHUTDOWN_GOODBYE)
    assert members(systemd) == {}
    assert systemd.show(UNIT, "Result") == "success"


@pytest.mark.parametrize("role", ["supervisor", "callworker", "toolworker"])
def test_the_crash_of_a_child_is_none_of_the_service(installed, role):
    installed.allow("signal 9", "exited", "lost", "alarm=rescue")
    installed.answers(LONG)
    installed.start()
    systemd, service = installed.systemd, installed.service
    call = installed.call().hears(GREETING)
    keeper = service.pid
    victim = systemd.outer_pid(call.worker) if role == "callworker" \
        else service.the(role)
    mark = service.mark()
    os.kill(victim, signal.SIGKILL)
    service.until(lambda: victim not in service.tree(), "it is dead")
    if role == "supervisor":
        service.wait_log("supervisor ended by signal 9", since=mark)
        service.wait_log("ari listing -> up", since=mark)
    else:
        service.wait_log(f"{role} killed by signal 9", since=mark)
    if role != "callworker":
        call.says("cuénteme")
        call.hears(LONG)
    call.hangup()
    installed.healthy()
    assert systemd.show(UNIT, "NRestarts") == "0"
    assert service.pid == keeper


def test_the_crash_of_the_keeper_restarts_the_service(installed):
    """The one death that nothing outlives: goodbye, and a new service."""
    installed.expect("the keeper is gone")
    installed.allow(".")
    installed.answers(LONG)
    installed.start()
    service, systemd = installed.service, installed.systemd
    call = installed.call().hears(GREETING)
    before = set(members(systemd))
    assert len(before) >= 4
    mark = service.mark()
    os.kill(service.pid, signal.SIGKILL)
    service.wait_log("ready app=", since=mark)
    service.until(lambda: systemd.show(UNIT, "NRestarts") == "1", "restarted")
    service.until(lambda: not before & set(members(systemd)),
                  lambda: f"gone: {members(systemd)}")
    call.hangup()
    installed.calls.clear()
    service.wait_log("ari listing -> up", since=mark)
    installed.healthy()


def test_an_error_in_the_settings_is_said_and_not_tried_again(installed):
    installed.expect("MAX_CALLS")
    installed.make(MAX_CALLS="viele")
    started = installed.systemd.ctl("start", UNIT, check=False)
    assert started.returncode != 0
    assert installed.systemd.show(UNIT, "ExecMainStatus") == "2"
    assert installed.systemd.show(UNIT, "NRestarts") == "0"
    journal = installed.systemd.run(
        "journalctl", "-u", UNIT, "--no-pager").stdout
    assert "MAX_CALLS" in journal + installed.service.text()
