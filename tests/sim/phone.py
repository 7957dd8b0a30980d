# SPDX-License-Identifier: MIT
"""phone.py – a simulated telephone: what the caller does, hears and sees.

The phone's audio is made in the RTP thread, one frame per ptime on absolute
deadlines, from the moment the call is answered until it ends. Methods may be
called from any thread.
"""
import collections
import pathlib
import random
import threading
import time

from . import rtp, wav
from .recording import Recording

# What the caller sees: dialing -> ringing -> up -> (queue) -> ended
STATES = ('dialing', 'ringing', 'up', 'queue', 'ended')


class Clip:
    """Something the caller says: when it began and ended, in ns."""

    def __init__(self, audio):
        self.audio = audio          # G.711 bytes of the phone's codec
        self.position = 0
        self.start_ns = None        # first frame sent
        self.end_ns = None          # end of the last frame
        self.cut = False
        self._done = threading.Event()

    @property
    def duration_ms(self):
        return len(self.audio) / 8

    def finish(self, end_ns, cut=False):
        self.end_ns, self.cut = end_ns, cut
        self._done.set()

    def wait(self, timeout=60):
        """Until it was said; TimeoutError if it was not."""
        if not self._done.wait(timeout):
            raise TimeoutError('the phone has not finished speaking')
        return self


class Stream:
    """The caller's RTP source; an item of the engine."""

    def __init__(self, codec, ptime, seq=None, ts=None):
        self.codec, self.ptime = codec, ptime
        self.legs = ()              # media channels bridged with the caller
        self.clips = collections.deque()
        self.sent = []              # (t_ns, ts, payload) given to the bridge
        self.dtx = False            # send nothing while there is nothing to say
        self.gap = set()            # reasons for sending nothing at all
        self.running = False
        self.marks_gaps = True
        self.marker = False         # of the next packet: there was a gap
        self.seq = random.getrandbits(16) if seq is None else seq
        self.ts = random.getrandbits(32) if ts is None else ts
        self._samples = 8 * ptime
        self._silence = rtp.SILENCE[codec] * self._samples

    def fire(self, due_ns, _now_ns):
        if not self.running:
            return None
        now_ns = time.monotonic_ns()
        payload = self._frame(now_ns)
        if payload is None or self.gap:
            self.marker = self.marks_gaps
        else:
            for leg in self.legs:
                leg.send(self.codec, self.seq, self.ts, self.marker, payload,
                         now_ns)
            if self.legs:
                self.marker = False
                self.sent.append((now_ns, self.ts, payload))
            self.seq = (self.seq + 1) & 0xffff
        self.ts = (self.ts + self._samples) & 0xffffffff
        return due_ns + self.ptime * 1_000_000

    def _frame(self, now_ns):
        if not self.clips:
            return None if self.dtx else self._silence
        clip = self.clips[0]
        if clip.start_ns is None:
            clip.start_ns = now_ns
        end = clip.position + self._samples
        payload = clip.audio[clip.position:end]
        clip.position = end
        if end >= len(clip.audio):
            self.clips.popleft()
            clip.finish(now_ns + len(payload) * 125_000)
        return payload + self._silence[len(payload):]


class Phone:
    """One call as its caller lives it. Made by AriSim.call()."""

    def __init__(self, sim, number, name, exten, codec='ulaw', ptime=20,
                 seq_start=None, ts_start=None):
        self.sim = sim
        self.number, self.name, self.exten = number, name, exten
        self.codec, self.ptime = codec, ptime
        self.state = 'dialing'
        self.history = []           # [(t_ns, state or what happened)]
        self.dialplan = []          # dialplan steps taken: 'Stasis(app)', ...
        self.where = None           # (context, exten, priority) after Stasis
        self.started_ns = time.monotonic_ns()
        self.ringing_ns = self.answered_ns = self.ended_ns = None
        self.cause = None           # Q.850
        self.hung_up_by = None      # 'caller', 'agent' or 'pbx'
        self.heard = []             # [(name, start_ns, end_ns)] ARI playbacks
        self.dtmf_heard = ''
        self.early_packets = 0      # sent to it before it could hear
        self.recording = Recording()
        self.stream = Stream(codec, ptime, seq_start, ts_start)
        self.channel = None         # the model's channel
        self.early_media = False
        self.muted_out = False

    # what the caller does

    def play(self, audio):
        """Say G.711 bytes (of this phone's codec), a WAV file (Path or name
        ending in .wav) or linear samples; queued after what is being said."""
        if isinstance(audio, (str, pathlib.Path)):
            audio = wav.read(audio)
        if not isinstance(audio, (bytes, bytearray)):
            audio = rtp.encode(self.codec, audio)
        clip = Clip(bytes(audio))
        if self.state == 'ended' or not audio:
            clip.finish(time.monotonic_ns(), cut=True)
        else:
            self.stream.clips.append(clip)
        return clip

    def say(self, text, voice='es'):
        """Say text with espeak-ng (cached in build/tts)."""
        return self.play(wav.speak(text, voice))

    def hush(self):
        """Stop speaking at once."""
        while self.stream.clips:
            try:
                self.stream.clips.popleft().finish(time.monotonic_ns(), True)
            except IndexError:
                break

    def hold(self, on=True):
        """Put the call on hold: no packets, and ChannelHold."""
        self._gap('hold', on)
        self.sim.on_loop(self.sim.model.phone_hold, self, on)

    def unhold(self):
        self.hold(False)

    def mute(self, on=True):
        """Mute the microphone in a way that stops the packets."""
        self._gap('mute', on)

    def dtx(self, on=True):
        """Send packets only while something is said."""
        self.stream.dtx = on

    def _gap(self, reason, on):
        (self.stream.gap.add if on else self.stream.gap.discard)(reason)

    def dtmf(self, digits, duration_ms=100):
        """Press keys: one ChannelDtmfReceived each, on release."""
        self.sim.on_loop(self.sim.model.phone_dtmf, self, digits, duration_ms)

    def hangup(self, cause=16):
        self.sim.on_loop(self.sim.model.phone_hangup, self, cause)

    # what the network does, on the way to the agent

    def impair(self, **what):
        """loss, duplicate, reorder (0-1), jitter_ms, seed; none: a clean net.
        Returns the Impairment, which counts."""
        impairment = rtp.Impairment(**what) if what else None
        for leg in self._legs():
            leg.impairment = impairment
        return impairment

    def change_ssrc(self):
        """Asterisk starts a new RTP source, numbers and all."""
        for leg in self._legs():
            leg.ssrc = random.getrandbits(32)
        self.stream.seq = random.getrandbits(16)
        self.stream.ts = random.getrandbits(32)
        self.stream.marker = True

    def send_garbage(self, *datagrams):
        """Bytes from Asterisk's own port to the agent's."""
        for leg in self._legs():
            for data in datagrams:
                rtp.send(leg.sock, data, leg.peer)

    def send_stranger(self, *datagrams):
        """Bytes from somebody else's port to the agent's."""
        for leg in self._legs():
            with rtp.socket.socket(leg.sock.family, rtp.socket.SOCK_DGRAM) as s:
                for data in datagrams:
                    rtp.send(s, data, leg.peer)

    def _legs(self):
        if not self.stream.legs:
            raise RuntimeError('the phone is not bridged with a media channel')
        return self.stream.legs

    # what the caller gets (called by the model, on the loop)

    def note(self, what):
        self.history.append((time.monotonic_ns(), what))
        self.sim.changed()

    def set_state(self, state):
        assert state in STATES
        if state != self.state and self.state != 'ended':
            self.state = state
            self.note(state)

    def ring(self):
        self.ringing_ns = self.ringing_ns or time.monotonic_ns()
        if self.state == 'dialing':
            self.set_state('ringing')

    def answer(self):
        if self.answered_ns is None:
            self.answered_ns = time.monotonic_ns()
            self.stream.running = True
            self.sim.engine.schedule(self.answered_ns, self.stream)
        if self.state != 'queue':
            self.set_state('up')

    def end(self, cause, by):
        if self.state == 'ended':
            return
        self.ended_ns = time.monotonic_ns()
        self.cause, self.hung_up_by = cause, by
        self.stream.running = False
        self.hush()
        self.set_state('ended')

    def hear(self, t_ns, seq, ts, marker, pt, payload):
        """In the RTP thread: a packet of the agent's."""
        if self.answered_ns is None and not self.early_media:
            self.early_packets += 1
        elif not self.muted_out:
            self.recording.received(t_ns, seq, ts, marker, pt, payload)

    # what a test asks

    @property
    def sent(self):
        """[(t_ns, ts, payload)] that went into the bridge."""
        return self.stream.sent

    def sent_audio(self):
        return b''.join(payload for _, _, payload in list(self.sent))

    def wait_for(self, state, timeout=10):
        """Until the phone is, or was, in state; then self."""
        self.sim.wait_for(lambda: state == self.state or
                          any(what == state for _, what in self.history),
                          timeout, f'phone {self.number} {state}')
        return self

    def wait_sound(self, start_ns=0, timeout=10):
        """Until something is heard after start_ns; its arrival time."""
        self.sim.wait_for(lambda: self.recording.first_sound_ns(start_ns),
                          timeout, f'sound on phone {self.number}')
        return self.recording.first_sound_ns(start_ns)

    def wait_quiet(self, quiet_ms=600, timeout=30):
        """Until nothing but silence was heard for quiet_ms after a sound."""
        def quiet():
            sounding = self.recording.sounding()
            return sounding and time.monotonic_ns() - sounding[-1].t_ns \
                > quiet_ms * 1e6
        self.sim.wait_for(quiet, timeout, f'quiet on phone {self.number}')

    def save(self, path):
        """The call as stereo WAV: caller left, assistant right."""
        wav.save_call(path, self)
