# SPDX-License-Identifier: MIT
"""What a caller hears while a tool runs: a soft sound and sentences about how
it goes, each in its time, and neither over the caller nor over the answer.
Every packet at the phone is accounted for."""

import json
import re

import pytest

from tests.e2e.service import REPO
from tests.e2e.world import GREETING, LONG, TOOL, spurts, tone
from tests.sim import comfort, rtp

DEFINITION = json.loads((REPO / f"etc/tools.d/{TOOL}.json").read_text())
QUESTION = {"question": "¿Cuántos clientes hay?"}
SIGNAL = {"question": "¿Y la señal?"}
NEVER = {"TOOL_SOUND_AFTER_MS": 0, "TOOL_PROGRESS_AFTER_MS": 0}
OFF_PACKETS = 5         # after a stall three are made up for; it is one


def calling(*arguments, then="Ya sé.", preamble="Ya miro."):
    return {"preamble": preamble, "then": {"reply": then},
            "calls": [{"name": TOOL, "arguments": a} for a in arguments]}


def tools(world, **members):
    """The tool with other sentences; before the service is started."""
    folder = world.folder / "tools.d"
    folder.mkdir()
    (folder / f"{TOOL}.json").write_text(
        json.dumps({**DEFINITION, **members}))
    return {"TOOLS_DIR": folder}


def ears(call):
    """(packets of the sound of waiting, the voice's bytes)."""
    listener = comfort.Listener(call.codec)
    silence = rtp.SILENCE[call.codec]
    sounds, rest = [], b""
    for packet in list(call.phone.recording.packets):
        if not listener.hear(packet.payload):
            rest += packet.payload
        elif packet.payload.strip(silence):
            sounds.append(packet)
    return sounds, b"".join(spurts(rest, call.codec)).replace(silence, b"")


def voice_said(call, *texts):
    return ears(call)[1] == b"".join(tone(t, call.codec) for t in texts)


def sentences(call):
    """The asides between "Ya miro." and "Ya sé.", in order. The last may
    have been cut by the answer, or have come too late for it."""
    heard, said = ears(call)[1], [r.reply.text for r in asides(call)]
    before, after = tone(GREETING) + tone("Ya miro."), tone("Ya sé.")
    assert heard.startswith(before) and heard.endswith(after)
    rest = heard[len(before):-len(after)]
    for number, text in enumerate(said, 1):
        if not rest.startswith(tone(text)):
            assert number == len(said) and tone(text).startswith(rest)
        rest = rest[len(tone(text)):]
    assert not rest
    return said


def times(call, text):
    """(start, end) ns of a text that was heard whole."""
    wanted, heard, seen = tone(text, call.codec), b"", []
    for packet in list(call.phone.recording.packets):
        heard += packet.payload
        seen.append(packet.t_ns)
    at = heard.index(wanted)
    return seen[at // 160], seen[(at + len(wanted) - 1) // 160] + 20_000_000


def asides(call):
    return [r for r in call.session.responses if r.out_of_band]


def told_ns(call, kind):
    """When the voice's service sent an event, the last of its kind."""
    return [e["t"] * 1e9 for e in list(call.world.openai.log.entries)
            if e["event"] == "send" and e.get("type") == kind
            and e.get("session") == call.session.id][-1]


@pytest.mark.parametrize("codec", ["ulaw", "alaw"])
def test_the_sound_has_its_time_and_gives_way_to_caller_and_answer(
        world, codec):
    world.mikrotik.answer("clientes", "Hay 12.", delay=5)
    world.answers(calling(QUESTION), "Sí, señor.")
    world.start(**NEVER | {"TOOL_SOUND_AFTER_MS": 800})
    call = world.call(codec=codec).hears(GREETING)
    call.says("cuántos")
    world.until(lambda: world.mikrotik.in_flight, "the query")
    asked_ns = world.mikrotik.requests[-1][0] * 1e9
    world.until(lambda: len(ears(call)[0]) > 20, "the sound")
    first_ns = ears(call)[0][0].t_ns
    assert first_ns - asked_ns > 400e6
    assert first_ns - times(call, "Ya miro.")[1] > 250e6
    clip = call.says("sigue ahí", 600)
    told = told_ns(call, "input_audio_buffer.speech_started")
    call.hears("Sí, señor.", clip.end_ns)
    over = [p.t_ns for p in ears(call)[0]
            if told < p.t_ns < times(call, "Sí, señor.")[1]]
    assert len(over) <= OFF_PACKETS
    call.hears("Ya sé.")
    start_ns, end_ns = times(call, "Ya sé.")
    assert any(p.t_ns > times(call, "Sí, señor.")[1] for p in ears(call)[0])
    assert all(p.t_ns < start_ns for p in ears(call)[0])
    assert voice_said(call, GREETING, "Ya miro.", "Sí, señor.", "Ya sé.")
    call.wait_log("waiting sound ends kind=work .*caller speaks")
    call.wait_log("waiting sound ends kind=work .*the voice speaks")
    # From the result to the answer's first audio nothing is missing: no pause
    # but the sound's own.
    heard = [p.t_ns for p in ears(call)[0] if p.t_ns > told][-20:] + [start_ns]
    assert max(b - a for a, b in zip(heard, heard[1:])) < 300e6


def test_sentences_tell_real_progress_in_order(world):
    world.mikrotik.answer("clientes", "Hay 12.", delay=6, progress=6)
    world.answers(calling(QUESTION))
    world.start(**NEVER | tools(world, progress="Van {done} de {total}.") | {
        "TOOL_PROGRESS_AFTER_MS": 1500, "TOOL_PROGRESS_EVERY_MS": 1500})
    call = world.call().hears(GREETING)
    call.asks("cuántos", "Ya sé.")
    said = sentences(call)
    done = [int(re.fullmatch(r"Van (\d) de 6\.", text)[1]) for text in said]
    assert len(done) >= 2 and done == sorted(set(done))
    call.wait_log("waiting line ordered kind=progress")
    assert not call.session.received("conversation.item.truncate")


def test_without_progress_the_tools_sentences_come_in_turn(world):
    world.mikrotik.answer("clientes", "Hay 12.", delay=6)
    world.answers(calling(QUESTION))
    world.start(**NEVER | tools(
        world, waiting=["Sigo.", "Todavía."]) | {
            "TOOL_PROGRESS_AFTER_MS": 1000, "TOOL_PROGRESS_EVERY_MS": 1500})
    call = world.call().hears(GREETING)
    call.asks("cuántos", "Ya sé.")
    said = sentences(call)
    assert len(said) >= 2
    assert said == (["Sigo.", "Todavía."] * 3)[:len(said)]


def test_the_answer_does_not_wait_for_a_sentence(world):
    world.mikrotik.answer("clientes", "Hay 12.", delay=2)
    world.answers(calling(QUESTION))
    world.start(**NEVER | tools(world, waiting=LONG) | {
        "TOOL_PROGRESS_AFTER_MS": 1000})
    call = world.call().hears(GREETING)
    call.asks("cuántos", "Ya sé.")
    heard = ears(call)[1]
    before = tone(GREETING) + tone("Ya miro.")
    line = heard[len(before):-len(tone("Ya sé."))]
    assert heard.startswith(before) and heard.endswith(tone("Ya sé."))
    assert 800 < len(line) < len(tone(LONG)) and tone(LONG).startswith(line)
    assert not call.session.received("conversation.item.truncate")


def test_a_caller_cuts_a_sentence(world):
    world.mikrotik.answer("clientes", "Hay 12.", delay=5)
    world.answers(calling(QUESTION), "Sí, señor.")
    world.start(**NEVER | tools(world, waiting=LONG) | {
        "TOOL_PROGRESS_AFTER_MS": 1000})
    call = world.call().hears(GREETING)
    call.says("cuántos")
    call.begins_to_hear(LONG)
    call.asks("sigue ahí", "Sí, señor.", 600)
    call.hears("Ya sé.")
    heard = ears(call)[1]
    before = tone(GREETING) + tone("Ya miro.")
    line = heard[len(before):-len(tone("Sí, señor.") + tone("Ya sé."))]
    assert heard.endswith(tone("Sí, señor.") + tone("Ya sé."))
    assert 800 <= len(line) < len(tone(LONG)) and tone(LONG).startswith(line)
    assert not call.session.received("conversation.item.truncate")


def test_the_sound_goes_on_for_the_second_of_two_queries(world):
    world.mikrotik.answer("clientes", "Hay 12.", delay=6.5)
    world.mikrotik.answer("señal", "Buena.", delay=1)
    world.answers(calling(QUESTION, SIGNAL, then="Buena."))
    world.start(**NEVER | {"TOOL_SOUND_AFTER_MS": 600})
    call = world.call().hears(GREETING)
    call.says("cuántos y cómo")
    call.hears("Buena.")
    answered_ns = times(call, "Buena.")[1]
    world.until(lambda: ears(call)[0][-1].t_ns > answered_ns + 500_000_000,
                "the sound after the first answer")
    def ends():
        return [line for line in call.lines() if "waiting sound ends" in line]
    world.until(lambda: len(ends()) == 2, "the second answer")
    assert all("the voice speaks" in line for line in ends())


def test_nothing_is_heard_where_the_settings_say_never(world):
    world.mikrotik.answer("clientes", "Hay 12.", delay=4, progress=4)
    world.answers(calling(QUESTION))
    world.start(**NEVER)
    call = world.call().hears(GREETING)
    call.asks("cuántos", "Ya sé.")
    assert call.heard_texts(GREETING, "Ya miro.", "Ya sé.")
    assert not asides(call)
