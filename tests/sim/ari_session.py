# SPDX-License-Identifier: MIT
"""ari_session.py – one events WebSocket, and everything odd it can do.

Frames are written by hand on the transport: that is how malformed, split and
oversized ones can be sent at all. Everything here runs on the loop.
"""
import asyncio
import json
import socket
import struct
import time

from aiohttp import WSMsgType, web

from . import ari_rest
from .ari_model import ASTERISK_ID, now_text

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


def frame(opcode, payload, fin=True):
    """A server's frame: never masked."""
    head = bytes([opcode | (0x80 if fin else 0)])
    size = len(payload)
    if size < 126:
        head += bytes([size])
    elif size < 65536:
        head += struct.pack('!BH', 126, size)
    else:
        head += struct.pack('!BQ', 127, size)
    return head + payload


class Session:
    def __init__(self, sim, request, apps):
        self.sim, self.request, self.apps = sim, request, apps
        self.transport = request.transport
        self.ws = web.WebSocketResponse(protocols=('ari',), autoping=False,
                                        max_msg_size=1 << 20)
        self.open = True
        self.frozen = False
        self.pings = {}             # payload -> sent_ns
        self.sent = self.lost = 0

    async def run(self, subscribe_all, read_only):
        """Serve until it closes."""
        await self.ws.prepare(self.request)
        model = self.sim.model
        for app in self.apps:
            model.connect_app(app, self, subscribe_all)
        self.sim.sessions.append(self)
        pinger = self.sim.loop.create_task(self._ping_regularly())
        try:
            async for message in self.ws:
                self._received(message, read_only)
        finally:
            self.open = False
            pinger.cancel()
            self.sim.sessions.remove(self)
            self.sim.model.disconnect(self)
        return self.ws

    def _received(self, message, read_only):
        if message.type == WSMsgType.PING:
            self.write(0xA, message.data)
        elif message.type == WSMsgType.PONG:
            sent_ns = self.pings.pop(bytes(message.data), None)
            if sent_ns:
                self.sim.pong_ms.append((time.monotonic_ns() - sent_ns) / 1e6)
                self.sim.changed()
        elif message.type == WSMsgType.TEXT:
            self._rest_request(message.data, read_only)
        else:
            self.sim.violation('ws-frame', '', str(message.type))

    def _rest_request(self, text, read_only):
        """REST over the WebSocket."""
        try:
            asked = json.loads(text)
            method, uri = asked['method'].upper(), asked['uri']
            names = [(q['name'], q['value'])
                     for q in asked.get('query_strings') or ()]
        except (ValueError, KeyError, TypeError, AttributeError):
            asked, status, value = {}, 400, {'message': 'Bad request'}
            self.sim.violation('ws-request', '', text[:200])
        else:
            path, _, rest = uri.partition('?')
            names += [tuple(p.partition('=')[::2]) for p in rest.split('&')
                      if p]
            query = {}
            for name, one in names:
                query.setdefault(name, []).append(one)
            if read_only and method != 'GET':
                status, value = 403, {'message': 'Write access denied'}
            else:
                status, value = ari_rest.dispatch(
                    self.sim, method, '/' + path, query,
                    asked.get('content_type', ''),
                    (asked.get('message_body') or '').encode())
        answer = {'type': 'RESTResponse', 'status_code': status,
                  'transaction_id': asked.get('transaction_id', ''),
                  'request_id': asked.get('request_id', ''),
                  'reason_phrase': web.Response(status=status).reason,
                  'uri': asked.get('uri', ''), 'timestamp': now_text(),
                  'application': self.apps[0], 'asterisk_id': ASTERISK_ID}
        if value is not None:
            answer.update(content_type='application/json',
                          message_body=json.dumps(value))
        self.sim.judge_event(answer)
        self.send_text(json.dumps(answer))

    # sending

    def write(self, opcode, payload, fin=True):
        if not self.open or self.frozen or self.transport.is_closing():
            self.lost += 1
            return False
        self.transport.write(frame(opcode, payload, fin))
        self.sent += 1
        return True

    def send_text(self, text):
        return self.write(TEXT, text.encode())

    def send_fragments(self, text, pieces, with_ping=False):
        """One message in pieces, a ping between them if asked."""
        data = text.encode()
        step = max(-(-len(data) // pieces), 1)
        parts = [data[i:i + step] for i in range(0, len(data), step)]
        for i, part in enumerate(parts):
            self.write(TEXT if i == 0 else 0, part, i == len(parts) - 1)
            if with_ping and i < len(parts) - 1:
                self.ping()

    def ping(self):
        payload = struct.pack('!Q', time.monotonic_ns())
        if self.write(PING, payload):
            self.pings[payload] = time.monotonic_ns()

    async def _ping_regularly(self):
        while True:
            await asyncio.sleep(self.sim.ping_interval_s or 0.25)
            if self.sim.ping_interval_s:
                self.ping()

    # endings

    def freeze(self, on=True):
        """Half open: neither reads nor writes, but the socket stays."""
        self.frozen = on
        (self.transport.pause_reading if on
         else self.transport.resume_reading)()

    def drop(self, how='fin', code=1001):
        """'close': a close frame; 'fin': end of stream; 'rst': reset."""
        self.frozen = False
        if how == 'close':
            self.write(CLOSE, struct.pack('!H', code))
        if how == 'rst':
            sock = self.transport.get_extra_info('socket')
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack('ii', 1, 0))
            self.transport.abort()
        else:
            self.transport.close()
