# SPDX-License-Identifier: MIT
"""impair.py – what a bad network does to packets, decided by dice.

Only the decisions are here; impair_udp.py and impair_tcp.py carry them out.
The dice are thrown equally often for every packet, whatever is asked for: the
n-th packet of a seed meets the same fate when something else goes wrong too.
"""

import dataclasses
import random

TCP_RETRANSMIT_MS = 200     # Linux's least retransmission timeout


@dataclasses.dataclass
class Network:
    """One direction of a network; as it is made, a perfect one."""
    loss: float = 0.0           # share of packets, each on its own
    burst: float = 0.0          # share of packets with which a burst begins
    burst_packets: float = 4.0  # that a burst swallows, on average
    delay_ms: float = 0.0
    jitter_ms: float = 0.0      # at most so much more, evenly; order is kept
    reorder: float = 0.0        # share that is overtaken by those behind it
    reorder_ms: float = 30.0    # by which these are held back
    duplicate: float = 0.0      # share that comes twice
    rate_kbps: float = 0.0      # of a narrow place; 0: as wide as needed
    queue_ms: float = 200.0     # what waits before it longer is dropped

    def __post_init__(self):
        for name in ("loss", "burst", "reorder", "duplicate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share, 0 to 1")
        if self.burst_packets < 1:
            raise ValueError("a burst swallows one packet at least")


class Dice:
    """The fates of the packets of one direction."""

    def __init__(self, seed, network=None):
        self.network = network or Network()
        self.packets = self.lost = self.in_bursts = 0
        self.duplicated = self.reordered = self.overflowed = 0
        self._random = random.Random(seed)
        self._in_burst = False
        self._free_ns = 0       # when the narrow place is free again
        self._last_ns = 0       # departure of the last one in order

    def departures(self, size, now_ns):
        """When each copy of the next packet leaves; empty: never."""
        network, chance = self.network, self._random.random
        lost, begins, ends, late, swaps, twice = (chance() for _ in range(6))
        self.packets += 1
        if self._swallowed_by_burst(begins, ends):
            self.in_bursts += 1
            return ()
        if lost < network.loss:
            self.lost += 1
            return ()
        through_ns = self._through_narrow_place(size, now_ns)
        if through_ns is None:
            self.overflowed += 1
            return ()
        due_ns = through_ns + int(
            (network.delay_ms + late * network.jitter_ms) * 1e6)
        if swaps < network.reorder:
            self.reordered += 1
            due_ns += int(network.reorder_ms * 1e6)
        else:
            due_ns = self._last_ns = max(due_ns, self._last_ns)
        if twice < network.duplicate:
            self.duplicated += 1
            return (due_ns, due_ns)
        return (due_ns,)

    def tcp_departure(self, size, now_ns):
        """When the next piece of a byte stream leaves: what is lost comes
        again, later each time, and all behind it waits."""
        network, chance = self.network, self._random.random
        wait_ms, retransmit_ms = 0.0, TCP_RETRANSMIT_MS
        late = chance()
        self.packets += 1
        while chance() < network.loss and retransmit_ms < 60_000:
            self.lost += 1
            wait_ms += retransmit_ms
            retransmit_ms *= 2
        begin_ns = max(now_ns, self._free_ns)
        self._free_ns = begin_ns + self._passage_ns(size)
        due_ns = self._free_ns + int(
            (network.delay_ms + late * network.jitter_ms + wait_ms) * 1e6)
        self._last_ns = max(due_ns, self._last_ns)
        return self._last_ns

    def _swallowed_by_burst(self, begins, ends):
        if self._in_burst:
            self._in_burst = ends >= 1 / self.network.burst_packets
            return True     # one at least, and each ends it with this chance
        if begins < self.network.burst:
            self._in_burst = ends >= 1 / self.network.burst_packets
            return True
        return False

    def _passage_ns(self, size):
        rate = self.network.rate_kbps
        return int(size * 8e6 / rate) if rate else 0

    def _through_narrow_place(self, size, now_ns):
        begin_ns = max(now_ns, self._free_ns)
        if begin_ns - now_ns > self.network.queue_ms * 1e6:
            return None
        self._free_ns = begin_ns + self._passage_ns(size)
        return self._free_ns
