# SPDX-License-Identifier: MIT
"""OpenAI's Realtime API (GA) on loopback: server, transport, command line.

    with OpenAISim(script={...}) as sim:        # own thread
        connect to sim.url with sim.api_key, trusting sim.ca_file
        sim.wait_for(lambda: sim.sessions)
        assert not sim.violations

or as a process:

    python3 -m tests.sim.openai_realtime --script FILE --ready-file F --log F
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass

from aiohttp import web

from . import base, openai_faults
from .openai_brain import ScriptBrain
from .openai_connection import Connection
from .openai_schema import EventChecker
from .openai_session import SESSION_SECONDS, Session
from .tls import Authority
from .wire import NoAnswer, until_gone

API_KEY = "sk-sim-0123456789abcdef"

# Models with their shutdown_date, as GET /v1/models carries it (models.md).
MODELS = {
    "gpt-realtime-2.1": None, "gpt-realtime-2.1-mini": None,
    "gpt-realtime-2": None, "gpt-realtime-1.5": None,
    "gpt-realtime": "2027-01-20", "gpt-realtime-2025-08-28": "2027-01-20",
    "gpt-realtime-mini": "2027-01-20",
    "gpt-realtime-mini-2025-12-15": "2027-01-20",
    "gpt-live-1": None, "gpt-live-1.1": None,
    "gpt-transcribe": None, "gpt-live-transcribe": None,
    "gpt-realtime-whisper": None,
    "whisper-1": "2027-02-26", "gpt-4o-transcribe": "2027-02-26",
    "gpt-4o-mini-transcribe": "2027-02-26",
}
MAX_MESSAGE = 32 << 20


@dataclass
class Settings:
    """Times and the voice; changes apply to what starts afterwards."""
    one_way_ms: float = 40          # network delay, each way
    first_audio_ms: float = 400     # response.created to first audio delta
    speedup: float = 5              # audio is made this much faster than played
    chunk_ms: tuple = (200, 400)    # audio per delta, from - to
    transcription_ms: float = 300   # commit to transcription.completed
    voice: str = "speech"           # or "tone", see openai_voice
    ping_interval: float = 20       # seconds between pings; None: none
    ping_timeout: float = 20        # pong missing this long: close 1011
    session_seconds: float = SESSION_SECONDS


class OpenAISim(base.Simulator):
    """The simulated service.  url, ca_file, api_key, sessions, violations,
    faults, settings are what a test uses."""

    def __init__(self, script=None, *, tls=True, host="127.0.0.1", port=0,
                 api_key=API_KEY, settings=None, brain_factory=None,
                 log_file=None, **overrides):
        super().__init__(log_file)
        self.tls = tls
        self.host = host
        self.port = port
        self.api_key = api_key
        self.script = script or {}
        self.settings = settings or Settings(**overrides)
        for name, value in self.script.get("settings", {}).items():
            setattr(self.settings, name, value)
        self.brain_factory = brain_factory or \
            (lambda session: ScriptBrain(self.script))
        self.models = dict(MODELS)
        self.sessions = []              # every Session, oldest first
        self.handshakes = []            # (monotonic s, status or fault)
        self.faults = openai_faults.Faults()
        self.checker = EventChecker()
        self.authority = None
        self._broken = []               # errors of the simulator itself
        self._live = set()
        self._listener = None
        self._runner = None

    @property
    def scheme(self):
        return "wss" if self.tls else "ws"

    @property
    def url(self):
        return f"{self.scheme}://{self._address}/v1/realtime"

    @property
    def http_url(self):
        return f"{'https' if self.tls else 'http'}://{self._address}/v1"

    @property
    def _address(self):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def ca_file(self):
        return self.authority.ca_file if self.authority else None

    @property
    def live(self):
        """Sessions whose connection is up."""
        return [s for s in self.sessions if not s.closed.is_set()]

    def ready_info(self):
        return {"url": self.url, "http_url": self.http_url, "host": self.host,
                "port": self.port, "ca_file": self.ca_file,
                "api_key": self.api_key}

    # Life

    async def start(self):
        application = web.Application()
        application.router.add_get("/v1/realtime", self._realtime)
        application.router.add_get("/v1/models", self._models)
        application.router.add_get("/v1/models/{id}", self._model)
        application.router.add_post("/_sim/{verb}", self._control)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        if self.tls:
            self.authority = Authority(self.directory())
        await self.listen()

    async def listen(self):
        """Accept connections (again), on the port of the first time."""
        context = self.authority.switching_context(
            lambda: self.faults.certificate) if self.tls else None
        self._listener = await asyncio.get_running_loop().create_server(
            self._runner.server, self.host, self.port, ssl=context,
            reuse_address=True)
        self.port = self._listener.sockets[0].getsockname()[1]

    def refuse_tcp(self):
        """Close the listening socket; live connections stay."""
        self._listener.close()

    async def stop(self):
        self._listener.close()
        for connection in list(self._live):
            connection.drop()
        await self._runner.server.shutdown(0.5)
        await self._runner.cleanup()
        if self._broken:
            raise self._broken[0]

    def broke(self, error):
        """The simulator itself failed: a test must not pass over that."""
        self._broken.append(error)
        self.violation("simulator error", error=repr(error))

    def self_check(self, event):
        try:
            self.checker.server(event)
        except AssertionError as error:
            self.broke(error)

    def inject(self, kind, session=None, **arguments):
        """Run a live fault (openai_faults.LIVE_FAULTS) on a session, by
        default the newest one that is up.  From any thread."""
        def act():
            target = session or self.live[-1]
            self.log.add("inject", session=target.id, kind=kind)
            openai_faults.LIVE_FAULTS[kind](target, **arguments)
        if self.loop is _running_loop():
            act()
        else:
            self.call(act)

    def log_event(self, direction, session, event):
        kind = event.get("type") if isinstance(event, dict) else None
        if kind == "input_audio_buffer.append":
            return
        details = {}
        if isinstance(event, dict):
            for name in ("item_id", "response_id", "transcript", "delta",
                         "audio_start_ms", "audio_end_ms", "name"):
                value = event.get(name)
                if isinstance(value, (str, int)) and \
                        len(str(value)) < 400 and \
                        kind != "response.output_audio.delta":
                    details[name] = value
            for name in ("item", "response"):
                value = event.get(name)
                if isinstance(value, dict):
                    details[name] = {
                        key: value[key] for key in (
                            "id", "type", "status", "call_id",
                            "status_details") if value.get(key)}
        self.log.add(direction, session=session.id, type=kind, **details)

    # HTTP

    @staticmethod
    def _refusal(status, message, code, kind="invalid_request_error"):
        return web.json_response({"error": {
            "message": message, "type": kind, "param": None, "code": code}},
            status=status)

    def _unauthorised(self, request):
        """The 401 answer, or None if the key is right."""
        header = request.headers.get("Authorization", "")
        if not header.startswith("Bearer "):
            return self._refusal(401, "Missing bearer or basic authentication "
                                 "in header", None)
        if header[7:] != self.api_key:
            shown = header[7:][:6] + "***"
            return self._refusal(401, "Incorrect API key provided: "
                                 f"{shown}. You can find your API key at "
                                 "https://platform.openai.com/account/"
                                 "api-keys.", "invalid_api_key")
        return None

    def _model_object(self, name):
        return {"id": name, "object": "model", "created": 1756310000,
                "owned_by": "system", "shutdown_date": self.models[name]}

    async def _models(self, request):
        refusal = self._unauthorised(request)
        if refusal is not None:
            return refusal
        return web.json_response({
            "object": "list",
            "data": [self._model_object(name) for name in self.models]})

    async def _model(self, request):
        refusal = self._unauthorised(request)
        if refusal is not None:
            return refusal
        name = request.match_info["id"]
        if name not in self.models:
            return self._refusal(404, _no_model(name), "model_not_found")
        return web.json_response(self._model_object(name))

    async def _realtime(self, request):
        fault = self.faults.take("handshake") or {}
        kind = fault.get("kind")
        await asyncio.sleep(2 * self.settings.one_way_ms / 1000)
        refusal = self._unauthorised(request)
        outcome = kind or (refusal.status if refusal is not None else 101)
        self.handshakes.append((time.monotonic(), outcome))
        self.log.add("handshake", outcome=outcome,
                     model=request.query.get("model"))
        faulty = await self._handshake_fault(request, kind, fault)
        if faulty is not None:
            return faulty
        if request.transport is None:       # the client left before
            return NoAnswer()
        if refusal is not None:
            return refusal
        return await self._serve(request, fault)

    async def _handshake_fault(self, request, kind, fault):
        """A refusing response for some faults, None to go on."""
        if kind == "http":
            return self._refused_upgrade(fault["status"],
                                         fault.get("headers"))
        if kind == "slow":
            await asyncio.sleep(fault["seconds"])
        elif kind in ("black_hole", "garbage", "drop"):
            if kind == "garbage":
                request.transport.write(b"\x16\x03ICY 200 OK\r\n\x00" * 3)
            if kind != "black_hole":
                request.transport.close()
            await until_gone(request.transport)
            return NoAnswer()
        return None

    def _refused_upgrade(self, status, headers=None):
        words = {
            401: ("Incorrect API key provided.", "invalid_api_key",
                  "invalid_request_error"),
            403: ("Project does not have access to model.", "model_not_found",
                  "invalid_request_error"),
            429: ("Rate limit reached for requests.", "rate_limit_exceeded",
                  "requests"),
            500: ("The server had an error while processing your request.",
                  None, "server_error"),
            503: ("The engine is currently overloaded.", None,
                  "server_error")}
        message, code, kind = words.get(status, ("Refused.", None, "error"))
        response = self._refusal(status, message, code, kind)
        if headers is None and status in (429, 503):
            headers = {"Retry-After": "1"}
        response.headers.update(headers or {})
        return response

    async def _serve(self, request, fault):
        """The upgraded connection, from 101 to close."""
        ws = web.WebSocketResponse(autoping=False, autoclose=False,
                                   compress=False, max_msg_size=MAX_MESSAGE)
        try:
            await ws.prepare(request)
        except ConnectionResetError:        # the client leaves just now
            return NoAnswer()
        connection = Connection(self, ws, request.transport)
        self._live.add(connection)
        model = request.query.get("model", "")
        session = Session(self, connection, model)
        connection.session = session
        problem = self._admission(request, model, fault)
        if fault.get("kind") == "silence":
            connection.freeze()
        try:
            self._open(session, problem, fault)
            await connection.run()
        finally:
            self._live.discard(connection)
            session.closed.set()
            self.log.add("closed", session=session.id,
                         code=connection.close_code)
        return ws

    def _open(self, session, problem, fault):
        if problem:
            code, message, kind = problem
            session.error(code, message, kind=kind)
            session.connection.send_close(4000, f"{kind}.{code}")
            return
        self.sessions.append(session)
        self.log.add("session", session=session.id,
                     model=session.config["model"])
        session.open()
        if fault.get("kind") == "close":
            session.connection.send_close(fault.get("code", 1011),
                                          fault.get("reason", ""))

    def _admission(self, request, model, fault):
        """(code, message, type) of what the service says after the 101 to
        those it does not serve, or None."""
        if "OpenAI-Beta" in request.headers:
            self.violation("OpenAI-Beta header sent")
            kind, message = openai_faults.ERRORS["beta_api_shape_disabled"]
            return "beta_api_shape_disabled", message, kind
        if model not in self.models or "realtime" not in model:
            return "model_not_found", _no_model(model), "invalid_request_error"
        code = fault.get("kind")
        if code in ("insufficient_quota", "invalid_api_key"):
            kind, message = openai_faults.ERRORS[code]
            return code, message, kind
        return None

    # Control of a simulator that runs as a process

    async def _control(self, request):
        """POST /_sim/inject, /_sim/next, /_sim/set, /_sim/listen, /_sim/refuse
        with a JSON object; for shell scripts and demos."""
        verb = request.match_info["verb"]
        body = await request.json() if request.can_read_body else {}
        if verb == "inject":
            self.inject(body.pop("kind"), **body)
        elif verb == "next":
            self.faults.next(body.pop("where"), body.pop("kind"), **body)
        elif verb == "clear":
            self.faults.clear()
        elif verb == "set":
            for name, value in body.items():
                target = self.settings if hasattr(self.settings, name) else \
                    self.faults
                setattr(target, name, value)
        elif verb == "refuse":
            self.refuse_tcp()
        elif verb != "state":
            raise web.HTTPNotFound
        return web.json_response({
            "sessions": len(self.sessions), "live": len(self.live),
            "violations": self.violations})


def _no_model(name):
    return (f"The model `{name}` does not exist or you do not have access "
            "to it.")


def _running_loop():
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def main():
    parser = base.common_arguments(__doc__.splitlines()[0])
    parser.add_argument("--script", help="JSON, see openai_brain")
    parser.add_argument("--api-key", default=API_KEY)
    parser.add_argument("--plain", action="store_true", help="ws, no TLS")
    parser.add_argument("--voice", choices=("speech", "tone"),
                        default="speech")
    parser.add_argument("--one-way-ms", type=float, default=40)
    parser.add_argument("--first-audio-ms", type=float, default=400)
    parser.add_argument("--ping-interval", type=float, default=20)
    options = parser.parse_args()
    script = {}
    if options.script:
        with open(options.script) as source:
            script = json.load(source)
    simulator = OpenAISim(
        script, tls=not options.plain, host=options.host, port=options.port,
        api_key=options.api_key, log_file=options.log, settings=Settings(
            one_way_ms=options.one_way_ms, voice=options.voice,
            first_audio_ms=options.first_audio_ms,
            ping_interval=options.ping_interval))
    return base.run_process(simulator, options.ready_file)


if __name__ == "__main__":
    sys.exit(main())
