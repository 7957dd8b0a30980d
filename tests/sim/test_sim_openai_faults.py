# SPDX-License-Identifier: MIT
"""Tests of the simulated Realtime service: faults, transport, process."""

import asyncio
import json
import signal
import ssl
import struct
import subprocess
import sys
import time
import urllib.request

import pytest
import websockets

from . import base, openai_faults
from . import openai_voice as voice
from .openai_realtime import OpenAISim
from .sim_client import FAST, Client, asynchronous
from .trickle import Trickle

GREETING = {"greeting": "Buenas tardes, dígame qué necesita usted hoy."}


# The handshake

@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
@asynchronous
async def test_refused_upgrade(status):
    async with OpenAISim(**FAST) as sim:
        sim.faults.next("handshake", "http", status=status)
        with pytest.raises(websockets.InvalidHandshake) as refused:
            async with Client(sim):
                pass
        assert str(status) in str(refused.value)
        async with Client(sim) as client:       # only that one
            await client.expect("session.created")
        assert [what for _, what in sim.handshakes] == ["http", 101]


@pytest.mark.parametrize("kind", ["black_hole", "garbage", "drop"])
@asynchronous
async def test_no_answer_to_the_upgrade(kind):
    async with OpenAISim(**FAST) as sim:
        sim.faults.always("handshake", kind)
        with pytest.raises((asyncio.TimeoutError, websockets.InvalidHandshake,
                            OSError, EOFError)):
            async with Client(sim, open_timeout=0.5):
                pass
        sim.faults.clear()
        async with Client(sim) as client:
            await client.expect("session.created")


@asynchronous
async def test_slow_upgrade():
    async with OpenAISim(**FAST) as sim:
        sim.faults.next("handshake", "slow", seconds=0.4)
        start = time.monotonic()
        async with Client(sim) as client:
            assert time.monotonic() - start >= 0.4
            await client.expect("session.created")


@asynchronous
async def test_accepted_and_then_silence():
    async with OpenAISim(**FAST) as sim:
        sim.faults.next("handshake", "silence")
        async with Client(sim, ping_interval=None, close_timeout=0.2) as client:
            await client.send("response.create")
            with pytest.raises(asyncio.TimeoutError):
                await client.next(timeout=0.3)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(await client.socket.ping(), 0.3)
        assert sim.sessions[0].events_in == []


@pytest.mark.parametrize("kind", ["insufficient_quota", "invalid_api_key"])
@asynchronous
async def test_account_errors_after_the_upgrade(kind):
    async with OpenAISim(**FAST) as sim:
        sim.faults.next("handshake", kind)
        async with Client(sim) as client:
            code, _ = await client.closed()
        assert code == 4000
        assert client.events[0]["error"]["code"] == kind


@asynchronous
async def test_connection_refused_and_accepted_again():
    async with OpenAISim(**FAST) as sim:
        async with Client(sim) as client:
            sim.refuse_tcp()
            with pytest.raises(ConnectionRefusedError):
                async with Client(sim):
                    pass
            await client.expect("session.created")      # the old one lives
        await sim.listen()
        async with Client(sim) as client:
            await client.expect("session.created")


@pytest.mark.parametrize("kind, reason", [
    ("wrong_host", "mismatch"), ("expired", "expired"),
    ("untrusted", "unable to get local issuer")])
@asynchronous
async def test_bad_certificates(kind, reason):
    async with OpenAISim(**FAST) as sim:
        sim.faults.certificate = kind
        with pytest.raises(ssl.SSLCertVerificationError, match=reason):
            async with Client(sim):
                pass
        sim.faults.clear()
        async with Client(sim) as client:
            await client.expect("session.created")


# Pings and latency

@asynchronous
async def test_pings_are_sent_and_measured():
    async with OpenAISim(**{**FAST, "ping_interval": 0.1}) as sim, \
            Client(sim) as client:
        await client.expect("session.created")
        session = sim.sessions[0]
        await sim.wait_until(lambda: len(session.pongs) >= 2)
        sim.inject("ping", payload=b"mine")
        await sim.wait_until(lambda: len(session.pongs) >= 3)
        assert all(0 < ms < 5000 for ms in session.pongs)
        await asyncio.wait_for(await client.socket.ping(), 5)
        assert session.connection.pings_in == 1


@asynchronous
async def test_missing_pong_closes_with_1011():
    settings = {**FAST, "ping_interval": 0.1, "ping_timeout": 0.3}
    async with OpenAISim(**settings) as sim:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", sim.port, ssl=sim.authority.client_context(),
            server_hostname="localhost")
        writer.write((
            "GET /v1/realtime?model=gpt-realtime-2.1 HTTP/1.1\r\n"
            "Host: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Authorization: Bearer {sim.api_key}\r\n\r\n").encode())
        received = b""
        text = struct.pack("!H", 1011) + b"keepalive ping timeout"
        while text not in received:
            received += await asyncio.wait_for(reader.read(4096), 10)
        assert received.startswith(b"HTTP/1.1 101 ")
        writer.close()


@asynchronous
async def test_default_latency_is_that_of_a_real_network():
    async with OpenAISim(GREETING, voice="tone") as sim:
        start = time.monotonic()
        async with Client(sim) as client:
            await client.expect("session.created")
            assert time.monotonic() - start >= 0.120    # upgrade, first event
            start = time.monotonic()
            await client.send("response.create")
            await client.expect("response.created")
            assert time.monotonic() - start >= 0.080
            await client.expect("response.output_audio.delta")
            assert time.monotonic() - start >= 0.480


# On a live session

@pytest.mark.parametrize("code", [1000, 1001, 1011])
@asynchronous
async def test_close_codes(code):
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        await client.expect("session.created")
        sim.inject("close", code=code, reason="ya")
        assert await client.closed() == (code, "ya")
        await sim.wait_until(lambda: not sim.live)


@pytest.mark.parametrize("kind", ["reset", "drop"])
@asynchronous
async def test_cut_without_a_close_frame(kind):
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        await client.expect("session.created")
        sim.inject(kind)
        code, _ = await client.closed()
        assert code in (None, 1006)
        await sim.wait_until(lambda: not sim.live)


@asynchronous
async def test_half_open():
    async with OpenAISim(**FAST) as sim:
        async with Client(sim, close_timeout=0.2) as client:
            await client.expect("session.created")
            sim.inject("half_open")
            await client.send("response.create")
            with pytest.raises(asyncio.TimeoutError):
                await client.next(timeout=0.3)
            assert client.socket.close_code is None
        assert sim.sessions[0].responses == []


@asynchronous
async def test_expiry_by_command_and_by_itself():
    async with OpenAISim(**{**FAST, "session_seconds": 1}) as sim, \
            Client(sim) as client:
        code, reason = await client.closed()
        assert (code, reason) == (
            1001, "Your session hit the maximum duration of 60 minutes.")
        assert client.events[-1]["error"]["code"] == "session_expired"
        assert client.events[0]["session"]["expires_at"] <= time.time() + 1
        sim.settings.session_seconds = 3600
        async with Client(sim) as again:
            await again.expect("session.created")
            sim.inject("expire", announce=False)
            assert (await again.closed())[0] == 1001
            assert again.kinds() == ["session.created"]


@asynchronous
async def test_quota_in_mid_session():
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        await client.expect("session.created")
        sim.inject("quota")
        assert (await client.closed())[0] == 4000
        assert client.events[-1]["error"]["code"] == "insufficient_quota"


@pytest.mark.parametrize("code", list(openai_faults.ERRORS))
@asynchronous
async def test_every_named_error_can_be_sent(code):
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        await client.expect("session.created")
        sim.inject("error", code=code)
        assert (await client.expect("error"))["error"]["code"] == code


@pytest.mark.parametrize("kind, arguments, check", [
    ("malformed", {}, lambda m: m.endswith("}") and not parses(m)),
    ("truncated_json", {}, lambda m: m.startswith("{") and not parses(m)),
    ("not_an_object", {}, lambda m: m == "[]"),
    ("wrong_types", {}, lambda m: json.loads(m)["delta"] == 7),
    ("oversized", {"megabytes": 20}, lambda m: len(m) > 20 << 20),
    ("deep", {"levels": 50_000}, lambda m: m.count("[") == 50_000),
    ("binary", {}, lambda m: isinstance(m, bytes) and len(m) == 160),
    ("fragmented", {}, lambda m: "ñandú" in json.loads(m)["error"]["message"]),
    ("unknown_event", {}, lambda m: "telepathy" in json.loads(m)["type"]),
    ("event", {"event": {"type": "x.y", "n": 1}},
     lambda m: json.loads(m)["n"] == 1),
])
@asynchronous
async def test_odd_messages(kind, arguments, check):
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        await client.expect("session.created")
        sim.inject(kind, **arguments)
        assert check(await asyncio.wait_for(client.socket.recv(), 10))
        await client.send("input_audio_buffer.clear")   # and life goes on
        while kind in ("not_an_object", "wrong_types"):
            message = await asyncio.wait_for(client.socket.recv(), 5)
            if "buffer.cleared" in message:
                break
        else:
            await client.expect("input_audio_buffer.cleared")


def parses(message):
    try:
        json.loads(message)
        return True
    except ValueError:
        return False


@pytest.mark.parametrize("kind", ["bad_frame", "invalid_utf8"])
@asynchronous
async def test_broken_frames_make_the_client_fail_the_connection(kind):
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        await client.expect("session.created")
        sim.inject(kind)
        code, _ = await client.closed()
        assert code in (1002, 1007, 1006)


@asynchronous
async def test_unknown_fields_and_nulls_everywhere():
    async with OpenAISim(**FAST) as sim:
        sim.faults.extra_fields = sim.faults.nulls = True
        async with Client(sim) as client:
            created = await client.expect("session.created")
            assert created["x_new"]["deep"] and created["x_flag"]
            assert created["session"]["audio"]["input"]["x_flag"]
            assert created["session"]["truncation"] is None
            await client.send("response.create")
            done = await client.expect("response.done")
            assert done["response"]["x_flag"]
        assert sim.violations == []


# In a response

@pytest.mark.parametrize("fault, status, reason, error", [
    ({"kind": "failed", "code": "rate_limit_exceeded"}, "failed", None,
     "rate_limit_exceeded"),
    ({"kind": "failed", "code": "server_error", "after_ms": 500}, "failed",
     None, "server_error"),
    ({"kind": "incomplete", "reason": "content_filter", "after_ms": 300},
     "incomplete", "content_filter", None),
    ({"kind": "incomplete"}, "incomplete", "max_output_tokens", None),
    ({"kind": "empty"}, "completed", None, None),
])
@asynchronous
async def test_responses_that_end_badly(fault, status, reason, error):
    async with OpenAISim(GREETING, **FAST) as sim, Client(sim) as client:
        sim.faults.next("response", **fault)
        await client.send("response.create")
        done = (await client.expect("response.done"))["response"]
        details = done["status_details"] or {}
        assert done["status"] == status
        assert details.get("reason") == reason
        assert details.get("error", {}).get("code") == error
        await client.send("response.create")        # the next is well
        done = (await client.expect("response.done"))["response"]
        assert done["status"] == "completed" and done["output"]


@pytest.mark.parametrize("kind, audio", [("no_audio", False),
                                         ("never_ends", True)])
@asynchronous
async def test_responses_that_do_not_end(kind, audio):
    async with OpenAISim(GREETING, **FAST) as sim, Client(sim) as client:
        sim.faults.next("response", kind)
        await client.send("response.create")
        with pytest.raises(asyncio.TimeoutError):
            await client.expect("response.done", timeout=0.5)
        assert bool(client.audio()) == audio
        await client.send("response.cancel")
        done = (await client.expect("response.done"))["response"]
        assert done["status"] == "cancelled"


@asynchronous
async def test_stalling_audio_goes_on():
    async with OpenAISim(GREETING, **FAST) as sim, Client(sim) as client:
        sim.faults.next("response", "stall", after_ms=600, seconds=0.5)
        await client.send("response.create")
        await client.expect("response.created")
        with pytest.raises(asyncio.TimeoutError):
            await client.expect("response.done", timeout=0.3)
        await client.expect("response.done")
        assert client.audio() == voice.tone(GREETING["greeting"], voice.PCM)


@asynchronous
async def test_stray_deltas_and_repeated_done_events():
    async with OpenAISim(GREETING, **FAST) as sim, Client(sim) as client:
        for kind in ("unknown_item_delta", "bad_base64", "duplicate_done"):
            sim.faults.next("response", kind)
            await client.send("response.create")
            done = await client.expect("response.done")
        assert await client.expect("response.done") == done
        announced = {e["item"]["id"] for e in client.events
                     if e["type"] == "response.output_item.added"}
        deltas = [e for e in client.events
                  if e["type"] == "response.output_audio.delta"]
        strangers = [d for d in deltas if d["item_id"] not in announced]
        assert len(strangers) == 1
        assert sum("%" in d["delta"] for d in deltas) == 1


@asynchronous
async def test_failed_transcription():
    async with OpenAISim(**FAST) as sim, Client(sim) as client:
        await client.configure(vad=False)
        sim.faults.next("transcription", "failed")
        await client.append(b"\x20" * 1600)
        await client.send("input_audio_buffer.commit")
        failed = await client.expect(
            "conversation.item.input_audio_transcription.failed")
        assert failed["error"]["code"] == "audio_unintelligible"


def test_unknown_faults_are_our_own_mistake():
    faults = openai_faults.Faults()
    with pytest.raises(ValueError):
        faults.next("handshake", "no such thing")
    with pytest.raises(ValueError):
        faults.always("response", "http", status=401)


# Through the trickle proxy

@asynchronous
async def test_a_conversation_in_pieces_of_1_to_60_bytes():
    async with OpenAISim(GREETING, **{**FAST, "ping_interval": 0.1}) as sim, \
            Trickle("127.0.0.1", sim.port, seed=5) as proxy:
        url = sim.url.replace(str(sim.port), str(proxy.port))
        async with Client(sim, url=url) as client:
            await client.configure()
            await client.append(voice.tone("entrada"))
            await client.send("response.create")
            await client.expect("response.done", timeout=15)
            said = voice.tone(GREETING["greeting"])
            assert client.audio() == said
            while len(sim.sessions[0].pongs) < 2:
                await client.send("input_audio_buffer.clear")
                await client.expect("input_audio_buffer.cleared")
        assert bytes(sim.sessions[0].input_audio) == voice.tone("entrada")
        assert proxy.links[0].bytes[Trickle.TO_CLIENT] > len(said)
        assert sim.violations == []


@asynchronous
async def test_proxy_stalls_swallows_and_cuts():
    async with OpenAISim(GREETING, **FAST) as sim, \
            Trickle("127.0.0.1", sim.port) as proxy:
        url = sim.url.replace(str(sim.port), str(proxy.port))
        options = {"url": url, "ping_interval": None, "close_timeout": 0.2}
        async with Client(sim, **options) as client:
            await client.expect("session.created")
            proxy.stall()
            await client.send("response.create")
            with pytest.raises(asyncio.TimeoutError):
                await client.next(timeout=0.3)
            proxy.resume()
            await client.expect("response.done")
            proxy.black_hole()
            await client.send("response.create")
            with pytest.raises(asyncio.TimeoutError):
                await client.next(timeout=0.3)
        proxy.resume()
        async with Client(sim, **options) as client:
            await client.expect("session.created")
            proxy.half_open()
            with pytest.raises(asyncio.TimeoutError):
                await client.next(timeout=0.3)
            assert client.socket.close_code is None
        async with Client(sim, **options) as client:
            await client.expect("session.created")
            proxy.reset()
            assert (await client.closed())[0] in (None, 1006)
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            async with Client(sim, **options):
                pass


# In a thread, and as a process

def test_in_a_thread_of_its_own():
    with OpenAISim(GREETING, **FAST) as sim:
        async def talk():
            async with Client(sim) as client:
                await client.send("response.create")
                await client.expect("response.done")
                await asyncio.to_thread(sim.inject, "close", code=1001)
                return await client.closed()
        assert asyncio.run(talk())[0] == 1001
        sim.wait_for(lambda: not sim.live)
        assert sim.wait_for(lambda: sim.sessions[0].sent("response.done"))
        with pytest.raises(TimeoutError):
            sim.wait_for(lambda: sim.live, timeout=0.2)


def test_an_error_of_the_simulator_itself_is_not_passed_over():
    with pytest.raises(AssertionError, match="session.created"):
        with OpenAISim(**FAST) as sim:
            sim.self_check({"type": "session.created", "event_id": "x"})
            if not sim.checker.strict:
                sim.broke(AssertionError("session.created"))
    assert sim.violations


def run_sim(tmp_path, *arguments):
    """Start the simulator as a process; (process, ready information)."""
    ready = tmp_path / "ready.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.sim.openai_realtime", "--plain",
         "--voice", "tone", "--ready-file", str(ready), "--log",
         str(tmp_path / "log"), *arguments], cwd=base.REPO,
        stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    while not ready.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, "no ready file"
        time.sleep(0.02)
    return process, json.loads(ready.read_text())


def test_as_a_process(tmp_path):
    script = tmp_path / "script.json"
    script.write_text(json.dumps(GREETING))
    process, ready = run_sim(tmp_path, "--script", str(script))

    def control(verb, **body):
        request = urllib.request.Request(
            ready["url"].replace("ws:", "http:").replace(
                "/v1/realtime", f"/_sim/{verb}"),
            json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    class Remote:
        tls, url, api_key = False, ready["url"], ready["api_key"]

    async def talk():
        async with Client(Remote) as client:
            await client.send("response.create")
            done = await client.expect("response.done")
            await asyncio.to_thread(control, "inject", kind="error",
                                    code="server_error")
            await client.expect("error")
            await client.send("nonsense")
            await client.expect("error")
            return done
    try:
        started = time.monotonic()
        done = asyncio.run(talk())
        state = control("state")
        assert state["sessions"] == 1 and len(state["violations"]) == 1
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert done["response"]["status"] == "completed"
    assert process.returncode == 1 and "nonsense" in errors
    lines = [json.loads(line) for line in
             (tmp_path / "log").read_text().splitlines()]
    events = [line["event"] for line in lines]
    assert {"handshake", "session", "recv", "send", "said", "inject",
            "violation"} <= set(events)
    said = next(line for line in lines if line["event"] == "said")
    assert said["transcript"] == GREETING["greeting"]
    assert started < said["t"] < time.monotonic()   # CLOCK_MONOTONIC
