# SPDX-License-Identifier: MIT
"""What the simulated voice hears and says.

There is no recognition and no model: a script says what the caller's n-th
turn was and what the answer is.  Three things come before the script:
instructions of the form  Di exactamente: "…"  are obeyed to the letter, the
result of a function call is spoken, and a text message may have its answer.

Script (JSON or dict), everything optional:

    {"greeting": "…",                       first response without a turn
     "turns": [{"transcript": "…",          what the caller is taken to say
                "reply": "…",
                "preamble": "…",            spoken before the calls
                "calls": [{"name": "…", "arguments": {…} or "raw text",
                                    {confirmation} in them stands for the
                                    token of the last result that had one
                           "undeclared": true}],    no such tool: on purpose
                "then": {…},                a turn for after the results;
                                            {response} stands for the result
                "fault": {"kind": "…", …}   see openai_faults.RESPONSE_FAULTS
               }],
     "texts": [{"contains": "…", "reply": "…"}],    answers to text messages
     "otherwise": "…",                      when the turns are used up
     "settings": {"first_audio_ms": 200},   see openai_realtime.Settings
     "scripts": [{"instructions_contain": "…", "turns": …}]}  per-call scripts
"""

import json
import re
from dataclasses import dataclass, field

GREETING = "Buenas, le atiende el asistente. ¿En qué puedo ayudarle?"
OTHERWISE = "Entendido. ¿Hay algo más en lo que pueda ayudarle?"
AFTER_CALLS = "Ya tengo la respuesta. {response}"

EXACTLY = re.compile(
    r'exactamente[^"“«]*["“«](?P<text>[^"”»]+)["”»]', re.IGNORECASE)

CONFIRMATION = re.compile(r'"confirmation": "(?P<token>[0-9a-f]{32})"')


@dataclass
class Reply:
    """One response: spoken text, function calls, and what goes wrong."""
    text: str = ""
    calls: list = field(default_factory=list)   # (name, arguments string)
    undeclared: set = field(default_factory=set)    # wrong names, on purpose
    fault: dict = field(default_factory=dict)


def _arguments(value):
    return value if isinstance(value, str) else \
        json.dumps(value, ensure_ascii=False)


def reply_of(turn, **values):
    """The Reply of one turn of a script."""
    token = values.pop("confirmation", "")
    calls = [(call["name"], _arguments(call.get("arguments", {}))
              .replace("{confirmation}", token))
             for call in turn.get("calls", ())]
    text = turn.get("preamble" if calls else "reply", "")
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    undeclared = {call["name"] for call in turn.get("calls", ())
                  if call.get("undeclared")}
    return Reply(text, calls, undeclared, turn.get("fault", {}))


def output_text(output):
    """What is worth saying of a function's output string."""
    try:
        value = json.loads(output)
    except ValueError:
        return output
    if not isinstance(value, dict):
        return str(value)
    for name in ("response", "error", "message", "result"):
        if isinstance(value.get(name), str) and value[name]:
            return value[name]
    return output


class ScriptBrain:
    """The default brain; one per session.

    A session that takes a call over (its history put in as items) goes on
    with the script where the transcripts in it end: the last turn is
    answered if nothing in the history answers it.
    """

    def __init__(self, script=None):
        self._root = script or {}
        self._chosen = None
        self._next_turn = 0
        self._pending = None            # turn that waits for its reply
        self._results = []              # outputs that were not spoken yet
        self._after = None              # turn whose calls are out
        self._last = None               # turn of the history that was read
        self._greeted = False
        self._token = ""

    def _script(self, instructions):
        """The script of this call, chosen once its instructions are known."""
        if self._chosen is None:
            self._chosen = self._root
            for script in self._root.get("scripts", ()):
                if script["instructions_contain"] in instructions:
                    self._chosen = script
                    break
        return self._chosen

    def heard(self, instructions):
        """The caller's turn was committed: what the transcription will say."""
        turns = self._script(instructions).get("turns", ())
        if self._next_turn >= len(turns):
            self._pending = None
            return ""
        self._pending = turns[self._next_turn]
        self._next_turn += 1
        return self._pending.get("transcript", "")

    @property
    def owes(self):
        """Whether the caller's last turn is still to be answered."""
        return self._pending is not None

    def read(self, text, instructions):
        """A message in text: history, or something to answer."""
        script = self._script(instructions)
        turns = script.get("turns", ())
        for number in range(self._next_turn, len(turns)):
            said = turns[number].get("transcript")
            if said and said in text:
                self._next_turn = number + 1
                self._greeted = True
                self._pending = self._last = turns[number]
                return
        for answer in script.get("texts", ()):
            if answer["contains"] in text:
                self._pending = answer
                return

    def said(self):
        """An item says that the model has said this already."""
        self._greeted = True
        self._pending = None
        if self._results:
            self._spoken_results()

    def called(self):
        """An item says that the model has called a function."""
        self._after, self._pending = self._last, None

    def function_output(self, output):
        """The client delivered the result of a function call."""
        self._results.append(output_text(output))
        found = CONFIRMATION.search(self._results[-1])
        if found:
            self._token = found["token"]

    def reply(self, instructions, asked, out_of_band):
        """What the next response is.

        asked: what response.create says for this one response, its
        instructions and the text of its input.
        """
        exact = EXACTLY.search(asked)
        if exact:
            return Reply(exact["text"])
        if out_of_band:
            return Reply("De acuerdo.")
        return self._scripted(self._script(instructions))

    def _scripted(self, script):
        results = self._spoken_results() if self._results else None
        turn, self._pending = self._pending, None
        if turn is not None:
            self._greeted = True
            self._after = turn if turn.get("calls") else self._after
            answer = reply_of(turn, confirmation=self._token)
            if results:             # one response for both, as a model would
                answer.text = f"{results.text} {answer.text}".strip()
                answer.calls = results.calls + answer.calls
            return answer
        if results:
            return results
        if not self._greeted:
            self._greeted = True
            return Reply(script.get("greeting", GREETING))
        return Reply(script.get("otherwise", OTHERWISE))

    def _spoken_results(self):
        said = " ".join(self._results)
        self._results.clear()
        turn = (self._after or {}).get("then", {"reply": AFTER_CALLS})
        self._after = turn if turn.get("calls") else None
        return reply_of(turn, response=said, confirmation=self._token)
