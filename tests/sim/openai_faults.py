# SPDX-License-Identifier: MIT
"""What can go wrong at the simulated Realtime service, on command.

Three kinds: at the handshake of the next connection (HANDSHAKE_FAULTS), in
the next response (RESPONSE_FAULTS), and at once on a live session
(LIVE_FAULTS).  The first two are queued with `next`, the third runs with
OpenAISim.inject.
"""

import json
import time
from collections import defaultdict, deque

from .openai_session import new_id

HANDSHAKE_FAULTS = {
    "http": "refuse the upgrade: status=401|403|429|500|503, JSON body, "
            "headers={} (429 and 503 have Retry-After: 1 by themselves)",
    "black_hole": "TLS and the request are taken, no answer ever",
    "slow": "the 101 answer comes after seconds=",
    "silence": "101, then nothing: no session.created, no pong",
    "insufficient_quota": "101, error insufficient_quota, close 4000",
    "invalid_api_key": "101, error invalid_api_key, close 4000",
    "close": "101, session.created, then close code= reason=",
    "garbage": "no HTTP answer but bytes",
    "drop": "the connection is cut before the answer",
}

RESPONSE_FAULTS = {
    "failed": "response.done failed: code=rate_limit_exceeded|server_error|"
              "insufficient_quota, after_ms= of audio (0: before any)",
    "incomplete": "reason=max_output_tokens|content_filter, after_ms=",
    "never_ends": "all its audio, no done event",
    "no_audio": "response.created, then nothing",
    "empty": "completed without any output",
    "stall": "the audio pauses for seconds= at after_ms=",
    "unknown_item_delta": "an audio delta for an item nobody announced",
    "bad_base64": "an audio delta that is not base64",
    "duplicate_done": "every .done event twice",
}

# Errors by name, for "error" among LIVE_FAULTS: (type, message).
ERRORS = {
    "missing_required_parameter": (
        "invalid_request_error",
        "Missing required parameter: 'session.type'."),
    "unknown_parameter": ("invalid_request_error",
                          "Unknown parameter: 'session.voice'."),
    "beta_api_shape_disabled": (
        "invalid_request_error",
        "The Realtime Beta API is no longer supported. Please use "
        "/v1/realtime for the GA API."),
    "item_truncate_invalid_item_id": (
        "invalid_request_error", "Error truncating item: the item with id "
        "'item_x' does not exist."),
    "conversation_already_has_active_response": (
        "invalid_request_error",
        "Conversation already has an active response in progress: resp_x. "
        "Wait until the response is finished before creating a new one."),
    "response_cancel_not_active": (
        "invalid_request_error",
        "Cancellation failed: no active response found"),
    "input_audio_buffer_commit_empty": (
        "invalid_request_error",
        "Error committing input audio buffer: buffer too small. Expected at "
        "least 100ms of audio, but buffer only has 0.00ms of audio."),
    "invalid_value": (
        "invalid_request_error",
        "Audio content of 9250ms is already shorter than 57340ms"),
    "session_expired": (
        "invalid_request_error",
        "Your session hit the maximum duration of 60 minutes."),
    "insufficient_quota": (
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing "
        "details."),
    "rate_limit_exceeded": ("requests", "Rate limit reached."),
    "invalid_api_key": ("invalid_request_error",
                        "Incorrect API key provided."),
    "server_error": ("server_error", "The server had an error while "
                     "processing your request. Sorry about that!"),
    "invalid_tool_call_id": (
        "invalid_request_error",
        "Tool call ID 'call_x' not found in conversation."),
    "cannot_update_voice": (
        "invalid_request_error", "Cannot update a conversation's voice if "
        "assistant audio is present."),
    "unsupported_content_type": (
        "invalid_request_error",
        "Only model output audio messages can be truncated"),
}


class Faults:
    """Queued faults, and disguises of what is sent."""

    def __init__(self):
        self._queues = defaultdict(deque)
        self._always = {}
        self.certificate = "good"       # a kind of tls.KINDS
        self.extra_fields = False       # unknown fields in every event
        self.nulls = False              # null for every absent object

    def next(self, where, kind, count=1, **arguments):
        """Queue a fault: where is "handshake", "response", "transcription"."""
        self._check(where, kind)
        for _ in range(count):
            self._queues[where].append({"kind": kind, **arguments})

    def always(self, where, kind, **arguments):
        """A fault for every one until clear()."""
        self._check(where, kind)
        self._always[where] = {"kind": kind, **arguments}

    @staticmethod
    def _check(where, kind):
        known = {"handshake": HANDSHAKE_FAULTS, "response": RESPONSE_FAULTS,
                 "transcription": {"failed": ""}}[where]
        if kind not in known:
            raise ValueError(f"{where} fault {kind!r}: one of {list(known)}")

    def clear(self):
        self._queues.clear()
        self._always.clear()
        self.certificate = "good"
        self.extra_fields = self.nulls = False

    def waiting(self, where):
        """How many queued ones have met nobody yet."""
        return len(self._queues[where])

    def take(self, where):
        """The fault for the next one of this, or None."""
        if self._queues[where]:
            return self._queues[where].popleft()
        return self._always.get(where)

    def disguise(self, event):
        """The event with what a tolerant client must bear."""
        if self.extra_fields:
            event = _with_extras(event)
        if self.nulls:
            event = _with_nulls(event)
        return event


def _with_extras(value):
    """Fields that a newer service might send, at every depth."""
    if isinstance(value, list):
        return [_with_extras(v) for v in value]
    if not isinstance(value, dict):
        return value
    return {"x_new": {"deep": [1, None, "x"]},
            **{k: _with_extras(v) for k, v in value.items()}, "x_flag": True}


OBJECTS = {"session": ("tracing", "prompt", "include", "truncation"),
           "response": ("metadata", "usage", "status_details", "audio"),
           "item": ("status", "object"),
           "error": ("code", "param", "event_id")}


def _with_nulls(event):
    """`null` where an optional member is absent or may be null."""
    event = dict(event)
    for name, members in OBJECTS.items():
        if isinstance(event.get(name), dict):
            absent = {m: None for m in members if m not in event[name]}
            event[name] = {**event[name], **absent}
    event.setdefault("previous_item_id", None)
    return event


# At once, on a live session

def close(session, code=1000, reason=""):
    """A WebSocket close frame; 1000, 1001, 1011 are seen in the field."""
    session.connection.send_close(code, reason)


def reset(session):
    """TCP RST."""
    session.connection.reset()


def drop(session):
    """FIN without a close frame."""
    session.connection.drop()


def half_open(session):
    """Stop reading and writing, leave the connection standing."""
    session.connection.freeze()


def expire(session, announce=True):
    """The 60 minutes are over: error (earlier service), close 1001."""
    if announce:
        error(session, "session_expired")
    session.connection.send_close(
        1001, "Your session hit the maximum duration of 60 minutes.")


def quota(session):
    """The account ran dry in mid-session."""
    error(session, "insufficient_quota")
    session.connection.send_close(4000, "insufficient_quota")


def error(session, code, message=None, param=None, event_id=None):
    """An `error` event by name of its code."""
    kind, words = ERRORS.get(code, ("invalid_request_error", code))
    session.error(code, message or words, param, event_id, kind)


def event(session, event, **fields):
    """Any event as it is, unchecked."""
    session.send_unchecked({"event_id": new_id("event"), **event, **fields})


def unknown_event(session, kind="response.telepathy.delta"):
    """An event type that no client knows."""
    event(session, {"type": kind, "payload": {"n": 1}})


def text(session, text):
    """A text message as it is."""
    session.connection.send_text(text)


def malformed(session):
    text(session, '{"type": "response.output_audio.delta", "delta": }')


def truncated_json(session):
    text(session, '{"type":"response.output_audio_transcript.delta","delta":"b')


def not_an_object(session):
    for value in ("[]", "null", '"text"', "17", ""):
        text(session, value)


def wrong_types(session):
    """Known events whose members have types that nobody expects."""
    for odd in (7, None, [], {}, "x"):
        event(session, {"type": "response.output_audio.delta", "delta": odd,
                        "item_id": odd, "response_id": odd})
        event(session, {"type": "response.done", "response": odd})
        event(session, {"type": "input_audio_buffer.speech_started",
                        "item_id": odd, "audio_start_ms": odd})
        event(session, {"type": odd})


def oversized(session, megabytes=20):
    """One message larger than any client should take."""
    text(session, json.dumps({"type": "response.output_audio.delta",
                              "delta": "A" * (megabytes << 20)}))


def deep(session, levels=100_000):
    """JSON nested deeper than any parser should follow."""
    nest = "[" * levels + "]" * levels
    text(session, '{"type":"error","error":' + nest + "}")


def binary(session, data=b"\x00\x01\x02\xff" * 40):
    """A binary message; the real service sends text only."""
    session.connection.send_frames([(2, data, True)])


def fragmented(session, event=None, pieces=7):
    """One event over several frames, with control frames in between."""
    event = event or {"type": "error", "event_id": new_id("event"), "error": {
        "type": "server_error", "code": None, "param": None, "event_id": None,
        "message": "fragmentado en trozos — ñandú"}}
    data = json.dumps(event, ensure_ascii=False).encode()
    size = max(1, -(-len(data) // pieces))
    parts = [data[i:i + size] for i in range(0, len(data), size)]
    frames = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        frames.append((0 if number else 1, part, last))
        if not last:
            frames.append((9, b"between", True))
    session.connection.send_frames(frames)


def invalid_utf8(session):
    """A text frame that is not UTF-8."""
    session.connection.send_frames([(1, b'{"type":"\xff\xfe"}', True)])


def bad_frame(session):
    """A frame with reserved bits and an unknown opcode."""
    session.connection.send_raw(b"\xfb\x05hello")


def ping(session, payload=None):
    """A WebSocket ping now; its delay is added to session.pongs."""
    session.connection.ping(payload)


def stop_pinging_answers(session):
    """Messages still flow, our pings stop being sent."""
    session.connection.ping_interval = None


def expires_at(session, seconds):
    """Move the announced end of the session, and end it then."""
    session.config["expires_at"] = int(time.time() + seconds)
    session.connection.expire_in(seconds)


LIVE_FAULTS = {f.__name__: f for f in (
    close, reset, drop, half_open, expire, quota, error, event, unknown_event,
    text, malformed, truncated_json, not_an_object, wrong_types, oversized,
    deep, binary, fragmented, invalid_utf8, bad_frame, ping,
    stop_pinging_answers, expires_at)}
