# SPDX-License-Identifier: MIT
"""service_world.py – the service on a real Asterisk, with callers on real SIP
telephones; OpenAI and MikroTik are simulated.

What a test says of a call here it says as in tests/e2e (see world.py there):
the telephone is given that interface, and Asterisk that of the simulated one.

    def test_...(world):
        world.start()
        call = world.call(codec="alaw")
        call.hears(GREETING)
        call.asks("primera", "La respuesta.")
"""

import contextlib
import random
import re
import time

from ari_app import AriApp
from rig import AsteriskRig
from tests.demo import processes
from tests.e2e.service import PATIENCE
from tests.e2e.world import FALLBACK, Call, World
from tests.sim.openai_voice import PCMU
from tests.sim.recording import Recording

# Words of Asterisk's own log that are no complaint about what we did.
HARMLESS = re.compile(
    r"users\.conf is deprecated|Stasis app '[^']*' doesn't exist|"
    r"outbound websocket per-call config for app|"
    # Our probe was on its way when the service ended.
    r"res_stasis\.c: App openai-app not found|"
    # Its own race: an event between our handshake and its registration.
    r"Queued '[^']*' message for Stasis app '[^']*'; websocket is not ready")
ABRUPT = r"[Ww]eb ?[Ss]ocket (closed abruptly|read error)"


class Asterisk:
    """A rig, as World and Service know the simulated Asterisk."""

    unimplemented, requests = [], []
    keys_in_urls = 0

    def __init__(self, rig):
        self.rig = rig
        self.host, self.user = rig.ari_host, rig.ari_user
        self.password = rig.ari_password
        self.allowed = []       # patterns of what it may warn of

    @property
    def port(self):
        return self.rig.ari_port

    @property
    def violations(self):
        """What Asterisk warned of; most of it would be our doing."""
        return [line for line in self.rig.log.splitlines()
                if re.search(r"\b(WARNING|ERROR)\[", line)
                and not HARMLESS.search(line)
                and not any(re.search(p, line) for p in self.allowed)]

    def start_in_thread(self):
        self.rig.__enter__()

    def stop(self):
        self.rig.__exit__()


class Clip:
    """Something that a telephone says: when it began and ended, in ns."""

    def __init__(self, phone, audio):
        self.audio, self._phone = audio, phone
        self._from = len(phone.sent)
        phone.play(audio, wait=False)

    def _sent_ns(self, frame):
        return next((p.ns for p in self._phone.sent[self._from:]
                     if p.payload == frame), None)

    @property
    def start_ns(self):
        return self._sent_ns(self.audio[:160])

    @property
    def end_ns(self):
        last = self._sent_ns(self.audio[-160:])
        return last and last + 20_000_000

    def wait(self, timeout=60):
        self._phone.rtp.wait(lambda: self.end_ns, timeout, "end of a clip")
        return self


class Telephone:
    """A SipPhone that makes one call."""

    STATES = {"calling": "dialing", "ringing": "ringing", "answered": "up",
              "ended": "ended"}
    dialplan = ()

    def __init__(self, rig, number, exten, codec, name=None):
        self.rig, self.number, self.exten = rig, number, exten
        self.codec = codec
        self.sip = rig.phone(codec)
        self._recording = Recording()
        self._taken = 0
        self.sip.call(exten, caller=number, name=name)

    @property
    def state(self):
        return self.STATES[self.sip.state]

    @property
    def recording(self):
        """What it was sent, up to now."""
        packets = self.sip.rtp.received
        while self._taken < len(packets):
            ns, seq, ts, marker, pt, _, payload = packets[self._taken]
            self._taken += 1
            if pt == self.sip.rtp.pt:
                self._recording.received(ns, seq, ts, marker, pt, payload)
        return self._recording

    def wait_for(self, state, timeout=PATIENCE):
        {"ringing": self.sip.wait_ringing, "up": self.sip.wait_answered,
         "ended": self.sip.wait_ended}[state](timeout)
        return self

    def play(self, audio):
        return Clip(self.sip, audio)

    def dtmf(self, digits):
        self.sip.dtmf(digits)

    def hangup(self):
        self.sip.hangup()

    def stall_ms(self):
        """How long at most this telephone's own thread did not run."""
        times = [p.ns for p in self.sip.sent]
        return max([(b - a) / 1e6 - 20 for a, b in zip(times, times[1:])],
                   default=0)

    def channel(self):
        """What Asterisk has of it, None if there is nothing."""
        return next((c for c in self.rig.channels()
                     if c["caller"]["number"] == self.number and
                     c["name"].startswith("PJSIP/")), None)


class PbxCall(Call):
    """One caller on a SIP telephone."""

    def __init__(self, world, phone):
        self.world, self.phone = world, phone
        self.codec = phone.codec
        self._session = self._id = None

    @property
    def id(self):
        if self._id is None:
            self._id = self.world.until(self.phone.channel, "a channel")["id"]
        return self._id

    def rings(self):
        self.phone.wait_for("ringing")
        return self

    def to_fallback(self, why=None):
        """Until the caller is in the dialplan's fallback, and hears it."""
        where = self.world.until(
            lambda: (lambda c: c and c["dialplan"]["context"] == FALLBACK and
                     c["dialplan"])(self.phone.channel()),
            f"a channel in {FALLBACK}")
        assert where["exten"] == self.phone.exten
        mark = time.monotonic_ns()
        self.up()
        self.world.until(lambda: self.phone.recording.sounding(mark),
                         "the sound of the fallback")
        if why:
            self.wait_log(f'goes to the fallback why="{why}"')
        return self

    def answered_after_ms(self, clip):
        """From the end of a clip to the first sound of the answer."""
        first = self.phone.recording.first_sound_ns(clip.end_ns)
        return (first - clip.end_ns) / 1e6

    def gap_ms(self, start_ns=0):
        """The longest time without a packet; what this telephone, which
        shares its machine with all the others, was late itself left out."""
        gaps = self.phone.recording.gaps(0, start_ns)
        return max(ms for _, ms in gaps) - self.phone.stall_ms()


class PbxWorld(World):
    """A real Asterisk and, once started, the service."""

    # Neither those of sipp nor of baresip nor of the kernel.
    RTP_PORTS = (24000, 32000)

    def __init__(self, folder, **rig):
        super().__init__(folder)
        self.rig = AsteriskRig(folder, **rig)
        self.ari = Asterisk(self.rig)
        self.numbers = [f"30012{n:05d}"
                        for n in random.sample(range(99999), 50)]

    def __exit__(self, *exc):
        for call in self.calls:
            call.phone.sip.close()
        super().__exit__(*exc)

    def settings(self):
        return {**super().settings(), "FALLBACK_CONTEXT": FALLBACK}

    def dial(self, codec="ulaw", exten=None, number=None, name=None):
        """Somebody calls; Asterisk may not even listen."""
        phone = Telephone(self.rig, number or self.numbers.pop(),
                          exten or self.rig.number, codec, name)
        self.calls.append(PbxCall(self, phone))
        return self.calls[-1]

    def call(self, **how):
        """Somebody calls, and Asterisk has a channel."""
        call = self.dial(**how)
        assert call.id
        return call

    def made(self):
        things = self.rig.channels() + self.rig.bridges()
        ours = rf"telefonista-{self.rig.app}-(media|bridge|transfer)-"
        return [thing["id"] for thing in things
                if re.match(ours, thing["id"])]

    def ready(self):
        super().ready()
        # A toolworker that is still starting does not hold yet what it keeps.
        self.service.wait_log("mikrotik service is up")

    def holdings(self):
        """Everything a call could leave behind: descriptors, processes,
        sessions. Of connections, which are kept alive, only the limit."""
        pids = {role: self.service.the(role)
                for role in ("keeper", "supervisor", "toolworker")}
        held = {role: processes.descriptors(pid)
                for role, pid in pids.items()}
        for role, kinds in held.items():
            kinds["tcp"] = kinds["tcp"] > {"supervisor": 9}.get(role, 2)
        # libcurl makes its own with the first request, and keeps them.
        for kind, most in (("unix", 3), ("anon_inode:[eventfd]", 1)):
            held["toolworker"][kind] = held["toolworker"][kind] > most
        held["asterisk"] = processes.descriptors(self.rig.process.pid)["udp"]
        held["callworkers"] = len(self.service.pids("callworker"))
        held["sessions"] = len(self.openai.live)
        held["zombies"] = sum(map(processes.zombies, pids.values()), [])
        return held

    def at_rest(self):
        """holdings(), once the last call's worker and record are put away:
        its end is in the log before that."""
        def calls(held):
            return held["keeper"]["udp"] or any(
                "/records/open/" in kind for kind in held["supervisor"])
        return self.until(
            lambda: next((h for h in [self.holdings()] if not calls(h)), None),
            "nothing of a call is held")

    def nothing_left(self, before):
        """Until no channel, bridge, process, socket or descriptor is left
        but those of before; of what is named there."""
        def now():
            return {k: v for k, v in self.holdings().items() if k in before}
        self.rig.wait_idle(PATIENCE)
        self.until(lambda: now() == before,
                   lambda: f"as before: {now()}, not {before}")

    def finish(self):
        service = self.service
        if service and service.process and service.status is None:
            self.hang_up_all()
            for call in self.calls:
                if call._id and service.find(
                        rf"call={re.escape(call.id)} arrived"):
                    call.gone()
        super().finish()

    def report(self):
        return super().report() + [
            ("log of Asterisk", self.rig.log_tail(60))]


OTHERS = "[others]\nexten => 90,1,Answer()\n same => n,Wait(600)\n"


@contextlib.contextmanager
def others_things(rig):
    """A bridge with a channel in it and a channel in another application,
    made by some other program, with ids that look like ours; a function that
    says which of them have gone."""
    ids = ("telefonista-1", "telefonista-openai-app-2-media-1.2-ab",
           "telefonista-openai-app-2-bridge-1.2-ab", "somebody")
    with AriApp(rig, "openai-app-2") as app:
        for ident in ids[:2]:
            rig.ari("POST", "channels", endpoint="Local/90@others",
                    channelId=ident, otherChannelId=ident + ";2",
                    app=app.app)
            app.wait("StasisStart", channel=ident)
        for ident in ids[2:]:
            rig.ari("POST", "bridges", type="mixing", bridgeId=ident)
        rig.ari("POST", f"bridges/{ids[2]}/addChannel", channel=ids[1])
        yield lambda: set(ids) - {
            t["id"] for t in rig.channels() + rig.bridges()}
        for kind, ident in zip(("channels",) * 2 + ("bridges",) * 2, ids):
            rig.ari("DELETE", f"{kind}/{ident}")
        rig.wait_idle()


def samples(payload):
    """G.711 mu-law bytes as 16-bit samples, for softphones."""
    return b"".join(s.to_bytes(2, "little", signed=True)
                    for s in PCMU.decode(payload))

