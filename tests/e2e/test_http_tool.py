# SPDX-License-Identifier: MIT
"""Tools of type "http" against services that break every rule: each job ends
once, with the right status, and nothing leaves that was not declared."""

import base64
import json
import re
import socket
import ssl
import subprocess
import threading
import time
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest

from tests.e2e.test_toolworker import BUILD, PATIENCE, Toolworker, settings_of
from tests.sim.tls import Authority

TOKEN = "t0k3n-0123456789-abcdef"
STRING = {"type": "string"}
FAILURES = {status: f"Falló: {status}. {{detail}}" for status in (
    "timeout", "unreachable", "http_error", "busy", "malformed", "refused",
    "lost")}


class Request:
    """What a service was sent."""

    def __init__(self, head, body):
        line, *headers = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = line.split(" ")
        self.headers = [tuple(h.split(": ", 1)) for h in headers]
        self.body = body

    def header(self, name):
        values = [v for n, v in self.headers if n.lower() == name.lower()]
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else None


def answer(value, status="200 OK", kind="application/json", headers=()):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}",
             *([f"Content-Type: {kind}"] if kind else []), *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Service:
    """One thread per connection; behave(request, connection) returns the
    bytes of the answer, or None after it has dealt with the connection."""

    def __init__(self, context=None):
        self.requests = []
        self.connections = 0
        self.closed = threading.Semaphore(0)    # one for each that ended
        self.behave = lambda request, connection: answer("bien")
        self.context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://localhost:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection):
        try:
            connection.settimeout(PATIENCE)
            if self.context:
                connection = self.context.wrap_socket(
                    connection, server_side=True)
            with connection, connection.makefile("rb") as stream:
                while self._one(stream, connection):
                    pass
        except (OSError, ssl.SSLError):
            pass
        finally:
            self.closed.release()

    def _one(self, stream, connection):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return False
            head += line
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        body = stream.read(int(length[1])) if length else b""
        request = Request(head[:-4], body)
        self.requests.append(request)
        reply = self.behave(request, connection)
        if reply is not None:
            connection.sendall(reply)
        return reply is not None


def tool(url, properties=(), required=None, **executor):
    """A definition; every property is required unless said."""
    properties = {name: STRING for name in properties} \
        if not isinstance(properties, dict) else properties
    read_only = executor.pop("read_only", True)
    return {
        "name": "probe", "description": "d", "read_only": read_only,
        "parameters": {"type": "object", "properties": properties,
                       "required": list(properties) if required is None
                       else required, "additionalProperties": False},
        "failures": FAILURES,
        "executor": {"type": "http", "url": url, **executor}}


@pytest.fixture
def service():
    with Service() as made:
        yield made


@pytest.fixture
def worker(tmp_path):
    with Toolworker(log=tmp_path / "log",
                    environment={"TOOL_TOKEN": TOKEN}) as made:
        yield made
        assert TOKEN not in made.log()
        ids = made.results()
        assert len(ids) == len(set(ids)), "a job was answered twice"


def ask(worker, definition, job="j", deadline_ms=20000, **arguments):
    worker.run(job, question=None, settings=settings_of(definition),
               tool="probe", deadline_ms=deadline_ms, **arguments)
    return worker.result(job)


# What is sent

EVIL = ["a/b?c=d&e#f", "x\r\nX-Evil: 1", "\r\n\r\nGET /evil HTTP/1.1\r\n\r\n",
        '","admin":true,"z":"', "%2e%2e%2f%0d%0a", "${secret:TOOL_TOKEN}",
        "@evil.test:1", "'; DROP TABLE x;--", "ñandú 😀 \u202e\x7f", "\\\"\\",
        "<script>&amp;", "a=1&b=2; c, d", "\t \n"]


@pytest.mark.parametrize("evil", EVIL)
def test_no_argument_leaves_its_place(worker, service, evil):
    common = dict(headers={"X-Who": "id ${argument:c}"})
    first = tool(service.url + "/c/${argument:a}/end?q=${argument:b}&z=1",
                 "abcd", body={"d": "${argument:d}", "in": ["<${argument:d}>"]},
                 **common)
    second = tool(service.url + "/f", "cd", method="POST",
                  form={"d": "${argument:d}", "z": "1"}, **common)
    evils = dict.fromkeys("abcd", evil)
    assert ask(worker, first, "1", **evils) == ("ok", "bien")
    assert ask(worker, second, "2", c=evil, d=evil) == ("ok", "bien")
    json_request, form_request = service.requests
    url = urlsplit(json_request.target)
    path = url.path.split("/")
    assert [unquote(part) for part in path] == ["", "c", evil, "end"]
    assert parse_qsl(url.query, keep_blank_values=True) == [
        ("q", evil), ("z", "1")]
    assert json.loads(json_request.body) == {"d": evil, "in": [f"<{evil}>"]}
    assert parse_qsl(form_request.body.decode(), keep_blank_values=True) == [
        ("d", evil), ("z", "1")]
    for request in service.requests:
        assert unquote(request.header("X-Who")) == f"id {evil}"
        assert {name for name, _ in request.headers} == {
            "Host", "User-Agent", "X-Who", "Accept", "Content-Type",
            "Content-Length"}
        assert request.header("Host") == f"localhost:{service.port}"


@pytest.mark.parametrize("climber", ["", ".", "..", "../../admin", "x/..",
                                     "..\\admin"])
def test_no_argument_climbs_out_of_the_path(worker, service, climber):
    definition = tool(service.url + "/clients/${argument:a}/data", "a")
    status, output = ask(worker, definition, a=climber)
    assert status == "invalid_arguments" and '"a"' in output
    assert service.requests == []


@pytest.mark.parametrize("arguments", [
    {}, {"a": 7}, {"a": None}, {"a": ["x"]}, {"a": {"x": 1}}, {"a": "x", "b": 1},
    {"a": "x" * 11}, {"a": "x", "n": 1.5}, {"a": "x", "n": "1"},
    {"a": "x", "n": 1e300}])
def test_arguments_that_break_the_schema_are_not_sent(
        worker, service, arguments):
    definition = tool(service.url + "/${argument:a}", {
        "a": {"type": "string", "maxLength": 10},
        "n": {"type": "integer", "maximum": 5}}, required=["a"])
    status, output = ask(worker, definition, **arguments)
    assert status == "invalid_arguments" and output
    assert service.requests == []


def test_types_defaults_and_absent_arguments(worker, service):
    definition = tool(service.url + "/", {
        "n": {"type": "integer"}, "flag": {"type": "boolean"},
        "list": {"type": "array", "items": STRING}, "gone": STRING,
        "usual": {"type": "string", "default": "sí"}}, required=[],
        body={k: f"${{argument:{k}}}" for k in
              ("n", "flag", "list", "gone", "usual")})
    assert ask(worker, definition, n=7, flag=False, list=["a", '"'])[0] == "ok"
    assert json.loads(service.requests[0].body) == {
        "n": 7, "flag": False, "list": ["a", '"'], "usual": "sí"}


def test_the_longest_argument_is_refused_or_sent_whole(worker, service):
    definition = tool(service.url + "/?q=${argument:a}", "a")
    assert ask(worker, definition, "1", a="x" * 12000)[0] == "ok"
    assert len(service.requests[0].target) > 12000
    assert ask(worker, definition, "2", a=" " * 12000)[0] == \
        "invalid_arguments"


# What comes back

@pytest.mark.parametrize("kind, body, expected", [
    ("application/json", {"a": {"b~/c": ["x", "sí"]}}, ("ok", "sí")),
    ("application/problem+json; charset=utf-8", {"a": {"b~/c": [0, 7]}},
     ("ok", "7")),
    (None, {"a": {"b~/c": [0, {"k": [1, None]}]}}, ("ok", '{"k":[1,null]}')),
    ("text/html", {"a": {"b~/c": [0, 1]}},
     ("malformed", "the answer's type is not JSON")),
    ("application/octet-stream", {"a": 1},
     ("malformed", "the answer's type is not JSON")),
    ("application/json", {"a": {"b~/c": [0]}},
     ("malformed", "the answer has nothing where it should be")),
    ("application/json", {"a": {"b~/c": [0, None]}},
     ("malformed", "the answer has nothing where it should be")),
    ("application/json", b"", ("malformed", "the answer is not JSON")),
    ("application/json", b"{\"a\": NaN}",
     ("malformed", "the answer is not JSON")),
    ("application/json", bytes(range(256)),
     ("malformed", "the answer is not JSON")),
    ("application/json", b"[" * 50000, ("malformed", "the answer is not JSON"))])
def test_the_answer_is_picked_out(worker, service, kind, body, expected):
    service.behave = lambda *_: answer(body, kind=kind)
    definition = tool(service.url, response={"answer": "/a/b~0~1c/1"})
    assert ask(worker, definition) == expected


@pytest.mark.parametrize("kind, body, status", [
    ("text/plain", "Sí, hay señal.\n".encode(), "ok"),
    ("text/html", b"<html>", "malformed"),
    ("application/json", b"{}", "malformed"),
    ("text/plain", b"\xff\xfe", "malformed"),
    ("text/plain", b"a\0b", "malformed"), ("text/plain", b" \n", "malformed")])
def test_a_text_is_taken_as_it_is(worker, service, kind, body, status):
    service.behave = lambda *_: answer(body, kind=kind)
    got, output = ask(
        worker, tool(service.url, response={"type": "text"}))
    assert got == status
    assert status != "ok" or output == "Sí, hay señal."


@pytest.mark.parametrize("status, body, expected", [
    ("404 Not Found", {"message": "No existe."}, ("refused", "No existe.")),
    ("404 Not Found", b"<html>", ("refused", "HTTP 404")),
    ("409 Conflict", {"d": "Listo."}, ("ok", "Listo.")),
    ("200 OK", {"ok": "no", "message": "No hay."}, ("refused", "No hay.")),
    ("200 OK", {"ok": "no"},
     ("refused", "the service refused without a reason")),
    ("200 OK", {"ok": True, "d": 1},
     ("malformed", "the answer does not say whether it is one")),
    ("500 Oops", {"message": "secreto"}, ("http_error", "HTTP 500")),
    ("503 Busy", {}, ("busy", "HTTP 503"))])
def test_statuses_mean_what_the_tool_says(
        worker, service, status, body, expected):
    body = {"ok": "yes", **body} if isinstance(body, dict) else body
    service.behave = lambda *_: answer(body, status)
    assert ask(worker, tool(service.url, response={
        "answer": "/d", "reason": ["/nothing", "/message"],
        "success": {"pointer": "/ok", "equals": "yes"},
        "status": {"404": "refused", "409": "ok"}})) == expected


# How it goes

COUNTS = {"answer": "/r", "progress": {"done": "/p/done", "total": "/p/all"}}


def in_lines(service, *parts, kind="application/x-ndjson", status="200 OK"):
    """Answers so, each part once the one before has been looked at."""
    gate = threading.Semaphore(0)

    def behave(request, connection):
        connection.sendall(
            f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n"
            "Connection: close\r\n\r\n".encode())
        for part in parts:
            connection.sendall(part)
            gate.acquire(timeout=PATIENCE)
    service.behave = behave
    return gate


def line(done=None, total=None, **more):
    counts = {k: v for k, v in (("done", done), ("all", total))
              if v is not None}
    return json.dumps({**({"p": counts} if counts else {}), **more}
                      ).encode() + b"\n"


def progress(worker, **members):
    return worker.expect("job.progress", **members)


def test_lines_before_the_answer_are_progress_as_they_come(worker, service):
    gate = in_lines(service, line(1, 5), line(3, 5)[:7], line(3, 5)[7:],
                    line(4), line(r="Todos bien."))
    definition = tool(service.url, response=COUNTS)
    worker.run("j", None, settings=settings_of(definition), tool="probe")
    assert progress(worker, done=1)["total"] == 5
    gate.release()
    gate.release()
    assert progress(worker, done=3)["total"] == 5
    assert worker.results() == []
    gate.release()
    assert "total" not in progress(worker, done=4)
    gate.release()
    gate.release()
    assert worker.result("j") == ("ok", "Todos bien.")
    assert "application/x-ndjson" in service.requests[0].header("Accept")


def test_a_service_need_not_know_of_lines(worker, service):
    service.behave = lambda *_: answer({"p": {"done": 1}, "r": "bien"})
    assert ask(worker, tool(service.url, response=COUNTS)) == ("ok", "bien")
    assert [m for m in worker.messages if m["type"] == "job.progress"] == []


@pytest.mark.parametrize("body, expected", [
    (line(1, 2) + b"\r\n \n" + line(r="ya"), ("ok", "ya")),
    (line(1, 2) + line(2, 2, r="ya")[:-1], ("ok", "ya")),
    (line(note="ping") + b"7\n" + line(r="ya"), ("ok", "ya")),
    (line(1, 2) + b"{{{\n" + line(r="ya"),
     ("malformed", "a line of the answer is not JSON")),
    (line(1, 2) + b"\x00\n" + line(r="ya"),
     ("malformed", "a line of the answer is not JSON")),
    (line(1, 2) + b"\"\xff\"\n" + line(r="ya"),
     ("malformed", "the answer is not JSON")),
    (line(1, 2) + b"[" * 50000 + b"\n" + line(r="ya"),
     ("malformed", "a line of the answer is not JSON")),
    (line(1, 2) + line(r="ya")[:-5],
     ("malformed", "a line of the answer is not JSON")),
    (line(1, 2), ("malformed", "the answer has nothing where it should be")),
    (b"\n\n", ("malformed", "the answer has no lines")),
    (b"", ("malformed", "the answer has no lines")),
    (line(1, 2) * 20000 + line(r="ya"), ("malformed", None))])
def test_of_lines_the_last_one_is_the_answer(worker, service, body, expected):
    service.behave = lambda *_: answer(body, kind="application/x-ndjson")
    status, output = ask(worker, tool(service.url, response=COUNTS))
    assert (status, output if expected[1] else None) == expected


def test_progress_is_not_taken_for_an_answer(worker, service):
    service.behave = lambda *_: answer(
        line(1, 2), kind="application/x-ndjson")
    whole = tool(service.url, response={"progress": COUNTS["progress"]})
    assert ask(worker, whole) == (
        "malformed", "the answer broke off after its progress")


def test_lines_are_for_tools_that_declare_them(worker, service):
    service.behave = lambda *_: answer(
        line(1, 2) + line(r="ya"), kind="application/x-ndjson")
    assert ask(worker, tool(service.url, response={"answer": "/r"})) == (
        "malformed", "the answer's type is not JSON")


@pytest.mark.parametrize("counts", [
    {"done": -1}, {"done": 1.5}, {"done": "1"}, {"done": 1e300}, {"all": 5}, [1]])
def test_counts_without_sense_are_no_progress(worker, service, counts):
    service.behave = lambda *_: answer(
        json.dumps({"p": counts}).encode() + b"\n" + line(r="ya"),
        kind="application/x-ndjson")
    assert ask(worker, tool(service.url, response=COUNTS)) == ("ok", "ya")
    told = [m for m in worker.messages if m["type"] == "job.progress"]
    assert [m for m in told if "done" in m or "total" in m] == []


def test_progress_for_ever_ends_at_the_deadline(worker, service):
    def behave(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/"
                           b"x-ndjson\r\nConnection: close\r\n\r\n")
        for n in range(10000):
            connection.sendall(line(n, 10000))
            time.sleep(.01)
    service.behave = behave
    assert ask(worker, tool(service.url, response=COUNTS),
               deadline_ms=1500)[0] == "timeout"
    told = [m for m in worker.messages if m["type"] == "job.progress"]
    assert 1 <= len(told) <= 4      # two a second
    assert service.closed.acquire(timeout=PATIENCE)


def test_a_flood_of_progress_does_not_flood_the_supervisor(worker, service):
    service.behave = lambda *_: answer(
        b"".join(line(n, 5000) for n in range(5001)) + line(r="ya"),
        kind="application/x-ndjson")
    assert ask(worker, tool(service.url, response=COUNTS)) == ("ok", "ya")
    told = [m for m in worker.messages if m["type"] == "job.progress"]
    assert len(told) <= 4 and told[-1]["done"] == 5000


def test_ten_megabytes_are_not_read(worker, service):
    sent = []

    def behave(request, connection):
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/"
                               b"json\r\nConnection: close\r\n\r\n\"")
            for _ in range(160):
                connection.sendall(b"a" * 65536)
                sent.append(65536)
        except OSError:
            pass
    service.behave = behave
    assert ask(worker, tool(service.url))[0] == "malformed"
    assert service.closed.acquire(timeout=PATIENCE)
    assert sum(sent) < 10 << 20
    service.behave = lambda *_: answer(b'"' + b"a" * 2000 + b'"')
    small = tool(service.url, response={"max_bytes": 1000})
    assert ask(worker, small, "2")[0] == "malformed"


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_slow_loris_ends_at_the_deadline(worker, service, part):
    def behave(request, connection):
        data = answer("x" * 1000)
        cut = data.index(b"\r\n\r\n") + 4
        if part == "body":
            connection.sendall(data[:cut])
            data = data[cut:]
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(.05)
    service.behave = behave
    started = time.monotonic()
    assert ask(worker, tool(service.url), deadline_ms=1000)[0] == "timeout"
    assert time.monotonic() - started > .9
    assert service.closed.acquire(timeout=PATIENCE)


@pytest.mark.parametrize("noise", [
    b"", b"\0" * 100, b"HTTP/1.1 200 OK\r\n\x00\xff: \r\n", b"SSH-2.0-x\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n\"half",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n\"x\"",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"HTTP/9.9 999 ?\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50000])
def test_garbage_is_no_answer(worker, service, noise):
    def behave(request, connection):
        connection.sendall(noise)
    service.behave = behave
    assert ask(worker, tool(service.url))[0] in (
        "malformed", "unreachable", "http_error", "internal")
    service.behave = lambda *_: answer("bien")
    assert ask(worker, tool(service.url), "2") == ("ok", "bien")


def test_an_answer_cannot_order_terminals_or_models_about(worker, service):
    service.behave = lambda *_: answer(
        "a\x1b]0;x\x07\u202eb\u0085d" + "e" * 9000)
    status, output = ask(worker, tool(service.url))
    assert status == "ok"
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", output)
    assert len(output.encode()) <= 4096 and "cut off here" in output


# Redirects

def redirect(where, status=302):
    return answer({"trap": 1}, f"{status} Elsewhere",
                  headers=[f"Location: {where}"])


@pytest.mark.parametrize("where", [
    "{other}/x", "//localhost:{port}/x", "ftp://localhost/x", "file:///etc/hosts",
    "http://u:p@127.0.0.1:1/x", "http://localhost.evil.test/", "\x01", ""])
@pytest.mark.parametrize("allowed", [0, 3])
def test_redirects_to_other_hosts_are_not_followed(
        worker, service, where, allowed):
    with Service() as other:
        url = where.format(other=other.url, port=other.port)
        service.behave = lambda *_: redirect(url)
        definition = tool(service.url, redirects=allowed, headers={
            "Authorization": "Bearer ${secret:TOOL_TOKEN}"})
        assert ask(worker, definition) == ("http_error", "HTTP 302")
        assert other.connections == 0
    assert len(service.requests) == 1


def test_redirects_within_the_host_are_followed_as_often_as_allowed(
        worker, service):
    def behave(request, connection):
        step = int(request.target[1:] or 0)
        return redirect(f"/{step + 1}") if step < 2 else answer("llegó")
    service.behave = behave
    definition = tool(service.url + "/", redirects=2,
                      headers={"X-Key": "${secret:TOOL_TOKEN}"})
    assert ask(worker, definition, "1") == ("ok", "llegó")
    assert [r.header("X-Key") for r in service.requests] == [TOKEN] * 3
    assert ask(worker, {**definition, "executor": {
        **definition["executor"], "redirects": 1}}, "2") == \
        ("http_error", "HTTP 302")
    service.behave = lambda *_: redirect("/")       # for ever
    assert ask(worker, definition, "3") == ("http_error", "HTTP 302")
    assert len(service.requests) == 3 + 2 + 3


@pytest.mark.parametrize("status, read_only, methods", [
    (301, True, ["POST"]), (302, True, ["POST"]), (303, True, ["POST", "GET"]),
    (307, True, ["POST", "POST"]), (308, True, ["POST", "POST"]),
    (307, False, ["POST"]), (308, False, ["POST"]),
    (303, False, ["POST", "GET"])])
def test_a_redirected_post_is_repeated_only_where_it_may(
        worker, service, status, read_only, methods):
    service.behave = lambda request, _: answer("llegó") \
        if request.target == "/there" else redirect("/there", status)
    definition = tool(service.url + "/here", redirects=3, body={"x": 1},
                      read_only=read_only)
    got = ask(worker, definition)
    assert got == (("ok", "llegó") if len(methods) == 2
                   else ("http_error", f"HTTP {status}"))
    assert [r.method for r in service.requests] == methods
    if methods == ["POST", "GET"]:
        assert service.requests[1].body == b""


# Connections

@pytest.mark.parametrize("read_only", [True, False])
def test_what_is_not_read_only_is_never_sent_twice(
        worker, service, read_only):
    definition = tool(service.url, body={"pay": 1}, read_only=read_only)
    assert ask(worker, tool(service.url), "0")[0] == "ok"   # kept alive now

    def behave(request, connection):
        """Closes without a word, as a server does that restarts."""
        service.behave = lambda *_: answer("bien")
    service.behave = behave
    status, _ = ask(worker, definition, "1")
    posts = [r for r in service.requests if r.method == "POST"]
    if read_only:   # repeated on a new connection
        assert status == "ok" and len(posts) == 2
    else:
        assert status == "unreachable" and len(posts) == 1


@pytest.mark.parametrize("kind", ["untrusted", "expired", "wrong_host"])
def test_a_wrong_certificate_gets_no_request(worker, tmp_path, kind):
    authority = Authority(tmp_path)
    with Service(authority.context(kind)) as service:
        status, output = ask(worker, tool(
            service.url, ca_file=authority.ca_file,
            headers={"X-Key": "${secret:TOOL_TOKEN}"}))
        assert status == "unreachable" and TOKEN not in output
        assert service.connections == 1 and service.requests == []


def test_a_ca_of_its_own_is_trusted_by_that_tool_only(worker, tmp_path):
    authority = Authority(tmp_path)
    with Service(authority.context()) as service:
        definition = tool(service.url, ca_file=authority.ca_file)
        assert ask(worker, definition, "1") == ("ok", "bien")
        assert ask(worker, tool(service.url), "2")[0] == "unreachable"
        assert ask(worker, tool(
            service.url, ca_file="/nonexistent/ca.pem"), "3")[0] == \
            "unreachable"
        assert len(service.requests) == 1


# Secrets

def test_a_secret_reaches_its_service_and_nothing_else(worker, service):
    service.behave = lambda request, _: answer({
        "echo": [request.header("Authorization"), request.body.decode()]})
    definition = tool(
        service.url, headers={"X-Key": "k ${secret:TOOL_TOKEN}"},
        user="ana", password="${secret:TOOL_TOKEN}",
        body={"key": "${secret:TOOL_TOKEN}"})
    status, output = ask(worker, definition)
    assert status == "ok"
    [request] = service.requests
    assert request.header("X-Key") == f"k {TOKEN}"
    assert request.header("Authorization").startswith("Basic ")
    assert json.loads(request.body) == {"key": TOKEN}
    assert TOKEN not in output and "*****" in output
    for place in ("cmdline", "environ"):
        with open(f"/proc/{worker.process.pid}/{place}", "rb") as shown:
            assert TOKEN.encode() not in shown.read()


@pytest.mark.parametrize("spell", [
    lambda s: quote(s, safe=""), lambda s: quote(quote(s, safe=""), safe=""),
    lambda s: json.dumps(s).replace("0", "\\u0030"),
    lambda s: "".join(f"&#{ord(c)};" for c in s),
    lambda s: base64.b64encode(f"ana:{s}".encode()).decode(),
    lambda s: base64.urlsafe_b64encode(f"x{s}y".encode()).decode(),
    lambda s: "a" * 4020 + s])
@pytest.mark.parametrize("kind", ["json", "text"])
def test_a_secret_is_masked_however_it_comes_back(worker, service, spell, kind):
    shown = spell(TOKEN)
    service.behave = lambda *_: answer(
        shown if kind == "json" else shown.encode(),
        kind="application/json" if kind == "json" else "text/plain")
    status, output = ask(worker, tool(
        service.url, response={"type": kind},
        headers={"X-Key": "${secret:TOOL_TOKEN}"}))
    assert status == "ok"
    assert "t0k3n" not in output and shown[2:-4][:24] not in \
        output.replace("a" * 24, "")


def test_a_secret_may_be_in_the_configuration_or_in_files(service, tmp_path):
    (tmp_path / "token").write_text("of-a-file\n")
    (tmp_path / "TOOL_SYSTEMD").write_text("of-systemd")
    config = tmp_path / "telefonista.env"
    config.write_text(f"TOOL_LINE='of a line'\nTOOL_PATH_FILE={tmp_path}/token\n")
    config.chmod(0o600)
    with Toolworker(log=tmp_path / "log", arguments=["--config", config],
                    environment={"CREDENTIALS_DIRECTORY": str(tmp_path)}
                    ) as worker:
        ask(worker, tool(service.url, headers={
            "X-A": "${secret:TOOL_LINE}", "X-B": "${secret:TOOL_PATH}",
            "X-C": "${secret:TOOL_SYSTEMD}"}))
        [request] = service.requests
        assert [request.header(f"X-{x}") for x in "ABC"] == [
            "of a line", "of-a-file", "of-systemd"]
        assert not re.search("of-a-file|of-systemd|of a line|not a setting",
                             worker.log())


def in_memory(worker, *texts):
    """How often each text is in what the process may write to, when it has
    nothing to do."""
    worker.send("sync")
    heard = len(worker.messages)
    worker.wait_for(lambda: "state" in [
        m["type"] for m in worker.messages[heard:]])
    process = worker.process
    found = [0] * len(texts)
    try:
        maps = open(f"/proc/{process.pid}/maps")
        memory = open(f"/proc/{process.pid}/mem", "rb", buffering=0)
    except PermissionError:
        pytest.skip("another process' memory cannot be read here")
    with maps, memory:
        for entry in maps:
            span, rights, *_ = entry.split()
            if not rights.startswith("rw") or "[v" in entry:
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except OSError:
                continue
            for i, text in enumerate(texts):
                found[i] += data.count(text)
    return found


@pytest.mark.parametrize("source", ["environment", "configuration", "file"])
def test_only_the_secrets_that_jobs_need_are_in_memory(
        service, tmp_path, source):
    """Two tools, two secrets, and what other roles have in the same file."""
    secrets = {"TOOL_FIRST": "first-0123456789", "TOOL_SECOND":
               "second-0123456789", "OPENAI_API_KEY": "sk-0123456789-voice",
               "ASTERISK_PASSWORD": "ari-0123456789-password"}
    config = tmp_path / "telefonista.env"
    lines, environment = [], {}
    for name, value in secrets.items():
        if source == "file":
            (tmp_path / name).write_text(value)
            lines.append(f"{name}_FILE={tmp_path / name}")
        elif source == "configuration":
            lines.append(f"{name}={value}")
        else:
            environment[name] = value
    config.write_text("\n".join(lines) + "\n")
    config.chmod(0o600)
    values = [value.encode() for value in secrets.values()]
    with Toolworker(log=tmp_path / "log", arguments=["--config", config],
                    environment=environment) as worker:
        assert in_memory(worker, *values) == [0, 0, 0, 0]
        for job in ("1", "2"):
            assert ask(worker, tool(
                service.url, headers={"X-Key": "${secret:TOOL_FIRST}"}),
                job)[0] == "ok"
        assert in_memory(worker, *values) == [1, 0, 0, 0]
        assert ask(worker, tool(
            service.url, headers={"X-Key": "${secret:TOOL_SECOND}"}),
            "3")[0] == "ok"
        assert in_memory(worker, *values) == [1, 1, 0, 0]


@pytest.mark.parametrize("executor", [
    {"headers": {"X-Key": "k ${secret:TOOL_TOKEN}"}},
    {"body": {"a": ["${secret:TOOL_TOKEN}", "Bearer ${secret:TOOL_TOKEN}"]}},
    {"body": {"a": "${secret:TOOL_TOKEN}", "b": "${argument:a}"}},
    {"form": {"a": "${secret:TOOL_TOKEN}"}},
    {"user": "ana", "password": "${secret:TOOL_TOKEN}"}])
@pytest.mark.parametrize("how", ["ok", "timeout", "unreachable"])
def test_no_copy_of_a_secret_outlives_its_request(
        worker, service, executor, how):
    """The one that is left is the table's; in a Basic header none is."""
    basic = base64.b64encode(f"ana:{TOKEN}".encode())
    bodies = []

    def behave(request, connection):
        bodies.append(request.body)
        if how == "ok":
            return answer("bien")
        if how == "timeout":
            time.sleep(2)
        return None
    service.behave = behave
    definition = tool(service.url, ["a"], **executor)
    for job in ("1", "2"):
        assert ask(worker, definition, job, deadline_ms=1000 if how ==
                   "timeout" else 20000, a="x" * 9000)[0] == how
    assert in_memory(worker, TOKEN.encode(), basic) == [1, 0]


def test_a_secret_that_is_missing_is_named_and_nothing_is_sent(
        worker, service):
    assert ask(worker, tool(service.url, headers={
        "X-Key": "${secret:TOOL_NOBODY}"})) == \
        ("unreachable", "TOOL_NOBODY is not set")
    assert service.connections == 0


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "ASTERISK_PASSWORD",
                                  "PATH", "TOOL_TOKEN_FILE"])
def test_no_other_secret_can_be_named(worker, service, name):
    assert ask(worker, tool(service.url, headers={
        "X-Key": f"${{secret:{name}}}"}))[0] == "internal"
    assert service.connections == 0


# --run

def run(folder, name, arguments, **environment):
    return subprocess.run(
        [BUILD / "telefonista-toolworker", "--run", name, arguments],
        env={"PATH": "/usr/bin", "TOOLS_DIR": str(folder), **environment},
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=PATIENCE)


@pytest.fixture
def folder(tmp_path, service):
    made = tmp_path / "tools.d"
    made.mkdir()
    (made / "probe.json").write_text(json.dumps(tool(
        service.url + "/${argument:a}", "a",
        headers={"X-Key": "${secret:TOOL_TOKEN}"})))
    return made


def test_an_operator_runs_a_tool_without_a_phone(folder, service):
    done = run(folder, "probe", '{"arguments": {"a": "x"}}', TOOL_TOKEN=TOKEN)
    assert done.returncode == 0, done
    assert re.search(r"^status: ok\ntime: \d+ ms\noutput:\nbien$", done.stdout,
                     re.M)
    assert service.requests[0].header("X-Key") == TOKEN
    assert TOKEN not in done.stdout + done.stderr


def test_an_operator_sees_how_it_failed(folder, service):
    service.behave = lambda *_: answer("x", "500 Oops")
    done = run(folder, "probe", '{"arguments": {"a": "x"}}', TOOL_TOKEN=TOKEN)
    assert done.returncode == 1
    assert "status: http_error" in done.stdout and "HTTP 500" in done.stdout
    assert FAILURES["http_error"] in done.stdout
    done = run(folder, "probe", '{"arguments": {"b": "x"}}', TOOL_TOKEN=TOKEN)
    assert done.returncode == 1 and "invalid_arguments" in done.stdout


def test_an_operator_is_told_which_secret_is_missing(folder, service):
    done = run(folder, "probe", '{"arguments": {"a": "x"}}')
    assert done.returncode == 2 and done.stdout == ""
    assert "TOOL_TOKEN is not there" in done.stderr
    assert "TOOL_TOKEN_FILE" in done.stderr
    assert service.connections == 0


def test_an_operator_sees_how_it_goes(folder, service):
    service.behave = lambda *_: answer(line(2, 5) + line(r="ya"),
                                       kind="application/x-ndjson")
    (folder / "probe.json").write_text(json.dumps(
        tool(service.url, response=COUNTS)))
    done = run(folder, "probe", '{"arguments": {}}')
    assert done.returncode == 0
    assert re.search(r"^progress: \d+ ms, 2 of 5$", done.stderr, re.M)
    assert "progress" not in done.stdout and "ya" in done.stdout


@pytest.mark.parametrize("name, arguments", [
    ("other", '{"arguments": {}}'), ("../probe", '{"arguments": {"a": "x"}}'),
    ("probe", "{"), ("probe", '{"a": "x"}'), ("probe", '{"arguments": []}'),
    ("broken", '{"arguments": {}}'), ("alias", '{"arguments": {}}')])
def test_what_cannot_be_run_is_told(folder, service, name, arguments):
    (folder / "broken.json").write_text('{"name": "broken",\n oops}')
    (folder / "alias.json").write_text((folder / "probe.json").read_text())
    done = run(folder, name, arguments, TOOL_TOKEN=TOKEN)
    assert done.returncode == 2
    assert done.stderr and done.stdout == ""
    assert name != "broken" or "broken.json: line 2" in done.stderr
    assert service.connections == 0
