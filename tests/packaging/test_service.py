# SPDX-License-Identifier: MIT
"""The installed unit under a real systemd: start, the crash of each process,
reload, stop, and nothing left of any of them."""

import errno
import os
import re
import shutil
import signal
import subprocess

import pytest

from tests.e2e.debugger import Debugger
from tests.e2e.service import BUILD, REPO
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


def test_our_programs_are_in_a_folder_of_their_own(tmp_path):
    """Whatever the prefix: the keeper's wall lets that folder be executed."""
    subprocess.run(
        ["make", "-s", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr",
         f"B={BUILD.relative_to(REPO)}", "CI=1"],
        cwd=REPO, check=True, capture_output=True, timeout=600)
    libexec = tmp_path / "usr/libexec/telefonista"
    command = tmp_path / "usr/bin/telefonista"
    assert command.resolve() == libexec / "telefonista"
    assert not os.path.isabs(os.readlink(command))  # also in a package
    for role in ("supervisor", "callworker", "toolworker", "voicecheck"):
        assert os.access(libexec / f"telefonista-{role}", os.X_OK)
    assert "/usr/share/telefonista}" in (libexec / "setup.sh").read_text()


def test_it_starts_serves_reloads_and_stops(installed):
    installed.answers(LONG, "Sí, aquí.")
    installed.start(DRAIN_SECONDS=9)
    systemd, service = installed.systemd, installed.service
    assert systemd.show(UNIT, "ActiveState") == "active"
    assert "ari=up" in systemd.show(UNIT, "StatusText")
    call = installed.call().hears(GREETING)
    call.says("cuénteme")
    call.hears(LONG)
    # Everybody is the service's user, with nothing that root could do.
    user = systemd.run("id", "-u", "telefonista").stdout.strip()
    for pid in [service.pid, *service.tree()]:
        # Of what is executed nothing lies elsewhere.
        assert os.path.dirname(os.readlink(f"/proc/{pid}/exe")).endswith(
            "/libexec/telefonista")
        # Not dumpable: no other process of this user reads its memory.
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0
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
    call.asks("¿sigue ahí?", "Sí, aquí.")
    assert service.stop() == 0
    call.ended()
    assert call.heard_texts(GREETING, LONG, "Sí, aquí.", SHUTDOWN_GOODBYE)
    service.until(lambda: not members(systemd),
                  lambda: f"gone: {members(systemd)}")
    assert systemd.show(UNIT, "Result") == "success"
    # What it wrote of callers is for its user alone.
    kept = systemd.run("find", "/var/lib/telefonista", "/var/log/telefonista",
                       "-type", "f", "-printf", "%f %m %u\n").stdout
    assert ".jsonl 600 telefonista" in kept
    assert not re.search(r" (?!600 telefonista$)\d+ \w+$", kept, re.M), kept


FOLDER = "/run/credentials/telefonista.service"
SECRETS = {"ASTERISK_PASSWORD": "supervisor", "OPENAI_API_KEY": "callworker",
           "TOOL_ROUTER_PASSWORD": "toolworker"}


def read_behind_the_wall(service, role, *paths, **environment):
    """{path: errno} of a process of ROLE that somebody took over, which sees
    and may what the unit's processes do (tests/unit/intruder.c)."""
    shutil.copy(BUILD / "tests/intruder",
                service.systemd.root / "usr/local/libexec/intruder")
    config = service.systemd.inside(service.config)
    run = subprocess.run(
        ["nsenter", "-t", str(service.pid), "-m", "setpriv", "--reuid", service.user,
         "--regid", service.user, "--clear-groups", "--bounding-set=-all",
         "/usr/local/libexec/intruder", role, config, "wss://localhost/v1",
         "/etc/telefonista/openai-ca.pem",
         *[word for path in paths for word in ("read", path)]],
        env={"PATH": "/usr/bin:/bin", "CREDENTIALS_DIRECTORY": FOLDER,
             **environment},
        capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr + run.stdout
    return {line.split()[1]: int(line.split()[2])
            for line in run.stdout.splitlines()}


def test_no_process_reads_another_ones_credential(installed):
    """systemd gives all of them to all; Landlock gives each its own."""
    installed.make()
    tool = installed.folder / "credentials/tool/ROUTER_PASSWORD"
    tool.write_text("secreto\n")
    installed.service.start()
    installed.ready()
    service, systemd = installed.service, installed.systemd
    service.user = systemd.run("id", "-u", "telefonista").stdout.strip()
    paths = [f"{FOLDER}/{name}" for name in SECRETS]
    record = systemd.run("sh", "-c", "echo hola >/var/lib/telefonista/words; "
                         "chown telefonista: /var/lib/telefonista/words; "
                         "echo /var/lib/telefonista/words").stdout.strip()
    for abi in ("2", "99"):
        older = {"TELEFONISTA_LANDLOCK_ABI": abi}
        for role in ("callworker", "toolworker", "supervisor"):
            found = read_behind_the_wall(service, role, *paths, **older)
            # A callworker has its key in locked memory, and no file of it.
            may = {f"{FOLDER}/{name}" for name, whose in SECRETS.items()
                   if whose == role and role != "callworker"}
            assert found == {path: 0 if path in may else errno.EACCES
                             for path in paths}, (role, abi)
        for role in ("callworker", "toolworker"):
            assert read_behind_the_wall(service, role, record, **older) == {
                record: errno.EACCES}
    # It is the walls: without them every role may.
    assert set(read_behind_the_wall(service, "callworker", record, *paths,
                                    SANDBOX="off").values()) == {0}


def test_the_check_of_an_operator_sees_what_the_service_sees(installed):
    installed.make()
    check = "/usr/local/libexec/telefonista/check.sh"
    checked = installed.systemd.run(check, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Asterisk" in checked.stdout
    (installed.folder / "credentials/OPENAI_API_KEY").write_text("")
    checked = installed.systemd.run(check, check=False)
    assert checked.returncode == 2
    assert "OPENAI_API_KEY" in checked.stdout + checked.stderr
    left = installed.systemd.run("ls", "/run").stdout
    assert "telefonista-check" not in left


def test_the_check_does_not_see_what_the_service_is_not_given(installed):
    installed.make()
    check = "/usr/local/libexec/telefonista/check.sh"
    pins = installed.folder / "credentials/STAFF_PINS"
    pins.write_text("nonsense\n")
    checked = installed.systemd.run(check, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "LoadCredential=STAFF_PINS:/etc/telefonista" in checked.stderr
    assert "no PIN is accepted" not in checked.stdout
    more = installed.systemd.root / "etc/systemd/system/telefonista.service.d"
    more.mkdir(parents=True)
    (more / "pins.conf").write_text(
        f"[Service]\nLoadCredential=STAFF_PINS:"
        f"{installed.systemd.inside(pins)}\n")
    installed.systemd.ctl("daemon-reload")
    checked = installed.systemd.run(check, check=False)
    assert "no PIN is accepted" in checked.stdout, checked.stdout
    assert "LoadCredential" not in checked.stderr


def test_name_servers_that_were_replaced_are_read(installed):
    """A new file under an old name, as DHCP clients leave it: it is not within
    the walls of those who run."""
    installed.answers("Sigo.")
    installed.start()
    service, systemd = installed.service, installed.systemd
    call = installed.call().hears(GREETING)
    old = service.the("supervisor")
    tools = service.the("toolworker")
    mark = service.mark()
    systemd.run("sh", "-c", "cp /etc/resolv.conf /etc/new; echo >>/etc/new; "
                "mv /etc/new /etc/resolv.conf")
    service.wait_log("a new supervisor takes over", since=mark)
    service.wait_log("ready app=", since=mark)
    service.wait_gone(old)
    service.wait_gone(tools)
    call.asks("y ahora", "Sigo.")
    installed.healthy()
    assert systemd.show(UNIT, "NRestarts") == "0"
    assert service.count("a new supervisor takes over") == 1
    assert service.count("cannot be read") == 0


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
    """The one death that nothing outlives: the sentence is finished, goodbye,
    and a new service."""
    installed.expect("the keeper is gone")
    installed.allow(".")
    installed.answers(LONG)
    installed.start()
    service, systemd = installed.service, installed.systemd
    call = installed.call().hears(GREETING)
    call.says("cuénteme")
    call.begins_to_hear(LONG)
    before = set(members(systemd))
    assert len(before) >= 4
    mark = service.mark()
    os.kill(service.pid, signal.SIGKILL)
    call.hears(LONG).hears(SHUTDOWN_GOODBYE)
    service.wait_log("ready app=", since=mark)
    service.until(lambda: systemd.show(UNIT, "NRestarts") == "1", "restarted")
    service.until(lambda: not before & set(members(systemd)),
                  lambda: f"gone: {members(systemd)}")
    call.hangup()
    installed.calls.clear()
    service.wait_log("ari listing -> up", since=mark)
    installed.healthy()


@pytest.mark.long
def test_a_keeper_that_hangs_is_replaced(installed):
    """WatchdogSec= must pass, then TimeoutAbortSec=."""
    installed.allow(".")
    installed.start()
    service, systemd = installed.service, installed.systemd
    call = installed.call().hears(GREETING)
    before = set(members(systemd))
    mark = service.mark()
    keeper = service.pid
    with Debugger(keeper):
        call.hears(SHUTDOWN_GOODBYE, seconds=60)
        service.until(lambda: status_field(keeper, "State").startswith("Z"),
                      "killed", 60)
    service.until(lambda: systemd.show(UNIT, "NRestarts") == "1", "restarted")
    service.wait_log("ready app=", since=mark)
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
    assert "MAX_CALLS" in said(installed)


def said(installed):
    """In the journal and in the log file."""
    return installed.service.text() + installed.systemd.run(
        "journalctl", "-u", UNIT, "--no-pager").stdout


@pytest.mark.parametrize("secret", ["ASTERISK_PASSWORD", "OPENAI_API_KEY"])
def test_a_secret_that_is_not_there_is_said_and_not_tried_again(
        installed, secret):
    """Neither a loop of systemd's own about a missing file, nor a service that
    comes up and sends every caller to the fallback."""
    installed.expect(f"{secret}: .* is empty")
    installed.make()
    (installed.folder / "credentials" / secret).unlink()
    (installed.folder / "credentials/tool").rmdir()
    started = installed.systemd.ctl("start", UNIT, check=False)
    assert started.returncode != 0
    assert installed.systemd.show(UNIT, "ExecMainStatus") == "2"
    assert installed.systemd.show(UNIT, "NRestarts") == "0"
    assert secret in said(installed)
