# SPDX-License-Identifier: MIT
"""voice.py – what the voice's service says to each caller of the soak.

A caller has one Plan, whichever session its voice speaks through: sessions
die, and the next one has to know what the caller wants. The voice finds it by
the caller's number, which is in the session's instructions.
"""

import re

from tests.sim.openai_brain import Reply, ScriptBrain, reply_of

NUMBER = re.compile(r"300\d{7}")


class Plan:
    """What the voice shall do for one caller: turn() makes what it does when
    the caller has spoken, `own` is what it says whenever it is in doubt."""

    def __init__(self, number):
        self.own = f"Dígame, {number}."
        self.turn = self.plain
        self.sessions = 0           # that knew of this caller

    def plain(self):
        return {"transcript": "diga", "reply": self.own}


class Brain(ScriptBrain):
    """The voice of one session."""

    def __init__(self, plans):
        super().__init__({})
        self._plans, self._plan = plans, None

    def _script(self, instructions):
        if self._plan is None:
            found = NUMBER.search(instructions)
            self._plan = self._plans.get(found[0]) if found else None
            if self._plan:
                self._plan.sessions += 1
        return {"otherwise": self._plan.own} if self._plan else {}

    def heard(self, instructions):
        self._script(instructions)
        self._pending = self._plan.turn() if self._plan else None
        return (self._pending or {}).get("transcript", "")

    def _spoken_results(self):
        """That there are results, not what they are."""
        self._results.clear()
        turn, self._after = (self._after or {}).get("then"), None
        if turn:
            return reply_of(turn)
        return Reply(self._plan.own if self._plan else "")
