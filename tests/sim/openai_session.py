# SPDX-License-Identifier: MIT
"""One session of the simulated Realtime service: the protocol's state.

Handlers are plain functions that run in the simulator's loop, so an event is
handled as a whole before the next.  Time passes only in ResponseRun and in
the transport (openai_connection).
"""

import asyncio
import base64
import copy
import time
import uuid

from .openai_items import Conversation, ItemError
from .openai_response import ResponseRun
from .openai_schema import name_problem
from .openai_voice import FORMATS, VoiceDetector

PCM_FORMAT = {"type": "audio/pcm", "rate": 24000}
SERVER_VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300,
              "silence_duration_ms": 200, "idle_timeout_ms": None,
              "create_response": True, "interrupt_response": True}
SEMANTIC_VAD = {"type": "semantic_vad", "eagerness": "auto",
                "create_response": True, "interrupt_response": True}
EAGER_SILENCE_MS = {"low": 900, "medium": 500, "auto": 500, "high": 300}
LEAST_COMMIT_MS = 100
SESSION_SECONDS = 3600


def new_id(prefix):
    return f"{prefix}_{uuid.uuid4().hex[:20]}"


def default_config(model, expires_at):
    """The session object as the real service first sends it."""
    return {
        "type": "realtime", "object": "realtime.session",
        "id": new_id("sess"), "model": model,
        "output_modalities": ["audio"],
        "instructions": "You are a helpful, witty, and friendly AI.",
        "tools": [], "tool_choice": "auto", "max_output_tokens": "inf",
        "tracing": None, "expires_at": expires_at,
        "audio": {
            "input": {"format": dict(PCM_FORMAT), "transcription": None,
                      "noise_reduction": None,
                      "turn_detection": dict(SERVER_VAD)},
            "output": {"format": dict(PCM_FORMAT), "voice": "marin",
                       "speed": 1}},
        "include": None}


def merge(config, change):
    """session.update: only present fields change, null and [] clear."""
    for name, value in change.items():
        if name == "turn_detection" and isinstance(value, dict):
            base = SERVER_VAD if value["type"] == "server_vad" else SEMANTIC_VAD
            old = config.get(name) or {}
            start = old if old.get("type") == value["type"] else base
            config[name] = {**start, **value}
        elif name == "format":
            config[name] = dict(PCM_FORMAT if value["type"] == "audio/pcm"
                                else value)
        elif isinstance(value, dict) and isinstance(config.get(name), dict):
            merge(config[name], value)
        else:
            config[name] = copy.deepcopy(value)


def _asked(params):
    """All the words of a response.create."""
    words = [params.get("instructions", "")]
    for item in params.get("input", ()):
        words += [part.get("text", "") for part in item.get("content", ())]
    return "\n".join(words)


class Refused(Exception):
    """An event answered by `error`; the session lives on."""

    def __init__(self, code, message, param=None):
        super().__init__(message)
        self.code = code
        self.param = param


class Session:
    """One client's session.  What tests look at: config, input_audio,
    input_arrivals, events_in, events_out, responses, conversation, pongs."""

    def __init__(self, sim, connection, model):
        self.sim = sim
        self.connection = connection
        seconds = sim.settings.session_seconds
        self.config = default_config(model, int(time.time() + seconds))
        self.id = self.config["id"]
        self.conversation_id = new_id("conv")
        self.cached_text = 0            # text tokens the last response cached
        self.conversation = Conversation()
        self.brain = sim.brain_factory(self)
        self.input_audio = bytearray()  # every byte appended in the session
        self.input_arrivals = []        # (monotonic s, offset, length)
        self.events_in = []             # every client event but appends
        self.events_out = []            # every event sent, audio left out
        self.responses = []             # every ResponseRun, in order
        self.errors = []                # every `error` event's error object
        self.active = None              # the default conversation's response
        self.closed = asyncio.Event()
        self._out_of_band = set()
        self._detector = VoiceDetector(self.input_format)
        self._buffer_start = 0          # of the input buffer, in input_audio
        self._epoch = (0, 0)            # (ms, byte): where this format began
        self._next_item = None          # id of the future user item
        self._idle_from_ms = None       # audio time the idle timer started
        self._apply_vad()

    # What others ask

    @property
    def pongs(self):
        """Milliseconds each of our pings waited for its pong."""
        return self.connection.pongs

    @property
    def instructions(self):
        return self.config.get("instructions") or ""

    @property
    def input_format(self):
        return FORMATS[self.config["audio"]["input"]["format"]["type"]]

    @property
    def output_format(self):
        return FORMATS[self.config["audio"]["output"]["format"]["type"]]

    @property
    def turn_detection(self):
        return self.config["audio"]["input"]["turn_detection"]

    @property
    def is_idle(self):
        """The caller is silent and has the answer to all that was heard."""
        return not (self._detector.speaking or self.active or
                    self.brain.owes)

    def sent(self, kind):
        """The events of this type that were sent to the client."""
        return [e for e in self.events_out if e["type"] == kind]

    def received(self, kind):
        """The events of this type that the client sent."""
        return [e for e in self.events_in if e["type"] == kind]

    # Sending

    def emit(self, kind, **fields):
        """Send one event; it is checked against the server's schema first."""
        event = {"type": kind, "event_id": new_id("event"), **fields}
        self.sim.self_check(event)
        self.send_unchecked(event)
        return event

    def send_unchecked(self, event):
        event = self.sim.faults.disguise(event)
        self.events_out.append(self._without_audio(event))
        self.connection.send_event(event)

    @staticmethod
    def _without_audio(event):
        if event.get("type") == "response.output_audio.delta":
            length = len(str(event["delta"]))
            return {**event, "delta": f"<{length} characters>"}
        return event

    def error(self, code, message, param=None, event_id=None,
              kind="invalid_request_error"):
        error = {"type": kind, "code": code, "message": message,
                 "param": param, "event_id": event_id}
        self.errors.append(error)
        self.sim.log.add("error", session=self.id, **error)
        self.emit("error", error=error)

    def open(self):
        """The first event of every session."""
        self.emit("session.created", session=copy.deepcopy(self.config))

    # Receiving

    def handle(self, event):
        """One event from the client."""
        problem = self.sim.checker.client(event)
        event_id = event.get("event_id") if isinstance(event, dict) else None
        if not isinstance(event_id, str):
            event_id = None
        if problem:
            self.sim.violation("invalid client event", session=self.id,
                               code=problem.code, message=problem.message,
                               param=problem.param, sent=repr(event)[:300])
            self.error(problem.code, problem.message, problem.param, event_id)
            return
        if event["type"] != "input_audio_buffer.append":
            self.events_in.append(event)
        try:
            self._handlers[event["type"]](self, event)
        except (Refused, ItemError) as refusal:
            self.error(refusal.code, str(refusal), refusal.param, event_id)

    def malformed(self, message):
        """The client sent what is no JSON text at all."""
        self.sim.violation("not a JSON text message", session=self.id,
                           message=message)
        self.error("invalid_json", message)

    def _refuse_wrongly(self, code, message, param=None):
        """Refuse what no correct client ever sends."""
        self.sim.violation("refused client event", session=self.id, code=code,
                           message=message, param=param)
        raise Refused(code, message, param)

    # session.update

    def _session_update(self, event):
        change = copy.deepcopy(event["session"])
        if change["type"] != "realtime":
            self._refuse_wrongly("invalid_value", "Passing a transcription "
                                 "session update event to a realtime session "
                                 "is not allowed.", "session.type")
        if change.get("model", self.config["model"]) != self.config["model"]:
            self._refuse_wrongly("invalid_value", "The session's model cannot "
                                 "be changed.", "session.model")
        output = change.get("audio", {}).get("output", {})
        voice = output.get("voice")
        if voice and voice != self.config["audio"]["output"]["voice"] and \
                self.conversation.has_assistant_audio:
            self._refuse_wrongly("cannot_update_voice", "Cannot update a "
                                 "conversation's voice if assistant audio is "
                                 "present.")
        old_format = self.input_format
        merge(self.config, change)
        if self.input_format is not old_format:
            self._change_input_format(old_format)
        self._apply_vad()
        self.emit("session.updated", session=copy.deepcopy(self.config))

    def _change_input_format(self, old_format):
        """Audio time goes on; bytes from here on have another length."""
        now_ms = self._audio_ms(len(self.input_audio), old_format)
        self._epoch = (now_ms, len(self.input_audio))
        self._buffer_start = len(self.input_audio)
        self._detector = VoiceDetector(self.input_format, now_ms)

    def _apply_vad(self):
        vad = self.turn_detection
        if vad is None:
            self._detector.reset()
            return
        if vad["type"] == "semantic_vad":
            silence = EAGER_SILENCE_MS[vad.get("eagerness", "auto")]
            self._detector.silence_duration_ms = silence
            return
        self._detector.threshold = vad["threshold"]
        self._detector.prefix_padding_ms = vad["prefix_padding_ms"]
        self._detector.silence_duration_ms = vad["silence_duration_ms"]

    # The input audio buffer

    def _audio_ms(self, offset, audio_format=None):
        """Audio time of a byte of input_audio."""
        start_ms, start = self._epoch
        audio_format = audio_format or self.input_format
        return start_ms + audio_format.duration_ms(offset - start)

    def _offset(self, ms):
        start_ms, start = self._epoch
        return start + (ms - start_ms) * self.input_format.bytes_per_ms

    def _append(self, event):
        data = base64.b64decode(event["audio"])
        offset = len(self.input_audio)
        self.input_arrivals.append((time.monotonic(), offset, len(data)))
        self.input_audio += data
        if self.turn_detection is None:
            return
        for change, at_ms in self._detector.feed(data):
            if change == "started":
                self._speech_started(at_ms)
            else:
                self._speech_stopped(at_ms)
        self._check_idle()

    def _speech_started(self, at_ms):
        self._next_item = new_id("item")
        self._buffer_start = max(self._buffer_start, self._offset(at_ms))
        self._idle_from_ms = None
        self.emit("input_audio_buffer.speech_started", audio_start_ms=at_ms,
                  item_id=self._next_item)
        if self.active and self.turn_detection["interrupt_response"]:
            self.active.cancel("turn_detected")

    def _speech_stopped(self, at_ms):
        self.emit("input_audio_buffer.speech_stopped", audio_end_ms=at_ms,
                  item_id=self._next_item)
        self._commit_buffer(self._offset(at_ms))
        if self.turn_detection["create_response"]:
            self._automatic_response()

    def _automatic_response(self):
        if self.active:
            self.error("conversation_already_has_active_response",
                       self._active_message())
            return
        self._start_response({})

    def _commit(self, event):
        held = self._audio_ms(len(self.input_audio)) - \
            self._audio_ms(self._buffer_start)
        if held < LEAST_COMMIT_MS:
            raise Refused("input_audio_buffer_commit_empty",
                          "Error committing input audio buffer: buffer too "
                          "small. Expected at least 100ms of audio, but "
                          f"buffer only has {held:.2f}ms of audio.")
        self._detector.reset()
        self._commit_buffer(len(self.input_audio))

    def _commit_buffer(self, end):
        """The buffer up to `end` becomes a user item, heard by the brain."""
        item_id = self._next_item or new_id("item")
        self._next_item = None
        audio = bytes(self.input_audio[self._buffer_start:end])
        self._buffer_start = end
        previous = self.conversation.last_id
        self.emit("input_audio_buffer.committed", item_id=item_id,
                  previous_item_id=previous)
        item = self.conversation.add(
            {"id": item_id, "object": "realtime.item", "type": "message",
             "status": "completed", "role": "user",
             "content": [{"type": "input_audio"}]},
            audio_ms=self.input_format.duration_ms(len(audio)))
        item.audio = audio
        self._announce(item)
        said = self.brain.heard(self.instructions)
        item.heard = said
        self.sim.log.add("heard", session=self.id, item=item_id,
                         transcript=said, audio_ms=item.audio_ms)
        if self.config["audio"]["input"]["transcription"]:
            self.connection.spawn(self._transcribe(item, said))

    async def _transcribe(self, item, said):
        """Recognition runs beside the response and may finish after it."""
        await asyncio.sleep(self.sim.settings.transcription_ms / 1000)
        failure = self.sim.faults.take("transcription")
        if failure:
            self.emit("conversation.item.input_audio_transcription.failed",
                      item_id=item.id, content_index=0, error={
                          "type": "transcription_error",
                          "code": failure.get("code", "audio_unintelligible"),
                          "message": "The audio could not be transcribed."})
            return
        for word in said.split():
            self.emit("conversation.item.input_audio_transcription.delta",
                      item_id=item.id, content_index=0, delta=word + " ")
        item.data["content"][0]["transcript"] = said
        tokens = item.audio_ms // 100, len(said) // 4
        self.emit("conversation.item.input_audio_transcription.completed",
                  item_id=item.id, content_index=0, transcript=said, usage={
                      "type": "tokens", "total_tokens": sum(tokens),
                      "input_tokens": tokens[0], "output_tokens": tokens[1],
                      "input_token_details": {"text_tokens": 0,
                                              "audio_tokens": tokens[0]}})

    def _clear(self, event):
        self._buffer_start = len(self.input_audio)
        self._next_item = None
        self._detector.reset()
        self.emit("input_audio_buffer.cleared")

    # The idle timer of server_vad, on audio time

    def response_ended(self, run):
        if run is self.active:
            self.active = None
            self._idle_from_ms = self._detector.position_ms + run.audio_ms
        self._out_of_band.discard(run)

    def _check_idle(self):
        vad = self.turn_detection
        limit = vad.get("idle_timeout_ms")
        if not limit or self._idle_from_ms is None or self.active:
            return
        now = self._detector.position_ms
        if self._detector.speaking or now - self._idle_from_ms < limit:
            return
        start, self._idle_from_ms = self._idle_from_ms, None
        self._next_item = new_id("item")
        self.emit("input_audio_buffer.timeout_triggered",
                  audio_start_ms=start, audio_end_ms=now,
                  item_id=self._next_item)
        self._start_response({})
        self._next_item = None

    # Items

    def _announce(self, item):
        """conversation.item.added and .done, for what is complete at once."""
        for kind in ("added", "done"):
            self.emit(f"conversation.item.{kind}",
                      previous_item_id=item.previous_id, item=item.public())

    def _item_create(self, event):
        data = copy.deepcopy(event["item"])
        for name in ("id", "call_id"):
            problem = name_problem(data.get(name), f"item.{name}")
            if problem:
                self._refuse_wrongly(problem.code, problem.message,
                                     problem.param)
        data.setdefault("id", new_id("item"))
        data["object"] = "realtime.item"
        data["status"] = "completed"
        try:
            item = self.conversation.insert(
                data, event.get("previous_item_id"))
        except ItemError as refusal:
            if refusal.param == "item.content":
                self.sim.violation("refused item", session=self.id,
                                   message=str(refusal), item=repr(data)[:300])
            raise
        self._announce(item)
        self._check_pair(data)
        self._take_in(data)

    def _check_pair(self, data):
        """The service may be patient about these; a client of ours gives
        every call one id and one answer."""
        kind, call_id = data["type"], data.get("call_id")
        if kind == "function_call" and (
                not call_id or self.conversation.calls(call_id) > 1):
            self.sim.violation("function call without an id of its own",
                               session=self.id, call=call_id)
        if kind == "function_call_output" and \
                self.conversation.answers(call_id) > 1:
            self.sim.violation("function call answered twice",
                               session=self.id, call=call_id)

    def _take_in(self, data):
        """What the model knows from now on."""
        if data["type"] == "function_call_output":
            self.brain.function_output(data["output"])
        elif data["type"] == "function_call":
            self.brain.called()
        elif data["type"] == "message":
            text = " ".join(part.get("text", "") for part in data["content"])
            if data["role"] == "assistant":
                self.brain.said()
            else:
                self.brain.read(text, self.instructions)

    def _check_in_conversation(self, event):
        """What was said beside the conversation is no item of it, and a
        client that knows its asides never treats it as one."""
        item_id = event["item_id"]
        if any(item.id == item_id for run in self.responses
               if run.out_of_band for item in run.items):
            self.sim.violation("item of an out-of-band response",
                               session=self.id, type=event["type"],
                               item=item_id)

    def _item_delete(self, event):
        self._check_in_conversation(event)
        self.conversation.delete(event["item_id"])
        self.emit("conversation.item.deleted", item_id=event["item_id"])

    def _item_retrieve(self, event):
        item = self.conversation.find(event["item_id"], "retrieve")
        self.emit("conversation.item.retrieved", item=item.public())

    def _item_truncate(self, event):
        self._check_in_conversation(event)
        self.conversation.truncate(event["item_id"], event["content_index"],
                                   event["audio_end_ms"])
        self.emit("conversation.item.truncated", item_id=event["item_id"],
                  content_index=event["content_index"],
                  audio_end_ms=event["audio_end_ms"])

    # Responses

    def _active_message(self):
        return ("Conversation already has an active response in progress: "
                f"{self.active.id}. Wait until the response is finished "
                "before creating a new one.")

    def _response_create(self, event):
        params = event.get("response") or {}
        if params.get("conversation", "auto") == "auto" and self.active:
            raise Refused("conversation_already_has_active_response",
                          self._active_message())
        self._start_response(params)

    def _start_response(self, params):
        out_of_band = params.get("conversation", "auto") == "none"
        reply = self.brain.reply(self.instructions, _asked(params),
                                 out_of_band)
        self._check_tools(params, reply)
        fault = self.sim.faults.take("response")
        if fault:
            reply.fault = fault
        run = ResponseRun(self, params, reply, out_of_band)
        self.responses.append(run)
        if out_of_band:
            self._out_of_band.add(run)
        else:
            self.active = run
        self._idle_from_ms = None
        run.task = self.connection.spawn(run.run())

    def _check_tools(self, params, reply):
        """A model calls only what it was given; a client that forgot to
        declare its tools must not pass a test."""
        tools = params.get("tools", self.config["tools"])
        names = {tool.get("name") for tool in tools}
        for name, _ in reply.calls:
            if name not in names and name not in reply.undeclared:
                self.sim.violation("scripted call of a tool that was not "
                                   "declared", session=self.id, tool=name)

    def _response_cancel(self, event):
        wanted = event.get("response_id")
        running = [r for r in (self.active, *self._out_of_band) if r]
        for run in running:
            if wanted == run.id or (wanted is None and run is self.active):
                run.cancel("client_cancelled")
                return
        raise Refused("response_cancel_not_active",
                      "Cancellation failed: no active response found")

    def _output_audio_clear(self, event):
        self._refuse_wrongly("invalid_value", "output_audio_buffer.clear is "
                             "for WebRTC and SIP only.", "type")

    _handlers = {
        "session.update": _session_update,
        "input_audio_buffer.append": _append,
        "input_audio_buffer.commit": _commit,
        "input_audio_buffer.clear": _clear,
        "output_audio_buffer.clear": _output_audio_clear,
        "conversation.item.create": _item_create,
        "conversation.item.delete": _item_delete,
        "conversation.item.retrieve": _item_retrieve,
        "conversation.item.truncate": _item_truncate,
        "response.create": _response_create,
        "response.cancel": _response_cancel,
    }
