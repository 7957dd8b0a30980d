# SPDX-License-Identifier: MIT
"""processes.py – a process tree as the kernel shows it: who is there, how much
memory is theirs, which descriptors they hold."""

import collections
import os
import subprocess
from pathlib import Path

PS_COLUMNS = "pid,pss,etime,args"


def _stat(pid):
    """(state, parent) of a process, or None."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, int(parent)


def descendants(pid):
    """pid and all its living descendants, parents first."""
    children = collections.defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = _stat(name)
            if stat and stat[0] != "Z":
                children[stat[1]].append(int(name))
    found = [pid] if alive(pid) else []
    for parent in found:
        found += sorted(children[parent])
    return found


def alive(pid):
    stat = _stat(pid)
    return stat is not None and stat[0] != "Z"


def born(pid):
    """When it began, in ticks of the machine: pids come again, this does not.
    None: there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[19])


def zombies(pid):
    """Children of pid that nobody has waited for."""
    found = []
    for name in os.listdir("/proc"):
        stat = _stat(name) if name.isdigit() else None
        if stat == ("Z", pid):
            found.append(int(name))
    return found


def role(pid):
    """'callworker' of a process that runs telefonista-callworker; 'keeper'."""
    try:
        name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return None
    if not name.startswith("telefonista"):
        return None         # a pid that has come again
    return name.partition("-")[2].partition(" ")[0] or "keeper"


def title(pid):
    """What ps shows for it."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return text.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")


def ps(pids):
    """The lines that ps prints for these processes, as a tree."""
    command = ["ps", "-ww", "--forest", "-o", PS_COLUMNS,
               "-p", ",".join(map(str, pids))]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True,
                          check=True, timeout=10).stdout.splitlines()


def pss_kb(pid):
    """Memory of a process; what it shares counts in part. 0: gone."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in rollup.splitlines()
                if line.startswith("Pss:"))


def _socket_kinds(pid):
    """{inode: 'tcp' | 'udp' | 'unix'} in the network namespace of pid."""
    kinds = {}
    for name, column in (("tcp", 9), ("tcp6", 9), ("udp", 9), ("udp6", 9),
                         ("unix", 6)):
        try:
            lines = Path(f"/proc/{pid}/net/{name}").read_text().splitlines()
        except OSError:
            continue
        for line in lines[1:]:
            kinds[line.split()[column]] = name.rstrip("6")
    return kinds


def descriptors(pid):
    """Counter of a process' open descriptors by what they are."""
    kinds = _socket_kinds(pid)
    found = collections.Counter()
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return found
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            target = kinds.get(target[8:-1], "socket")
        elif target.startswith("/memfd:"):
            target = "memfd"
        found[target] += 1
    return found
