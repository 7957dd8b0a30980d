# SPDX-License-Identifier: MIT
"""The simulator's RTP and G.711 against the published vectors, its pacing, and
what its UnicastRTP takes and drops."""
import json
import pathlib
import random
import shutil
import socket
import threading
import time

import pytest

from . import rtp, wav
from .phone import Clip, Phone, Stream
from .recording import Recording

SPECS = pathlib.Path(__file__).resolve().parents[3] / 'shared/specs/rtp'
needs_specs = pytest.mark.skipif(not SPECS.exists(),
                                 reason='no ../shared/specs/rtp')


@needs_specs
def test_every_vector_is_parsed_or_refused():
    vectors = json.loads((SPECS / 'rtp.vectors.json').read_text())['vectors']
    assert vectors
    for vector in vectors:
        for text in vector.get('packets') or [vector['hex']]:
            data = bytes.fromhex(text)
            if vector.get('valid') is False:
                with pytest.raises(ValueError):
                    rtp.parse(data)
                continue
            packet = rtp.parse(data)
            assert packet.pt == vector['pt']
            for field in ('seq', 'ssrc'):
                assert getattr(packet, field) == vector.get(
                    field, getattr(packet, field))
            assert packet.ts == vector.get('timestamp', packet.ts)
            assert packet.marker == vector.get('marker', packet.marker)
            assert len(packet.payload) == vector.get('payload_bytes',
                                                     len(packet.payload))
            if 'payload_hex' in vector:
                assert packet.payload.hex() == vector['payload_hex']
                assert list(packet.csrc) == vector['csrc']
                assert packet.padding == vector['padding']
                assert packet.extension[1] == vector['extension_words']


@needs_specs
def test_g711_tables_are_the_published_ones():
    tables = json.loads((SPECS / 'g711.json').read_text())
    for codec in ('ulaw', 'alaw'):
        assert list(rtp.TO_LINEAR[codec]) == tables[f'{codec}_to_linear']
        assert rtp.SILENCE[codec][0] == tables['silence'][codec]


@pytest.mark.parametrize('codec, step, clip',
                         [('ulaw', 516, 32124), ('alaw', 512, 32256)])
def test_g711_round_trips(codec, step, clip):
    codes = bytes(range(256))
    again = rtp.encode(codec, rtp.decode(codec, codes))
    assert again == (codes.replace(b'\x7f', b'\xff')
                     if codec == 'ulaw' else codes)
    for sample in range(-clip, clip, 7):
        decoded = rtp.decode(codec, rtp.encode(codec, [sample]))[0]
        assert abs(decoded - sample) <= step
    assert rtp.decode(codec, rtp.encode(codec, [32767, -32768])).tolist() == [
        clip, -clip]


def test_what_is_packed_is_parsed():
    data = rtp.pack(65536 + 7, 2**32 + 9, 5, 8, b'abc', marker=True)
    assert rtp.parse(data) == rtp.Packet(True, 8, 7, 9, 5, b'abc')


def test_parser_survives_any_bytes():
    dice = random.Random(1)
    for _ in range(3000):
        data = bytearray(dice.randbytes(dice.randrange(64)))
        if data:
            data[0] = data[0] & 0x3f | 0x80
        try:
            packet = rtp.parse(bytes(data))
        except ValueError:
            continue
        assert len(packet.payload) <= len(data) - 12


class Wire:
    """A media channel with the agent's socket and a phone stream on it."""

    def __init__(self, fmt='ulaw', codec='ulaw', ptime=20, **numbers):
        self.violations, self.recording = [], Recording()
        self.agent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.agent.bind(('127.0.0.1', 0))
        self.agent.settimeout(5)
        self.engine = rtp.Engine()
        self.engine.start()
        self.leg = rtp.UnicastRtp(self.engine, 'M', fmt,
                                  self.agent.getsockname(), '127.0.0.1',
                                  self.violations.append)
        self.leg.sinks = (self.recording.received,)
        self.stream = Stream(codec, ptime, **numbers)
        self.stream.legs = (self.leg,)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.running = False
        self.leg.close()
        self.engine.stop()
        self.agent.close()
        assert self.engine.error is None

    def start(self):
        self.stream.running = True
        self.engine.schedule(time.monotonic_ns(), self.stream)

    def packets(self, count):
        return [rtp.parse(self.agent.recv(2048)) for _ in range(count)]

    def send(self, *datagrams, sock=None):
        for data in datagrams:
            (sock or self.agent).sendto(data, self.leg.local)

    def settle(self):
        """Everything sent before has been judged: a last good packet has."""
        arrived = threading.Event()
        self.leg.sinks += (lambda *packet: packet[-1] == b'\xff' and
                           arrived.set(),)
        self.send(rtp.pack(0, 0, 0, self.leg.pt, b'\xff'))
        assert arrived.wait(5)
        return [v.kind for v in self.violations]


@pytest.mark.parametrize('codec, ptime', [('ulaw', 20), ('alaw', 10),
                                          ('ulaw', 60)])
def test_caller_is_continuous_wraps_and_keeps_its_ptime(codec, ptime):
    with Wire(codec, codec, ptime, seq=65534, ts=2**32 - 8 * ptime) as wire:
        wire.start()
        got = wire.packets(6)
    assert [p.seq for p in got] == [65534, 65535, 0, 1, 2, 3]
    assert [p.ts for p in got] == [
        (i - 1) * 8 * ptime & 0xffffffff for i in range(6)]
    assert not any(p.marker for p in got)
    assert {p.payload for p in got} == {rtp.SILENCE[codec] * 8 * ptime}
    assert {p.pt for p in got} == {rtp.PAYLOAD_TYPE[codec]}


def test_caller_keeps_time_while_the_interpreter_is_busy():
    with Wire() as wire:
        wire.start()
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            sum(range(2000))
        sent = list(wire.stream.sent)
    assert 45 <= len(sent) <= 55
    steps = [b[0] - a[0] for a, b in zip(sent, sent[1:])]
    assert sum(steps) / len(steps) == pytest.approx(20e6, rel=.05)


def test_speech_goes_out_bit_exact_and_a_hold_is_a_gap_with_a_marker():
    speech = random.Random(2).randbytes(800)
    with Wire() as wire:
        clip = Clip(speech)
        wire.stream.clips.append(clip)
        wire.start()
        got = wire.packets(5)
        assert b''.join(p.payload for p in got) == speech
        clip.wait(5)
        wire.stream.gap.add('hold')
        last = got[-1]
        wire.agent.settimeout(.15)
        with pytest.raises(TimeoutError):
            while True:
                last = rtp.parse(wire.agent.recv(2048))
        wire.agent.settimeout(5)
        wire.stream.gap.clear()
        after = wire.packets(1)[0]
    assert after.marker and after.seq == (last.seq + 1) & 0xffff
    assert (after.ts - last.ts) & 0xffffffff > 800


@pytest.mark.parametrize('fmt, size', [('ulaw', 160), ('slin', 320),
                                       ('slin16', 640)])
def test_other_formats_are_transcoded(fmt, size):
    with Wire(fmt, 'alaw') as wire:
        wire.start()
        packet = wire.packets(1)[0]
    assert packet.pt == rtp.PAYLOAD_TYPE[fmt] and len(packet.payload) == size


def test_strict_side_takes_only_its_peer_and_static_payload_types():
    with Wire() as wire, socket.socket(socket.AF_INET,
                                       socket.SOCK_DGRAM) as stranger:
        stranger.bind(('127.0.0.1', 0))
        good = b'\x12' * 160
        wire.send(rtp.pack(1, 160, 9, 0, good, True))
        wire.send(rtp.pack(2, 320, 9, 118, b'\0' * 640))
        wire.send(rtp.pack(2, 320, 9, 101, b'\5\x0a\0\xa0'))
        wire.send(b'garbage')
        wire.send(rtp.pack(2, 320, 9, 0, b''))
        wire.send(rtp.pack(2, 320, 9, 0, b'\x34' * 160), sock=stranger)
        wire.send(rtp.pack(2, 320, 9, 0, good))
        kinds = wire.settle()
    assert wire.recording.payload()[:-1] == good * 2
    assert sorted(kinds) == ['rtp-empty', 'rtp-malformed', 'rtp-payload-type',
                             'rtp-payload-type', 'rtp-source', 'rtp-ssrc']


def test_strict_side_reports_jumps_of_sequence_and_timestamp():
    frame = b'\xff' * 160
    with Wire() as wire:
        wire.send(rtp.pack(65535, 2**32 - 160, 9, 0, frame, True),
                  rtp.pack(0, 0, 9, 0, frame),
                  rtp.pack(2, 160, 9, 0, frame),
                  rtp.pack(3, 900, 9, 0, frame),
                  rtp.pack(4, 5000, 9, 0, frame, True))
        kinds = wire.settle()
    assert kinds == ['rtp-sequence', 'rtp-timestamp', 'rtp-ssrc']


def test_impairments_are_seeded_and_counted():
    with Wire() as wire:
        wire.leg.impairment = rtp.Impairment(loss=.3, duplicate=.2, seed=3)
        wire.start()
        seen = [p.seq for p in wire.packets(30)]
        lost = wire.leg.impairment.lost
        twice = wire.leg.impairment.duplicated
    assert lost > 2 and twice > 2
    assert len(set(seen)) < len(seen)
    assert (seen[-1] - seen[0]) % 65536 + 1 > len(set(seen))


# measures ----------------------------------------------------------------------

LOUD, QUIET = b'\x90' * 160, b'\xff' * 160


def record(*packets):
    """A Recording of (at_ms, ts, payload)."""
    recording = Recording()
    for i, (at_ms, ts, payload) in enumerate(packets):
        recording.received(int(at_ms * 1e6), i, ts, i == 0, 0, payload)
    return recording


def test_lateness_is_measured_on_the_grid_of_the_timestamps():
    recording = record((0, 0, QUIET), (20, 160, QUIET), (47, 320, QUIET),
                       (60, 480, QUIET))
    assert recording.lateness() == {'p50': 0.0, 'p99': 7.0, 'max': 7.0,
                                    'packets': 4}
    assert recording.gaps(25) == [(20_000_000, 27.0)]


def test_speech_and_barge_in_are_measured():
    recording = record(*((20 * i, 160 * i, LOUD if 5 <= i < 10 or i >= 40
                          else QUIET) for i in range(45)))
    assert recording.first_sound_ns() == 100_000_000
    assert recording.speech() == [(100_000_000, 200_000_000),
                                  (800_000_000, 900_000_000)]
    assert recording.sound_after_ms(120_000_000) == 60.0
    assert recording.sound_after_ms(300_000_000, 400) == 0.0
    assert recording.longest_silence(0, 900_000_000) == 600.0


def test_wav_keeps_the_time_of_every_packet(tmp_path):
    class Sim:
        def changed(self):
            pass
    phone = Phone(Sim(), '300', '', '324')
    ms = 1_000_000
    phone.stream.sent += [(0, 0, LOUD), (20 * ms, 160, LOUD)]
    for at, payload in ((10, LOUD), (33, QUIET), (200, LOUD)):
        phone.recording.received(at * ms, 0, 0, False, 0, payload)
    phone.save(tmp_path / 'call.wav')
    with wav.wave.open(str(tmp_path / 'call.wav')) as file:
        assert file.getnchannels() == 2 and file.getframerate() == 8000
        frames = wav.array.array('h', file.readframes(file.getnframes()))
    left, right = frames[::2], frames[1::2]
    loud = rtp.TO_LINEAR['ulaw'][LOUD[0]]
    assert all(s == loud for s in left[:320]) and not any(left[320:])
    assert right.tolist().index(loud) in (0, 80)
    assert right[1599] == 0 and right[1600] == loud


def test_spoken_text_is_cached_8khz_speech(tmp_path, monkeypatch):
    if not shutil.which('espeak-ng'):
        pytest.skip('no espeak-ng')
    monkeypatch.setattr(wav, 'CACHE', tmp_path)
    samples = wav.speak('hola')
    assert 2000 < len(samples) < 16000 and max(samples) > 3000
    monkeypatch.setattr(wav.subprocess, 'run', None)
    assert wav.speak('hola') == samples
