# SPDX-License-Identifier: MIT
"""Telephones that other people wrote: baresip and sipp, without a sound card.

They show that a call works with SIP and RTP stacks that know nothing of ours.
What they play and record has been through their own codecs and clocks, so
compare it by ear or by level; for comparing bytes there is sip_phone.py.
"""

import contextlib
import json
import pathlib
import random
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import wave

from rig import free_port

# baresip 1.0 reads a WAV file in place of the microphone (aufile) but cannot
# play into one. The loudspeaker is therefore a bridge to nowhere (aubridge)
# and the sndfile filter writes what goes to it.
BARESIP_CONFIG = """
poll_method epoll
sip_listen 127.0.0.1:{sip_port}
rtp_ports {rtp_low}-{rtp_high}
net_interface 127.0.0.1
call_max_calls 1
audio_source aufile,{wav}
audio_player aubridge,nowhere
audio_alert aubridge,nowhere
audio_srate 8000-8000
audio_channels 1-1
ausrc_format s16
auplay_format s16
snd_path {dump}
module_path {modules}
module g711.so
module sndfile.so
module aufile.so
module aubridge.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{ctrl_port}
"""
BARESIP_MODULES = ("/usr/lib/baresip/modules",
                   "/usr/lib/x86_64-linux-gnu/baresip/modules",
                   "/usr/lib/aarch64-linux-gnu/baresip/modules")


def write_wav(path, samples):
    """Mono, 8000 Hz, 16-bit little-endian samples."""
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(samples)


UDP, TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM


def free_ports(start, end, *kinds):
    """The first of as many free ports in a row as there are kinds, each a
    tuple of socket types. Give a range other than the one out of which the
    kernel gives everybody's connections theirs."""
    for _ in range(100):
        port = random.randrange(start, end, 2)
        with contextlib.ExitStack() as stack:
            try:
                for number, types in enumerate(kinds, port):
                    for kind in types:
                        sock = stack.enter_context(
                            socket.socket(socket.AF_INET, kind))
                        sock.bind(("127.0.0.1", number))
            except OSError:
                continue
        return port
    raise RuntimeError("no free ports between %d and %d" % (start, end))


class Baresip:
    """One baresip behind the rig's trunk, remote-controlled over TCP.

    speech: what it says, as samples for write_wav(), once, from the answer
    on; it should outlast the call.

        with Baresip(ast, tmp_path, speech) as phone:
            phone.dial(ast.number)
            phone.wait("CALL_ESTABLISHED")
            phone.hangup()
        heard = phone.heard()
    """

    def __init__(self, rig, tmpdir, speech, codec="ulaw",
                 caller="3001234655"):
        self.rig = rig
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="baresip-",
                                                 dir=tmpdir))
        self.events = []
        self._replies = {}
        self._changed = threading.Condition()
        self._ctrl_port = free_port(TCP)
        (self.dir / "dump").mkdir()
        write_wav(self.dir / "speech.wav", speech)
        # UDP and TCP, then TLS: it cannot leave any of them out.
        sip_port = free_ports(32000, 32766, (UDP, TCP), (TCP,))
        # Two that begin at once would share a port: each has its own few.
        rtp_low = 22000 + sip_port % 48 * 20
        (self.dir / "config").write_text(BARESIP_CONFIG.format(
            sip_port=sip_port, rtp_low=rtp_low,
            rtp_high=rtp_low + 19, wav=self.dir / "speech.wav",
            dump=self.dir / "dump", ctrl_port=self._ctrl_port,
            modules=next(m for m in BARESIP_MODULES
                         if pathlib.Path(m).is_dir())))
        (self.dir / "accounts").write_text(
            "<sip:%s@%s:%d>;regint=0;audio_codecs=%s/8000/1\n" % (
                caller, rig.sip_host, rig.sip_port,
                {"ulaw": "PCMU", "alaw": "PCMA"}[codec]))
        (self.dir / "contacts").write_text("")

    def __enter__(self):
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "baresip", "-4", "-v",
                 "-f", str(self.dir)], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT)
        self._connect()
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._command("quit")
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._sock.close()

    def dial(self, number):
        self._command("dial", "sip:%s@%s:%d" % (number, self.rig.sip_host,
                                                self.rig.sip_port))

    def hangup(self):
        self._command("hangup")

    def wait(self, kind, timeout=15):
        """Waits for an event of baresip: CALL_RINGING, CALL_ESTABLISHED,
        CALL_CLOSED, ..."""
        with self._changed:
            if not self._changed.wait_for(
                    lambda: any(e["type"] == kind for e in self.events),
                    timeout):
                raise TimeoutError("baresip: no %s; %s\n%s" % (
                    kind, [e["type"] for e in self.events],
                    (self.dir / "log").read_text(errors="replace")[-2000:]))

    def heard(self):
        """The samples that came to its loudspeaker so far."""
        # Without its ".wav" where the path is as long as it can bear.
        dumps = sorted((self.dir / "dump").glob("*dec*"))
        if not dumps:
            return b""
        # The header of an unfinished file has no length yet: skip it.
        return dumps[-1].read_bytes()[44:]

    def _connect(self):
        for _ in range(200):
            try:
                self._sock = socket.create_connection(
                    ("127.0.0.1", self._ctrl_port), 0.5)
                self._sock.settimeout(None)
                return
            except OSError:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(0.05)  # not listening yet, or dead
                    break
        raise RuntimeError("baresip does not start:\n" +
                           (self.dir / "log").read_text(errors="replace"))

    def _command(self, command, params=""):
        text = json.dumps({"command": command, "params": params,
                           "token": command}).encode()
        self._sock.sendall(b"%d:%s," % (len(text), text))

    def _read(self):
        stream = self._sock.makefile("rb")
        with contextlib.suppress(OSError, ValueError):
            while True:
                digits = b""
                while not digits.endswith(b":"):
                    byte = stream.read(1)
                    if not byte:
                        return
                    digits += byte
                message = json.loads(stream.read(int(digits[:-1])))
                stream.read(1)
                with self._changed:
                    if message.get("event"):
                        self.events.append(message)
                    self._changed.notify_all()


SIPP_SCENARIO = pathlib.Path(__file__).with_name("sipp_caller.xml")


def sipp(rig, tmpdir, calls=1, at_once=1, talk_ms=2000, number=None,
         audio=None, timeout=60):
    """Lets sipp place calls; returns how many (succeeded, failed). Every
    call waits to be answered, streams audio (raw mu-law; else silence) for
    talk_ms and hangs up. Raises RuntimeError where sipp itself fails."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sipp-", dir=tmpdir))
    shutil.copy(SIPP_SCENARIO, directory / "caller.xml")
    (directory / "audio.ulaw").write_bytes(audio or b"\xff" * 160)
    run = subprocess.run(
        ["setpriv", "--pdeathsig", "KILL", "sipp",
         "%s:%d" % (rig.sip_host, rig.sip_port),
         "-sf", "caller.xml", "-s", number or rig.number, "-i", "127.0.0.1",
         "-mi", "127.0.0.1",
         "-p", str(free_port(UDP)),
         "-mp", str(free_ports(23000, 23990, (UDP,), (UDP,), (UDP,), (UDP,))),
         "-m", str(calls), "-l", str(at_once),
         "-r", str(at_once), "-d", str(talk_ms), "-timeout", "%ds" % timeout,
         "-nostdin", "-trace_err"],
        cwd=directory, capture_output=True, text=True, timeout=timeout + 20,
        env={"PATH": "/usr/bin:/bin", "TERM": "dumb"})
    counts = [re.findall(r"%s call\s*\|\s*\d+\s*\|\s*(\d+)" % word,
                         run.stdout) for word in ("Successful", "Failed")]
    if run.returncode not in (0, 1) or not all(counts):  # 1: a call failed
        raise RuntimeError("sipp: %d\n%s\n%s" % (
            run.returncode, run.stderr, run.stdout[-2000:]))
    return tuple(int(c[-1]) for c in counts)
