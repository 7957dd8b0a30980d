# SPDX-License-Identifier: MIT
"""Tests of the simulated Realtime service: session, admission, input audio.

Beside it: ..._responses, ..._faults (and transport), test_sim_checks.
"""

import asyncio
import json
import time
import urllib.error
import urllib.request

import pytest
import websockets

from . import openai_voice as voice
from .openai_realtime import OpenAISim
from .sim_client import FAST, Client, asynchronous

SPOKEN = voice.speech("hola", voice.PCMU)
QUIET = b"\xff" * 8000
TURNS = {"turns": [
    {"transcript": "Hola, buenas.", "reply": "Muy buenas."}]}


def ulaw(n):
    """n bytes of µ-law, all codes in turn: nothing that a codec preserves by
    chance."""
    return bytes(i * 7 % 256 for i in range(n))


# The session

@asynchronous
async def test_session_created_comes_first_and_updates_are_partial():
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        created = await client.next()
        assert created["type"] == "session.created"
        assert created["session"]["model"] == "gpt-realtime-2.1"
        assert created["session"]["expires_at"] > time.time() + 3000
        assert created["session"]["audio"]["input"]["format"] == {
            "type": "audio/pcm", "rate": 24000}
        updated = await client.configure(instructions="Eres Ana.")
        assert updated["session"]["instructions"] == "Eres Ana."
        assert updated["session"]["audio"]["output"] == {
            "format": {"type": "audio/pcmu"}, "voice": "marin", "speed": 1}
        await client.send("session.update", session={
            "type": "realtime",
            "audio": {"input": {"turn_detection": None}}})
        session = (await client.expect("session.updated"))["session"]
        assert session["audio"]["input"]["turn_detection"] is None
        assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
        assert session["instructions"] == "Eres Ana."
        assert sim.violations == []


@pytest.mark.parametrize("session, code, param", [
    ({}, "missing_required_parameter", "session.type"),
    ({"type": "realtime", "voice": "marin"}, "unknown_parameter",
     "session.voice"),
    ({"type": "realtime", "audio": {"input": {"format": {
        "type": "audio/pcmu", "rate": 8000}}}}, "unknown_parameter",
     "session.audio.input.format.rate"),
    ({"type": "realtime", "output_modalities": ["smell"]}, "invalid_value",
     "session.output_modalities[0]"),
    ({"type": "realtime", "instructions": 3}, "invalid_type",
     "session.instructions"),
])
@asynchronous
async def test_wrong_session_update_is_refused_as_a_whole(session, code, param):
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        if not sim.checker.strict and code != "missing_required_parameter":
            pytest.skip("the vendor's schema is not beside the repository")
        await client.send("session.update", event_id="mine", session={
            **session, **({"tools": []} if session else {})})
        error = (await client.expect("error"))["error"]
        assert (error["type"], error["code"], error["param"]) == (
            "invalid_request_error", code, param)
        assert error["event_id"] == "mine"
        assert len(sim.violations) == 1
        assert sim.sessions[0].sent("session.updated") == []


@asynchronous
async def test_voice_is_fixed_after_the_first_audio():
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        change = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
        await client.send("session.update", session=change)
        await client.expect("session.updated")
        await client.send("response.create")
        await client.expect("response.done")
        await client.send("session.update", session=change)
        await client.expect("session.updated")      # the same voice: fine
        change["audio"]["output"]["voice"] = "marin"
        await client.send("session.update", session=change)
        error = await client.expect("error")
        assert error["error"]["code"] == "cannot_update_voice"


@pytest.mark.parametrize("message, code", [
    ({"no": "type"}, "invalid_event"), ({"type": "session.destroy"},
                                        "invalid_value"),
    ([1, 2], "invalid_event"),
    ({"type": "input_audio_buffer.append", "audio": "%%%"}, "invalid_value"),
    ({"type": "output_audio_buffer.clear"}, "invalid_value"),
])
@asynchronous
async def test_wrong_events_are_refused_and_remembered(message, code):
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        await client.socket.send(json.dumps(message))
        assert (await client.expect("error"))["error"]["code"] == code
        assert len(sim.violations) == 1


@asynchronous
async def test_text_that_is_not_json_is_refused():
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        await client.socket.send("{")
        assert (await client.expect("error"))["error"]["code"] == \
            "invalid_json"
        await client.socket.send(b"\0\1")
        await client.expect("error")
        assert len(sim.violations) == 2


# Admission

@asynchronous
async def test_wrong_key_and_missing_key_get_401():
    async with OpenAISim(**FAST) as sim:
        for headers in ({"Authorization": "Bearer wrong"},
                        {"Authorization": "Basic x"}):
            with pytest.raises(websockets.InvalidHandshake) as refused:
                async with Client(sim, headers=headers):
                    pass
            assert "401" in str(refused.value)
        assert sim.sessions == []


@asynchronous
async def test_unknown_model_and_beta_header_are_closed_with_4000():
    async with OpenAISim(**FAST) as sim:
        for options, code in (
                ({"model": "gpt-5-nothing"}, "model_not_found"),
                ({"headers": {"OpenAI-Beta": "realtime=v1"}},
                 "beta_api_shape_disabled")):
            async with Client(sim, **options) as client:
                assert await client.closed() == (
                    4000, f"invalid_request_error.{code}")
                assert client.events[0]["error"]["code"] == code
        assert sim.sessions == []
        assert len(sim.violations) == 1     # the header, not the model


def test_models_carry_their_shutdown_date():
    with OpenAISim(tls=False, **FAST) as sim:
        def get(path, key=sim.api_key):
            request = urllib.request.Request(
                sim.http_url + path,
                headers={"Authorization": f"Bearer {key}"})
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.load(answer)
        listed = {m["id"]: m["shutdown_date"] for m in get("/models")["data"]}
        assert listed["gpt-realtime-2.1"] is None
        assert listed["gpt-realtime"] == "2027-01-20"
        assert get("/models/gpt-realtime")["shutdown_date"] == "2027-01-20"
        for path, key, status in (("/models/none", sim.api_key, 404),
                                  ("/models", "wrong", 401)):
            with pytest.raises(urllib.error.HTTPError) as refused:
                get(path, key)
            assert refused.value.code == status
            assert "error" in json.load(refused.value)


# Input audio

@pytest.mark.parametrize("name", ["audio/pcmu", "audio/pcma", "audio/pcm"])
@asynchronous
async def test_input_audio_is_kept_bit_exact(name):
    sent = ulaw(4000)
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        await client.configure(name, vad=False)
        for size in (160, 480, 1, 999):
            await client.append(sent, size)
        session = sim.sessions[0]
        await sim.wait_until(lambda: len(session.input_audio) == 16000)
        assert bytes(session.input_audio) == sent * 4
        offsets = [offset for _, offset, _ in session.input_arrivals]
        assert offsets == sorted(offsets) and offsets[-1] == 15996
        assert sim.violations == []


@asynchronous
async def test_a_turn_is_detected_committed_transcribed_and_answered():
    async with OpenAISim(TURNS, **FAST) as sim, Client(sim) as client:
        await client.configure(vad={"silence_duration_ms": 300,
                                    "prefix_padding_ms": 100})
        await client.append(QUIET + SPOKEN + QUIET)
        await client.expect("response.done")
        await client.append(QUIET)
        kinds = client.kinds()
        order = ["input_audio_buffer.speech_started",
                 "input_audio_buffer.speech_stopped",
                 "input_audio_buffer.committed", "conversation.item.added",
                 "conversation.item.done", "response.created",
                 "rate_limits.updated", "response.output_item.added"]
        start = kinds.index(order[0])
        assert [k for k in kinds[start:] if "transcription" not in k][:8] == \
            order
        by_kind = {e["type"]: e for e in client.events}
        started, stopped = by_kind[order[0]], by_kind[order[1]]
        # 1000 ms of silence first; speech begins within it by the padding.
        assert 860 <= started["audio_start_ms"] <= 1100
        length = len(SPOKEN) // 8
        assert 0 <= stopped["audio_end_ms"] - 1000 - length <= 340
        item = by_kind["input_audio_buffer.committed"]["item_id"]
        assert started["item_id"] == stopped["item_id"] == item
        done = by_kind["conversation.item.input_audio_transcription.completed"]
        assert (done["item_id"], done["transcript"]) == (item, "Hola, buenas.")
        audio = sim.sessions[0].conversation.get(item).audio
        assert audio in QUIET + SPOKEN + QUIET and len(audio) > len(SPOKEN) / 2
        assert client.audio() == voice.tone("Muy buenas.")
        assert sim.violations == []


@asynchronous
async def test_detection_waits_while_the_stream_has_a_gap():
    async with OpenAISim(TURNS, **FAST) as sim, Client(sim) as client:
        await client.configure(vad={"silence_duration_ms": 300})
        await client.append(SPOKEN)
        await client.expect("input_audio_buffer.speech_started")
        with pytest.raises(asyncio.TimeoutError):
            await client.next(timeout=1)        # far longer than 300 ms
        await client.append(QUIET)
        await client.expect("input_audio_buffer.speech_stopped")


@asynchronous
async def test_semantic_vad_and_no_response_when_not_wanted():
    async with OpenAISim(TURNS, **FAST) as sim, Client(sim) as client:
        await client.send("session.update", session={
            "type": "realtime", "audio": {"input": {
                "format": {"type": "audio/pcmu"}, "turn_detection": {
                    "type": "semantic_vad", "create_response": False}}}})
        await client.append(SPOKEN + QUIET)
        await client.expect("input_audio_buffer.committed")
        await client.append(QUIET)
        with pytest.raises(asyncio.TimeoutError):
            await client.expect("response.created", timeout=0.3)
        await client.send("response.create")
        await client.expect("response.done")
        assert sim.sessions[0].sent(
            "response.output_audio_transcript.done")[0]["transcript"] == \
            "Muy buenas."


@asynchronous
async def test_idle_timeout_counts_audio_time_and_answers():
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        await client.configure(vad={"idle_timeout_ms": 5000})
        await client.send("response.create")
        await client.expect("response.done")
        await client.append(QUIET * 5)          # 5 s: the reply plays as well
        await client.append(QUIET * 8)
        late = await client.expect("input_audio_buffer.timeout_triggered")
        assert late["audio_end_ms"] - late["audio_start_ms"] >= 5000
        await client.expect("response.done")


@asynchronous
async def test_manual_commit_and_clear():
    async with OpenAISim(TURNS, **FAST) as sim, Client(sim) as client:
        await client.configure(vad=False)
        await client.append(ulaw(720))          # 90 ms
        await client.send("input_audio_buffer.commit", event_id="c1")
        error = (await client.expect("error"))["error"]
        assert error["code"] == "input_audio_buffer_commit_empty"
        assert "90.00ms" in error["message"] and error["event_id"] == "c1"
        await client.append(ulaw(160))
        await client.send("input_audio_buffer.commit")
        committed = await client.expect("input_audio_buffer.committed")
        item = sim.sessions[0].conversation.get(committed["item_id"])
        assert item.audio == ulaw(720) + ulaw(160)
        await client.append(ulaw(1600))
        await client.send("input_audio_buffer.clear")
        await client.expect("input_audio_buffer.cleared")
        await client.send("input_audio_buffer.commit")
        await client.expect("error")
        assert sim.violations == []
