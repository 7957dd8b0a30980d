# SPDX-License-Identifier: MIT
"""Two hundred calls on a real Asterisk while processes are killed, hang and are
replaced: what Asterisk and the service hold afterwards is what they held
before. More of it, with other faults, on the simulated one: tests/soak."""

import os
import time

import pytest

from softphones import sipp
from tests.soak import breaker, holdings
from tests.soak.pbx import PbxSoak

SEED = int(os.environ.get("SOAK_SEED", "1"))
CALLS = int(os.environ.get("SOAK_CALLS", "200"))
ROUNDS, AT_ONCE, TALK_MS = 5, 15, 7000


def show(soak, number, seconds, counts):
    idle = soak.idle[-1]
    print("round %d: sipp %d done, %d failed; %s; kB pss, rss, own: %s" % (
        number, *counts, f"{seconds:.0f} s", ", ".join(
            f"{role} {m.pss_kb} {m.rss_kb} {m.own_kb}"
            for role, m in idle.memory.items())))


def table(soak):
    print(f"  {'fault':<18}{'times':>7}{'lost':>6}")
    for kind in breaker.WEIGHTS:
        times = sum(hit.kind == kind for hit in soak.hits)
        if times:
            lost = sum(kind == (hits or ["nothing"])[-1]
                       for _, _, hits in soak.lost)
            print(f"  {kind:<18}{times:>7}{lost:>6}")
    print("alarms:", dict(soak.story.read().alarms))


@pytest.mark.long
def test_two_hundred_calls_leave_nothing_behind(world, tmp_path):
    world.ari.allowed.append(".")   # of connections that are cut
    soak = PbxSoak(world, sipp, SEED, AT_ONCE)
    made = 0
    with soak.started():
        print(f"\nseed {SEED}, {CALLS} calls, {AT_ONCE} at once")
        for number in range(1, ROUNDS + 1):
            begin = time.monotonic()
            # Of the last rounds one supervisor's memory is measured.
            counts = soak.play(tmp_path, CALLS // ROUNDS, TALK_MS,
                               () if number <= ROUNDS - 3 else
                               breaker.OF_SUPERVISOR)
            made += sum(counts)
            show(soak, number, time.monotonic() - begin, counts)
        table(soak)
        assert soak.lost == []
        assert made == CALLS // ROUNDS * ROUNDS
        assert len(soak.callers) >= .9 * made, "Asterisk kept calls from us"
        assert len(soak.hits) >= made / 10, "hardly anything happened"
        assert holdings.differences(soak.idle[0], soak.idle[-1]) == []
        for role in ("keeper", "supervisor"):
            assert holdings.growth(soak.idle, role) == ""
    print(f"figure: {made} calls on a real Asterisk, {len(soak.hits)} faults, "
          f"seed {SEED}: nothing lost, nothing left")
