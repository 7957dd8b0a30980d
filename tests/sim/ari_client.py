# SPDX-License-Identifier: MIT
"""ari_client.py – a plain ARI client for the simulator's own tests.

Shares no code with the simulator: http.client for REST, the websockets library
for events, an echoing UDP socket for RTP.
"""
import asyncio
import base64
import http.client
import json
import socket
import struct
import threading
import time
import urllib.parse

import websockets

from .sim_client import connect


class Events:
    """An events WebSocket in a thread: collects what comes."""

    def __init__(self, port, query, user, password, subprotocols=('ari',)):
        self.messages, self.closed, self.error = [], None, None
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._socket = self._loop = None
        code = base64.b64encode(f'{user}:{password}'.encode()).decode()
        arguments = (f'ws://127.0.0.1:{port}/ari/events?{query}',
                     {'Authorization': f'Basic {code}'}, subprotocols)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(*arguments)), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        if self.error:
            raise self.error

    async def _run(self, uri, headers, subprotocols):
        self._loop = asyncio.get_running_loop()
        try:
            self._socket = await connect(
                uri, headers, subprotocols=subprotocols, max_size=None,
                ping_interval=None, close_timeout=.5)
        except Exception as error:
            self.error = error
            self._ready.set()
            return
        self._ready.set()
        try:
            async for message in self._socket:
                self._add(message)
        except websockets.ConnectionClosed:
            pass
        self.closed = (self._socket.close_code, self._socket.close_reason)
        self._add(None)

    def _add(self, message):
        with self._changed:
            if message is not None:
                try:
                    message = json.loads(message)
                except ValueError:
                    pass
                self.messages.append(message)
            self._changed.notify_all()

    def kinds(self):
        """Types of the events, but for the flood of variables."""
        return [m['type'] for m in self.messages if isinstance(m, dict)
                and m['type'] != 'ChannelVarset']

    def variables(self, ident):
        return [m['variable'] for m in self.messages if isinstance(m, dict)
                and m['type'] == 'ChannelVarset' and m['channel']['id'] == ident]

    def wait_until(self, predicate, timeout=10):
        with self._changed:
            assert self._changed.wait_for(lambda: predicate(self), timeout), \
                self.messages
        return self

    def wait(self, kind, timeout=10, **idents):
        """The first event of a kind whose fields (or their ids) match."""
        def find(_):
            for m in list(self.messages):
                if isinstance(m, dict) and m['type'] == kind and all(
                        (m[k]['id'] if isinstance(m[k], dict) else m[k]) == v
                        for k, v in idents.items()):
                    return m
        self.wait_until(find, timeout)
        return find(self)

    def send(self, text):
        asyncio.run_coroutine_threadsafe(self._socket.send(text),
                                         self._loop).result(5)

    def close(self):
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._socket.close(), self._loop)
            self._thread.join(5)


class Client:
    def __init__(self, sim, connect=True, app='openai-app', query=''):
        self.sim, self.app = sim, app
        self.user, self.password = sim.user, sim.password
        self.connection = http.client.HTTPConnection('127.0.0.1', sim.port,
                                                     timeout=10)
        self.agent = Agent()
        self.all_events = []
        self.events = self.connect(query) if connect else None

    def connect(self, query=''):
        events = Events(self.sim.port, f'app={self.app}{query}', self.user,
                        self.password)
        self.all_events.append(events)
        return events

    def rest(self, method, path, body=None, auth=True, **query):
        """(status, parsed body)."""
        if query:
            path += '?' + urllib.parse.urlencode(query)
        headers = {}
        if auth:
            code = f'{self.user}:{self.password}'.encode()
            headers['Authorization'] = 'Basic ' + base64.b64encode(
                code).decode()
        if body is not None:
            headers['Content-Type'] = 'application/json'
            body = body if isinstance(body, bytes) else json.dumps(body)
        try:
            self.connection.request(method, '/ari' + path, body, headers)
            response = self.connection.getresponse()
            data = response.read()
        except (http.client.HTTPException, OSError):
            self.connection.close()
            raise
        self.headers = response.headers
        return response.status, json.loads(data) if data else None

    def media(self, ident='M', fmt='ulaw', **more):
        status, channel = self.rest(
            'POST', '/channels/externalMedia', app=self.app, format=fmt,
            external_host=self.agent.address, channelId=ident, **more)
        assert status == 200, channel
        self.agent.peer = (channel['channelvars']['UNICASTRTP_LOCAL_ADDRESS'],
                           int(channel['channelvars'][
                               'UNICASTRTP_LOCAL_PORT']))
        return channel

    def take_call(self, phone, fmt='ulaw', media='M', bridge='B'):
        """All that brings a waiting caller to the agent; the caller's id."""
        self.events.wait('StasisStart', channel=phone.channel.id)
        assert self.rest('POST', '/bridges', type='mixing',
                         bridgeId=bridge)[0] == 200
        self.media(media, fmt)
        self.events.wait('StasisStart', channel=media)
        assert self.rest('POST', f'/channels/{phone.channel.id}/answer'
                         )[0] == 204
        assert self.rest('POST', f'/bridges/{bridge}/addChannel',
                         channel=f'{phone.channel.id},{media}')[0] == 204
        phone.wait_for('up')
        return phone.channel.id

    def clean_up(self, media='M', bridge='B'):
        assert self.rest('DELETE', f'/channels/{media}')[0] == 204
        assert self.rest('DELETE', f'/bridges/{bridge}')[0] == 204

    def close(self):
        for events in self.all_events:
            events.close()
        self.connection.close()
        self.agent.close()


class Agent(threading.Thread):
    """The agent's RTP socket. Keeps what comes; echoes it if asked."""

    def __init__(self, echo=False):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        self.socket.settimeout(.2)
        self.address = '127.0.0.1:%d' % self.socket.getsockname()[1]
        self.peer, self.echo = None, echo
        self.datagrams = []
        self.open = True
        self.start()

    def run(self):
        while self.open:
            try:
                data, source = self.socket.recvfrom(4096)
            except TimeoutError:
                continue
            self.datagrams.append((data, source))
            if self.echo:
                self.socket.sendto(data, source)

    def send(self, frames, pt=0, seq=1, ts=0, ssrc=7):
        """Frames of G.711, 20 ms apart on absolute deadlines."""
        start = time.monotonic()
        for i, frame in enumerate(frames):
            time.sleep(max(start + i * .02 - time.monotonic(), 0))
            self.socket.sendto(struct.pack(
                '!BBHII', 0x80, pt | (0 if i else 0x80), (seq + i) & 0xffff,
                ts & 0xffffffff, ssrc) + frame, self.peer)
            ts += len(frame)

    def payload(self):
        return b''.join(data[12:] for data, _ in list(self.datagrams))

    def close(self):
        self.open = False
        self.join()
        self.socket.close()
