# SPDX-License-Identifier: MIT
"""service.py – the real binaries as an operator starts them: one file of
settings, secrets in files of their own, the log in a file, signals.

The folder of the binaries is $TELEFONISTA_BUILD, by default build/.
"""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from tests.demo import processes

REPO = Path(__file__).resolve().parents[2]
BUILD = REPO / os.environ.get("TELEFONISTA_BUILD", "build")
BINARY = BUILD / "telefonista"
SANITIZED = "asan" in str(BUILD)
# Seconds until something that should happen counts as not happening:
# generous, since machines differ and no test measures with it.
PATIENCE = 40 if SANITIZED else 20

# Tests may run as root, and whatever breaks a wall shall be seen.
WALLS = {"RUN_AS_ROOT": "yes", "SANDBOX": os.environ.get("SANDBOX", "kill")}

LEVEL = re.compile(r"^\S+ [\w-]+\[\d+\] (?:\S+=\S* )*(error|warning): ")
SANITIZER = re.compile(
    r"AddressSanitizer|LeakSanitizer|UndefinedBehavior|runtime error:|"
    r"Assertion .* failed|\*\*\* .* detected \*\*\*")


def quoted(value):
    """A value as etc/telefonista.env.example says that it is quoted."""
    text = str(value)
    return f"'{text}'" if "'" not in text else '"%s"' % re.sub(
        r'(["\\$`])', r"\\\1", text)


class Service:
    """The keeper and what it starts; a context that ends with all dead."""

    def __init__(self, folder, settings, secrets, environment=None):
        self.folder = Path(folder)
        self.settings = dict(settings)
        self.secrets = dict(secrets)
        self.environment = dict(environment or {})
        self.binary = BINARY
        self.config = self.folder / "telefonista.env"
        self.log = self.folder / "telefonista.log"
        self.process = None
        self.seen = {}              # pid -> role, of the whole tree, ever
        self.born = {}              # … and when it began
        for name, value in self.secrets.items():
            path = self.folder / name.lower()
            path.touch(mode=0o600)
            path.write_text(value + "\n")
            self.settings[f"{name}_FILE"] = path
        self.write_config()

    # Life

    def write_config(self, **changes):
        """The file of settings; a value of None leaves the setting out."""
        self.settings.update(changes)
        self.config.write_text("".join(
            f"{name}={quoted(value)}\n"
            for name, value in self.settings.items() if value is not None))
        self.config.chmod(0o600)

    def start(self, *arguments):
        """setpriv: should the test be killed, the keeper gets a SIGTERM."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--", str(self.binary),
                 "--config", str(self.config), *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, cwd=self.folder,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8",
                     **WALLS, **self.environment})
        return self

    @property
    def pid(self):
        return self.process.pid

    @property
    def status(self):
        """The keeper's exit status; None: it runs."""
        return self.process.poll()

    def signal(self, number, pid=None):
        """To the keeper, or to one of its tree."""
        os.kill(self.pid if pid is None else pid, number)

    def wait(self, seconds=PATIENCE):
        """The exit status, once it has ended by itself or by a signal."""
        return self.process.wait(seconds)

    def stop(self, seconds=PATIENCE):
        """SIGTERM, and everything it should lead to; the exit status."""
        if self.status is None:
            self.tree()
            self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def destroy(self):
        """Whatever happened: nothing is alive afterwards."""
        if self.process is None:
            return
        self.tree()
        for pid in [self.pid, *self.left()]:
            if processes.alive(pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.process.wait()

    # Processes

    def tree(self):
        """{pid: role} of everything that lives now."""
        found = {}
        for pid in processes.descendants(self.pid):
            role = processes.role(pid)
            if role:
                found[pid] = role
        self.seen.update(found)
        self.born.update((pid, processes.born(pid)) for pid in found)
        return found

    def pids(self, role):
        return [pid for pid, what in self.tree().items() if what == role]

    def the(self, role):
        """The pid of the one process of a role."""
        return self.until(
            lambda: (lambda p: p[0] if len(p) == 1 else None)(self.pids(role)),
            f"exactly one {role}")

    def title(self, pid):
        return processes.title(pid)

    def wait_title(self, pid, pattern, seconds=PATIENCE):
        """Until ps shows this; the match."""
        return self.until(lambda: re.search(pattern, self.title(pid)),
                          lambda: f"title {pattern}: {self.title(pid)!r}",
                          seconds)

    def wait_gone(self, pid, seconds=PATIENCE):
        self.until(lambda: not processes.alive(pid), f"{pid} gone", seconds)

    def left(self):
        """What of the tree has outlived the keeper."""
        return {pid: role for pid, role in self.seen.items()
                if processes.alive(pid) and processes.role(pid) == role
                and processes.born(pid) == self.born.get(pid)}

    # Log

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() \
            else ""

    def mark(self):
        """The place in the log from which a test wants to look on."""
        return len(self.text())

    def find(self, pattern, since=0):
        return re.search(pattern, self.text()[since:], re.MULTILINE)

    def count(self, pattern, since=0):
        return len(re.findall(pattern, self.text()[since:], re.MULTILINE))

    def wait_log(self, pattern, seconds=PATIENCE, since=0):
        """Until the log has it; the match."""
        return self.until(lambda: self.find(pattern, since),
                          f"log line {pattern}", seconds)

    def complaints(self, since=0):
        """Lines that say error or warning, and reports of sanitizers."""
        return [line for line in self.text()[since:].splitlines()
                if LEVEL.match(line) or SANITIZER.search(line)]

    def until(self, predicate, what, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while True:
            value = predicate()
            if value:
                return value
            if time.monotonic() >= end:
                raise TimeoutError("not within %s s: %s" % (
                    seconds, what() if callable(what) else what))
            time.sleep(.01)
