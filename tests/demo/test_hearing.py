# SPDX-License-Identifier: MIT
"""The demo's measuring: what was heard, what was cut, what is strange."""

import io
import random
import re
import types

import pytest

from tests.sim import comfort
from tests.sim.recording import Recording

from .hearing import Hearing
from .screen import Narrator, Screen

SILENCE = b"\xff" * 160


def sound(text, ms):
    """Bytes without silence, different for each text."""
    generator = random.Random(text)
    return bytes(generator.randrange(0x10, 0x30) for _ in range(ms * 8))


class Scene:
    """A phone and a voice whose utterances are given as {text: ms}."""

    def __init__(self, **said):
        self.audio = {text: sound(text, ms) for text, ms in said.items()}
        self.phone = types.SimpleNamespace(codec="ulaw",
                                           recording=Recording())
        runs = [types.SimpleNamespace(
            id=text, audio=audio, reply=types.SimpleNamespace(text=text))
            for text, audio in self.audio.items()]
        openai = types.SimpleNamespace(
            sessions=[types.SimpleNamespace(responses=runs)])
        self.hearing = Hearing(self.phone, openai, self.audio.get)
        self.now_ns = 1_000_000_000

    def hear(self, data):
        """Packets of 20 ms, the last one filled up with silence."""
        for start in range(0, len(data), 160):
            payload = data[start:start + 160].ljust(160, b"\xff")
            self.phone.recording.received(self.now_ns, 0, 0, False, 0, payload)
            self.now_ns += 20_000_000
        self.hearing.update()
        return self


def test_complete_utterance_and_its_times():
    scene = Scene(hola=1000)
    scene.hear(SILENCE * 5).hear(scene.audio["hola"]).hear(SILENCE * 20)
    heard, = scene.hearing.utterances
    assert heard.complete and not heard.cut and heard.heard_ms == 1000
    assert heard.start_ns == 1_100_000_000
    assert heard.end_ns == 2_100_000_000
    assert not scene.hearing.stray


def test_utterance_cut_by_silence():
    scene = Scene(hola=1000)
    scene.hear(scene.audio["hola"][:3200]).hear(SILENCE * 20)
    heard, = scene.hearing.utterances
    assert heard.cut and not heard.complete and heard.heard_ms == 400


def test_utterance_cut_by_the_next_one():
    scene = Scene(uno=1000, dos=500)
    scene.hear(scene.audio["uno"][:1600]).hear(scene.audio["dos"])
    uno, dos = scene.hearing.utterances
    assert uno.cut and uno.heard_ms == 200
    assert dos.complete and not scene.hearing.stray


def test_second_utterance_in_the_same_packet():
    scene = Scene(uno=210, dos=500)
    scene.hear(scene.audio["uno"] + scene.audio["dos"]).hear(SILENCE)
    assert [u.complete for u in scene.hearing.utterances] == [True, True]
    assert not scene.hearing.stray


def test_short_hole_is_no_cut():
    scene = Scene(hola=1000)
    audio = scene.audio["hola"]
    scene.hear(audio[:1600]).hear(SILENCE * 5).hear(audio[1600:])
    heard, = scene.hearing.utterances
    assert heard.complete and not heard.cut


@pytest.mark.parametrize("place", [0, 3200, 7680])
def test_changed_sound_is_stray(place):
    scene = Scene(hola=1000)
    audio = bytearray(scene.audio["hola"])
    audio[place + 80] ^= 0x80
    scene.hear(bytes(audio))
    assert scene.hearing.stray
    assert not any(u.complete for u in scene.hearing.utterances)


def waiting(frames, last=False):
    """The sound of waiting, from its beginning."""
    sound_ = comfort.sound("work", "ulaw")
    return b"".join(sound_.packet(n)[last and n == frames - 1]
                    for n in range(frames))


@pytest.mark.parametrize("frames", [1, 30, 130, 500])
def test_sound_of_waiting_is_known_wherever_it_ends(frames):
    scene = Scene(hola=1000)
    scene.hear(SILENCE * 5).hear(waiting(frames, True)).hear(SILENCE * 5)
    scene.hear(waiting(20)).hear(scene.audio["hola"]).hear(waiting(20))
    heard, = scene.hearing.utterances
    assert heard.complete and not scene.hearing.stray
    assert len(scene.hearing.waiting) >= 40


@pytest.mark.parametrize("place", [0, 5, 29])
def test_changed_sound_of_waiting_is_stray(place):
    data = bytearray(waiting(30))
    data[place * 160 + 80] ^= 0x10
    assert Scene().hear(bytes(data)).hearing.stray


def test_sound_of_waiting_begins_at_its_beginning():
    assert len(Scene().hear(waiting(30)[160:]).hearing.stray) == 29


def test_old_sound_after_a_cut_is_stray():
    scene = Scene(hola=1000)
    audio = scene.audio["hola"]
    scene.hear(audio[:1600]).hear(SILENCE * 20).hear(audio[1600:3200])
    assert len(scene.hearing.stray) == 10


def test_narrator_prints_words_as_far_as_heard():
    text = "uno dos tres cuatro"
    scene = Scene(**{text: 1000})
    out = io.StringIO()
    narrator = Narrator(Screen(out), scene.now_ns, scene.hearing)
    narrator.start()
    scene.hear(SILENCE * 50).hear(scene.audio[text][:4000])
    scene.hear(SILENCE * 20)
    narrator.note(scene.now_ns, "tool", "algo")
    narrator.finish()
    assert narrator.error is None
    first, second = out.getvalue().splitlines()
    assert re.sub(" +", " ", first) == (
        " 00:01.0 voice uno dos tres cuatro ✂ interrupted: "
        "0.5 of 1.0 s heard")
    assert second.split() == ["00:01.9", "tool", "algo"]
    assert "\x1b" not in out.getvalue()
