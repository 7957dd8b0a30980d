# SPDX-License-Identifier: MIT
"""One question to many routers: answered at the deadline with those that came
and the others named, and never two requests at one router at a time.

The issue's fleet of 25 is here at a quarter of its times (healthy ones up to
0.75 s, a deadline of 3 s); TELEFONISTA_FLEET_SCALE=1 runs it at full length.
"""

import json
import os
import random
import re
import time

import pytest

from tests.e2e import service as service_module
from tests.e2e.installed import Installed
from tests.e2e.service import REPO, SANITIZED
from tests.e2e.world import GREETING, PERSONA, TOOL
from tests.sim.fleet import PASSWORD, Fleet

TRAFFIC, STATE = "trafico_interfaces", "estado_routers"
SCALE = float(os.environ.get("TELEFONISTA_FLEET_SCALE", ".25"))
DEADLINE = 12 * SCALE                   # seconds
# After the last counted answer or the deadline; measured at about 20 ms. What
# is asserted must hold on a machine that stalls.
LATE_MS = 150 if SCALE >= 1 and not SANITIZED else 1500


def tool_folder(folder, **changes):
    """etc/tools.d with shorter deadlines and nothing from memory."""
    made = folder / "fleet-tools.d"
    made.mkdir()
    for name in (TOOL, TRAFFIC, STATE):
        tool = json.loads((REPO / f"etc/tools.d/{name}.json").read_text())
        if name != TOOL:
            tool["deadline_ms"] = int(DEADLINE * 1000)
            tool["cache_s"] = 0
            tool.update(changes)
        (made / f"{name}.json").write_text(json.dumps(tool))
    return made


def start(world, fleet, **changes):
    """The service with that fleet and a persona that may ask it."""
    world.make(
        TOOLS_DIR=tool_folder(world.folder, **changes), TOOL_WORKERS=2,
        ROUTERS_FILE=fleet.write_inventory(world.folder / "routers.json"),
        TOOL_ROUTER_PASSWORD=PASSWORD)
    (world.folder / "personas" / "prueba.md").write_text(
        PERSONA.replace(f"tools: {TOOL}", f"tools: {TOOL}, {TRAFFIC}, {STATE}"))
    world.service.start()
    world.ready()


def question(tool=TRAFFIC, then="Ya sé.", **arguments):
    return {"preamble": "", "then": {"reply": then},
            "calls": [{"name": tool, "arguments": arguments}]}


def outputs(call):
    return [json.loads(e["item"]["output"])
            for e in call.session.received("conversation.item.create")
            if e["item"]["type"] == "function_call_output"]


def text_of(output):
    return " ".join(str(value) for value in output.values())


def answered(world, call, tool=TRAFFIC, nth=1):
    """(status, elapsed ms, line) of the nth answer in the log."""
    pattern = (rf"tool answered name={tool} call={re.escape(call.id)} "
               r".*status=(\w+) elapsed_ms=(\d+).*")
    world.until(lambda: len(re.findall(pattern, world.service.text())) >= nth,
                f"answer {nth} of {tool}", DEADLINE + 40)
    found = list(re.finditer(pattern, world.service.text()))[nth - 1]
    return found[1], int(found[2]), found[0]


@pytest.fixture
def fleet():
    """25 routers: 17 healthy, 3 slow, 2 refusing, 2 black holes, 1 with
    another password; every third speaks the binary API."""
    made = Fleet()
    chance = random.Random(7)
    for n in range(17):
        made.add(f"Torre {n + 1}", delay=chance.uniform(.2, 3) * SCALE,
                 api="binary" if n % 3 == 2 else "rest", groups=["sanos"])
    for n in range(3):
        made.add(f"Lento {n + 1}", delay=20 * SCALE)
    for n in range(2):
        made.add(f"Cerrado {n + 1}", "refusing")
        made.add(f"Mudo {n + 1}", "black_hole",
                 api="binary" if n else "rest")
    made.add("Ajeno 1", "wrong_password")
    with made:
        yield made


@pytest.fixture
def fleet_world(world, fleet):
    world.fleet = fleet
    world.allow(r"router query", r"tool answered", r"routers\.json",
                r"http request failed", r"toolworker")
    yield world
    assert fleet.most_in_flight() == 1
    for sim in fleet.sims.values():
        assert sim.violations == []


def test_the_whole_fleet_is_answered_at_the_deadline(
        fleet_world, record_property):
    world, fleet = fleet_world, fleet_world.fleet
    world.answers(question(interfaces="sfp"))
    start(world, fleet)
    call = world.call().hears(GREETING)
    call.asks("tráfico", "Ya sé.")
    status, elapsed, line = answered(world, call)
    [output] = outputs(call)
    text = text_of(output)
    assert status == "ok" and "answered=17" in line and "routers=25" in line
    assert "Respondieron 17 de 25 routers" in text
    assert "34 interfaces" in text              # two SFP at each
    assert "No alcanzaron a responder a tiempo: Lento 1, Lento 2, Lento 3, " \
        "Mudo 1 y Mudo 2" in text
    assert "Sin conexión con: Cerrado 1 y Cerrado 2" in text
    assert "Rechazaron nuestro usuario o clave: Ajeno 1" in text
    assert len(text.encode()) < 4096 and PASSWORD not in text
    late = elapsed - DEADLINE * 1000
    record_property("ms after the deadline", late)
    print(f"answered {late:.0f} ms after the deadline")
    assert 0 <= late < LATE_MS
    world.service.wait_log(
        rf"tool answered .*call={re.escape(call.id)} .*timeout=5 ")


def test_healthy_routers_are_answered_when_the_last_one_came(
        fleet_world, record_property):
    world, fleet = fleet_world, fleet_world.fleet
    world.answers(question(routers="los sanos"))
    start(world, fleet)
    call = world.call().hears(GREETING)
    call.says("sanos")
    world.until(lambda: outputs(call), "the answer", DEADLINE + 20)
    late = (time.monotonic() - fleet.finished()) * 1000
    status, elapsed, line = answered(world, call)
    assert (status, "answered=17" in line) == ("ok", True)
    assert elapsed < DEADLINE * 1000
    record_property("ms after the last answer, polled", late)
    print(f"answered {late:.0f} ms after the last router (polled)")
    assert late < LATE_MS + 500         # until() looks now and then
    call.hears("Ya sé.")


def test_two_callers_at_once_share_every_router(fleet_world):
    world, fleet = fleet_world, fleet_world.fleet
    world.answers(question(routers="los sanos"))
    start(world, fleet)
    calls = [world.call().hears(GREETING) for _ in range(2)]
    for call in calls:
        call.says("sanos")
    for call in calls:
        status, _, line = answered(world, call)
        assert status == "ok" and "answered=17" in line
    # Two commands each for traffic; two rounds if the second came late.
    assert fleet.commands() <= 2 * 2 * 17 and fleet.most_in_flight() == 1


def test_who_hangs_up_and_asks_again_asks_no_router_twice_at_a_time(
        fleet_world):
    """Also with another question, which shares no job with the first."""
    world, fleet = fleet_world, fleet_world.fleet
    world.answers(question(routers="los sanos"))
    start(world, fleet)
    first = world.call().hears(GREETING)
    first.says("sanos")
    world.until(lambda: fleet.in_flight() > 5, "routers at work")
    first.hangup().gone()
    world.answers(question(STATE, routers="los sanos"))
    again = world.call().hears(GREETING)
    again.says("sanos")
    status, _, line = answered(world, again, STATE)
    assert status == "ok"
    assert int(re.search(r"answered=(\d+)", line)[1]) >= 10
    assert fleet.most_in_flight() == 1


def test_a_router_by_its_number_words_and_one_that_is_unknown(fleet_world):
    world, fleet = fleet_world, fleet_world.fleet
    world.answers(question(STATE, routers="la torre dieciséis"),
                  question(STATE, routers="Macondo", then="No sé cuál."),
                  question(STATE, routers="lento", then="¿Cuál de ellos?"))
    start(world, fleet)
    call = world.call().hears(GREETING)
    call.asks("dieciséis", "Ya sé.")
    call.asks("macondo", "No sé cuál.")
    call.asks("lento", "¿Cuál de ellos?")
    known, unknown, several = map(text_of, outputs(call))
    assert "Torre 16: es un CCR2004" in known
    assert "No conozco ningún router llamado «macondo»" in unknown
    assert "«lento» puede ser Lento 1, Lento 2 y Lento 3" in several
    asked = {name for name, sim in fleet.sims.items() if sim.requests}
    assert asked == {"Torre 16"}


def test_a_killed_supervisor_costs_nobody_an_answer(fleet_world):
    world, fleet = fleet_world, fleet_world.fleet
    world.allow("supervisor", "keeper", "ari", "worker", "alarm")
    world.answers(question(routers="los sanos"))
    start(world, fleet)
    call = world.call().hears(GREETING)
    call.says("sanos")
    world.until(lambda: fleet.in_flight() > 5, "routers at work")
    os.kill(world.supervisor, 9)
    call.hears("Ya sé.", seconds=DEADLINE + 40)
    [output] = outputs(call)
    assert "Respondieron 17 de 17 routers" in text_of(output)
    assert fleet.most_in_flight() == 1


def test_a_killed_toolworker_leaves_rest_routers_alone(fleet_world):
    """They work on for nobody; the others are asked again at once."""
    world, fleet = fleet_world, fleet_world.fleet
    world.expect("toolworker killed by signal 9", "toolworker lost how=")
    world.allow("keeper", "tool lost its worker")
    world.answers(question(routers="los sanos"),
                  question(STATE, routers="los sanos", then="Menos."))
    start(world, fleet, deadline_ms=12000)
    call = world.call().hears(GREETING)
    call.says("sanos")
    world.until(lambda: fleet.in_flight() > 5, "routers at work")
    mark = world.service.mark()
    os.kill(world.service.pids("toolworker")[0], 9)
    status, elapsed, line = answered(world, call)
    held = set(re.findall('stays taken target="([0-9a-f]+)" hold_ms=60000',
                          world.service.text()[mark:]))
    assert status == "ok" and 1 <= len(held) <= 12      # 12 speak REST
    assert f"lost={len(held)}" in line and f"answered={17 - len(held)}" in line
    commands = fleet.commands()
    call.hears("Ya sé.")
    call.asks("otra vez", "Menos.")
    status, elapsed, line = answered(world, call, STATE)
    assert status == "ok" and f"busy={len(held)}" in line
    assert fleet.commands() > commands


def test_a_killed_supervisor_s_successor_knows_who_is_at_work(fleet_world):
    world, fleet = fleet_world, fleet_world.fleet
    world.allow("supervisor", "keeper", "ari", "worker", "alarm")
    slow = fleet.sims["Lento 1"]
    slow.delay = 300
    world.answers(question(routers="lento uno", then="No alcanzó."),
                  question(STATE, routers="lento uno", then="Ocupado."))
    start(world, fleet)
    call = world.call().hears(GREETING)
    call.says("tráfico")
    call.hears("No alcanzó.", seconds=DEADLINE + 40)
    world.service.wait_log("stays taken")
    os.kill(world.supervisor, 9)
    call.says("estado")
    call.hears("Ocupado.", seconds=DEADLINE + 40)
    assert "Están ocupados: Lento 1" in text_of(outputs(call)[-1])
    assert len(slow.commands()) == 1 and slow.in_flight == 1


def test_an_upgraded_supervisor_knows_who_is_at_work(
        fleet_world, monkeypatch, tmp_path):
    """Also of whom was asked while it stood by already."""
    world, fleet = fleet_world, fleet_world.fleet
    made = Installed(tmp_path / "bin")
    monkeypatch.setattr(service_module, "BINARY", made.path())
    world.allow("left over in Asterisk", "callworker killed by signal 9",
                "worker lost before")
    slow = fleet.sims["Lento 1"]
    slow.delay = 300
    world.answers(question(routers="lento uno", then="No alcanzó."),
                  question(STATE, routers="lento uno", then="Ocupado."))
    start(world, fleet, deadline_ms=1500)
    call = world.call().hears(GREETING)
    # A set-up that takes long: the old one waits for it.
    for path in ("/channels/externalMedia", "/bridges/.*/addChannel"):
        world.ari.fault("POST", path, delay_s=2.8)
    world.call().wait_log("NEW -> ASSIGNED")
    made.upgrade("-supervisor")
    mark = world.service.mark()
    os.kill(world.service.pid, 1)
    world.service.wait_log("NONE -> QUIETING", since=mark)
    call.says("tráfico")
    world.until(lambda: slow.in_flight, "a router at work")
    world.service.wait_log("another one takes over", since=mark)
    assert "stays taken" in world.service.text()[mark:]
    call.hears("No alcanzó.")
    call.asks("estado", "Ocupado.")
    assert "Están ocupados: Lento 1" in text_of(outputs(call)[-1])
    assert len(slow.commands()) == 1 and slow.in_flight == 1


def test_routers_and_their_names_are_read_again(fleet_world):
    world, fleet = fleet_world, fleet_world.fleet
    world.answers(question(STATE, routers="la nueva"))
    start(world, fleet)
    inventory = world.folder / "routers.json"
    routers = json.loads(inventory.read_text())
    routers["routers"] = [dict(routers["routers"][0], name="La Nueva")]
    inventory.write_text(json.dumps(routers))
    mark = world.service.mark()
    os.kill(world.service.pid, 1)
    world.service.wait_log("reading the configuration again", since=mark)
    call = world.call().hears(GREETING)
    call.asks("nueva", "Ya sé.")
    assert "La Nueva: es un" in text_of(outputs(call)[0])


def test_without_routers_nobody_is_offered_to_ask_them(world):
    world.make(TOOLS_DIR=tool_folder(world.folder),
               ROUTERS_FILE=world.folder / "none.json")
    (world.folder / "none.json").write_text('{"routers": []}')
    (world.folder / "personas" / "prueba.md").write_text(
        PERSONA.replace(f"tools: {TOOL}", f"tools: {TOOL}, {TRAFFIC}"))
    world.allow("routers", TRAFFIC)
    world.service.start()
    world.ready()
    call = world.call().hears(GREETING)
    assert [tool["name"] for tool in call.session.config["tools"]] == [TOOL]
