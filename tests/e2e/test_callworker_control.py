# SPDX-License-Identifier: MIT
"""The real callworker alone: it hangs up when its goodbye was heard, drops
what the caller withdraws, and lets nobody wait who asks for a person."""

import json
import time

import pytest

from tests.e2e.worker_rig import (CALL, PHRASES, TOOL, brief, rig_fixture,
                                  said)

rig = rig_fixture()

QUESTION = '{"question": "¿qué señal tiene Juan?"}'
LONG = "uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece"
GOODBYE = "Con gusto, hasta luego."
PERSON_WAIT = "Ya le busco a alguien."
NO_PERSON = "No hay nadie que le atienda."
SILENCE = {"reply": ""}     # what the model says of a call's answer
NOTHING = {"type": "object", "properties": {}, "additionalProperties": False}


def action(name, what, parameters=None):
    return {"name": name, "description": "Actúa.", "action": what,
            "parameters": parameters or NOTHING}


HANG_UP, CANCEL, TRANSFER = "terminar_llamada", "cancelar_consulta", \
    "transferir_llamada"
TOOLS = [TOOL, action(HANG_UP, "hangup"), action(TRANSFER, "transfer"), action(
    CANCEL, "cancel", {"type": "object", "properties": {
        "tool": {"type": "string"}}, "additionalProperties": False})]


def control_brief(**changes):
    return brief(tools=TOOLS, person_phrases=[
        "hablar con * persona", "!no quiero * hablar"],
        phrases={**PHRASES, "goodbye": GOODBYE, "person_wait": PERSON_WAIT,
                 "no_person": NO_PERSON}, **changes)


def call(name, **arguments):
    return {"name": name, "arguments": json.dumps(arguments)}


def talk(rig, *turns, **settings):
    worker = rig({"turns": list(turns)}, **settings)
    return worker, worker.talk(control_brief())


def outputs(worker):
    """{function call: what the voice was answered}"""
    items = [e["item"] for e in
             worker.session.received("conversation.item.create")]
    return {i["call_id"]: i["output"] for i in items
            if i["type"] == "function_call_output"}


def hang_ups(worker):
    return worker.find("call.action", action="hangup")


def persons(worker):
    return worker.find("call.action", action="person")


# Hanging up

@pytest.mark.parametrize("words", ["Que le vaya muy bien, hasta luego.", ""])
def test_the_goodbye_is_heard_to_its_last_sample(rig, words):
    worker, phone = talk(rig, {"transcript": "eso es todo", "preamble": words,
                               "calls": [call(HANG_UP)], "then": SILENCE})
    phone.say()
    assert worker.expect("call.action")["reason"] == "voice"
    now = time.monotonic()
    assert said(words or GOODBYE) in phone.heard()
    assert now - phone.last_sound() > 0.2   # what is under way may arrive
    assert worker.session.errors == []
    worker.hangup("voice")
    assert worker.exit_status() == 0
    assert worker.journal("tool_result")[-1]["status"] == "ok"


def test_a_caller_who_interrupts_the_goodbye_keeps_the_call(rig):
    worker, phone = talk(
        rig, {"transcript": "gracias", "preamble": LONG,
              "calls": [call(HANG_UP)], "then": SILENCE},
        {"transcript": "una cosa más", "reply": "Dígame."}, speedup=50)
    phone.say()
    worker.wait_for_log("the voice hangs up once it was heard")
    worker.wait_for(lambda: not phone.is_quiet(0.05), "the goodbye")
    phone.say("una cosa más")
    worker.wait_for(lambda: said("Dígame.") in phone.heard() and
                    phone.is_quiet(0.5), "the next answer")
    assert said(LONG) not in phone.heard()
    assert hang_ups(worker) == []
    [output] = outputs(worker).values()
    assert json.loads(output)["status"] == "cancelled"
    assert worker.session.errors == []


# Withdrawing

def test_the_result_of_a_withdrawn_question_is_never_spoken(rig):
    worker, phone = talk(
        rig, {"transcript": "revise", "preamble": "Ya consulto.",
              "calls": [{"name": TOOL["name"], "arguments": QUESTION}]},
        {"transcript": "déjelo así", "preamble": "Bueno, lo dejo.",
         "calls": [call(CANCEL)], "then": SILENCE},
        {"transcript": "otra cosa", "reply": "Dígame."})
    phone.say()
    request = worker.expect("tool.request")
    worker.wait_for(lambda: said("Ya consulto.") in phone.heard(), "a word")
    phone.say("déjelo así")
    assert worker.expect("tool.cancel")["id"] == request["id"]
    worker.result(request["id"], output="-61 dBm")
    worker.wait_for(lambda: said("Bueno, lo dejo.") in phone.heard() and
                    phone.is_quiet(0.3), "the confirmation")
    creates = len(worker.session.received("response.create"))
    worker.wait_for_log("tool result nobody waits for")
    worker.watch(0.6)               # six looks at what is to be said
    assert len(worker.session.received("response.create")) == creates
    assert "-61 dBm" not in str(outputs(worker))
    assert json.loads(outputs(worker)[request["id"]])["status"] == "cancelled"
    phone.say("otra cosa")
    worker.wait_for(lambda: said("Dígame.") in phone.heard(), "the next turn")
    assert worker.session.errors == []


# A person

def test_key_0_leads_to_a_person_though_the_model_is_silent(rig):
    worker, phone = talk(rig, {"transcript": "¿hola?", "reply": "x",
                               "fault": {"kind": "no_audio"}})
    phone.say()
    worker.wait_for(lambda: len(worker.session.responses) == 2, "a response")
    worker.send("dtmf", call=CALL, digit="0")
    person = worker.expect("call.action", action="person")
    assert (person["id"], person["reason"]) == ("person-1", "key 0")
    worker.wait_for(lambda: worker.title().endswith(" tool=person"), "title")
    # Again, and to a supervisor that has lost it.
    worker.send("dtmf", call=CALL, digit="0")
    worker.wait_for_log("one is being called")
    worker.send("sync")
    assert worker.expect("call.action", count=2, action="person") == person
    worker.result("person-1", "unknown", "")
    worker.wait_for(lambda: said(NO_PERSON) in phone.heard(), "the truth")
    notes = worker.journal("note")
    assert [n.get("reason", n.get("status")) for n in notes] == \
        ["key 0", "unknown"]


def test_words_stop_the_model_and_lead_to_one_person(rig):
    """Said while the model answers, which wants to transfer as well."""
    worker, phone = talk(
        rig, {"transcript": "No, quiero hablar con una PERSONA.",
              "preamble": LONG, "calls": [call(TRANSFER)], "then": SILENCE},
        transcription_ms=600, speedup=2)
    phone.say()
    assert worker.expect("call.action")["reason"] == "words"
    worker.wait_for(lambda: said(PERSON_WAIT) in phone.heard(), "a word")
    assert said(LONG) not in phone.heard()
    worker.result("person-1", "no_answer", "Nadie contestó.")
    worker.wait_for(lambda: worker.session.received(
        "conversation.item.create"), "the outcome")
    assert "Nadie contestó." in str(
        worker.session.received("conversation.item.create"))
    assert worker.find("tool.request") == []
    assert len(persons(worker)) == 1
    assert worker.session.errors == []


def test_words_that_are_known_before_the_answer_leave_no_second_voice(rig):
    worker, phone = talk(
        rig, {"transcript": "quiero hablar con una persona", "reply": LONG},
        transcription_ms=1, first_audio_ms=400)
    phone.say()
    worker.expect("call.action", action="person")
    worker.wait_for(lambda: said(PERSON_WAIT) in phone.heard() and
                    phone.is_quiet(0.5), "a word")
    assert said(LONG)[:800] not in phone.heard()
    assert worker.session.errors == []


def test_who_says_the_opposite_gets_no_person(rig):
    worker, phone = talk(rig, {
        "transcript": "No quiero hablar con una persona.", "reply": "Listo."})
    phone.say()
    worker.wait_for(lambda: said("Listo.") in phone.heard() and
                    phone.is_quiet(0.3), "the answer")
    assert persons(worker) == []


def test_a_withdrawn_wish_rings_nobody(rig):
    worker, phone = talk(
        rig, {"transcript": "quiero hablar con una persona", "reply": "Sí."},
        {"transcript": "no, déjelo", "preamble": "Bueno.",
         "calls": [call(CANCEL, tool=TRANSFER)], "then": SILENCE})
    phone.say()
    person = worker.expect("call.action", action="person")
    worker.wait_for(lambda: said(PERSON_WAIT) in phone.heard(), "a word")
    phone.say("no, déjelo")
    assert worker.expect("tool.cancel")["id"] == person["id"]
    worker.result(person["id"], "no_answer", "Nadie contestó.")
    worker.wait_for_log("tool result nobody waits for")
    worker.watch(0.6)
    assert "Nadie contestó." not in str(
        worker.session.received("conversation.item.create"))
