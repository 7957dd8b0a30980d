# SPDX-License-Identifier: MIT
"""A callworker without a supervisor: the rig is the supervisor, the keeper
and the phone of one real telefonista-callworker process.

    with OpenAISim(...) as sim, Callworker(sim) as worker:
        worker.prepare()
        worker.assign(brief())
        worker.expect("ready")
        phone = worker.media()
        phone.say("hola")
"""

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
import zlib
from pathlib import Path

import pytest

from tests.e2e.service import WALLS
from tests.sim import openai_voice
from tests.sim.openai_realtime import OpenAISim

REPO = Path(__file__).resolve().parents[2]
BUILD = REPO / os.environ.get("TELEFONISTA_BUILD", "build")
BINARY = BUILD / "telefonista-callworker"
PATIENCE = 30       # seconds until a test gives up: machines differ
CALL = "1732012345.17"

PR_SET_CHILD_SUBREAPER = 36
F_ADD_SEALS = 1033
SEAL, SHRINK, GROW, WRITE = 1, 2, 4, 8

GREETING = "Hola."
# The simulated service, as quick as a test wants it.
QUICK = {"one_way_ms": 5, "first_audio_ms": 50, "transcription_ms": 20,
         "voice": "tone"}

JOURNAL_HEAD = struct.Struct("<QIIIIII")
JOURNAL_ENTRY = struct.Struct("<IHHIIQQ")
JOURNAL_LEN = 4 << 20
JOURNAL_TYPES = ("", "call", "state", "session", "user", "assistant", "heard",
                 "tool_call", "tool_progress", "tool_result", "dtmf", "usage",
                 "error", "note", "full", "final", "aside", "caller",
                 "speaking", "words", "broken", "tool_request")
RING_STATE = struct.Struct("<QQQIIIIHHIII")
RING_STATE_LEN = 56 + 16 * 80
RING_AUDIO_LEN = 4 << 20
UPLINK_STATE = struct.Struct("<QQQQQQII")
UPLINK_FRAMES = 1500

TOOL = {
    "name": "consultar_mikrotik", "description": "Consulta la red.",
    "deadline_ms": 60000,
    "parameters": {"type": "object", "properties": {
        "question": {"type": "string", "minLength": 3, "maxLength": 500}},
        "required": ["question"], "additionalProperties": False},
    "failures": {"timeout": "La consulta no respondió a tiempo.",
                 "lost": "La consulta se interrumpió.",
                 "busy": "El sistema está ocupado."}}

PHRASES = {"still_there": "¿Sigue ahí?", "silent_goodbye": "No le oigo, adiós.",
           "limit_goodbye": "Se acabó el tiempo, adiós.",
           "shutdown_goodbye": "Debo colgar, adiós.",
           "tool_wait": "Un momento, estoy consultando.",
           "trouble": "Disculpe, tuve un problema, ¿me repite?"}


def brief(**changes):
    """What the supervisor tells a worker about a call."""
    return {"model": "gpt-realtime-2.1", "voice": "marin", "language": "es",
            "instructions": "Eres la voz de soporte.",
            "greeting": GREETING,
            "phrases": PHRASES, "tools": [TOOL],
            "transcription_model": "gpt-transcribe",
            "reasoning_effort": "low", "noise_reduction": "near_field",
            "turn_detection": {"type": "server_vad", "threshold": 0.5,
                               "prefix_padding_ms": 300,
                               "silence_duration_ms": 200},
            "silent_caller_s": 30, **changes}


def memfd(name, data, length=None, seals=SHRINK | GROW | SEAL):
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, length or len(data))
    os.pwrite(fd, data, 0)
    fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


def journal_memfd():
    return memfd("journal", JOURNAL_HEAD.pack(
        0x314C4E524A4C4554, 1, JOURNAL_HEAD.size, JOURNAL_ENTRY.size,
        JOURNAL_LEN, 0, 0), JOURNAL_LEN)


def playout_memfd():
    def state(generation, crc):
        return RING_STATE.pack(generation, 0, 0, 0, 0, 0x1234, 1000, 7, 0, 0,
                               0, crc) + bytes(16 * 80)
    first = state(1, zlib.crc32(state(1, 0)))
    head = struct.pack("<QIIIIII", 0x314F59414C504654, 1,
                       32 + 2 * RING_STATE_LEN, RING_STATE_LEN, 4096,
                       RING_AUDIO_LEN, 4096 + RING_AUDIO_LEN)
    return memfd("playout", head + first + bytes(RING_STATE_LEN),
                 4096 + RING_AUDIO_LEN)


def uplink_memfd():
    def state(generation, crc):
        return UPLINK_STATE.pack(generation, 0, 0, 0, 0, 0, 0, crc)
    head = struct.pack("<QIIIIIIII", 0x314E494C50554654, 1,
                       40 + 2 * UPLINK_STATE.size, UPLINK_STATE.size, 256,
                       160, UPLINK_FRAMES, 256 + 160 * UPLINK_FRAMES, 0)
    return memfd("uplink", head + state(1, zlib.crc32(state(1, 0))),
                 256 + 160 * UPLINK_FRAMES)


def read_journal(fd):
    """[(type, body)] of all whole entries; an assertion for a bad one."""
    data = os.pread(fd, JOURNAL_LEN, 0)
    at, entries = JOURNAL_HEAD.size, []
    while at + JOURNAL_ENTRY.size <= len(data):
        head = data[at:at + JOURNAL_ENTRY.size]
        length, kind, _, number, crc, _, _ = JOURNAL_ENTRY.unpack(head)
        if length == 0:
            break
        body = data[at + len(head):at + len(head) + length]
        zeroed = head[:12] + bytes(4) + head[16:]
        assert zlib.crc32(body, zlib.crc32(zeroed)) == crc, "CRC"
        assert number == len(entries) + 1
        entries.append((JOURNAL_TYPES[kind], json.loads(body)))
        at += len(head) + (length + 7 & ~7)
    return entries


class Phone:
    """The caller: sends G.711 every 20 ms, keeps every packet it gets."""

    def __init__(self, codec="ulaw"):
        self.format = openai_voice.FORMATS[codec]
        self.payload_type = {"ulaw": 0, "alaw": 8}[codec]
        self.silence = self.format.silence * 160
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.05)
        self.address = self.socket.getsockname()
        self.packets = []       # (monotonic s, payload)
        self.headers = []       # of the same: (sequence, timestamp, ssrc)
        self.sent = bytearray()
        self._to_say = bytearray()
        self._lock = threading.Lock()
        self._stop = False
        self._threads = [threading.Thread(target=f, daemon=True)
                         for f in (self._send, self._receive)]

    def start(self, peer):
        self.peer = peer
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stop = True
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self.socket.close()

    def say(self, text="hola, buenas tardes", ms=400):
        """Loud enough for the simulated voice detection."""
        audio = openai_voice.tone(text, self.format, least_ms=ms)
        audio = audio[:ms * 8 // 160 * 160]
        with self._lock:
            self._to_say += audio

    def _send(self):
        sequence, due = 1, time.monotonic()
        while not self._stop:
            with self._lock:
                payload = bytes(self._to_say[:160]) or self.silence
                del self._to_say[:160]
            payload = payload.ljust(160, self.format.silence)
            self.sent += payload
            self.socket.sendto(struct.pack(
                "!BBHII", 0x80, self.payload_type, sequence & 0xffff,
                sequence * 160, 0xCAFE) + payload, self.peer)
            sequence += 1
            due += 0.02
            time.sleep(max(0, due - time.monotonic()))

    def _receive(self):
        while not self._stop:
            try:
                data = self.socket.recv(2048)
            except socket.timeout:
                continue
            self.headers.append(struct.unpack("!HII", data[2:12]))
            self.packets.append((time.monotonic(), data[12:]))

    # What was heard

    def heard(self):
        """Everything but pure silence, joined."""
        return b"".join(p for _, p in list(self.packets) if p != self.silence)

    def last_sound(self):
        """When the last packet that is not silence came."""
        return max((t for t, p in list(self.packets) if p != self.silence),
                   default=0)

    def is_quiet(self, seconds):
        return time.monotonic() - self.last_sound() > seconds


class Callworker:
    """The process, its channel, and what belongs to its call."""

    def __init__(self, sim, log, environment=None, orphan=False):
        self.sim = sim
        self.log_path = Path(log)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel = ours
        self.messages = []          # everything it said but heartbeats
        self.heartbeats = 0
        self.phone = None
        self.journal_fd = None
        self._fds = []
        self._environment = environment
        self.spares = []            # made by spare()
        self._pending = set()       # ids of tool.request seen and unanswered
        command = [str(BINARY)]
        if orphan:      # a parent that dies at once; we inherit the worker
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
            command = ["/bin/sh", "-c", "\"$0\" & sleep 0.3", *command]
        # As the keeper does: channel and secrets, nothing in the environment.
        secrets = memfd("secrets", f"OPENAI_API_KEY={sim.api_key}\n".encode())
        # Clear of 3 and 4, so that neither dup2 below overwrites the other.
        inherited = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
                     for fd in (theirs.fileno(), secrets)]
        os.close(secrets)

        def inherit():
            for number, fd in enumerate(inherited, start=3):
                os.dup2(fd, number)

        with open(log, "ab") as stderr:
            self.process = subprocess.Popen(
                command, stderr=stderr, stdin=subprocess.DEVNULL,
                pass_fds=(3, 4), preexec_fn=inherit,
                env={"PATH": "/usr/bin", "LC_ALL": "C.UTF-8",
                     "LOG_TRANSCRIPTS": "yes", "LOG_LEVEL": "debug",
                     "TELEFONISTA_DUMPABLE": "1", **WALLS,
                     **(environment or {})})
        theirs.close()
        for fd in inherited:
            os.close(fd)

    def __enter__(self):
        self.pid = self.expect("hello")["pid"]
        return self

    def __exit__(self, *exc):
        for spare in self.spares:
            spare.__exit__()
        if self.phone:
            self.phone.stop()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.channel.close()
        for fd in self._fds:
            os.close(fd)

    # Talking

    def send(self, kind, fds=(), **members):
        socket.send_fds(self.channel, [json.dumps(
            {"type": kind, **members}).encode()], list(fds))

    def prepare(self, model="gpt-realtime-2.1", addresses=("127.0.0.1",)):
        self.send("session.prepare", model=model, url=self.sim.url,
                  ca_file=str(self.sim.ca_file or ""),
                  addresses=list(addresses))

    def warm(self):
        self.prepare()
        self.expect("state", state="warm")

    def assign(self, the_brief=None, codec="ulaw"):
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind(("127.0.0.1", 0))
        self.codec = codec
        self.journal_fd = journal_memfd()
        text = json.dumps(the_brief or brief(), ensure_ascii=False).encode()
        fds = [os.dup(self.rtp.fileno()), self.journal_fd, playout_memfd(),
               memfd("brief", text, seals=SHRINK | GROW | WRITE | SEAL),
               uplink_memfd()]
        self._fds += fds
        self.call_fds = fds
        self._send_assign()

    def _send_assign(self, **members):
        self.send("call.assign", self.call_fds, call=CALL,
                  caller="+573001234655", caller_name="Ana",
                  caller_shown="…4655", called="3241000752",
                  codec=self.codec, persona="soporte", **members)

    def spare(self):
        """Another worker of the same service, warm."""
        number = len(self.spares) + 1
        spare = Callworker(self.sim, f"{self.log_path}-{number}",
                           self._environment).__enter__()
        self.spares.append(spare)
        spare.warm()
        return spare

    def take_over(self, dead, leaving="", resumes=1):
        """Kills the worker that has the call and goes on with it, as the
        supervisor has a spare do; when it was killed."""
        dead.process.kill()
        killed = time.monotonic()
        dead.process.wait()
        self.rtp, self.codec, self.call_fds = \
            dead.rtp, dead.codec, dead.call_fds
        self.journal_fd = dead.journal_fd
        self.phone, dead.phone = dead.phone, None
        self._send_assign(resumes=resumes, talking_ms=60000, leaving=leaving)
        self.send("media", call=CALL, address=self.phone.address[0],
                  port=self.phone.address[1])
        return killed

    def media(self):
        """The caller answers: a Phone, already sending."""
        self.phone = Phone(self.codec)
        self.send("media", call=CALL, address=self.phone.address[0],
                  port=self.phone.address[1])
        self.phone.start(self.rtp.getsockname())
        self.expect("state", state="talking")
        return self.phone

    def talk(self, the_brief=None, codec="ulaw"):
        """A call whose greeting was heard."""
        self.warm()
        self.assign(the_brief, codec)
        self.expect("ready")
        phone = self.media()
        self.wait_for(lambda: phone.heard() and phone.is_quiet(0.2),
                      "the greeting")
        return phone

    def hangup(self, reason="caller_gone", farewell=False):
        self.send("hangup", call=CALL, reason=reason, farewell=farewell)

    def result(self, tool_id, status="ok", output="La señal es buena."):
        self.send("tool.result", call=CALL, id=tool_id, status=status,
                  output=output)

    # Listening

    def receive(self, end):
        """The next message, or None: the channel ended or it got late."""
        self.channel.settimeout(max(0.001, end - time.monotonic()))
        try:
            datagram = self.channel.recv(1 << 17)
        except (ConnectionResetError, socket.timeout):
            return None
        if not datagram:
            return None
        message = json.loads(datagram)
        if message["type"] == "heartbeat":
            self.heartbeats += 1
        else:
            self.messages.append(message)
        return message

    def find(self, kind, **members):
        return [m for m in self.messages if m["type"] == kind and
                all(m.get(k) == v for k, v in members.items())]

    def expect(self, kind, count=1, **members):
        """The COUNTth message of that kind and members, seen or to come."""
        end = time.monotonic() + PATIENCE
        while len(self.find(kind, **members)) < count:
            if self.receive(end) is None:
                raise AssertionError(f"no {kind} {members} in {self.messages}"
                                     f"\n{self.log()}")
        return self.find(kind, **members)[count - 1]

    def wait_for(self, predicate, what, patience=PATIENCE):
        """Until predicate(); the channel is read meanwhile."""
        end = time.monotonic() + patience
        while True:
            value = predicate()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"{what} not reached\n{self.log()}")
            self.receive(time.monotonic() + 0.02)

    def watch(self, seconds):
        """Lets time pass, the channel being read."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.receive(min(end, time.monotonic() + 0.02))

    def exit_status(self):
        """Of the process, which must end by itself."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            self.receive(time.monotonic() + 0.05)
        while self.receive(time.monotonic() + 0.05) is not None:
            pass
        return self.process.wait(1)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    # Looking

    @property
    def session(self):
        return self.sim.sessions[-1]

    def log(self):
        return self.log_path.read_text()

    def wait_for_log(self, text):
        self.wait_for(lambda: text in self.log(), f"log line {text!r}")

    def title(self):
        raw = Path(f"/proc/{self.process.pid}/cmdline").read_bytes()
        return raw.split(b"\0")[0].decode()

    def journal(self, kind=None):
        return [body if kind else (name, body)
                for name, body in read_journal(self.journal_fd)
                if kind in (None, name)]


def said(text, codec="ulaw"):
    """What a text sounds like in the simulated voice "tone"."""
    return openai_voice.tone(text, openai_voice.FORMATS[codec])


def rig_fixture():
    """A fixture: rig(script, environment, **settings) -> a Callworker.

    Afterwards everything is ended, and neither a protocol violation nor a
    sanitizer's report may have been seen.
    """
    @pytest.fixture
    def rig(tmp_path):
        made = []

        def make(script=None, environment=None, orphan=False, **settings):
            sim = OpenAISim(script=script, **{**QUICK, **settings})
            sim.start_in_thread()
            worker = Callworker(
                sim, tmp_path / f"log{len(made)}", environment, orphan)
            made.append((sim, worker))
            return worker.__enter__()
        yield make
        for sim, worker in made:
            worker.__exit__()
            sim.__exit__()
        for sim, worker in made:
            assert sim.violations == []
            for each in (worker, *worker.spares):
                assert "Sanitizer" not in each.log()
                assert "runtime error" not in each.log()
    return rig
