# SPDX-License-Identifier: MIT
"""What a caller on a real telephone hears while a slow query runs: the voice's
own word, a soft sound, sentences about how far it is; and the caller may
interrupt, ask for something else and have that answered first.

The query of a minute with the default times is long: `make check-long`. In
`make check` all times are shorter.
"""

import collections
import dataclasses
import json
import math
import re
import time

import pytest

from tests.e2e.service import REPO
from tests.e2e.test_tools import calling
from tests.e2e.world import GREETING, TOOL, tone
from tests.sim.openai_voice import PCMU

DEFINITION = json.loads((REPO / f"etc/tools.d/{TOOL}.json").read_text())
TOWERS = {"question": "¿Cómo están las torres?"}
SIGNAL = {"question": "¿Y la señal de la torre?"}
WORD, WORD_2 = "Ya miro.", "A ver."
FIRST, SECOND = "Es buena.", "Ya tengo la respuesta. Todas bien."
HERE = "Aquí sigo."
FAINT = 60              # mean |sample|: the sound, but not silence
FRAME_MS = 20
LATE_S = 2.0            # what a noisy machine may add
VOICE_STOPS_MS = 1000   # after the caller has begun to speak; ditto
SOUND_STOPS_MS = 700

Frame = collections.namedtuple("Frame", "t_s payload")


@dataclasses.dataclass
class Times:
    """Settings, and the course of the query; seconds."""
    sound_after: float
    progress_after: float
    progress_every: float
    query: float
    routers: int            # that answer evenly over the query
    settings: dict


SHORT = Times(1.2, 3, 4, 20, 10, {
    "TOOL_SOUND_AFTER_MS": 1200, "TOOL_PROGRESS_AFTER_MS": 3000,
    "TOOL_PROGRESS_EVERY_MS": 4000})
REAL = Times(2.5, 8, 15, 60, 20, {})


class Heard:
    """The telephone's recording, taken apart: what the voice said, bit by
    bit, and the sound that is left."""

    def __init__(self, call):
        self.frames = [Frame(p.t_ns / 1e9, p.payload)
                       for p in call.phone.recording.between()]
        self.audio = b"".join(f.payload for f in self.frames)
        self._times = [f.t_s for f in self.frames for _ in f.payload]
        self._said = bytearray(len(self.audio))     # 1: a byte of the voice

    def take(self, text, least_ms=None):
        """(begin s, end s) of a text, or of as much of its beginning as was
        heard, LEAST_MS at least; it no longer counts as sound."""
        wanted = tone(text)
        start = self.audio.find(
            wanted if least_ms is None else wanted[:8 * least_ms])
        assert start >= 0, f"{text!r} was not heard"
        end = start
        while end < len(self.audio) and end - start < len(wanted) and \
                self.audio[end] == wanted[end - start]:
            end += 1
        self._said[start:end] = b"\1" * (end - start)
        return self._times[start], self._times[end - 1] + 1 / 8000

    def sounds(self):
        """[(s, dBFS)] of the frames in which there is something that the
        voice did not say."""
        found, place = [], 0
        for frame in self.frames:
            rest = bytes(b for n, b in enumerate(frame.payload)
                         if not self._said[place + n])
            place += len(frame.payload)
            level = PCMU.level(rest) if rest.strip(b"\xff\x7f") else 0
            if level:
                found.append((frame.t_s, 20 * math.log10(level / 32767)))
        return found


def lines(call):
    """[(s, text)] of what was begun to be said beside the conversation."""
    return [(run.started, run.reply.text) for run in call.session.responses
            if run.out_of_band]


def counts(text):
    """(done, total) of a sentence about progress, or None."""
    pattern = re.escape(DEFINITION["progress"]).replace(
        r"\{done\}", r"(\d+)").replace(r"\{total\}", r"(\d+)")
    found = re.fullmatch(pattern, text)
    return found and tuple(map(int, found.groups()))


def called_s(world, question):
    """When the model had made a function call."""
    return next(e["t"] for e in world.openai.log.entries
                if e["event"] == "called" and question in e["arguments"])


def play(world, times):
    """The call, to its end."""
    world.mikrotik.answer("torres", "Todas bien.", delay=times.query,
                          progress=times.routers)
    world.mikrotik.answer("señal", "Buena.", delay=1)
    world.answers(calling(TOWERS, preamble=WORD),
                  calling(SIGNAL, preamble=WORD_2, then=FIRST), HERE)
    world.start(**times.settings)
    call = world.call().hears(GREETING)
    call.says("torres")
    call.hears(WORD)
    # A sentence about progress is interrupted with another question.
    world.until(lambda: any(counts(text) for _, text in lines(call)),
                "a sentence about progress", times.query)
    line = next(text for _, text in lines(call) if counts(text))
    call.begins_to_hear(line, ms=300)
    cut = call.says("señal")
    call.hears(FIRST)
    assert world.mikrotik.in_flight == 1, "the first query still runs"
    # And the sound is, too.
    answered_ns = time.monotonic_ns() + 100_000_000
    world.until(lambda: call.phone.recording.sounding(answered_ns, None,
                                                      FAINT), "the sound")
    spoken_to = call.says("sigue ahí", 1500)
    call.hears(HERE)
    assert world.mikrotik.in_flight == 1, "the first query still runs"
    call.hears(SECOND, seconds=times.query + 20)
    return call, line, (cut, spoken_to)


def check_the_lines(world, call, times, heard, interrupted, clips):
    """At the right times, and with the counts of that moment."""
    begin = called_s(world, TOWERS["question"])
    said = lines(call)
    assert times.progress_after - .1 <= said[0][0] - begin <= \
        times.progress_after + LATE_S
    spoken_s = [clip.end_ns / 1e9 for clip in clips]
    for (before, _), (after, text) in zip(said, said[1:]):
        assert after - before >= times.progress_every - .2, said
        # What the caller has said since puts it off.
        due = max([before + times.progress_every] + [
            end + times.progress_after for end in spoken_s if end < after])
        assert after <= due + 2 * LATE_S, (said, spoken_s)
    wanted = (times.query - times.progress_after) / times.progress_every
    assert len(said) >= max(2, math.floor(wanted) - 1), said
    told = []
    for when, text in said:
        spoken = heard.take(text, 100 if text == interrupted else None)
        assert when <= spoken[0] <= when + LATE_S
        if counts(text) is None:
            assert text in DEFINITION["waiting"]
            continue
        done, total = counts(text)
        real = (when - begin) / times.query * times.routers
        assert total == times.routers
        assert real - 2 <= done <= real + .5, (text, real)
        told.append(done)
    assert told == sorted(set(told)) and len(told) >= 2


def check_the_sound(times, begin, heard, clips, ended):
    """Soft, from its time on, and never with a voice."""
    sounds = heard.sounds()
    first = sounds[0][0]
    assert times.sound_after - .1 <= first - begin <= \
        times.sound_after + LATE_S
    assert all(begin <= when <= ended for when, _ in sounds)
    loudest = max(level for _, level in sounds)
    assert -36 <= loudest <= -24, f"{loudest:.1f} dBFS"
    for clip in clips:
        start, end = clip.start_ns / 1e9, clip.end_ns / 1e9
        speaking = [when for when, _ in sounds
                    if start + SOUND_STOPS_MS / 1000 < when < end]
        assert speaking == [], "the sound goes on while the caller speaks"
        again = [when for when, _ in sounds if when > end]
        assert again[0] - end >= times.sound_after - .1
    return sounds


@pytest.mark.parametrize("times", [
    pytest.param(SHORT, id="short"),
    pytest.param(REAL, id="a-minute", marks=pytest.mark.long)])
def test_three_layers_are_heard_while_a_query_runs(world, times):
    call, interrupted, clips = play(world, times)
    begin = called_s(world, TOWERS["question"])
    heard = Heard(call)
    for text in (GREETING, WORD, WORD_2, HERE):
        heard.take(text)
    answer, last = heard.take(FIRST), heard.take(SECOND)
    assert answer[1] < begin + times.query <= last[0]
    assert last[0] <= begin + times.query + 2 * LATE_S
    check_the_lines(world, call, times, heard, interrupted, clips)
    stopped = call.phone.recording.sound_after_ms(clips[0].start_ns, 200)
    assert stopped < VOICE_STOPS_MS
    sounds = check_the_sound(times, begin, heard, clips, last[0])
    report(call, begin, sounds, clips[1], stopped)
    call.hangup().gone(why="caller gone")


def report(call, begin, sounds, clip, stopped):
    """The measured times, for pytest -s and for whoever reads a failure."""
    print(f"\nsoft sound from {sounds[0][0] - begin:.2f} s, loudest "
          f"{max(level for _, level in sounds):.1f} dBFS, "
          f"in {len(sounds)} frames of 20 ms")
    for when, text in lines(call):
        print(f"{when - begin:6.2f} s  {text}")
    start, end = clip.start_ns / 1e9, clip.end_ns / 1e9
    faded = max((t - start for t, _ in sounds if start < t < end), default=0)
    print(f"interrupted: the voice is silent after {stopped:.0f} ms, "
          f"the sound after {1000 * faded:.0f} ms")
