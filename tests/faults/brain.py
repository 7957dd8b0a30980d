# SPDX-License-Identifier: MIT
"""brain.py – a simulated model that has nothing but its conversation.

What a session of it knows is what stands in its items: turns that it has
heard itself, and what was replayed to it of an earlier session. A script with
a place in it would know more than the real one does after a new beginning.
"""

from tests.sim.openai_brain import EXACTLY, Reply, ScriptBrain, reply_of

BLOCK = 40          # bytes of a clip, enough to be no coincidence
LEAST_HEARD = .25   # of a clip, to be understood


def share(part, whole, block=BLOCK):
    """How much of PART's bytes are in WHOLE, 0 to 1, in any place."""
    blocks = [part[i:i + block] for i in range(0, len(part) - block, block)]
    return sum(piece in whole for piece in blocks) / max(len(blocks), 1)


class Plan:
    """What the caller may say, and what is answered."""

    def __init__(self, greeting, otherwise):
        self.greeting, self.otherwise = greeting, otherwise
        self._turns = []            # (transcript, clip, turn of a script)

    def turn(self, transcript, clip, **turn):
        self._turns.append((transcript, clip, turn))

    def recognise(self, audio):
        """The transcript of the last of the clips that are in it."""
        found = [(audio.find(clip[-10 * BLOCK:-9 * BLOCK]), transcript)
                 for transcript, clip, _ in self._turns
                 if share(clip, audio) >= LEAST_HEARD]
        return max(found)[1] if found else ""

    def find(self, text):
        """The turn whose transcript is in a text."""
        return next((turn for transcript, _, turn in self._turns
                     if transcript in text), None)

    def calling(self, name):
        """The turn that calls a function."""
        return next((turn for _, _, turn in self._turns
                     if any(c["name"] == name
                            for c in turn.get("calls", ()))), {})


class Brain(ScriptBrain):
    """One per session. Without a script: what a script's brain is told of
    items, this one sees in the conversation when it matters."""

    def __init__(self, session, plan):
        super().__init__()
        self._session, self._plan = session, plan
        self._heard = {}            # id of an item -> transcript

    def heard(self, _instructions):
        item = self._session.conversation.items[-1]
        self._heard[item.id] = self._plan.recognise(item.audio)
        return self._heard[item.id]

    @property
    def owes(self):
        return self._open_turn() is not None

    def reply(self, _instructions, asked, out_of_band):
        exact = EXACTLY.search(asked)
        if exact:
            return Reply(exact["text"])
        if out_of_band:
            return Reply("De acuerdo.")
        result = self._open_result()
        if result is not None:
            name, output = result
            then = self._plan.calling(name).get("then", {})
            return reply_of(then, response=output)
        turn = self._open_turn()
        if turn is not None:
            return reply_of(turn)
        if not any(self._who(i) for i in self._items()):
            return Reply(self._plan.greeting)
        return Reply(self._plan.otherwise)

    # What the conversation says

    def _items(self):
        return self._session.conversation.items

    @staticmethod
    def _who(item):
        return item.data.get("role") if item.data["type"] == "message" \
            else None

    def _text(self, item):
        if item.id in self._heard:
            return self._heard[item.id]
        return " ".join(part.get("text") or part.get("transcript") or ""
                        for part in item.data.get("content", ()))

    def _open_turn(self):
        """The turn of the caller that nothing was answered to."""
        for item in reversed(self._items()):
            if self._who(item) == "assistant" or \
                    item.data["type"] == "function_call":
                return None
            if self._who(item) == "user":
                turn = self._plan.find(self._text(item))
                if turn is not None:
                    return turn
        return None

    def _open_result(self):
        """(name, output) of a function whose result nothing was said to."""
        for item in reversed(self._items()):
            if self._who(item) == "assistant":
                return None
            if item.data["type"] == "function_call_output":
                return self._name_of(item.data["call_id"]), \
                    item.data["output"]
        return None

    def _name_of(self, call_id):
        return next((i.data["name"] for i in self._items()
                     if i.data["type"] == "function_call" and
                     i.data["call_id"] == call_id), "")

    def knows(self, text):
        """Whether its conversation has these words, heard or replayed."""
        return any(text in self._text(item) for item in self._items())
