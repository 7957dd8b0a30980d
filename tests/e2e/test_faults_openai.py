# SPDX-License-Identifier: MIT
"""What OpenAI can do to us: before a call, during one, in the middle of an
answer. Each has its line in the log, and a call that can be saved is."""

import signal

import pytest

from tests.e2e.service import PATIENCE
from tests.e2e.world import GREETING, LONG, TROUBLE, tone
from tests.sim.openai_faults import ERRORS
from tests.sim.trickle import Trickle

# name: (what goes wrong, the fault that is logged)
REFUSALS = {
    "unauthorized": ({"kind": "http", "status": 401}, "key"),
    "forbidden": ({"kind": "http", "status": 403}, "key"),
    "rate limited": ({"kind": "http", "status": 429}, "rate_limit"),
    "server error": ({"kind": "http", "status": 500}, "server"),
    "overloaded": ({"kind": "http", "status": 503}, "server"),
    "no quota": ({"kind": "insufficient_quota"}, "quota"),
    "bad key": ({"kind": "invalid_api_key"}, "key"),
    "closed 1011": ({"kind": "close", "code": 1011}, "server"),
    "closed 1000": ({"kind": "close", "code": 1000}, "closed"),
    "dropped": ({"kind": "drop"}, "(network|protocol)"),
    "not http": ({"kind": "garbage"}, "protocol"),
}
SLOW = {
    "slow": {"kind": "slow", "seconds": 30},
    "never answering": {"kind": "black_hole"},
    "silent": {"kind": "silence"},
}


def expect_no_session(world):
    """What is logged when sessions cannot be made."""
    world.expect("goes to the fallback")
    world.allow("no voice session", "callworker exited with status 4",
                "voice session lost for good", "alarm=openai_", "callworker killed by signal", "voice lost",
                "voice failed", "worker lost before the answer",
                "call cannot begin: voice")


def start_broken(world, **settings):
    """The service up, without a session."""
    world.make(ANSWER_TIMEOUT_MS=1500, **settings).start()
    world.service.wait_log("ari listing -> up")


def recover(world):
    """OpenAI works again, the operator says so, and calls go through."""
    world.openai.faults.clear()
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("reading the configuration again")
    world.until(lambda: any(s.events_out for s in world.openai.live),
                "a session")
    world.healthy()


@pytest.mark.parametrize("name", REFUSALS)
def test_a_caller_does_not_wait_for_a_voice_that_is_refused(world, name):
    what, fault = REFUSALS[name]
    expect_no_session(world)
    world.openai.faults.always("handshake", **what)
    start_broken(world)
    world.service.wait_log(f"no voice session fault={fault} ")
    world.call().to_fallback()
    if fault in ("key", "quota", "rate_limit"):
        world.service.wait_log(f"alarm=openai_{fault} ")
        assert len(world.openai.handshakes) == 1    # no storm
    assert len(world.openai.handshakes) < 10
    recover(world)


@pytest.mark.parametrize("name", SLOW)
def test_a_caller_does_not_wait_for_a_voice_that_does_not_answer(world, name):
    expect_no_session(world)
    world.openai.faults.always("handshake", **SLOW[name])
    start_broken(world)
    call = world.call()
    call.to_fallback(why="not ready to answer in time")
    recover(world)


@pytest.mark.parametrize("kind", ["wrong_host", "expired", "untrusted"])
def test_a_voice_with_a_bad_certificate_is_not_talked_to(world, kind):
    expect_no_session(world)
    world.openai.faults.certificate = kind
    start_broken(world)
    world.service.wait_log("no voice session fault=tls ")
    world.service.wait_log("alarm=openai_tls ")
    world.call().to_fallback()
    assert world.openai.handshakes == []
    recover(world)


def test_nobody_listens_at_the_voice_s_address(world):
    expect_no_session(world)
    world.openai.call(world.openai.refuse_tcp)
    start_broken(world)
    world.service.wait_log("alarm=openai_refused ")
    world.call().to_fallback(why="no address let us connect")
    world.openai.call(world.openai.listen)
    recover(world)


def test_a_breaker_that_opened_closes_by_itself(world):
    """A passing fault: tried again after two seconds, without SIGHUP."""
    expect_no_session(world)
    world.openai.faults.next("handshake", "http", count=3, status=500)
    start_broken(world)
    world.service.wait_log("voice breaker closed -> open")
    world.call().to_fallback()
    world.service.wait_log("voice breaker half-open -> closed")
    world.healthy()


def test_a_model_that_does_not_exist_is_named(world):
    expect_no_session(world)
    world.allow("configuration: ")
    start_broken(world, OPENAI_REALTIME_MODEL="gpt-realtime-99")
    world.service.wait_log("alarm=openai_model .*gpt-realtime-99")
    world.call().to_fallback()


def test_a_caller_is_greeted_though_the_session_dies_before_the_answer(world):
    """A spare whose session the service closed just when it was needed."""
    world.expect("voice gone, another one is fetched")
    world.allow("no voice session, trying again")
    world.start()
    slow = world.ari.fault("POST", "/bridges/.*", delay_s=.5)
    call = world.call()
    world.until(lambda: slow.hits, "the bridge is being made")
    world.openai.inject("close", call.session, code=1011)
    call.hears(GREETING)


# In mid-call; sessions that are lost and replaced are in test_session.py

HARMLESS = [code for code in ERRORS if code not in (
    "session_expired", "insufficient_quota", "invalid_api_key")]


@pytest.mark.parametrize("code", HARMLESS)
def test_an_error_that_is_not_fatal_leaves_the_call_alone(quiet_world, code):
    world = quiet_world
    world.allow("error of the voice service ignored code=",
                "voice response failed", "item refused by the voice")
    world.answers("Bien.")
    call = world.call().hears(GREETING)
    world.openai.inject("error", call.session, code=code)
    call.asks("qué tal", "Bien.")
    assert call.heard_texts(GREETING, "Bien.")


ODDITIES = ["unknown_event", "malformed", "truncated_json", "not_an_object",
            "wrong_types", "binary", "fragmented", "deep", "ping",
            "invalid_utf8"]


@pytest.mark.parametrize("kind", ODDITIES)
def test_odd_messages_of_the_voice_are_ignored(quiet_world, kind):
    world = quiet_world
    world.allow("malformed message of the voice service", "audio of the voice"
                " not usable", "error of the voice service ignored")
    world.answers("Bien.")
    call = world.call().hears(GREETING)
    world.openai.inject(kind, call.session)
    call.asks("qué tal", "Bien.")
    assert call.heard_texts(GREETING, "Bien.")
    if kind in ("malformed", "truncated_json", "not_an_object", "binary"):
        call.wait_log("malformed message of the voice service")


@pytest.mark.parametrize("disguise", ["extra_fields", "nulls"])
def test_fields_of_a_newer_service_do_no_harm(world, disguise):
    setattr(world.openai.faults, disguise, True)
    world.answers("Bien.", "Mejor.")
    world.start()
    call = world.call().hears(GREETING)
    call.asks("qué tal", "Bien.")
    call.asks("y ahora", "Mejor.")
    assert call.heard_texts(GREETING, "Bien.", "Mejor.")


# In the middle of an answer

@pytest.mark.parametrize("fault", [
    {"kind": "failed", "code": "server_error"},
    {"kind": "failed", "code": "rate_limit_exceeded"},
    {"kind": "empty"}], ids=lambda f: "-".join(
        f.values()))
def test_an_answer_that_fails_is_asked_for_again(world, fault):
    world.allow("voice response failed", "the caller waits", "trouble")
    world.script(turns=[{"reply": "Perdida.", "fault": fault}],
                 otherwise="Aquí está.")
    world.start()
    call = world.call().hears(GREETING)
    call.says("qué tal")
    call.hears("Aquí está.")
    assert tone("Perdida.") not in call.phone.recording.payload()


@pytest.mark.slow
def test_a_caller_who_waits_in_vain_is_asked_to_say_it_again(world):
    world.expect("the caller waits and hears nothing: nudging",
                 "the voice has trouble .*: apologising")
    world.allow("voice response", "cancelled response")
    world.answers({"reply": "Nada.", "fault": {"kind": "no_audio"}}, "Bien.")
    world.start()
    call = world.call().hears(GREETING)
    call.says("qué tal")
    call.hears(TROUBLE)
    call.asks("otra vez", "Bien.")


def test_a_voice_that_fails_again_and_again_apologises_and_gives_up(world):
    world.expect("voice response failed", "the voice has trouble",
                 "goes to the fallback")
    world.allow("the voice does not answer", "callworker exited",
                "the caller waits", "alarm=openai_")
    world.start()
    call = world.call().hears(GREETING)
    world.openai.faults.always("response", "failed", code="server_error")
    call.says("qué tal")
    call.to_fallback(why="voice service lost")


@pytest.mark.parametrize("fault, heard_ms", [
    ({"kind": "incomplete", "reason": "max_output_tokens", "after_ms": 600},
     600),
    ({"kind": "stall", "seconds": .5, "after_ms": 600}, 600),
    ({"kind": "duplicate_done"}, 2580), ({"kind": "unknown_item_delta"}, 2580),
    ({"kind": "bad_base64"}, 2300), ({"kind": "never_ends"}, 2580)],
    ids=lambda f: f["kind"] if isinstance(f, dict) else "")
def test_an_answer_with_a_flaw_does_not_end_the_conversation(
        world, fault, heard_ms):
    world.allow("audio of the voice not usable", "voice response",
                "cancelled response")
    world.answers({"reply": LONG, "fault": fault}, "Bien.")
    world.start()
    call = world.call().hears(GREETING)
    call.says("qué tal")
    call.begins_to_hear(LONG, ms=heard_ms)
    call.asks("y ahora", "Bien.")


def test_a_transcription_that_fails_is_only_noted(world):
    world.openai.faults.next("transcription", "failed")
    world.answers("Bien.")
    world.start()
    call = world.call().hears(GREETING)
    call.asks("qué tal", "Bien.")
    call.wait_log("words were not transcribed")


def behind_proxy(world, **how):
    """A TCP proxy between the service and OpenAI; started."""
    proxy = Trickle("127.0.0.1", world.openai.port, **how)
    world.closing.enter_context(proxy)
    proxy.settings = {"OPENAI_REALTIME_URL": world.openai.url.replace(
        f":{world.openai.port}/", f":{proxy.port}/")}
    return proxy


def test_a_network_that_stalls_in_one_direction_loses_no_word(world):
    """What the caller says meanwhile is given to the next session."""
    world.expect("voice gone, another one is fetched")
    world.allow("no voice session", "network stalls", "spare has no voice",
                "callworker exited with status 4")
    proxy = behind_proxy(world, cut=False, receive_buffer=4096)
    world.start(**proxy.settings)
    call = world.call().hears(GREETING)
    first = call.session
    proxy.stall(to_client=False)
    clip = call.says("nadie me oye", ms=1000)
    call.wait_log("voice gone, another one is fetched")
    assert clip.audio not in bytes(first.input_audio)
    proxy.resume()
    call.next_session()
    call.heard_by_voice(clip)


def test_a_network_that_cuts_everything_into_pieces_changes_nothing(world):
    proxy = behind_proxy(world, seed=3)
    world.answers("Bien.")
    world.start(**proxy.settings)
    call = world.call().hears(GREETING)
    call.heard_by_voice(call.asks("qué tal", "Bien."))
    assert call.heard_texts(GREETING, "Bien.")
