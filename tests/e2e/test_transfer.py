# SPDX-License-Identifier: MIT
"""Callers who are connected with people, on the simulated Asterisk; on the
real one, with telephones, see tests/asterisk/test_transfer.py."""

import json

import pytest

from tests.e2e.service import REPO
from tests.e2e.test_tools import outputs
from tests.e2e.world import GREETING

TOOL = "transferir_llamada"
DEFINITION = json.loads((REPO / f"etc/tools.d/{TOOL}.json").read_text())
ENDPOINT = "Local/persona@telefonista-transfer"
TRANSFER = {"preamble": "Le comunico.", "then": {"reply": "No se pudo."},
            "calls": [{"name": TOOL, "arguments": {"destino": "persona"}}]}


@pytest.fixture
def person(world):
    return world.ari.person(ENDPOINT)


def start(world, **settings):
    world.make(**settings)
    persona = world.folder / "personas/prueba.md"
    persona.write_text(persona.read_text().replace(
        "tools: consultar_mikrotik", f"tools: {TOOL}"))
    world.service.start()
    world.ready()


def asking(world):
    call = world.call().hears(GREETING)
    call.asks("una persona", "Le comunico.")
    return call


def hear_each_other(world, call, person):
    for one, other in ((call.phone, person), (person, call.phone)):
        said = bytes(range(0x10, 0x60)) * 20
        one.play(said).wait()
        world.until(lambda: said in other.recording.payload(),
                    "each other's words")


def picks_up(world, call, person):
    worker = call.worker
    person.wait_for("ringing").pick_up()
    call.wait_log("-> TRANSFERRED")
    world.service.wait_gone(worker)
    hear_each_other(world, call, person)


def told(world, call, status):
    world.expect(f"tool answered name={TOOL} .*status={status}")
    call.hears("No se pudo.")
    assert DEFINITION["failures"][status] in str(outputs(call)[0])


def test_a_person_has_the_caller_and_costs_no_place(world, person):
    world.answers(TRANSFER)
    start(world, MAX_CALLS=1)
    call = asking(world)
    picks_up(world, call, person)
    assert person.caller["number"].endswith(call.phone.number[-10:])
    world.healthy()
    person.hangup()
    call.ended(why="the person hung up")


def test_a_busy_person_may_be_asked_again(world, person):
    person.refuses = "busy"
    world.answers(TRANSFER, TRANSFER)
    start(world)
    call = asking(world)
    told(world, call, "busy")
    free = world.ari.person(ENDPOINT)
    call.says("otra vez")
    picks_up(world, call, free)
    call.hangup().gone(why="caller gone")
    free.wait_for("ended")


def test_asterisk_that_does_not_dial_is_told(world, person):
    world.allow("ari request refused", "ari request failed")
    world.ari.fault("POST", "/channels", status=500)
    world.answers(TRANSFER)
    start(world)
    told(world, asking(world), "unknown")
    assert person.state == "dialing"


def test_key_0_without_a_way_to_the_person_leads_to_the_dialplan(world):
    world.allow("ari request refused", "ari request failed")
    world.expect("goes to the fallback")
    world.ari.fault("POST", "/channels", status=500)
    start(world)
    call = world.call().hears(GREETING)
    call.phone.dtmf("0#")
    call.to_fallback(why="the caller wants a person")


@pytest.mark.parametrize("meanwhile", ["rings", "answers", "declines"])
def test_a_lost_connection_while_it_rings(world, person, meanwhile):
    world.expect("ari connection lost, trying again")
    world.answers(TRANSFER)
    start(world)
    call = asking(world)
    person.wait_for("ringing")
    mark = world.service.mark()
    world.ari.with_session("drop", "rst")
    if meanwhile == "answers":      # Stasis() has nobody to tell: it ends
        person.pick_up()
    elif meanwhile == "declines":
        person.decline()
    world.service.wait_log("ari listing -> up", since=mark)
    if meanwhile == "rings":
        picks_up(world, call, person)
        person.hangup()
        call.ended(why="the person hung up")
    else:
        told(world, call, "unknown")


def test_who_hangs_up_unheard_ends_the_call_all_the_same(world, person):
    world.expect("ari connection lost, trying again")
    world.answers(TRANSFER)
    start(world)
    call = asking(world)
    picks_up(world, call, person)
    world.ari.with_session("drop", "rst")
    person.hangup()
    call.ended(why="the person hung up")
