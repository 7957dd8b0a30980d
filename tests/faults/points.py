# SPDX-License-Identifier: MIT
"""points.py – the page of memory that the roles of `make faults` share with
the test: see common/fault_point.h."""

import mmap
import struct

NAME_SIZE, PAGE_SIZE = 48, 4096
VARIABLE = "TELEFONISTA_FAULT_PAGE"


class FaultPage:
    """A file that processes map; their environment must name it."""

    def __init__(self, path):
        path.write_bytes(bytes(PAGE_SIZE))
        with open(path, "r+b") as file:
            self._page = mmap.mmap(file.fileno(), PAGE_SIZE)
        self.environment = {VARIABLE: str(path)}

    def arm(self, name, times=1):
        """Whoever reaches that line next aborts, so many times."""
        text = name.encode()
        assert len(text) < NAME_SIZE
        self._write("I", NAME_SIZE, 0)
        self._page[:NAME_SIZE] = text.ljust(NAME_SIZE, b"\0")
        self._write("I", NAME_SIZE, times)

    @property
    def armed(self):
        """How often it would still happen."""
        return struct.unpack_from("I", self._page, NAME_SIZE)[0]

    def step_clock(self, seconds):
        """The wall clock of all processes, against the right time."""
        self._write("i", NAME_SIZE + 4, seconds)

    def _write(self, kind, place, value):
        struct.pack_into(kind, self._page, place, value)
