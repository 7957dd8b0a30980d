# SPDX-License-Identifier: MIT
"""Audio for the simulators: codecs, speech synthesis, voice detection.

Pure standard library (no audioop: Python 3.13 has dropped it).  Synthesised
speech is kept in build/sim-voice/, so that a second run starts at once.
"""

import array
import hashlib
import math
import operator
import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from .base import REPO

FRAME_MS = 20
CACHE = REPO / "build" / "sim-voice"
CACHE_VERSION = "3"


# G.711 (ITU-T G.711, 11/88): tables computed from the definition.

def _ulaw_to_linear(code):
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def _alaw_to_linear(code):
    code ^= 0x55
    segment = code >> 4 & 7
    magnitude = (code & 0x0F) << 4
    magnitude += 8 if segment == 0 else 0x108
    if segment > 1:
        magnitude <<= segment - 1
    return magnitude if code & 0x80 else -magnitude


def _encoder(decode_table):
    """Nearest code of each 16-bit sample, indexed by sample >> 2 (14 bits)."""
    by_value = sorted((value, code) for code, value in enumerate(decode_table))
    table = bytearray(1 << 14)
    place = 0
    for index in range(1 << 14):
        sample = ((index - (1 << 13)) << 2) + 2
        while (place + 1 < len(by_value) and
               abs(by_value[place + 1][0] - sample) <=
               abs(by_value[place][0] - sample)):
            place += 1
        table[index] = by_value[place][1]
    return bytes(table)


ULAW_TO_LINEAR = [_ulaw_to_linear(code) for code in range(256)]
ALAW_TO_LINEAR = [_alaw_to_linear(code) for code in range(256)]


class AudioFormat:
    """One of the Realtime API's audio formats."""

    def __init__(self, name, rate, width, silence, table=None):
        self.name = name
        self.rate = rate
        self.bytes_per_ms = rate * width // 1000
        self.silence = silence      # the bytes of one silent sample
        self._table = table         # code -> linear, None for PCM
        self._squares = [v * v for v in table] if table else None
        self._codes = None

    def duration_ms(self, byte_count):
        return byte_count // self.bytes_per_ms

    def level(self, frame):
        """Root mean square of a frame, on the 16-bit scale."""
        if self._squares:
            total = sum(map(self._squares.__getitem__, frame))
            return math.sqrt(total / len(frame))
        samples = _samples(frame)
        return math.sqrt(sum(map(operator.mul, samples, samples)) /
                         len(samples))

    def encode(self, samples):
        """16-bit linear samples (any iterable) to bytes of this format."""
        if self._table is None:
            pcm = array.array("h", samples)
            if sys.byteorder == "big":
                pcm.byteswap()
            return pcm.tobytes()
        if self._codes is None:
            self._codes = _encoder(self._table)
        codes = self._codes
        return bytes(codes[(s >> 2) + 8192] for s in samples)

    def decode(self, data):
        """Bytes of this format to a list of 16-bit linear samples."""
        if self._table is None:
            return list(_samples(data))
        return [self._table[code] for code in data]


def _samples(data):
    samples = array.array("h")
    samples.frombytes(bytes(data))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


PCMU = AudioFormat("audio/pcmu", 8000, 1, b"\xff", ULAW_TO_LINEAR)
PCMA = AudioFormat("audio/pcma", 8000, 1, b"\xd5", ALAW_TO_LINEAR)
PCM = AudioFormat("audio/pcm", 24000, 2, b"\0\0")
FORMATS = {f.name: f for f in (PCMU, PCMA, PCM)}
FORMATS.update(pcmu=PCMU, ulaw=PCMU, pcma=PCMA, alaw=PCMA, pcm=PCM)


# Voice detection

class VoiceDetector:
    """The service's server_vad, on energy instead of a model.

    It runs on audio time: it advances by what is fed, never by the clock, so
    a gap in the stream stalls it as it does the real one.
    """

    START_FRAMES = 3            # 60 ms of voice make a start
    LEVEL_AT_FULL_THRESHOLD = 800

    def __init__(self, audio_format, start_ms=0):
        self.format = audio_format
        self.threshold = 0.5
        self.prefix_padding_ms = 300
        self.silence_duration_ms = 200
        self.speaking = False
        self.position_ms = start_ms     # audio time of all whole frames fed
        self._frame_bytes = audio_format.bytes_per_ms * FRAME_MS
        self._rest = bytearray()
        self._loud = 0                  # voiced frames in a row
        self._floor_ms = start_ms       # no turn begins before this
        self._quiet_ms = 0

    def feed(self, data):
        """Yield ("started", ms) and ("stopped", ms) as they are reached."""
        self._rest += data
        size = self._frame_bytes
        while len(self._rest) >= size:
            frame = bytes(self._rest[:size])
            del self._rest[:size]
            event = self._frame(self.format.level(frame))
            if event:
                yield event

    def _frame(self, level):
        self.position_ms += FRAME_MS
        voiced = level > self.LEVEL_AT_FULL_THRESHOLD * self.threshold
        self._loud = self._loud + 1 if voiced else 0
        self._quiet_ms = 0 if voiced else self._quiet_ms + FRAME_MS
        if not self.speaking and self._loud >= self.START_FRAMES:
            self.speaking = True
            start = (self.position_ms - self.START_FRAMES * FRAME_MS -
                     self.prefix_padding_ms)
            return "started", max(self._floor_ms, start)
        if self.speaking and self._quiet_ms >= self.silence_duration_ms:
            self.speaking = False
            self._floor_ms = self.position_ms
            return "stopped", self.position_ms
        return None

    def reset(self):
        self.speaking = False
        self._loud = 0
        self._quiet_ms = 0


# Synthesis

def _resampler(up, cutoff, taps=48):
    """Windowed-sinc polyphase filter: `up` phases of `taps` coefficients.

    cutoff is a fraction of the input rate.
    """
    phases = []
    for phase in range(up):
        row = []
        for tap in range(taps):
            x = tap - taps / 2 + 1 - phase / up
            angle = 2 * math.pi * cutoff * x
            sinc = 2 * cutoff * (math.sin(angle) / angle if x else 1.0)
            window = 0.5 + 0.5 * math.cos(2 * math.pi * x / taps)
            row.append(sinc * window)
        phases.append(row)
    return phases


def resample(samples, rate_in, rate_out, taps=48):
    """Change the sample rate, with the low pass that needs."""
    if rate_in == rate_out:
        return list(samples)
    common = math.gcd(rate_in, rate_out)
    up, down = rate_out // common, rate_in // common
    cutoff = 0.46 * min(1.0, rate_out / rate_in)
    phases = _resampler(up, cutoff, taps)
    half = taps // 2 - 1
    padded = [0] * half + list(samples) + [0] * taps
    result = []
    for number in range(len(samples) * up // down):
        place, phase = divmod(number * down, up)
        result.append(sum(map(operator.mul, phases[phase],
                              padded[place:place + taps])))
    return result


def _normalise(samples, peak=18000):
    """One loudness for all, and no silence before or after the words."""
    loudest = max((abs(s) for s in samples), default=0) or 1
    gain = peak / loudest
    heard = [n for n, s in enumerate(samples) if abs(s) * gain > 100] or [0]
    return [int(s * gain) for s in samples[heard[0]:heard[-1] + 1]]


def _espeak(text, voice, speed):
    """(rate, samples) from espeak-ng, or None where it is not installed."""
    program = shutil.which("espeak-ng")
    if not program:
        return None
    wav = subprocess.run(
        [program, "-v", voice, "-s", str(speed), "--stdin", "--stdout"],
        input=text.encode(), stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, check=True, timeout=30).stdout
    # espeak cannot seek in a pipe: sizes in its header mean nothing.
    start = wav.index(b"data") + 8
    rate = int.from_bytes(wav[24:28], "little")
    body = wav[start:]
    return rate, _samples(body[:len(body) & ~1])


def _beeps(text):
    """(rate, samples): one tone burst per syllable, pauses between words."""
    rate = 8000
    samples = []
    for word in text.split() or ["?"]:
        for vowel in (c for c in word.lower() if c in "aeiouáéíóú") or "a":
            pitch = 180 + 23 * ("aeiouáéíóú".index(vowel) % 5)
            samples += [
                int(9000 * math.sin(2 * math.pi * pitch * n / rate) *
                    math.sin(math.pi * n / 1120)) for n in range(1120)]
        samples += [0] * (rate * 60 // 1000)
    return rate, samples


_synthesis = threading.Lock()


def _cache_path(key):
    digest = hashlib.sha256("\0".join(key).encode()).hexdigest()[:32]
    return CACHE / f"{digest}.{key[1].rpartition('/')[2]}"


def speech(text, audio_format=PCMU, voice="es", speed=165):
    """Spoken text as bytes of audio_format.  Slow once, then from the cache.

    voice and speed are espeak-ng's; without espeak-ng it is tone bursts.
    """
    engine = "espeak" if shutil.which("espeak-ng") else "beeps"
    key = (CACHE_VERSION, audio_format.name, engine, voice, str(speed), text)
    path = _cache_path(key)
    try:
        return path.read_bytes()
    except OSError:
        pass
    with _synthesis:
        rate, samples = _espeak(text, voice, speed) or _beeps(text)
        data = audio_format.encode(
            _normalise(resample(samples, rate, audio_format.rate)))
    _save(path, data)
    return data


def _save(path, data):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(f"{path}.{os.getpid()}.{threading.get_ident()}")
        partial.write_bytes(data)
        os.replace(partial, path)
    except OSError:
        pass                    # a read-only tree: only slower


def tone(text, audio_format=PCMU, ms_per_character=60, least_ms=500):
    """A deterministic byte pattern that is different for each text.

    For bit-exact checks of playout: no byte of it is the format's silence, so
    that it stands out from the silence around it, and its length is not a
    multiple of a 20 ms packet.
    """
    generator = random.Random(text)
    ms = max(least_ms, ms_per_character * len(text))
    count = ms * audio_format.bytes_per_ms + generator.randrange(1, 80) * 2
    silent = {0xFF, 0x7F, 0xD5, 0x55, 0x00}
    alphabet = bytes(b for b in range(256) if b not in silent)
    return bytes(generator.choices(alphabet, k=count))


VOICES = {"speech": speech, "tone": tone}
