# SPDX-License-Identifier: MIT
"""Databases in a call: through the whole service, the caller hears what the
rows say, and an honest sentence when there is no database to ask."""

import json

from tests.e2e.service import REPO
from tests.e2e.world import GREETING, PERSONA, TOOL


def tool(name):
    return json.loads((REPO / f"etc/tools.d/{name}.json").read_text())


def calling(name, arguments, then="Ya sé."):
    return {"calls": [{"name": name, "arguments": arguments}],
            "then": {"reply": then}}


def start(world, *tools, **settings):
    """With a persona that has these tools."""
    folder = world.folder / "personas-sql"
    folder.mkdir()
    assert f"tools: {TOOL}\n" in PERSONA
    (folder / "prueba.md").write_text(
        PERSONA.replace(f"tools: {TOOL}\n", f"tools: {', '.join(tools)}\n"))
    (folder / "_llamada.md").write_text(
        (REPO / "etc/personas/_llamada.md").read_text())
    world.start(PERSONA_DIR=folder, **settings)


def outputs(call):
    """What the voice was given as results, as texts."""
    return [e["item"]["output"]
            for e in call.session.received("conversation.item.create")
            if e["item"]["type"] == "function_call_output"]


def test_a_caller_hears_which_courses_there_are(world):
    world.answers(
        calling("buscar_curso", {"tema": "fotografía"}),
        calling("detalle_curso", {"codigo": "FOT1"}, then="Claro."))
    start(world, "buscar_curso", "detalle_curso", COURSES_DSN="example",
          TOOL_WORKERS=2)
    call = world.call().hears(GREETING)
    call.asks("qué cursos", "Ya sé.")
    call.asks("cuándo", "Claro.")
    found, detail = outputs(call)
    assert "Fotografía digital, código FOT1" in found
    assert "sábados de 9 a 12 de la mañana" in detail


def test_nobody_hears_of_an_account_whose_owner_is_not_known(world):
    """Not even the number that calls is one: see ${caller:customer}."""
    world.expect("refused: tool=consultar_cliente .*the caller is public")
    world.answers(calling("consultar_cliente", {}))
    start(world, "consultar_cliente", CUSTOMERS_DSN="example")
    call = world.call(caller="3107654321").hears(GREETING)
    call.asks("cuánto debo", "Ya sé.")
    [output] = outputs(call)
    assert tool("consultar_cliente")["unidentified"] in \
        json.loads(output).values()
    assert "Ibáñez" not in output


def test_what_databases_and_routers_lack_is_said_at_the_start(world):
    (world.folder / "routers.json").write_text(json.dumps({"routers": [
        {"name": "Guamal", "address": "192.0.2.1", "user": "u",
         "password_secret": "TOOL_NO_ROUTER"}]}))
    world.expect('router "Guamal": TOOL_NO_ROUTER ',
                 'tool "consultar_cliente": TOOL_NO_DB ',
                 'tool "detalle_curso": PWD must be a secret')
    world.allow('tool "[a-z_]*": (TOOL_NO_DB|PWD must be)')
    start(world, "detalle_curso", ROUTERS_FILE=world.folder / "routers.json",
          CUSTOMERS_DSN="Driver=SQLite3;PWD=${secret:TOOL_NO_DB}",
          COURSES_DSN="Driver=SQLite3;PWD=plain")
    assert "plain" not in world.service.text()


def test_a_database_that_is_gone_is_admitted(world):
    world.allow("tool query failed", "tool answered .*unreachable")
    world.answers(calling("detalle_curso", {"codigo": "ING1"}))
    start(world, "detalle_curso",
          COURSES_DSN="Driver=SQLite3;Database=/nonexistent/x")
    call = world.call().hears(GREETING)
    call.asks("cuándo", "Ya sé.")
    [output] = outputs(call)
    assert tool("detalle_curso")["failures"]["unreachable"] in \
        json.loads(output).values()
