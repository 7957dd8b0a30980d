# SPDX-License-Identifier: MIT
"""hearing.py – what of the voice's audio the caller really heard, and what of
the caller's audio the voice really got: compared byte by byte.

G.711 goes through untouched, so every packet at the phone is either the next
160 bytes of something the simulated voice has said, or of the sound of waiting
as tests/sim/comfort.py makes it, or silence. Anything else is counted as stray
sound. Times are nanoseconds of CLOCK_MONOTONIC.
"""

import bisect
import threading

from tests.sim import comfort, rtp
from tests.sim.recording import LOUD, loudness, percentile

CUT_AFTER_NS = 250_000_000      # no next packet for so long: it was cut
CLEAR_BYTES = 40                # a beginning shorter than this proves nothing


class Utterance:
    """One spoken response, and how much of it has been heard."""

    def __init__(self, run, audio):
        self.run = run              # openai_response.ResponseRun
        self.text = run.reply.text
        self.audio = audio          # all of it, sent yet or not
        self.position = 0           # bytes heard
        self.start_ns = None        # arrival of its first packet
        self.last_ns = None         # arrival of its last packet so far
        self.cut = False

    @property
    def complete(self):
        return self.position >= len(self.audio)

    @property
    def over(self):
        return self.complete or self.cut

    @property
    def heard_ms(self):
        return self.position / 8

    @property
    def duration_ms(self):
        return len(self.audio) / 8

    @property
    def end_ns(self):
        return self.last_ns + 20_000_000

    @property
    def words_heard(self):
        words = self.text.split()
        return len(words) if self.complete else \
            len(words) * self.position // len(self.audio)


class Hearing:
    """Follows the phone's recording. update() may run in any thread."""

    def __init__(self, phone, openai, speech):
        self.phone, self.openai, self.speech = phone, openai, speech
        self.utterances = []        # in the order in which they were heard
        self.waiting = []           # packets of the sound of waiting
        self.stray = []             # (t_ns, packet) of unknown sound
        self._comfort = comfort.Listener(phone.codec)
        self._current = None
        self._known = set()
        self._seen = 0
        self._lock = threading.Lock()
        self._silence = rtp.SILENCE[phone.codec]

    def update(self):
        with self._lock:
            packets = self.phone.recording.packets
            while self._seen < len(packets):
                self._packet(packets[self._seen])
                self._seen += 1

    def find(self, text):
        """The utterance with these words in it, or None."""
        return next((u for u in self.utterances if text in u.text), None)

    def _packet(self, packet):
        if self._is_next(packet):
            self._comfort.pause()
        elif self._comfort.hear(packet.payload):
            if self._current:
                self._cut()
            if packet.payload.strip(self._silence):
                self.waiting.append(packet)
            return
        rest = packet.payload
        current = self._current
        if current:
            expected = current.audio[current.position:][:len(rest)]
            if rest[:len(expected)] == expected:
                rest = self._advance(packet, rest, len(expected))
            elif rest.strip(self._silence):
                self._cut()         # something else is heard instead
            elif packet.t_ns - current.last_ns > CUT_AFTER_NS:
                self._cut()
        if rest.strip(self._silence) and not self._begin(packet, rest):
            self.stray.append((packet.t_ns, packet))

    def _is_next(self, packet):
        """Whether the current utterance goes on with it."""
        current = self._current
        expected = current.audio[current.position:][:160] if current else b""
        return expected and packet.payload.startswith(expected)

    def _advance(self, packet, rest, length):
        """The current utterance goes on with this packet; what is left."""
        current = self._current
        current.position += length
        current.last_ns = packet.t_ns
        if current.complete:
            self._current = None
        return rest[length:]

    def _cut(self):
        self._current.cut = True
        self._current = None

    def _begin(self, packet, rest):
        for utterance in self._candidates():
            expected = utterance.audio[:len(rest)]
            if rest[:len(expected)] == expected and \
                    len(expected) >= CLEAR_BYTES:
                utterance.start_ns = packet.t_ns
                self._known.add(utterance.run.id)
                self.utterances.append(utterance)
                self._current = utterance
                self._advance(packet, rest, len(expected))
                return True
        return False

    def _candidates(self):
        for session in self.openai.sessions:
            for run in session.responses:
                if run.audio and run.id not in self._known:
                    yield Utterance(run, self.speech(run.reply.text))


class Uplink:
    """A caller's clip as it arrived at the simulated voice."""

    def __init__(self, phone, session, clip, one_way_ms):
        self.latencies_ms = []      # of its frames, network delay taken off
        start = session.input_audio.find(clip.audio.strip(
            rtp.SILENCE[phone.codec]))
        self.exact = start >= 0
        if self.exact:
            start -= len(clip.audio) - len(clip.audio.lstrip(
                rtp.SILENCE[phone.codec]))
            self._measure(phone, session, clip, start, one_way_ms)

    def _measure(self, phone, session, clip, start, one_way_ms):
        arrivals = list(session.input_arrivals)
        ends = [offset + length for _, offset, length in arrivals]
        frames = [(t, payload) for t, _, payload in list(phone.sent)
                  if clip.start_ns <= t < clip.end_ns]
        for number, (t_ns, payload) in enumerate(frames):
            last = start + number * len(payload) + len(payload)
            at = bisect.bisect_left(ends, last)
            if at < len(ends):
                self.latencies_ms.append(
                    arrivals[at][0] * 1e3 - one_way_ms - t_ns / 1e6)


def sound_bounds(clip, codec):
    """(start_ns, end_ns) of what is loud in a clip, as it was said."""
    table = rtp.LOUDNESS[codec]
    frames = [clip.audio[i:i + 160] for i in range(0, len(clip.audio), 160)]
    loud = [i for i, frame in enumerate(frames)
            if sum(map(table.__getitem__, frame)) / len(frame) >= LOUD]
    return (clip.start_ns + loud[0] * 20_000_000,
            clip.start_ns + (loud[-1] + 1) * 20_000_000)


def sound_end_ns(utterance, phone):
    """When the last packet of an utterance that is not silence is over."""
    packets = phone.recording.between(utterance.start_ns,
                                      utterance.last_ns + 1)
    return 20_000_000 + max(p.t_ns for p in packets if loudness(p) >= LOUD)


def spread(values):
    """'p50 1.2 ms, p99 3.4 ms' of milliseconds."""
    return (f"p50 {percentile(values, .5):.1f} ms, "
            f"p99 {percentile(values, .99):.1f} ms")
