# SPDX-License-Identifier: MIT
"""ari.py – the simulated Asterisk: its HTTP server, and the handle on it all.

    with AriSim().start_in_thread() as sim:
        ...start the client on sim.host, sim.port, sim.user, sim.password...
        phone = sim.call(exten='3241000752', caller='3001234655')
        phone.wait_for('up').say('Hola, no tengo internet')

Three threads: the caller's, the asyncio loop (HTTP, WebSocket, all state) and
the RTP engine. Public methods of AriSim may be called from any thread but the
engine's. As a process of its own: python3 -m tests.sim.ari --ready-file FILE.
"""
import argparse
import asyncio
import base64
import binascii
import collections
import hmac
import json
import re
import sys
import threading
import time
import traceback
import urllib.parse

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from . import ari_rest, rtp
from .ari_dial import Person
from .ari_faults import Fault, Faults
from .ari_model import ASTERISK_ID, Model, now_text
from .ari_session import Session
from .ari_swagger import Swagger
from .phone import Phone

REALM = 'Asterisk REST Interface'
MOST_KEPT = 20000       # of violations and of logged requests and events

Request = collections.namedtuple(
    'Request', 't_ns method path query body status ms connection')
Event = collections.namedtuple('Event', 't_ns app event delivered')


class AriSim:
    """Settings are attributes: give them to the constructor or set them
    before the client connects."""

    def __init__(self, **settings):
        self.host, self.port = '127.0.0.1', 0
        self.media_host = '127.0.0.1'
        self.user, self.password = 'telefonista', 'secreto'
        self.users = {}                 # more: name -> (password, read_only)
        self.asterisk_version = '22.10.1'   # the one compared with
        self.booted = True              # false: 503 for everything
        self.session_limit = 100        # HTTP connections; more are closed
        self.missing_modules = set()    # e.g. {'chan_rtp.so'}
        self.globals = {}               # global variables
        self.ping_interval_s = 0        # WebSocket pings; 0: none
        self.media_start = 'after'      # M's StasisStart: after | before the
        self.media_start_delay_s = .003     # HTTP answer, or never
        self.media_relay = None         # an impair_udp.UdpRelay for all RTP
        self.hangup_delay_s = .001      # DELETE /channels -> its events
        self.stasis_end_first = False   # StasisEnd before ChannelLeftBridge
        self.dialplan_wait_s = 1.0      # the loop around Stasis()
        self.dialplan_waits = 10
        self.fallback_context = 'telefonista-fallback'
        self.contexts = None            # contexts that exist; None: any does
        self.sounds = {}                # name -> seconds; None: no such sound
        self.default_sound_s = .2
        for name, value in settings.items():
            if not hasattr(self, name):
                raise TypeError(f'no setting {name}')
            setattr(self, name, value)

        self.violations = []            # what a real Asterisk would not forgive
        self.unimplemented = []         # asked of the simulator, not there
        self.requests = collections.deque(maxlen=MOST_KEPT)
        self.events = collections.deque(maxlen=MOST_KEPT)
        self.pong_ms = []               # round trips of our pings
        self.continued = []             # (channel id, context, exten, priority)
        self.phones = []
        self.people = {}                # what is dialled -> Person
        self.sessions = []              # open WebSockets, oldest first
        self.faults = Faults()
        self.connections = self.connections_peak = self.refused = 0
        self.keys_in_urls = 0           # requests authenticated by api_key
        self.swagger = Swagger()
        self.startup_time = now_text()
        self.loop = self.model = None
        self.http_frozen = False
        self.engine = rtp.Engine()
        self._changed = threading.Condition()
        self._listener = self._web = self._thread = None
        self._open = set()

    # life

    def start_in_thread(self):
        """Listen, in threads of our own; self, ready to be used."""
        started = threading.Event()

        def run():
            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)
            self.loop.call_soon(started.set)
            self.loop.run_forever()
            self.loop.close()
        # The RTP thread must not wait 5 ms for a busy interpreter.
        sys.setswitchinterval(min(sys.getswitchinterval(), .0005))
        self.engine.start()
        self._thread = threading.Thread(target=run, name='sim-ari',
                                        daemon=True)
        self._thread.start()
        started.wait()
        self._web = self.on_loop(_LimitedServer, self)
        self.start_pbx()
        return self

    def stop(self):
        self.stop_pbx()
        self.on_loop(self._web.shutdown, 0.1)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.engine.stop()
        if self.engine.error:
            raise self.engine.error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def start_pbx(self):
        """Asterisk starts, with no state, on the same port as before."""
        async def start():
            self.model = Model(self)
            self.startup_time = now_text()
            self._listener = await self.loop.create_server(
                self._web, self.host, self.port, reuse_address=True)
            self.port = self._listener.sockets[0].getsockname()[1]
        self.on_loop(start)

    def stop_pbx(self):
        """Asterisk dies: calls, connections, listeners, everything."""
        def stop():
            self._listener.close()
            self.model.drop_everything()
            for handler in list(self._open):
                if handler.transport:
                    handler.transport.abort()
            self.model = Model(self)
        self.on_loop(stop)

    def restart(self, downtime_s=.5):
        self.stop_pbx()
        time.sleep(downtime_s)      # the fault itself: nobody listens
        self.start_pbx()

    def on_loop(self, function, *args):
        """function(*args), or what it awaits, on the loop; its result."""
        async def call():
            result = function(*args)
            return await result if asyncio.iscoroutine(result) else result
        if threading.current_thread() is self._thread:
            result = function(*args)
            assert not asyncio.iscoroutine(result)
            return result
        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(30)

    # calls

    def call(self, exten='3241000752', caller='3001234655', codec='ulaw',
             ptime=20, name='', up=False, app='openai-app', args=(),
             context='telefonista-agent', variables=None, ringing=True,
             seq_start=None, ts_start=None):
        """A caller dials exten; the dialplan runs Stasis(app,args...). up: the
        dialplan answered before; ringing: it indicated ringing, as the sample
        dialplan does."""
        phone = Phone(self, caller, name, exten, codec, ptime, seq_start,
                      ts_start)
        self.phones.append(phone)

        def place():
            self.model.place_call(phone, up=up, args=args, app=app,
                                  context=context, variables=variables,
                                  ringing=ringing)
        self.on_loop(place)
        return phone

    def person(self, endpoint, codec='ulaw', refuses=None):
        """Somebody who can be dialled there; see ari_dial.Person."""
        self.people[endpoint] = Person(self, endpoint, codec, refuses)
        return self.people[endpoint]

    def leftovers(self, older_than_s=2.0):
        """[('channel'|'bridge', id)]: media channels and bridges still alive
        although their callers have been gone for so long."""
        return self.on_loop(lambda: self.model.leftovers(older_than_s))

    # waiting and judging

    def changed(self):
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, predicate, timeout=10, what='condition'):
        """Until predicate() is true; its value. TimeoutError otherwise."""
        deadline = time.monotonic() + timeout
        while True:
            value = predicate()
            if value:
                return value
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f'{what}: not within {timeout} s')
            with self._changed:     # audio does not notify: look again anyway
                self._changed.wait(min(left, .02))

    def wait_event(self, kind, timeout=10, **fields):
        """The first event of a kind sent so far or soon, e.g. channel=id."""
        def find():
            for _, _, event, _ in list(self.events):
                if event['type'] == kind and all(
                        _ident(event.get(k)) == v for k, v in fields.items()):
                    return event
        return self.wait_for(find, timeout, f'event {kind} {fields}')

    def report(self, violation):
        """Take one Violation, from any thread."""
        if len(self.violations) < MOST_KEPT:
            self.violations.append(violation)

    def violation(self, kind, channel, detail):
        self.report(rtp.Violation(kind, channel, detail, time.monotonic_ns()))

    def take_violations(self, *kinds):
        """Remove and return the violations of some kinds (none: of all)."""
        taken = [v for v in self.violations if not kinds or v.kind in kinds]
        self.violations = [v for v in self.violations if v not in taken]
        return taken

    def judge_request(self, method, path, query, body):
        for problem in self.swagger.request(method, path, query, body):
            if problem != 'no such operation':
                self.violation('request', '', f'{method} {path}: {problem}')

    def judge_event(self, event):
        for problem in self.swagger.event(event):
            self.violation('sim-event', '', problem)

    def deliver(self, app, event):
        """An event for an application; lost while it is not connected."""
        self.judge_event(event)
        session = app.session
        delivered = session is not None and session.send_text(
            json.dumps(event))
        self.events.append(Event(time.monotonic_ns(), app.name, event,
                                 delivered))
        self.changed()

    # faults

    def fault(self, method, path, **what):
        """Let something go wrong with requests; see ari_faults.Fault."""
        self.faults.append(Fault(method, path, **what))
        return self.faults[-1]

    def session_of(self, app='openai-app'):
        """The WebSocket that has the application, or None."""
        state = self.model.apps.get(app)
        return state.session if state else None

    def with_session(self, method, *args, app='openai-app', **kwargs):
        """Call a method of the application's WebSocket: 'freeze', False;
        'drop', 'rst'; 'write', 2, b'...'; 'send_text', '{'; 'ping'..."""
        def call():
            session = self.session_of(app)
            if session is None:
                raise RuntimeError(f'{app} is not connected')
            return getattr(session, method)(*args, **kwargs)
        return self.on_loop(call)

    def send_event(self, event, app='openai-app', pieces=1, with_ping=False):
        """Any event, valid or not, whole or in pieces."""
        text = json.dumps({'timestamp': now_text(), 'application': app,
                           'asterisk_id': ASTERISK_ID, **event})
        self.with_session('send_fragments', text, pieces, with_ping, app=app)

    def send_oversized(self, size, app='openai-app'):
        self.send_event({'type': 'ChannelVarset', 'variable': 'X',
                         'value': 'x' * size}, app=app)

    # HTTP

    async def handle(self, request):
        """One HTTP request (on the loop)."""
        start_ns = time.monotonic_ns()
        body = await request.read()
        raw = request.raw_path.partition('?')[0]
        query = urllib.parse.parse_qs(request.raw_path.partition('?')[2],
                                      keep_blank_values=True)
        path = raw[4:] if raw.startswith('/ari/') else raw
        fault = self.faults.find(request.method, path)
        try:
            response, never, close = await self._answer(
                request, raw, path, query, body, fault)
        except ConnectionError:     # the client left before its answer
            raise
        except Exception:       # our own mistake, not the client's
            self.violation('sim-error', '', traceback.format_exc())
            raise
        status = None if response is None else response.status
        query.pop('api_key', None)
        self.requests.append(Request(
            start_ns, request.method, path, query, body, status,
            (time.monotonic_ns() - start_ns) / 1e6,
            id(request.transport)))
        self.changed()
        if never or self.http_frozen:
            await asyncio.Event().wait()    # cancelled when the client goes
        if close:
            request.transport.abort()
        return web.Response(status=500) if response is None else response

    async def _answer(self, request, raw, path, query, body, fault):
        """(response or None, never answer, close)."""
        if not raw.startswith('/ari/'):
            return web.Response(status=404), False, False
        result = self._refusal(request, query)
        if result is None and (request.method, path) == ('GET', '/events'):
            if request.headers.get('Upgrade', '').lower() != 'websocket':
                return web.Response(status=426), False, False
            if fault and fault.delay_s:
                await asyncio.sleep(fault.delay_s)
            if not (fault and fault.replaces_answer):
                return await self._events(request, query), False, False
        if fault is None:
            return _response(*(result or self._do(request, path, query, body))
                             ), False, False
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if result is None and (fault.apply or not fault.replaces_answer):
            result = self._do(request, path, query, body)
        if not fault.replaces_answer:
            return _response(*result), False, False
        if fault.never or fault.close:
            return None, fault.never, fault.close
        status, data = fault.answer(result)
        return web.Response(status=status, body=data,
                            content_type='application/json'), False, False

    def _do(self, request, path, query, body):
        return ari_rest.dispatch(self, request.method, path, query,
                                 request.headers.get('Content-Type'), body)

    def _refusal(self, request, query):
        """(status, body) for those who may not, else None."""
        if not self.booted:
            return 503, {'message': 'Asterisk not booted'}
        access = self._access(request, query)
        if access is None:
            return 401, {'message': 'Authentication required'}
        if access == 'read' and request.method not in ('GET', 'HEAD'):
            return 403, {'message': 'Write access denied'}
        return None

    def _access(self, request, query):
        """'read', 'write' or None."""
        scheme, _, code = request.headers.get('Authorization', '').partition(
            ' ')
        given = None
        if scheme.lower() == 'basic':
            try:
                given = base64.b64decode(code, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return None
        elif 'api_key' in query:
            self.keys_in_urls += 1
            given = query['api_key'][0]
        if given is None:
            return None
        user, _, password = given.partition(':')
        users = {self.user: (self.password, False), **self.users}
        known = users.get(user)
        if known is None or not hmac.compare_digest(known[0].encode(),
                                                    password.encode()):
            return None
        return 'read' if known[1] else 'write'

    async def _events(self, request, query):
        apps = [a for text in query.get('app', ()) for a in text.split(',')
                if a]
        if not apps:
            return _response(400, {
                'message': 'HTTP request is missing param: [app]'})
        offered = request.headers.get('Sec-WebSocket-Protocol', '')
        if offered and 'ari' not in re.split(r'\s*,\s*', offered):
            return web.Response(status=400)
        if not offered:     # Asterisk does not mind, yet documents otherwise
            self.violation('ws-subprotocol', '', 'none')
        read_only = self._access(request, query) == 'read'
        session = Session(self, request, apps)
        return await session.run(
            query.get('subscribeAll', ['false'])[0].lower() == 'true',
            read_only)


class _LimitedServer(web.Server):
    """aiohttp's server with Asterisk's session limit."""

    def __init__(self, sim):
        super().__init__(sim.handle, access_log=None, loop=sim.loop,
                         keepalive_timeout=15.0)
        self.sim = sim

    def __call__(self):
        if len(self.sim._open) >= self.sim.session_limit:
            self.sim.refused += 1
            return _Refusal()
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport):
        transport.close()


class _Connection(RequestHandler):
    def connection_made(self, transport):
        sim = self._manager.sim
        sim._open.add(self)
        sim.connections = len(sim._open)
        sim.connections_peak = max(sim.connections_peak, sim.connections)
        sim.changed()
        super().connection_made(transport)

    def connection_lost(self, exc):
        sim = self._manager.sim
        sim._open.discard(self)
        sim.connections = len(sim._open)
        sim.changed()
        super().connection_lost(exc)


def _response(status, value):
    headers = {'Server': 'Asterisk/22.10.1',
               'Cache-Control': 'no-cache, no-store'}
    if status == 401:
        headers['WWW-Authenticate'] = f'Basic realm="{REALM}"'
    if value is None:
        return web.Response(status=status, headers=headers)
    return web.Response(status=status, body=json.dumps(value).encode(),
                        content_type='application/json', headers=headers)


def _ident(value):
    return value.get('id') if isinstance(value, dict) else value


def main():
    from .ari_control import serve
    parser = argparse.ArgumentParser(prog='tests.sim.ari',
                                     description=__doc__.split('\n')[0])
    parser.add_argument('--ready-file', required=True,
                        help='JSON: host, port, user, password, control')
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--control', help='path of the control socket; '
                        'default: beside the ready file')
    parser.add_argument('--set', action='append', default=[],
                        metavar='NAME=VALUE', help='a setting of AriSim; the '
                        'value is JSON or text')
    serve(parser.parse_args(), AriSim)


if __name__ == '__main__':
    main()
