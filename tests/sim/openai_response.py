# SPDX-License-Identifier: MIT
"""One response of the simulated service: its events, in order and in time.

Audio is generated faster than real time, as by the real service.  A response
may be cancelled at any await; what is open is then closed in one go, so that
the client sees a complete sequence that ends in response.done.
"""

import asyncio
import base64
import random
import time
import uuid

from .openai_items import Item
from .openai_voice import FORMATS, VOICES

MS_PER_OUTPUT_TOKEN = 50
MS_PER_INPUT_TOKEN = 100
CHARACTERS_PER_TOKEN = 4


def new_id(prefix):
    return f"{prefix}_{uuid.uuid4().hex[:20]}"


class ResponseRun:
    """A running or finished response.  Tests look at status, reason, audio."""

    def __init__(self, session, params, reply, out_of_band):
        self.session = session
        self.settings = session.sim.settings
        self.params = params
        self.reply = reply
        self.out_of_band = out_of_band
        self.id = new_id("resp")
        self.status = "in_progress"
        self.reason = None              # of a cancelled or incomplete one
        self.audio = bytearray()        # all the audio that was sent
        self.items = []                 # Item of each output
        self.task = None
        self.started = time.monotonic()
        self.took_s = 0                 # once ended
        self._open = None               # closes the output being generated
        self._details = None
        self._usage = None
        self._random = random.Random(reply.text)

    # Parameters: those of response.create before those of the session

    def _param(self, name):
        return self.params.get(name, self.session.config.get(name))

    @property
    def _audio_params(self):
        configured = self.session.config["audio"]["output"]
        asked = self.params.get("audio", {}).get("output", {})
        return {"format": asked.get("format", configured["format"]),
                "voice": asked.get("voice", configured["voice"])}

    @property
    def format(self):
        return FORMATS[self._audio_params["format"]["type"]]

    @property
    def _spoken(self):
        return self._param("output_modalities") == ["audio"]

    @property
    def audio_ms(self):
        return self.format.duration_ms(len(self.audio))

    def snapshot(self):
        """The `response` object of response.created and response.done."""
        return {
            "object": "realtime.response", "id": self.id,
            "status": self.status, "status_details": self._details,
            "output": [] if self.status == "in_progress" else
            [item.public() for item in self.items],
            "conversation_id": None if self.out_of_band else
            self.session.conversation_id,
            "output_modalities": self._param("output_modalities"),
            "max_output_tokens": self._param("max_output_tokens"),
            "audio": {"output": self._audio_params},
            "usage": self._usage, "metadata": self.params.get("metadata")}

    # The course of a response

    async def run(self):
        try:
            await self._course()
        except asyncio.CancelledError:
            if self.status == "in_progress":
                raise               # the connection went, nobody cancelled

    async def _course(self):
        self.session.emit("response.created", response=self.snapshot())
        self._rate_limits()
        fault = self.reply.fault
        if fault.get("kind") == "no_audio":
            await asyncio.Event().wait()
        if fault.get("kind") == "failed" and not fault.get("after_ms"):
            await self._until_first_audio(1.0)
            self._fail(fault)
            return
        if self.reply.text and fault.get("kind") != "empty":
            await self._message()
        for name, arguments in self.reply.calls:
            if self.status != "in_progress":
                return
            await self._function_call(name, arguments)
        if fault.get("kind") == "never_ends":
            await asyncio.Event().wait()
        if self.status == "in_progress":
            self.end("completed")

    def _rate_limits(self):
        count = len(self.session.responses)
        self.session.emit("rate_limits.updated", rate_limits=[
            {"name": "requests", "limit": 1000, "remaining": 1000 - count,
             "reset_seconds": 60},
            {"name": "tokens", "limit": 50000,
             "remaining": max(0, 50000 - 150 * count), "reset_seconds": 60}])

    async def _until_first_audio(self, share):
        """Wait for this share of the model's time to the first audio."""
        due = self.started + share * self.settings.first_audio_ms / 1000
        await asyncio.sleep(max(0, due - time.monotonic()))

    def _ids(self, item):
        return {"response_id": self.id, "item_id": item.id,
                "output_index": self.items.index(item)}

    def _add_item(self, data):
        """output_item.added; in the default conversation, the item too."""
        data = {"id": new_id("item"), "object": "realtime.item",
                "status": "in_progress", **data}
        item = Item(data) if self.out_of_band else \
            self.session.conversation.add(data)
        self.items.append(item)
        self.session.emit("response.output_item.added", response_id=self.id,
                          output_index=len(self.items) - 1, item=item.public())
        if not self.out_of_band:
            self.session.emit("conversation.item.added", item=item.public(),
                              previous_item_id=item.previous_id)
        return item

    def _item_done(self, item, status):
        item.data["status"] = status
        if not self.out_of_band:
            self.session.emit("conversation.item.done", item=item.public(),
                              previous_item_id=item.previous_id)
        self.session.emit("response.output_item.done", response_id=self.id,
                          output_index=self.items.index(item),
                          item=item.public())
        self._open = None

    # A message: speech with its transcript, or text

    async def _message(self):
        synthesis = None
        if self._spoken:
            synthesis = asyncio.get_running_loop().run_in_executor(
                None, VOICES[self.settings.voice], self.reply.text,
                self.format)
        await self._until_first_audio(0.6)
        item = self._add_item({"type": "message", "role": "assistant",
                               "content": []})
        empty = {"type": "audio", "transcript": ""} if self._spoken else \
            {"type": "text", "text": ""}
        self.session.emit("response.content_part.added", **self._ids(item),
                          content_index=0, part=empty)
        said = []
        self._open = lambda status: self._message_done(item, said, status)
        audio = await synthesis if synthesis else None
        await self._until_first_audio(1.0)
        if self._spoken:
            await self._stream(item, audio, said)
        else:
            await self._write(item, said)
        if self._open:
            self._open("completed")

    async def _stream(self, item, audio, said):
        """Audio and transcript deltas at `speedup` times real time."""
        words = self.reply.text.split(" ")
        limit = self._limit_ms()
        due = time.monotonic()
        place = 0
        while place < len(audio):
            low, high = self.settings.chunk_ms
            size = self._random.randint(low, high) * self.format.bytes_per_ms
            chunk = audio[place:place + size]
            place += len(chunk)
            upto = len(words) * place // len(audio)
            self._speak(item, words[len(said):upto], chunk, said)
            if self._fault_due(limit):
                return
            due += self.format.duration_ms(len(chunk)) / 1000 / \
                self.settings.speedup
            await asyncio.sleep(max(0, due - time.monotonic()))
            await self._stall()

    def _speak(self, item, words, chunk, said):
        for word in words:
            said.append(word)
            self._delta("output_audio_transcript", item,
                        word if len(said) == 1 else " " + word)
        self._odd_deltas(item)
        self.audio += chunk
        item.audio += chunk
        item.audio_ms = self.format.duration_ms(len(item.audio))
        if not self.out_of_band:
            self.session.conversation.has_assistant_audio = True
        self._delta("output_audio", item, base64.b64encode(chunk).decode())

    def _delta(self, kind, item, delta):
        self.session.emit(f"response.{kind}.delta", **self._ids(item),
                          content_index=0, delta=delta)

    async def _write(self, item, said):
        for word in self.reply.text.split(" "):
            said.append(word)
            self._delta("output_text", item,
                        word if len(said) == 1 else " " + word)
            await asyncio.sleep(0.01)

    def _message_done(self, item, said, status):
        """Everything that closes a message, complete or cut short."""
        text = " ".join(said)
        ids = {**self._ids(item), "content_index": 0}
        emit = self.session.emit
        if self._spoken:
            emit("response.output_audio.done", **ids)
            emit("response.output_audio_transcript.done", **ids,
                 transcript=text)
            part = {"type": "audio", "transcript": text}
            content = {"type": "output_audio", "transcript": text}
        else:
            emit("response.output_text.done", **ids, text=text)
            part = {"type": "text", "text": text}
            content = {"type": "output_text", "text": text}
        emit("response.content_part.done", **ids, part=part)
        if item.truncated_ms is not None:
            content.pop("transcript", None)
        item.data["content"] = [content]
        self._item_done(item, status)
        self.session.sim.log.add("said", session=self.session.id,
                                 response=self.id, transcript=text,
                                 audio_ms=item.audio_ms, status=status)

    # A function call

    async def _function_call(self, name, arguments):
        if not self.reply.text:
            await self._until_first_audio(1.0)
        call_id = new_id("call")
        item = self._add_item({"type": "function_call", "name": name,
                               "call_id": call_id, "arguments": ""})
        self._open = lambda status: self._call_done(item, arguments, status)
        for start in range(0, len(arguments), 24):
            self.session.emit("response.function_call_arguments.delta",
                              **self._ids(item), call_id=call_id,
                              delta=arguments[start:start + 24])
            await asyncio.sleep(0.005)
        self._open("completed")

    def _call_done(self, item, arguments, status):
        """arguments.done comes for a cancelled response too."""
        item.data["arguments"] = arguments
        self.session.emit("response.function_call_arguments.done",
                          **self._ids(item), call_id=item.data["call_id"],
                          name=item.data["name"], arguments=arguments)
        self._item_done(item, status)
        self.session.sim.log.add(
            "called", session=self.session.id, response=self.id,
            name=item.data["name"], call_id=item.data["call_id"],
            arguments=arguments, status=status)

    # The end

    def cancel(self, reason):
        """Stop now; the client sees every open part closed."""
        if self.status != "in_progress":
            return
        self.end("cancelled", reason)
        if self.task:
            self.task.cancel()

    def end(self, status, reason=None, error=None):
        """Close what is open and send response.done."""
        if self.status != "in_progress":
            return
        if self._open:
            self._open("completed" if status == "completed" else "incomplete")
        self.status = status
        self.took_s = time.monotonic() - self.started
        self.reason = reason
        self._usage = self._used()
        if status != "completed":
            self._details = {"type": status}
            if reason:
                self._details["reason"] = reason
            if error:
                self._details["error"] = error
        self.session.response_ended(self)
        self.session.emit("response.done", response=self.snapshot())
        if self.reply.fault.get("kind") == "duplicate_done":
            self._repeat_done()

    def _context(self):
        """The items that the model saw: `input`, even empty, replaces the
        conversation."""
        if "input" in self.params:
            return [Item(data) for data in self.params["input"]]
        return self.session.conversation.items

    def _used(self):
        """Token counts as the service derives them from time and length."""
        heard = sum(item.audio_ms for item in self._context()
                    if item.data.get("role") == "user") // MS_PER_INPUT_TOKEN
        text = len(self._param("instructions") or "") // \
            CHARACTERS_PER_TOKEN + sum(
                len(str(item.data)) for item in self._context()
            ) // CHARACTERS_PER_TOKEN
        cached = 0
        if "input" not in self.params:      # else another prefix
            cached = min(self.session.cached_text, text)
            self.session.cached_text = text
        spoken = self.audio_ms // MS_PER_OUTPUT_TOKEN
        written = len(self.reply.text) // CHARACTERS_PER_TOKEN
        return {
            "total_tokens": text + heard + spoken + written,
            "input_tokens": text + heard, "output_tokens": spoken + written,
            "input_token_details": {
                "text_tokens": text, "audio_tokens": heard, "image_tokens": 0,
                "cached_tokens": cached, "cached_tokens_details": {
                    "text_tokens": cached, "audio_tokens": 0,
                    "image_tokens": 0}},
            "output_token_details": {"text_tokens": written,
                                     "audio_tokens": spoken}}

    # Faults, see openai_faults.RESPONSE_FAULTS

    def _limit_ms(self):
        tokens = self._param("max_output_tokens")
        return None if tokens == "inf" else tokens * MS_PER_OUTPUT_TOKEN

    def _fault_due(self, limit):
        """End an audio response early; whether it was."""
        fault = self.reply.fault
        kind = fault.get("kind")
        if limit is not None and self.audio_ms >= limit:
            self.end("incomplete", "max_output_tokens")
        elif kind in ("failed", "incomplete") and \
                self.audio_ms >= fault.get("after_ms", 0):
            if kind == "failed":
                self._fail(fault)
            else:
                self.end("incomplete",
                         fault.get("reason", "max_output_tokens"))
        return self.status != "in_progress"

    def _fail(self, fault):
        code = fault.get("code", "server_error")
        kind = "server_error" if code == "server_error" else "requests"
        self.end("failed", error={"type": fault.get("type", kind),
                                  "code": code})

    async def _stall(self):
        fault = self.reply.fault
        if fault.get("kind") == "stall" and \
                self.audio_ms >= fault.get("after_ms", 0):
            self.reply.fault = {}
            await asyncio.sleep(fault["seconds"])

    def _odd_deltas(self, item):
        """Once per response: a delta that belongs to nothing we announced."""
        kind = self.reply.fault.get("kind")
        if self.audio:
            return
        event = {"type": "response.output_audio.delta",
                 "event_id": new_id("event"), **self._ids(item),
                 "content_index": 0,
                 "delta": base64.b64encode(b"\x23" * 4000).decode()}
        if kind == "unknown_item_delta":
            event["item_id"] = new_id("item")
            self.session.send_unchecked(event)
        elif kind == "bad_base64":
            event["delta"] = "%%% this is not base64 %%%"
            self.session.send_unchecked(event)

    def _repeat_done(self):
        """Send every .done event of the response once more."""
        again = [e for e in self.session.events_out
                 if e["type"].endswith(".done") and self.id in
                 (e.get("response_id"), e.get("response", {}).get("id"))]
        for event in again:
            self.session.send_unchecked(event)
