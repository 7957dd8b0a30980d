# SPDX-License-Identifier: MIT
"""python3 -m tests.bench.footprint – what a call costs, behind its wall and
without: memory (PSS, what is shared counts in part) and processor time of each
kind of process, with 1, 5 and 20 calls that listen.

Processor time is the kernel's own count (schedstat), in percent of one core.
"""

import argparse
import collections
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.__main__ import table
from tests.demo.processes import pss_kb
from tests.e2e.world import GREETING, World
from tests.sim.openai_schema import EventChecker

SETTLE_S = 2


def used_s(pid):
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def kinds(world, callers):
    """{pid: what it is}."""
    return {world.service.pid: "keeper", **{
        pid: "call" if pid in callers else
        "spare" if role == "callworker" else role
        for pid, role in world.service.tree().items()
        if pid != world.service.pid}}


def measure(world, count, seconds):
    """{what it is: [(MB, percent)]}."""
    callers = {call.worker for call in [
        world.call().hears(GREETING) for _ in range(count)]}
    time.sleep(SETTLE_S)
    pids = kinds(world, callers)
    before, begun = {pid: used_s(pid) for pid in pids}, time.monotonic()
    time.sleep(seconds)
    lasted = time.monotonic() - begun
    found = collections.defaultdict(list)
    for pid, kind in pids.items():
        found[kind].append((pss_kb(pid) / 1024, 100 / lasted *
                            (used_s(pid) - before[pid])))
    return found


def row(count, seconds, sandbox):
    with tempfile.TemporaryDirectory(prefix="tfoot-") as folder:
        with World(Path(folder)) as world:
            # The schema of every event costs most of the processor.
            world.openai.checker = EventChecker(Path(folder) / "no-schema")
            world.make(MAX_CALLS=count)
            world.service.environment["SANDBOX"] = sandbox
            world.allow("SANDBOX=off")
            world.service.start()
            world.ready()
            found = measure(world, count, seconds)
            world.finish()
    return [f"{count}, " + ("no walls" if sandbox == "off" else "walls")] + [
        f"{statistics.mean(mb for mb, _ in found[kind]):.2f} "
        f"{statistics.mean(used for _, used in found[kind]):.2f}"
        for kind in ("call", "spare", "supervisor", "keeper", "toolworker")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15, help="of a row")
    options = parser.parse_args()
    print("Each process, MB (PSS) and % of a core:")
    table([("calls", "call", "spare", "supervisor", "keeper", "toolworker"), *(
        row(count, options.seconds, sandbox) for count, sandbox in (
            (1, "enforce"), (5, "enforce"), (20, "enforce"), (20, "off")))])


if __name__ == "__main__":
    sys.exit(main())
