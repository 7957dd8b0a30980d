# SPDX-License-Identifier: MIT
"""The real toolworker, its channel as descriptor 3, against the simulated
MikroTik service: every job.run gets exactly one job.result, whatever the
service, the network, the deadline or the supervisor does."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.e2e.service import WALLS
from tests.sim.mikrotik import MikrotikSim

REPO = Path(__file__).resolve().parents[2]
BUILD = REPO / os.environ.get("TELEFONISTA_BUILD", "build")
PATIENCE = 30           # seconds until a test gives up: generous, machines differ
JOBS_MAX = 160
ANSWER_MAX = 4096


def settings_of(definition):
    """What the supervisor puts into a job.run of this tool."""
    executor = dict(definition["executor"])
    return {**executor, "executor": executor.pop("type"),
            "parameters": definition["parameters"],
            "timeout_argument": definition.get("timeout_argument", ""),
            "read_only": definition.get("read_only", False)}


MIKROTIK = settings_of(json.loads(
    (REPO / "etc/tools.d/consultar_mikrotik.json").read_text()))


class Toolworker:
    """The process and the supervisor's end of its channel."""

    def __init__(self, url="", log=None, environment=None, arguments=()):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel = ours
        self.log_path = log
        self.messages = []      # everything it said but heartbeats
        self.heartbeats = 0
        self._looked_at = 0
        with open(log or os.devnull, "ab") as stderr:
            self.process = subprocess.Popen(
                [BUILD / "telefonista-toolworker", *arguments], stderr=stderr,
                stdin=subprocess.DEVNULL, pass_fds=(3,),
                preexec_fn=lambda: os.dup2(theirs.fileno(), 3),
                env={"PATH": "/usr/bin", "LC_ALL": "C.UTF-8",
                     **({"MIKROTIK_API_URL": url} if url else {}),
                     "TOOL_FOLDERS": tempfile.gettempdir(),
                     **WALLS, **(environment or {})})
        theirs.close()

    def __enter__(self):
        self.expect("hello")
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.channel.close()

    # Talking

    def send(self, kind, **members):
        self.channel.send(json.dumps({"type": kind, **members}).encode())

    def run(self, job, question="¿Cuántos clientes hay?", deadline_ms=60000,
            settings=MIKROTIK, tool="consultar_mikrotik", **arguments):
        if question is not None:
            arguments["question"] = question
        self.send("job.run", id=job, tool=tool,
                  arguments=arguments, settings=settings,
                  deadline_ms=deadline_ms)

    def receive(self, end):
        """The next message; None at the end of the channel."""
        self.channel.settimeout(max(0.001, end - time.monotonic()))
        try:
            datagram = self.channel.recv(1 << 17)
        except ConnectionResetError:
            return None
        if not datagram:
            return None
        message = json.loads(datagram)
        if message["type"] == "heartbeat":
            self.heartbeats += 1
        else:
            self.messages.append(message)
        return message

    def expect(self, kind, **members):
        """The first message of that kind and members, seen or to come."""
        end = time.monotonic() + PATIENCE
        seen = 0
        while True:
            for message in self.messages[seen:]:
                if message["type"] == kind and \
                        all(message.get(k) == v for k, v in members.items()):
                    return message
            seen = len(self.messages)
            assert self.receive(end) is not None, \
                f"channel ended, no {kind} {members}: {self.messages}"

    def wait_for(self, predicate):
        """Until it is so, after messages to come."""
        end = time.monotonic() + PATIENCE
        while not predicate():
            assert self.receive(end) is not None, "channel ended"

    def result(self, job):
        """(status, output) of a job."""
        message = self.expect("job.result", id=job)
        return message["status"], message["output"]

    def ask(self, job="j", **arguments):
        self.run(job, **arguments)
        return self.result(job)

    def wait_heartbeats(self, count):
        end = time.monotonic() + PATIENCE
        while self.heartbeats < count:
            assert self.receive(end) is not None

    def drain_channel(self):
        """Everything until the other side closes it."""
        end = time.monotonic() + PATIENCE
        while self.receive(end) is not None:
            pass

    def exit_status(self):
        return self.process.wait(PATIENCE)

    # Looking

    def log(self):
        return Path(self.log_path).read_text()

    def wait_for_log(self, text):
        end = time.monotonic() + PATIENCE
        while text not in self.log():
            assert time.monotonic() < end, f"no {text!r} in {self.log()}"
            time.sleep(0.02)

    def title(self):
        raw = Path(f"/proc/{self.process.pid}/cmdline").read_bytes()
        return raw.split(b"\0")[0].decode()

    def results(self):
        return [m["id"] for m in self.messages if m["type"] == "job.result"]


@pytest.fixture
def service():
    with MikrotikSim() as sim:
        yield sim
        assert sim.violations == []


@pytest.fixture
def worker(service, tmp_path):
    with Toolworker(service.url, log=tmp_path / "log") as worker:
        yield worker
        if worker.process.poll() is None:
            worker.send("sync")
            worker.expect("state")
        ids = worker.results()
        assert len(ids) == len(set(ids)), "a job was answered twice"


# The usual way

def test_it_introduces_itself_and_keeps_saying_that_it_lives(worker):
    hello = worker.messages[0]
    assert hello["role"] == "toolworker"
    assert hello["pid"] == worker.process.pid
    assert hello["build"]
    worker.wait_heartbeats(2)
    assert worker.title() == "telefonista: toolworker jobs=0"


def test_a_question_gets_the_service_s_answer(worker, service):
    service.answer("clientes", "Hay 12 clientes conectados. ¡Ñandú! 😀")
    assert worker.ask() == ("ok", "Hay 12 clientes conectados. ¡Ñandú! 😀")
    assert service.questions == ["¿Cuántos clientes hay?"]


def test_the_service_s_health_is_looked_at_when_it_is_asked_for(
        worker, service):
    assert worker.ask()[0] == "ok"
    assert service.health_requests == 0
    worker.send("health")
    worker.wait_for_log("mikrotik service is up")
    assert service.health_requests == 1


def test_an_unhealthy_service_is_logged_and_tried_all_the_same(tmp_path):
    with MikrotikSim() as sim:
        sim.healthy = False
        with Toolworker(sim.url, log=tmp_path / "log") as worker:
            worker.send("health")
            worker.wait_for_log("mikrotik service is not well")
            assert worker.ask()[0] == "ok"


def test_a_slash_at_the_end_of_the_url_does_no_harm(service, tmp_path):
    with Toolworker(service.url + "/", log=tmp_path / "log") as worker:
        assert worker.ask()[0] == "ok"


def test_the_service_may_be_named(service, tmp_path):
    url = service.url.replace("127.0.0.1", "localhost")
    with Toolworker(url, log=tmp_path / "log") as worker:
        assert worker.ask()[0] == "ok"


def test_settings_come_from_the_file_too(service, tmp_path):
    settings = tmp_path / "telefonista.env"
    settings.write_text(f"MIKROTIK_API_URL={service.url}\n"
                        "OPENAI_API_KEY=sk-not-ours\n")
    with Toolworker(log=tmp_path / "log",
                    arguments=["--config", settings]) as worker:
        assert worker.ask()[0] == "ok"
        assert "sk-not-ours" not in worker.log()


def test_wrong_arguments_have_their_own_status():
    worker = Toolworker(arguments=["--unknown"])
    assert worker.exit_status() == 2
    worker.channel.close()


@pytest.mark.parametrize("text", [None, "MAX_CALLS=many\nhalf a li"])
def test_a_file_in_the_middle_of_being_edited_does_not_stop_it(
        service, tmp_path, text):
    """The supervisor refuses such a file; a worker does with what it has."""
    settings = tmp_path / "telefonista.env"
    if text:
        settings.write_text(f"MIKROTIK_API_URL={service.url}\n{text}")
    with Toolworker(log=tmp_path / "log",
                    arguments=["--config", settings]) as worker:
        assert worker.ask()[0] == ("ok" if text else "unreachable")
        assert "configuration: " in worker.log()


# Arguments

@pytest.mark.parametrize("question", ["abc", "ñ" * 500, "¿\"\\\n\t?"])
def test_questions_at_the_limits_are_asked(worker, service, question):
    assert worker.ask(question=question)[0] == "ok"
    assert service.questions == [question]


@pytest.mark.parametrize("arguments", [
    {"question": "ññ"}, {"question": "ñ" * 501}, {"question": None},
    {"timeout": 14}, {"timeout": 91}, {"timeout": 1e300}, {"timeout": -1}])
def test_arguments_that_the_service_would_refuse_are_not_sent(
        worker, service, arguments):
    status, output = worker.ask(**arguments)
    assert status == "invalid_arguments"
    assert "question" in output or "timeout" in output
    assert service.requests == []


@pytest.mark.parametrize("arguments, deadline_ms, seconds", [
    ({}, 65000, 60), ({"timeout": 15}, 20000, 15), ({"timeout": 90}, 95000, 90),
    ({"timeout": 60}, 30000, 28), ({}, 5000, 15)])
def test_the_service_is_told_how_long_it_has(
        worker, service, arguments, deadline_ms, seconds):
    assert worker.ask(deadline_ms=deadline_ms, **arguments)[0] == "ok"
    assert service.requests[0][1]["timeout"] == seconds


# What can go wrong with the service

@pytest.mark.parametrize("status, expected", [
    (400, "http_error"), (401, "http_error"), (404, "http_error"),
    (422, "http_error"), (500, "http_error"), (502, "http_error"),
    (429, "busy"), (503, "busy"), (408, "timeout"), (504, "timeout")])
def test_each_http_status_has_its_meaning(worker, service, status, expected):
    service.next("http", status=status)
    got, output = worker.ask()
    assert got == expected
    assert output.startswith(f"HTTP {status}")


@pytest.mark.parametrize("fault", [
    "garbage", "truncated", "wrong_type", "not_object", "missing_response",
    "wrong_fields", "invalid_utf8", "deep", "huge"])
def test_an_answer_without_sense_is_malformed(worker, service, fault):
    service.next(fault)
    assert worker.ask()[0] == "malformed"
    assert worker.ask("next")[0] == "ok"


@pytest.mark.parametrize("response", ["", " \n\t "])
def test_an_empty_answer_is_malformed(worker, service, response):
    service.answer("clientes", response)
    assert worker.ask()[0] == "malformed"


@pytest.mark.parametrize("fault", ["reset", "drop", "not_http"])
def test_a_lost_connection_is_unreachable(worker, service, fault):
    # Always: what dies on a kept-alive connection is tried on a new one.
    service.always(fault)
    status, output = worker.ask()
    assert status == "unreachable"
    assert output


def test_a_service_that_is_down_is_unreachable_and_comes_back(worker, service):
    service.call(service.refuse_tcp)
    service.always("drop")      # connections that are still open
    assert worker.ask("down")[0] == "unreachable"
    service.always(None)
    service.call(service.listen)
    assert worker.ask("up")[0] == "ok"


def test_the_service_s_own_no_is_passed_on(worker, service):
    service.next("failure", response="No existe el router «Lomas»")
    assert worker.ask() == ("refused", "No existe el router «Lomas»")


def test_a_redirect_is_not_followed(worker, service):
    service.next("redirect")
    assert worker.ask() == ("http_error", "HTTP 307")


def test_a_certificate_of_strangers_is_unreachable(tmp_path):
    with MikrotikSim(tls=True) as sim, \
            Toolworker(sim.url, log=tmp_path / "log") as worker:
        assert worker.ask()[0] == "unreachable"
        assert sim.requests == []


def test_a_name_that_nobody_knows_ends_within_the_deadline(tmp_path):
    with Toolworker("http://mikrotik.invalid:8000",
                    log=tmp_path / "log") as worker:
        assert worker.ask(deadline_ms=3000)[0] in ("unreachable", "timeout")


def test_without_a_url_every_question_is_unreachable(tmp_path):
    with Toolworker("", log=tmp_path / "log") as worker:
        assert worker.ask() == ("unreachable", "MIKROTIK_API_URL is not set")


def test_a_long_answer_is_cut_after_a_line(worker, service):
    line = "El cliente tiene buena señal. Otro dato.\n"
    service.answer("clientes", line * 500)
    status, output = worker.ask()
    assert status == "ok"
    kept, _, note = output.rpartition("\n")
    assert kept == (line * 500)[:len(kept)] and kept.endswith("Otro dato.")
    assert note.startswith("[… cut off here: ")
    assert len(output.encode()) <= ANSWER_MAX


def test_a_long_answer_is_cut_at_a_whole_letter(worker, service):
    service.answer("clientes", "ñ" * 30000)
    status, output = worker.ask()
    assert status == "ok"
    assert re.search(r"ñ\n\[… cut off here: \d+ more bytes\]$", output)
    assert ANSWER_MAX - 80 < len(output.encode()) <= ANSWER_MAX


def test_an_answer_full_of_quotes_still_fits_a_message(worker, service):
    service.answer("clientes", '"\\' * 20000)
    status, output = worker.ask()
    assert status == "ok"
    assert output.startswith('"\\"\\')


def test_control_characters_become_spaces(worker, service):
    service.answer("clientes", "  uno\x1b[2Jdos\r\ntres\x00cuatro ")
    status, output = worker.ask()
    assert status == "ok"
    # An escaped NUL ends the string, as in any C program.
    assert output == "uno [2Jdos \ntres"


# How it goes

def test_it_tells_how_many_routers_have_answered(worker, service):
    service.answer("clientes", "Hay 12.", delay=4, progress=4)
    worker.run("j")
    for done in range(1, 5):
        assert worker.expect("job.progress", id="j", done=done)["total"] == 4
    assert worker.result("j") == ("ok", "Hay 12.")


@pytest.mark.parametrize("fault, status", [
    ({"kind": "garbage_line"}, "malformed"),
    ({"kind": "only_progress"}, "malformed"),
    ({"kind": "flood", "lines": 5000}, "malformed"),    # over max_bytes
    ({"kind": "flood", "lines": 100}, "ok"),
    ({"kind": "hang"}, "timeout")])
def test_progress_that_leads_nowhere_is_one_failure(
        worker, service, fault, status):
    service.answer("clientes", "Hay 12.", progress=3)
    service.next(**fault)
    assert worker.ask(deadline_ms=2000 if status == "timeout" else 20000)[0] \
        == status
    assert worker.expect("job.progress", id="j")["done"] >= 1
    assert worker.ask("next")[0] == "ok"


def test_a_new_supervisor_hears_how_it_goes(worker, service):
    service.answer("clientes", "Hay 12.", progress=3)
    service.next("hang")
    worker.run("j")
    worker.expect("job.progress", id="j", done=1)
    heard = len(worker.messages)
    worker.send("sync")
    worker.wait_for(lambda: [m for m in worker.messages[heard:]
                             if m["type"] == "job.progress"])
    assert worker.messages[-1]["done"] == 1
    worker.send("job.cancel", id="j")
    assert worker.result("j")[0] == "cancelled"


# Deadlines, cancellation

@pytest.mark.parametrize("fault", [
    {"kind": "hang"}, {"kind": "slow_loris", "seconds": 0.2}])
def test_the_deadline_ends_a_job_and_its_connection(worker, service, fault):
    service.next(**fault)
    started = time.monotonic()
    assert worker.ask(deadline_ms=1000)[0] == "timeout"
    assert time.monotonic() - started > 0.9
    service.wait_for(lambda: service.aborted == 1)


def test_a_cancelled_job_is_answered_and_leaves_the_service(worker, service):
    service.next("hang")
    worker.run("j")
    service.wait_for(lambda: service.in_flight == 1)
    worker.send("job.cancel", id="unknown")
    worker.send("job.cancel", id="j")
    worker.send("job.cancel", id="j")
    assert worker.result("j")[0] == "cancelled"
    service.wait_for(lambda: service.aborted == 1)
    assert worker.ask("next")[0] == "ok"


# Many at once

def test_a_slow_question_holds_up_no_other(worker, service):
    service.next("hang")
    worker.run("slow")
    service.wait_for(lambda: service.in_flight == 1)
    assert worker.ask("quick")[0] == "ok"
    assert worker.results() == ["quick"]
    worker.send("job.cancel", id="slow")
    assert worker.result("slow")[0] == "cancelled"


def test_as_many_at_once_as_may_run_and_one_too_many(worker, service):
    service.always("hang")
    for number in range(JOBS_MAX):
        worker.run(f"job{number}")
    service.wait_for(lambda: service.in_flight == JOBS_MAX)
    worker.wait_heartbeats(worker.heartbeats + 1)
    assert worker.title() == f"telefonista: toolworker jobs={JOBS_MAX}"
    assert worker.ask("too many")[0] == "busy"
    service.always(None)
    worker.send("job.cancel", id="job0")
    assert worker.result("job0")[0] == "cancelled"
    assert worker.ask("again")[0] == "ok"
    for number in range(1, JOBS_MAX):
        worker.send("job.cancel", id=f"job{number}")
        assert worker.result(f"job{number}")[0] == "cancelled"


def test_answers_arrive_as_they_come(worker, service):
    for number in range(JOBS_MAX):
        service.answer(f"número {number:02}", f"Respuesta {number}", delay=0.3)
    for number in range(JOBS_MAX):
        worker.run(f"job{number}", question=f"pregunta número {number:02}")
    for number in range(JOBS_MAX):
        assert worker.result(f"job{number}") == ("ok", f"Respuesta {number}")
    assert service.most_in_flight > JOBS_MAX // 2


def test_hundreds_of_jobs_leave_no_descriptor_behind(worker, service):
    fds = Path(f"/proc/{worker.process.pid}/fd")
    worker.ask("first")
    before = len(list(fds.iterdir()))
    for number in range(100):
        service.next(("drop", "reset", "garbage", "failure")[number % 4])
        worker.ask(f"bad{number}")
        assert worker.ask(f"good{number}")[0] == "ok"
    assert len(list(fds.iterdir())) <= before + 2


# The supervisor

def test_sync_lists_what_runs_and_a_repeated_job_runs_once(worker, service):
    service.always("hang")
    worker.run("1732012345.17/call_a")
    worker.run("1732012345.17/call_b")
    service.wait_for(lambda: service.in_flight == 2)
    worker.run("1732012345.17/call_a")
    worker.send("sync")
    state = worker.expect("state")
    assert state["state"] == "busy"
    assert state["jobs"] == ["1732012345.17/call_a", "1732012345.17/call_b"]
    assert len(service.requests) == 2
    for job in state["jobs"]:
        worker.send("job.cancel", id=job)
        assert worker.result(job)[0] == "cancelled"


def test_sigterm_answers_every_job_and_ends_well(worker, service):
    service.always("hang")
    worker.run("a")
    worker.run("b")
    service.wait_for(lambda: service.in_flight == 2)
    worker.process.send_signal(signal.SIGTERM)
    worker.drain_channel()
    assert worker.result("a")[0] == "lost"
    assert worker.result("b")[0] == "lost"
    assert worker.exit_status() == 0
    service.wait_for(lambda: service.aborted == 2)


def test_sigterm_without_jobs_ends_at_once(worker):
    worker.process.send_signal(signal.SIGTERM)
    assert worker.exit_status() == 0


def test_draining_ends_after_the_last_job(worker, service):
    service.answer("lenta", "Listo.", delay=0.5)
    worker.run("j", question="una pregunta lenta")
    service.wait_for(lambda: service.in_flight == 1)
    worker.send("drain")
    assert worker.result("j") == ("ok", "Listo.")
    assert worker.exit_status() == 0


def test_sigusr1_logs_what_runs(worker, service):
    service.next("hang")
    worker.run("1732012345.17/call_a")
    service.wait_for(lambda: service.in_flight == 1)
    worker.process.send_signal(signal.SIGUSR1)
    worker.wait_for_log("running job=1732012345.17/call_a")
    assert "state=busy jobs=1" in worker.log()
    worker.send("job.cancel", id="1732012345.17/call_a")
    worker.result("1732012345.17/call_a")


@pytest.mark.parametrize("message", [
    {"tool": "consultar_mikrotik", "settings": {"executor": "shell"},
     "arguments": {}, "deadline_ms": 1000},
    {"tool": "consultar_mikrotik", "settings": MIKROTIK,
     "arguments": "[]", "deadline_ms": 1000},
    {"tool": "consultar_mikrotik", "settings": MIKROTIK,
     "arguments": {"question": "abc"}, "deadline_ms": 0},
    {"tool": "consultar_mikrotik", "settings": {"executor": "http"},
     "arguments": {"question": "abc"}, "deadline_ms": 1000},
    {"tool": 7}])
def test_a_job_that_makes_no_sense_is_answered(worker, service, message):
    worker.send("job.run", id="j", **message)
    assert worker.result("j")[0] == "internal"
    assert service.requests == []


@pytest.mark.parametrize("datagram", [
    b"{", b"[]", b'{"type": "call.assign"}', b'{"type": "job.run"}',
    b'{"type": "job.run", "id": "' + b"x" * 97 + b'"}',
    b'{"type": "job.cancel", "id": ""}', b'{"type": "job.result"}'])
def test_a_broken_channel_ends_it_with_its_own_status(worker, datagram):
    worker.channel.send(datagram)
    assert worker.exit_status() == 3


def test_a_message_of_another_build_is_passed_over(worker):
    worker.channel.send(b'{"type": "' + b"x" * 65000 + b'"}')
    assert worker.ask()[0] == "ok"
    assert "unknown message ignored" in worker.log()


def test_the_end_of_the_channel_is_its_end(worker, service):
    service.next("hang")
    worker.run("j")
    service.wait_for(lambda: service.in_flight == 1)
    worker.channel.close()
    assert worker.exit_status() == 3
    service.wait_for(lambda: service.aborted == 1)


# Secrets

def test_neither_questions_nor_answers_are_logged(worker, service):
    service.answer("Pérez", "El cliente Juan Pérez debe tres meses.")
    service.next("failure", response="No existe Juan Pérez")
    assert worker.ask("a", question="¿Qué señal tiene Juan Pérez?")[0] == \
        "refused"
    assert worker.ask("b", question="¿Qué señal tiene Juan Pérez?")[0] == "ok"
    worker.wait_for_log("job ended job=b")
    assert "Pérez" not in worker.log()
