# SPDX-License-Identifier: MIT
"""compare.py – whether rounds with tools are worse than those without, which
took turns with them on the same machine.

A round is one value: the median over its calls. Worse is what no shuffling of
the rounds explains (an exact permutation test), and what is more than rounds
without tools differ among themselves. No absolute time is judged.
"""

import itertools
import statistics

LEVEL = .05

MEASURES = (        # (attribute of run.Round, what it is)
    ("late_p99_ms", "playout clock late, p99 of a call, ms"),
    ("late_max_ms", "playout clock late, most of a call, ms"),
    ("skipped", "frames left out by a callworker"),
    ("gap_p99_ms", "gap between packets at the phone, p99, ms"),
    ("gap_max_ms", "gap between packets at the phone, longest, ms"))


def chance(without, with_tools):
    """Share of all the ways to deal out the rounds that make the difference
    of the means at least as large as it is."""
    everything = [*without, *with_tools]
    total, size = sum(everything), len(with_tools)

    def difference(chosen):
        own = sum(chosen)
        return own / size - (total - own) / (len(everything) - size)
    seen = difference(with_tools)
    ways = [difference(chosen) for chosen in
            itertools.combinations(everything, size)]
    return sum(way >= seen - 1e-9 for way in ways) / len(ways)


class Verdict:
    """One measure of all rounds."""

    def __init__(self, rounds, name):
        def values(with_tools):
            return [statistics.median(getattr(r, name)) for r in rounds
                    if r.tools is with_tools]
        self.without, self.with_tools = values(False), values(True)
        self.chance = chance(self.without, self.with_tools)
        self.noise = max(self.without) - min(self.without)
        self.difference = statistics.mean(self.with_tools) - \
            statistics.mean(self.without)

    @property
    def worse(self):
        return self.chance < LEVEL and self.difference > self.noise


def verdicts(rounds):
    """[(what it is, Verdict)]."""
    return [(what, Verdict(rounds, name)) for name, what in MEASURES]
