# SPDX-License-Identifier: MIT
"""systemd.py – a real systemd as pid 1 of namespaces of its own, over an
overlay of this machine's root: what is installed and started in there is gone
afterwards. The network is the machine's, so that simulators are reached.

Needs root and a kernel that lets it; Unavailable says what is missing.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

SYSTEMD = Path("/lib/systemd/systemd")
BOOT_S = 60

# In control groups of its own: the root of the new namespace's. In one with
# others, services of the same name would be one, and each systemd kill the
# other's.
OUTSIDE = """
for group in "${@:3}"; do echo $$ >"$group/cgroup.procs"; done
exec unshare --pid --mount --uts --ipc --cgroup --fork \\
    bash -c "$1" inside "$2"
"""
# In the new namespaces. Not chroot(1): from there no process could make a user
# namespace (unshare(2), EPERM), as PrivateUsers= does. Shared, or credentials
# do not reach the units.
INSIDE = """
set -e
R=$1
mount --make-rprivate /
mount --rbind /dev $R/dev
mount -t proc proc $R/proc
mount -t sysfs sysfs $R/sys
mount -t tmpfs tmpfs $R/run
mount -t tmpfs tmpfs $R/tmp
mount -t tmpfs tmpfs $R/sys/fs/cgroup
mkdir -p $R/sys/fs/cgroup/systemd $R/sys/fs/cgroup/unified
mount -t cgroup -o none,name=systemd cgroup $R/sys/fs/cgroup/systemd
mount -t cgroup2 cgroup2 $R/sys/fs/cgroup/unified
mkdir $R/outside
cd $R
pivot_root . outside
umount -l /outside
mount --make-rshared /
exec /usr/bin/env -i container=test \\
    PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
    /lib/systemd/systemd --system --unit=basic.target
"""


class Unavailable(Exception):
    """There can be no systemd here."""


def hierarchies():
    """Where those control groups are mounted that a systemd has."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2" or \
                kind == "cgroup" and "name=systemd" in options.split(","):
            yield Path(place)


def inner_pid(pid):
    """A process's number in the innermost pid namespace, or None."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    except OSError:
        pass
    return None


class Systemd:
    """A context: booted inside, with nothing left after it."""

    def __init__(self):
        self.folder = None
        self.root = None
        self.groups = []            # control groups
        self.outer = None           # unshare
        self.init = None            # its child, pid 1 inside

    def __enter__(self):
        if os.geteuid() != 0:
            raise Unavailable("only root can start a systemd of its own")
        if not SYSTEMD.exists():
            raise Unavailable("the package systemd is not installed")
        self.folder = Path(tempfile.mkdtemp(prefix="telefonista-systemd-"))
        try:
            self.mount()
            self.boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *exc):
        if self.init:
            os.kill(self.init, signal.SIGKILL)
        if self.outer:
            self.outer.kill()
            self.outer.wait()
        for path in (self.root, self.folder):
            if path and path.is_mount():
                subprocess.run(["umount", "-R", "-l", path], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        for group in self.groups:
            self.remove(group)

    @staticmethod
    def remove(group):
        """With those in it, once the killed have left them."""
        end = time.monotonic() + BOOT_S
        while group.exists() and time.monotonic() < end:
            for path, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
            time.sleep(0.02)

    def mount(self):
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "tmpfs", self.folder],
            capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise Unavailable(f"no mount allowed: {made.stderr.strip()}")
        for name in ("up", "work", "root"):
            (self.folder / name).mkdir()
        self.root = self.folder / "root"
        made = subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o",
             f"lowerdir=/,upperdir={self.folder}/up,"
             f"workdir={self.folder}/work", self.root],
            capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise Unavailable(f"no overlay: {made.stderr.strip()}")

    def boot(self):
        log = open(self.folder / "log", "wb")
        for place in hierarchies():
            with contextlib.suppress(OSError):      # not ours to make
                (place / self.folder.name).mkdir()
                self.groups.append(place / self.folder.name)
        self.outer = subprocess.Popen(
            ["bash", "-c", OUTSIDE, "outside", INSIDE, self.root,
             *self.groups],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + BOOT_S
        state = ""
        while time.monotonic() < end:
            if self.outer.poll() is not None:
                raise Unavailable((self.folder / "log").read_text()[-500:])
            if self.init is None:
                self.init = self.find_init()
            else:
                state = self.ctl("is-system-running", check=False).stdout
                if state.strip() in ("running", "degraded"):
                    return
            time.sleep(0.1)         # nothing says when it is there
        raise Unavailable(f"systemd is not up after {BOOT_S} s: {state}")

    def find_init(self):
        path = f"/proc/{self.outer.pid}/task/{self.outer.pid}/children"
        children = Path(path).read_text().split()
        if not children:
            return None
        exe = os.path.realpath(f"/proc/{children[0]}/exe")
        return int(children[0]) if exe.endswith("/systemd") else None

    def run(self, *command, check=True, **kwargs):
        """A command inside, as root."""
        return subprocess.run(
            ["nsenter", "-t", str(self.init), "-m", "-p", "-u", "-i", "-C",
             "-r", "-w", *map(str, command)],
            capture_output=True, text=True, check=check, timeout=120, **kwargs)

    def ctl(self, *arguments, check=True):
        return self.run("systemctl", *arguments, check=check)

    def show(self, unit, name):
        return self.ctl("show", "-P", name, unit).stdout.strip()

    def inside(self, path):
        """What PATH below our root is called in there."""
        return "/" + str(Path(path).relative_to(self.root))

    def outer_pid(self, pid):
        """The number of a process of the inside in our own namespace."""
        for name in os.listdir("/proc"):
            if name.isdigit() and inner_pid(name) == pid and \
                    self.is_inside(name):
                return int(name)
        return None

    def is_inside(self, pid):
        try:
            return os.readlink(f"/proc/{pid}/ns/pid") == \
                os.readlink(f"/proc/{self.init}/ns/pid")
        except OSError:
            return False
