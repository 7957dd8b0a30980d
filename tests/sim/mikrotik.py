# SPDX-License-Identifier: MIT
"""The MikroTik query service on loopback: POST /query and GET /health.

Answers {"success", "response", "metadata"} after a delay, before which it may
tell in lines of their own how many routers have answered; refuses with 422
what the real service refuses (question 3-500 characters, timeout 15-90), and
misbehaves on command.

    with MikrotikSim({"answers": [{"contains": "clientes",
                                   "response": "Hay 12.", "delay": 8}]}) as sim:
        POST to sim.url + "/query"
        assert sim.questions == ["¿Cuántos clientes hay?"]

As a process: python3 -m tests.sim.mikrotik --script FILE --ready-file F
"""

import asyncio
import json
import sys
import time
from collections import deque

from aiohttp import web

from . import base
from .tls import Authority
from .wire import NoAnswer, reset

OTHERWISE = "El router responde con normalidad."
QUESTION_LENGTH = (3, 500)
TIMEOUT_SECONDS = (15, 90)

FAULTS = {
    "hang": "the question is taken, no answer ever",
    "http": "status=400|404|422|429|500|502|503 with detail=",
    "garbage": "200 and bytes that are no JSON",
    "truncated": "200, the JSON ends in the middle, then FIN",
    "wrong_type": "200, text/html",
    "not_object": "200, valid JSON that is no object",
    "missing_response": "200, success without a response",
    "wrong_fields": "200, success and response of other types",
    "failure": "200, success false, response= says why",
    "invalid_utf8": "200, JSON with bytes that are not UTF-8",
    "deep": "200, JSON nested levels= deep",
    "huge": "200, a body of megabytes=",
    "redirect": "307 to another host",
    "slow_loris": "one byte of the answer every seconds=",
    "garbage_line": "with progress: a line of it is no JSON",
    "only_progress": "with progress: the end comes before the answer",
    "flood": "with progress: lines= of it at once",
    "reset": "TCP RST after the question",
    "drop": "FIN after the question",
    "not_http": "bytes that are no HTTP answer",
}


class Answer:
    """What one question gets."""

    def __init__(self, response=OTHERWISE, delay=0.0, fault=None,
                 contains="", metadata=None, progress=0):
        self.response = response
        self.delay = delay
        self.fault = fault or {}
        self.contains = contains
        self.metadata = metadata
        self.progress = progress    # lines before the answer, 1 to this


def validation_errors(body):
    """What the service's validation says of a request body (422)."""
    if not isinstance(body, dict):
        return [("body", "value is not a valid dict", "type_error.dict")]
    errors = []
    question = body.get("question")
    low, high = QUESTION_LENGTH
    if not isinstance(question, str):
        errors.append(("question", "field required or no string",
                       "type_error.str"))
    elif not low <= len(question) <= high:
        errors.append(("question", f"ensure this value has {low} to {high} "
                       "characters", "value_error.any_str.length"))
    seconds = body.get("timeout", 60)
    low, high = TIMEOUT_SECONDS
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        errors.append(("timeout", "value is not a valid integer",
                       "type_error.integer"))
    elif not low <= seconds <= high:
        errors.append(("timeout", f"ensure this value is {low} to {high}",
                       "value_error.number"))
    return errors


def _left(request):
    """Whether the client has closed the connection."""
    return request.transport is None or request.transport.is_closing()


class MikrotikSim(base.Simulator):
    """The simulated service.  url, questions, in_flight, aborted,
    violations are what a test uses."""

    def __init__(self, script=None, *, tls=False, host="127.0.0.1", port=0,
                 delay=0.0, log_file=None):
        super().__init__(log_file)
        script = script or {}
        self.tls = tls
        self.host = host
        self.port = port
        self.answers = [Answer(**a) for a in script.get("answers", ())]
        self.otherwise = Answer(script.get("otherwise", OTHERWISE),
                                script.get("delay", delay))
        self.requests = []          # (monotonic s, parsed body), all of them
        self.health_requests = 0
        self.healthy = True
        self.in_flight = 0
        self.most_in_flight = 0
        self.aborted = 0            # the client left before the answer
        self.answered = 0
        self.authority = None
        self._faults = deque()
        self._always = None
        self._listener = None
        self._runner = None

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    @property
    def questions(self):
        """The text of every question that was valid, in order."""
        return [body["question"] for _, body in self.requests
                if not validation_errors(body)]

    @property
    def ca_file(self):
        return self.authority.ca_file if self.authority else None

    def ready_info(self):
        return {"url": self.url, "host": self.host, "port": self.port,
                "ca_file": self.ca_file}

    # Commands

    def answer(self, contains, response, delay=0.0, fault=None, progress=0):
        """Questions that contain this get that; the newest rule wins."""
        self.answers.insert(0, Answer(response, delay, fault, contains,
                                      progress=progress))

    def next(self, kind, count=1, **arguments):
        """The next question(s) run into a fault of FAULTS."""
        self._check(kind)
        for _ in range(count):
            self._faults.append({"kind": kind, **arguments})

    def always(self, kind=None, **arguments):
        """Every question does; None ends it."""
        if kind:
            self._check(kind)
        self._always = {"kind": kind, **arguments} if kind else None

    @staticmethod
    def _check(kind):
        if kind not in FAULTS:
            raise ValueError(f"fault {kind!r}: one of {list(FAULTS)}")

    def refuse_tcp(self):
        """Connection refused from now on."""
        self._listener.close()

    # Life

    async def start(self):
        application = web.Application()
        application.router.add_post("/query", self._query)
        application.router.add_get("/health", self._health)
        application.router.add_route("*", "/elsewhere", self._elsewhere)
        application.router.add_post("/_sim/{verb}", self._control)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        if self.tls:
            self.authority = Authority(self.directory())
        await self.listen()

    async def listen(self):
        """Accept connections (again), on the port of the first time."""
        self._listener = await asyncio.get_running_loop().create_server(
            self._runner.server, self.host, self.port, reuse_address=True,
            ssl=self.authority.context() if self.tls else None)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self):
        self._listener.close()
        await self._runner.server.shutdown(0.1)     # no grace for the hanging
        await self._runner.cleanup()

    # Requests

    async def _health(self, request):
        self.health_requests += 1
        self.log.add("health", healthy=self.healthy)
        if not self.healthy:
            return web.json_response({"status": "unhealthy"}, status=503)
        return web.json_response({"status": "healthy"})

    async def _elsewhere(self, request):
        self.violation("followed a redirect to another host")
        return web.json_response({"success": True, "response": "trampa",
                                  "metadata": {}})

    async def _body(self, request):
        raw = await request.read()
        try:
            return json.loads(raw)
        except ValueError:
            return None

    async def _query(self, request):
        body = await self._body(request)
        self.requests.append((time.monotonic(), body))
        errors = validation_errors(body)
        if request.content_type != "application/json":
            errors.append(("header", "content type is not JSON", "type_error"))
        if errors:
            self.violation("invalid query", body=repr(body)[:200],
                           errors=errors)
            return web.json_response({"detail": [
                {"loc": ["body", where], "msg": message, "type": kind}
                for where, message, kind in errors]}, status=422)
        self.log.add("query", question=body["question"],
                     timeout=body.get("timeout", 60))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._answered(request, body)
        finally:
            self.in_flight -= 1
            self.log.add("answered", question=body["question"])

    def _rule(self, question):
        for answer in self.answers:
            if answer.contains in question:
                return answer
        return self.otherwise

    async def _answered(self, request, body):
        answer = self._rule(body["question"])
        fault = self._faults.popleft() if self._faults else \
            self._always or answer.fault
        started = time.monotonic()
        if answer.progress and "ndjson" in request.headers.get("Accept", ""):
            return await self._in_lines(request, body, answer, fault)
        endless = fault.get("kind") == "hang"
        if not await self._wait(request, None if endless else answer.delay):
            self.aborted += 1
            return NoAnswer()
        self.answered += 1
        metadata = answer.metadata or {
            "execution_time": round(time.monotonic() - started, 3),
            "timeout": body.get("timeout", 60)}
        good = {"success": True, "response": answer.response,
                "metadata": metadata}
        if fault.get("kind") in FAULTS:
            self.log.add("fault", **fault)
            return await self._misbehave(request, fault, good)
        return web.json_response(good)

    async def _in_lines(self, request, body, answer, fault):
        """The answer as application/x-ndjson: {"done", "total"} while it
        takes its time, evenly, and then itself."""
        kind = fault.get("kind")
        stream = web.StreamResponse(
            headers={"Content-Type": "application/x-ndjson"})
        await stream.prepare(request)
        steps = answer.progress
        try:
            for done in range(1, steps + 1):
                if not await self._wait(request, answer.delay / steps):
                    raise ConnectionResetError
                for _ in range(fault.get("lines", 1000)
                               if kind == "flood" else 1):
                    await self._line(stream, {"done": done, "total": steps})
                if kind == "garbage_line":
                    await stream.write(b"{{{\n")
                if kind == "hang" and not await self._wait(request, None):
                    raise ConnectionResetError
            if kind != "only_progress":
                await self._line(stream, {
                    "success": True, "response": answer.response,
                    "metadata": {"timeout": body.get("timeout", 60)}})
            await stream.write_eof()
            self.answered += 1
        except ConnectionResetError:
            self.aborted += 1
        return stream

    @staticmethod
    async def _line(stream, value):
        await stream.write(json.dumps(value).encode() + b"\n")

    @staticmethod
    async def _wait(request, seconds):
        """Wait (None: for ever); False if the client left meanwhile."""
        end = None if seconds is None else time.monotonic() + seconds
        while not _left(request):
            if end is not None and time.monotonic() >= end:
                return True
            left = 0.05 if end is None else end - time.monotonic()
            await asyncio.sleep(max(0, min(0.05, left)))
        return False

    # Misbehaviour

    async def _misbehave(self, request, fault, good):
        kind = fault["kind"]
        if kind == "http":
            return self._http_error(fault)
        if kind == "redirect":
            return web.Response(status=307, headers={
                "Location": f"http://localhost:{self.port}/elsewhere"})
        if kind in ("truncated", "slow_loris", "reset", "drop", "not_http"):
            return await self._break(request, fault, good)
        body, content_type = self._odd_body(fault, good)
        return web.Response(body=body, content_type=content_type)

    @staticmethod
    def _http_error(fault):
        words = {503: "Service busy, try again later",
                 500: "Internal Server Error"}
        status = fault.get("status", 500)
        detail = fault.get("detail", words.get(status, "Error"))
        headers = {"Retry-After": "1"} if status in (429, 503) else {}
        return web.json_response({"detail": detail}, status=status,
                                 headers=headers)

    @staticmethod
    def _odd_body(fault, good):
        """(bytes, content type) of a 200 answer that is no good."""
        kind = fault["kind"]
        mime = "application/json"
        if kind == "wrong_type":
            return b"<html><body>Login</body></html>", "text/html"
        if kind == "garbage":
            return b"\x00\x9f{{{ no JSON" * 5, mime
        if kind == "invalid_utf8":
            return b'{"success": true, "response": "\xff\xfe\xc3"}', mime
        if kind == "huge":
            count = fault.get("megabytes", 10) << 20
            return b'{"success":true,"response":"' + b"a" * count + b'"}', mime
        if kind == "deep":
            levels = fault.get("levels", 100_000)
            return b"[" * levels + b"]" * levels, mime
        value = {
            "not_object": ["success", True],
            "missing_response": {"success": True, "metadata": None},
            "wrong_fields": {"success": "yes", "response": {"a": [1, None]},
                             "metadata": "none"},
            "failure": {**good, "success": False, "response": fault.get(
                "response", "No se pudo contactar el router.")},
        }[kind]
        return json.dumps(value).encode(), mime

    async def _break(self, request, fault, good):
        """Answers that no HTTP library would write for us."""
        kind = fault["kind"]
        transport = request.transport
        body = json.dumps(good).encode()
        head = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body))
        if kind == "truncated":
            transport.write(head + body[:len(body) // 2])
        elif kind == "not_http":
            transport.write(b"SSH-2.0-ROSSSH\r\n\x00\x01")
        elif kind == "slow_loris":
            await self._trickle(request, head + body,
                                fault.get("seconds", 1))
        elif kind == "reset":
            reset(transport)
        transport.close()
        return NoAnswer()

    async def _trickle(self, request, data, seconds):
        for byte in data:
            if not await self._wait(request, seconds):
                self.aborted += 1
                return
            request.transport.write(bytes([byte]))

    # Control of a simulator that runs as a process

    async def _control(self, request):
        """POST /_sim/{next,always,answer,refuse,state} with a JSON object."""
        verb = request.match_info["verb"]
        body = await request.json() if request.can_read_body else {}
        if verb == "next":
            self.next(**body)
        elif verb == "always":
            self.always(**body)
        elif verb == "answer":
            self.answer(**body)
        elif verb == "refuse":
            self.refuse_tcp()
        elif verb != "state":
            raise web.HTTPNotFound
        return web.json_response({
            "questions": self.questions, "in_flight": self.in_flight,
            "aborted": self.aborted, "violations": self.violations})


def main():
    parser = base.common_arguments(__doc__.splitlines()[0])
    parser.add_argument("--script", help='JSON: {"answers", "otherwise"}')
    parser.add_argument("--delay", type=float, default=0.0,
                        help="seconds before each answer")
    options = parser.parse_args()
    script = {}
    if options.script:
        with open(options.script) as source:
            script = json.load(source)
    simulator = MikrotikSim(script, host=options.host, port=options.port,
                            delay=options.delay, log_file=options.log)
    return base.run_process(simulator, options.ready_file)


if __name__ == "__main__":
    sys.exit(main())
