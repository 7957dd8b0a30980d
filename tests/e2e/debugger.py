# SPDX-License-Identifier: MIT
"""A debugger that holds a process."""

import ctypes
import os
import threading

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


class Debugger:
    """Holds a process for a while; a thread, since the kernel knows the one
    that traces."""

    def __init__(self, pid):
        self.pid = pid
        self.held, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.error = None

    def __enter__(self):
        self.thread.start()
        self.held.wait()
        assert self.error is None, self.error
        return self

    def __exit__(self, *exc):
        self.over.set()
        self.thread.join()

    def _run(self):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long] * 4
        if libc.ptrace(PTRACE_SEIZE, self.pid, 0, 0) < 0 or \
                libc.ptrace(PTRACE_INTERRUPT, self.pid, 0, 0) < 0:
            self.error = os.strerror(ctypes.get_errno())
            self.held.set()
            return
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)
        self.held.set()
        self.over.wait()
        libc.ptrace(PTRACE_DETACH, self.pid, 0, 0)
