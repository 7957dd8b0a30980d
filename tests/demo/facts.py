# SPDX-License-Identifier: MIT
"""facts.py – what is known of the call once it is over: numbers for the
summary, and the points that must have happened, each from observation."""

import array
import sys
import wave

from tests.sim.recording import LOUD, loudness, percentile

from . import hearing, story

# A noisy machine passes, a broken product does not.
GAP_MS = 150
PONG_MS = 100
ANSWERED_S = 4
TRUNCATE_SLACK_MS = 60
BARGE_IN_MS = 1000
SOUND_OFF_MS = 100
SOUND_AFTER_S, LINE_AFTER_S = 2.5, 8    # TOOL_SOUND_AFTER_MS and so on


class Facts:
    """Everything a finished call left behind; None where it was not seen."""

    def __init__(self, call):
        """call: demo.Call, after the hang-up."""
        self.call = call
        self.phone, self.openai = call.phone, call.openai
        self.session = call.session
        self.one_way_ms = self.openai.settings.one_way_ms
        self.heard = {name: call.hearing.find(text) for name, text in (
            ("plans", story.PLANS_REPLY), ("preamble", story.PREAMBLE),
            ("patience", story.PATIENCE_REPLY), ("answer", story.ANSWER))}
        self.greeting = call.hearing.utterances[0] \
            if call.hearing.utterances else None
        self.sent_at = self._first_audio_sent()
        self.uplinks = {text: hearing.Uplink(self.phone, self.session, clip,
                                             self.one_way_ms)
                        for text, clip in call.clips.items()}

    # What the simulated voice logged

    def _entries(self, kind, **fields):
        return [e for e in list(self.openai.log.entries)
                if e["event"] == kind and e.get("session") == self.session.id
                and all(e.get(k) == v for k, v in fields.items())]

    def _first_audio_sent(self):
        """{response id: s when its first audio delta left the voice}."""
        sent, response = {}, None
        for entry in self._entries("send"):
            if entry["type"] == "response.content_part.added":
                response = entry["response_id"]
            elif entry["type"] == "response.output_audio.delta":
                sent.setdefault(response, entry["t"])
        return sent

    # Numbers, in ms

    def downlink_ms(self):
        """{utterance: ms} of all that had not to wait for another: first audio
        delta sent to first packet at the phone, network delay taken off."""
        found, free_ns = {}, self.greeting.end_ns
        for utterance in self.call.hearing.utterances[1:]:
            arrived = self.sent_at[utterance.run.id] * 1e3 + self.one_way_ms
            if arrived * 1e6 > free_ns:
                found[utterance] = utterance.start_ns / 1e6 - arrived
            free_ns = utterance.end_ns
        return found

    def uplink_ms(self):
        return [ms for uplink in self.uplinks.values()
                for ms in uplink.latencies_ms]

    def answer_ms(self, asked, name):
        """End of the caller's question to the first sound of the answer."""
        end_ns = hearing.sound_bounds(self.call.clips[asked],
                                      self.phone.codec)[1]
        return (self.heard[name].start_ns - end_ns) / 1e6

    def barge_in_ms(self):
        """(caller's first sound, speech_started sent) to the end of the last
        sound of the interrupted utterance, as the caller hears it."""
        onset_ns = hearing.sound_bounds(self.call.clips[story.INTERRUPTION],
                                        self.phone.codec)[0]
        told = [e["t"] for e in self._entries(
            "send", type="input_audio_buffer.speech_started")
            if e["t"] * 1e9 > onset_ns][0]
        end_ns = hearing.sound_end_ns(self.heard["plans"], self.phone)
        return (end_ns - onset_ns) / 1e6, end_ns / 1e6 - told * 1e3

    def pongs_ms(self):
        """Of the pings while the query ran."""
        start, end = self.query_s()
        return [e["ms"] for e in self._entries("pong")
                if start <= e["t"] <= end]

    def query_s(self):
        """(start, end) of the query, CLOCK_MONOTONIC."""
        return (min(self.call.routers.asked.values()),
                self.call.result()[0])

    def longest_gap_ms(self):
        return max((ms for _, ms in self.phone.recording.gaps(0)), default=0)

    # The summary

    def summary(self):
        """[(label, text)]."""
        phone, late = self.phone, self.phone.recording.lateness()
        stop, told = self.barge_in_ms()
        start, end = self.query_s()
        down, pongs = self.downlink_ms(), self.pongs_ms()
        answer = self.answer_ms(story.PLANS, "plans")
        ours = down[self.heard["plans"]] + percentile(self.uplink_ms(), .5)
        return [
            ("set-up", f"{_ms(phone.started_ns, phone.answered_ns)} from the "
             "call to its answer, then "
             f"{_ms(phone.answered_ns, self.greeting.start_ns)} to the first "
             "sound"),
            ("question to answer", f"{answer:.0f} ms, {ours:.0f} of them "
             "ours: the rest is end of turn, network, thinking"),
            ("added latency", "voice to caller "
             f"{max(down.values()):.0f} ms at most "
             f"({len(down)} utterances); caller to voice "
             f"{hearing.spread(self.uplink_ms())} (every frame, bit-exact)"),
            ("barge-in", f"silent {stop:.0f} ms after the caller's first "
             f"sound, {told:.0f} ms after the voice noticed "
             f"({self.one_way_ms:.0f} ms of them network)"),
            ("RTP to the caller", f"{len(phone.recording.packets)} packets, "
             f"longest gap {self.longest_gap_ms():.0f} ms, late "
             f"p50 {late['p50']:.2f} ms, p99 {late['p99']:.2f} ms"),
            ("query", f"{end - start:.1f} s; {len(pongs)} pings answered "
             f"meanwhile within {max(pongs, default=0):.1f} ms"),
            ("memory (PSS)", ", ".join(
                f"{role} {kb / 1024:.1f} MB" for role, kb in
                self.call.memory)),
        ]

    # The points

    def points(self):
        """[(happened, what)] in the order of the call."""
        return [self._answered(), self._greeted(), self._asked(),
                self._interrupted(), self._truncated(), self._queried(),
                self._waited(), self._gave_way(), self._informed(),
                self._talked_meanwhile(), self._ponged(), self._tree(),
                self._told(), self._only_that(), self._continuous(),
                self._lawful()]

    def _answered(self):
        seconds = (self.phone.answered_ns - self.phone.started_ns) / 1e9
        return (seconds < ANSWERED_S,
                f"the call was answered, after {seconds:.2f} s")

    def _greeted(self):
        return (self.greeting is not None and self.greeting.complete,
                "the greeting was heard from its first word to its last")

    def _asked(self):
        exact = [uplink.exact for uplink in self.uplinks.values()]
        return (all(exact) and len(exact) == len(story.CALLER_LINES),
                f"{sum(exact)} of {len(story.CALLER_LINES)} things the caller "
                "said reached the voice bit-exact")

    def _interrupted(self):
        plans, stop = self.heard["plans"], self.barge_in_ms()[0]
        ok = plans.cut and 0 < stop < BARGE_IN_MS
        return ok, (f"the interruption stopped the voice ({stop:.0f} ms), and "
                    "the rest was never heard")

    def _truncated(self):
        heard = self.heard["plans"].heard_ms
        item = self.heard["plans"].run.items[0].id
        told = [e["audio_end_ms"] for e in
                self.session.received("conversation.item.truncate")
                if e["item_id"] == item]
        ok = len(told) == 1 and abs(told[0] - heard) <= TRUNCATE_SLACK_MS
        return ok, (f"the voice was told how much was heard: {told} ms, "
                    f"really {heard:.0f} ms")

    def _queried(self):
        start, end = self.query_s()
        text = self.call.result()[1]
        missing = [part for part in story.RESULT if part not in text]
        return (not missing and end - start >= story.QUERY_SECONDS - .1
                and self.call.routers.most_in_flight() == 1,
                f"{story.QUERY} asked {len(story.ROUTERS)} routers at once, "
                "each for one thing at a time, and had its answer after "
                f"{end - start:.1f} s with who did not"
                + "".join(f"\nmissing: {part}" for part in missing))

    def _waited(self):
        waiting = self.call.hearing.waiting
        after = waiting[0].t_ns / 1e9 - self.query_s()[0] if waiting else 0
        loudest = max(map(loudness, waiting), default=0)
        return (after >= SOUND_AFTER_S - .2 and 0 < loudest < LOUD * 4,
                f"a soft sound was heard, first {after:.1f} s after the query "
                f"began, {len(waiting) / 50:.1f} s of it in all")

    def _gave_way(self):
        """The sound's last packet, after the voice's service has told that
        the caller speaks: one may be on its way already."""
        onset_ns, end_ns = hearing.sound_bounds(
            self.call.clips[story.IMPATIENCE], self.phone.codec)
        told_ns = min(e["t"] * 1e9 for e in self._entries(
            "send", type="input_audio_buffer.speech_started")
            if e["t"] * 1e9 > onset_ns) + self.one_way_ms * 1e6
        before = [p.t_ns for p in self.call.hearing.waiting
                  if p.t_ns < end_ns]
        late = max(before[-1] - told_ns, 0) / 1e6 if before else 0
        return (before and late < SOUND_OFF_MS,
                "it gave way to the caller, "
                f"{late:.0f} ms after the voice had noticed")

    def _informed(self):
        line = next((u for u in self.call.hearing.utterances
                     if u.text in story.PROGRESS_LINES), None)
        if line is None:
            return False, "a sentence about the query's progress was heard"
        after = line.start_ns / 1e9 - self.query_s()[0]
        apart = line.run.out_of_band
        return (line.complete and after >= LINE_AFTER_S - .2 and apart,
                f"after {after:.1f} s the voice told how far the query was, "
                f"beside the conversation: \"{line.text}\"")

    def _talked_meanwhile(self):
        end = self.query_s()[1] * 1e9
        patience = self.heard["patience"]
        return (patience.complete and patience.start_ns < end,
                "the caller spoke during the query and was answered")

    def _ponged(self):
        pongs = self.pongs_ms()
        expected = story.QUERY_SECONDS / self.openai.settings.ping_interval
        return (len(pongs) >= expected / 2 and max(pongs) < PONG_MS,
                f"{len(pongs)} pings were answered during the query, the "
                f"slowest in {max(pongs, default=0):.1f} ms")

    def _tree(self):
        return (bool(self.call.ps_call_line),
                f"ps showed the call with tool={story.QUERY}")

    def _told(self):
        return (self.heard["answer"].complete,
                "the answer of the query was heard to its last word")

    def _only_that(self):
        stray = len(self.call.hearing.stray)
        return not stray, ("the caller heard the voice byte by byte as it was "
                           f"sent, and nothing else ({stray} strange packets)")

    def _continuous(self):
        gap = self.longest_gap_ms()
        return (gap < GAP_MS, "the caller's RTP never paused (longest gap "
                f"{gap:.0f} ms)")

    def _lawful(self):
        broken = [f"{type(sim).__name__}: {violation}" for sim in
                  self.call.simulators for violation in sim.violations]
        broken += [f"OpenAI error: {e['code']} {e['message']}"
                   for e in self.session.errors]
        return (not broken, "no simulator saw a protocol violation"
                + "".join(f"\n{b}" for b in broken[:5]))

    def calm(self):
        """To be asked last: the end of the service belongs to it."""
        complaints = [line for line in self.call.service.complaints()
                      if f'"{story.SILENT}"' not in line]
        return (not complaints, "no error and no warning is in the log, but "
                f"of the router {story.SILENT}"
                + "".join(f"\n{line}" for line in complaints[:5]))


def _ms(start_ns, end_ns):
    return f"{(end_ns - start_ns) / 1e6:.0f} ms"


def audible(path):
    """(caller, assistant): seconds of sound on each side of a recording."""
    with wave.open(str(path), "rb") as file:
        frames = array.array("h", file.readframes(file.getnframes()))
    if sys.byteorder == "big":
        frames.byteswap()
    return tuple(_loud_seconds(frames[side::2]) for side in (0, 1))


def _loud_seconds(samples):
    packets = [samples[i:i + 160] for i in range(0, len(samples), 160)]
    return sum(sum(map(abs, p)) / len(p) >= LOUD for p in packets) / 50
