# SPDX-License-Identifier: MIT
"""RTP between Asterisk and us when the network, the telephone or a stranger
behave badly: the voice is given one unbroken stream, the caller another."""

import json
import os
import struct
import subprocess

import pytest

from tests.e2e import ports
from tests.e2e.world import GREETING, LONG, speech, tone
from tests.sim import rtp


def audio_ms(call):
    """How much audio the voice was given so far."""
    return len(call.session.input_audio) / 8


def bye(call):
    """The worker's last words about its media, after the hang-up."""
    call.hangup().gone()
    line = call.wait_log(r"worker says bye (\{.*\})")
    return json.loads(line.group(1))["media"]


@pytest.mark.parametrize("how", ["hold", "mute"])
def test_a_caller_who_goes_silent_in_mid_word_is_heard_to_have_stopped(
        world, how):
    """No packets: without silence in their place the turn would never end."""
    world.answers("La respuesta.", "Otra.")
    world.start()
    call = world.call().hears(GREETING)
    call.phone.play(speech("media palabra", ms=5000))
    world.until(lambda: call.session.sent(
        "input_audio_buffer.speech_started"), "speech")
    getattr(call.phone, how)(True)
    call.hears("La respuesta.")
    if how == "hold":
        call.wait_log("on hold")
    call.phone.hush()
    getattr(call.phone, how)(False)
    call.asks("sigo", "Otra.")
    media = bye(call)
    assert media["silence_filled_ms"] > 0
    assert media["lost"] == 0


def test_a_telephone_that_sends_nothing_in_pauses_is_one_stream(world):
    world.answers("Uno.", "Dos.")
    world.start()
    call = world.call().hears(GREETING)
    call.phone.dtx()
    before_ms, began = audio_ms(call), len(call.phone.sent)
    asked = [call.asks("uno", "Uno."), call.asks("dos", "Dos.")]
    for clip in asked:
        call.heard_by_voice(clip)
    sent_ms = 20 * (len(call.phone.sent) - began)
    assert audio_ms(call) - before_ms > sent_ms + 500


def test_a_lost_packet_is_silence_of_its_length(world):
    world.start()
    call = world.call().hears(GREETING)
    world.until(lambda: call.phone.stream.legs, "the bridge")
    impairment = call.phone.impair(loss=.1)
    clip = call.says("a trozos", ms=2000)
    impairment.loss = 0
    call.heard_by_voice(call.says("fin"))
    heard = bytes(call.session.input_audio)
    frames = [clip.audio[n:n + 160] for n in range(0, len(clip.audio), 160)]
    places = {n: heard.find(frame) for n, frame in enumerate(frames)}
    came = [n for n, place in places.items() if place >= 0]
    shifts = [places[n] - 160 * n for n in came]
    assert 0 < len(frames) - len(came) <= impairment.lost
    assert max(shifts) - min(shifts) <= 8 * 60      # a slow machine's
    assert bye(call)["lost"] > 0


def test_duplicates_and_packets_out_of_order_are_put_right(world):
    world.start()
    call = world.call().hears(GREETING)
    call.phone.impair(duplicate=.3, reorder=.2)
    clip = call.says("en desorden", ms=1500)
    call.phone.impair()
    call.heard_by_voice(call.says("fin"))
    heard = bytes(call.session.input_audio)
    places = [heard.find(clip.audio[n:n + 160])
              for n in range(0, len(clip.audio), 160)]
    came = [place for place in places if place >= 0]
    assert came == sorted(came)
    assert len(came) > .9 * len(places)     # a late one is silence
    assert bye(call)["duplicate"] > 0


def test_a_caller_whose_source_changes_is_heard_on(world):
    world.start()
    call = world.call().hears(GREETING)
    call.heard_by_voice(call.says("antes"))
    call.phone.change_ssrc()
    call.heard_by_voice(call.says("después"))


def test_sequence_and_timestamp_may_wrap(world):
    world.start()
    call = world.call(seq_start=65530, ts_start=2**32 - 800)
    call.hears(GREETING)
    call.heard_by_voice(call.says("vuelta", ms=500))
    assert bye(call)["lost"] == 0


def test_what_is_no_rtp_of_this_call_is_dropped_and_counted(world):
    world.expect("RTP from a stranger dropped")
    world.answers("Bien.")
    world.start()
    call = world.call().hears(GREETING)
    loud = speech("no soy yo", ms=20)
    call.phone.send_garbage(
        b"", b"\x80", b"\0" * 11, b"\x00" * 200, b"\xff" * 1400,
        b"\x80\x80" + b"\0" * 10, b"\xbf\x00" + b"\xff" * 20,
        b"\x90\x00" + b"\0" * 10 + struct.pack("!HH", 1, 65535),
        rtp.pack(1, 1, 1, 101, b"\x01\x8a\x03\xc0"),
        rtp.pack(1, 1, 1, 8, loud), rtp.pack(1, 1, 1, 0, b""))
    call.phone.send_stranger(*(
        rtp.pack(seq, 160 * seq, 99, 0, loud) for seq in range(50)))
    call.heard_by_voice(call.asks("soy yo", "Bien."))
    assert loud not in call.session.input_audio
    assert call.heard_texts(GREETING, "Bien.")
    media = bye(call)
    assert media["stranger"] == 50
    assert media["garbage"] >= 6 and media["wrong_type"] >= 2


def test_a_flood_of_strangers_does_not_disturb_the_caller(world):
    world.expect("RTP from a stranger dropped", "alarm=rtp_flood")
    world.answers(LONG)
    world.start()
    call = world.call().hears(GREETING)
    call.says("hable")
    call.begins_to_hear(LONG)
    packet = rtp.pack(1, 1, 99, 0, speech("x", ms=20))
    for _ in range(40):
        call.phone.send_stranger(*[packet] * 50)
    call.hears(LONG)
    assert world.service.count("RTP from a stranger dropped") < 10
    assert world.service.count("alarm=rtp_flood") == 1


def test_ports_that_others_use_are_passed_over(world):
    first = ports.bind_in_a_row(world.closing, world.rtp_first,
                                world.rtp_first + 99, 3)
    world.make(MAX_CALLS=4, RTP_PORT_MIN=first)
    world.service.write_config(RTP_PORT_MAX=first + 3)
    world.service.start()
    world.ready()
    call = world.call().hears(GREETING)
    assert [leg.peer[1] for leg in call.phone.stream.legs] == [first + 3]
    world.expect("alarm=rtp_port", "goes to the fallback",
                 "4 ports for 4 calls leave little choice")
    world.call().to_fallback(why="no RTP port")


def test_the_voice_s_tail_is_heard_when_the_caller_says_nothing(world):
    """A tone whose length is no multiple of a packet ends in silence."""
    world.answers("Cola.")
    world.start()
    call = world.call(codec="alaw").hears(GREETING)
    call.asks("cola", "Cola.")
    assert call.heard() == [tone(GREETING, "alaw"), tone("Cola.", "alaw")]
    last = [p for p in call.phone.recording.packets
            if set(p.payload) != {0xD5}][-1]
    assert last.payload.endswith(b"\xd5")


def may_be_first():
    """Whether this system lets processes run at real-time priority."""
    return subprocess.run(["chrt", "-r", "1", "true"], check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


def may_be_first_later():
    """… also without a capability, which spares give away."""
    return subprocess.run(["prlimit", "--rtprio=1", "true"], check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize("priority", ["yes", "no"])
def test_a_call_goes_before_all_other_work_once_it_is_heard(world, priority):
    world.start(AUDIO_PRIORITY=priority)
    call = world.call().hears(GREETING)
    spares = set(world.service.pids("callworker")) - {call.worker}
    first = priority == "yes" and may_be_first()
    if priority == "yes" and not first:
        call.wait_log("no real-time priority")
    assert os.sched_getscheduler(call.worker) & ~os.SCHED_RESET_ON_FORK == (
        os.SCHED_RR if first else os.SCHED_OTHER)
    if not first or may_be_first_later():
        assert all(os.sched_getscheduler(pid) == os.SCHED_OTHER
                   for pid in spares)
