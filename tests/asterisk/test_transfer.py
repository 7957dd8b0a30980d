# SPDX-License-Identifier: MIT
"""Transfers on a real Asterisk, with the tool and the dialplan of the samples:
caller and person have telephones of ours, and what each hears is compared bit
by bit with what the other said."""

import json
import random
import shutil
import signal
import urllib.error

import pytest

from service_world import ABRUPT, PbxWorld
from sip_callee import SipCallee
from tests.e2e.service import REPO
from tests.e2e.test_tools import outputs
from tests.e2e.world import GREETING, LONG, tone

TOOL = "transferir_llamada"
DEFINITION = json.loads((REPO / f"etc/tools.d/{TOOL}.json").read_text())
PERSON = {"destino": "persona"}

# What the sample dialplan dials, as an operator has it.
EXTENSION_200 = """
[200](telefonista-trunk)
transport = transport-rig
media_address = 127.0.0.1
bind_rtp_to_media_address = yes
aors = 200
[200]
type = aor
contact = sip:person@127.0.0.1:%d
"""

# The queue of the sample's comments, whose member is the same telephone.
QUEUE = """
[queue]
exten => persona,1,Queue(soporte,r,,,100)
 same => n,Hangup(19)
"""
IN_QUEUE = "Local/persona@queue"


@pytest.fixture
def person():
    """The telephone 200. It rings until it is told more."""
    with SipCallee(("127.0.0.1", 0)) as phone:
        yield phone


@pytest.fixture
def world(asterisk_chroot, tmp_path, request, person):
    with PbxWorld(tmp_path, pjsip=EXTENSION_200 % person.port,
                  dialplan=QUEUE) as made:
        request.node.world = made
        person.server = (made.rig.sip_host, made.rig.sip_port)
        yield made
        made.finish()


def start(world, endpoint=None, ring_s=None):
    """The service; its voice may transfer, as the sample says or else."""
    tools = REPO / "etc/tools.d"
    if endpoint or ring_s:
        tool = json.loads(json.dumps(DEFINITION))
        place = tool["executor"]["destinations"]["persona"]
        place["endpoint"] = endpoint or place["endpoint"]
        place["ring_s"] = ring_s or place["ring_s"]
        tools = world.folder / "tools.d"
        tools.mkdir()
        (tools / f"{TOOL}.json").write_text(json.dumps(tool))
        shutil.copy(REPO / "etc/tools.d/cancelar_consulta.json", tools)
    world.make(TOOLS_DIR=tools)
    persona = world.folder / "personas/prueba.md"
    persona.write_text(persona.read_text().replace(
        "tools: consultar_mikrotik", f"tools: {TOOL}, cancelar_consulta"))
    world.service.start()
    world.ready()


def transferring(arguments=PERSON):
    return {"preamble": "Le comunico.", "then": {"reply": "No se pudo."},
            "calls": [{"name": TOOL, "arguments": arguments}]}


def asking(world, **how):
    """A caller who has asked for somebody and was told that it rings."""
    call = world.call(**how).hears(GREETING)
    call.asks("quiero hablar con alguien", "Le comunico.")
    return call


def noise(seconds=.4):
    return bytes(random.randrange(256) for _ in range(int(seconds * 50) * 160))


def hear_each_other(call, person):
    for one, other in ((call.phone.sip, person), (person, call.phone.sip)):
        said = noise()
        start_at = len(other.rtp.received)
        one.play(said)
        other.rtp.wait(lambda: said in other.rtp.audio(start_at),
                       what="every bit of what was said")


def picks_up(world, call, person):
    """The person answers, and has the caller; the voice is gone."""
    worker = call.worker
    person.wait_ringing()
    person.answer()
    call.wait_log("TALKING -> TRANSFERRED")
    world.service.wait_gone(worker)
    hear_each_other(call, person)
    call.wait_log("transfer to=persona .*outcome=answered")
    assert not [name for name in world.made() if "-media-" in name]


def is_back(world, call, status):
    """The caller hears the truth from the voice, and goes on with it."""
    world.expect(f"tool answered name={TOOL} .*status={status}")
    call.hears("No se pudo.")
    call.wait_log(f"transfer to=.*outcome={status}")
    words = DEFINITION["failures"][status]
    assert words in " ".join(map(str, outputs(call)[0].values()))
    call.heard_by_voice(call.asks("bueno", "Dígame."))
    assert call.phone.state == "up"
    assert not [name for name in world.made() if "-transfer-" in name]
    call.hangup().gone(why="caller gone")
    world.rig.wait_idle()


@pytest.mark.parametrize("endpoint", [None, "PJSIP/200", IN_QUEUE],
                         ids=["dialplan", "telephone", "queue"])
def test_a_person_who_answers_has_the_caller(world, person, endpoint):
    world.answers(transferring())
    start(world, endpoint)
    call = asking(world)
    person.wait_ringing()
    assert call.phone.number in person.invite.get("from")
    picks_up(world, call, person)
    person.hangup()
    call.ended(why="the person hung up")
    assert call.phone.sip.end_reason == "BYE"
    world.rig.wait_idle()


def test_a_caller_who_hangs_up_frees_the_person(world, person):
    world.answers(transferring())
    start(world)
    before = world.holdings()
    call = asking(world)
    picks_up(world, call, person)
    call.hangup()
    person.wait_ended()
    assert person.end_reason == "BYE"
    call.gone(why="caller gone")
    world.nothing_left(before)


def test_the_voice_is_cut_off_by_the_person(world, person):
    world.answers(transferring(), LONG)
    start(world)
    call = asking(world)
    person.wait_ringing()
    call.says("mientras tanto")
    call.begins_to_hear(LONG)
    picks_up(world, call, person)
    heard = call.phone.recording.payload()
    assert tone(LONG)[:800] in heard and tone(LONG) not in heard
    call.hangup().gone()


@pytest.mark.parametrize("endpoint", [None, "PJSIP/200"],
                         ids=["dialplan", "telephone"])
@pytest.mark.parametrize("answer, status", [
    ("486 Busy Here", "busy"), ("603 Decline", "refused"),
    ("480 Temporarily Unavailable", "no_answer")])
def test_a_person_who_does_not_answer_so(world, person, endpoint, answer,
                                         status):
    world.answers(transferring(), "Dígame.")
    start(world, endpoint)
    person.status = answer
    is_back(world, asking(world), status)


@pytest.mark.parametrize("endpoint", [None, IN_QUEUE],
                         ids=["dialplan", "queue"])
def test_nobody_answers_and_the_caller_talks_meanwhile(world, person,
                                                       endpoint):
    world.answers(transferring(), "Sigue timbrando.", "Dígame.")
    start(world, endpoint, ring_s=5)
    call = asking(world)
    person.wait_ringing()
    call.heard_by_voice(call.asks("y qué pasa", "Sigue timbrando."))
    is_back(world, call, "no_answer")
    assert person.end_reason == "CANCEL"


@pytest.mark.parametrize("endpoint", [
    "Local/nadie@telefonista-transfer", "Local/1@no-such-context",
    "PJSIP/nobody"])
def test_a_destination_that_does_not_exist(world, endpoint):
    if endpoint.startswith("PJSIP"):
        world.allow("ari request refused")
        world.ari.allowed.append("endpoint 'nobody' was not found")
    world.answers(transferring(), "Dígame.")
    start(world, endpoint)
    is_back(world, asking(world), "unknown")


def test_an_extension_that_does_not_exist(world):
    world.ari.allowed.append("endpoint '299' was not found")
    world.ari.allowed.append("Unable to create channel of type 'PJSIP'")
    world.answers(transferring({"destino": "extension", "extension": "299"}),
                  "Dígame.")
    start(world)
    is_back(world, asking(world), "unknown")


def test_a_caller_who_leaves_stops_the_ringing(world, person):
    world.answers(transferring())
    start(world)
    before = world.holdings()
    call = asking(world)
    person.wait_ringing()
    call.hangup()
    person.wait_ended()
    assert person.end_reason == "CANCEL"
    call.gone(why="caller gone")
    world.nothing_left(before)


def test_a_transfer_that_is_withdrawn_rings_no_more(world, person):
    world.allow("tool answered .*status=cancelled")
    world.answers(transferring(), {
        "preamble": "Está bien.", "then": {"reply": "Dígame."},
        "calls": [{"name": "cancelar_consulta", "arguments": {}}]})
    start(world)
    call = asking(world)
    person.wait_ringing()
    call.asks("déjelo", "Está bien.")
    person.wait_ended()
    assert person.end_reason == "CANCEL"
    call.wait_log("transfer to=persona .*outcome=cancelled")
    assert call.phone.state == "up"
    world.until(lambda: "-transfer-" not in str(world.made()), "no leg")


def test_asterisk_knows_which_telephones_there_are(world, person):
    """What telefonista --check goes by."""
    place = "endpoints/PJSIP/"
    assert world.rig.ari("GET", place + "200")["resource"] == "200"
    with pytest.raises(urllib.error.HTTPError) as refused:
        world.rig.ari("GET", place + "nobody")
    assert refused.value.code == 404
    assert json.load(refused.value)["message"] == "Endpoint not found"


def kill_supervisor(world):
    world.ari.allowed.append(ABRUPT)
    world.expect("supervisor ended by signal")
    mark = world.service.mark()
    world.service.signal(signal.SIGKILL, world.supervisor)
    world.service.wait_log("ari listing -> up", since=mark)


def test_what_rings_outlives_the_supervisor(world, person):
    world.answers(transferring())
    start(world)
    call = asking(world)
    person.wait_ringing()
    kill_supervisor(world)
    call.wait_log("transfer goes on|NEW -> TALKING")
    picks_up(world, call, person)
    person.hangup()
    call.ended(why="the person hung up")
    world.rig.wait_idle()
    world.service.wait_log(f"tool answered name={TOOL}")


def test_a_pair_outlives_the_supervisor(world, person):
    world.answers(transferring())
    start(world)
    call = asking(world)
    picks_up(world, call, person)
    kill_supervisor(world)
    call.wait_log("NEW -> TRANSFERRED")
    hear_each_other(call, person)
    call.hangup()
    person.wait_ended()
    call.gone(why="caller gone")
    world.healthy()


def test_a_pair_outlives_the_service(world, person):
    world.answers(transferring())
    start(world)
    call = asking(world)
    picks_up(world, call, person)
    assert world.service.stop() == 0
    hear_each_other(call, person)
    mark = world.service.mark()
    world.service.start()
    world.service.wait_log("NEW -> TRANSFERRED", since=mark)
    hear_each_other(call, person)
    person.hangup()
    call.phone.wait_for("ended")
    world.service.wait_log('ended why="the person hung up"', since=mark)
    world.rig.wait_idle()
