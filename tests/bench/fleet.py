# SPDX-License-Identifier: MIT
"""python3 -m tests.bench.fleet – one question to 1, 10, 100 and 500 routers.

The routers are simulated in this process and answer after 0.2 to 1 s, a third
of them over the binary API. Each row is one service of its own: wall time from
the request of the voice to its answer, how late that was after the last
router, resident memory and the most sockets of all toolworkers together.
"""

import argparse
import json
import random
import re
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.e2e.service import REPO
from tests.e2e.world import GREETING, PERSONA, TOOL, World
from tests.sim.fleet import PASSWORD, Fleet

QUESTION = "trafico_interfaces"
DEADLINE = 60           # seconds: what is measured is the answer, not this


def toolworkers(service):
    return [pid for pid, role in service.seen.items() if role == "toolworker"]


def resident_mb(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


def sockets(pid):
    count = 0
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += fd.readlink().name.startswith("socket:")
        except OSError:
            pass
    return count


class Watch(threading.Thread):
    """The most sockets and memory of the toolworkers while it runs."""

    def __init__(self, pids):
        super().__init__(daemon=True)
        self.pids, self.ending = pids, threading.Event()
        self.before = sum(map(sockets, pids))
        self.sockets = self.memory = 0

    def run(self):
        while not self.ending.wait(.05):
            try:
                self.sockets = max(self.sockets, sum(map(sockets, self.pids)))
                self.memory = max(self.memory,
                                  sum(map(resident_mb, self.pids)))
            except OSError:
                return


def make_fleet(count):
    fleet = Fleet()
    chance = random.Random(count)
    for n in range(count):
        fleet.add(f"Torre {n + 1}", delay=chance.uniform(.2, 1),
                  api="binary" if n % 3 == 2 else "rest")
    return fleet


def prepare(world, fleet):
    tool = json.loads((REPO / f"etc/tools.d/{QUESTION}.json").read_text())
    tool.update(deadline_ms=DEADLINE * 1000, cache_s=0)
    folder = world.folder / "tools.d"
    folder.mkdir()
    (folder / f"{QUESTION}.json").write_text(json.dumps(tool))
    world.make(TOOLS_DIR=folder, TOOL_WORKERS=4,
               ROUTERS_FILE=fleet.write_inventory(world.folder / "r.json"),
               TOOL_ROUTER_PASSWORD=PASSWORD)
    (world.folder / "personas" / "prueba.md").write_text(
        PERSONA.replace(f"tools: {TOOL}", f"tools: {QUESTION}"))
    world.service.start()
    world.ready()
    world.answers({"preamble": "", "then": {"reply": "Ya sé."}, "calls": [
        {"name": QUESTION, "arguments": {"interfaces": "sfp"}}]})


def measure(world, fleet, count):
    """One row of the table."""
    service = world.service
    world.until(lambda: service.the("supervisor") and
                len(toolworkers(service)) == 4, "toolworkers")
    supervisor = service.the("supervisor")
    watch = Watch(toolworkers(service))
    call = world.call().hears(GREETING)
    watch.start()
    call.says("todos")
    line = service.wait_log(
        rf"tool answered name={QUESTION} .*status=ok elapsed_ms=(\d+) "
        r"routers=(\d+) answered=(\d+)", DEADLINE + 20)
    seen = time.monotonic()
    watch.ending.set()
    watch.join()
    row = {"routers": count, "answered": int(line[3]),
           "wall_s": int(line[1]) / 1000,
           "late_ms": (seen - fleet.finished()) * 1000,
           "supervisor_mb": resident_mb(supervisor),
           "toolworkers_mb": watch.memory,
           "sockets": watch.sockets - watch.before,
           "in_flight": fleet.most_in_flight()}
    call.hears("Ya sé.").hangup().gone()
    return row


def bench(count):
    fleet = make_fleet(count)
    with tempfile.TemporaryDirectory() as folder, \
            World(Path(folder)) as world, fleet:
        prepare(world, fleet)
        row = measure(world, fleet, count)
        world.service.stop()
    return row


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routers", type=int, nargs="*",
                        default=[1, 10, 100, 500])
    options = parser.parse_args(argv)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    print("routers  answered  wall s  after the last ms  supervisor MB  "
          "4 toolworkers MB  sockets  most at one router")
    good = True
    for count in options.routers:
        row = bench(count)
        print(f"{row['routers']:7}  {row['answered']:8}  {row['wall_s']:6.2f}"
              f"  {row['late_ms']:17.0f}  {row['supervisor_mb']:13.1f}"
              f"  {row['toolworkers_mb']:16.1f}  {row['sockets']:7}"
              f"  {row['in_flight']:18}", flush=True)
        good = good and row["answered"] == count and row["in_flight"] == 1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
