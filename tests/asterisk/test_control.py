# SPDX-License-Identifier: MIT
"""What callers and the voice do to a call itself, on a real Asterisk: key 0 as
a telephone sends it, and a goodbye that is heard to its last sample."""

from test_transfer import TOOL, person, picks_up, world  # noqa: F401
from tests.e2e.test_call_control import (GOODBYE, HANG_UP, NO_PERSON,
                                         PERSON_WAIT, hanging_up, start)
from tests.e2e.world import GREETING, LONG, tone


def wants(world):
    """A caller has been told that somebody is looked for."""
    start(world)
    return world.call().hears(GREETING)


def test_key_0_leads_to_a_person(world, person):        # noqa: F811
    """By telephone-event, while the voice speaks; the model says nothing."""
    world.answers(LONG)
    call = wants(world)
    call.says("cuénteme")
    call.begins_to_hear(LONG)
    call.phone.dtmf("0")
    call.hears(PERSON_WAIT)
    picks_up(world, call, person)
    call.wait_log('the caller wants a person reason="key 0"')
    assert tone(LONG) not in call.phone.recording.payload()
    person.hangup()
    call.ended(why="the person hung up")
    world.rig.wait_idle()


def test_words_lead_to_a_person_and_the_truth_if_busy(world, person):  # noqa: F811
    world.answers({"transcript": "No, quiero hablar con una persona.",
                   "reply": LONG}, "Dígame.")
    person.status = "486 Busy Here"
    call = wants(world)
    world.expect(f"tool answered name={TOOL} .*id=person-1 status=busy")
    call.says("una persona")
    call.hears(PERSON_WAIT)
    call.wait_log("person not reached id=person-1 status=busy")
    texts = [str(e) for e in
             call.session.received("conversation.item.create")]
    assert "ocupada" in texts[-1]       # the sentence of the tool's file
    assert NO_PERSON not in texts[-1]
    call.asks("bueno", "Dígame.")
    assert world.service.count(f"tool called name={TOOL}") == 0
    call.hangup().gone(why="caller gone")
    world.rig.wait_idle()


def test_a_goodbye_is_heard_to_its_last_sample(world):      # noqa: F811
    world.answers(hanging_up("Que le vaya bien, hasta luego."), "")
    call = wants(world)
    call.says("eso es todo")
    call.ended(why="voice hung up")
    assert call.heard_texts(GREETING, "Que le vaya bien, hasta luego.")
    assert call.phone.sip.end_reason == "BYE"
    world.answers(hanging_up(""))
    call = world.call().hears(GREETING)
    call.says("chao")
    call.ended(why="voice hung up")
    assert call.heard_texts(GREETING, GOODBYE)
    assert world.service.count(f"tool answered name={HANG_UP} .*status=ok") \
        == 2
    world.rig.wait_idle()
