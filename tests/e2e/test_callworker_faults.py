# SPDX-License-Identifier: MIT
"""The real callworker and a Realtime service that misbehaves: each fault has
its name in the log, the caller is never left in silence, and the supervisor
learns what it must know."""

import time

import pytest

from tests.e2e.worker_rig import CALL, GREETING, PHRASES, brief, rig_fixture, said

rig = rig_fixture()

EXIT_BACKEND = 4
EXIT_CHANNEL = 3
TROUBLE = PHRASES["trouble"]
ONE_TURN = {"turns": [{"transcript": "hola", "reply": "Muy bien."},
                      {"transcript": "hola", "reply": "Aquí estoy."}]}


def answers(worker, text):
    """Waits until the caller has heard it."""
    worker.wait_for(lambda: said(text) in worker.phone.heard(), repr(text))


# A spare

@pytest.mark.parametrize("kind, arguments, fault", [
    ("http", {"status": 401}, "key"),
    ("http", {"status": 403}, "key"),
    ("http", {"status": 429}, "rate_limit"),
    ("http", {"status": 500}, "server"),
    ("http", {"status": 503}, "server"),
    ("insufficient_quota", {}, "quota"),
    ("invalid_api_key", {}, "key"),
    ("close", {"code": 1001, "reason": "going away"}, "closed"),
    ("close", {"code": 1011, "reason": "oops"}, "server"),
    ("garbage", {}, None),
    ("drop", {}, None),
])
def test_a_session_that_cannot_begin_is_named(rig, kind, arguments, fault):
    worker = rig()
    worker.sim.faults.next("handshake", kind, **arguments)
    worker.prepare()
    failed = worker.expect("voice.failed")
    assert failed["call"] == ""
    if fault:
        assert failed["fault"] == fault
    assert failed["detail"] != ""
    assert worker.sim.api_key not in worker.log()
    assert worker.exit_status() == EXIT_BACKEND


@pytest.mark.parametrize("certificate", ["expired", "wrong_host", "untrusted"])
def test_a_bad_certificate_is_refused_in_words(rig, certificate):
    worker = rig()
    worker.sim.faults.certificate = certificate
    worker.prepare()
    assert worker.expect("voice.failed")["fault"] == "tls"
    assert worker.exit_status() == EXIT_BACKEND


def test_nobody_listening_is_named(rig):
    worker = rig()
    worker.sim.call(worker.sim.refuse_tcp)
    worker.prepare()
    assert worker.expect("voice.failed")["fault"] == "refused"
    assert worker.exit_status() == EXIT_BACKEND


def test_the_next_address_is_tried(rig):
    worker = rig()
    worker.prepare(addresses=["127.0.0.9", "127.0.0.1"])
    worker.expect("state", state="warm")


@pytest.mark.slow
def test_a_silent_service_is_given_up(rig):
    worker = rig()
    worker.sim.faults.next("handshake", "silence")
    worker.prepare()
    assert worker.expect("voice.failed")["fault"] in ("timeout", "network")
    assert worker.exit_status() == EXIT_BACKEND


def test_a_spare_whose_session_ends_says_so(rig):
    worker = rig()
    worker.warm()
    worker.sim.inject("expire")
    failed = worker.expect("voice.failed")
    assert (failed["call"], failed["fault"]) == ("", "expired")
    assert worker.exit_status() == EXIT_BACKEND


# The start of a call

def test_a_refused_configuration_stops_the_call_before_it_is_heard(rig):
    worker = rig()
    if not worker.sim.checker.strict:
        pytest.skip("needs the vendor's schema")
    worker.warm()
    worker.assign(brief(reasoning_effort="enormous"))
    failed = worker.expect("voice.failed")
    assert (failed["call"], failed["fault"]) == (CALL, "protocol")
    assert "reasoning" in failed["detail"]
    assert not worker.find("ready")
    worker.sim.violations.clear()       # it was ours, on purpose
    worker.hangup("replaced")
    assert worker.exit_status() == EXIT_BACKEND


def test_a_call_without_a_warm_session_is_refused(rig):
    worker = rig()
    worker.assign()
    assert worker.expect("voice.failed")["call"] == CALL
    assert worker.exit_status() == 1


def test_a_brief_that_is_none_is_refused(rig):
    worker = rig()
    worker.warm()
    worker.assign({"no": "instructions"})
    assert worker.expect("voice.failed")["call"] == CALL
    assert worker.exit_status() == 1


def test_a_greeting_that_fails_once_is_said_all_the_same(rig):
    worker = rig()
    worker.sim.faults.next("response", "failed", code="server_error")
    worker.warm()
    worker.assign()
    worker.media()
    answers(worker, GREETING)


# Answers that fail

@pytest.mark.parametrize("code", ["server_error", "rate_limit_exceeded"])
def test_a_failed_answer_is_tried_again(rig, code):
    worker = rig(ONE_TURN)
    phone = worker.talk()
    worker.sim.faults.next("response", "failed", code=code)
    phone.say()
    worker.wait_for_log(f'detail="{code}" attempt=1')
    worker.wait_for(lambda: len(worker.session.responses) == 3 and
                    phone.is_quiet(0.3), "another response")
    assert TROUBLE.encode() not in worker.log().encode()


def test_an_answer_that_keeps_failing_is_apologised_for(rig):
    worker = rig(ONE_TURN)
    phone = worker.talk()
    worker.sim.faults.next("response", "failed", count=2, code="server_error")
    phone.say()
    answers(worker, TROUBLE)
    phone.say()
    answers(worker, "Aquí estoy.")      # and the call goes on


def test_a_withheld_answer_is_apologised_for(rig):
    worker = rig(ONE_TURN)
    phone = worker.talk()
    worker.sim.faults.next("response", "incomplete", reason="content_filter",
                           after_ms=0)
    phone.say()
    answers(worker, TROUBLE)


def test_an_answer_cut_by_the_token_limit_is_no_catastrophe(rig):
    worker = rig(ONE_TURN)
    phone = worker.talk()
    worker.sim.faults.next("response", "incomplete", after_ms=200,
                           reason="max_output_tokens")
    phone.say()
    worker.wait_for(lambda: worker.session.responses[-1].status ==
                    "incomplete", "the cut answer")
    phone.say()
    answers(worker, "Aquí estoy.")
    assert worker.session.errors == []


def test_an_empty_answer_is_asked_for_again(rig):
    worker = rig(ONE_TURN)
    phone = worker.talk()
    worker.sim.faults.next("response", "empty")
    phone.say()
    worker.wait_for_log("the caller waits and hears nothing: nudging")
    worker.wait_for(lambda: len(worker.session.responses) == 3, "an answer")


@pytest.mark.slow
def test_a_response_without_sound_ends_in_an_apology(rig):
    worker = rig(ONE_TURN)
    phone = worker.talk()
    worker.sim.faults.next("response", "no_audio")
    phone.say()
    answers(worker, TROUBLE)
    assert worker.session.responses[1].status == "cancelled"
    phone.say()
    answers(worker, "Aquí estoy.")


@pytest.mark.slow
def test_a_service_that_never_answers_again_loses_the_call(rig):
    worker = rig(ONE_TURN)
    phone = worker.talk()
    worker.sim.faults.always("response", "no_audio")
    phone.say()
    action = worker.expect("call.action")
    assert action["reason"] == "voice_lost"
    worker.hangup("replaced")
    assert worker.exit_status() == EXIT_BACKEND


@pytest.mark.slow
def test_an_answer_that_stalls_is_asked_for_again(rig):
    worker = rig(ONE_TURN)
    phone = worker.talk()
    worker.sim.faults.next("response", "stall", seconds=600, after_ms=100)
    phone.say()
    worker.wait_for_log("voice response stalls, cancelled")
    worker.wait_for(lambda: len(worker.session.responses) == 3, "another one")
    assert worker.session.responses[1].status == "cancelled"
    phone.say()
    answers(worker, "Aquí estoy.")


@pytest.mark.slow
def test_a_caller_does_not_speak_for_ever_if_the_service_forgets_him(rig):
    worker = rig({"greeting": "¿Diga?"})
    worker.talk()
    worker.sim.inject("event", event={
        "type": "input_audio_buffer.speech_started", "item_id": "item_x",
        "audio_start_ms": 0})
    worker.wait_for_log("did not say that the caller stopped")
    answers(worker, "¿Diga?")       # nudged: somebody waits


@pytest.mark.parametrize("kind", ["unknown_item_delta", "bad_base64",
                                  "duplicate_done"])
def test_odd_events_in_an_answer_are_survived(rig, kind):
    worker = rig(ONE_TURN)
    phone = worker.talk()
    worker.sim.faults.next("response", kind)
    phone.say()
    answers(worker, "Muy bien.")
    phone.say()
    answers(worker, "Aquí estoy.")


# The session in mid-call

def test_what_the_service_says_wrongly_harms_nothing(rig):
    worker = rig(ONE_TURN)
    phone = worker.talk()
    for kind in ("malformed", "truncated_json", "wrong_types", "unknown_event",
                 "binary", "fragmented", "deep"):
        worker.sim.inject(kind)
    for code in ("item_truncate_invalid_item_id",
                 "conversation_already_has_active_response",
                 "response_cancel_not_active",
                 "input_audio_buffer_commit_empty",
                 "unsupported_content_type", "invalid_tool_call_id",
                 "cannot_update_voice", "unknown_parameter",
                 "missing_required_parameter", "rate_limit_exceeded",
                 "server_error"):
        worker.sim.inject("error", code=code)
    phone.say()
    answers(worker, "Muy bien.")
    assert not worker.find("voice.failed")


def test_new_fields_and_nulls_harm_nothing(rig):
    worker = rig(ONE_TURN)
    worker.sim.faults.extra_fields = worker.sim.faults.nulls = True
    phone = worker.talk()
    phone.say()
    answers(worker, "Muy bien.")


def dropped(worker, fault):
    """Until another session goes on; the supervisor need not know."""
    worker.wait_for(lambda: "configured" in [
        e["state"] for e in worker.journal("session")][1:], "another session")
    states = [(e["state"], e["fault"]) for e in worker.journal("session")]
    assert states == [("configured", ""), ("dropped", fault),
                      ("configured", "")]
    assert not worker.find("voice.failed")


def test_too_much_nonsense_ends_the_session(rig):
    worker = rig(ONE_TURN)
    phone = worker.talk()
    for _ in range(3):
        worker.sim.inject("not_an_object")
    dropped(worker, "protocol")
    phone.say()
    answers(worker, "Muy bien.")


@pytest.mark.parametrize("kind, arguments, fault", [
    ("close", {"code": 1000}, "closed"),
    ("close", {"code": 1011}, "server"),
    ("reset", {}, "network"),
    ("drop", {}, "network"),
    ("expire", {}, "expired"),
    ("expire", {"announce": False}, "expired"),
    ("oversized", {}, "protocol"),
])
def test_a_session_lost_in_mid_call_is_replaced(rig, kind, arguments, fault):
    worker = rig(ONE_TURN)
    phone = worker.talk()
    answers(worker, GREETING)
    worker.sim.inject(kind, **arguments)
    dropped(worker, fault)
    assert [e["fault"] for e in worker.journal("error")][-1] == fault
    phone.say()
    answers(worker, "Muy bien.")
    worker.hangup("caller_left")
    assert worker.exit_status() == 0


@pytest.mark.parametrize("kind, arguments, fault", [
    ("quota", {}, "quota"),
    ("error", {"code": "invalid_api_key"}, "key"),
])
def test_a_fault_that_would_meet_the_next_session_is_told_at_once(
        rig, kind, arguments, fault):
    worker = rig()
    worker.talk()
    before = time.monotonic()
    worker.sim.inject(kind, **arguments)
    failed = worker.expect("voice.failed")
    assert (failed["call"], failed["fault"]) == (CALL, fault)
    assert worker.expect("call.action")["reason"] == "voice_lost"
    assert time.monotonic() - before < 10
    worker.hangup("replaced")
    assert worker.exit_status() == EXIT_BACKEND
    assert [e["fault"] for e in worker.journal("error")][-1] == fault
    assert len(worker.sim.sessions) == 1


@pytest.mark.slow
def test_a_half_open_connection_is_noticed(rig):
    worker = rig(ONE_TURN)
    phone = worker.talk()
    answers(worker, GREETING)
    worker.sim.inject("half_open")
    dropped(worker, "network")
    phone.say()
    answers(worker, "Muy bien.")


# The supervisor

def test_a_channel_that_ends_lets_the_sentence_be_finished(rig):
    worker = rig()
    phone = worker.talk()
    worker.channel.close()
    worker.process.wait(30)
    assert worker.process.returncode == EXIT_CHANNEL
    assert said(PHRASES["shutdown_goodbye"]) in phone.heard()


def test_a_tool_result_for_nobody_is_ignored(rig):
    worker = rig(ONE_TURN)
    phone = worker.talk()
    worker.result("call_nobody")
    worker.send("dtmf", call="another", digit="1")
    phone.say()
    answers(worker, "Muy bien.")
    assert not worker.session.received("conversation.item.create")


@pytest.mark.parametrize("message", [
    {"type": "media", "call": CALL, "address": "nonsense", "port": 4000},
    {"type": "media", "call": CALL, "address": "127.0.0.1", "port": 70000},
    {"type": "tool.result", "call": CALL, "id": "x", "status": "odd"},
    {"type": "dtmf", "call": CALL, "digit": "12"},
    {"type": "job.run"},
])
def test_a_message_that_cannot_be_meant_ends_the_channel(rig, message):
    worker = rig()
    worker.warm()
    worker.assign()
    worker.expect("ready")
    worker.send(message.pop("type"), **message)
    assert worker.exit_status() == EXIT_CHANNEL
