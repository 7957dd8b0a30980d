# SPDX-License-Identifier: MIT
"""A TCP proxy that cuts both directions into random pieces of 1-60 bytes.

Finds clients that expect a message per read.  The pieces come from a seed, so
a failure can be repeated.  On command it also stalls, swallows, resets, or
leaves connections half open.

    with Trickle("127.0.0.1", upstream_port, seed=7) as proxy:
        connect to proxy.port
        proxy.stall(); proxy.resume()

As a process: python3 -m tests.sim.trickle --upstream HOST:PORT --ready-file F
"""

import asyncio
import random
import socket
import sys

from . import base
from .wire import reset

READ_SIZE = 65536


class Link:
    """One proxied connection."""

    def __init__(self, proxy, client, server):
        self.proxy = proxy
        self.ends = (client, server)        # StreamWriters
        self.bytes = [0, 0]                 # client to server, and back
        self.tasks = []

    def reset(self):
        """RST to both ends."""
        for writer in self.ends:
            reset(writer.transport)

    def close(self):
        for writer in self.ends:
            writer.close()

    async def forward(self, direction, reader, writer, generator):
        """Copy one direction in pieces until its end, then pass the FIN on."""
        try:
            while True:
                await self.proxy.open[direction].wait()
                data = await reader.read(READ_SIZE)
                if not data:
                    break
                await self.proxy.open[direction].wait()
                if not self.proxy.swallow:
                    await self._pieces(direction, writer, data, generator)
            writer.write_eof()
        except (ConnectionError, OSError):
            self.close()

    async def _pieces(self, direction, writer, data, generator):
        proxy = self.proxy
        place = 0
        while place < len(data):
            await proxy.open[direction].wait()
            size = generator.randint(*proxy.sizes) if proxy.cut else len(data)
            writer.write(data[place:place + size])
            place += size
            await writer.drain()
            await asyncio.sleep(proxy.pause_ms / 1000)
        self.bytes[direction] += len(data)


class Trickle(base.Simulator):
    """The proxy.  cut, sizes, pause_ms may change while it runs."""

    TO_SERVER, TO_CLIENT = 0, 1

    def __init__(self, upstream_host, upstream_port, *, seed=1, sizes=(1, 60),
                 pause_ms=0.0, cut=True, receive_buffer=None,
                 host="127.0.0.1", port=0, log_file=None):
        super().__init__(log_file)
        self.upstream = (upstream_host, upstream_port)
        self.seed = seed
        self.sizes = sizes
        self.pause_ms = pause_ms
        self.cut = cut
        self.receive_buffer = receive_buffer    # bytes; None: the kernel's
        self.host = host
        self.port = port
        self.links = []                 # every Link, oldest first
        self.swallow = False
        self.open = None                # an asyncio.Event per direction
        self._listener = None

    def ready_info(self):
        return {"host": self.host, "port": self.port}

    async def start(self):
        self.open = (asyncio.Event(), asyncio.Event())
        for event in self.open:
            event.set()
        await self.listen()

    async def listen(self):
        """Accept connections (again), on the port of the first time."""
        self._listener = await asyncio.start_server(
            self._accept, self.host, self.port, reuse_address=True,
            limit=self.receive_buffer or READ_SIZE)
        if self.receive_buffer:     # inherited by what is accepted
            self._listener.sockets[0].setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self):
        self._listener.close()
        tasks = [task for link in self.links for task in link.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for link in self.links:
            link.close()

    async def _accept(self, reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_connection(*self.upstream)
        except OSError:
            writer.transport.abort()
            return
        for end in (writer, up_writer):
            end.get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(self, writer, up_writer)
        self.links.append(link)
        self.log.add("link", number=len(self.links))
        number = len(self.links)
        ways = ((self.TO_SERVER, reader, up_writer),
                (self.TO_CLIENT, up_reader, writer))
        link.tasks = [asyncio.ensure_future(link.forward(
            *way, random.Random(f"{self.seed}/{number}/{way[0]}")))
            for way in ways]
        try:
            await asyncio.gather(*link.tasks)
        except asyncio.CancelledError:
            return                  # half open, or the proxy stops
        link.close()
        self.log.add("unlink", number=number)

    # Commands, from any thread

    def _do(self, action):
        try:
            inside = asyncio.get_running_loop() is self.loop
        except RuntimeError:
            inside = False
        if inside:
            action()
        else:
            self.call(action)

    def stall(self, to_server=True, to_client=True):
        """Stop forwarding; TCP's windows fill and the ends notice nothing."""
        def action():
            for event, wanted in zip(self.open, (to_server, to_client)):
                if wanted:
                    event.clear()
        self._do(action)

    def resume(self):
        def action():
            self.swallow = False
            for event in self.open:
                event.set()
        self._do(action)

    def black_hole(self):
        """Swallow what comes, in both directions."""
        self.swallow = True

    def reset(self):
        """RST every connection."""
        def action():
            for link in self.links:
                link.reset()
        self._do(action)

    def half_open(self):
        """The server end is cut; the client is told nothing."""
        def action():
            for link in self.links:
                for task in link.tasks:
                    task.cancel()
                link.ends[1].transport.abort()
        self._do(action)

    def refuse(self):
        """Connection refused from now on."""
        self._do(self._listener.close)


def main():
    parser = base.common_arguments(__doc__.splitlines()[0])
    parser.add_argument("--upstream", required=True, metavar="HOST:PORT")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause-ms", type=float, default=0.0)
    options = parser.parse_args()
    host, _, port = options.upstream.rpartition(":")
    simulator = Trickle(host, int(port), seed=options.seed, host=options.host,
                        port=options.port, pause_ms=options.pause_ms,
                        log_file=options.log)
    return base.run_process(simulator, options.ready_file)


if __name__ == "__main__":
    sys.exit(main())
