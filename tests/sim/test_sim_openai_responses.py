# SPDX-License-Identifier: MIT
"""Tests of the simulated Realtime service: responses and items."""

import json

import pytest

from . import openai_voice as voice
from .openai_realtime import OpenAISim
from .sim_client import FAST, Client, asynchronous

SPOKEN = voice.speech("hola", voice.PCMU)
QUIET = b"\xff" * 8000
TURNS = {"turns": [
    {"transcript": "Hola, buenas.", "reply": "Muy buenas."},
    {"transcript": "¿Cuántos clientes hay?", "preamble": "Lo consulto.",
     "calls": [{"name": "consultar_mikrotik",
                "arguments": {"question": "clientes", "timeout": 60}},
               {"name": "otra", "arguments": "{no JSON",
                "undeclared": True}]}]}
TOOL = {"type": "function", "name": "consultar_mikrotik", "parameters": {}}


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
        await client.configure(vad={"silence_duration_ms": 300}, tools=[TOOL])
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
async def test_what_is_out_of_band_is_no_item_and_ends_only_by_its_id():
    slow = {**FAST, "speedup": 2}
    async with OpenAISim(**slow) as sim, Client(sim) as client:
        await client.configure("audio/pcmu", vad={"silence_duration_ms": 300})
        await client.send("response.create", response={
            "conversation": "none", "input": [], "tools": [], "instructions":
            'Di exactamente: "Sigo consultando, es una frase larga."'})
        delta = await client.expect("response.output_audio.delta")
        aside = delta["response_id"]
        await client.append(SPOKEN + QUIET)     # speech does not cancel it
        await client.expect("input_audio_buffer.speech_started")
        for kind, fields, code in (
                ("response.cancel", {"response_id": "resp_unknown"},
                 "response_cancel_not_active"),
                ("conversation.item.truncate",
                 {"item_id": delta["item_id"], "content_index": 0,
                  "audio_end_ms": 20}, "item_truncate_invalid_item_id"),
                ("conversation.item.delete", {"item_id": delta["item_id"]},
                 "item_delete_invalid_item_id")):
            await client.send(kind, **fields)
            assert (await client.expect("error"))["error"]["code"] == code
        assert len(sim.violations) == 2     # the cancel may be a mere race
        await client.send("response.cancel", response_id=aside)
        done = await client.expect("response.done")
        while done["response"]["id"] != aside:
            done = await client.expect("response.done")
        assert done["response"]["status"] == "cancelled"
        assert done["response"]["status_details"]["reason"] == \
            "client_cancelled"
        items = sim.sessions[0].conversation.items
        assert delta["item_id"] not in [item.id for item in items]


@asynchronous
async def test_an_empty_input_costs_only_the_instructions():
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        words = 'Di exactamente: "Sigo en ello."'
        await client.send("conversation.item.create", item={
            "type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "una historia " * 100}]})
        await client.send("response.create", response={
            "conversation": "none", "input": [], "instructions": words})
        done = await client.expect("response.done")
        usage = done["response"]["usage"]["input_token_details"]
        assert usage["text_tokens"] == len(words) // 4
        assert usage["cached_tokens"] == 0
        assert sim.violations == []


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


@asynchronous
async def test_calling_an_undeclared_tool_is_the_clients_omission():
    script = {"greeting": "x", "turns": [{"calls": [{"name": "f"}]}]}
    async with OpenAISim(script, **FAST) as sim, Client(sim) as client:
        await client.configure(vad=False)
        await client.append(SPOKEN)
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        await client.expect("response.done")
        assert [v["tool"] for v in sim.violations] == ["f"]


@asynchronous
async def test_text_messages_have_their_answers_and_input_is_obeyed():
    script = {"texts": [{"contains": "tecla 1", "reply": "Ventas, dígame."}]}
    async with OpenAISim(script, **FAST) as sim, Client(sim) as client:
        await client.send("conversation.item.create", item={
            "type": "message", "role": "system", "content": [
                {"type": "input_text", "text": "Pulsó la tecla 1."}]})
        await client.send("response.create")
        await client.expect("response.done")
        await client.send("response.create", response={
            "conversation": "none", "input": [
                {"type": "message", "role": "user", "content": [
                    {"type": "input_text",
                     "text": "Di exactamente: «Sigo en ello.»"}]}]})
        await client.expect("response.done")
        said = [e["transcript"] for e in client.events if
                e["type"] == "response.output_audio_transcript.done"]
        assert said == ["Ventas, dígame.", "Sigo en ello."]


@asynchronous
async def test_a_result_that_arrives_with_a_new_turn_is_not_lost():
    script = {"settings": {"first_audio_ms": 10}, "turns": [
        {"calls": [{"name": "f", "undeclared": True}]},
        {"reply": "Claro que sí."}]}
    async with OpenAISim(script, **FAST) as sim, Client(sim) as client:
        assert sim.settings.first_audio_ms == 10
        await client.configure(vad=False)
        await client.append(SPOKEN)
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        done = (await client.expect("response.done"))["response"]
        await client.send("conversation.item.create", item={
            "type": "function_call_output", "output": "Doce.",
            "call_id": done["output"][0]["call_id"]})
        await client.append(SPOKEN)
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        done = (await client.expect("response.done"))["response"]
        assert done["output"][0]["content"][0]["transcript"] == \
            "Ya tengo la respuesta. Doce. Claro que sí."


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
    ({"type": "message", "role": "assistant", "content": [
        {"type": "output_audio", "audio": "//8="}]}, "invalid_value", 1),
    ({"type": "message", "role": "user", "content": [
        {"type": "input_text"}]}, "invalid_value", 1),
    ({"type": "message", "role": "user", "content": []}, "invalid_value", 1),
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
        await client.send("conversation.item.create", item=item)
        await client.expect("conversation.item.done")
        assert len(sim.violations) == 1     # a second answer


@pytest.mark.parametrize("answered", [False, True])
@asynchronous
async def test_the_last_turn_of_a_history_is_answered_once(answered):
    script = {"turns": [{"transcript": "Hola.", "reply": "Buenas."}],
              "otherwise": "Diga."}
    async with OpenAISim(script, **FAST) as sim, Client(sim) as client:
        await client.configure(vad=False)
        for role, kind, text in (("user", "input_text", "Hola."),
                                 ("assistant", "output_text", "Buenas."))[
                                     :1 + answered]:
            await client.send("conversation.item.create", item={
                "type": "message", "role": role,
                "content": [{"type": kind, "text": text}]})
        await client.send("response.create")
        await client.expect("response.done")
        assert sim.sessions[0].responses[0].reply.text == \
            ("Diga." if answered else "Buenas.")


@asynchronous
async def test_a_successor_session_continues_the_script():
    async with OpenAISim(TURNS, **FAST) as sim, Client(sim) as client:
        await client.configure(vad=False, tools=[TOOL])
        await client.send("conversation.item.create", item={
            "type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "Hola, buenas."}]})
        await client.append(SPOKEN)
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        done = (await client.expect("response.done"))["response"]
        assert done["output"][1]["name"] == "consultar_mikrotik"
