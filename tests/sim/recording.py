# SPDX-License-Identifier: MIT
"""recording.py – what a simulated phone heard, packet by packet, and measures
of it: gaps, lateness, speech, silence.

Arrival times are the kernel's (SO_TIMESTAMPNS), moved to CLOCK_MONOTONIC, in
nanoseconds; durations are milliseconds. The measures may run in any thread
while packets still arrive: each takes one copy of the list first.
"""
import collections
import threading

from . import rtp

Heard = collections.namedtuple('Heard', 't_ns seq ts marker pt payload')

LOUD = 300      # mean |sample| that counts as sound; speech is 1000 and more
CODEC_OF = {0: 'ulaw', 8: 'alaw'}


def loudness(packet):
    """Mean |sample| of one packet."""
    table = rtp.LOUDNESS[CODEC_OF[packet.pt]]
    return sum(map(table.__getitem__, packet.payload)) / len(packet.payload)


def percentile(values, share):
    """The value below which share (0-1) of values lie; 0.0 for none."""
    values = sorted(values)
    return values[min(int(share * len(values)), len(values) - 1)] \
        if values else 0.0


class Recording:
    """Every packet the phone was given, in order of arrival."""

    def __init__(self):
        self.packets = []
        self._loud = []     # loudness of packets[i], as far as asked
        self._lock = threading.Lock()

    def received(self, t_ns, seq, ts, marker, pt, payload):
        self.packets.append(Heard(t_ns, seq, ts, marker, pt, payload))

    def between(self, start_ns=0, end_ns=None):
        return [p for p in list(self.packets)
                if p.t_ns >= start_ns and (end_ns is None or p.t_ns < end_ns)]

    def payload(self, start_ns=0, end_ns=None):
        """The bytes heard, concatenated as they came."""
        return b''.join(p.payload for p in self.between(start_ns, end_ns))

    def gaps(self, longer_than_ms=40, start_ns=0, end_ns=None):
        """[(time of the packet before, milliseconds to the next)]."""
        packets = self.between(start_ns, end_ns)
        pairs = zip(packets, packets[1:])
        gaps = ((a.t_ns, (b.t_ns - a.t_ns) / 1e6) for a, b in pairs)
        return [gap for gap in gaps if gap[1] > longer_than_ms]

    def lateness(self, start_ns=0, end_ns=None):
        """How late packets are on the grid of their own timestamps, against
        the most punctual one: {'p50', 'p99', 'max', 'packets'} in ms. The grid
        starts anew where the timestamps jump."""
        late, run = [], []
        expected = None
        for packet in self.between(start_ns, end_ns) + [None]:
            if packet is None or (expected is not None
                                  and packet.ts != expected):
                best = min(run, default=0)
                late += [(offset - best) / 1e6 for offset in run]
                run = []
            if packet is None:
                break
            if not run:
                base_ns, played = packet.t_ns, 0
            run.append(packet.t_ns - base_ns - played * 125_000)
            played += len(packet.payload)
            expected = (packet.ts + len(packet.payload)) & 0xffffffff
        return {'p50': percentile(late, .5), 'p99': percentile(late, .99),
                'max': max(late, default=0.0), 'packets': len(late)}

    def sounding(self, start_ns=0, end_ns=None, loud=LOUD):
        """The packets that are not silence."""
        with self._lock:
            packets = list(self.packets)
            for packet in packets[len(self._loud):]:
                self._loud.append(loudness(packet))
        return [p for p, level in zip(packets, self._loud)
                if level >= loud and p.t_ns >= start_ns
                and (end_ns is None or p.t_ns < end_ns)]

    def speech(self, start_ns=0, end_ns=None, pause_ms=300, loud=LOUD):
        """Spurts of sound [(start_ns, end_ns)]; shorter pauses are inside."""
        spurts = []
        for packet in self.sounding(start_ns, end_ns, loud):
            end = packet.t_ns + len(packet.payload) * 125_000
            if spurts and packet.t_ns - spurts[-1][1] <= pause_ms * 1e6:
                spurts[-1][1] = end
            else:
                spurts.append([packet.t_ns, end])
        return [tuple(spurt) for spurt in spurts]

    def longest_silence(self, start_ns, end_ns):
        """Longest time without sound, in ms, between two instants."""
        silence, since = 0, start_ns
        for start, end in self.speech(start_ns, end_ns, pause_ms=0):
            silence = max(silence, start - since)
            since = end
        return max(silence, end_ns - since) / 1e6

    def first_sound_ns(self, start_ns=0):
        """Arrival of the first sound at or after start_ns; None if none."""
        sounding = self.sounding(start_ns)
        return sounding[0].t_ns if sounding else None

    def sound_after_ms(self, instant_ns, quiet_ms=400):
        """How long sound went on after an instant: ms until the last sounding
        packet that came before quiet_ms of quiet. The stop time of a barge-in.
        0.0: it was quiet from the instant on."""
        last_ns = instant_ns
        for packet in self.sounding(instant_ns):
            if packet.t_ns - last_ns > quiet_ms * 1e6:
                break
            last_ns = packet.t_ns
        return (last_ns - instant_ns) / 1e6
