# SPDX-License-Identifier: MIT
"""What Asterisk can do to us, and its callers: requests that fail at every
step of the set-up, hang-ups at every step, odd events, a connection that is
lost, an application taken by another, a restart. Nothing stays behind."""

import signal

import pytest

from tests.e2e.service import PATIENCE
from tests.e2e.world import FALLBACK, GREETING, TOOL
from tests.sim.ari_client import Client
from tests.sim.trickle import Trickle

# The steps of a set-up: name -> (method, path); a channel id has no slash.
STEPS = {
    "ring": ("POST", "/channels/[^/]+/ring"),
    "codec": ("GET", "/channels/[^/]+/variable"),
    "bridge": ("POST", "/bridges"),
    "media": ("POST", "/channels/externalMedia"),
    "join": ("POST", "/bridges/[^/]+/addChannel"),
    "answer": ("POST", "/channels/[^/]+/answer"),
}
NOT_NEEDED = ("ring", "codec")      # a call can do without
FAULTS = {
    "404": {"status": 404}, "409": {"status": 409}, "422": {"status": 422},
    "500": {"status": 500}, "500 but done": {"status": 500, "apply": True},
    "malformed": {"malformed": True, "apply": True},
    "huge": {"oversized": 9_000_000, "apply": True},
    "cut off": {"close": True},
}


def allow_failures(world):
    world.allow("ari request refused", "ari request failed",
                "goes to the fallback", "answer is not JSON",
                "externalMedia's answer names no address",
                "callworker exited with status", "callworker killed",
                "left over in Asterisk")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_costs_one_call_at_most(quiet_world, step, fault):
    world = quiet_world
    allow_failures(world)
    method, path = STEPS[step]
    broken = world.ari.fault(method, path, **FAULTS[fault])
    call = world.call()
    world.until(lambda: broken.hits, "the fault")
    if fault == "404" and step in ("codec", "join", "answer"):
        call.wait_log("-> ENDING")      # it says that the caller is gone
    elif step in NOT_NEEDED or fault == "malformed" and step != "media":
        call.hears(GREETING)
    elif fault == "cut off":            # one that was kept alive: asked again
        world.until(lambda: call.phone.state in ("up", "queue"), "an end")
    else:
        call.to_fallback()
    call.hangup().gone()
    world.until(lambda: not world.made(), lambda: f"gone: {world.made()}")
    # A variable that is not there is nothing to speak of.
    if "status" in FAULTS[fault] and (step, fault) != ("codec", "404"):
        world.service.wait_log("ari request refused request=.* status="
                               f"{FAULTS[fault]['status']} body=")


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_is_not_answered_does_not_keep_the_caller(world, step):
    world.expect("ari request failed")
    allow_failures(world)
    world.start(ANSWER_TIMEOUT_MS=700)
    method, path = STEPS[step]
    world.ari.fault(method, path, never=True, apply=True)
    call = world.call()
    world.until(lambda: call.phone.state in ("queue", "up"), "an end")
    if step == "ring":
        call.hears(GREETING)
    else:
        call.to_fallback()
    world.healthy()


@pytest.mark.parametrize("step", STEPS)
def test_a_caller_who_hangs_up_at_any_step_leaves_nothing(quiet_world, step):
    world = quiet_world
    allow_failures(world)
    method, path = STEPS[step]
    slow = world.ari.fault(method, path, delay_s=.15)
    call = world.call()
    world.until(lambda: slow.hits, "the step")
    call.hangup()
    call.gone()
    world.until(lambda: not world.made(), lambda: f"gone: {world.made()}")


@pytest.mark.parametrize("step", ["warm", "session"])
def test_a_caller_who_hangs_up_while_the_voice_is_connected_leaves_nothing(
        world, step):
    allow_failures(world)
    world.openai.settings.one_way_ms = 200
    world.make(WARM_WORKERS={"warm": 0, "session": 1}[step]).start()
    world.service.wait_log("ari listing -> up")
    if step == "session":
        world.ready()
    call = world.call()
    call.wait_log("arrived")
    if step == "session":
        call.wait_log("NEW -> ASSIGNED")
    call.hangup().gone()
    world.until(lambda: not world.made(), "nothing left")


@pytest.mark.parametrize("order", ["stasis_end_first", "media before answer",
                                   "media slow"])
def test_events_may_come_in_any_order(world, order):
    if order == "stasis_end_first":
        world.ari.stasis_end_first = True
    elif order == "media slow":
        world.ari.media_start_delay_s = .3
    else:
        world.ari.media_start = "before"
    world.start()
    for _ in range(2):
        world.healthy()


def test_a_media_channel_that_never_comes_up_costs_one_call(world):
    world.expect("goes to the fallback")
    world.start(ANSWER_TIMEOUT_MS=700)
    world.ari.media_start = "never"
    world.call().to_fallback(why="not ready to answer in time")
    world.ari.media_start = "after"
    world.healthy()


def test_a_media_channel_that_dies_under_a_call_ends_in_the_fallback(world):
    world.expect("goes to the fallback")
    world.start()
    call = world.call().hears(GREETING)
    other = world.call().hears(GREETING)
    [media] = [i for i in world.ari.model.channels
               if i.startswith("telefonista-") and call.id in i]
    world.ari.on_loop(lambda: world.ari.model.destroy(
        world.ari.model.channels[media], 16, "pbx"))
    call.to_fallback(why="media channel gone")
    other.heard_by_voice(other.says("sigo"))


def test_a_deletion_that_fails_is_tried_again(world):
    allow_failures(world)
    world.start()
    broken = world.ari.fault("DELETE", "/(channels|bridges)/telefonista-.*",
                             status=500, count=3)
    call = world.call().hears(GREETING)
    call.hangup().gone()
    world.until(lambda: broken.hits == 3 and not world.made(), "all deleted")


def test_a_slow_asterisk_makes_the_caller_wait_and_loses_no_syllable(world):
    world.start()
    world.ari.fault("*", "/(channels|bridges).*", delay_s=.2, count=None)
    call = world.call().hears(GREETING)
    assert call.heard_texts(GREETING)
    assert call.phone.early_packets == 0


def test_a_network_that_cuts_asterisk_s_bytes_into_pieces_changes_nothing(
        world):
    with Trickle("127.0.0.1", world.ari.port, seed=5) as proxy:
        world.start(ASTERISK_PORT=proxy.port)
        world.healthy()
        world.finish()


def test_media_may_go_over_ipv6(world):
    world.ari.media_host = "::1"
    world.start(LOCAL_IP_ADDRESS="::1")
    call = world.call().hears(GREETING)
    call.heard_by_voice(call.says("seis"))


# The fallback itself

def test_without_a_fallback_context_a_sound_is_played_and_it_ends(world):
    world.expect("goes to the fallback")
    allow_failures(world)
    world.start(FALLBACK_CONTEXT=None)
    world.ari.fault("POST", "/channels/externalMedia", status=500)
    call = world.call().ended(why="no media channel")
    assert [name for name, _, _ in call.phone.heard] == \
        ["telefonista-sin-servicio"]
    assert call.phone.hung_up_by == "agent"


def test_a_sound_that_does_not_exist_still_ends_the_call(world):
    world.expect("goes to the fallback")
    allow_failures(world)
    world.ari.sounds["telefonista-sin-servicio"] = None
    world.start(FALLBACK_CONTEXT=None)
    world.ari.fault("POST", "/channels/externalMedia", status=500)
    world.call().ended(why="no media channel")


@pytest.mark.parametrize("step, path", [
    ("continue", "/channels/[^/]+/continue"), ("play", "/channels/[^/]+/play")])
def test_a_fallback_that_fails_ends_the_call(world, step, path):
    world.expect("goes to the fallback", "ari request refused")
    world.start(FALLBACK_CONTEXT=FALLBACK if step == "continue" else None)
    world.ari.fault("POST", "/channels/externalMedia", status=500)
    world.ari.fault("POST", path, status=500)
    call = world.call().ended(why="no media channel")
    assert call.phone.hung_up_by == "agent"


# Events

@pytest.mark.parametrize("text", [
    "", "{", "null", "[]", "17", '"x"', "{}", '{"type": 7}',
    '{"type": "StasisStart"}', '{"type": "StasisStart", "channel": 5}',
    '{"type": "StasisStart", "channel": {"id": ""}}',
    '{"type": "StasisStart", "channel": {"id": "%s"}}' % ("x" * 500),
    '{"type": "ChannelDestroyed", "channel": {}}',
    '{"type": "StasisEnd", "channel": {"id": ["1"]}}',
    '{"type": "ChannelDtmfReceived", "digit": "##", "channel": {"id": "0"}}',
    '{"type": "Unheard", "of": {"deep": [1, 2]}}', "[" * 100000],
    ids=lambda t: t[:40])
def test_an_odd_event_does_no_harm(quiet_world, text):
    world = quiet_world
    world.allow("ari event ignored")
    call = world.call().hears(GREETING)
    world.ari.with_session("send_text", text)
    call.heard_by_voice(call.says("sigo"))
    assert world.ari.session_of() is not None


def test_frames_that_are_no_text_do_no_harm(quiet_world):
    world = quiet_world
    world.allow("ari event ignored")
    world.ari.with_session("write", 2, b"\x00\x01\x02" * 100)
    world.ari.send_event({"type": "Unheard", "x": "ñandú" * 99}, pieces=9,
                         with_ping=True)
    world.healthy()
    world.until(lambda: world.ari.pong_ms, "a pong")


def test_an_oversized_event_costs_the_connection_and_no_call(world):
    world.expect("message too long|ari connection lost")
    world.start()
    call = world.call().hears(GREETING)
    mark = world.service.mark()
    world.ari.send_oversized(3_000_000)
    world.service.wait_log("ari listing -> up", since=mark)
    call.heard_by_voice(call.says("sigo"))
    world.healthy()


def test_a_large_event_is_read(quiet_world):
    quiet_world.ari.send_oversized(300_000)
    quiet_world.healthy()


# The connection

@pytest.mark.parametrize("how", ["fin", "rst", "close"])
def test_a_lost_connection_is_made_again_and_no_call_falls(world, how):
    world.expect("ari connection lost, trying again")
    world.answers("Sigo.")
    world.start()
    call = world.call().hears(GREETING)
    mark = world.service.mark()
    world.ari.with_session("drop", how)
    world.service.wait_log("ari listing -> up", since=mark)
    call.asks("sigue ahí", "Sigo.")
    call.hangup().gone()
    world.healthy()


def test_what_happened_while_the_connection_was_lost_is_found_out(world):
    """One caller hung up meanwhile, another one came."""
    world.allow("ari connection lost", "ari request", "left over")
    world.start()
    gone = world.call().hears(GREETING)
    stays = world.call().hears(GREETING)
    world.ari.dialplan_wait_s, world.ari.dialplan_waits = .1, 200
    world.ari.fault("GET", "/events", status=503, count=2)
    world.ari.with_session("drop", "rst")
    world.until(lambda: world.ari.session_of() is None, "no connection")
    gone.hangup()
    gone.phone.wait_for("ended")
    comes = world.call()
    gone.gone()
    comes.hears(GREETING)
    stays.heard_by_voice(stays.says("sigo"))


@pytest.mark.slow
def test_a_connection_that_is_silently_dead_is_noticed(world):
    """Frozen: neither events nor answers, but the socket stays."""
    world.expect("ari connection lost")
    world.allow("ari request failed")
    world.start()
    call = world.call().hears(GREETING)
    world.ari.with_session("freeze")
    mark = world.service.mark()
    world.service.wait_log("ari connection lost", seconds=2 * PATIENCE,
                           since=mark)
    world.service.wait_log("ari listing -> up", since=mark)
    call.heard_by_voice(call.says("sigo"))
    world.healthy()


@pytest.mark.parametrize("path", ["/channels", "/bridges",
                                  "/applications/.*"])
@pytest.mark.parametrize("fault", [{"status": 500}, {"malformed": True}])
def test_a_list_that_cannot_be_read_is_asked_for_again(world, path, fault):
    world.allow("ari connection lost", "ari request refused",
                "answer is not JSON")
    world.make().start()
    world.ari.fault("GET", path, **fault)
    world.ready()
    world.healthy()


def test_a_wrong_password_is_an_alarm_and_not_a_storm(world):
    world.expect("alarm=ari_password")
    world.allow("ari connection lost")
    world.make()
    (world.service.folder / "asterisk_password").write_text("falsa\n")
    world.service.start()
    world.service.wait_log("alarm=ari_password")
    world.until(lambda: len(world.ari.requests) >= 2, "a second attempt")
    assert {r.status for r in world.ari.requests} == {401}
    assert world.service.text().count("alarm=ari_password") == 1
    assert "falsa" not in world.service.text()
    (world.service.folder / "asterisk_password").write_text(
        world.ari.password)
    world.service.signal(signal.SIGHUP)
    world.ready()
    world.healthy()


def test_asterisk_that_is_not_there_yet_is_waited_for(world):
    world.allow("ari connection lost")
    world.ari.stop_pbx()
    world.make().start()
    world.service.wait_log("ari connection lost, trying again")
    world.ari.start_pbx()
    world.ready()
    world.healthy()


def test_asterisk_is_restarted_in_mid_call(world):
    world.expect("ari connection lost")
    world.allow("ari request failed", "tool answered")
    world.mikrotik.next("hang")
    world.script(turns=[{"calls": [{"name": TOOL, "arguments": {
        "question": "¿Cuántos?"}}]}])
    world.start()
    calls = [world.call().hears(GREETING) for _ in range(2)]
    calls[0].says("cuántos")
    world.until(lambda: world.mikrotik.in_flight, "a query")
    mark = world.service.mark()
    world.ari.restart(.3)
    world.service.wait_log("ari listing -> up", since=mark)
    for call in calls:
        call.gone()
    world.until(lambda: world.mikrotik.aborted, "the query was dropped")
    world.until(lambda: len(world.service.pids("callworker")) == 1,
                "only the spare")
    world.healthy()


# Others

def other_program(world, app):
    """An ARI client that is not ours."""
    client = Client(world.ari, app=app)
    world.closing.callback(client.close)
    return client


def test_what_others_made_is_left_alone(world):
    """Another application with its call, media channel and bridge."""
    world.expect("ari connection lost")
    other = other_program(world, "otra")
    phone = world.ari.call(exten="100", caller="200", app="otra")
    other.take_call(phone)
    model = world.ari.model
    theirs = {*model.channels, *model.bridges}
    world.start()
    world.healthy()
    mark = world.service.mark()
    world.ari.with_session("drop", "fin")
    world.service.wait_log("ari listing -> up", since=mark)
    world.healthy()
    assert world.service.stop() == 0
    assert theirs == {*model.channels, *model.bridges}
    assert phone.state == "up"
    phone.hangup()
    other.clean_up()


def test_what_an_earlier_service_left_behind_is_taken_away(world):
    world.expect("left over in Asterisk, deleting it")
    model = world.ari.model
    world.ari.on_loop(lambda: model.create_bridge(
        "telefonista-openai-app-bridge-1.1-abcd", "telefonista", "mixing"))
    world.ari.on_loop(lambda: model.create_bridge(
        "telefonista-otra-bridge-1.1-abcd", "telefonista", "mixing"))
    world.start()
    world.until(lambda: "telefonista-openai-app-bridge-1.1-abcd" not in
                model.bridges, "the old bridge is gone")
    assert "telefonista-otra-bridge-1.1-abcd" in model.bridges
    world.ari.on_loop(lambda: model.destroy_bridge(
        model.bridges["telefonista-otra-bridge-1.1-abcd"]))


def test_a_program_that_takes_the_application_is_not_fought(world):
    world.expect("alarm=ari_application_replaced")
    world.allow("ari connection lost")
    world.start()
    call = world.call().hears(GREETING)
    other = other_program(world, "openai-app")
    world.service.wait_log("alarm=ari_application_replaced")
    world.service.wait_title(world.supervisor, "ari=replaced calls=1")
    call.heard_by_voice(call.says("sigo"))
    assert other.events.closed is None
    # Found out by listing: its events go to the other program.
    call.hangup().gone()
    world.until(lambda: not world.made(), "nothing left")
    other.close()
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("ari down -> connecting .*\n(.*\n)*.*listing -> up")
    world.healthy()


def test_a_name_that_nobody_has_any_more_is_taken_again_by_itself(world):
    """Without a SIGHUP: the other program has ended, and so have its calls."""
    world.expect("alarm=ari_application_replaced")
    world.start()
    other = other_program(world, "openai-app")
    world.service.wait_title(world.supervisor, "ari=replaced")
    call = world.ari.call(caller="200")     # theirs
    world.until(lambda: "StasisStart" in other.events.kinds(), "their call")
    mark = world.service.mark()
    other.close()
    call.hangup()
    world.service.wait_log("the application's name is free again",
                           seconds=2 * PATIENCE, since=mark)
    world.service.wait_log("ari listing -> up", since=mark)
    assert not world.service.find(f"call={call.channel.id} ")
    world.healthy()


@pytest.mark.slow
def test_asterisk_that_stays_away_is_one_alarm(world):
    """Calls that were lost with it are cleaned up when it is back, its
    absence is told once, and new calls need no restart."""
    world.expect("alarm=ari_away ari connection lost, trying again")
    world.allow("ari connection lost", "ari request failed")
    world.start()
    call = world.call().hears(GREETING)
    worker = call.worker
    mark = world.service.mark()
    world.ari.stop_pbx()
    world.service.wait_log("alarm=ari_away", 2 * PATIENCE, since=mark)
    lost = world.service.count("ari connection lost", mark)
    world.service.wait_log("ari connection lost", since=world.service.mark())
    world.ari.start_pbx()
    world.service.wait_log("ari is back away_ms=", since=mark)
    call.gone()
    world.service.wait_gone(worker)
    assert world.service.count("alarm=ari_away ", mark) == 1
    assert lost < 10
    world.until(lambda: not world.made(), "nothing left")
    world.healthy()


def test_media_that_came_while_nobody_listened_is_made_again(world):
    """Asterisk ends what it cannot give to an application, and cannot tell."""
    world.expect("ari connection lost, trying again",
                 "media channel was lost with the connection")
    world.start()
    slow = world.ari.fault("POST", "/channels/externalMedia", delay_s=.5)
    world.ari.fault("GET", "/events", delay_s=1)
    call = world.call()
    world.until(lambda: slow.seen, "the media channel is being made")
    mark = world.service.mark()
    world.ari.with_session("drop", "rst")
    world.service.wait_log("ari listing -> up", since=mark)
    call.hears(GREETING)
    call.heard_by_voice(call.says("por fin"))
