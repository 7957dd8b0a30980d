# SPDX-License-Identifier: MIT
"""One connection to the simulated router's binary API: login of new and old
versions, commands by tag at the same time, /cancel, and faults."""

import asyncio
import contextlib
import secrets

from . import routeros_wire as wire
from .routeros_model import Trap
from .wire import reset

LOGIN_FAILED = "invalid user name or password (6)"


class BinaryConnection:
    """Reads sentences until the other side or a fault ends it."""

    def __init__(self, sim, reader, writer):
        self.sim = sim
        self.reader = reader
        self.writer = writer
        self.user = None
        self.challenge = None
        self.tasks = {}         # tag: task
        self.fault = {}         # of the command that is answered

    async def serve(self):
        try:
            while True:
                words = await wire.read_sentence(self.reader)
                if words:
                    await self._sentence(words)
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            pass
        except ValueError as error:
            self.sim.violation("not the binary API", why=str(error))
        finally:
            for task in self.tasks.values():
                task.cancel()
            await asyncio.gather(*self.tasks.values(), return_exceptions=True)
            self.writer.close()

    async def _sentence(self, words):
        values, queries, tag = wire.attributes(words[1:])
        shown = {k: "***" if k in ("password", "response") else v
                 for k, v in values.items()}
        self.sim.saw("binary", words[0], shown, queries)
        if words[0] == "/login":
            await self._login(values)
        elif self.user is None:
            await self.send(["!fatal", "not logged in"])
            self.writer.close()
        elif words[0] == "/cancel":
            await self._cancel(values.get("tag"), tag)
        elif words[0] == "/quit":
            await self.send(["!fatal", "session terminated on request"])
            self.writer.close()
        else:
            self.tasks[tag] = asyncio.ensure_future(
                self._command(words[0], values, queries, tag))

    async def send(self, words, tag=None):
        if tag is not None:
            words = [words[0], f".tag={tag}", *words[1:]]
        data = wire.encode(words)
        if self.fault.get("kind") == "slow_loris":
            for byte in data:
                self.writer.write(bytes([byte]))
                await asyncio.sleep(self.fault.get("seconds", 0.05))
        else:
            self.writer.write(data)
            await self.writer.drain()

    # Login

    async def _login(self, values):
        name = values.get("name", "")
        password, policies = self.sim.router.users.get(name, (None, set()))
        good = password is not None and "api" in policies
        if self.sim.old_login and "response" not in values:
            self.challenge = secrets.token_hex(16)
            await self.send(["!done", f"=ret={self.challenge}"])
            return
        if "response" in values:
            good = good and self.challenge is not None and values[
                "response"] == wire.challenge_response(
                    self.challenge, password)
            self.challenge = None
        else:
            good = good and values.get("password") == password
        if not good:
            self.sim.refused_logins += 1
            await self.send(["!trap", f"=message={LOGIN_FAILED}"])
            await self.send(["!done"])
            return
        self.user = name
        await self.send(["!done"])

    # Commands

    async def _cancel(self, target, tag):
        task = self.tasks.get(target)
        if task is not None and not task.done():
            task.cancel()
            self.sim.cancelled += 1
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.send(["!trap", "=category=2", "=message=interrupted"],
                            target)
            await self.send(["!done"], target)
        await self.send(["!done"], tag)

    async def _command(self, command, values, queries, tag):
        menu, _, verb = command.rpartition("/")
        with self.sim.working("binary", command):
            self.fault = self.sim.take_fault()
            try:
                await self.sim.pause(self.fault)
                if self.fault and await self._misbehave(tag):
                    return
                await self._answer(menu, verb, values, queries, tag)
            except Trap as trap:
                category = [] if trap.category is None else [
                    f"=category={trap.category}"]
                await self.send(["!trap", *category,
                                 f"=message={trap.message}"], tag)
                await self.send(["!done"], tag)
            except (ConnectionError, OSError):
                pass
            finally:
                self.fault = {}

    async def _answer(self, menu, verb, values, queries, tag):
        count = 0
        end = ["!done"]
        async for record in self.sim.router.run(
                self.user, menu, verb, values, queries):
            if set(record) == {"ret"}:
                end.append(f"=ret={record['ret']}")
                count += 1
                continue
            words = [f"={k}=".encode() + self.sim.encoded(v)
                     for k, v in record.items()]
            await self.send(["!re", *words], tag)
            count += 1
            if self.fault.get("kind") == "cut" and count == 1:
                self.writer.write(b"\x03!re\x40=na")    # and the end
                self.writer.close()
                raise ConnectionError
        if count == 0 and verb == "print" and self.sim.says_empty:
            await self.send(["!empty"], tag)
        await self.send(end, tag)

    async def _misbehave(self, tag):
        """True when that was all there is to the answer."""
        kind = self.fault["kind"]
        transport = self.writer.transport
        if kind == "reset":
            reset(transport)
        elif kind == "drop":
            self.writer.close()
        elif kind == "fatal":
            await self.send(["!fatal", self.fault.get(
                "message", "session terminated")])
            self.writer.close()
        elif kind == "trap":
            raise Trap(self.fault.get("message", "failure"),
                       self.fault.get("category", 4))
        elif kind == "garbage":
            self.writer.write(self.fault.get(
                "bytes", b"HTTP/1.1 400 Bad Request\r\n\r\n"))
        elif kind == "control_byte":
            self.writer.write(b"\xff\x01\x02")
        elif kind == "hostile_length":
            self.writer.write(b"\xf0\xff\xff\xff\xff!re")
        elif kind == "many_words":
            self.writer.write(b"\x02=a" * 100_000)
        elif kind == "huge":
            word = b"=a=" + b"x" * 60_000
            for _ in range(100):
                self.writer.write(wire.encode(["!re", f".tag={tag}", word]))
                await self.writer.drain()
        elif kind == "endless":
            while not transport.is_closing() and not self.reader.at_eof():
                self.writer.write(wire.encode(
                    ["!re", f".tag={tag}", "=name=a"]) * 100)
                await self.writer.drain()
                await asyncio.sleep(0.001)
        elif kind == "foreign_tag":
            await self.send(["!re", "=name=trap"], "999")
            await self.send(["!done"], "999")
            return False
        else:
            return kind not in ("slow_loris", "cut")
        return True
