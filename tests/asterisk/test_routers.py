# SPDX-License-Identifier: MIT
"""Routers asked by a caller on a real telephone: traffic for everybody, what
is for the staff after a PIN that was dialled (RFC 4733)."""

import pytest

from tests.e2e import test_access
from tests.e2e.test_access import (DONE, answered, asking,
                                   everything_at_openai, outputs, said,
                                   silent_between, text_of)
from tests.e2e.world import GREETING
from tests.sim.fleet import PASSWORD, Fleet


@pytest.fixture
def fleet():
    made = Fleet()
    made.add("Guamal", delay=.4)
    made.add("Acacías", delay=1.2, api="binary")
    made.add("El Roble", "refusing")
    with made:
        yield made
    assert made.most_in_flight() == 1
    assert not any(sim.violations for sim in made.sims.values())


def test_traffic_for_all_alerts_for_the_staff(world, fleet, monkeypatch):
    world.expect("refused: tool=alertas_router .*the caller is public",
                 "router query .*unreachable")
    world.allow("refused", "tool answered", "http request failed",
                "routers\\.json")
    monkeypatch.setattr(test_access, "OFFERED", [
        *test_access.OFFERED, "trafico_interfaces", "alertas_router"])
    world.answers(
        asking("trafico_interfaces", {"interfaces": "sfp"}),
        asking("alertas_router"), asking("identificar_personal"),
        asking("alertas_router", {"routers": "Guamal"}))
    test_access.start(
        world, TOOL_ROUTER_PASSWORD=PASSWORD,
        ROUTERS_FILE=fleet.write_inventory(world.folder / "routers.json"))
    call = world.call().hears(GREETING)
    call.asks("cuánto tráfico llevan las SFP", DONE)
    traffic = text_of(outputs(call)[0])
    assert "Respondieron 2 de 3" in traffic and "El Roble" in traffic
    call.asks("qué alertas hay", DONE)
    assert outputs(call)[1]["status"] == "refused"
    clip = call.says("mi clave")
    call.hears(said("identificar_personal", "prompt"), clip.end_ns)
    offset = len(call.session.input_audio)
    call.phone.dtmf("482915#")
    assert text_of(answered(call, 3)) == said("identificar_personal",
                                              "granted")
    assert silent_between(call, offset, len(call.session.input_audio))
    call.hears(DONE, clip.end_ns)
    call.asks("y ahora en Guamal", DONE)
    assert outputs(call)[3]["status"] == "ok"
    assert "482915" not in everything_at_openai(world)
    call.hangup().gone()
