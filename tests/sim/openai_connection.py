# SPDX-License-Identifier: MIT
"""The transport of a simulated Realtime session: a WebSocket that can sin.

Delay, pings that are measured, close codes, and frames that no library would
write.  What the events mean is openai_session's business.
"""

import asyncio
import contextlib
import collections
import json
import struct
import time

from aiohttp import WSCloseCode, WSMsgType

from . import openai_faults
from .wire import reset, until_gone

CLOSE_SECONDS = 5       # a client that does not answer our close is cut off


def frame(opcode, payload, final):
    """One unmasked WebSocket frame (RFC 6455 section 5.2)."""
    head = bytes([(0x80 if final else 0) | opcode])
    if len(payload) < 126:
        head += bytes([len(payload)])
    elif len(payload) < 65536:
        head += b"\x7e" + struct.pack("!H", len(payload))
    else:
        head += b"\x7f" + struct.pack("!Q", len(payload))
    return head + payload


class Connection:
    """The transport of one session: delay, pings, and violence on demand.

    Messages of both directions wait one_way_ms, order kept.  Pings and pongs
    do not wait, so that `pongs` is the client's own delay.
    """

    def __init__(self, sim, socket_, transport):
        self.sim = sim
        self.pongs = []                 # milliseconds
        self.pings_in = 0               # pings the client sent
        self.close_code = None          # the client's, or ours
        self.ping_interval = sim.settings.ping_interval
        self.session = None
        self._socket = socket_          # aiohttp's WebSocketResponse
        self._transport = transport
        self._tasks = set()
        self._outbound = asyncio.Queue()
        self._inbound = asyncio.Queue()
        self._pings = collections.OrderedDict()     # payload -> sent at
        self._ping_number = 0
        self._frozen = False            # half open
        self._closing = False           # we sent a close frame

    # Sending

    def _later(self, action, *args):
        due = time.monotonic() + self.sim.settings.one_way_ms / 1000
        self._outbound.put_nowait((due, action, args))

    def send_event(self, event):
        self.sim.log_event("send", self.session, event)
        self._later(self._send_text, json.dumps(event, ensure_ascii=False))

    def send_text(self, text):
        self._later(self._send_text, text)

    def send_close(self, code, reason=""):
        self._later(self._close, code, reason)

    def send_frames(self, frames):
        """Frames as (opcode, payload, final), just as given."""
        self.send_raw(b"".join(frame(*parts) for parts in frames))

    def send_raw(self, data):
        self._later(self._send_raw, data)

    async def _send_text(self, text):
        await self._socket.send_str(text)

    async def _send_raw(self, data):
        self._transport.write(data)

    async def _close(self, code, reason=""):
        """Our close frame; then only the client's is waited for."""
        if self._closing:
            return
        self.sim.log.add("close", session=self.session.id, code=code,
                         reason=reason)
        self._closing = True
        self.close_code = code
        self._transport.write(frame(
            8, struct.pack("!H", code) + reason.encode(), True))
        self.spawn(self._close_deadline())

    async def _close_deadline(self):
        await asyncio.sleep(CLOSE_SECONDS)
        self.drop()

    # Violence

    def reset(self):
        reset(self._transport)

    def drop(self):
        self._transport.abort()

    def freeze(self):
        """Half open: nothing is read or written any more."""
        self._frozen = True
        self._transport.pause_reading()

    # Pings

    def ping(self, payload=None):
        self._ping_number += 1
        payload = payload or f"sim-{self._ping_number}".encode()
        self.spawn(self._ping(payload))

    async def _ping(self, payload):
        if not self._frozen and not self._closing:
            self._pings[payload] = time.monotonic()
            await self._socket.ping(payload)

    def _ponged(self, payload):
        sent = self._pings.pop(bytes(payload), None)
        if sent is not None:
            delay = (time.monotonic() - sent) * 1000
            self.pongs.append(delay)
            self.sim.log.add("pong", session=self.session.id,
                             ms=round(delay, 3))

    async def _keepalive(self):
        """Ping regularly; 1011 when the client does not answer in time."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.05)
            now = time.monotonic()
            interval = self.ping_interval
            if interval and now - last >= interval:
                last = now
                self.ping()
            oldest = next(iter(self._pings.values()), now)
            if now - oldest > self.sim.settings.ping_timeout:
                await self._close(WSCloseCode.INTERNAL_ERROR,
                                  "keepalive ping timeout")
                return

    # Running

    def spawn(self, coroutine):
        """A task that ends with the connection; its errors are kept."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._reap)
        return task

    def _reap(self, task):
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            error = task.exception()
            if not isinstance(error, ConnectionError):
                self.sim.broke(error)
                self.drop()

    def expire_in(self, seconds):
        async def body():
            await asyncio.sleep(seconds)
            openai_faults.expire(self.session)
        self.spawn(body())

    async def run(self):
        """Until the socket is closed by either side."""
        self.spawn(self._writer())
        self.spawn(self._handler())
        self.spawn(self._keepalive())
        self.expire_in(self.sim.settings.session_seconds)
        try:
            await self._reader()
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._transport.close()

    async def _reader(self):
        while True:
            message = await self._socket.receive()
            delay = self.sim.settings.one_way_ms / 1000
            if self._frozen:
                await until_gone(self._transport)
                return
            if message.type == WSMsgType.PING:
                self.pings_in += 1
                with contextlib.suppress(ConnectionResetError):  # it leaves
                    await self._socket.pong(message.data)
            elif message.type == WSMsgType.PONG:
                self._ponged(message.data)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._inbound.put_nowait((time.monotonic() + delay, message))
            else:
                await self._ended(message)
                return

    async def _ended(self, message):
        """The client closed, or broke the framing."""
        if message.type == WSMsgType.CLOSE:
            if not self._closing:
                self.close_code = message.data
                self._transport.write(frame(
                    8, struct.pack("!H", message.data or 1000), True))
        elif message.type == WSMsgType.ERROR:
            self.sim.violation("broken WebSocket frame",
                               error=str(message.data))

    async def _handler(self):
        while True:
            due, message = await self._inbound.get()
            await asyncio.sleep(max(0, due - time.monotonic()))
            if message.type == WSMsgType.BINARY:
                self.session.malformed("binary message")
                continue
            try:
                event = json.loads(message.data)
            except ValueError as error:
                self.session.malformed(f"not JSON: {error}")
                continue
            self.sim.log_event("recv", self.session, event)
            self.session.handle(event)

    async def _writer(self):
        while True:
            due, action, args = await self._outbound.get()
            await asyncio.sleep(max(0, due - time.monotonic()))
            if not self._frozen and not self._closing:
                await action(*args)
