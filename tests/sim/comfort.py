# SPDX-License-Identifier: MIT
"""comfort.py – the sound of waiting, as callworker/comfort.c has to make it:
the same numbers in the same order, so that every packet can be told byte by
byte from anything else that a caller might hear.

    listener = Listener("ulaw")
    listener.hear(payload)      # True: the next 20 ms of the sound
"""

import functools
import math

from . import rtp

RATE = 8000
PACKET = 160
FADE_IN, FADE_OUT = 1600, 160       # samples
PERIOD = {"work": 8 * 4800, "ring": 8 * 5000}
NOTES = (523.25, 587.33, 659.26)
STROKES = {0: (0,), 8 * 300: (2,), 8 * 2400: (2,), 8 * 2700: (1,)}
WORKING, RINGING, FAINT = 1100.0, 1036.0, 1e-3
TWO_PI = 6.283185307179586


class Resonator:
    def __init__(self):
        self.k1 = self.k2 = self.y1 = self.y2 = 0.0

    def strike(self, hz, decay_s, amplitude):
        angle = TWO_PI * hz / RATE
        decay = math.exp(-1 / (decay_s * RATE))
        self.k1 = 2 * decay * math.cos(angle)
        self.k2 = decay * decay
        self.y1 -= amplitude * math.sin(angle) / decay
        self.y2 -= amplitude * math.sin(2 * angle) / (decay * decay)

    def next(self):
        if abs(self.y1) + abs(self.y2) < FAINT:
            self.y1 = self.y2 = 0.0
            return 0.0
        y = self.k1 * self.y1 - self.k2 * self.y2
        self.y1, self.y2 = y, self.y1
        return y


def working():
    """Samples, without end."""
    notes = [[Resonator() for _ in range(3)] for _ in NOTES]
    position = 0
    while True:
        for note in STROKES.get(position, ()):
            tone, swelling, knock = notes[note]
            hz = NOTES[note]
            tone.strike(hz, .25, WORKING)
            swelling.strike(hz, .006, -WORKING)
            knock.strike(4 * hz, .03, WORKING / 8)
        total = 0.0
        for note in notes:
            for resonator in note:
                total += resonator.next()
        yield total
        position = (position + 1) % PERIOD["work"]


def ringing():
    """Samples, without end: 425 Hz, 1 s on, 4 s off."""
    resonator, position = Resonator(), 0
    while True:
        edge = 80
        if position >= 8000:
            resonator.y1 = resonator.y2 = 0.0
            yield 0.0
        else:
            if position == 0:
                resonator.strike(425, math.inf, RINGING)
            if position > 8000 - edge:
                edge = 8000 - position
            elif position < edge:
                edge = position
            yield resonator.next() * edge / 80
        position = (position + 1) % PERIOD["ring"]


class Sound:
    """One kind of sound in one codec, from its beginning: packet by packet,
    as it goes on and as it ends there."""

    def __init__(self, kind, codec):
        self._samples = {"work": working, "ring": ringing}[kind]()
        self._codec = codec
        self._silence = rtp.SILENCE[codec]
        self._encode = {"ulaw": rtp._ulaw_encode,
                        "alaw": rtp._alaw_encode}[codec]
        self._gain = 0.0
        self._packets = []          # (as it goes on, as it ends)

    def packet(self, number):
        while len(self._packets) <= number:
            self._packets.append(self._make())
        return self._packets[number]

    def _make(self):
        samples = [next(self._samples) for _ in range(PACKET)]
        out, last = self._gain, []
        for sample in samples:
            out -= 1 / FADE_OUT
            if out <= 0:
                break
            last.append(self._code(sample * out))
        on = []
        for sample in samples:
            self._gain = min(self._gain + 1 / FADE_IN, 1.0)
            on.append(self._code(sample * self._gain))
        return bytes(on), bytes(last).ljust(PACKET, self._silence)

    def _code(self, sample):
        """As g711.c does: in A-law -1 to -16 is the first negative step."""
        number = round(sample)
        if number < 0 and self._codec == "alaw":
            return self._encode(-number - 1) ^ 0x80
        return self._encode(number)


@functools.lru_cache(None)
def sound(kind, codec):
    return Sound(kind, codec)


class Listener:
    """Follows what is heard between the voice's words: of each packet that
    is none of them."""

    def __init__(self, codec, kinds=("work", "ring")):
        self._sounds = [sound(kind, codec) for kind in kinds]
        self._silent = rtp.SILENCE[codec] * PACKET
        self._current, self._number = None, 0

    def hear(self, payload):
        """Whether this packet is the sound, beginning, going on or ending."""
        if self._current:
            on, last = self._current.packet(self._number)
            self._number += 1
            if payload == on:
                return True
            self._current = None
            if payload == last:
                return True
        if payload == self._silent:
            return False
        for candidate in self._sounds:
            if payload == candidate.packet(0)[0]:
                self._current, self._number = candidate, 1
                return True
        return False

    def pause(self):
        """Something else is heard."""
        self._current = None
