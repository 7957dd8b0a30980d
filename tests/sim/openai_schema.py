# SPDX-License-Identifier: MIT
"""Checks Realtime events against the published schema.

With the vendor's schema (../shared/specs beside the repository) every event
of both directions is validated strictly; without it a table of required
fields still catches the coarse mistakes.
"""

import json
import re

from .base import SPECS

SCHEMA_FILE = SPECS / "openai" / "realtime.strict.schema.json"
BASE64 = re.compile(
    r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
MAX_APPEND = 15 * 1024 * 1024 * 4 // 3      # characters

CLIENT_FIELDS = {
    "session.update": ("session",),
    "input_audio_buffer.append": ("audio",),
    "input_audio_buffer.commit": (),
    "input_audio_buffer.clear": (),
    "output_audio_buffer.clear": (),
    "conversation.item.create": ("item",),
    "conversation.item.retrieve": ("item_id",),
    "conversation.item.truncate": ("item_id", "content_index", "audio_end_ms"),
    "conversation.item.delete": ("item_id",),
    "response.create": (),
    "response.cancel": (),
}

KINDS = {"string": "a string", "object": "an object", "array": "an array",
         "integer": "an integer", "number": "a number",
         "boolean": "a boolean", "null": "null"}


class Problem:
    """What the service answers in `error` for a refused event."""

    def __init__(self, code, message, param=None):
        self.code = code
        self.message = message
        self.param = param

    def __repr__(self):
        return f"{self.code}: {self.message}"


def _path(parts):
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


def _kind(value):
    for kinds, name in ((bool, "a boolean"), (str, "a string"),
                        (int, "an integer"), (float, "a decimal"),
                        (dict, "an object"), (list, "an array")):
        if isinstance(value, kinds):
            return name
    return "null"


def _branch(error):
    """Of a failed union, the error of the branch that was meant."""
    branches = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)

    def unlikely(errors):
        wrong = sum(1 for e in errors
                    if e.validator in ("const", "enum", "type") and
                    (not e.path or e.path[-1] in ("type", "role")))
        return (wrong, -max(len(e.absolute_path) for e in errors), len(errors))
    return min(branches.values(), key=unlikely)[0]


def _problem(error):
    """The service's words for a jsonschema error."""
    while error.validator in ("oneOf", "anyOf") and error.context:
        error = _branch(error)
    where = list(error.absolute_path)
    if error.validator == "required":
        missing = next(name for name in error.validator_value
                       if name not in error.instance)
        param = _path(where + [missing])
        return Problem("missing_required_parameter",
                       f"Missing required parameter: '{param}'.", param)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        extra = next(name for name in error.instance if name not in known)
        param = _path(where + [extra])
        return Problem("unknown_parameter",
                       f"Unknown parameter: '{param}'.", param)
    param = _path(where)
    if error.validator == "type":
        wanted = KINDS.get(error.validator_value, error.validator_value)
        return Problem("invalid_type", f"Invalid type for '{param}': expected "
                       f"{wanted}, but got {_kind(error.instance)} instead.",
                       param)
    if error.validator in ("const", "enum"):
        allowed = error.validator_value
        allowed = [allowed] if error.validator == "const" else allowed
        names = ", ".join(f"'{a}'" for a in allowed)
        return Problem("invalid_value", f"Invalid value: "
                       f"{json.dumps(error.instance)[:80]}. "
                       f"Supported values are: {names}.", param)
    return Problem("invalid_value", f"Invalid '{param}': "
                   f"{error.message[:200]}", param)


def append_problem(event):
    """The check of input_audio_buffer.append, 50 times a second per call.

    Says the same as the schema does (the tests compare them).
    """
    audio = event.get("audio")
    if not isinstance(audio, str):
        return Problem("invalid_type", "Invalid type for 'audio'.", "audio")
    if not audio or not BASE64.fullmatch(audio):
        return Problem("invalid_value", "Invalid 'audio': expected "
                       "base64-encoded audio bytes.", "audio")
    if len(audio) > MAX_APPEND:
        return Problem("invalid_value", "Invalid 'audio': too long.", "audio")
    return None


class EventChecker:
    """Validates client events for the simulator, and its own for itself."""

    def __init__(self, schema_file=SCHEMA_FILE):
        self._definitions = None
        self._validators = {}
        if schema_file.exists():
            self._load(schema_file)

    @property
    def strict(self):
        """Whether the vendor's schema is there."""
        return self._definitions is not None

    def _load(self, schema_file):
        try:
            import jsonschema
        except ImportError:
            return
        self._make = jsonschema.Draft202012Validator
        self._definitions = json.loads(schema_file.read_text())["$defs"]
        self._schema_of = {}
        for union in ("RealtimeClientEvent", "RealtimeServerEvent"):
            for branch in self._definitions[union]["oneOf"]:
                name = branch["$ref"].rpartition("/")[2]
                kind = self._definitions[name]["properties"]["type"]["const"]
                self._schema_of[union, kind] = name

    def _validator(self, union, kind):
        name = self._schema_of.get((union, kind))
        if name is None:
            return None
        if name not in self._validators:
            self._validators[name] = self._make(
                {"$ref": f"#/$defs/{name}", "$defs": self._definitions})
        return self._validators[name]

    def client(self, event):
        """The Problem of an event from the client, or None."""
        if not isinstance(event, dict):
            return Problem("invalid_event", "Expected a JSON object.")
        kind = event.get("type")
        if kind is None:
            return Problem("invalid_event", "The 'type' field is missing.",
                           "type")
        if kind not in CLIENT_FIELDS:
            names = ", ".join(f"'{name}'" for name in CLIENT_FIELDS)
            return Problem("invalid_value", f"Invalid value: '{kind}'. "
                           f"Supported values are: {names}.", "type")
        return self._coarse(event, kind) or self._exact(event, kind)

    def _coarse(self, event, kind):
        for name in CLIENT_FIELDS[kind]:
            if name not in event:
                return Problem("missing_required_parameter", "Missing "
                               f"required parameter: '{name}'.", name)
        if kind == "session.update":
            return self._session_type(event["session"])
        return None

    @staticmethod
    def _session_type(session):
        if isinstance(session, dict) and "type" not in session:
            return Problem(
                "missing_required_parameter",
                "Missing required parameter: 'session.type'.", "session.type")
        return None

    def _exact(self, event, kind):
        if kind == "input_audio_buffer.append" and \
                set(event) <= {"type", "audio", "event_id"} and \
                isinstance(event.get("event_id", ""), str):
            return append_problem(event)
        if not self.strict:
            return None
        validator = self._validator("RealtimeClientEvent", kind)
        for error in validator.iter_errors(event):
            return _problem(error)
        return None

    def server(self, event):
        """Raise AssertionError if an event of our own is not what the real
        service would send."""
        if not self.strict:
            assert isinstance(event.get("type"), str), event
            return
        validator = self._validator("RealtimeServerEvent", event["type"])
        assert validator, f"no such server event: {event['type']}"
        for error in validator.iter_errors(event):
            raise AssertionError(f"{event['type']}: {_problem(error)!r} "
                                 f"in {json.dumps(event)[:600]}")


NAME = re.compile(r"^[a-zA-Z0-9_-]+$")


def name_problem(value, param, longest=32):
    """Identifiers chosen by the client: pattern and length [field]."""
    if value is None:
        return None
    if not NAME.match(value):
        return Problem("invalid_value", f"Invalid '{param}': string does not "
                       "match pattern. Expected a string that matches the "
                       "pattern '^[a-zA-Z0-9_-]+$'.", param)
    if len(value) > longest:
        return Problem("string_above_max_length", f"Invalid '{param}': string "
                       f"too long. Expected a string with maximum length "
                       f"{longest}, but got a string with length "
                       f"{len(value)} instead.", param)
    return None
