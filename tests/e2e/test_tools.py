# SPDX-License-Identifier: MIT
"""Queries in a call: the caller goes on talking while one runs, every one is
answered once and honestly, and odd ones reach nobody."""

import json
import re

import pytest

from tests.e2e.service import REPO
from tests.e2e.world import GREETING, LONG, TOOL

DEFINITION = json.loads((REPO / f"etc/tools.d/{TOOL}.json").read_text())
QUESTION = {"question": "¿Cuántos clientes hay?"}


def calling(*arguments, then="Ya sé.", preamble="", **more):
    """A turn of the script that asks for one query per argument."""
    return {"preamble": preamble, "then": {"reply": then}, **more,
            "calls": [{"name": TOOL, "arguments": a} for a in arguments]}


def outputs(call):
    """What the voice was given as results, in order."""
    return [json.loads(e["item"]["output"])
            for e in call.session.received("conversation.item.create")
            if e["item"]["type"] == "function_call_output"]


def outputs_by_question(call):
    """{question: (id of the call, result)}."""
    asked = {json.loads(item.data["arguments"])["question"]:
             item.data["call_id"] for run in call.session.responses
             for item in run.items if item.data["type"] == "function_call"}
    given = {e["item"]["call_id"]: json.loads(e["item"]["output"])
             for e in call.session.received("conversation.item.create")
             if e["item"]["type"] == "function_call_output"}
    return {question: (ident, given[ident])
            for question, ident in asked.items()}


def with_deadline(world, ms):
    """The tool with another deadline; before the service is started."""
    folder = world.folder / "tools.d"
    folder.mkdir()
    definition = {**DEFINITION, "deadline_ms": ms}
    (folder / f"{TOOL}.json").write_text(json.dumps(definition))
    return folder


def test_a_question_is_answered_from_the_router(world):
    world.mikrotik.answer("clientes", "Hay 12 conectados.")
    world.answers(calling(QUESTION, preamble="Ya miro."))
    world.start()
    call = world.call().hears(GREETING)
    call.asks("cuántos", "Ya sé.")
    assert call.heard_texts(GREETING, "Ya miro.", "Ya sé.")
    [output] = outputs(call)
    assert "Hay 12 conectados." in output.values()
    assert world.mikrotik.requests[0][1] == {**QUESTION, "timeout": 60}
    call.wait_log(f"tool answered name={TOOL} .*status=ok")
    service = world.service
    service.wait_log(f"tool requested name={TOOL} call={call.id}")


def test_calls_beyond_those_that_may_run_are_answered_too(world):
    world.mikrotik.otherwise.delay = .5
    world.answers(calling(*({"question": f"¿Y el cliente {n}?"}
                            for n in range(12))))
    world.start()
    call = world.call().hears(GREETING)
    call.asks("todos", "Ya sé.")
    world.until(lambda: len(outputs(call)) == 12, "twelve answers")
    given = [output["status"] for output in outputs(call)]
    assert sorted(given) == ["busy"] * 4 + ["ok"] * 8
    assert {output["error"] for output in outputs(call)
            if output["status"] == "busy"} == {DEFINITION["failures"]["busy"]}


@pytest.mark.slow
def test_a_caller_can_talk_during_a_slow_query_and_ask_another_one(world):
    """The title names the tool, the log counts its seconds, and nothing
    holds up the audio or the answers to pings."""
    world.openai.settings.ping_interval = .2
    world.mikrotik.answer("clientes", "Hay 12.", delay=11)
    world.mikrotik.answer("señal", "Buena.", delay=1)
    world.answers(calling(QUESTION, preamble="Ya miro."),
                  "Aquí sigo.", "Todavía.",
                  calling({"question": "¿Y la señal?"}, then="Es buena."))
    world.start()
    call = world.call().hears(GREETING)
    call.says("cuántos")
    world.until(lambda: world.mikrotik.in_flight, "the query")
    world.service.wait_title(
        call.worker, rf"talking \d\d:\d\d tool={TOOL}$")
    call.asks("sigue ahí", "Aquí sigo.")
    call.heard_by_voice(call.asks("y ahora", "Todavía."))
    call.wait_log(f"tool waiting name={TOOL} .*elapsed=10s")
    call.hears("Ya sé.")
    call.asks("y la señal", "Es buena.")
    assert len(outputs(call)) == 2
    assert len(call.session.pongs) > 20
    # 100 ms is what is promised; a machine that stalls stalls them all.
    late = [ms for ms in call.session.pongs if ms > 100]
    assert len(late) <= 1 and max(call.session.pongs) < 1000


def test_a_caller_who_hears_nothing_is_told_that_it_takes_a_moment(world):
    world.mikrotik.answer("clientes", "Hay 12.", delay=5)
    world.answers(calling(QUESTION))
    world.start(TOOL_SOUND_AFTER_MS=0)
    call = world.call().hears(GREETING)
    call.says("cuántos")
    [wait, *_] = DEFINITION["waiting"]
    call.hears(wait)
    call.hears("Ya sé.")
    assert call.heard_texts(GREETING, wait, "Ya sé.")


def test_two_queries_in_one_answer_are_both_answered_before_it_speaks(world):
    world.mikrotik.answer("señal", "Buena.", delay=.5)
    world.mikrotik.answer("clientes", "Hay 12.")
    world.answers(calling(QUESTION, {"question": "¿Y la señal?"}))
    world.start()
    call = world.call().hears(GREETING)
    call.asks("cuántos y cómo", "Ya sé.")
    texts = [" ".join(map(str, o.values())) for o in outputs(call)]
    assert len(texts) == 2
    assert "Hay 12." in texts[0] and "Buena." in texts[1]
    spoken = [r for r in call.session.responses if r.reply.text == "Ya sé."]
    assert len(spoken) == 1
    created = [e["item"]["call_id"]
               for e in call.session.received("conversation.item.create")]
    assert len(set(created)) == 2


# What goes wrong at the service: fault -> (status, its arguments)

FAILURES = {
    "http": ("http_error", {"status": 500}),
    "busy": ("busy", {"kind": "http", "status": 503}),
    "garbage": ("malformed", {}),
    "truncated": ("unreachable|malformed", {}),
    "wrong_type": ("malformed", {}),
    "not_object": ("malformed", {}),
    "missing_response": ("malformed", {}),
    "wrong_fields": ("malformed", {}),
    "invalid_utf8": ("malformed", {}),
    "deep": ("malformed", {}),
    "huge": ("malformed", {"megabytes": 4}),
    "redirect": ("http_error", {}),
    "reset": ("unreachable", {}),
    "drop": ("unreachable", {}),
    "not_http": ("malformed|unreachable", {}),
    "failure": ("refused", {"response": "No hay ruta."}),
}


@pytest.mark.parametrize("faults", [
    list(FAILURES)[n:n + 8] for n in (0, 8)], ids=lambda f: f[0])
def test_each_failed_query_is_admitted_and_the_call_goes_on(world, faults):
    world.expect("tool query failed", "tool answered .*status=")
    for fault in faults:
        world.mikrotik.answer(f"«{fault}»", "", fault={
            "kind": fault, **FAILURES[fault][1]})
    world.answers(calling(*({"question": f"¿Qué es «{fault}»?"}
                            for fault in faults), then="No pude."), "Claro.")
    world.start()
    call = world.call().hears(GREETING)
    call.asks("cuántos", "No pude.")
    given = outputs_by_question(call)
    for fault in faults:
        ident, output = given[f"¿Qué es «{fault}»?"]
        logged = call.wait_log(
            rf"tool answered name=.* id={ident} status=(\w+) ")
        status = logged.group(1)
        assert re.fullmatch(FAILURES[fault][0], status), fault
        sentence = DEFINITION["failures"][status].partition("{")[0]
        assert sentence in " ".join(map(str, output.values())), fault
        if fault == "failure":
            assert "No hay ruta." in str(output)
    call.asks("gracias", "Claro.")


def test_a_service_that_is_down_is_admitted(world):
    world.mikrotik.refuse_tcp()
    world.expect("tool query failed", "tool answered .*unreachable",
                 "mikrotik service cannot be reached")
    world.answers(calling(QUESTION, then="No pude."))
    world.start()
    call = world.call().hears(GREETING)
    call.asks("cuántos", "No pude.")
    assert DEFINITION["failures"]["unreachable"] in outputs(call)[0].values()


@pytest.mark.parametrize("fault, arguments", [
    ("hang", {}), ("slow_loris", {"seconds": .3})])
def test_a_query_without_an_answer_ends_at_its_deadline(
        world, fault, arguments):
    world.expect("tool answered .*status=timeout")
    world.allow("tool query failed")
    world.mikrotik.next(fault, **arguments)
    world.answers(calling(QUESTION, then="No pude."), "Claro.")
    world.start(TOOLS_DIR=with_deadline(world, 2000))
    call = world.call().hears(GREETING)
    call.asks("cuántos", "No pude.")
    assert DEFINITION["failures"]["timeout"] in outputs(call)[0].values()
    world.until(lambda: world.mikrotik.aborted, "the query was dropped")
    call.asks("gracias", "Claro.")


def test_a_query_is_dropped_when_its_caller_hangs_up(world):
    world.mikrotik.next("hang")
    world.answers(calling(QUESTION))
    world.start()
    call = world.call().hears(GREETING)
    call.says("cuántos")
    world.until(lambda: world.mikrotik.in_flight, "the query")
    call.hangup().gone()
    world.service.wait_log(
        f"tool cancelled, its call has ended name={TOOL} call={call.id}")
    world.until(lambda: world.mikrotik.aborted, "the query was dropped")
    world.service.wait_title(world.service.the("toolworker"), "jobs=0")


# Odd calls of the model

ODD_ARGUMENTS = [
    "", "{", "null", "[]", '"texto"', "{}", '{"question": 7}',
    '{"question": "ab"}', '{"question": "%s"}' % ("x" * 501),
    '{"question": "¿Cuántos?", "timeout": 5}',
    '{"question": "¿Cuántos?", "timeout": "mucho"}',
    '{"question": "¿Cuántos?", "de_más": 1}',
    '{"question": "¿Cuántos?"} y algo más',
    "[" * 3000, '{"question": "%s"}' % ("y" * 3000)]


@pytest.mark.parametrize("odd", [ODD_ARGUMENTS[:8], ODD_ARGUMENTS[8:]])
def test_odd_arguments_are_given_back_to_the_model(world, odd):
    world.expect("tool call refused name=")
    world.answers(calling(*odd, then="¿Cómo dijo?"), "Claro.")
    world.start()
    call = world.call().hears(GREETING)
    call.asks("algo raro", "¿Cómo dijo?")
    assert len(outputs(call)) == len(odd)
    assert world.service.count("tool call refused name=") == len(odd)
    assert world.mikrotik.requests == []
    call.asks("gracias", "Claro.")


def test_a_tool_that_does_not_exist_is_refused(quiet_world):
    quiet_world.allow("tool call refused")
    quiet_world.answers({"then": {"reply": "No puedo."}, "calls": [
        {"name": "borrar_todo", "arguments": {}, "undeclared": True}]})
    call = quiet_world.call().hears(GREETING)
    call.asks("borre todo", "No puedo.")
    call.wait_log("tool call refused name=borrar_todo .*no tool of that name")


def test_a_query_of_an_answer_that_was_interrupted_is_not_made(world):
    world.openai.settings.speedup = 2
    world.answers(calling(QUESTION, preamble=LONG), "Bueno.")
    world.start()
    call = world.call().hears(GREETING)
    call.says("cuántos")
    call.begins_to_hear(LONG)
    call.says("mejor no")
    call.hears("Bueno.")
    assert world.mikrotik.requests == [] and outputs(call) == []


def test_a_query_that_is_in_the_conversation_is_answered_though_not_made(world):
    """The voice's service keeps what was whole when the caller spoke."""
    world.answers(
        calling(QUESTION, preamble="Ya miro.", then="",
                fault={"kind": "never_ends"}),
        "Como diga.")
    world.start()
    call = world.call().hears(GREETING)
    call.says("cuántos")
    world.until(lambda: any(e["item"]["type"] == "function_call" for e in
                            call.session.sent("response.output_item.done")),
                "it has called")
    call.asks("mejor no", "Como diga.")
    [output] = outputs(call)
    assert output["status"] == "cancelled" and "not made" in output["error"]
    assert world.mikrotik.requests == []
    # Before the next response begins, so that it is seen.
    kinds = [e["type"] if "item" not in e else e["item"]["type"]
             for e in call.session.events_out]
    assert kinds.index("function_call_output") < \
        len(kinds) - 1 - kinds[::-1].index("response.created")


def test_without_mikrotik_the_voice_has_no_tool_and_knows_it(world):
    world.start(ENABLE_MIKROTIK_TOOLS="no", MIKROTIK_API_URL=None)
    world.allow("configuration: ")
    call = world.call().hears(GREETING)
    assert call.session.config["tools"] == []
    assert "ninguna consulta disponible" in call.session.instructions
