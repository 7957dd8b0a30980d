# SPDX-License-Identifier: MIT
"""impair_tcp.py – a relay for TCP connections that is as bad as it is told,
from a seed: for the WebSockets of ARI and of OpenAI.

    with TcpRelay("127.0.0.1", upstream_port, seed=7) as relay:
        connect to relay.port
        relay.impair("down", loss=.02, delay_ms=40)
        relay.black_hole()      # takes connections and bytes, answers nothing
        relay.reset()           # RST to all ends

Above TCP nothing is lost, doubled or out of order: what is lost comes again,
and all behind it waits. Order is kept whatever the delays are. Bytes are cut
into pieces as a network does, which trickle.py does worse.
"""

import asyncio
import socket
import sys
import time

from . import base
from .impair import Dice, Network
from .wire import reset

SEGMENT = 1448              # bytes; what one Ethernet frame carries
DIRECTIONS = ("up", "down")     # to the server, and to the client
MOST_WAITING = 256          # segments, then the sender's TCP has to wait


class Link:
    """One relayed connection."""

    def __init__(self, relay, number, client):
        self.relay = relay
        self.dice = {way: Dice(f"{relay.seed}/{number}/{way}",
                               relay.networks[way]) for way in DIRECTIONS}
        self.bytes = dict.fromkeys(DIRECTIONS, 0)
        self.ends = [client]        # StreamWriters
        self.tasks = []

    def cut(self, how):
        for task in self.tasks:
            task.cancel()
        for writer in self.ends:
            how(writer.transport)

    async def run(self, client_reader, server_reader):
        client, server = self.ends
        waiting = {way: asyncio.Queue(MOST_WAITING) for way in DIRECTIONS}
        self.tasks = [asyncio.ensure_future(body) for body in (
            self._read("up", client_reader, waiting["up"]),
            self._write("up", waiting["up"], server),
            self._read("down", server_reader, waiting["down"]),
            self._write("down", waiting["down"], client))]
        try:
            await asyncio.gather(*self.tasks)
        except (ConnectionError, OSError):
            self.cut(lambda transport: transport.abort())
        except asyncio.CancelledError:
            return
        for writer in self.ends:
            writer.close()

    async def _read(self, way, reader, queue):
        while True:
            data = await reader.read(SEGMENT)
            if self.relay.swallows:
                if data:
                    continue
                await asyncio.Event().wait()    # nor does it pass on an end
            await queue.put((self.dice[way].tcp_departure(
                len(data), time.monotonic_ns()), data))
            if not data:
                return

    async def _write(self, way, queue, writer):
        while True:
            due_ns, data = await queue.get()
            await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
            if self.relay.swallows:
                continue
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            self.bytes[way] += len(data)
            await writer.drain()


class TcpRelay(base.Simulator):
    """The relay; commands may be given from any thread."""

    def __init__(self, upstream_host, upstream_port, *, seed=1,
                 host="127.0.0.1", port=0, log_file=None):
        super().__init__(log_file)
        self.upstream = (upstream_host, upstream_port)
        self.seed, self.host, self.port = seed, host, port
        self.networks = {way: Network() for way in DIRECTIONS}
        self.swallows = False       # a black hole
        self.links = []             # every Link, oldest first
        self._running = set()
        self._listener = None

    def ready_info(self):
        return {"host": self.host, "port": self.port}

    async def start(self):
        await self.listen()

    async def listen(self):
        """Accept connections (again), on the port of the first time."""
        self._listener = await asyncio.start_server(
            self._accept, self.host, self.port, reuse_address=True)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self):
        self._listener.close()
        for link in self.links:
            link.cut(lambda transport: transport.abort())
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _accept(self, reader, writer):
        task = asyncio.current_task()
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        link = Link(self, len(self.links), writer)
        self.links.append(link)
        self.log.add("link", number=len(self.links))
        if self.swallows:
            await asyncio.Event().wait()
        try:
            up_reader, up_writer = await asyncio.open_connection(
                *self.upstream)
        except OSError:
            writer.transport.abort()
            return
        link.ends.append(up_writer)
        for end in link.ends:
            end.get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await link.run(reader, up_reader)
        self.log.add("unlink", bytes=link.bytes)

    # Commands

    def _do(self, action):
        try:
            inside = asyncio.get_running_loop() is self.loop
        except RuntimeError:
            inside = False
        if inside:
            action()
        else:
            self.call(action)

    def impair(self, way="both", **what):
        """From now on such a network (see impair.Network), for all
        connections and those to come; what is not named is perfect."""
        unfit = {"burst", "reorder", "duplicate"} & set(what)
        if unfit:
            raise ValueError(f"TCP knows no {', '.join(sorted(unfit))}")
        network = Network(**what)

        def action():
            for each in DIRECTIONS if way == "both" else (way,):
                self.networks[each] = network
                for link in self.links:
                    link.dice[each].network = network
        self._do(action)

    def clear(self):
        """A perfect network for what begins now; what a black hole has
        swallowed does not come back."""
        self.swallows = False
        self.impair()

    def black_hole(self, on=True):
        """Take connections and bytes, and answer nothing."""
        def action():
            self.swallows = on
        self._do(action)

    def reset(self):
        """RST to both ends of every connection."""
        self._do(lambda: [link.cut(reset) for link in self.links])

    def refuse(self):
        """Connections are refused from now on; those that are, stay."""
        self._do(lambda: self._listener.close())


def main():
    parser = base.common_arguments(__doc__.splitlines()[0])
    parser.add_argument("--upstream", required=True, metavar="HOST:PORT")
    parser.add_argument("--seed", type=int, default=1)
    for name in ("loss", "delay-ms", "jitter-ms", "rate-kbps"):
        parser.add_argument(f"--{name}", type=float, default=0.0)
    options = parser.parse_args()
    host, _, port = options.upstream.rpartition(":")
    relay = TcpRelay(host, int(port), seed=options.seed, host=options.host,
                     port=options.port, log_file=options.log)
    relay.networks = dict.fromkeys(DIRECTIONS, Network(
        loss=options.loss, delay_ms=options.delay_ms,
        jitter_ms=options.jitter_ms, rate_kbps=options.rate_kbps))
    return base.run_process(relay, options.ready_file)


if __name__ == "__main__":
    sys.exit(main())
