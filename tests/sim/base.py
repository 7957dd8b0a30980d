# SPDX-License-Identifier: MIT
"""What all simulators share: start and stop in three ways, an event log.

A simulator is asyncio code.  `async with sim` runs it in the caller's loop;
`with sim` (or start_in_thread) gives it a loop in a thread of its own; `main`
runs it as a process that writes a ready file.  All three use the same start()
and stop().
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
SPECS = REPO.parent / "shared" / "specs"


class EventLog:
    """Events with monotonic timestamps, in memory and as JSON lines.

    `t` is CLOCK_MONOTONIC in seconds, which every process of the machine
    shares: lines of several logs can be merged by it.
    """

    KEEP = 200_000

    def __init__(self, path=None):
        self.entries = []
        self.changed = threading.Condition()
        self._file = open(path, "a", buffering=1) if path else None

    def add(self, event, **fields):
        entry = {"t": round(time.monotonic(), 6), "event": event, **fields}
        if self._file:
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        with self.changed:
            if len(self.entries) < self.KEEP:
                self.entries.append(entry)
            self.changed.notify_all()

    def close(self):
        if self._file:
            self._file.close()
            self._file = None


class Simulator:
    """Base class: subclasses write start(), stop() and ready_info()."""

    def __init__(self, log_file=None):
        self.log = EventLog(log_file)
        self.violations = []
        self.loop = None
        self._thread = None
        self._temporary = None

    async def start(self):
        raise NotImplementedError

    async def stop(self):
        raise NotImplementedError

    def ready_info(self):
        """What a client needs to know, for the ready file."""
        raise NotImplementedError

    def violation(self, what, **fields):
        """The client broke the protocol: remembered, and logged."""
        entry = {"what": what, **fields}
        self.violations.append(entry)
        self.log.add("violation", **entry)

    def directory(self):
        """A private directory that disappears with the simulator."""
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="tsim-")
        return Path(self._temporary.name)

    async def __aenter__(self):
        self.loop = asyncio.get_running_loop()
        await self.start()
        return self

    async def __aexit__(self, *exc):
        await self._finish()

    async def _finish(self):
        try:
            await self.stop()
        finally:
            self.log.close()
            if self._temporary:
                self._temporary.cleanup()
                self._temporary = None

    # A thread of its own

    def start_in_thread(self):
        """Run in a new thread; returns when the simulator listens."""
        outcome = {}
        up = threading.Event()
        self._thread = threading.Thread(
            target=self._thread_main, args=(up, outcome), daemon=True,
            name=type(self).__name__)
        self._thread.start()
        up.wait()
        if "error" in outcome:
            self._thread.join()
            self._thread = None
            raise outcome["error"]
        return self

    def _thread_main(self, up, outcome):
        async def body():
            self.loop = asyncio.get_running_loop()
            self._leave = asyncio.Event()
            try:
                await self.start()
            except BaseException as error:
                outcome["error"] = error
                return
            finally:
                up.set()
            await self._leave.wait()
            try:
                await self._finish()
            except BaseException as error:
                outcome["error"] = error
        self._outcome = outcome
        asyncio.run(body())

    def stop_thread(self):
        """Stop and join; raises what went wrong in the simulator itself."""
        if self._thread is None:
            return
        self.loop.call_soon_threadsafe(self._leave.set)
        self._thread.join()
        self._thread = None
        if "error" in self._outcome:
            raise self._outcome["error"]

    def __enter__(self):
        return self.start_in_thread()

    def __exit__(self, *exc):
        self.stop_thread()

    def call(self, function, *args, timeout=10, **kwargs):
        """Run function (plain or async) in the simulator's loop; its result."""
        async def wrapped():
            result = function(*args, **kwargs)
            if asyncio.iscoroutine(result):
                result = await result
            return result
        future = asyncio.run_coroutine_threadsafe(wrapped(), self.loop)
        return future.result(timeout)

    def wait_for(self, predicate, timeout=10.0, what="condition"):
        """Block until predicate() is true; its value.  Re-tried at each event.

        For synchronous tests; the simulator runs in another thread.
        """
        end = time.monotonic() + timeout
        while True:
            value = predicate()
            if value:
                return value
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{what} not reached in {timeout} s")
            with self.log.changed:
                self.log.changed.wait(min(left, 0.05))

    async def wait_until(self, predicate, timeout=10.0, what="condition"):
        """wait_for() for tests that live in the simulator's own loop."""
        end = time.monotonic() + timeout
        while True:
            value = predicate()
            if value:
                return value
            if time.monotonic() >= end:
                raise TimeoutError(f"{what} not reached in {timeout} s")
            await asyncio.sleep(0.01)


def write_ready_file(path, info):
    """Write info as JSON, so that the file appears complete or not at all."""
    partial = f"{path}.{os.getpid()}"
    with open(partial, "w") as out:
        json.dump(info, out)
        out.write("\n")
    os.replace(partial, path)


def common_arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0,
                        help="0: the kernel chooses")
    parser.add_argument("--ready-file", help="JSON written once it listens")
    parser.add_argument("--log", help="event log, JSON lines")
    return parser


def run_process(simulator, ready_file=None):
    """Run until SIGTERM or SIGINT.  Exit status 1 if there were violations."""
    async def body():
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, done.set)
        async with simulator:
            info = {**simulator.ready_info(), "pid": os.getpid()}
            if ready_file:
                write_ready_file(ready_file, info)
            else:
                print(json.dumps(info), flush=True)
            await done.wait()
    asyncio.run(body())
    for violation in simulator.violations:
        print("violation:", json.dumps(violation, ensure_ascii=False),
              file=sys.stderr)
    return 1 if simulator.violations else 0
