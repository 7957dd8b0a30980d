# SPDX-License-Identifier: MIT
"""Signals, as an operator sends them to the service or to one process of it:
who is told goodbye, what goes on, and what ps and the log show of it."""

import json
import re
import signal
import time

import pytest

from tests.demo import processes
from tests.e2e.service import REPO
from tests.e2e.world import (GREETING, LONG, SHUTDOWN_GOODBYE, TOOL,
                             TOOL_WAIT, tone)

DEFINITION = json.loads((REPO / f"etc/tools.d/{TOOL}.json").read_text())
QUESTION = {"question": "¿Cuántos clientes hay?"}


def asks_for_a_query(then="Ya sé."):
    return {"calls": [{"name": TOOL, "arguments": QUESTION}],
            "then": {"reply": then}}


def outputs(call):
    """What the voice was given as results, in order."""
    return [json.loads(e["item"]["output"])
            for e in call.session.received("conversation.item.create")
            if e["item"]["type"] == "function_call_output"]


def stopped(world, seconds):
    """The service has ended well, in time, with nothing left of it."""
    assert world.service.wait(seconds) == 0
    assert world.made() == []


# The service is told to stop

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_live_call_hears_the_whole_farewell_before_the_service_ends(
        world, number):
    world.expect('why="the service is stopping"')
    world.answers(LONG)
    world.start(DRAIN_SECONDS=9)
    supervisor = world.supervisor
    idle = world.call().hears(GREETING)
    call = world.call().hears(GREETING)
    call.says("cuénteme")
    call.begins_to_hear(LONG)
    world.service.signal(number)
    world.service.wait_title(supervisor, "supervisor stopping ari=up calls=")
    late = world.call().to_fallback(why="the service is stopping")
    assert late.phone.recording.packets == []
    for each in (idle, call):
        each.ended(why="service stops")
        assert each.phone.hung_up_by == "agent"
    # A sentence may be finished, if it takes no more than three seconds.
    assert idle.heard_texts(GREETING, SHUTDOWN_GOODBYE)
    greeting, sentence, goodbye = call.heard()
    assert tone(LONG).startswith(sentence) and goodbye == tone(
        SHUTDOWN_GOODBYE)
    stopped(world, 9)
    world.service.wait_log(rf"stopping signal={number}$")
    world.service.wait_log("keeper.* stopped status=0")


def test_calls_may_go_on_for_the_time_that_the_drain_has(world):
    """The goodbye is said ten seconds before the end, not at once."""
    world.answers("Ya sé.")
    world.start(DRAIN_SECONDS=13)
    call = world.call().hears(GREETING)
    world.service.signal(signal.SIGTERM)
    world.service.wait_log("draining calls=1 within_s=13")
    call.asks("una más", "Ya sé.")
    call.hears(SHUTDOWN_GOODBYE).ended(why="service stops")
    assert call.heard_texts(GREETING, "Ya sé.", SHUTDOWN_GOODBYE)
    stopped(world, 13)


def test_a_service_without_calls_ends_at_once(world):
    world.start(DRAIN_SECONDS=3600)
    world.service.tree()
    world.service.signal(signal.SIGTERM)
    stopped(world, 10)
    assert not world.openai.live


def test_a_call_that_ends_by_itself_does_not_prolong_the_drain(world):
    world.start(DRAIN_SECONDS=3600)
    call = world.call().hears(GREETING)
    world.service.signal(signal.SIGTERM)
    world.service.wait_log("draining calls=1 within_s=3600")
    call.hangup().gone()
    stopped(world, 10)


def test_a_farewell_that_cannot_be_said_does_not_hold_up_the_end(world):
    world.allow("voice ", "goodbye not heard", "callworker ")
    world.start(DRAIN_SECONDS=2)
    call = world.call().hears(GREETING)
    world.openai.inject("half_open", call.session)
    world.service.signal(signal.SIGTERM)
    call.ended(why="DRAIN_SECONDS are over")
    stopped(world, 10)


def test_told_twice_the_service_ends_at_once_and_leaves_nothing(world):
    world.expect("told to stop a second time, hanging up all calls")
    world.allow("callworker ")
    world.answers(LONG)
    world.start(DRAIN_SECONDS=3600)
    calls = [world.call().hears(GREETING) for _ in range(2)]
    calls[0].says("cuénteme")
    calls[0].begins_to_hear(LONG)
    world.service.signal(signal.SIGTERM)
    world.service.wait_log("draining calls=2")
    world.service.tree()
    world.service.signal(signal.SIGTERM)
    assert world.service.wait(10) == 0
    for call in calls:
        call.phone.wait_for("ended")
        assert call.phone.hung_up_by == "agent"
    assert world.made() == []


@pytest.mark.parametrize("keeper_first", [True, False])
def test_who_tells_every_process_means_it_once(world, keeper_first):
    """As `systemctl kill` does, or systemd when the keeper hung."""
    world.allow("callworker ", "toolworker ", 'why="the service is stopping"')
    world.answers(LONG)
    world.start(DRAIN_SECONDS=9)
    service = world.service
    supervisor = world.supervisor
    call = world.call().hears(GREETING)
    call.says("cuénteme")
    call.begins_to_hear(LONG)
    told = [service.pid, supervisor]
    for pid in told if keeper_first else reversed(told):
        service.signal(signal.SIGTERM, pid)
        service.wait_log("draining calls=1")
    for pid in set(service.tree()) - set(told):
        service.signal(signal.SIGTERM, pid)
    call.hears(SHUTDOWN_GOODBYE)
    stopped(world, 12)


def test_a_caller_who_still_hears_ringing_goes_to_the_fallback(world):
    world.expect('goes to the fallback why="shutdown"')
    world.allow("ari request refused .*addChannel")     # he is gone by then
    world.start(DRAIN_SECONDS=8)
    slow = world.ari.fault("POST", "/bridges/.*", delay_s=1)
    call = world.call()
    world.until(lambda: slow.hits, "the bridge is being made")
    world.service.signal(signal.SIGTERM)
    call.to_fallback(why="shutdown")
    stopped(world, 10)


def test_a_caller_who_waits_for_a_voice_goes_to_the_fallback(world):
    world.expect('goes to the fallback why="the service is stopping"')
    world.start(WARM_WORKERS=0, DRAIN_SECONDS=60)
    world.openai.faults.next("handshake", "slow", seconds=10)
    call = world.call()
    call.wait_log("persona=prueba")
    world.until(lambda: world.service.pids("callworker"), "its worker")
    world.service.signal(signal.SIGTERM)
    call.to_fallback(why="the service is stopping")
    stopped(world, 10)


def test_a_query_that_is_pending_does_not_hold_up_the_farewell(world):
    world.mikrotik.next("hang")
    world.answers(asks_for_a_query())
    world.start(DRAIN_SECONDS=8)
    call = world.call().hears(GREETING)
    call.says("cuántos")
    world.until(lambda: world.mikrotik.in_flight, "the query")
    world.service.signal(signal.SIGTERM)
    call.hears(SHUTDOWN_GOODBYE).ended(why="service stops")
    stopped(world, 8)
    world.until(lambda: world.mikrotik.aborted, "the query was dropped")
    assert outputs(call) == []


def test_a_query_that_is_answered_during_the_drain_is_spoken(world):
    world.mikrotik.answer("clientes", "Hay 12.", delay=1)
    world.answers(asks_for_a_query("Son doce."))
    world.start(DRAIN_SECONDS=14)
    call = world.call().hears(GREETING)
    call.says("cuántos")
    world.until(lambda: world.mikrotik.in_flight, "the query")
    world.service.signal(signal.SIGTERM)
    call.hears("Son doce.")
    call.hangup().gone()
    stopped(world, 10)


def test_the_supervisor_can_be_told_to_stop_the_service(world):
    world.start(DRAIN_SECONDS=8)
    call = world.call().hears(GREETING)
    world.service.signal(signal.SIGTERM, world.supervisor)
    call.hears(SHUTDOWN_GOODBYE).ended(why="service stops")
    stopped(world, 8)


def test_a_supervisor_that_dies_in_the_drain_does_not_cost_the_farewell(world):
    world.expect("supervisor ended by signal 9")
    world.start(DRAIN_SECONDS=12)
    call = world.call().hears(GREETING)
    world.service.signal(signal.SIGTERM)
    world.service.wait_log("draining calls=1")
    world.service.signal(signal.SIGKILL, world.supervisor)
    call.hears(SHUTDOWN_GOODBYE).ended(why="service stops")
    stopped(world, 12)


def test_a_service_told_to_stop_while_it_starts_stops(world):
    """Whatever it was at; the last time with a session that is being made."""
    world.openai.settings.one_way_ms = 200
    world.make()
    for wait_for in ("keeper.* starting", "supervisor started pid=",
                     "ari down -> connecting", "ari listing -> up",
                     "starting -> connecting"):
        mark = world.service.mark()
        world.service.start()
        world.service.wait_log(wait_for, since=mark)
        world.service.signal(signal.SIGTERM)
        assert world.service.wait() == 0, wait_for
    assert world.made() == []


def test_an_asterisk_that_is_gone_does_not_hold_up_the_end(world):
    world.allow("ari ", "alarm=", "call=.*Asterisk cannot be asked",
                "goes to the fallback")
    world.start(DRAIN_SECONDS=1)
    world.call().hears(GREETING)
    world.ari.stop_pbx()
    world.service.wait_log("ari up -> ")
    world.service.signal(signal.SIGTERM)
    stopped(world, 15)
    world.calls.clear()


# The service is told to read its settings again

def test_new_calls_use_the_new_settings_and_old_ones_keep_theirs(world):
    world.expect('why="MAX_CALLS reached"')
    world.answers("Sigo.")
    world.start(SHOW_CALLER_NUMBER="last4", WARM_WORKERS=2)
    old = world.call().hears(GREETING)
    persona = world.folder / "personas/prueba.md"
    persona.write_text(persona.read_text().replace(GREETING, "Buenas.")
                       .replace("atiende pruebas", "vende lámparas"))
    world.service.write_config(MAX_CALLS=2, OPENAI_VOICE="cedar",
                               SHOW_CALLER_NUMBER="full",
                               OPENAI_REALTIME_MODEL="gpt-realtime-2.1-mini")
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("reading the configuration again")
    new = world.call().hears("Buenas.")
    assert "vende lámparas" in new.session.instructions
    assert new.session.config["model"] == "gpt-realtime-2.1-mini"
    world.service.wait_title(new.worker, rf"\+57{new.phone.number} →")
    world.call().to_fallback(why="MAX_CALLS reached")
    assert "vende lámparas" not in old.session.instructions
    assert old.session.config["model"] == "gpt-realtime-2.1"
    old.asks("y yo", "Sigo.")
    world.service.wait_title(old.worker, f" …{old.phone.number[-4:]} →")


BROKEN = {
    "a number": ({"MAX_CALLS": "many"}, 'MAX_CALLS: "many" is not a whole'),
    "no user": ({"ASTERISK_USERNAME": None}, "ASTERISK_USERNAME is not set"),
    "a voice's address": ({"OPENAI_REALTIME_URL": "http://example.org/"},
                          "OPENAI_REALTIME_URL: it must begin with wss://"),
    "no personas": ({"PERSONA": "nadie"}, "there is no good file .*nadie.md"),
    "a retired model": ({"OPENAI_REALTIME_MODEL": "gpt-4o"},
                        "OPENAI_REALTIME_MODEL: "),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_configuration_is_refused_and_the_old_one_stays(world, name):
    """Also for the processes that are started afterwards."""
    changes, said = BROKEN[name]
    world.expect(f"configuration: .*{said}",
                 "the configuration has errors, the old one stays")
    world.answers("Sigo.")
    world.start(MAX_CALLS=3)
    supervisor, old = world.supervisor, world.call().hears(GREETING)
    world.service.write_config(**changes)
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("the old one stays")
    first = world.call().hears(GREETING)
    second = world.call().hears(GREETING)
    assert len({old.worker, first.worker, second.worker}) == 3
    old.asks("y yo", "Sigo.")
    assert world.supervisor == supervisor
    assert world.service.count("configuration: .*" + said) == 1


def test_asterisk_is_not_exchanged_under_calls(world):
    """They would be left with nobody; without calls it is no matter."""
    for name in ("ARI_APP", "ASTERISK_HOST", "ASTERISK_PORT"):
        world.expect(f"{name} changed: not while there are calls")
    world.answers("Sigo.")
    world.start()
    service, port = world.service, world.ari.port
    call = world.call().hears(GREETING)
    service.write_config(ARI_APP="other-app", ASTERISK_PORT=1,
                         ASTERISK_HOST="127.0.0.2", SHOW_CALLER_NUMBER="full")
    service.signal(signal.SIGHUP)
    service.wait_log("ARI_APP changed")
    call.asks("y yo", "Sigo.")
    other = world.healthy()
    other.wait_log(rf"arrived caller=\+57{other.phone.number} ")
    call.hangup().gone()
    world.until(lambda: not world.made(), "nothing is left of it")
    service.write_config(ASTERISK_PORT=port, ASTERISK_HOST="127.0.0.1")
    service.signal(signal.SIGHUP)
    world.until(lambda: world.ari.session_of("other-app"), "the new one")
    world.call(app="other-app").hears(GREETING)
    assert not world.ari.session_of("openai-app")


def test_a_query_that_runs_while_the_settings_are_read_is_answered(world):
    world.mikrotik.answer("clientes", "Hay 12.", delay=1)
    world.answers(asks_for_a_query("Son doce."))
    world.start()
    call = world.call().hears(GREETING)
    call.says("cuántos")
    world.until(lambda: world.mikrotik.in_flight, "the query")
    old = world.service.the("toolworker")
    for _ in range(3):
        world.service.signal(signal.SIGHUP)
    call.hears("Son doce.")
    assert len(world.mikrotik.questions) == len(outputs(call)) == 1
    world.service.wait_gone(old)
    world.service.wait_title(world.supervisor, "calls=1 spares=1$")
    world.healthy()


def test_every_role_opens_its_log_file_again(world):
    path, rotated = world.folder / "a.log", world.folder / "a.log.1"
    world.make(LOG_FILE_PATH=path).start()
    world.until(lambda: path.exists() and "-> up" in path.read_text(), "up")
    call = world.call().hears(GREETING)
    worker = int(re.search(rf"call={call.id} has worker pid=(\d+)",
                           path.read_text())[1])
    roles = {"callworker", "toolworker", "supervisor", "keeper"}
    tree = world.service.tree

    def settled():
        return len(tree()) == 5 and set(tree().values()) == roles
    world.until(settled, "each role once, and a spare")
    # Those that use the new settings take the place of these.
    leaving = {pid for pid, role in tree().items()
               if role.endswith("worker") and pid != worker}
    path.rename(rotated)
    world.service.signal(signal.SIGHUP)
    world.until(path.exists, "a new file")
    world.until(lambda: settled() and not leaving & set(tree()) and
                len(warm(world)) == 1, "each role once, and a new spare")
    # One that is still starting hears no signal yet.
    world.until(lambda: "mikrotik service is up" in path.read_text(),
                "a new toolworker")
    roles = tree()
    for pid in roles:
        world.service.signal(signal.SIGUSR1, pid)
    for pid, role in roles.items():
        world.until(lambda: re.search(rf"{role}\[{pid}\] .*state",
                                      path.read_text()),
                    lambda: f"{role} in {path.read_text()}")
    assert worker in roles
    call.hangup()
    world.until(lambda: f"call={call.id} ENDING -> ENDED" in path.read_text(),
                "the end of the call")
    assert "ENDED" not in rotated.read_text()
    # What is said before there is a supervisor is on standard error.
    assert {line.split()[1].partition("[")[0]
            for line in world.service.text().splitlines()} == {"keeper"}
    world.calls.remove(call)


def warm(world):
    return [s for s in world.openai.live
            if s.events_out and not s.received("session.update")]


# Each process is asked how it is

def test_every_process_logs_its_state_when_asked(world):
    world.mikrotik.next("hang")
    world.answers(asks_for_a_query())
    world.start()
    service, supervisor = world.service, world.supervisor
    call = world.call().hears(GREETING)
    call.says("cuántos")
    world.until(lambda: world.mikrotik.in_flight, "the query")
    world.until(lambda: len(warm(world)) == 1, "a spare")
    spare = next(pid for pid in service.pids("callworker")
                 if pid != call.worker)
    patterns = {
        service.pid: [rf"keeper state supervisor={supervisor} stopping=no",
                      rf"pid={call.worker} role=callworker call={call.id}$"],
        supervisor: [r"supervisor state ari=up calls=1 spares=1 workers=3 "
                     r"ledger=2 jobs_waiting=0 jobs_running=1",
                     rf"state call={call.id} state=TALKING .*"
                     rf"worker={call.worker} ",
                     rf"state spare pid={spare} state=warm"],
        call.worker: [rf"call={call.id} state=talking since_ms="],
        spare: [r"state=warm since_ms=.* model=gpt-realtime-2.1"],
        service.the("toolworker"): [r"state=\w+ jobs=1 "],
    }
    service.wait_title(supervisor, "spares=1$")
    for pid, wanted in patterns.items():
        mark = service.mark()
        service.signal(signal.SIGUSR1, pid)
        for pattern in wanted:
            service.wait_log(rf"\[{pid}\] .*{pattern}", since=mark)


# One process is told to end

def test_a_callworker_that_is_told_to_end_says_goodbye_first(world):
    world.answers("Sigo.")
    world.start()
    call = world.call().hears(GREETING)
    other = world.call().hears(GREETING)
    worker = call.worker
    world.service.signal(signal.SIGTERM, worker)
    call.ended(why="worker was told to end")
    assert call.heard_texts(GREETING, SHUTDOWN_GOODBYE)
    assert call.phone.hung_up_by == "agent"
    world.service.wait_gone(worker)
    other.asks("y yo", "Sigo.")
    world.healthy()


def test_a_callworker_told_to_end_while_it_rings_passes_the_caller_on(world):
    world.expect('goes to the fallback why="worker was told to end"')
    world.allow("ari request refused .*addChannel")
    world.start()
    slow = world.ari.fault("POST", "/bridges/.*", delay_s=.5)
    call = world.call()
    world.until(lambda: slow.hits, "the bridge is being made")
    world.service.signal(signal.SIGTERM, call.worker)
    call.to_fallback(why="worker was told to end")
    world.healthy()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_spare_that_is_ended_is_replaced(world, number):
    world.allow("callworker killed by signal 9")
    world.start()
    [spare] = world.service.pids("callworker")
    world.service.wait_title(spare, "callworker spare gpt-realtime-2.1 warm")
    [session] = world.openai.live
    world.service.signal(number, spare)
    world.service.wait_gone(spare)
    # A dead one's session lives on for a moment, and the supervisor may not
    # have heard of it yet: a caller would be the dead one's.
    world.until(lambda: [bool(s.events_out) for s in world.openai.live
                         if s is not session] == [True], "another spare")
    assert not world.service.find("voice breaker closed -> open")
    world.healthy()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_query_whose_toolworker_ends_is_made_again(world, number):
    world.mikrotik.answer("clientes", "Hay 12.", delay=1)
    world.expect("toolworker lost")
    world.allow("toolworker killed by signal 9", "tool lost its worker")
    world.answers(asks_for_a_query("Son doce."), "De nada.")
    world.start()
    call = world.call().hears(GREETING)
    call.says("cuántos")
    world.until(lambda: world.mikrotik.in_flight, "the query")
    world.service.signal(number, world.service.the("toolworker"))
    call.hears("Son doce.")
    [output] = outputs(call)
    assert "Hay 12." in output.values()
    assert len(world.mikrotik.questions) == 2
    call.asks("gracias", "De nada.")


def test_a_query_whose_toolworker_dies_twice_gets_an_honest_answer(world):
    world.expect("toolworker lost", "toolworker killed by signal 9",
                 "tool answered .*status=lost")
    world.allow("tool lost its worker")
    world.mikrotik.always("hang")
    world.answers(asks_for_a_query("No pude."), asks_for_a_query("Son doce."))
    world.start()
    call = world.call().hears(GREETING)
    call.says("cuántos")
    for attempt in (1, 2):
        world.until(lambda: len(world.mikrotik.questions) == attempt,
                    f"attempt {attempt}")
        world.service.signal(signal.SIGKILL, world.service.the("toolworker"))
    call.hears("No pude.")
    [output] = outputs(call)
    assert DEFINITION["failures"]["lost"] in output.values()
    world.mikrotik.always(None)
    world.mikrotik.answer("clientes", "Hay 12.")
    call.asks("y ahora", "Son doce.")
    assert len(outputs(call)) == 2


def test_without_its_keeper_everything_ends_politely_by_itself(world):
    world.start()
    service = world.service
    call = world.call().hears(GREETING)
    ringing_gone = world.call().hears(GREETING)
    service.tree()
    world.expect("the keeper is gone, ending")
    world.allow("channel to the supervisor is gone", "nobody let the call go",
                "left over in Asterisk")
    service.signal(signal.SIGKILL)
    for each in (call, ringing_gone):
        each.hears(SHUTDOWN_GOODBYE)
    world.until(lambda: not service.left(), lambda: f"left: {service.left()}")
    assert service.wait() == -signal.SIGKILL
    ringing_gone.hangup()
    ringing_gone.phone.wait_for("ended")
    assert len(world.made()) == 4
    # The next one finds the caller waiting, and takes away what is left.
    mark, handshakes = service.mark(), len(world.openai.handshakes)
    service.start()
    world.until(lambda: call.phone.recording.payload().count(
        tone(GREETING)) == 2, "greeted again")
    service.wait_log(f"call={call.id} was waiting in our application",
                     since=mark)
    world.until(lambda: len(world.made()) == 2, "what was left is gone")
    assert len(world.openai.handshakes) > handshakes
    call.hangup().gone()
    world.calls.remove(ringing_gone)    # its end was seen by nobody
    world.healthy()


def test_calls_go_on_while_the_supervisor_hangs(world):
    """It cannot take part; nobody is blamed for its absence afterwards."""
    world.answers("Sigo.", "También.")
    world.start()
    supervisor, call = world.supervisor, world.call().hears(GREETING)
    since = time.monotonic()
    world.service.signal(signal.SIGSTOP, supervisor)
    try:
        call.asks("y ahora", "Sigo.")
        world.until(lambda: time.monotonic() - since > 4,
                    "longer than any worker may be silent")
    finally:
        world.service.signal(signal.SIGCONT, supervisor)
    mark = world.service.mark()
    call.asks("y después", "También.")
    assert call.heard_texts(GREETING, "Sigo.", "También.")
    world.healthy()
    assert not world.service.find("hangs, killing it", since=mark)
    assert world.supervisor == supervisor


# What ps shows

@pytest.mark.parametrize("shown, pattern", [
    ("full", r"\+57{number}"), ("last4", "…{last4}"), ("no", r"\?")])
def test_titles_show_what_each_process_does(world, shown, pattern):
    world.mikrotik.next("hang")
    world.answers(asks_for_a_query())
    world.start(SHOW_CALLER_NUMBER=shown)
    service, supervisor = world.service, world.supervisor
    assert service.title(service.pid) == "telefonista: keeper"
    service.wait_title(
        supervisor, r"^telefonista: supervisor ari=up calls=0 spares=1$")
    call = world.call().hears(GREETING)
    number = pattern.format(number=call.phone.number,
                            last4=call.phone.number[-4:])
    title = (rf"^telefonista: call {re.escape(call.id)} {number} → "
             r"3241000752 prueba talking 00:\d\d")
    service.wait_title(call.worker, title + "$")
    service.wait_title(
        supervisor, r"^telefonista: supervisor ari=up calls=1 spares=1$")
    call.says("cuántos")
    service.wait_title(call.worker, title + f" tool={TOOL}$")
    service.wait_title(service.the("toolworker"),
                       r"^telefonista: toolworker jobs=1")
    spare = next(pid for pid in service.pids("callworker")
                 if pid != call.worker)
    assert service.title(spare) == \
        "telefonista: callworker spare gpt-realtime-2.1 warm"
    names = {service.pid: "telefonista", supervisor: "telef-super",
             call.worker: "tf-call"}
    assert {pid: comm(pid) for pid in names} == names
    call.hangup().gone()
    service.wait_title(supervisor, r"calls=0 spares=1$")
    if shown != "full":
        assert call.phone.number not in service.text()
    if shown == "no":
        assert call.phone.number[-4:] not in re.sub(r"\d{5,}|\d+[.:-]\d+", "",
                                                    service.text())


def comm(pid):
    with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
        return file.read().rstrip("\n")
