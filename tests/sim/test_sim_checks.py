# SPDX-License-Identifier: MIT
"""Tests of what the simulators check with and speak with: schema, codecs,
synthesis, voice detection."""

import json

import pytest

from . import openai_voice as voice
from .base import SPECS
from .openai_schema import EventChecker, append_problem


def examples():
    path = SPECS / "openai" / "realtime.examples.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.skipif(not examples(), reason="the vendor's specifications are "
                    "not beside the repository")
def test_checker_agrees_with_the_published_examples():
    checker = EventChecker()
    for example in examples():
        event = example["event"]
        if example["direction"] == "client":
            valid = checker.client(event) is None
        else:
            try:
                checker.server(event)
                valid = True
            except AssertionError:
                valid = False
        assert valid == example["valid_strict"], example["type"]


@pytest.mark.parametrize("audio", ["", "AAAA", "AA==", "AAA=", "AAA", "A\nAA",
                                   "====", "AAAA====", "ÿÿÿÿ", "A-_A", 5])
def test_quick_append_check_agrees_with_the_schema(audio):
    checker = EventChecker()
    if not checker.strict:
        pytest.skip("the vendor's schema is not beside the repository")
    event = {"type": "input_audio_buffer.append", "audio": audio}
    exact = list(checker._validator(
        "RealtimeClientEvent", event["type"]).iter_errors(event))
    assert (append_problem(event) is None) == (not exact)


def test_checker_without_the_schema_still_knows_the_required_fields(tmp_path):
    checker = EventChecker(tmp_path / "absent.json")
    assert not checker.strict
    assert checker.client({"type": "response.cancel"}) is None
    assert checker.client({"type": "conversation.item.delete"}).param == \
        "item_id"
    assert checker.client({"type": "session.update", "session": {}}).param == \
        "session.type"


def test_codecs_are_g711():
    path = SPECS / "rtp" / "g711.json"
    if path.exists():
        published = json.loads(path.read_text())
        assert voice.ULAW_TO_LINEAR == published["ulaw_to_linear"]
        assert voice.ALAW_TO_LINEAR == published["alaw_to_linear"]
    assert voice.ULAW_TO_LINEAR[0x80] == 32124
    assert voice.ALAW_TO_LINEAR[0xAA] == 32256
    for audio_format in (voice.PCMU, voice.PCMA):
        values = audio_format.decode(bytes(range(256)))
        assert audio_format.decode(audio_format.encode(values)) == values
        assert audio_format.decode(audio_format.silence)[0] in (0, 8)


def test_speech_is_heard_and_tones_are_distinct():
    for audio_format in (voice.PCMU, voice.PCMA, voice.PCM):
        said = voice.speech("buenos días", audio_format)
        assert voice.speech("buenos días", audio_format) == said
        detector = voice.VoiceDetector(audio_format)
        silence = audio_format.silence * (audio_format.rate // 1)
        events = [kind for kind, _ in detector.feed(said + silence)]
        assert events[0] == "started" and events[-1] == "stopped"
    assert voice.tone("a") == voice.tone("a") != voice.tone("b")
    assert not {0xFF, 0xD5, 0x7F} & set(voice.tone("Muy buenas"))


def test_speech_without_espeak_falls_back_to_beeps(monkeypatch, tmp_path):
    monkeypatch.setattr(voice, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", "")
    beeps = voice.speech("hola a todos", voice.PCMU)
    assert len(beeps) > 4000
    assert voice.PCMU.level(beeps[:800]) > 1000
