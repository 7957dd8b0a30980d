# SPDX-License-Identifier: MIT
"""wav.py – speech into a phone, and a call out into a stereo WAV file.

In the file the caller is left and the assistant right, each packet where it
really was in time: a late packet leaves a hole, a burst does not.
"""
import array
import hashlib
import math
import os
import pathlib
import subprocess
import sys
import wave

from . import rtp
from .recording import CODEC_OF

RATE = 8000
SLACK = 15 * RATE // 1000       # ordinary jitter, not a hole
CACHE = pathlib.Path(__file__).resolve().parents[2] / 'build' / 'tts'


def read(path):
    """Linear 8 kHz samples of a 16-bit WAV file (its first channel)."""
    with wave.open(str(path), 'rb') as file:
        if file.getsampwidth() != 2:
            raise ValueError(f'{path}: not 16-bit')
        samples = array.array('h', file.readframes(file.getnframes()))
        channels, rate = file.getnchannels(), file.getframerate()
    if sys.byteorder == 'big':
        samples.byteswap()
    return resample(samples[::channels], rate)


def write(path, channels, rate=RATE):
    """Write equally long arrays of samples as one 16-bit WAV file."""
    frames = array.array('h', bytes(2 * len(channels) * len(channels[0])))
    for i, samples in enumerate(channels):
        frames[i::len(channels)] = samples
    if sys.byteorder == 'big':
        frames.byteswap()
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), 'wb') as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(frames.tobytes())


def resample(samples, rate):
    """To 8 kHz, with a windowed-sinc low-pass at 3.6 kHz."""
    if rate == RATE:
        return samples
    half = 16 * max(rate // RATE, 1)
    cutoff = min(7200 / rate, 0.9)
    padded = array.array('h', bytes(2 * half)) + samples \
        + array.array('h', bytes(2 * half))
    kernels = {}
    out = array.array('h')
    for n in range(len(samples) * RATE // rate):
        whole, part = divmod(n * rate, RATE)
        if part not in kernels:
            kernels[part] = _kernel(part / RATE, half, cutoff)
        window = padded[whole:whole + 2 * half]
        value = sum(a * b for a, b in zip(window, kernels[part]))
        out.append(max(-32768, min(32767, round(value))))
    return out


def _kernel(shift, half, cutoff):
    taps = []
    for i in range(2 * half):
        x = i - half - shift
        sinc = cutoff if x == 0 else math.sin(math.pi * cutoff * x) / (
            math.pi * x)
        taps.append(sinc * (0.5 + 0.5 * math.cos(math.pi * x / (half + 1))))
    total = sum(taps)
    return [tap / total for tap in taps]


def speak(text, voice='es', words_per_minute=150):
    """Linear 8 kHz samples of espeak-ng saying text; kept in build/tts."""
    key = f'{voice} {words_per_minute} {text}'
    path = CACHE / (hashlib.sha1(key.encode()).hexdigest() + '.wav')
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        raw = path.with_suffix(f'.{os.getpid()}.raw')
        subprocess.run(['espeak-ng', '-v', voice, '-s', str(words_per_minute),
                        '-w', str(raw), '--stdin'], input=text.encode(),
                       check=True, timeout=60)
        done = path.with_suffix(f'.{os.getpid()}.tmp')
        write(done, [read(raw)])
        raw.unlink()
        done.rename(path)
    return read(path)


def place(packets, start_ns, length):
    """One channel of `length` samples from [(t_ns, codec, payload)]."""
    out = array.array('h', bytes(2 * length))
    next_free = 0
    for t_ns, codec, payload in packets:
        at = (t_ns - start_ns) * RATE // 1_000_000_000
        if abs(at - next_free) <= SLACK or at < next_free:
            at = next_free
        samples = rtp.decode(codec, payload)[:max(length - at, 0)]
        if at >= 0 and samples:
            out[at:at + len(samples)] = samples
        next_free = at + len(payload)
    return out


def save_call(path, phone):
    """The call of a phone: caller left, assistant right."""
    caller = [(t_ns, phone.codec, payload)
              for t_ns, _, payload in list(phone.sent)]
    agent = [(p.t_ns, CODEC_OF[p.pt], p.payload)
             for p in list(phone.recording.packets)]
    times = [packet[0] for packet in caller + agent]
    if not times:
        raise ValueError('no packet was sent or heard')
    start_ns = min(times)
    length = (max(times) - start_ns) * RATE // 1_000_000_000 + RATE // 2
    write(path, [place(caller, start_ns, length),
                 place(agent, start_ns, length)])
