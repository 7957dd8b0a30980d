# SPDX-License-Identifier: MIT
"""impair_udp.py – a relay for RTP that is as bad as it is told, from a seed.

    with UdpRelay(seed=7) as relay:
        AriSim(media_relay=relay)
        relay.impair("down", loss=.05)      # what the caller hears
        relay.impair("up", jitter_ms=60)    # what the caller says
        relay.clear()

Each end sees the relay in the place of the other end: from one address, to
which it sends. Every path between two ends has dice of its own, so that what
happens to the n-th call does not depend on the others. Commands may be given
at any time, from any thread.
"""

import socket
import threading
import time

from . import rtp
from .impair import Dice, Network

DIRECTIONS = ("up", "down")     # to the agent, and to Asterisk


class _Way:
    """One direction of a path: reads one socket, sends from the other."""

    def __init__(self, relay, dice, peer):
        self.relay, self.dice, self.peer = relay, dice, peer
        self.source = None          # who may send: the other end
        self.out = None             # the socket that the receiver knows
        self.forwarded = self.strangers = 0

    def received(self, t_ns, data, address):
        """In the engine's thread."""
        if address[:2] != self.source:
            self.strangers += 1
            return
        if self.relay.is_black_hole:
            return
        for due_ns in self.dice.departures(len(data), t_ns):
            self.forwarded += 1
            if due_ns <= time.monotonic_ns():
                rtp.send(self.out, data, self.peer)
            else:
                self.relay.engine.schedule(
                    due_ns, rtp.Delayed(self.out, data, self.peer))


class UdpRelay:
    """The relay; a context that ends with its thread and sockets."""

    def __init__(self, seed=1, host="127.0.0.1"):
        self.seed, self.host = seed, host
        self.engine = rtp.Engine()
        self.is_black_hole = False
        self.paths = []             # {"up": Dice, "down": Dice}, oldest first
        self._networks = {way: Network() for way in DIRECTIONS}
        self._lock = threading.Lock()

    def __enter__(self):
        self.engine.start()
        return self

    def __exit__(self, *exc):
        self.engine.stop()
        if self.engine.error:
            raise self.engine.error

    def between(self, asterisk, agent):
        """A path between two addresses: where Asterisk finds the agent, and
        where the agent finds Asterisk."""
        with self._lock:
            number = len(self.paths)
            dice = {way: Dice(f"{self.seed}/{number}/{way}",
                              self._networks[way]) for way in DIRECTIONS}
            self.paths.append(dice)
        near, far = self._socket(), self._socket()
        up = _Way(self, dice["up"], agent)
        down = _Way(self, dice["down"], asterisk)
        up.source, up.out = asterisk, far
        down.source, down.out = agent, near
        self.engine.read(near, up)
        self.engine.read(far, down)
        return near.getsockname()[:2], far.getsockname()[:2]

    def _socket(self):
        made = socket.socket(rtp.family(self.host), socket.SOCK_DGRAM)
        made.bind((self.host, 0))
        return made

    # Commands

    def impair(self, way="both", **what):
        """From now on such a network (see impair.Network), on all paths and
        those to come; what is not named is perfect."""
        network = Network(**what)
        with self._lock:
            for each in DIRECTIONS if way == "both" else (way,):
                self._networks[each] = network
                for dice in self.paths:
                    dice[each].network = network

    def clear(self):
        self.is_black_hole = False
        self.impair()

    def black_hole(self, on=True):
        """Swallow all that comes."""
        self.is_black_hole = on
