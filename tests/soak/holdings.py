# SPDX-License-Identifier: MIT
"""holdings.py – all that calls could leave behind, measured when there are
none: processes, descriptors, memory, files, things in Asterisk.

Counts have to be those of before the first call. Memory does not come back so
exactly: allocators keep what they had at the busiest moment. It is compared
between idle moments, and must not go on growing.
"""

import collections
import dataclasses
import re
from pathlib import Path

from tests.demo import processes

ROLES = ("keeper", "supervisor", "toolworker", "callworker")
# (role, kind of descriptor) -> how many there may be, or fewer: connections
# are kept alive, and the keeper has the binaries of the supervisor, of its
# predecessor and of the last one that was good.
UP_TO = {("supervisor", "tcp"): 9, ("toolworker", "tcp"): 24,
         ("callworker", "tcp"): 1, ("keeper", "telefonista-supervisor"): 3}
GROWTH_KB, GROWTH = 512, .05    # of one process' own memory, idle to idle


def own_kb(pid):
    """Memory that is a process' own and no file's."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in text.splitlines()
                if line.startswith("RssAnon:"))


def rss_kb(pid):
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in text.splitlines()
                if line.startswith("VmRSS:"))


@dataclasses.dataclass
class Memory:
    pid: int
    pss_kb: int
    rss_kb: int
    own_kb: int


@dataclasses.dataclass
class Holdings:
    """counts: what has to come back; memory: role -> Memory."""
    counts: dict
    memory: dict

    def line(self):
        """For a table."""
        return [value for role in ("keeper", "supervisor") for value in (
            self.memory[role].pss_kb, self.memory[role].rss_kb,
            self.memory[role].own_kb)]


def descriptors(pid):
    """Counter of kinds: one pipe is like the other."""
    found = collections.Counter()
    for kind, number in processes.descriptors(pid).items():
        kind = re.sub(r":\[\d+\]| \(deleted\)", "", kind)
        found[kind.rpartition("/")[2]] += number
    return found


def most(counters):
    """The most that any of several processes has of each kind."""
    found = collections.Counter()
    for each in counters:
        found |= each
    return found


def take(service, things=(), folders=()):
    """What the service holds now. THINGS: what Asterisk has; FOLDERS: where
    running calls have files."""
    tree = service.tree()
    counts = {"processes": dict(sorted(collections.Counter(
        tree.values()).items())), "in Asterisk": sorted(things)}
    for role in ROLES:
        held = most(descriptors(pid) for pid, what in tree.items()
                    if what == role)
        for (who, kind), limit in UP_TO.items():
            if who == role:
                held[kind] = max(0, held[kind] - limit)
        counts[role] = {kind: n for kind, n in sorted(held.items()) if n}
    counts["memfds"] = sum(descriptors(pid)["memfd"] for pid in tree)
    counts["zombies"] = sum(len(processes.zombies(pid)) for pid, role in
                            tree.items() if role in ("keeper", "supervisor"))
    counts["files"] = sorted(path.name for folder in folders
                             for path in Path(folder).glob("*"))
    memory = {role: Memory(pid, processes.pss_kb(pid), rss_kb(pid),
                           own_kb(pid)) for pid, role in tree.items()
              if role in ("keeper", "supervisor")}
    return Holdings(counts, memory)


def differences(before, now):
    """What is not as it was."""
    return [f"{what}: {now.counts[what]}, before {value}"
            for what, value in before.counts.items()
            if now.counts[what] != value]


def growth(idle, role):
    """What is wrong with the memory of a role over idle moments; "". Of
    processes that lived through four of them at least, of which there is one
    where six were measured; what the last has beyond the second, since at the
    first they were young."""
    lives = collections.defaultdict(list)
    for each in idle:
        lives[each.memory[role].pid].append(each.memory[role].own_kb)
    for pid, sizes in lives.items():
        if len(sizes) >= 4 and sizes[-1] - sizes[1] > \
                GROWTH_KB + GROWTH * sizes[1]:
            return f"{role} {pid} grows: {sizes} kB"
    if len(idle) >= 6 and max(map(len, lives.values())) < 4:
        return f"no {role} lived through four rounds"
    return ""
