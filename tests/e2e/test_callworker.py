# SPDX-License-Identifier: MIT
"""The real callworker alone against the simulated Realtime service: what one
call does when everything works."""

import os
import re
import signal
import time

import pytest

from tests.e2e.worker_rig import (CALL, GREETING, PHRASES, brief, rig_fixture,
                                  said)
from tests.sim import openai_voice

rig = rig_fixture()

QUESTION = '{"question": "¿qué señal tiene Juan?"}'
LONG = "uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece"


def test_the_greeting_is_held_until_the_caller_can_hear_it(rig):
    worker = rig()
    worker.warm()
    assert worker.title() == \
        "telefonista: callworker spare gpt-realtime-2.1 warm"
    worker.assign()
    worker.expect("ready")
    worker.wait_for_log("greeting ready after_ms=")
    worker.wait_for(lambda: worker.session.responses and
                    worker.session.responses[0].status == "completed",
                    "the whole greeting generated")
    phone = worker.media()
    worker.wait_for(lambda: phone.heard() and phone.is_quiet(0.3), "greeting")
    heard = phone.heard()
    spoken = said(GREETING)
    assert heard[:len(spoken)] == spoken        # from its first sample
    assert heard[len(spoken):].strip(b"\xff") == b""
    worker.hangup()
    assert worker.exit_status() == 0
    bye = worker.expect("bye")
    assert bye["call"] == CALL and bye["reason"] == "caller_gone"
    assert bye["media"]["packets_out"] > 0
    assert bye["usage"]["output_audio"] > 0


@pytest.mark.parametrize("codec, wire", [("ulaw", "audio/pcmu"),
                                         ("alaw", "audio/pcma")])
def test_the_caller_is_heard_bit_by_bit(rig, codec, wire):
    worker = rig()
    phone = worker.talk(codec=codec)
    config = worker.session.config
    assert config["audio"]["input"]["format"] == {"type": wire}
    assert config["audio"]["output"]["format"] == {"type": wire}
    assert config["audio"]["input"]["transcription"] == {
        "model": "gpt-transcribe", "language": "es"}
    assert config["instructions"] == "Eres la voz de soporte."
    phone.say("el caller dice algo", 600)
    worker.wait_for(lambda: worker.session.sent(
        "input_audio_buffer.speech_stopped"), "the end of speech")
    spoken = openai_voice.tone(
        "el caller dice algo", phone.format, least_ms=600)[:4800]
    assert spoken in bytes(worker.session.input_audio)


def test_a_turn_is_answered_and_both_sides_are_in_the_journal(rig):
    worker = rig({"turns": [{"transcript": "Hola, ¿hay servicio?",
                             "reply": "Sí, todo funciona."}]})
    phone = worker.talk()
    phone.say()
    worker.wait_for_log('voice said text="Sí, todo funciona." heard="all"')
    worker.wait_for_log("first audio after_ms=")
    worker.wait_for_log('caller said text="Hola, ¿hay servicio?"')
    assert said("Sí, todo funciona.") in phone.heard()
    assert [u["text"] for u in worker.journal("user")] == \
        ["Hola, ¿hay servicio?"]
    assert [a["text"] for a in worker.journal("assistant")] == \
        [GREETING, "Sí, todo funciona."]
    assert worker.journal("call")[0]["caller"] == "+573001234655"
    worker.hangup()
    assert worker.exit_status() == 0
    assert worker.journal()[-1][0] == "final"
    assert worker.journal("final")[0]["reason"] == "caller_gone"


def test_barge_in_stops_the_voice_and_truncates_at_what_was_heard(rig):
    worker = rig({"turns": [{"transcript": "dime", "reply": LONG},
                            {"transcript": "para", "reply": "Bueno."}]},
                 speedup=50)
    phone = worker.talk()
    phone.say()
    worker.wait_for(lambda: len(worker.session.responses) == 2 and
                    worker.session.responses[1].status == "completed",
                    "a long answer, all of it generated")
    first = time.monotonic()
    before = len(phone.heard())
    worker.watch(1.0)
    phone.say("para", 600)
    worker.wait_for(lambda: worker.session.received(
        "conversation.item.truncate"), "truncate")
    started = worker.session.sent("input_audio_buffer.speech_started")[-1]
    worker.wait_for(lambda: phone.is_quiet(0.1), "silence")
    heard_ms = (len(phone.heard()) - before) / 8
    cut = worker.session.received("conversation.item.truncate")
    assert len(cut) == 1 and cut[0]["content_index"] == 0
    # What the rig's phone got is what the service was told, give or take
    # what was under way when this test looked.
    total = len(said(LONG)) // 8
    assert 0 < cut[0]["audio_end_ms"] < total
    heard = [h for h in worker.journal("heard") if h["interrupted"]]
    worker.wait_for(lambda: [h for h in worker.journal("heard")
                             if h["interrupted"]], "journal")
    heard = [h for h in worker.journal("heard") if h["interrupted"]][0]
    assert heard["heard_ms"] == cut[0]["audio_end_ms"]
    assert heard["heard"] + heard["unheard"] == LONG
    assert heard["unheard"] != ""
    assert worker.session.errors == []
    worker.wait_for_log("barge-in stopped playout after_ms=")
    # The voice answers what the caller said then.
    worker.wait_for(lambda: said("Bueno.") in phone.heard(), "next answer")
    assert started["item_id"] and first and heard_ms >= 0


def test_speech_while_the_voice_is_silent_truncates_nothing(rig):
    worker = rig({"turns": [{"transcript": "a", "reply": "Sí."},
                            {"transcript": "b", "reply": "No."}]})
    phone = worker.talk()
    for text in ("Sí.", "No."):
        phone.say()
        worker.wait_for(lambda text=text: said(text) in phone.heard() and
                        phone.is_quiet(0.3), text)
    assert not worker.session.received("conversation.item.truncate")
    assert not worker.session.received("conversation.item.delete")
    assert not worker.session.received("response.cancel")
    assert worker.session.errors == []


def test_an_answer_interrupted_while_it_is_made_is_cancelled_by_the_service(
        rig):
    # A machine that stalls may make two turns of the interruption.
    worker = rig({"turns": [{"transcript": "a", "reply": LONG},
                            {"transcript": "b", "reply": "Bien."},
                            {"transcript": "c", "reply": "Bien."}]},
                 speedup=1.2)
    phone = worker.talk()
    phone.say()
    worker.wait_for(lambda: len(worker.session.responses) == 2 and
                    worker.session.responses[1].audio_ms > 1200, "some audio")
    phone.say("para", 600)
    worker.wait_for(lambda: worker.session.responses[1].status == "cancelled",
                    "the cancellation")
    worker.wait_for(lambda: said("Bien.") in phone.heard(), "next answer")
    cut = [event["item_id"] for event in
           worker.session.received("conversation.item.truncate")]
    assert cut and len(set(cut)) == len(cut)
    assert worker.session.errors == []


def test_a_slow_tool_holds_up_nothing(rig):
    worker = rig({"turns": [
        {"transcript": "revise mi señal", "preamble": "Ya consulto.",
         "calls": [{"name": "consultar_mikrotik", "arguments": QUESTION}],
         "then": {"reply": "Listo: {response}"}},
        {"transcript": "¿y mientras?", "reply": "Mientras, conversemos."}]},
        ping_interval=0.2)
    phone = worker.talk()
    phone.say()
    request = worker.expect("tool.request")
    assert request["name"] == "consultar_mikrotik"
    assert request["arguments"] == QUESTION
    assert request["call"] == CALL
    worker.wait_for(lambda: worker.title().endswith(
        " tool=consultar_mikrotik"), "the title")
    assert f"telefonista: call {CALL} …4655 → 3241000752 soporte talking " \
        in worker.title()
    phone.say("¿y mientras?")
    worker.wait_for(lambda: said("Mientras, conversemos.") in phone.heard(),
                    "an answer while the tool runs")
    worker.result(request["id"], output="-61 dBm")
    worker.wait_for(lambda: said("Listo: -61 dBm") in phone.heard(),
                    "the result")
    outputs = [e["item"] for e in
               worker.session.received("conversation.item.create")]
    assert [o["call_id"] for o in outputs] == [request["id"]]
    assert worker.session.errors == []
    assert len(worker.session.pongs) > 5
    assert max(worker.session.pongs) < 1000
    assert [t["name"] for t in worker.journal("tool_call")] == \
        ["consultar_mikrotik"]
    assert worker.journal("tool_result")[0]["status"] == "ok"


def test_what_is_said_while_a_tool_runs_is_no_part_of_the_conversation(rig):
    worker = rig({"turns": [
        {"transcript": "revise mi señal",
         "calls": [{"name": "consultar_mikrotik", "arguments": QUESTION}],
         "then": {"reply": "Listo: {response}"}},
        {"transcript": "oiga", "reply": "Dígame."}]}, speedup=1.2)
    phone = worker.talk(brief(phrases={**PHRASES, "tool_wait": LONG}))
    phone.say()
    request = worker.expect("tool.request")
    worker.wait_for(lambda: worker.session.responses[-1].out_of_band and
                    worker.session.responses[-1].audio_ms > 1200, "an aside")
    aside = worker.session.responses[-1]
    assert aside.reply.text == LONG and aside.params["input"] == []
    phone.say("oiga", 600)
    worker.wait_for(lambda: aside.status != "in_progress", "its end")
    assert aside.status == "cancelled"      # by us: the service never does
    worker.wait_for(lambda: said("Dígame.") in phone.heard(), "the answer")
    worker.result(request["id"], output="-61 dBm")
    worker.wait_for(lambda: said("Listo: -61 dBm") in phone.heard(),
                    "the result")
    assert [e["response_id"] for e in
            worker.session.received("response.cancel")] == [aside.id]
    assert not worker.session.received("conversation.item.truncate")
    assert not worker.session.received("conversation.item.delete")
    assert worker.session.errors == []
    cut, *_ = worker.journal("aside")
    assert cut["interrupted"] and LONG.startswith(cut["heard"].rstrip("…"))


def test_two_calls_in_one_response_are_answered_by_one(rig):
    worker = rig({"turns": [
        {"transcript": "dos cosas", "preamble": "Ya.",
         "calls": [{"name": "consultar_mikrotik", "arguments": QUESTION},
                   {"name": "consultar_mikrotik", "arguments": QUESTION}],
         "then": {"reply": "Son {response}"}}]})
    phone = worker.talk()
    phone.say()
    worker.expect("tool.request", count=2)
    ids = [m["id"] for m in worker.find("tool.request")]
    worker.result(ids[1], output="dos")
    worker.result(ids[0], output="uno")
    worker.wait_for(lambda: said("Son dos uno") in phone.heard(), "both")
    creates = worker.session.received("response.create")
    assert len(creates) == 2        # the greeting and one for both
    assert worker.session.errors == []


def test_a_tool_failure_reaches_the_voice_as_its_sentence(rig):
    worker = rig({"turns": [
        {"transcript": "revise", "preamble": "Ya.",
         "calls": [{"name": "consultar_mikrotik", "arguments": QUESTION}],
         "then": {"reply": "{response}"}}]})
    phone = worker.talk()
    phone.say()
    request = worker.expect("tool.request")
    worker.result(request["id"], "timeout", "No respondió a tiempo.")
    worker.wait_for(lambda: said("No respondió a tiempo.") in phone.heard(),
                    "the honest sentence")


@pytest.mark.parametrize("name, arguments", [
    ("consultar_mikrotik", "{not json"),
    ("consultar_mikrotik", '{"question": 7}'),
    ("consultar_mikrotik", '{"otra": "x"}'),
    ("consultar_mikrotik", '[]'),
])
def test_a_model_that_calls_wrongly_can_correct_itself(rig, name, arguments):
    worker = rig({"turns": [
        {"transcript": "revise", "preamble": "Ya.",
         "calls": [{"name": name, "arguments": arguments}],
         "then": {"preamble": "Perdón.",
                  "calls": [{"name": "consultar_mikrotik",
                             "arguments": QUESTION}],
                  "then": {"reply": "Al fin {response}"}}}]})
    phone = worker.talk()
    phone.say()
    request = worker.expect("tool.request")
    assert request["arguments"] == QUESTION
    worker.result(request["id"], output="bien")
    worker.wait_for(lambda: said("Al fin bien") in phone.heard(), "the end")
    first = worker.session.received("conversation.item.create")[0]["item"]
    assert '"invalid_arguments"' in first["output"]


def test_digits_become_one_text_and_interrupt(rig):
    worker = rig({"turns": [{"transcript": "hable", "reply": LONG}],
                  "texts": [{"contains": "marcó: 1 2 3",
                             "reply": "Marcó uno dos tres."}]}, speedup=50)
    phone = worker.talk()
    phone.say()
    worker.wait_for(lambda: not phone.is_quiet(0.05), "a long answer")
    for digit in "123#":
        worker.send("dtmf", call=CALL, digit=digit)
    worker.wait_for(lambda: said("Marcó uno dos tres.") in phone.heard(),
                    "the answer to the digits")
    texts = [e["item"]["content"][0]["text"] for e in
             worker.session.received("conversation.item.create")]
    assert texts == ["[El usuario marcó: 1 2 3]"]
    assert said(LONG) not in phone.heard()
    assert worker.journal("dtmf") == [{"digits": "1 2 3"}]


def test_a_silent_caller_is_asked_once_then_let_go(rig):
    worker = rig()
    phone = worker.talk(brief(silent_caller_s=2))
    worker.wait_for(lambda: said(PHRASES["still_there"]) in phone.heard(),
                    "the question")
    action = worker.expect("call.action")
    assert (action["action"], action["reason"]) == ("hangup", "silent")
    assert said(PHRASES["silent_goodbye"]) in phone.heard()
    worker.hangup()
    assert worker.exit_status() == 0


@pytest.mark.parametrize("reason, phrase", [
    ("limit", "limit_goodbye"), ("shutdown", "shutdown_goodbye"),
    ("terminated", "shutdown_goodbye")])
def test_a_farewell_is_heard_completely_before_the_end(rig, reason, phrase):
    worker = rig()
    phone = worker.talk()
    worker.hangup(reason, farewell=True)
    action = worker.expect("call.action")
    worker.watch(0.1)
    assert action["reason"] == reason
    assert said(PHRASES[phrase]) in phone.heard()
    worker.hangup(reason)
    assert worker.exit_status() == 0


def test_a_farewell_cannot_be_talked_down(rig):
    worker = rig()
    phone = worker.talk()
    phone.say("bla bla", 4000)
    worker.wait_for(lambda: worker.session.sent(
        "input_audio_buffer.speech_started"), "speech")
    worker.hangup("limit", farewell=True)
    worker.expect("call.action", reason="limit")
    worker.watch(0.1)
    assert said(PHRASES["limit_goodbye"]) in phone.heard()


def test_sigterm_ends_a_call_politely(rig):
    worker = rig()
    phone = worker.talk()
    worker.terminate()
    worker.expect("call.action", reason="terminated")
    worker.watch(0.1)
    assert said(PHRASES["shutdown_goodbye"]) in phone.heard()
    # Nobody lets it go: it leaves all the same.
    assert worker.exit_status() == 0
    worker.expect("bye")


def test_an_orphan_says_goodbye_and_leaves(rig):
    """SIGTERM when the parent is another than at the start: the keeper died
    (PR_SET_PDEATHSIG)."""
    worker = rig(orphan=True)
    phone = worker.talk()
    os.kill(worker.pid, signal.SIGTERM)
    worker.expect("call.action", reason="shutdown")
    worker.watch(0.1)
    assert said(PHRASES["shutdown_goodbye"]) in phone.heard()
    worker.hangup("shutdown")
    _, status = os.waitpid(worker.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 5


def test_a_spare_ends_at_once_when_told(rig):
    worker = rig()
    worker.warm()
    worker.send("drain")
    assert worker.exit_status() == 0
    worker.expect("bye")
    worker = rig()
    worker.warm()
    worker.terminate()
    assert worker.exit_status() == 0


def test_messages_behind_a_call_that_cannot_begin_harm_nothing(rig):
    worker = rig()
    worker.warm()
    # All in one wake-up: it has no time to leave in between.
    os.kill(worker.process.pid, signal.SIGSTOP)
    worker.assign({"no": "instructions"})
    worker.send("dtmf", call=CALL, digit="1")
    worker.send("tool.progress", call=CALL, id="c1", elapsed_ms=1, text="")
    worker.result("c1")
    worker.send("media", call=CALL, address="127.0.0.1", port=9)
    worker.send("sync")
    os.kill(worker.process.pid, signal.SIGCONT)
    assert worker.expect("voice.failed")["call"] == CALL
    assert worker.exit_status() == 1


def test_it_says_how_it_is(rig):
    worker = rig()
    worker.talk()
    worker.wait_for(lambda: worker.heartbeats >= 3, "heartbeats")
    worker.send("sync")
    state = worker.expect("state", why="sync")
    assert state["state"] == "talking" and state["persona"] == "soporte"
    assert state["talking_ms"] > 0 and state["called"] == "3241000752"
    os.kill(worker.process.pid, signal.SIGUSR1)
    worker.wait_for_log("conversation: phase=running")
    worker.wait_for_log("voice: session=ready")
    worker.wait_for_log("media: {")


def test_a_new_supervisor_gets_the_unanswered_tools_again(rig):
    worker = rig({"turns": [
        {"transcript": "revise", "preamble": "Ya.",
         "calls": [{"name": "consultar_mikrotik", "arguments": QUESTION}]}]})
    worker.talk().say()
    first = worker.expect("tool.request")
    worker.send("sync")
    assert worker.expect("tool.request", count=2) == first


def places_of(secret, pid):
    """Writable memory of a process that holds these bytes."""
    found = []
    with open(f"/proc/{pid}/maps") as maps, \
            open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, permissions = line.split()[:2]
            if not permissions.startswith("rw"):
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            if end - start > 1 << 30:
                continue        # a sanitizer's shadow
            try:
                memory.seek(start)
                if secret in memory.read(end - start):
                    found.append(line)
            except OSError:
                continue
    return found


def flags_of(line, pid):
    """VmFlags of a mapping, given as a line of /proc/PID/maps."""
    with open(f"/proc/{pid}/smaps") as smaps:
        text = smaps.read()
    entry = text[text.index(line.split()[0]):]
    return re.search(r"^VmFlags: (.*)$", entry, re.M)[1].split()


def test_the_key_is_in_one_locked_page_and_nowhere_else(rig):
    worker = rig()
    key = worker.sim.api_key.encode()
    assert places_of(key, worker.process.pid) != []
    worker.warm()
    worker.watch(0.2)
    [place] = places_of(key, worker.process.pid)
    start, end = (int(x, 16) for x in place.split()[0].split("-"))
    assert end - start == 4096
    assert {"lo", "dd", "wf"} <= set(flags_of(place, worker.process.pid))
