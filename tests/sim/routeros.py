# SPDX-License-Identifier: MIT
"""A simulated MikroTik router on loopback: RouterOS 7's REST API and the
binary API, over the same records (routeros_model.py).

It does what matters to a client of the real one: Basic authentication and
policies, one REST request of a user at a time and 60 s for each, also for
those that wait; work that goes on when the client has left; errors in the
published words.  `requests` has everything that ever reached it.

    with RouterSim(tls=True) as sim:
        GET sim.url + "/rest/system/resource"
        librouteros.connect(sim.host, …, port=sim.binary_port)

As a process: python3 -m tests.sim.routeros --name Guamal --ready-file F
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import socket
import ssl
import sys
import time
from collections import deque

from aiohttp import web

from . import base
from .routeros_binary import BinaryConnection
from .routeros_model import Router, Trap, no_such, proplist
from .tls import Authority
from .wire import NoAnswer, reset

MESSAGES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
            404: "Not Found", 415: "Unsupported Media Type",
            500: "Internal Server Error", 503: "Service Unavailable"}

FAULTS = {
    "hang": "the command is taken, no answer until the router's limit",
    "delay": "the answer takes seconds= longer",
    "drop": "FIN instead of an answer",
    "reset": "TCP RST instead of an answer",
    "cut": "the answer ends in the middle, then FIN",
    "garbage": "bytes= that are neither API",
    "slow_loris": "one byte of the answer every seconds=",
    "huge": "megabytes",
    # REST
    "status": "an error status= with detail=",
    "html": "HTML with status=",
    "not_json": "200 and no JSON",
    "wrong_shape": "200 and value=",
    "deep": "200 and JSON nested far too deep",
    # binary
    "trap": "!trap with message= and category=",
    "fatal": "!fatal with message= and the end",
    "control_byte": "a reserved first byte",
    "hostile_length": "a word of 4 GiB",
    "many_words": "a sentence that does not end",
    "endless": "records without end",
    "foreign_tag": "replies to somebody else before ours",
}


def error_response(status, detail=None):
    body = {"error": status, "message": MESSAGES.get(status, "Error")}
    if detail:
        body["detail"] = detail
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="RouterOS"'
    return web.json_response(body, status=status, headers=headers)


class RouterSim(base.Simulator):
    """One router.  url, binary_port, requests, most_in_flight, cancelled,
    refused_logins, violations are what a test uses."""

    def __init__(self, router=None, *, tls=False, certificate="good",
                 authority=None, host="127.0.0.1", name=None, delay=0.0,
                 limit=60.0, old_login=False, log_file=None):
        super().__init__(log_file)
        self.router = router or Router()
        if name:
            self.router.menus["/system/identity"] = {"name": name}
        self.tls = tls
        self.certificate = certificate
        self.authority = authority
        self.host = host
        self.delay = delay          # s, before every answer
        self.limit = limit          # s, of a REST request
        self.old_login = old_login  # RouterOS before 6.43
        self.says_empty = True      # RouterOS 7.18 and later
        self.encoding = "utf-8"     # of its texts
        self.rest_port = 0
        self.binary_port = 0
        self.requests = []      # (monotonic s, api, what, values, queries)
        self.connections = 0
        self.in_flight = 0      # taken and not finished, as the router sees it
        self.most_in_flight = 0
        self.abandoned = 0      # finished for a client that had left
        self.cancelled = 0
        self.refused_logins = 0
        self.black_hole = False     # connections are taken, nothing is read
        self._faults = deque()
        self._always = {}
        self._locks = {}
        self._works = set()     # REST commands under way
        self._listeners = []
        self._held = []         # bound sockets that nobody listens on
        self._writers = set()
        self._runner = None

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.host}:" \
            f"{self.rest_port}"

    @property
    def ca_file(self):
        return self.authority.ca_file if self.authority else None

    @property
    def fingerprint(self):
        """SHA-256 of its certificate, 64 hexadecimal digits."""
        with open(self.authority.files(self.certificate)[0]) as source:
            der = ssl.PEM_cert_to_DER_cert(source.read())
        return hashlib.sha256(der).hexdigest()

    def ready_info(self):
        return {"host": self.host, "rest_port": self.rest_port,
                "binary_port": self.binary_port, "tls": self.tls,
                "ca_file": self.ca_file}

    def entry(self, name, api="rest", **members):
        """This router as one of etc/routers.json."""
        port = self.rest_port if api == "rest" else self.binary_port
        trust = {"ca_file": self.ca_file} if self.tls else {}
        return {"name": name, "address": f"{self.host}:{port}", "api": api,
                "tls": self.tls, **trust, "user": "telefonista",
                "password_secret": "TOOL_ROUTER_PASSWORD", "comments": True,
                **members}

    # Commands of a test

    def next(self, kind, count=1, **arguments):
        """The next command(s) run into a fault of FAULTS."""
        self._check(kind)
        for _ in range(count):
            self._faults.append({"kind": kind, **arguments})

    def always(self, kind=None, **arguments):
        """Every command does; None ends it."""
        if kind:
            self._check(kind)
        self._always = {"kind": kind, **arguments} if kind else {}

    @staticmethod
    def _check(kind):
        if kind not in FAULTS:
            raise ValueError(f"fault {kind!r}: one of {list(FAULTS)}")

    def refuse_tcp(self):
        """Connections are refused from now on, open ones stay.

        The ports are kept, so that no other simulator gets them.
        """
        for listener in self._listeners:
            listener.close()
        if not self._held:
            self._held = [self._hold(port) for port in (
                self.rest_port, self.binary_port)]

    def _hold(self, port):
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((self.host, port))
        return held

    def _release(self):
        for held in self._held:
            held.close()
        self._held = []

    def power_off(self):
        """As in a reboot: every connection is gone, nobody listens."""
        self.refuse_tcp()
        for work in self._works:
            work.cancel()
        for writer in list(self._writers):
            reset(writer.transport)
        for handler in list(self._runner.server.connections):
            if handler.transport is not None:
                reset(handler.transport)

    # What both APIs share

    def saw(self, api, what, values, queries=()):
        self.requests.append((time.monotonic(), api, what, dict(values),
                              list(queries)))
        self.log.add("request", api=api, what=what, values=dict(values))

    def commands(self, api=None):
        """What was asked, without logins."""
        return [what for _, kind, what, _, _ in self.requests
                if what not in ("/login", "/cancel")
                and api in (None, kind)]

    def take_fault(self):
        fault = self._faults.popleft() if self._faults else self._always
        if fault:
            self.log.add("fault", **{k: str(v) for k, v in fault.items()})
        return fault

    async def pause(self, fault):
        if fault.get("kind") == "hang":
            await asyncio.sleep(3600)       # until it is cut or cancelled
        if fault.get("kind") == "delay":
            await asyncio.sleep(fault["seconds"])
        elif self.delay:
            await asyncio.sleep(self.delay)

    @contextlib.contextmanager
    def working(self, api, what):
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1
            self.log.add("finished", api=api, what=what)

    def encoded(self, text):
        return text.encode(self.encoding, "replace")

    # Life

    async def start(self):
        application = web.Application(client_max_size=1 << 20)
        application.router.add_route("*", "/{path:.*}", self._http)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        if self.tls and self.authority is None:
            self.authority = Authority(self.directory())
        await self.listen()

    async def listen(self):
        """Listen (again), on the ports of the first time."""
        context = self.authority.context(self.certificate) \
            if self.tls else None
        self._release()
        loop = asyncio.get_running_loop()
        rest = await loop.create_server(
            self._runner.server, self.host, self.rest_port,
            reuse_address=True, ssl=context)
        binary = await asyncio.start_server(
            self._binary, self.host, self.binary_port, reuse_address=True,
            ssl=context)
        self.rest_port = rest.sockets[0].getsockname()[1]
        self.binary_port = binary.sockets[0].getsockname()[1]
        self._listeners = [rest, binary]

    async def stop(self):
        self.power_off()
        self._release()
        await self._runner.server.shutdown(0.1)
        await self._runner.cleanup()

    async def _binary(self, reader, writer):
        self.connections += 1
        self._writers.add(writer)
        try:
            if self.black_hole:
                await asyncio.sleep(3600)
            await BinaryConnection(self, reader, writer).serve()
        except asyncio.CancelledError:
            pass        # the loop ends
        finally:
            self._writers.discard(writer)

    # REST

    async def _http(self, request):
        raw = await request.read()
        self.saw("rest", f"{request.method} {request.raw_path}",
                 {"body": raw.decode("utf-8", "replace")})
        if self.black_hole:
            await asyncio.sleep(3600)
        user = self._authenticate(request)
        if user is None:
            self.refused_logins += 1
            return error_response(401)
        if "api" not in self.router.users[user][1]:
            return error_response(500, "std failure: not allowed (9)")
        with self.working("rest", request.path):
            response = await self._serialised(request, user, raw)
        if request.transport is None or request.transport.is_closing():
            self.abandoned += 1
        return response

    def _authenticate(self, request):
        kind, _, data = request.headers.get("Authorization", "").partition(" ")
        try:
            name, _, password = base64.b64decode(data).decode().partition(":")
        except ValueError:
            return None
        known, policies = self.router.users.get(name, (None, ()))
        if kind != "Basic" or known is None or password != known or \
                "rest-api" not in policies:
            return None
        return name

    async def _serialised(self, request, user, raw):
        """One at a time, in order; the limit runs for those that wait too."""
        lock = self._locks.setdefault(user, asyncio.Lock())

        async def work():
            async with lock:
                fault = self.take_fault()
                await self.pause(fault)
                return fault, await self._execute(request, user, raw)
        task = asyncio.ensure_future(work())
        self._works.add(task)
        try:
            fault, value = await asyncio.wait_for(task, self.limit)
        except asyncio.TimeoutError:
            return error_response(400, "Session closed")
        except asyncio.CancelledError:
            return NoAnswer()       # power_off()
        except Trap as trap:
            detail = None if trap.status == 404 else trap.message
            return error_response(trap.status, detail)
        finally:
            self._works.discard(task)
        if isinstance(value, web.Response):
            return value
        body = self.encoded(json.dumps(value, ensure_ascii=False))
        if fault.get("kind") in (None, "delay"):
            return web.Response(body=body, content_type="application/json")
        return await self._misbehave(request, fault, body)

    async def _execute(self, request, user, raw):
        path = request.raw_path.partition("?")[0]
        if not path.startswith("/rest/") or "%" in path:
            return web.Response(status=404, text="<html>not found</html>",
                                content_type="text/html")
        path = path[len("/rest"):]
        body = self._body(request, raw)
        if isinstance(body, web.Response):
            return body
        if request.method == "GET":
            return self._get(user, path, dict(request.query))
        if request.method == "POST":
            return await self._post(user, path, body)
        return self._change(request.method, user, path, body)

    @staticmethod
    def _body(request, raw):
        if not raw:
            return {}
        if request.content_type != "application/json":
            return error_response(415)
        try:
            body = json.loads(raw)
        except ValueError:
            return error_response(400, "Failed to parse json")
        return body if isinstance(body, dict) else \
            error_response(400, "Failed to parse json")

    def _get(self, user, path, filters):
        self.router.demand(user, "read")
        names = filters.pop(".proplist", None)
        if path not in self.router.menus and path.count("/") > 1:
            menu, _, key = path.rpartition("/")
            if menu not in self.router.menus:
                raise no_such(key)
            return proplist(self.router.find(menu, key), names)
        records = [r for r in self.router.records(path)
                   if all(r.get(k) == v for k, v in filters.items())]
        if self.router.is_single(path):
            return proplist(records[0], names)
        return [{**({".id": r[".id"]} if ".id" in r else {}),
                 **proplist(r, names)} for r in records]

    async def _post(self, user, path, body):
        menu, _, verb = path.rpartition("/")
        queries = body.pop(".query", [])
        values = {k: v if isinstance(v, str) else json.dumps(v)
                  for k, v in body.items()}
        found = [record async for record in self.router.run(
            user, menu, verb, values, queries)]
        if len(found) == 1 and set(found[0]) == {"ret"}:
            return found[0]
        return found

    def _change(self, method, user, path, body):
        self.router.demand(user, "write")
        if method == "PUT":
            records = self.router.records(path)
            known = {"address", "interface", "comment", "name", "disabled"}
            for key in body:
                if key not in known:
                    raise Trap(f"unknown parameter {key}", 1)
            records.append({".id": f"*{len(records) + 1:X}", **body})
            return web.json_response(records[-1], status=201)
        if path in self.router.menus:
            raise Trap("missing or invalid resource identifier", 1)
        menu, _, key = path.rpartition("/")
        if menu == "/interface":
            raise no_such("remove" if method == "DELETE" else "set")
        record = self.router.find(menu, key)
        if method == "DELETE":
            self.router.records(menu).remove(record)
            return web.Response(status=204)
        record.update(body)
        return record

    # Misbehaviour of the REST API

    async def _misbehave(self, request, fault, body):
        kind = fault["kind"]
        if kind == "status":
            return error_response(fault.get("status", 500),
                                  fault.get("detail"))
        if kind == "html":
            return web.Response(
                status=fault.get("status", 403), content_type="text/html",
                text="<html><body>403 Forbidden</body></html>")
        if kind in ("not_json", "wrong_shape", "deep", "huge"):
            return web.Response(body=self._odd_body(fault),
                                content_type="application/json")
        return await self._break(request, fault, body)

    @staticmethod
    def _odd_body(fault):
        kind = fault["kind"]
        if kind == "not_json":
            return b"\x00\x9f{{{ no JSON"
        if kind == "deep":
            return b"[" * 100_000 + b"]" * 100_000
        if kind == "huge":
            return b'[{"name":"' + b"x" * (6 << 20) + b'"}]'
        return json.dumps(fault.get("value")).encode()

    async def _break(self, request, fault, body):
        kind = fault["kind"]
        transport = request.transport
        head = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body))
        if transport is None:
            return NoAnswer()
        if kind == "reset":
            reset(transport)
        elif kind == "cut":
            transport.write(head + body[:len(body) // 2])
        elif kind == "garbage":
            transport.write(fault.get("bytes", b"\x03!re\x00\x05!done\x00"))
        elif kind == "slow_loris":
            for byte in head + body:
                if transport.is_closing():
                    break
                transport.write(bytes([byte]))
                await asyncio.sleep(fault.get("seconds", 0.05))
        transport.close()
        return NoAnswer()


def main():
    parser = base.common_arguments(__doc__.splitlines()[0])
    parser.add_argument("--name", help="its identity")
    parser.add_argument("--delay", type=float, default=0.0,
                        help="seconds before each answer")
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    simulator = RouterSim(host=options.host, name=options.name,
                          delay=options.delay, tls=options.tls,
                          log_file=options.log)
    simulator.rest_port = options.port
    return base.run_process(simulator, options.ready_file)


if __name__ == "__main__":
    sys.exit(main())
