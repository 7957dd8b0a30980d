# SPDX-License-Identifier: MIT
"""The control socket: what telefonistactl shows and does, who may ask, and
that no client of it, however bad, disturbs a call."""

import json
import os
import signal
import socket
import stat
import subprocess
import time

import pytest

from tests.e2e.installed import rtp_losses
from tests.e2e.service import BUILD
from tests.e2e.test_exhaustion import starved
from tests.e2e.world import GREETING, LONG, SHUTDOWN_GOODBYE

CTL = BUILD / "telefonistactl"


def ctl(world, *arguments, **kwargs):
    return subprocess.run(
        [CTL, "--socket", world.folder / "control", *arguments],
        capture_output=True, text=True, timeout=30, check=False, **kwargs)


def connected(world):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.connect(str(world.folder / "control"))    # waits for its place
    client.settimeout(20)
    return client


def ask(client, **request):
    client.send(json.dumps({"type": "control.request", **request}).encode())
    return json.loads(client.recv(65536))


@pytest.fixture
def controlled(world):
    world.answers(LONG)
    world.start(CONTROL_SOCKET=world.folder / "control")
    return world


def test_the_operator_sees_the_calls_and_how_the_service_is(controlled):
    call = controlled.call(caller="3001234567").hears(GREETING)
    shown = ctl(controlled, "calls")
    assert shown.returncode == 0, shown.stderr
    head, row = shown.stdout.splitlines()
    assert head.split()[:2] == ["CALL", "STATE"]
    assert row.split()[:2] == [call.id, "TALKING"]
    assert "3001234567" not in shown.stdout and "4567" in shown.stdout
    described = json.loads(ctl(controlled, "--json", "calls").stdout)
    assert described["call"] == call.id
    assert described["pid"] == call.worker
    status = json.loads(ctl(controlled, "--json", "status").stdout)
    assert status["ari"] == "up" and status["calls"] == 1
    assert status["pid"] == controlled.service.pid
    assert status["records_waiting"] == 0


@pytest.mark.parametrize("arguments", [["calls"], ["--json", "calls"]])
def test_no_name_of_a_caller_is_obeyed_by_the_terminal(tmp_path, arguments):
    """What a service that does not know better would answer."""
    hostile = "a\x1b[2J\x07\r\n\x7f\x80\x9b31m\xa0\xbfs\xe1z?"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "control"))
        listener.listen(1)
        with subprocess.Popen(
                [CTL, "--socket", tmp_path / "control", *arguments],
                stdout=subprocess.PIPE, text=True) as shown:
            client = listener.accept()[0]
            client.recv(65536)
            client.send(json.dumps({
                "type": "control.reply", "id": 1, "more": False, "error": "",
                "calls": [{"call": "x", "called": hostile}]},
                ensure_ascii=False).encode())
            text = shown.stdout.read()
            client.close()
    lines = text.splitlines()
    assert len(lines) == (1 if "--json" in arguments else 2), text
    assert not [c for c in lines[-1] if ord(c) < 32 or 127 <= ord(c) < 160]
    if "--json" in arguments:
        assert json.loads(text)["called"] == hostile
    else:
        assert "a?[2J?????" in text and "\xbfs\xe1z?" in text


def test_an_operator_ends_a_call_with_a_goodbye_or_without(controlled):
    first = controlled.call().hears(GREETING)
    second = controlled.call().hears(GREETING)
    assert ctl(controlled, "end", first.id).returncode == 0
    again = ctl(controlled, "end", first.id)
    assert again.returncode == 1 and again.stderr
    first.ended(why="ended by an operator")
    assert first.heard_texts(GREETING, SHUTDOWN_GOODBYE)
    assert ctl(controlled, "end", second.id, "--now").returncode == 0
    second.ended(why="ended by an operator")
    assert not second.heard_texts(GREETING, SHUTDOWN_GOODBYE)
    again = ctl(controlled, "end", second.id)
    assert again.returncode == 1
    assert "there is no such call" in again.stderr
    assert controlled.service.count(
        rf"an operator ends it now=yes uid={os.geteuid()} pid=") == 1


def test_the_socket_is_for_root_its_user_and_its_group(controlled):
    controlled.expect("control socket: refused uid=65534")
    path = controlled.folder / "control"
    mode = os.stat(path).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
    if os.geteuid() != 0:
        pytest.skip("only root can play somebody else")
    for folder in [path.parent, *path.parent.parents]:
        folder.chmod(folder.stat().st_mode | 0o711)
    stranger = ctl(controlled, "calls", user=65534, group=65534,
                   extra_groups=[])
    assert stranger.returncode == 3
    assert "Permission denied" in stranger.stderr
    assert "Be root, or in the group" in stranger.stderr
    # Somebody has opened the file to all: the service asks the kernel.
    path.chmod(0o666)
    stranger = ctl(controlled, "calls", user=65534, group=65534,
                   extra_groups=[])
    assert stranger.returncode == 3 and stranger.stdout == ""
    member = ctl(controlled, "status", user=65534, group=65534,
                 extra_groups=[path.stat().st_gid])
    assert member.returncode == 0, member.stderr


def test_bad_clients_are_let_go_and_calls_go_on(controlled):
    controlled.expect("control socket: client let go")
    controlled.allow("control socket", "unknown message")
    call = controlled.call().hears(GREETING)
    for rubbish in (b"{", b"[]", b"\0" * 100, b"x" * 70000,
                    json.dumps({"type": "job.run", "id": "1"}).encode(),
                    json.dumps({"type": "control.request",
                                "request": "x" * 2000}).encode()):
        with connected(controlled) as client:
            try:
                client.send(rubbish)
                assert client.recv(65536) == b""
            except (ConnectionError, BrokenPipeError):
                pass
    clients = [connected(controlled) for _ in range(30)]
    assert ask(clients[-1], id=7, request="status")["id"] == 7
    assert "there are status, calls and end" in ask(
        clients[-1], id=8, request="stop")["error"]
    for client in clients:
        client.close()
    call.says("cuénteme")
    call.hears(LONG)


def test_a_new_supervisor_answers_at_the_same_place(controlled):
    controlled.expect("supervisor ended by signal")
    controlled.allow("exited")
    call = controlled.call().hears(GREETING)
    mark = controlled.service.mark()
    controlled.service.signal(signal.SIGKILL, controlled.supervisor)
    controlled.service.wait_log(rf"call={call.id} .*goes on", since=mark)
    described = json.loads(ctl(controlled, "--json", "calls").stdout)
    assert described["call"] == call.id


def test_two_services_do_not_take_the_socket_from_each_other(world, tmp_path):
    held = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    held.bind(str(tmp_path / "held"))
    held.listen()
    world.expect("alarm=control_socket")
    world.answers(LONG)
    world.start(CONTROL_SOCKET=tmp_path / "held")
    world.call().hears(GREETING)
    assert world.service.count("another service answers there") == 1
    held.close()


def test_without_a_descriptor_for_a_client_the_log_is_not_filled(controlled):
    controlled.expect("control socket: no client")
    controlled.allow("alarm=", "could not be started", "descriptor")
    call = controlled.call().hears(GREETING)
    with starved(controlled.supervisor):
        with connected(controlled):
            controlled.service.wait_log("control socket: no client")
            begun = time.monotonic()
            controlled.until(lambda: time.monotonic() - begun > 3.5,
                             "tried some more times")
            assert controlled.service.count("control socket: no client") == 1
    assert ctl(controlled, "status").returncode == 0
    call.hangup().gone()


def test_another_socket_takes_no_more_than_a_reload(controlled):
    """It is open for a process's life: so another one reads the settings."""
    call, old = controlled.call().hears(GREETING), controlled.supervisor
    call.says("cuénteme")
    call.begins_to_hear(LONG)
    controlled.service.write_config(CONTROL_SOCKET=controlled.folder / "other")
    mark = controlled.service.mark()
    controlled.service.signal(signal.SIGHUP)
    controlled.service.wait_log("another one takes over", since=mark)
    controlled.service.wait_log("ari listing -> up", since=mark)
    shown = ctl(controlled, "--socket", controlled.folder / "other", "calls")
    assert call.id in shown.stdout, shown.stderr
    assert ctl(controlled, "status").returncode == 3
    assert controlled.supervisor != old
    call.hears(LONG)
    assert rtp_losses(call) == []
