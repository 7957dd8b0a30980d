# SPDX-License-Identifier: MIT
"""Tests of the simulated Realtime service: the protocol.

Faults and transport are in test_sim_openai_faults.py.
"""

import asyncio
import json
import time
import urllib.error
import urllib.request

import pytest
import websockets

from . import openai_voice as voice
from .base import SPECS
from .openai_realtime import OpenAISim
from .openai_schema import EventChecker, append_problem
from .sim_client import FAST, Client, asynchronous

SPOKEN = voice.speech("hola", voice.PCMU)
QUIET = b"\xff" * 8000
TURNS = {"turns": [
    {"transcript": "Hola, buenas.", "reply": "Muy buenas."},
    {"transcript": "¿Cuántos clientes hay?", "preamble": "Lo consulto.",
     "calls": [{"name": "consultar_mikrotik",
                "arguments": {"question": "clientes", "timeout": 60}},
               {"name": "otra", "arguments": "{no JSON"}]}]}


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


# Responses

@asynchronous
async def test_a_response_is_complete_ordered_and_says_what_it_was_told():
    said = "Un momento, por favor."
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        await client.configure("audio/pcma")
        await client.send("response.create", response={
            "instructions": f'Di exactamente: "{said}"',
            "metadata": {"purpose": "progress"}})
        done = (await client.expect("response.done"))["response"]
        kinds = [k for k in client.kinds()
                 if not k.endswith("delta")][2:]
        assert kinds == [
            "response.created", "rate_limits.updated",
            "response.output_item.added", "conversation.item.added",
            "response.content_part.added", "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done", "conversation.item.done",
            "response.output_item.done", "response.done"]
        assert done["status"] == "completed"
        assert done["metadata"] == {"purpose": "progress"}
        assert done["output"][0]["content"] == [
            {"type": "output_audio", "transcript": said}]
        usage = done["usage"]
        assert usage["total_tokens"] == \
            usage["input_tokens"] + usage["output_tokens"] > 0
        assert "cached_tokens" in usage["input_token_details"]
        words = "".join(
            e["delta"] for e in client.events
            if e["type"] == "response.output_audio_transcript.delta")
        assert words == said
        assert client.audio() == voice.tone(said, voice.PCMA)
        assert bytes(sim.sessions[0].responses[0].audio) == client.audio()


@asynchronous
async def test_text_responses_have_text_events():
    async with OpenAISim({"greeting": "Hola, soy texto."}, **FAST) as sim, \
            Client(sim) as client:
        await client.send("response.create",
                          response={"output_modalities": ["text"]})
        done = await client.expect("response.done")
        assert done["response"]["output"][0]["content"] == [
            {"type": "output_text", "text": "Hola, soy texto."}]
        assert client.audio() == b""


@asynchronous
async def test_two_function_calls_and_their_results_are_spoken():
    async with OpenAISim(TURNS, **FAST) as sim, Client(sim) as client:
        await client.configure(vad={"silence_duration_ms": 300})
        for _ in range(2):
            await client.append(SPOKEN + QUIET)
            done = await client.expect("response.done")
        output = done["response"]["output"]
        assert [o["type"] for o in output] == [
            "message", "function_call", "function_call"]
        assert json.loads(output[1]["arguments"])["question"] == "clientes"
        assert output[2]["arguments"] == "{no JSON"
        deltas = [e for e in client.events if e["type"] ==
                  "response.function_call_arguments.delta"
                  and e["call_id"] == output[1]["call_id"]]
        assert "".join(d["delta"] for d in deltas) == output[1]["arguments"]
        for call, text in ((output[1], '{"response": "Hay doce clientes."}'),
                           (output[2], "no entendí")):
            await client.send("conversation.item.create", item={
                "type": "function_call_output", "call_id": call["call_id"],
                "output": text})
            await client.expect("conversation.item.done")
        await client.send("response.create")
        done = await client.expect("response.done")
        transcript = done["response"]["output"][0]["content"][0]["transcript"]
        assert "Hay doce clientes." in transcript
        assert "no entendí" in transcript
        assert sim.violations == []


@asynchronous
async def test_only_one_response_at_a_time_but_others_out_of_band():
    slow = {**FAST, "first_audio_ms": 500}
    async with OpenAISim(**slow) as sim, Client(sim) as client:
        await client.send("response.create")
        first = (await client.expect("response.created"))["response"]
        await client.send("response.create", event_id="second")
        error = (await client.expect("error"))["error"]
        assert error["code"] == "conversation_already_has_active_response"
        assert error["event_id"] == "second" and first["id"] in error["message"]
        await client.send("response.create", response={
            "conversation": "none", "metadata": {"n": "1"}, "instructions":
            'Di exactamente: "Sigo consultando."'})
        aside = (await client.expect("response.created"))["response"]
        assert aside["conversation_id"] is None
        assert aside["metadata"] == {"n": "1"}
        ended = {(await client.expect("response.done"))["response"]["id"]
                 for _ in range(2)}
        assert ended == {first["id"], aside["id"]}
        assert client.audio(aside["id"]) == voice.tone(
            "Sigo consultando.", voice.PCM)
        roles = [i.data.get("role") for i in
                 sim.sessions[0].conversation.items]
        assert roles == ["assistant"]       # the aside left no item


@asynchronous
async def test_speech_cancels_the_response_and_closes_what_is_open():
    slow = {**FAST, "speedup": 2}
    script = {"greeting": "Una frase bastante larga para interrumpirla."}
    async with OpenAISim(script, **slow) as sim, Client(sim) as client:
        await client.configure(vad={"silence_duration_ms": 300})
        await client.send("response.create")
        await client.expect("response.output_audio.delta")
        await client.append(SPOKEN)
        done = (await client.expect("response.done"))["response"]
        assert done["status"] == "cancelled"
        assert done["status_details"] == {"type": "cancelled",
                                          "reason": "turn_detected"}
        assert done["output"][0]["status"] == "incomplete"
        kinds = client.kinds()
        assert kinds.index("input_audio_buffer.speech_started") < \
            kinds.index("response.output_audio.done")
        played = len(client.audio(done["id"])) // 8
        assert 0 < played < 2880
        await client.send("conversation.item.truncate", content_index=0,
                          item_id=done["output"][0]["id"], audio_end_ms=played)
        await client.expect("conversation.item.truncated")


@asynchronous
async def test_no_interruption_when_switched_off():
    slow = {**FAST, "first_audio_ms": 600}
    async with OpenAISim(TURNS, **slow) as sim, Client(sim) as client:
        await client.configure(vad={"silence_duration_ms": 200,
                                    "interrupt_response": False})
        await client.send("response.create")
        await client.expect("response.created")
        await client.append(SPOKEN + QUIET)
        error = (await client.expect("error"))["error"]
        assert error["code"] == "conversation_already_has_active_response"
        assert error["event_id"] is None        # the server's own conflict
        done = (await client.expect("response.done"))["response"]
        assert done["status"] == "completed"


@asynchronous
async def test_cancel():
    slow = {**FAST, "first_audio_ms": 5000}
    async with OpenAISim(**slow) as sim, Client(sim) as client:
        await client.send("response.cancel", event_id="x")
        error = (await client.expect("error"))["error"]
        assert error["code"] == "response_cancel_not_active"
        await client.send("response.create")
        await client.expect("response.created")
        await client.send("response.cancel")
        done = (await client.expect("response.done"))["response"]
        assert done["status_details"]["reason"] == "client_cancelled"
        assert done["output"] == []
        await client.send("response.create")        # free again
        await client.expect("response.created")
        assert sim.violations == []


@asynchronous
async def test_cancelled_response_still_delivers_its_function_call():
    long = json.dumps({"question": "x" * 4000})
    script = {"turns": [{"calls": [{"name": "f", "arguments": long}]}]}
    async with OpenAISim(script, **FAST) as sim, Client(sim) as client:
        await client.configure(vad=False)
        await client.append(SPOKEN)
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        await client.expect("response.function_call_arguments.delta")
        await client.send("response.cancel")
        call = await client.expect("response.function_call_arguments.done")
        assert call["arguments"] == long
        done = (await client.expect("response.done"))["response"]
        assert done["status"] == "cancelled"
        assert done["output"][0]["status"] == "incomplete"


@asynchronous
async def test_max_output_tokens_makes_it_incomplete():
    script = {"greeting": "Una frase que dura mucho más de un segundo."}
    async with OpenAISim(script, **FAST) as sim, Client(sim) as client:
        await client.send("response.create",
                          response={"max_output_tokens": 10})
        done = (await client.expect("response.done"))["response"]
        assert done["status"] == "incomplete"
        assert done["status_details"]["reason"] == "max_output_tokens"


# Items

@asynchronous
async def test_truncate_refuses_what_the_service_refuses():
    async with OpenAISim({"greeting": "Buenas."}, **FAST) as sim, \
            Client(sim) as client:
        await client.configure()
        await client.send("response.create")
        done = (await client.expect("response.done"))["response"]
        item = done["output"][0]["id"]
        length = len(client.audio()) // 8

        async def truncate(item_id, ms):
            await client.send("conversation.item.truncate", content_index=0,
                              item_id=item_id, audio_end_ms=ms)
            event = await client.expect("error", "conversation.item.truncated")
            return event.get("error", event)
        beyond = await truncate(item, length + 1)
        assert beyond["message"] == (f"Audio content of {length}ms is already "
                                     f"shorter than {length + 1}ms")
        unplayed = await truncate(item, 0)
        assert unplayed["message"] == (
            "Only model output audio messages can be truncated")
        unknown = await truncate("item_nobody", 10)
        assert unknown["code"] == "item_truncate_invalid_item_id"
        assert (await truncate(item, 120))["audio_end_ms"] == 120
        assert "already shorter" in (await truncate(item, 121))["message"]
        await client.send("conversation.item.retrieve", item_id=item)
        content = (await client.expect(
            "conversation.item.retrieved"))["item"]["content"]
        assert content == [{"type": "output_audio"}]    # no transcript left
        assert sim.violations == []


@asynchronous
async def test_items_are_created_in_order_and_deleted():
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        async def create(role, text, kind="input_text", **fields):
            await client.send("conversation.item.create", **fields, item={
                "type": "message", "role": role, "id": f"i_{text}",
                "content": [{"type": kind, "text": text}]})
            return await client.expect("conversation.item.added")
        assert (await create("user", "a"))["previous_item_id"] is None
        await create("assistant", "b", "output_text")
        added = await create("system", "c", previous_item_id="i_a")
        assert added["previous_item_id"] == "i_a"
        await create("user", "d", previous_item_id="root")
        order = [i.id for i in sim.sessions[0].conversation.items]
        assert order == ["i_d", "i_a", "i_c", "i_b"]
        await client.send("conversation.item.delete", item_id="i_c")
        await client.expect("conversation.item.deleted")
        await client.send("conversation.item.delete", item_id="i_c")
        error = (await client.expect("error"))["error"]
        assert error["code"] == "item_delete_invalid_item_id"


@pytest.mark.parametrize("item, code, violations", [
    ({"type": "function_call_output", "call_id": "call_x", "output": "x"},
     "invalid_tool_call_id", 0),
    ({"type": "message", "role": "user", "id": "with space", "content": []},
     "invalid_value", 1),
    ({"type": "message", "role": "user", "id": "x" * 33, "content": []},
     "string_above_max_length", 1),
])
@asynchronous
async def test_items_are_refused(item, code, violations):
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        await client.send("conversation.item.create", item=item)
        assert (await client.expect("error"))["error"]["code"] == code
        assert len(sim.violations) == violations


@asynchronous
async def test_a_function_call_of_the_history_may_have_an_output():
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        for item in ({"type": "function_call", "call_id": "call_1",
                      "name": "f", "arguments": "{}"},
                     {"type": "function_call_output", "call_id": "call_1",
                      "output": "hecho"}):
            await client.send("conversation.item.create", item=item)
            await client.expect("conversation.item.done")
        assert sim.violations == []


@asynchronous
async def test_a_successor_session_continues_the_script():
    async with OpenAISim(TURNS, **FAST) as sim, Client(sim) as client:
        await client.configure(vad=False)
        await client.send("conversation.item.create", item={
            "type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "Hola, buenas."}]})
        await client.append(SPOKEN)
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        done = (await client.expect("response.done"))["response"]
        assert done["output"][1]["name"] == "consultar_mikrotik"


# Checking and voices

def examples():
    path = SPECS / "openai" / "realtime.examples.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.skipif(not examples(), reason="the vendor's specifications are "
                    "not beside the repository")
def test_checker_agrees_with_the_published_examples():
    checker = EventChecker()
    for example in examples():
        event = example["event"]
        if example["direction"] == "client":
            valid = checker.client(event) is None
        else:
            try:
                checker.server(event)
                valid = True
            except AssertionError:
                valid = False
        assert valid == example["valid_strict"], example["type"]


@pytest.mark.parametrize("audio", ["", "AAAA", "AA==", "AAA=", "AAA", "A\nAA",
                                   "====", "AAAA====", "ÿÿÿÿ", "A-_A", 5])
def test_quick_append_check_agrees_with_the_schema(audio):
    checker = EventChecker()
    if not checker.strict:
        pytest.skip("the vendor's schema is not beside the repository")
    event = {"type": "input_audio_buffer.append", "audio": audio}
    exact = list(checker._validator(
        "RealtimeClientEvent", event["type"]).iter_errors(event))
    assert (append_problem(event) is None) == (not exact)


def test_checker_without_the_schema_still_knows_the_required_fields(tmp_path):
    checker = EventChecker(tmp_path / "absent.json")
    assert not checker.strict
    assert checker.client({"type": "response.cancel"}) is None
    assert checker.client({"type": "conversation.item.delete"}).param == \
        "item_id"
    assert checker.client({"type": "session.update", "session": {}}).param == \
        "session.type"


def test_codecs_are_g711():
    path = SPECS / "rtp" / "g711.json"
    if path.exists():
        published = json.loads(path.read_text())
        assert voice.ULAW_TO_LINEAR == published["ulaw_to_linear"]
        assert voice.ALAW_TO_LINEAR == published["alaw_to_linear"]
    assert voice.ULAW_TO_LINEAR[0x80] == 32124
    assert voice.ALAW_TO_LINEAR[0xAA] == 32256
    for audio_format in (voice.PCMU, voice.PCMA):
        values = audio_format.decode(bytes(range(256)))
        assert audio_format.decode(audio_format.encode(values)) == values
        assert audio_format.decode(audio_format.silence)[0] in (0, 8)


def test_speech_is_heard_and_tones_are_distinct():
    for audio_format in (voice.PCMU, voice.PCMA, voice.PCM):
        said = voice.speech("buenos días", audio_format)
        assert voice.speech("buenos días", audio_format) == said
        detector = voice.VoiceDetector(audio_format)
        silence = audio_format.silence * (audio_format.rate // 1)
        events = [kind for kind, _ in detector.feed(said + silence)]
        assert events[0] == "started" and events[-1] == "stopped"
    assert voice.tone("a") == voice.tone("a") != voice.tone("b")
    assert not {0xFF, 0xD5, 0x7F} & set(voice.tone("Muy buenas"))


def test_speech_without_espeak_falls_back_to_beeps(monkeypatch, tmp_path):
    monkeypatch.setattr(voice, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", "")
    beeps = voice.speech("hola a todos", voice.PCMU)
    assert len(beeps) > 4000
    assert voice.PCMU.level(beeps[:800]) > 1000
