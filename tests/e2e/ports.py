# SPDX-License-Identifier: MIT
"""ports.py – ranges of UDP ports that no two tests of a machine have at once.

Callers go on sending for a moment after their call has ended: where the next
call on that port is another test's, it hears a stranger.
"""

import contextlib
import random
import socket

BLOCK = 100


def claim(stack, low, high, count=BLOCK):
    """The first of so many ports between low and high, whole blocks, ours
    until the stack is closed; who else asks here gets others."""
    starts = list(range(low, high - count + 1, BLOCK))
    random.SystemRandom().shuffle(starts)
    for first in starts:
        with contextlib.ExitStack() as claimed:
            try:
                for block in range(first, first + count, BLOCK):
                    sock = claimed.enter_context(
                        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
                    sock.bind(f"\0telefonista-tests-udp-{block}")
            except OSError:
                continue
            stack.push(claimed.pop_all())
            return first
    raise RuntimeError(f"no {count} ports are left from {low} to {high}")


def bind_in_a_row(stack, first, last, count):
    """Bind so many ports in a row, of which the next one is free, too; the
    first one."""
    for port in range(first, last - count + 1):
        with contextlib.ExitStack() as taken:
            try:
                for n in range(port, port + count + 1):
                    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    taken.enter_context(sock)
                    sock.bind(("127.0.0.1", n))
            except OSError:
                continue
            sock.close()
            stack.push(taken.pop_all())
            return port
    raise RuntimeError(f"no {count} ports are free from {first} to {last}")
