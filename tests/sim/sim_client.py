# SPDX-License-Identifier: MIT
"""A Realtime client for the simulator's own tests.

It uses the `websockets` library, so that the simulator (aiohttp) is judged by
an implementation that shares no code with it.
"""

import asyncio
import base64
import functools
import inspect
import json

import websockets

FAST = {"one_way_ms": 1, "first_audio_ms": 20, "speedup": 200,
        "transcription_ms": 5, "voice": "tone", "ping_interval": None}
MODEL = "gpt-realtime-2.1"


def asynchronous(function):
    """Let pytest run an async test in a loop of its own, 30 s at most."""
    @functools.wraps(function)
    def run(*args, **kwargs):
        asyncio.run(asyncio.wait_for(function(*args, **kwargs), 30))
    return run


def connect(url, headers, **options):
    """websockets.connect, whose parameter for headers was renamed."""
    names = inspect.signature(websockets.connect).parameters
    name = "additional_headers" if "additional_headers" in names else \
        "extra_headers"
    return websockets.connect(url, **{name: headers}, **options)


class Client:
    """Sends events, and gives received ones in order."""

    def __init__(self, sim, model=MODEL, key=None, headers=None, url=None,
                 **options):
        headers = {"Authorization": f"Bearer {key or sim.api_key}",
                   **(headers or {})}
        if sim.tls:
            options.setdefault("ssl", sim.authority.client_context())
        options.setdefault("max_size", None)
        self.events = []            # everything received
        self._connecting = connect(f"{url or sim.url}?model={model}", headers,
                                   **options)

    async def __aenter__(self):
        self.socket = await self._connecting.__aenter__()
        return self

    async def __aexit__(self, *exc):
        await self._connecting.__aexit__(*exc)

    async def send(self, kind, **fields):
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def next(self, timeout=5):
        event = json.loads(await asyncio.wait_for(self.socket.recv(), timeout))
        self.events.append(event)
        return event

    async def expect(self, *kinds, timeout=5):
        """The next event of one of these types; others are passed over."""
        while True:
            event = await self.next(timeout)
            if event["type"] in kinds:
                return event
            if event["type"] == "error" and "error" not in kinds:
                raise AssertionError(f"unexpected {event['error']}")

    async def closed(self, timeout=5):
        """(code, reason) after the server closed; what comes before is kept."""
        try:
            while True:
                await self.next(timeout)
        except websockets.ConnectionClosed:
            return self.socket.close_code, self.socket.close_reason

    async def configure(self, audio_format="audio/pcmu", vad=None, **fields):
        """session.update for telephony; waits for session.updated."""
        vad = {"type": "server_vad", **(vad or {})} if vad is not False \
            else None
        await self.send("session.update", session={
            "type": "realtime", "audio": {
                "input": {"format": {"type": audio_format},
                          "turn_detection": vad,
                          "transcription": {"model": "gpt-transcribe"}},
                "output": {"format": {"type": audio_format}}}, **fields})
        return await self.expect("session.updated")

    async def append(self, data, size=160):
        """Audio in 20 ms messages, as fast as they go."""
        for start in range(0, len(data), size):
            await self.send("input_audio_buffer.append", audio=base64.b64encode(
                data[start:start + size]).decode())

    def audio(self, response_id=None):
        """All the output audio received (of one response)."""
        return b"".join(
            base64.b64decode(e["delta"]) for e in self.events
            if e["type"] == "response.output_audio.delta" and
            response_id in (None, e["response_id"]))

    def kinds(self):
        """The types received, repeated ones once."""
        result = []
        for event in self.events:
            if not result or result[-1] != event["type"]:
                result.append(event["type"])
        return result
