# SPDX-License-Identifier: MIT
"""Callworkers that die or hang while somebody hears them: another one goes on
in the middle of the word, and nothing is done or said twice."""

import signal

import pytest

from tests.e2e.world import GREETING, LONG

# A worker's death is an event of a few milliseconds; a second is the whim of a
# machine that stalls. What was measured is printed (pytest -s).
GAP_MS = 1000


def gap_ms(call, since_ns=0):
    """The longest time between two packets that the caller got."""
    gaps = call.phone.recording.gaps(longer_than_ms=0, start_ns=since_ns)
    return max((ms for _, ms in gaps), default=0)


@pytest.mark.parametrize("number", [
    signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_worker_that_dies_while_it_speaks_is_not_missed(world, number):
    world.answers(LONG, "Después.")
    world.expect("callworker killed by signal", "worker lost how=",
                 "alarm=rescue")
    world.start()
    call = world.call().hears(GREETING)
    call.says("algo largo", wait=False)
    since_ns = call.begins_to_hear(LONG, ms=300)
    world.service.signal(number, call.worker)
    found = call.wait_log(r"rescue from=(\d+) to=(\d+) after_ms=(\d+)")
    call.hears(LONG)
    print(f"\n{number.name}: gap {gap_ms(call, since_ns):.1f} ms, "
          f"handed over after {found.group(3)} ms")
    assert gap_ms(call, since_ns) < GAP_MS
