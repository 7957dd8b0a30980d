# SPDX-License-Identifier: MIT
"""ari_faults.py – what can go wrong on Asterisk's HTTP side, by request.

    sim.fault('POST', '/channels/.*/answer', status=500)
    sim.fault('POST', '/bridges', nth=2, never=True, apply=True)

A fault meets the nth request that matches, and count of them from there on
(None: all). With apply the operation is done all the same, so that only its
answer suffers.
"""
import dataclasses
import json
import re


@dataclasses.dataclass
class Fault:
    method: str                 # or '*'
    path: str                   # regular expression for the whole path
    nth: int = 1
    count: int | None = 1
    status: int | None = None   # answer with this, and body
    body: object = None         # JSON value; default {"message": ...}
    delay_s: float = 0.0        # wait first, then answer as usual or as said
    never: bool = False         # read the request, never answer
    close: bool = False         # close the connection instead of an answer
    malformed: bool = False     # answer with JSON that ends in mid-word
    oversized: int = 0          # answer with valid JSON of so many bytes
    apply: bool = False         # do the operation before the fault
    seen: int = 0
    hits: int = 0

    def meets(self, method, path):
        """Count a request; true if this fault is for it."""
        if self.method not in ('*', method) or not re.fullmatch(self.path,
                                                                path):
            return False
        self.seen += 1
        last = None if self.count is None else self.nth + self.count - 1
        if self.seen < self.nth or (last is not None and self.seen > last):
            return False
        self.hits += 1
        return True

    @property
    def replaces_answer(self):
        return bool(self.status or self.never or self.close or self.malformed
                    or self.oversized)

    def answer(self, result):
        """(status, bytes) in place of the (status, value) result."""
        status, value = result if result else (200, None)
        if self.status:
            body = self.body if self.body is not None else {
                'message': 'fault injected'}
            return self.status, b'' if self.status == 204 else \
                json.dumps(body).encode()
        if self.malformed:
            return 200, b'{"id": "half", "name": "Unicast'
        pad = {'id': 'large', 'pad': 'x' * self.oversized}
        if isinstance(value, dict):
            pad = {**value, 'pad': pad['pad']}
        return max(status, 200) if status != 204 else 200, \
            json.dumps(pad).encode()


class Faults(list):
    def find(self, method, path):
        """The first fault for this request; all of them count it."""
        met = [fault for fault in self if fault.meets(method, path)]
        return met[0] if met else None
