# SPDX-License-Identifier: MIT
"""What callers and the voice do to a call itself, through the whole service:
the voice hangs up, callers want a person. Transfers that ring are in
tests/asterisk."""

from tests.e2e.world import GREETING, LONG, TOOL, tone

HANG_UP = "terminar_llamada"
GOODBYE = "Con gusto, adiós."
PERSON_WAIT = "Ya le busco a alguien."
NO_PERSON = "No hay nadie."

FIELDS = f"""goodbye: {GOODBYE}
person_wait: {PERSON_WAIT}
no_person: {NO_PERSON}
person_phrases:
  - hablar con * persona
  - "!no quiero * hablar"
"""


def start(world, **settings):
    """The service with a persona that may end calls."""
    world.make(**settings)
    persona = world.folder / "personas/prueba.md"
    persona.write_text(persona.read_text().replace(
        f"tools: {TOOL}\n", f"tools: {TOOL}, {HANG_UP}\n{FIELDS}"))
    world.service.start()
    world.ready()


def hanging_up(words):
    return {"preamble": words, "calls": [{"name": HANG_UP}],
            "then": {"reply": ""}}


def test_the_voice_hangs_up_when_its_goodbye_was_heard(world):
    world.answers(hanging_up("Que le vaya bien."))
    start(world)
    call = world.call().hears(GREETING)
    call.says("eso es todo")
    call.ended(why="voice hung up")
    assert call.phone.hung_up_by == "agent"
    assert call.heard_texts(GREETING, "Que le vaya bien.")


def test_a_voice_without_words_says_the_goodbye_of_the_persona(world):
    world.answers(hanging_up(""))
    start(world)
    call = world.call().hears(GREETING)
    call.says("chao")
    call.ended(why="voice hung up")
    assert call.heard_texts(GREETING, GOODBYE)


def test_who_speaks_during_the_goodbye_is_not_hung_up_on(world):
    world.answers(hanging_up(LONG), "Dígame.")
    start(world)
    call = world.call().hears(GREETING)
    call.says("gracias")
    call.begins_to_hear(LONG)
    call.asks("una cosa más", "Dígame.")
    call.heard_by_voice(call.says("sigo aquí"))
    assert tone(LONG) not in call.phone.recording.payload()
    assert call.phone.state == "up"


def test_key_0_leads_to_people(world):
    start(world, PERSON_DESTINATION="nadie")
    world.expect("goes to the fallback")
    call = world.call().hears(GREETING)
    call.phone.dtmf("10#")          # a number, not the key
    call.world.until(lambda: call.session.received(
        "conversation.item.create"), "the number with the voice")
    call.phone.dtmf("0#")
    call.to_fallback(why="the caller wants a person")


def test_who_asks_for_a_person_where_there_is_none_hears_the_truth(world):
    world.answers({"transcript": "Quiero hablar con una persona, por favor.",
                   "reply": LONG},
                  {"transcript": "No quiero hablar con una persona.",
                   "reply": "Bien."})
    start(world, PERSON_DESTINATION="nadie", FALLBACK_CONTEXT=None)
    world.expect("no person can be reached")
    call = world.call().hears(GREETING)
    call.asks("una persona", NO_PERSON)
    assert tone(LONG) not in call.phone.recording.payload()
    call.asks("ninguna persona", "Bien.")
    assert world.service.count("the caller wants a person") == 1
