# SPDX-License-Identifier: MIT
"""The smallest Stasis application: keeps the events socket, notes events.

For the tests of the rig itself; Telefonista has its own client. REST requests
go through AsteriskRig.ari().
"""

import asyncio
import threading
import time

import aiohttp


class AriApp:
    """Connected while the with block lasts. Every event that arrives is in
    .events with the monotonic time of its arrival under "ns"."""

    def __init__(self, rig, app=None):
        self.rig = rig
        self.app = app or rig.app
        self.events = []
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._task = None
        self._failed = None
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        if not self._up.wait(10) or self._failed:
            raise RuntimeError("events socket: %s" % self._failed)
        return self

    def __exit__(self, *_):
        try:
            self._loop.call_soon_threadsafe(self._task.cancel)
        except RuntimeError:
            pass  # Asterisk closed the socket, the loop has ended by itself
        self._thread.join()

    def wait(self, kind, timeout=10, start=0, **fields):
        """The first event of that type, from index start on, whose fields
        (channel="ID" compares the channel's id) are as given."""
        def find():
            for event in self.events[start:]:
                if event["type"] == kind and all(
                        self._field(event, k) == v
                        for k, v in fields.items()):
                    return event
            return None
        with self._changed:
            if not self._changed.wait_for(find, timeout):
                raise TimeoutError("no %s %s; came: %s" % (
                    kind, fields, [e["type"] for e in self.events]))
            return find()

    def seen(self, kind):
        with self._changed:
            return [e for e in self.events if e["type"] == kind]

    @staticmethod
    def _field(event, name):
        value = event.get(name)
        return value.get("id") if isinstance(value, dict) else value

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._listen())
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        except Exception as error:  # reported to the test by __enter__
            self._failed = error
        finally:
            self._up.set()
            self._loop.close()

    async def _listen(self):
        auth = aiohttp.BasicAuth(self.rig.ari_user, self.rig.ari_password)
        url = "ws://%s:%d/ari/events?app=%s" % (
            self.rig.ari_host, self.rig.ari_port, self.app)
        async with aiohttp.ClientSession(auth=auth) as session:
            async with session.ws_connect(url, protocols=("ari",)) as ws:
                self._up.set()
                async for message in ws:
                    event = message.json()
                    event["ns"] = time.monotonic_ns()
                    with self._changed:
                        self.events.append(event)
                        self._changed.notify_all()
