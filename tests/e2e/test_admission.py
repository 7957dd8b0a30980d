# SPDX-License-Identifier: MIT
"""Who is let in, and where the others go: never into silence, never at the
cost of a call that is under way, and never with a storm of attempts."""

import signal

import pytest

from tests.e2e.world import (FALLBACK, GREETING, LIMIT_GOODBYE, SILENT_GOODBYE,
                             STILL_THERE, tone)

SOUND = "sound:lo-sentimos"


def requests_about(world, call):
    """What Asterisk was asked about a call: METHOD and last part of path."""
    return [(r.method, r.path.rpartition("/")[2]) for r in world.ari.requests
            if call.id in r.path]


def refused(call, why):
    """It went to the fallback at once: nothing was made for it."""
    call.to_fallback(why=why)
    assert requests_about(call.world, call) == [("POST", "continue")]
    assert call.phone.recording.packets == []


def warm(world):
    """Sessions that are up and wait for a caller."""
    return [s for s in world.openai.live
            if s.events_out and not s.received("session.update")]


# How long (first: it takes longest)

@pytest.mark.slow
def test_the_longest_call_ends_with_a_goodbye_that_is_heard(world):
    """MAX_CALL_SECONDS at its least; a younger call goes on."""
    world.answers("Uno.", "Dos.")
    world.start(MAX_CALL_SECONDS=30)
    call = world.call().hears(GREETING)
    call.asks("uno", "Uno.")
    world.service.wait_title(call.worker, r" talking 00:2[5-9]$", 40)
    young = world.call().hears(GREETING)
    call.hears(LIMIT_GOODBYE)
    call.ended(why="longest call")
    assert call.phone.hung_up_by == "agent"
    assert call.heard_texts(GREETING, "Uno.", LIMIT_GOODBYE)
    talked = int(call.wait_log(r"ended why=.* talked_ms=(\d+)").group(1))
    assert 30000 <= talked < 40000
    young.asks("uno", "Uno.")


@pytest.mark.slow
def test_a_silent_caller_who_answers_stays(world):
    world.answers("Aquí estoy.", "Diga.")
    world.start(SILENT_CALLER_SECONDS=5)
    call = world.call().hears(GREETING)
    gone = world.call().hears(GREETING)
    call.hears(STILL_THERE)
    call.asks("perdón", "Aquí estoy.")
    gone.ended(why="silent caller")
    assert gone.heard() == [tone(GREETING), tone(STILL_THERE),
                            tone(SILENT_GOODBYE)]
    call.asks("otra cosa", "Diga.")
    assert call.phone.state == "up"


# How many

def test_more_calls_than_max_calls_go_to_the_fallback(world):
    world.expect('goes to the fallback why="MAX_CALLS reached"')
    world.answers("Sigo.")
    world.start(MAX_CALLS=2)
    first, second = world.call().hears(GREETING), world.call().hears(GREETING)
    for _ in range(3):
        refused(world.call(), "MAX_CALLS reached")
    world.service.wait_title(world.supervisor, "calls=2 ")
    first.asks("y yo", "Sigo.")
    second.hangup().gone()
    world.healthy()
    last = world.call().hears(GREETING)
    refused(world.call(), "MAX_CALLS reached")
    last.asks("y yo", "Sigo.")


def test_one_number_cannot_take_all_the_lines(world):
    """However its digits are written; withheld numbers are many people."""
    world.expect('why="MAX_CALLS_PER_NUMBER reached"')
    world.start(MAX_CALLS_PER_NUMBER=2)
    calls = [world.call(caller=number).hears(GREETING)
             for number in ("3001234655", "+573001234655")]
    for number in ("573001234655", "3001234655", "00573001234655"):
        refused(world.call(caller=number), "MAX_CALLS_PER_NUMBER reached")
    world.call(caller="3001234656").hears(GREETING)
    for number in ("anonymous", "", "anonymous", "Restricted", "anonymous"):
        world.call(caller=number).hears(GREETING)
    calls[0].hangup().gone()
    world.call(caller="3001234655").hears(GREETING)
    assert calls[1].phone.state == "up"


def test_more_calls_at_once_than_spares_are_all_answered(world):
    world.start(WARM_WORKERS=1, MAX_CALLS=8)
    known = len(world.openai.handshakes)
    calls = [world.call() for _ in range(8)]
    for call in calls:
        call.hears(GREETING)
    assert len({call.worker for call in calls}) == 8
    assert {call.phone.dialplan[-1] for call in calls} == {
        "Stasis(openai-app)"}
    world.until(lambda: len(world.service.pids("callworker")) == 9,
                "a spare again")
    # One for each call, one for the spare, and none for nothing.
    assert len(world.openai.handshakes) <= known + 8 + 1


def test_without_spares_a_call_gets_a_process_of_its_own(world):
    world.start(WARM_WORKERS=0)
    service = world.service
    service.wait_title(world.supervisor, "ari=up calls=0 spares=0")
    assert world.openai.handshakes == [] and not service.pids("callworker")
    first = world.call().hears(GREETING)
    second = world.call().hears(GREETING)
    assert set(service.pids("callworker")) == {first.worker, second.worker}
    first.hangup().gone()
    second.heard_by_voice(second.says("sigo"))
    second.hangup().gone()
    world.until(lambda: not service.pids("callworker"), "no process is left")
    assert len(world.openai.handshakes) == 2


# Not in time

def test_a_caller_does_not_wait_longer_than_answer_timeout(world):
    world.expect('why="not ready to answer in time"')
    world.answers("Sigo.")
    world.start(WARM_WORKERS=0, ANSWER_TIMEOUT_MS=1500)
    other = world.call().hears(GREETING)
    world.openai.faults.next("handshake", "slow", seconds=30)
    late = world.call().to_fallback(why="not ready to answer in time")
    assert 1400 < int(late.wait_log(
        r"ended why=.* total_ms=(\d+)").group(1)) < 10000
    assert ("POST", "answer") not in requests_about(world, late)
    other.asks("y yo", "Sigo.")
    world.until(lambda: not world.made() or len(world.made()) == 2,
                "what was made for it is gone")


def test_a_spare_whose_connection_is_dead_costs_one_caller_the_voice(world):
    """It looks warm and answers nothing: the caller goes elsewhere."""
    world.expect('why="not ready to answer in time"')
    world.allow("no voice session", "voice ", "callworker exited")
    world.start(ANSWER_TIMEOUT_MS=1500)
    world.service.wait_title(world.supervisor, "spares=1$")
    [dead] = warm(world)
    world.openai.inject("half_open", dead)
    world.call().to_fallback(why="not ready to answer in time")
    world.healthy()


# Where to

def test_without_a_fallback_context_a_sound_explains_and_the_call_ends(world):
    world.expect(f"goes to the fallback why=.* to={SOUND}")
    world.ari.sounds["lo-sentimos"] = .5
    world.start(MAX_CALLS=1, FALLBACK_CONTEXT=None, FALLBACK_SOUND=SOUND)
    stays = world.call().hears(GREETING)
    for up in (False, True):
        call = world.call(up=up).ended(why="MAX_CALLS reached")
        [(name, start_ns, end_ns)] = call.phone.heard
        assert name == "lo-sentimos" and end_ns - start_ns >= 450_000_000
        assert call.phone.answered_ns and call.phone.hung_up_by == "agent"
        assert call.phone.ended_ns >= end_ns
    stays.heard_by_voice(stays.says("sigo"))


def test_a_sound_that_asterisk_does_not_have_does_not_hold_the_caller(world):
    world.expect(f"goes to the fallback why=.* to={SOUND}")
    world.allow("lo-sentimos")
    world.ari.sounds["lo-sentimos"] = None
    world.start(MAX_CALLS=1, FALLBACK_CONTEXT=None, FALLBACK_SOUND=SOUND)
    world.call().hears(GREETING)
    call = world.call().ended(why="MAX_CALLS reached")
    assert call.phone.hung_up_by == "agent"


def test_without_any_fallback_the_call_ends_at_once(world):
    world.expect("goes to the fallback why=.* to=hang-up")
    world.start(MAX_CALLS=1, FALLBACK_CONTEXT=None, FALLBACK_SOUND="")
    world.call().hears(GREETING)
    for up in (False, True):
        call = world.call(up=up).ended(why="MAX_CALLS reached")
        assert bool(call.phone.answered_ns) == up and not call.phone.heard
        assert requests_about(world, call) == [("DELETE", call.id)]


@pytest.mark.parametrize("answer", [
    {"status": 500}, {"status": 412}], ids=str)
def test_a_fallback_that_asterisk_refuses_does_not_leave_a_silent_call(
        world, answer):
    world.expect('why="MAX_CALLS reached"')
    world.allow("continue")
    world.start(MAX_CALLS=1)
    stays = world.call().hears(GREETING)
    world.ari.fault("POST", "/channels/.*/continue", **answer)
    call = world.call().ended(why="MAX_CALLS reached")
    assert call.phone.hung_up_by == "agent"
    # The next one goes where it should.
    world.call().to_fallback()
    stays.heard_by_voice(stays.says("sigo"))


def test_a_fallback_whose_answer_is_lost_is_not_undone(world):
    """The caller is in the queue already when Asterisk is asked again."""
    world.expect('why="MAX_CALLS reached"')
    world.allow("continue")
    world.start(MAX_CALLS=1)
    world.call().hears(GREETING)
    world.ari.fault("POST", "/channels/.*/continue", apply=True, status=409)
    call = world.call().to_fallback(why="MAX_CALLS reached")
    world.call().to_fallback()
    assert call.phone.state == "queue"
    assert ("DELETE", call.id) not in requests_about(world, call)


def test_a_fallback_context_that_does_not_exist_ends_the_call(world):
    """Asterisk says 204 all the same, and then hangs up itself."""
    world.expect('why="MAX_CALLS reached"')
    world.ari.contexts = {"telefonista-agent"}
    world.start(MAX_CALLS=1)
    stays = world.call().hears(GREETING)
    call = world.call().ended(why="MAX_CALLS reached")
    assert call.phone.hung_up_by == "pbx"
    assert call.phone.where == (FALLBACK, call.phone.exten, 1)
    stays.heard_by_voice(stays.says("sigo"))


# The breaker: one for all, and one attempt at a time

@pytest.mark.parametrize("kind, fault", [
    ({"kind": "http", "status": 401}, "key"),
    ({"kind": "insufficient_quota"}, "quota"),
    ({"kind": "http", "status": 429}, "rate_limit")], ids=lambda x: str(x))
def test_a_broken_account_is_one_alarm_and_no_storm(world, kind, fault):
    world.expect(f"alarm=openai_{fault} ", "no voice session",
                 "goes to the fallback")
    world.allow("callworker exited with status 4", "callworker killed")
    world.start(WARM_WORKERS=3)
    stays = [world.call().hears(GREETING) for _ in range(2)]
    world.until(lambda: len(warm(world)) == 3, "spares again")
    attempts = len(world.openai.handshakes)
    world.openai.faults.always("handshake", **kind)
    for spare in warm(world):
        world.openai.inject("close", spare, code=1001)
    world.service.wait_log(f"voice breaker closed -> open \\({fault}\\)")
    for _ in range(6):
        refused(world.call(), None)
    assert world.service.count(f"alarm=openai_{fault} ") == 1
    # Those that were under way when the first one failed, and no more.
    assert len(world.openai.handshakes) - attempts <= 3
    for call in stays:
        call.heard_by_voice(call.says("sigo"))
    world.openai.faults.clear()
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("voice breaker open -> closed")
    world.healthy()


def test_an_outage_is_probed_by_one_session_at_a_time(world):
    """Nobody asks twice at once, whoever calls meanwhile."""
    world.expect("alarm=openai_server ", "no voice session",
                 "goes to the fallback why=\"the service failed\"")
    world.allow("callworker exited with status 4", "callworker killed")
    faults = world.openai.faults
    faults.always("handshake", "http", status=503)
    world.make(WARM_WORKERS=4).start()
    world.service.wait_log("voice breaker closed -> open")
    world.service.wait_log("ari listing -> up")
    world.until(lambda: not world.service.pids("callworker"),
                "nobody tries any more")
    storm = len(world.openai.handshakes)
    assert storm <= 8       # on a slow machine some have their second go
    faults.clear()
    faults.next("handshake", "slow", seconds=1)
    mark = world.service.mark()
    world.service.wait_log("voice breaker open -> half-open", since=mark)
    world.until(lambda: len(world.openai.handshakes) > storm, "the probe")
    for _ in range(4):
        refused(world.call(), "the service failed")
    assert len(world.openai.handshakes) == storm + 1
    world.service.wait_log("voice breaker half-open -> closed")
    world.until(lambda: len(warm(world)) == 4, "all spares")
    world.healthy()


def test_a_key_that_was_put_right_works_after_a_sighup(world):
    """The operator's way out, with the real 401 of a wrong key."""
    world.expect("alarm=openai_key ", "no voice session")
    world.allow("callworker exited with status 4", "goes to the fallback")
    world.make()
    key = world.folder / "openai_api_key"
    key.write_text("sk-wrong\n")
    world.service.start()
    world.service.wait_log("alarm=openai_key ")
    world.service.wait_log("ari listing -> up")
    world.call().to_fallback(why="the API key is not accepted")
    key.write_text(world.openai.api_key + "\n")
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("voice breaker open -> closed")
    world.healthy()
    assert "sk-wrong" not in world.service.text()


def test_spares_that_openai_closes_are_replaced(world):
    world.expect("no voice session")
    world.allow("callworker exited with status 4")
    world.start(WARM_WORKERS=2)
    for how, arguments in (("close", {"code": 1001}), ("reset", {})):
        old = warm(world)
        for spare in old:
            world.openai.inject(how, spare, **arguments)
        world.until(lambda: len([s for s in warm(world) if s not in old]) == 2,
                    f"new spares after {how}")
    assert not world.service.find("voice breaker closed -> open")
    world.healthy()
