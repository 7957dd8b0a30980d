# SPDX-License-Identifier: MIT
"""Asterisk in trouble, for longer and with more going on than in
test_service.py: killed and started again, frozen, stopped for a while, its
application taken. Calls end cleanly or go on, and nothing of ours has to be
restarted."""

import json
import signal
import time

import pytest

from ari_app import AriApp
from service_world import ABRUPT
from tests.e2e.service import PATIENCE
from tests.e2e.test_tools import calling
from tests.e2e.world import GREETING, LONG

QUERY = {"question": "¿Cuánto tráfico llevan las SFP?"}
# What Asterisk ends in any order, and what of ours was under way.
FROZEN = ABRUPT, "websocket is not ready", "Stasis app 'openai-app' not active"
ENDING = ("ari request (failed|refused)", "tool answered",
          'goes to the fallback why="', "left over in Asterisk")


def records(folder):
    """Of each finished call, the types of its record's lines."""
    return [[json.loads(line)["type"] for line in path.read_text().splitlines()]
            for path in sorted(folder.glob("*/*.jsonl"))
            if path.parent.name != "open"]


@pytest.mark.parametrize("kill", [False, True], ids=["restart", "kill -9"])
def test_a_restart_in_the_middle_of_everything_leaves_whole_records(
        world, kill):
    """One caller talks, one waits for a query."""
    world.expect("ari connection lost, trying again")
    world.allow(*ENDING)
    world.ari.allowed += "active shutdown", "outgoing SIP|SIP INVITE"
    world.mikrotik.answer("tráfico", "500 megas.", delay=60)
    world.answers(calling(QUERY, preamble="Ya miro.", then="Llevan 500."))
    folder = world.folder / "records"
    world.start(RECORDS_DIR=folder)
    world.healthy()     # everybody has begun
    before = world.at_rest()
    del before["asterisk"]      # it will be another one
    asking, talking = world.call().hears(GREETING), world.call().hears(GREETING)
    asking.says("tráfico")
    world.until(lambda: world.mikrotik.in_flight, "the query")
    workers = [asking.worker, talking.worker]
    mark = world.service.mark()
    world.rig.restart(kill)
    world.service.wait_log("ari listing -> up", since=mark)
    for call in (asking, talking):
        call.gone()
    for pid in workers:
        world.service.wait_gone(pid)
    world.until(lambda: world.mikrotik.aborted, "the query was dropped")
    world.until(lambda: len([r for r in records(folder)
                             if r[-1] == "final"]) >= 3, "whole records")
    assert not world.made()
    world.healthy()
    world.nothing_left(before)


def test_an_asterisk_that_is_frozen_for_15_s_goes_on_where_it_was(world):
    """The socket stays open and nothing is answered: noticed within 10 s, an
    alarm; callers hear nothing meanwhile, and then the voice again."""
    world.ari.allowed += FROZEN
    world.expect("alarm=ari_away ari connection lost")
    world.allow("ari connection lost", "ari request failed")
    world.answers("Sigo aquí.", LONG, "Dígame.")
    world.start()
    call = world.call().hears(GREETING)
    pid, worker = world.supervisor, call.worker
    mark = world.service.mark()
    frozen = time.monotonic()
    world.rig.freeze()
    world.service.wait_log("ari connection lost", 30, since=mark)
    assert time.monotonic() - frozen < 10
    world.service.wait_log("alarm=ari_away", 30, since=mark)
    while time.monotonic() - frozen < 15:   # the fault itself
        time.sleep(.1)
    world.rig.thaw()
    world.service.wait_log("ari is back away_ms=", 30, since=mark)
    call.heard_by_voice(call.asks("sigue ahí", "Sigo aquí."))
    call.says("cuente")
    call.hears(LONG)
    assert (world.supervisor, call.worker) == (pid, worker)
    assert world.service.count("alarm=ari_away ") == 1
    world.healthy()
    call.hangup().gone(why="caller gone")
    assert not world.made()


def test_whoever_hung_up_while_asterisk_was_frozen_is_cleaned_up(world):
    world.ari.allowed += FROZEN
    world.expect("ari connection lost")
    world.allow("alarm=ari_away", "ari request failed")
    world.start()
    call = world.call().hears(GREETING)
    mark = world.service.mark()
    world.rig.freeze()
    call.phone.hangup()         # the BYE waits in the kernel
    world.service.wait_log("ari connection lost", 30, since=mark)
    world.rig.thaw()
    world.service.wait_log("ari listing -> up", 30, since=mark)
    call.gone()
    world.service.wait_gone(call.worker)
    world.until(lambda: not world.made(), "nothing left")
    world.healthy()


def test_a_caller_who_is_frozen_with_asterisk_is_let_go_in_the_end(world):
    """The voice asks, says goodbye and hangs up, as to any silent caller;
    Asterisk does it when it can."""
    world.ari.allowed += FROZEN
    world.expect("ari connection lost")
    world.allow("alarm=ari_away", "ari request failed", "callworker ")
    world.start(SILENT_CALLER_SECONDS=5)
    call = world.call().hears(GREETING)
    worker = call.worker
    world.rig.freeze()
    call.wait_log(r"-> ENDING \(silent caller\)", 60)
    world.service.wait_gone(worker)
    world.rig.thaw()
    call.phone.wait_for("ended", 40)
    call.gone(why="silent caller")
    world.until(lambda: not world.made(), "nothing left")
    world.healthy()


def test_an_asterisk_that_stays_away_is_one_alarm_and_comes_back(world):
    world.expect("alarm=ari_away ari connection lost")
    world.allow("ari connection lost", *ENDING)
    world.start()
    call = world.call().hears(GREETING)
    mark = world.service.mark()
    world.rig.stop(kill=True)
    world.service.wait_log("alarm=ari_away", 2 * PATIENCE, since=mark)
    world.rig.restart()
    world.service.wait_log("ari is back away_ms=", 2 * PATIENCE, since=mark)
    call.gone()
    world.service.wait_gone(call.worker)
    assert world.service.count("alarm=ari_away ") == 1
    assert not world.made()
    world.healthy()


def test_a_taken_name_comes_back_when_the_other_program_has_gone(world):
    """Calls go on meanwhile; no SIGHUP. While a call of ours keeps the name
    alive nobody can tell: it comes back with that call's end."""
    world.ari.allowed.append(ABRUPT)
    world.answers("Sigo aquí.", "Todavía.")
    world.expect("alarm=ari_application_replaced")
    world.start()
    call = world.call().hears(GREETING)
    with AriApp(world.rig) as other:
        world.service.wait_log("ari up -> replaced")
        call.asks("sigue ahí", "Sigo aquí.")
        assert not other.seen("ApplicationReplaced")
    call.asks("y ahora", "Todavía.")
    call.hangup().gone()
    world.service.wait_log("name is free again", 2 * PATIENCE)
    world.service.wait_log("ari listing -> up",
                           since=world.service.text().index("free again"))
    assert world.service.count("alarm=ari_application_replaced") == 1
    world.healthy()


def test_sighup_takes_a_free_name_back_in_the_middle_of_a_call(world):
    world.ari.allowed.append(ABRUPT)
    world.answers("Sigo aquí.")
    world.expect("alarm=ari_application_replaced")
    world.start()
    call = world.call().hears(GREETING)
    with AriApp(world.rig):
        world.service.wait_log("ari up -> replaced")
    mark = world.service.mark()
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("ari listing -> up", since=mark)
    call.phone.dtmf("5")
    call.asks("sigue ahí", "Sigo aquí.")
    world.healthy()
    call.hangup().gone(why="caller gone")
