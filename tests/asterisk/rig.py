# SPDX-License-Identifier: MIT
"""A real Asterisk for tests, configured from the samples in etc/asterisk.

Asterisk lives in a chroot that build-chroot.sh makes. Every AsteriskRig is an
instance of its own in there: private directories, ports that the kernel says
are free, all on 127.0.0.1, a password made for it. The sample files that
operators are told to use are included as they are; only addresses, ports and
the password are set after them. So what the tests show holds for the samples.

    with AsteriskRig(tmp_path) as ast:
        with ast.phone(codec="alaw") as phone:
            phone.call(ast.number)
            phone.wait_ringing()
    # tmp_path/asterisk-* now holds the configuration and the logs
"""

import base64
import contextlib
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from sip_phone import SipPhone
from tests.e2e import ports

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parent.parent
SAMPLES = REPO / "etc" / "asterisk"
START_SECONDS = 40  # Asterisk is up in about 1 s; machines can be busy
STOP_SECONDS = 10
RTP_PORTS = 400

# The PBX around Telefonista: SIP, and what the fallback context plays.
PBX_MODULES = """
res_crypto res_pjproject res_sorcery_config res_sorcery_memory
res_sorcery_astdb res_pjsip res_pjsip_session res_pjsip_sdp_rtp
res_pjsip_caller_id res_pjsip_dtmf_info res_pjsip_nat res_pjsip_rfc3326
res_pjsip_authenticator_digest res_pjsip_endpoint_identifier_ip
res_pjsip_endpoint_identifier_user res_pjsip_endpoint_identifier_anonymous
res_pjsip_pubsub res_musiconhold chan_pjsip format_gsm format_wav
format_sln codec_gsm codec_resample app_echo app_verbose app_queue
bridge_holding
""".split()


class AsteriskUnavailable(Exception):
    """There is no Asterisk on this machine; str() says why."""


def chroot_dir():
    """Where the chroot is or will be."""
    return pathlib.Path(os.environ.get("TELEFONISTA_ASTERISK_DIR") or
                        REPO / ".cache" / "asterisk")


def ensure_chroot():
    """Builds the chroot if need be (a minute) and returns its directory."""
    run = subprocess.run([str(HERE / "build-chroot.sh")], text=True,
                         stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    words = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
    if run.returncode != 0:
        raise AsteriskUnavailable(words.replace("asterisk chroot: ", ""))
    if os.geteuid() != 0:
        raise AsteriskUnavailable("must run as root (chroot needs it)")
    return chroot_dir()


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def edited(sample, **values):
    """The text of a sample in which an operator has set these options."""
    text = (SAMPLES / sample).read_text()
    for key, value in values.items():
        text, count = re.subn(r"^(%s\s*=\s*)[^\s;]+" % key,
                              lambda m: m.group(1) + str(value), text,
                              flags=re.M)
        if count != 1:
            raise ValueError("%s sets %s %d times" % (sample, key, count))
    return text


def moh_audio():
    """Ten seconds that cannot be mistaken for anything else on the line: a
    repeated mu-law ramp. Also valid as a raw .ulaw file."""
    return bytes(range(0x10, 0x50)) * (10 * 8000 // 64)


class AsteriskRig:
    """One running Asterisk. Use as a context manager."""

    number = "3241000752"  # in the sample dialplan
    ari_host = sip_host = "127.0.0.1"
    ari_user = "telefonista"

    def __init__(self, tmpdir, app="openai-app", dialplan="", pjsip=""):
        """app: Stasis application that the sample dialplan shall call.
        dialplan, pjsip: lines added at the end of extensions.conf and
        pjsip.conf."""
        self.app = app
        self.extra_dialplan, self.extra_pjsip = dialplan, pjsip
        self.tmpdir = pathlib.Path(tmpdir)
        self.ari_password = secrets.token_hex(16)
        self.sip_port = self.ari_port = 0
        self.rtp_ports = (0, 0)
        self._claims = contextlib.ExitStack()
        self.process = None
        self.kept = None  # the instance's files after the end
        self._root = ensure_chroot()
        self._frozen = False

    # -- life

    def __enter__(self):
        self._make_instance()
        try:
            self._start_with_free_ports()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        self._claims.close()
        target = pathlib.Path(tempfile.mkdtemp(prefix="asterisk-",
                                               dir=self.tmpdir))
        self.kept = target / "instance"
        shutil.move(self.instance, self.kept)

    def restart(self, kill=False):
        """Ends it (kill: without a chance to say goodbye) and starts it
        again with the same ports and password."""
        self.stop(kill)
        self._spawn()
        if not self._wait_until_up():
            raise RuntimeError("Asterisk did not come back:\n" +
                               self.log_tail())

    def stop(self, kill=False):
        if not self.process:
            return
        self.thaw()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if kill
                                     else signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def freeze(self):
        """Asterisk stays in memory but does nothing: no audio, no answer."""
        self.process.send_signal(signal.SIGSTOP)
        self._frozen = True

    def thaw(self):
        if self._frozen:
            self.process.send_signal(signal.SIGCONT)
            self._frozen = False

    def _make_instance(self):
        base = self._root / "srv" / "rig"
        base.mkdir(exist_ok=True)
        self._discard_orphans(base)
        self.instance = pathlib.Path(tempfile.mkdtemp(
            prefix="%d-" % os.getpid(), dir=base))
        self.inside = "/srv/rig/" + self.instance.name
        for name in ("etc", "lib", "run", "log", "spool", "cache"):
            (self.instance / name).mkdir()
        moh = self.instance / "lib" / "moh"
        moh.mkdir()
        (moh / "music.ulaw").write_bytes(moh_audio())
        (self.instance / "lib" / "keys").mkdir()
        self._make_data()

    def _make_data(self):
        """What came with Asterisk, and the sounds that operators copy."""
        data, ours = pathlib.Path("usr/share/asterisk"), self.instance / "data"
        (ours / "sounds").mkdir(parents=True)
        for folder in (data, data / "sounds"):
            for entry in (self._root / folder).iterdir():
                link = ours / folder.relative_to(data) / entry.name
                if entry.name != "sounds":
                    link.symlink_to("/" / folder / entry.name)
        for sound in (SAMPLES / "sounds").iterdir():
            shutil.copy(sound, ours / "sounds")

    @staticmethod
    def _discard_orphans(base):
        """Instances whose test run was killed."""
        for path in base.iterdir():
            pid = path.name.split("-")[0]
            if pid.isdigit() and not os.path.exists("/proc/" + pid):
                shutil.rmtree(path, ignore_errors=True)

    def _start_with_free_ports(self):
        # Between asking for a free port and Asterisk's using it somebody
        # else may take it; then once more with others.
        for _ in range(3):
            self.sip_port = free_port(socket.SOCK_DGRAM)
            self.ari_port = free_port(socket.SOCK_STREAM)
            self._claims.close()
            first = ports.claim(self._claims, 10000, 21000, RTP_PORTS)
            self.rtp_ports = (first, first + RTP_PORTS - 1)
            self._configure()
            self._spawn()
            if self._wait_until_up():
                return
            self.stop(kill=True)
        raise RuntimeError("Asterisk does not start:\n" + self.log_tail())

    def _spawn(self):
        # setpriv: when the test run dies, so does its Asterisk.
        self._out = open(self.instance / "log" / "stdout", "ab")
        with self._out:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL",
                 "chroot", str(self._root), "/usr/sbin/asterisk", "-f",
                 "-C", self.inside + "/etc/asterisk.conf"],
                stdin=subprocess.DEVNULL, stdout=self._out,
                stderr=subprocess.STDOUT, start_new_session=True,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                     "LC_ALL": "C.UTF-8", "TERM": "dumb"})

    def _wait_until_up(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                info = self.ari("GET", "asterisk/info", timeout=2)
                self.version = info["system"]["version"]
                return self._sip_is_up()
            except (OSError, RuntimeError):
                if "Address already in use" in self.log:
                    return False
                time.sleep(0.02)  # not listening or still booting: ask again
        return False

    def _sip_is_up(self):
        return "127.0.0.1:%d" % self.sip_port in self.cli(
            "pjsip show transports")

    # -- configuration

    def _configure(self):
        modules = sorted((self._root / "usr/lib").glob("*/asterisk/modules"))
        module_dir = "/" + str(modules[0].relative_to(self._root))
        etc = self.instance / "etc"
        # What the package installs, then what operators are told, then ours.
        shutil.copytree(self._root / "etc/asterisk", etc, dirs_exist_ok=True)
        shutil.copytree(SAMPLES, etc / "samples", dirs_exist_ok=True)
        files = {
            "asterisk.conf": self._asterisk_conf(module_dir),
            "modules.conf": "[modules]\nautoload = no\n"
            "#include samples/modules.conf\n" + "".join(
                "load = %s.so\n" % m for m in PBX_MODULES),
            "ari.conf": edited("ari.conf", password=self.ari_password),
            "http.conf": edited("http.conf", bindaddr="127.0.0.1",
                                bindport=self.ari_port),
            "rtp.conf": edited("rtp.conf", rtpstart=self.rtp_ports[0],
                               rtpend=self.rtp_ports[1]),
            "pjsip.conf": self._pjsip_conf(),
            "extensions.conf": self._extensions_conf(),
            "musiconhold.conf": "[default]\nmode = files\ndirectory = %s\n"
            % (self.inside + "/lib/moh"),
            "queues.conf": "[general]\n[soporte]\nstrategy = ringall\n"
            "timeout = 60\nmember => PJSIP/200\n",
            "manager.conf": "[general]\nenabled = no\n",
            "logger.conf": "[general]\ndateformat = %F %T.%3q\n[logfiles]\n"
            "full => notice,warning,error,verbose\n",
        }
        for name, text in files.items():
            path = etc / name
            path.write_text(text)
            path.chmod(0o600)

    def _asterisk_conf(self, module_dir):
        places = {
            "astetcdir": "/etc", "astvarlibdir": "/lib", "astdbdir": "/lib",
            "astkeydir": "/lib", "astspooldir": "/spool",
            "astrundir": "/run", "astlogdir": "/log", "astcachedir": "/cache",
            "astdatadir": "/data",
        }
        return ("[directories]\n" + "".join(
            "%s => %s%s\n" % (k, self.inside, v) for k, v in places.items()) +
            "astmoddir => %s\n"
            "astagidir => /usr/share/asterisk/agi-bin\n"
            "[options]\nverbose = 3\nnofork = yes\nnocolor = yes\n"
            % module_dir)

    def _pjsip_conf(self):
        # As an operator makes a trunk from the sample, with all the rig's
        # telephones behind it. The media address keeps RTP on loopback.
        return """#include samples/pjsip.conf
[transport-rig]
type = transport
protocol = udp
bind = 127.0.0.1:%d
[rig](telefonista-trunk)
transport = transport-rig
media_address = 127.0.0.1
bind_rtp_to_media_address = yes
[rig-address]
type = identify
endpoint = rig
match = 127.0.0.1
%s
""" % (self.sip_port, self.extra_pjsip)

    def _extensions_conf(self):
        sample = "samples/extensions_telefonista.conf"
        if self.app != "openai-app":  # as an operator renames it
            path = self.instance / "etc" / sample
            path.write_text(re.sub(r"STASIS=openai-app\b",
                                   "STASIS=" + self.app, path.read_text()))
        return "[general]\nstatic = yes\n#include %s\n%s\n" % (
            sample, self.extra_dialplan)

    # -- control

    def ari(self, method, path, body=None, timeout=10, **query):
        """One REST request: the parsed answer, None for 204. An error status
        raises urllib.error.HTTPError."""
        url = "http://%s:%d/ari/%s" % (self.ari_host, self.ari_port, path)
        if query:
            url += "?" + urllib.parse.urlencode(query)
        token = base64.b64encode(("%s:%s" % (
            self.ari_user, self.ari_password)).encode()).decode()
        headers = {"Authorization": "Basic " + token}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def settings(self):
        """What telefonista's configuration needs to use this Asterisk."""
        return {"ASTERISK_HOST": self.ari_host,
                "ASTERISK_PORT": str(self.ari_port),
                "ASTERISK_USERNAME": self.ari_user,
                "ASTERISK_PASSWORD": self.ari_password,
                "ARI_APP": self.app,
                "LOCAL_IP_ADDRESS": "127.0.0.1",
                "FALLBACK_CONTEXT": "telefonista-fallback"}

    def channels(self):
        return self.ari("GET", "channels")

    def bridges(self):
        return self.ari("GET", "bridges")

    def cli(self, command, timeout=20):
        """Runs a command on Asterisk's console, returns what it printed."""
        run = subprocess.run(
            ["chroot", str(self._root), "/usr/sbin/asterisk", "-C",
             self.inside + "/etc/asterisk.conf", "-rx", command],
            text=True, capture_output=True, timeout=timeout)
        if run.returncode != 0:
            raise RuntimeError("asterisk -rx '%s': %s%s" % (
                command, run.stdout, run.stderr))
        return run.stdout

    def wait_idle(self, timeout=10):
        """Waits until no channel and no bridge is left; raises with a list
        of what is left."""
        end = time.monotonic() + timeout
        while True:
            left = ([c["name"] for c in self.channels()] +
                    [b["id"] for b in self.bridges()])
            if not left:
                return
            if time.monotonic() > end:
                raise TimeoutError("left in Asterisk: %s" % left)
            time.sleep(0.05)  # Asterisk has no event for "none left"

    @property
    def log(self):
        """Everything that it has logged."""
        where = self.kept or self.instance
        return "".join(
            (where / "log" / name).read_text(errors="replace")
            for name in ("full", "stdout") if (where / "log" / name).exists())

    def log_tail(self, lines=30):
        return "\n".join(self.log.splitlines()[-lines:])

    # -- telephones

    def phone(self, codec="ulaw", ptime_ms=20, offer=()):
        """A telephone of ours behind the trunk, see sip_phone.py."""
        return SipPhone((self.sip_host, self.sip_port), codec, ptime_ms,
                        offer)
