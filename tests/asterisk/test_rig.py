# SPDX-License-Identifier: MIT
"""What the real Asterisk does with the samples of etc/asterisk, and whether
the rig and its telephones can be trusted to show it.

Telefonista itself is not in here: a small ARI client takes its part, so that
a failure here is one of the samples, the rig or Asterisk.
"""

import contextlib
import math
import os
import random
import re
import struct
import subprocess
import sys
import threading
import time
import urllib.error

import pytest

from ari_app import AriApp
from rig import HERE, SAMPLES, AsteriskRig, moh_audio
from sip_phone import EVENT_PT, RtpStream
from softphones import Baresip, sipp

CODECS = ("ulaw", "alaw")


@pytest.fixture(scope="module")
def ast(asterisk_chroot, tmp_path_factory):
    with AsteriskRig(tmp_path_factory.mktemp("asterisk")) as rig:
        yield rig


@pytest.fixture
def app(ast):
    with AriApp(ast) as connected:
        yield connected
    ast.wait_idle()


class Call:
    """A telephone's call in the application, bridged with external media."""

    def __init__(self, ast, app, codec):
        self.ast, self.app, self.codec = ast, app, codec
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        self.phone = self.stack.enter_context(self.ast.phone(self.codec))
        self.media = RtpStream(self.codec)
        self.stack.callback(self.media.close)
        first = len(self.app.events)
        self.phone.call(self.ast.number, name="Ana María")
        self.start = self.app.wait("StasisStart", start=first)
        self.id = self.start["channel"]["id"]
        self.media_id, self.bridge = "m-" + self.id, "b-" + self.id
        made = self.ast.ari(
            "POST", "channels/externalMedia", app=self.app.app,
            external_host="127.0.0.1:%d" % self.media.port,
            format=self.codec, channelId=self.media_id)
        variables = made["channelvars"]
        self.media.set_peer((variables["UNICASTRTP_LOCAL_ADDRESS"],
                             int(variables["UNICASTRTP_LOCAL_PORT"])))
        self.app.wait("StasisStart", channel=self.media_id)
        self.ast.ari("POST", "bridges", type="mixing", bridgeId=self.bridge)
        self.ast.ari("POST", "bridges/%s/addChannel" % self.bridge,
                     channel=self.media_id + "," + self.id)
        return self

    def __exit__(self, *_):
        self.stack.close()
        for path in ("channels/" + self.id, "channels/" + self.media_id,
                     "bridges/" + self.bridge):
            with contextlib.suppress(urllib.error.HTTPError):
                self.ast.ari("DELETE", path)

    def answer(self):
        self.ast.ari("POST", "channels/%s/answer" % self.id)
        self.phone.wait_answered()
        self.media.sending = True
        self.media.wait(lambda: self.media.received, what="caller's audio")
        return self


def audio(seconds=0.5):
    return random.randbytes(int(8000 * seconds) // 160 * 160)


def gaps(packets, longer_than_ms=100):
    """(seq step, timestamp step) wherever the sender was silent for so long,
    by the timestamps: a busy machine makes no gap in those."""
    steps = [((b.seq - a.seq) & 0xffff, (b.ts - a.ts) & 0xffffffff)
             for a, b in zip(packets, packets[1:])]
    return [(seq, ts) for seq, ts in steps if ts > 8 * longer_than_ms]


# -- the samples

def test_the_samples_load_without_a_complaint(asterisk):
    end = time.monotonic() + 20     # ARI answers before all is loaded
    while "Asterisk Ready" not in asterisk.log:
        assert time.monotonic() < end, asterisk.log_tail()
        time.sleep(0.1)
    assert [line for line in asterisk.log.splitlines()
            if re.search(r"WARNING|ERROR", line)
            and "users.conf is deprecated" not in line] == []


def test_every_module_of_the_sample_is_running(ast):
    listed = re.findall(r"^load = (\S+\.so)",
                        (SAMPLES / "modules.conf").read_text(), re.M)
    assert "chan_rtp.so" in listed
    for module in listed:
        assert ast.ari("GET", "asterisk/modules/" + module)[
            "status"] == "Running", module


def test_the_password_is_not_in_the_process_list(ast):
    with open("/proc/%d/cmdline" % ast.process.pid, "rb") as file:
        assert ast.ari_password.encode() not in file.read()
    with pytest.raises(urllib.error.HTTPError) as refused:
        wrong = AsteriskRig.__new__(AsteriskRig)
        wrong.ari_port, wrong.ari_password = ast.ari_port, "CHANGE-ME"
        wrong.ari("GET", "asterisk/info")
    assert refused.value.code == 401


# -- the dialplan

def test_without_the_application_the_caller_gets_to_people(ast):
    before = ast.log.count("Stasis app 'openai-app' doesn't exist")
    with ast.phone() as phone:
        phone.call(ast.number)
        phone.wait_ringing()
        phone.wait_answered(30)
        rang = (phone.event_ns("< 200") - phone.event_ns("INVITE")) / 1e9
        assert rang > 9.5
        phone.wait_received(lambda packets: len(packets) > 50)
        phone.wait_ended(30)
        assert phone.end_reason == "BYE"
    tries = ast.log.count("Stasis app 'openai-app' doesn't exist") - before
    assert tries == 11
    assert "Playing 'telefonista-sin-servicio" in ast.log


def test_an_application_that_comes_back_gets_the_waiting_caller(ast):
    with ast.phone() as phone:
        phone.call(ast.number)
        phone.wait_ringing()
        with AriApp(ast) as app:
            start = app.wait("StasisStart", 10)
            assert start["channel"]["state"] == "Ring"
            phone.hangup()
            app.wait("StasisEnd")
            phone.wait_ended()
            assert phone.end_reason.startswith("487")
    ast.wait_idle()


@pytest.mark.parametrize("dialled, number, args", [
    ("3241000752", "3241000752", []),
    ("573241000752", "3241000752", []),
    ("+573241000752", "3241000752", []),
    ("3241000842", "3241000842", ["persona=soporte"]),
])
def test_the_sample_numbers(ast, app, dialled, number, args):
    with ast.phone() as phone:
        phone.call(dialled, caller="3001234655", name="José Núñez")
        start = app.wait("StasisStart")
        assert start["args"] == args
        assert start["channel"]["dialplan"]["exten"] == number
        assert start["channel"]["caller"] == {"name": "José Núñez",
                                              "number": "3001234655"}
        phone.hangup()
        phone.wait_ended()


def test_another_number_is_refused(ast):
    with ast.phone() as phone:
        phone.call("5550000")
        phone.wait_ended()
        assert phone.end_reason.startswith("404")


def test_the_application_can_send_the_caller_to_people(ast, app):
    with ast.phone() as phone:
        phone.call(ast.number)
        channel = app.wait("StasisStart")["channel"]["id"]
        ast.ari("POST", "channels/%s/continue" % channel,
                context="telefonista-fallback", extension=ast.number,
                priority=1)
        phone.wait_answered()
        phone.wait_received(lambda packets: len(packets) > 10)


def test_after_the_conversation_the_dialplan_hangs_up(ast, app):
    with Call(ast, app, "ulaw") as call:
        call.answer()
        ast.ari("POST", "channels/%s/continue" % call.id)
        call.phone.wait_ended()
        assert call.phone.end_reason == "BYE"


# -- codecs and the way of the audio

@pytest.mark.parametrize("codec", CODECS)
def test_the_channel_knows_its_codec_before_the_answer(ast, app, codec):
    with ast.phone(codec) as phone:
        phone.call(ast.number)
        channel = app.wait("StasisStart")["channel"]["id"]
        for variable, value in (("audioreadformat", codec),
                                ("audionativeformat", "(%s)" % codec)):
            assert ast.ari("GET", "channels/%s/variable" % channel,
                           variable="CHANNEL(%s)" % variable) == {
                "value": value}


@pytest.mark.parametrize("offer", [CODECS, CODECS[::-1]])
def test_of_two_codecs_offered_one_is_agreed_on(ast, app, offer):
    with ast.phone(offer=offer) as phone:
        phone.call(ast.number)
        channel = app.wait("StasisStart")["channel"]["id"]
        assert ast.ari("GET", "channels/%s/variable" % channel,
                       variable="CHANNEL(audionativeformat)") == {
            "value": "(ulaw)"}  # the first "allow" of the sample
        ast.ari("POST", "channels/%s/answer" % channel)
        phone.wait_answered()
        phone.rtp.wait(lambda: phone.rtp.sent)
        assert {packet.pt for packet in phone.sent} == {0}


@pytest.mark.parametrize("codec", CODECS)
def test_audio_passes_bit_exact_both_ways(ast, app, codec):
    up, down = audio(), audio()
    with Call(ast, app, codec) as call:
        call.answer()
        call.media.queue_audio(down)
        call.phone.play(up)
        call.media.wait(lambda: up in call.media.audio(), what="same bytes")
        call.phone.wait_received(
            lambda _: down in call.phone.received_audio(), what="same bytes")
        assert {p.pt for p in call.media.received} == {call.phone.rtp.pt}


@pytest.mark.parametrize("ptime_ms", [10, 30, 60])
def test_packets_keep_the_length_of_the_caller_s(ast, app, ptime_ms):
    up = random.randbytes(4800)
    with Call(ast, app, "alaw") as call:
        call.phone.rtp.frame = 8 * ptime_ms
        call.phone.rtp.ptime_ns = ptime_ms * 1_000_000
        call.answer()
        first = len(call.media.received)
        call.phone.play(up)
        call.media.wait(lambda: up in call.media.audio(first))
        assert {len(p.payload) for p in call.media.received[first:]} == {
            8 * ptime_ms}


def test_nothing_is_heard_before_the_answer_and_all_of_it_after(ast, app):
    early, greeting = audio(0.2), audio(1)
    with Call(ast, app, "ulaw") as call:
        call.media.sending = True
        call.media.queue_audio(early)
        call.media.wait(call.media.idle)
        assert call.phone.state == "ringing"
        assert not call.phone.event_ns("< 183")
        ast.ari("POST", "channels/%s/answer" % call.id)
        call.media.queue_audio(greeting)
        call.phone.wait_received(
            lambda _: greeting in call.phone.received_audio())
        assert early[:160] not in call.phone.received_audio()


def test_lost_packets_show_through(ast, app):
    with Call(ast, app, "ulaw") as call:
        call.answer()
        first = len(call.media.received)
        with call.phone.rtp.changed:
            call.phone.rtp._seq = (call.phone.rtp._seq + 3) & 0xffff
            call.phone.rtp._ts += 3 * 160
        call.media.wait(lambda: len(call.media.received) > first + 10)
        packets = call.media.received[first - 1:]
        steps = {((b.seq - a.seq) & 0xffff, b.ts - a.ts)
                 for a, b in zip(packets, packets[1:])}
        assert steps == {(1, 160), (4, 640)}


def test_twenty_telephones_at_once(ast, app):
    with contextlib.ExitStack() as stack:
        calls = [stack.enter_context(Call(ast, app, CODECS[i % 2]))
                 for i in range(20)]
        said = [audio(1) for _ in calls]
        for call, up in zip(calls, said):
            call.answer()
            call.phone.play(up, wait=False)
        for call, up in zip(calls, said):
            call.media.wait(lambda c=call, u=up: u in c.media.audio(), 20)


# -- what callers do

@pytest.mark.parametrize("codec", CODECS)
def test_keys_become_events_and_leave_a_gap_in_the_audio(ast, app, codec):
    with Call(ast, app, codec) as call:
        call.answer()
        first = len(call.media.received)
        seen = len(app.events)
        call.phone.dtmf("12#")
        app.wait("ChannelDtmfReceived", start=seen, digit="#")
        digits = [e["digit"] for e in app.seen("ChannelDtmfReceived")]
        assert "".join(digits)[-3:] == "12#"
        call.media.wait(lambda: len(call.media.received) > first + 20)
        assert EVENT_PT not in {p.pt for p in call.media.received}
        assert len(gaps(call.media.received[first - 1:])) == 3
        assert {p.payload[0] for p in call.phone.sent
                if p.pt == EVENT_PT} == {1, 2, 11}


def test_hold_is_an_event_and_a_gap(ast, app):
    with Call(ast, app, "ulaw") as call:
        call.answer()
        first = len(call.media.received)
        call.phone.hold("inactive")
        app.wait("ChannelHold", channel=call.id)
        time.sleep(0.5)  # the length of the hold
        call.phone.unhold()
        app.wait("ChannelUnhold", channel=call.id)
        word = audio(0.1)
        call.phone.play(word)
        call.media.wait(lambda: word in call.media.audio())
        (seq, ts), = gaps(call.media.received[first - 1:], 400)
        assert seq == 1
        assert ts >= 0.4 * 8000


def test_hold_with_music_brings_none_of_asterisk_s_own(ast, app):
    music = moh_audio()[:160]
    assert "Directory:" in ast.cli("moh show classes")
    with Call(ast, app, "ulaw") as call:
        call.answer()
        call.phone.hold("sendonly")
        app.wait("ChannelHold", channel=call.id)
        first = len(call.media.received)
        call.media.wait(lambda: len(call.media.received) > first + 25)
        call.phone.unhold()
        for packets in (call.media.received, call.phone.received):
            assert not any(music[:64] in p.payload for p in packets)


def test_the_caller_hangs_up(ast, app):
    with Call(ast, app, "ulaw") as call:
        call.answer()
        call.phone.hangup()
        app.wait("ChannelHangupRequest", channel=call.id)
        app.wait("StasisEnd", channel=call.id)
        # The media channel and the bridge are the application's to remove.
        assert [c["id"] for c in ast.channels()] == [call.media_id]
    ast.wait_idle()


def test_the_application_hangs_up(ast, app):
    with Call(ast, app, "alaw") as call:
        call.answer()
        ast.ari("DELETE", "channels/" + call.id)
        call.phone.wait_ended()
        assert call.phone.end_reason == "BYE"
        app.wait("StasisEnd", channel=call.id)
    ast.wait_idle()


def test_the_caller_gives_up_while_it_rings(ast, app):
    with Call(ast, app, "ulaw") as call:
        call.phone.hangup()
        call.phone.wait_ended()
        assert call.phone.end_reason.startswith("487")
        app.wait("StasisEnd", channel=call.id)
    ast.wait_idle()


# -- Asterisk in trouble

def test_a_frozen_asterisk_goes_on_where_it_was(asterisk):
    with AriApp(asterisk) as app, Call(asterisk, app, "ulaw") as call:
        call.answer()
        asterisk.freeze()
        call.phone.play(audio(0.3))
        heard = len(call.media.received)
        asterisk.thaw()
        call.media.wait(lambda: len(call.media.received) > heard + 10)
        assert call.phone.state == "answered"


@pytest.mark.parametrize("kill", [False, True])
def test_a_restarted_asterisk_takes_calls_again(asterisk, kill):
    with AriApp(asterisk) as app, Call(asterisk, app, "ulaw") as call:
        call.answer()
        old = asterisk.process.pid
        asterisk.restart(kill)
        assert asterisk.process.pid != old
        assert asterisk.channels() == []
        if not kill:
            call.phone.wait_ended()
    with AriApp(asterisk) as app, Call(asterisk, app, "ulaw") as call:
        call.answer()


def test_another_application_name(asterisk_chroot, tmp_path):
    with AsteriskRig(tmp_path, app="voz-2") as rig, AriApp(rig) as app:
        with rig.phone() as phone:
            phone.call(rig.number)
            assert app.wait("StasisStart")["application"] == "voz-2"
    assert "Asterisk Ready" in rig.log  # kept after the end
    assert not rig.instance.exists()


# -- other people's telephones

def sine(seconds, hertz=440, level=12000):
    return b"".join(struct.pack("<h", int(level * math.sin(
        2 * math.pi * hertz * i / 8000))) for i in range(8000 * seconds))


def loudness(samples):
    """Root mean square of little-endian 16-bit samples."""
    values = struct.unpack("<%dh" % (len(samples) // 2), samples)
    return math.sqrt(sum(v * v for v in values) / max(1, len(values)))


@pytest.mark.parametrize("codec", CODECS)
def test_baresip_speaks_and_hears(asterisk_chroot, tmp_path, codec):
    echo = "[telefonista]\nexten => 90,1,Answer()\n same => n,Echo()\n"
    with AsteriskRig(tmp_path, dialplan=echo) as rig:
        with Baresip(rig, tmp_path, sine(20), codec) as phone:
            phone.dial("90")
            phone.wait("CALL_ESTABLISHED")
            end = time.monotonic() + 15
            while len(phone.heard()) < 16000 and time.monotonic() < end:
                time.sleep(0.1)  # a file grows; there is no event for it
            phone.hangup()
            phone.wait("CALL_CLOSED")
            rig.wait_idle()
        heard = phone.heard()
        assert len(heard) >= 16000
        assert loudness(heard[8000:16000]) > 4000


def test_baresip_hears_ringing_from_the_sample_dialplan(ast, app, tmp_path):
    with Baresip(ast, tmp_path, sine(20)) as phone:
        phone.dial(ast.number)
        phone.wait("CALL_RINGING")
        channel = app.wait("StasisStart")["channel"]["id"]
        ast.ari("POST", "channels/%s/answer" % channel)
        phone.wait("CALL_ESTABLISHED")
        ast.ari("DELETE", "channels/" + channel)
        phone.wait("CALL_CLOSED")


def test_sipp_places_calls_and_counts_them(asterisk_chroot, tmp_path):
    echo = "[telefonista]\nexten => 90,1,Answer()\n same => n,Echo()\n"
    with AsteriskRig(tmp_path, dialplan=echo) as rig:
        assert sipp(rig, tmp_path, calls=4, at_once=2, talk_ms=500,
                    number="90") == (4, 0)
        assert sipp(rig, tmp_path, number="5550000") == (0, 1)
        rig.wait_idle()


def test_sipp_s_audio_arrives_as_it_is_in_the_file(ast, app, tmp_path):
    speech = audio(1)
    with RtpStream("ulaw") as media, sipp_in_background(
            ast, tmp_path, speech) as result:
        channel = app.wait("StasisStart")["channel"]["id"]
        ast.ari("POST", "channels/externalMedia", app=app.app, format="ulaw",
                external_host="127.0.0.1:%d" % media.port, channelId="m-sipp")
        app.wait("StasisStart", channel="m-sipp")
        ast.ari("POST", "bridges", type="mixing", bridgeId="b-sipp")
        ast.ari("POST", "bridges/b-sipp/addChannel",
                channel="m-sipp," + channel)
        ast.ari("POST", "channels/%s/answer" % channel)
        app.wait("StasisEnd", channel=channel, timeout=20)
        ast.ari("DELETE", "channels/m-sipp")
        ast.ari("DELETE", "bridges/b-sipp")
        assert speech in media.audio()
    assert result == [(1, 0)]


@contextlib.contextmanager
def sipp_in_background(rig, tmp_path, speech):
    result = []
    thread = threading.Thread(target=lambda: result.append(
        sipp(rig, tmp_path, talk_ms=2500, audio=speech)))
    thread.start()
    try:
        yield result
    finally:
        thread.join()


# -- build-chroot.sh

def build(*args, **env):
    return subprocess.run([str(HERE / "build-chroot.sh"), *args], text=True,
                          capture_output=True, env={**os.environ, **env})


def test_a_finished_chroot_is_left_alone(asterisk_chroot):
    run = build(str(asterisk_chroot))
    assert run.returncode == 0
    assert "ready: Asterisk 2" in run.stderr


def test_unreachable_packages_are_said_in_plain_words(asterisk_chroot,
                                                      tmp_path):
    fake = tmp_path / "bin" / "debootstrap"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho E: Failed getting release file\nexit 1\n")
    fake.chmod(0o755)
    run = build(PATH="%s:%s" % (fake.parent, os.environ["PATH"]),
                TELEFONISTA_ASTERISK_DIR=str(tmp_path / "chroot"))
    assert run.returncode == 69
    assert "Failed getting release file" in run.stderr
    assert run.stderr.splitlines()[-1].startswith(
        "asterisk chroot: debootstrap could not fetch")
    assert not (tmp_path / "chroot.partial").exists()


def test_who_is_not_root_is_told_so(asterisk_chroot):
    # From stdin: the other user may not be able to read this directory.
    run = subprocess.run(
        ["setpriv", "--reuid", "65534", "--clear-groups", "sh", "-s",
         "/nonexistent/chroot"], text=True, capture_output=True, cwd="/",
        input=(HERE / "build-chroot.sh").read_text())
    assert run.returncode == 77
    assert "must be built as root" in run.stderr


def test_tests_that_could_not_run_are_not_a_success(asterisk_chroot,
                                                    tmp_path):
    for name, text in (
            ("conftest.py", "import sys\nsys.path[:0] = [%r, %r]\n"
             "from pytest_asterisk import *\n" % (
                 str(HERE), str(HERE.parent.parent))),
            ("test_two.py", "def test_a(asterisk): pass\n"
             "def test_b(asterisk): pass\n"
             "def test_c(): pass\n")):
        (tmp_path / name).write_text(text)
    (tmp_path / "debootstrap").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "debootstrap").chmod(0o755)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         str(tmp_path)], text=True, capture_output=True, cwd=tmp_path,
        env={**os.environ, "PATH": "%s:%s" % (tmp_path, os.environ["PATH"]),
             "TELEFONISTA_ASTERISK_DIR": str(tmp_path / "chroot")})
    assert "Asterisk could not be built: debootstrap could not" in run.stdout
    assert "; 2 tests NOT run" in run.stdout
    assert "1 passed, 2 skipped" in run.stdout
    assert run.returncode == 69


def test_wrong_usage():
    assert build("--nonsense").returncode == 2
    assert build("a", "b").returncode == 2
