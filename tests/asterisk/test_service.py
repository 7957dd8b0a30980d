# SPDX-License-Identifier: MIT
"""The whole service on a real Asterisk: telephones call 3241000752 over SIP,
and what they and the simulated voice get is compared bit by bit."""

import re
import signal
import struct
import subprocess
import time

import pytest

from ari_app import AriApp
from rig import SAMPLES
from service_world import ABRUPT, OTHERS, others_things, samples
from softphones import Baresip, sipp
from tests.e2e.service import BUILD, WALLS
from tests.e2e.test_tools import calling, outputs
from tests.e2e.world import (GREETING, LONG, SHUTDOWN_GOODBYE, speech,
                             tone)

TRAFFIC = {"question": "¿Cuánto tráfico llevan las SFP?"}
SIGNAL = {"question": "¿Y la señal de la torre?"}


# A whole call

@pytest.mark.parametrize("codec, query_s", [("ulaw", 30), ("alaw", 8)])
def test_a_whole_call_with_two_slow_questions(world, codec, query_s):
    openai = world.openai.settings
    openai.one_way_ms, openai.first_audio_ms = 40, 400
    openai.ping_interval = .2
    world.mikrotik.answer("tráfico", "500 megas.", delay=query_s)
    world.mikrotik.answer("señal", "Buena.", delay=2)
    world.answers(
        "Simple.", LONG, "Dígame.",
        calling(TRAFFIC, preamble="Ya miro.", then="Llevan 500."),
        "Aquí sigo.", "Todavía.",
        calling(SIGNAL, preamble="A ver.", then="Es buena."))
    world.start()
    before = world.holdings()

    call = world.call(codec=codec).rings()
    call.up().hears(GREETING)
    assert call.heard() == [tone(GREETING, codec)]
    assert not call.phone.sip.event_ns("< 183")

    simple = call.asks("simple", "Simple.")
    call.heard_by_voice(simple)
    vad_ms = world.service.settings["VAD_SILENCE_MS"]
    own_ms = vad_ms + openai.first_audio_ms + 2 * openai.one_way_ms
    assert call.answered_after_ms(simple) - own_ms < 2000

    call.heard_by_voice(call.says("cuente"))
    call.begins_to_hear(LONG, ms=400)
    interruption = call.says("interrumpe", wait=False)
    call.hears("Dígame.")
    call.heard_by_voice(interruption)
    cut = call.heard()[2]
    assert tone(LONG, codec).startswith(cut) and cut != tone(LONG, codec)
    assert call.phone.recording.sound_after_ms(interruption.start_ns) < 1000
    assert call.heard()[3:] == [tone("Dígame.", codec)]

    asked = call.says("tráfico")
    world.until(lambda: world.mikrotik.in_flight, "the query")
    pings = len(call.session.pongs)
    call.hears("Ya miro.")
    call.heard_by_voice(call.asks("sigue ahí", "Aquí sigo."))
    call.heard_by_voice(call.asks("y ahora", "Todavía."))
    assert world.mikrotik.in_flight == 1
    call.hears("Llevan 500.", seconds=query_s + 20)
    assert time.monotonic_ns() - asked.end_ns > query_s * 1e9
    in_time(call.session.pongs[pings:], query_s / .2)

    call.asks("señal", "Es buena.")
    given = [" ".join(map(str, o.values())) for o in outputs(call)]
    assert ["500 megas." in given[0], "Buena." in given[1]] == [True, True]
    assert world.mikrotik.questions == [
        TRAFFIC["question"], SIGNAL["question"]]
    assert call.session.errors == []
    call.hangup().gone(why="caller gone")
    world.nothing_left(before)


def in_time(pongs, expected):
    """Every ping was answered within 100 ms; a machine that stalls for a
    moment stalls one."""
    assert len(pongs) > expected * .8
    late = [ms for ms in pongs if ms > 100]
    assert len(late) <= 1 and max(pongs) < 1000


# Who calls whom

def test_the_dialled_range_of_the_sample_has_its_persona(world):
    world.make()
    text = (world.folder / "personas/prueba.md").read_text()
    (world.folder / "personas/soporte.md").write_text(
        text.replace(f"greeting: {GREETING}", "greeting: Soporte."))
    world.service.start()
    world.ready()
    call = world.call(exten="3241000812").hears("Soporte.")
    call.wait_log(r"persona=soporte \(asked\)")
    call.hangup().gone()
    world.call(exten="+573241000752").hears(GREETING)


def test_a_caller_who_withholds_the_number_is_served(world):
    world.start()
    call = world.call(number="anonymous", name="Anonymous")
    call.hears(GREETING)
    assert any("oculto" in s.instructions for s in world.openai.sessions)


# Keys, hold, and callers who leave

def test_keys_are_heard_as_text(world):
    world.script(texts=[{"contains": "4 6 5 5", "reply": "Gracias."}])
    world.start()
    call = world.call().hears(GREETING)
    call.phone.dtmf("4655#")
    call.hears("Gracias.")
    texts = [part["text"]
             for event in call.session.received("conversation.item.create")
             for part in event["item"].get("content", ())]
    assert len([t for t in texts if "4 6 5 5" in t]) == 1


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
def test_hold_in_mid_word_leaves_the_call_healthy(world, direction):
    world.script(otherwise="Entendido.")
    world.start()
    call = world.call().hears(GREETING)
    word = call.says("una palabra larga", ms=1500, wait=False)
    world.until(lambda: word.audio[:3200] in call.session.input_audio,
                "half a word at the voice")
    call.phone.sip.hold(direction)
    call.wait_log("on hold")
    heard = len(call.session.input_audio)
    world.until(lambda: len(call.session.input_audio) > heard + 12000,
                "1.5 s that the voice was given during the hold")
    call.phone.sip.unhold()
    call.wait_log("off hold")
    word.wait()
    world.until(lambda: not call.session.active and len(
        call.session.sent("input_audio_buffer.speech_started")) == len(
        call.session.sent("input_audio_buffer.speech_stopped")),
        "all turns ended")
    call.heard_by_voice(call.asks("otra vez", "Entendido."))
    assert call.session.errors == []


def test_a_caller_who_gives_up_while_it_rings_leaves_nothing(world):
    # A step of the set-up that Asterisk gets just after the caller has gone.
    world.allow("ari request refused .*Channel not found")
    world.start()
    before = world.holdings()
    world.openai.settings.one_way_ms = 600
    call = world.call().rings()
    call.wait_log("NEW -> ASSIGNED")
    call.hangup()
    call.phone.wait_for("ended")
    assert call.phone.sip.end_reason.startswith("487")
    call.gone()
    world.openai.settings.one_way_ms = 1
    world.nothing_left(before)
    assert not world.service.find("answered setup_ms")


def test_a_caller_who_leaves_during_the_greeting_leaves_nothing(world):
    world.start()
    before = world.holdings()
    call = world.call()
    call.begins_to_hear(GREETING, ms=60)
    call.hangup().gone(why="caller gone")
    world.nothing_left(before)


def test_a_caller_who_leaves_during_a_query_leaves_nothing(world):
    world.mikrotik.answer("tráfico", "500 megas.", delay=60)
    world.answers(calling(TRAFFIC, preamble="Ya miro."))
    world.start()
    before = world.holdings()
    call = world.call().hears(GREETING)
    call.asks("tráfico", "Ya miro.")
    world.until(lambda: world.mikrotik.in_flight, "the query")
    call.hangup().gone(why="caller gone")
    world.until(lambda: world.mikrotik.aborted == 1, "the query cancelled")
    world.nothing_left(before)


# Asterisk in trouble

@pytest.mark.parametrize("kill", [False, True])
def test_a_restarted_asterisk_costs_the_call_and_nothing_else(world, kill):
    world.expect("ari connection lost, trying again")
    # It ends what it has in any order.
    world.allow("ari request (failed|refused)",
                'goes to the fallback why="(media channel|bridge) gone"')
    world.start()
    call = world.call().hears(GREETING)
    worker = call.worker
    mark = world.service.mark()
    world.rig.restart(kill)
    if not kill:
        call.phone.wait_for("ended")
    world.service.wait_log("ari listing -> up", since=mark)
    call.gone()
    world.service.wait_gone(worker)
    world.healthy()
    assert not world.made()


def test_a_frozen_asterisk_goes_on_where_it_was(world):
    world.ari.allowed += (ABRUPT, "websocket is not ready",
                          "Stasis app 'openai-app' not active")
    world.answers("Sigo aquí.")
    world.expect("ari connection lost, trying again")
    world.allow("ari request failed")
    world.start()
    call = world.call().hears(GREETING)
    mark = world.service.mark()
    world.rig.freeze()
    world.service.wait_log("ari connection lost", 30, since=mark)
    waiting = world.dial()      # its INVITE is in the kernel's queue
    time.sleep(14)              # 20 s all in all
    world.rig.thaw()
    world.service.wait_log("ari listing -> up", 30, since=mark)
    waiting.hears(GREETING).wait_log("answered setup_ms=")
    call.heard_by_voice(call.asks("sigue ahí", "Sigo aquí."))
    assert call.phone.state == waiting.phone.state == "up"


def test_a_taken_application_name_is_not_fought_for(world):
    world.ari.allowed.append(ABRUPT)
    world.answers("Sigo aquí.")
    world.expect("alarm=ari_application_replaced")
    world.start()
    call = world.call().hears(GREETING)
    with AriApp(world.rig) as other:
        world.service.wait_log("ari up -> replaced")
        call.asks("sigue ahí", "Sigo aquí.")
        lost = world.call().rings()
        other.wait("StasisStart")
        call.hangup().gone()
        world.service.wait_gone(call.worker)
        assert not world.made()
        assert not other.seen("ApplicationReplaced")
        lost.hangup()
        other.wait("StasisEnd", channel=lost.id)
        assert not world.service.find(f"call={lost.id} ")
        world.service.signal(signal.SIGHUP)
        other.wait("ApplicationReplaced")
        world.healthy()


# The fallback

# What the samples say in Spanish, from Asterisk's disk.
SORRY = (SAMPLES / "sounds/telefonista-sin-servicio.ulaw").read_bytes()
NO_VOICE = ("no voice session", "alarm=openai_", "goes to the fallback",
            r"callworker exited with status 4 \(voice service lost\)")


def test_without_openai_callers_go_to_people(world):
    world.openai.faults.always("handshake", "http", status=401)
    world.allow(*NO_VOICE)
    world.make().start()
    world.service.wait_log("alarm=openai_key")
    call = world.call().to_fallback(why="the API key is not accepted")
    call.ended()
    assert SORRY in call.phone.recording.payload()
    assert tone(GREETING) not in call.phone.recording.payload()


def test_without_a_fallback_the_caller_hears_a_sound_and_is_let_go(world):
    world.openai.faults.always("handshake", "http", status=503)
    world.allow(*NO_VOICE)
    world.make(FALLBACK_CONTEXT=None, ANSWER_TIMEOUT_MS=3000).start()
    world.service.wait_log("ari listing -> up")
    call = world.call()
    call.ended()
    assert call.phone.sip.end_reason == "BYE"
    assert SORRY in call.phone.recording.payload()


def test_the_check_hears_whether_the_sound_can_be_played(world):
    """Also beside a service that runs; and it leaves nothing behind."""
    world.ari.allowed += ["App telefonista-check not found",
                          "no-existe", "etc/passwd"]
    world.start(FALLBACK_CONTEXT=None)

    def check(**settings):
        world.service.write_config(**settings)
        return subprocess.run(
            [BUILD / "telefonista", "--config", world.service.config,
             "--check"], env={"PATH": "/usr/bin:/bin", **WALLS},
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=90, check=False).stdout

    report = check()
    assert "ok       Asterisk can play sound:telefonista-sin-servicio" in \
        report, report
    for missing in ("no-existe", "../../../etc/passwd"):
        report = check(FALLBACK_SOUND=f"sound:{missing}")
        assert re.search(rf"^error +FALLBACK_SOUND: Asterisk cannot play "
                         rf"sound:{missing}:", report, re.M), report
    assert not world.rig.bridges()
    world.rig.wait_idle()


def test_without_the_service_the_caller_rings_on_and_goes_to_people(world):
    world.start()
    world.healthy()
    assert world.service.stop() == 0
    call = world.call().rings().to_fallback()
    rang_ns = call.phone.sip.event_ns("< 200") - \
        call.phone.sip.event_ns("INVITE")
    assert rang_ns > 9e9


def test_a_service_that_starts_meanwhile_takes_the_ringing_call(world):
    world.make()
    call = world.call().rings()
    world.until(lambda: "STASISSTATUS" in world.rig.log or
                world.rig.log.count("doesn't exist") >= 2, "two tries")
    world.service.start()
    call.hears(GREETING)
    assert call.heard() == [tone(GREETING)]


# The operator ends a call, or all

def test_a_call_that_the_operator_ends_hears_a_goodbye(world):
    world.start(DRAIN_SECONDS=5)
    call = world.call().hears(GREETING)
    world.service.signal(signal.SIGTERM, call.worker)
    call.hears(SHUTDOWN_GOODBYE).ended(why="worker was told to end")
    assert call.phone.sip.end_reason == "BYE"
    last_ns = call.phone.recording.sounding()[-1].t_ns
    # The end of it may wait in a jitter buffer: a BYE would cut it.
    assert call.phone.sip.event_ns("< BYE") - last_ns > 200e6
    last = world.call().hears(GREETING)
    world.service.signal(signal.SIGTERM)
    last.hears(SHUTDOWN_GOODBYE).ended(why="service stops")
    assert last.heard() == [tone(GREETING), tone(SHUTDOWN_GOODBYE)]
    assert world.service.wait() == 0
    world.rig.wait_idle()


# Processes that die

def test_a_killed_callworker_takes_its_own_call_only(world):
    world.answers("Sigo aquí.")
    world.expect("callworker killed by signal 9", "worker lost how=",
                 "alarm=rescue", "goes to the fallback")
    world.start()
    other = world.call(codec="alaw").hears(GREETING)
    world.call().hears(GREETING).lost()
    other.heard_by_voice(other.asks("sigue ahí", "Sigo aquí."))
    assert other.heard() == [tone(GREETING, "alaw"),
                             tone("Sigo aquí.", "alaw")]
    world.healthy()


def test_no_call_notices_that_the_supervisor_was_killed(world):
    world.ari.allowed.append(ABRUPT)
    world.answers(LONG, "Después.")
    world.expect("supervisor ended by signal")
    world.start()
    call = world.call().hears(GREETING)
    call.says("algo largo")
    begun_ns = call.begins_to_hear(LONG)
    world.service.signal(signal.SIGKILL, world.supervisor)
    call.wait_log("NEW -> TALKING")
    call.hears(LONG)
    call.asks("y después", "Después.")
    assert call.heard() == [tone(GREETING), tone(LONG), tone("Después.")]
    assert call.gap_ms(begun_ns) < 100
    packets = call.phone.recording.packets
    assert len({(b.seq - a.seq) & 0xffff
                for a, b in zip(packets, packets[1:])}) == 1
    call.hangup().gone(why="caller gone")
    world.rig.wait_idle()
    world.healthy()


@pytest.mark.parametrize("world", [OTHERS], indirect=True, ids=["theirs"])
def test_what_others_made_is_left_alone(world):
    world.ari.allowed.append(ABRUPT)
    world.expect("callworker killed by signal 9", "supervisor ended by signal",
                 "goes to the fallback", "worker lost how=", "alarm=rescue")
    with others_things(world.rig) as gone:
        world.start()
        victim = world.call().hears(GREETING)
        call = world.call().hears(GREETING)
        victim.lost()
        world.service.signal(signal.SIGKILL, world.supervisor)
        call.wait_log("NEW -> TALKING")
        call.hangup().gone()
        world.healthy()
        assert world.service.stop() == 0
        world.until(lambda: not world.made(), "nothing of ours")
        assert gone() == set()


# Other people's telephones

def test_baresip_makes_a_call(world):
    world.answers(LONG)
    world.start()
    said = speech("baresip", ms=600)
    quiet = b"\0\0" * 8000
    with Baresip(world.rig, world.folder,
                 quiet + samples(said) + quiet * 20) as phone:
        phone.dial(world.rig.number)
        phone.wait("CALL_RINGING")
        phone.wait("CALL_ESTABLISHED")
        world.until(lambda: loudest(phone.heard()) > 4000, "the greeting")
        session = world.until(
            lambda: [s for s in world.openai.sessions
                     if "+573001234655" in s.instructions], "a session")[0]
        world.until(lambda: said in session.input_audio, "speech at the voice")
        heard = len(phone.heard())
        world.until(lambda: loudest(phone.heard()[heard:]) > 4000,
                    "the answer")
        phone.hangup()
        phone.wait("CALL_CLOSED")
    world.rig.wait_idle()
    world.service.wait_log("ENDING -> ENDED")


def loudest(samples_):
    return max((abs(v) for v, in struct.iter_unpack("<h", samples_)),
               default=0)


def test_sipp_makes_ten_calls_at_once(world):
    world.start(MAX_CALLS=10)
    before = world.holdings()
    assert sipp(world.rig, world.folder, calls=10, at_once=10,
                talk_ms=2000) == (10, 0)
    world.until(lambda: world.service.count("ENDING -> ENDED") == 10,
                "ten calls ended")
    assert world.service.count("answered setup_ms=") == 10
    assert world.service.count("greeting ready") == 10
    world.nothing_left(before)
