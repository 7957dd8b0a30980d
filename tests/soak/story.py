# SPDX-License-Identifier: MIT
"""story.py – the service's log while it grows: what it says of each call, its
alarms, its complaints. Reads every byte once; for many threads."""

import collections
import re
import threading

from tests.e2e.service import LEVEL, SANITIZER

CALL = re.compile(r" call=(\S+) ")
ALARM = re.compile(r"\balarm=(\w+)")
WORKER = re.compile(r"has worker pid=(\d+)|found again pid=(\d+)")
VALUE = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{16,}\b|\d+")


class Story:
    def __init__(self, path):
        self.calls = collections.defaultdict(list)  # id -> lines, all of them
        self.alarms = collections.Counter()
        self.complaints = collections.Counter()     # without their numbers
        self.examples = {}                          # one of each
        self._path, self._offset, self._rest = path, 0, b""
        self._lock = threading.Lock()

    def read(self):
        """What has come since; self."""
        with self._lock, open(self._path, "rb") as file:
            file.seek(self._offset)
            data = file.read()
            self._offset += len(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._take(line.decode(errors="replace"))
        return self

    def _take(self, line):
        found = CALL.search(line)
        if found:
            self.calls[found[1]].append(line)
        self.alarms.update(ALARM.findall(line))
        if LEVEL.match(line) or SANITIZER.search(line):
            text = re.split("(?:error|warning): ", line, 1)[-1]
            text = re.sub(r"(call|id)=\S+ ?", "", text)
            text = VALUE.sub("#", text)
            self.complaints[text] += 1
            self.examples.setdefault(text, line)

    def count(self, call_id, pattern):
        """How many lines about a call match."""
        return sum(bool(re.search(pattern, line))
                   for line in list(self.calls.get(call_id, ())))

    def says(self, call_id, pattern):
        """Whether one does, now."""
        return self.read().count(call_id, pattern) > 0

    def worker(self, call_id):
        """The pid of the process that has a call, by its last word; None."""
        for line in reversed(list(self.calls.get(call_id, ()))):
            found = WORKER.search(line)
            if found:
                return int(found[1] or found[2])
        return None

    def arrived(self):
        return [call for call, lines in list(self.calls.items())
                if any(" arrived " in line for line in lines)]
