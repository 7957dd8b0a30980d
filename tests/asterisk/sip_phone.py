# SPDX-License-Identifier: MIT
"""A SIP telephone for tests: it sends exactly the audio it is given.

Softphones transcode, resample and hide silence; whoever wants to know that a
byte arrived as it was sent needs a telephone without opinions. This one
speaks as much SIP (RFC 3261) over UDP as a call needs: INVITE, CANCEL, ACK,
BYE, re-INVITE for hold, offers and answers with one G.711 codec (RFC 3264),
telephone-event (RFC 4733), retransmission of what is lost.

Two threads per telephone. One owns the SIP socket; one owns the RTP socket,
sends a packet every 20 ms on absolute deadlines and notes every packet that
arrives with its time. What the caller of the methods sees is guarded by one
condition variable.

    with SipPhone(("127.0.0.1", 5060), codec="alaw") as phone:
        phone.call("3241000752", caller="3001234655")
        phone.wait_answered(10)
        phone.play(g711_bytes)
        phone.dtmf("12#")
        phone.hangup()
"""

import collections
import random
import re
import select
import socket
import struct
import threading
import time

CODECS = {"ulaw": (0, "PCMU", b"\xff"), "alaw": (8, "PCMA", b"\xd5")}
EVENT_PT = 101
DTMF_EVENTS = {d: n for n, d in enumerate("0123456789*#ABCD")}
T1 = 0.5  # RFC 3261, 17.1.1.1: first retransmission after this many seconds
TIMER_B = 64 * T1

RtpPacket = collections.namedtuple(
    "RtpPacket", "ns seq ts marker pt ssrc payload")


def parse_rtp(data, ns):
    """Returns the RtpPacket in the datagram, None where it is not one."""
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    head, mpt, seq, ts, ssrc = struct.unpack("!BBHII", data[:12])
    start = 12 + 4 * (head & 15)
    if head & 0x10:
        if len(data) < start + 4:
            return None
        start += 4 + 4 * struct.unpack("!H", data[start + 2:start + 4])[0]
    end = len(data) - (data[-1] if head & 0x20 else 0)
    if start > end:
        return None
    return RtpPacket(ns, seq, ts, bool(mpt & 0x80), mpt & 0x7f, ssrc,
                     data[start:end])


class SipMessage:
    """A parsed request or response; header names in lower case."""

    def __init__(self, data):
        head, _, self.body = data.decode("utf-8", "replace").partition(
            "\r\n\r\n")
        lines = head.split("\r\n")
        first = lines[0].split(" ", 2)
        self.is_response = first[0] == "SIP/2.0"
        self.status = int(first[1]) if self.is_response else 0
        self.reason = first[2] if self.is_response else ""
        self.method = "" if self.is_response else first[0]
        self.headers = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers.append((name.strip().lower(), value.strip()))
        number, self.cseq_method = self.get("cseq").split()
        self.cseq = int(number)

    def get(self, name):
        return next((v for n, v in self.headers if n == name), "")

    def all(self, name):
        return [(n, v) for n, v in self.headers if n == name]

    def branch(self):
        match = re.search(r"branch=([^;,\s]+)", self.get("via"))
        return match.group(1) if match else ""


class _Transaction:
    """A request of ours that is retransmitted until it is answered."""

    def __init__(self, data, method):
        self.data = data
        self.method = method
        self.interval = T1
        self.due = time.monotonic() + T1
        self.expires = time.monotonic() + TIMER_B


class RtpStream:
    """One end of an audio stream: a UDP socket on loopback and a thread.

    The telephone has one; a test that wants to be the external media of a
    call makes another.
    """

    def __init__(self, codec, ptime_ms=20, changed=None):
        self.set_codec(codec)
        self.frame = 8 * ptime_ms
        self.ptime_ns = ptime_ms * 1_000_000
        # Guards what is below; notified with every packet.
        self.changed = changed or threading.Condition(threading.RLock())
        self.received = []  # RtpPacket, in order of arrival
        self.sent = []
        self.sending = False  # packets leave, if set_peer() was called
        self.muted = False
        self._peer = None
        self._audio = collections.deque()
        self._digits = collections.deque()
        self._event = None  # [code, timestamp, ticks left, ticks done]
        self._ssrc = random.getrandbits(32)
        self._seq = random.getrandbits(16)
        self._ts = random.getrandbits(32)
        self._fresh = True  # the next packet starts a talk spurt
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._stop.set()
        self._thread.join()
        self.sock.close()

    def set_codec(self, codec):
        self.pt, _, self.silence = CODECS[codec]

    def audio(self, start=0):
        """The payloads of the codec from packet start on, joined."""
        with self.changed:
            return b"".join(p.payload for p in self.received[start:]
                            if p.pt == self.pt)

    def wait(self, condition, timeout=10, what="packets"):
        """Waits until condition() is true; asked after every packet."""
        with self.changed:
            if not self.changed.wait_for(condition, timeout):
                raise TimeoutError("no %s in %g s; received %d, sent %d" % (
                    what, timeout, len(self.received), len(self.sent)))

    def set_peer(self, peer):
        with self.changed:
            self._peer = peer

    def queue_audio(self, data):
        with self.changed:
            for i in range(0, len(data), self.frame):
                chunk = data[i:i + self.frame]
                self._audio.append(chunk.ljust(self.frame, self.silence))

    def queue_digits(self, digits, duration_ms, gap_ms):
        tick_ms = self.ptime_ns // 1_000_000
        with self.changed:
            for digit in digits:
                self._digits.append((DTMF_EVENTS[digit.upper()],
                                     max(1, duration_ms // tick_ms),
                                     max(1, gap_ms // tick_ms)))

    def idle(self):
        return not (self._audio or self._digits or self._event)

    def drop_queued(self):
        with self.changed:
            self._audio.clear()
            self._digits.clear()
            self._event = None
            self.changed.notify_all()

    def _run(self):
        deadline = time.monotonic_ns() + self.ptime_ns
        while not self._stop.is_set():
            wait = max(0, deadline - time.monotonic_ns()) / 1e9
            if select.select([self.sock], [], [], wait)[0]:
                self._receive()
            if time.monotonic_ns() >= deadline:
                self._tick()
                deadline += self.ptime_ns

    def _receive(self):
        try:
            data = self.sock.recv(2048)
        except OSError:
            return  # ICMP port unreachable from the peer shows up here
        packet = parse_rtp(data, time.monotonic_ns())
        if packet:
            with self.changed:
                self.received.append(packet)
                self.changed.notify_all()

    def _tick(self):
        with self.changed:
            if self.sending and self._peer:
                if not self._event and self._digits:
                    code, ticks, gap = self._digits.popleft()
                    self._event = [code, self._ts, ticks, gap, 0]
                if self._event:
                    self._send_event()
                elif not self.muted or self._audio:
                    self._send_audio()
                else:
                    self._fresh = True
            else:
                self._fresh = True
            self._ts = (self._ts + self.frame) & 0xffffffff
            self.changed.notify_all()

    def _send_audio(self):
        payload = self._audio.popleft() if self._audio else (
            self.silence * self.frame)
        self._send(self.pt, self._ts, self._fresh, payload)
        self._fresh = False

    def _send_event(self):
        # RFC 4733, 2.5: one timestamp for all packets of a key, the duration
        # grows, the end is sent three times. Then silence between the keys.
        code, start, ticks, gap, done = self._event
        self._event[4] += 1
        if done < ticks + 2:
            end = done >= ticks - 1
            duration = min(done + 1, ticks) * self.frame
            payload = struct.pack("!BBH", code, 0x80 * end + 10, duration)
            self._send(EVENT_PT, start, done == 0, payload)
        else:
            self._send(self.pt, self._ts, done == ticks + 2,
                       self.silence * self.frame)
            if done >= ticks + 2 + gap:
                self._event = None

    def _send(self, pt, ts, marker, payload):
        head = struct.pack("!BBHII", 0x80, marker << 7 | pt, self._seq, ts,
                           self._ssrc)
        try:
            self.sock.sendto(head + payload, self._peer)
        except OSError:
            pass
        self.sent.append(RtpPacket(time.monotonic_ns(), self._seq, ts, marker,
                                   pt, self._ssrc, payload))
        self._seq = (self._seq + 1) & 0xffff


class SipPhone:
    """One telephone, one call at a time. Not registered, no password."""

    def __init__(self, server, codec="ulaw", ptime_ms=20, offer=()):
        """offer: codecs to offer, in that order, in place of codec alone; it
        then speaks the first one of the answer (RFC 3264, 6.1)."""
        self.server = server
        codec = offer[0] if offer else codec
        self._codecs = [CODECS[c][:2] for c in offer or (codec,)]
        self._changed = threading.Condition(threading.RLock())
        self.state = "idle"  # calling ringing answered ended
        self.end_reason = ""  # "486 Busy here", "BYE", "local BYE", ...
        self.events = []  # (monotonic ns, "INVITE" or "< 180 Ringing" ...)
        self._pending = {}  # branch -> _Transaction
        self._acks = {}  # CSeq of an INVITE -> the ACK for its 2xx
        self._dialog = None
        self._invite = None
        self._reinvite = None  # CSeq of a hold or unhold under way
        self._direction = "sendrecv"
        self._version = random.getrandbits(16)
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self._sock.settimeout(0.05)
        self.port = self._sock.getsockname()[1]
        self.rtp = RtpStream(codec, ptime_ms, self._changed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Hangs up if need be and frees the sockets."""
        if self.state in ("calling", "ringing", "answered"):
            self.hangup()
            try:
                self.wait_ended(3)
            except TimeoutError:
                pass  # the PBX may be dead; that is the test's business
        self._stop.set()
        self._thread.join()
        self._sock.close()
        self.rtp.close()

    # -- what a test does with it

    def call(self, number, caller="3001234655", name=None, headers=()):
        """Dials; returns at once. headers: lines added to the INVITE."""
        with self._changed:
            assert self.state in ("idle", "ended"), self.state
            display = '"%s" ' % name if name else ""
            self._dialog = {
                "call_id": "%032x@127.0.0.1" % random.getrandbits(128),
                "cseq": random.randrange(1, 10000),
                "from": "%s<sip:%s@127.0.0.1:%d>;tag=%08x" % (
                    display, caller, self.port, random.getrandbits(32)),
                "to": "<sip:%s@%s:%d>" % (number, *self.server),
                "target": "sip:%s@%s:%d" % (number, *self.server),
                "user": caller,
            }
            self.end_reason = ""
            self._direction = "sendrecv"
            self._set_state("calling")
            self._invite = self._request("INVITE", self._offer(),
                                         extra=headers)

    def wait_ringing(self, timeout=10):
        self._wait(lambda: self.state in ("ringing", "answered"), timeout,
                   "ringing")

    def wait_answered(self, timeout=10):
        self._wait(lambda: self.state == "answered", timeout, "answered")

    def wait_ended(self, timeout=10):
        self._wait(lambda: self.state == "ended", timeout, "ended",
                   may_end=True)

    def wait_received(self, condition, timeout=10, what="audio"):
        """Waits until condition(list of received packets) is true."""
        self._wait(lambda: condition(self.rtp.received), timeout, what,
                   may_end=True)

    def play(self, audio, wait=True, timeout=None):
        """Sends G.711 bytes, 20 ms a packet, then silence again."""
        self.rtp.queue_audio(audio)
        if wait:
            self._wait(self.rtp.idle, timeout or len(audio) / 8000 + 10,
                       "end of the audio")

    def dtmf(self, digits, duration_ms=100, gap_ms=100, wait=True):
        """Presses keys: 0-9 * # A-D."""
        self.rtp.queue_digits(digits, duration_ms, gap_ms)
        if wait:
            self._wait(self.rtp.idle, len(digits) + 10, "end of the digits")

    def mute(self, muted=True):
        """Stops sending between talk spurts, as a phone with DTX does."""
        with self._changed:
            self.rtp.muted = muted

    def hold(self, direction="sendonly", timeout=10):
        """Puts the other side on hold: sendonly (music), inactive."""
        self._renegotiate(direction, timeout)

    def unhold(self, timeout=10):
        self._renegotiate("sendrecv", timeout)

    def hangup(self):
        """Ends the call: BYE, or CANCEL while it is not answered yet."""
        with self._changed:
            if self.state == "answered":
                self._request("BYE")
                self._end("local BYE")
            elif self.state in ("calling", "ringing"):
                self._cancel()

    @property
    def received(self):
        """Packets received so far (a copy)."""
        with self._changed:
            return list(self.rtp.received)

    @property
    def sent(self):
        with self._changed:
            return list(self.rtp.sent)

    def received_audio(self):
        """The payloads of the codec in order of arrival, joined."""
        return self.rtp.audio()

    def event_ns(self, prefix):
        """When an event of that prefix was first seen, None if never."""
        with self._changed:
            return next((ns for ns, e in self.events if e.startswith(prefix)),
                        None)

    # -- SIP

    def _wait(self, condition, timeout, what, may_end=False):
        with self._changed:
            done = self._changed.wait_for(
                lambda: condition() or (self.state == "ended" and not may_end),
                timeout)
            if not done or not condition():
                raise TimeoutError("telephone: no %s in %g s; state %s %s; %s"
                                   % (what, timeout, self.state,
                                      self.end_reason,
                                      [e for _, e in self.events[-8:]]))

    def _set_state(self, state):
        self.state = state
        self.rtp.sending = (state == "answered" and
                            self._direction in ("sendrecv", "sendonly"))
        self._changed.notify_all()

    def _end(self, reason):
        self.end_reason = reason
        self.rtp.drop_queued()
        self._set_state("ended")

    def _note(self, event):
        self.events.append((time.monotonic_ns(), event))

    def _offer(self):
        self._version += 1
        return "\r\n".join([
            "v=0", "o=- 1 %d IN IP4 127.0.0.1" % self._version, "s=-",
            "c=IN IP4 127.0.0.1", "t=0 0",
            "m=audio %d RTP/AVP %s %d" % (
                self.rtp.port, " ".join(str(pt) for pt, _ in self._codecs),
                EVENT_PT),
            *("a=rtpmap:%d %s/8000" % codec for codec in self._codecs),
            "a=rtpmap:%d telephone-event/8000" % EVENT_PT,
            "a=fmtp:%d 0-15" % EVENT_PT,
            "a=ptime:%d" % (self.rtp.ptime_ns // 1_000_000),
            "a=" + self._direction, ""])

    def _take_answer(self, sdp):
        media = re.search(r"^m=audio (\d+) \S+ (\d+)", sdp, re.M)
        host = re.search(r"^c=IN IP4 (\S+)", sdp, re.M)
        if media and host:
            self.rtp.set_peer((host.group(1), int(media.group(1))))
            for name, (pt, _, _) in CODECS.items():
                if pt == int(media.group(2)):
                    self.rtp.set_codec(name)

    def _request(self, method, body="", extra=()):
        """Sends a request in the dialog and keeps it until answered."""
        dialog = self._dialog
        dialog["cseq"] += 1
        branch = "z9hG4bK%016x" % random.getrandbits(64)
        data = self._format(method, dialog["target"], branch, dialog["cseq"],
                            body, extra)
        transaction = _Transaction(data, method)
        transaction.branch, transaction.cseq = branch, dialog["cseq"]
        self._pending[branch] = transaction
        self._send(data, method)
        return transaction

    def _format(self, method, uri, branch, cseq, body="", extra=()):
        dialog = self._dialog
        lines = ["%s %s SIP/2.0" % (method, uri),
                 "Via: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=%s" % (
                     self.port, branch),
                 "Max-Forwards: 70",
                 "From: " + dialog["from"], "To: " + dialog["to"],
                 "Call-ID: " + dialog["call_id"],
                 "CSeq: %d %s" % (cseq, method),
                 "Contact: <sip:%s@127.0.0.1:%d>" % (dialog["user"],
                                                     self.port),
                 "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE",
                 *extra]
        if body:
            lines.append("Content-Type: application/sdp")
        lines += ["Content-Length: %d" % len(body), "", body]
        return "\r\n".join(lines).encode()

    def _send(self, data, note=None):
        if note:
            self._note(note)
        try:
            self._sock.sendto(data, self.server)
        except OSError:
            pass  # retransmission will show whether it was final

    def _cancel(self):
        # RFC 3261, 9.1: the CANCEL has the branch and CSeq of its INVITE.
        invite = self._invite
        data = self._format("CANCEL", self._dialog["target"], invite.branch,
                            invite.cseq)
        transaction = _Transaction(data, "CANCEL")
        self._pending[invite.branch + " CANCEL"] = transaction
        self._send(data, "CANCEL")

    def _renegotiate(self, direction, timeout):
        with self._changed:
            assert self.state == "answered", self.state
            self._direction = direction
            self._reinvite = self._request("INVITE", self._offer()).cseq
            self._set_state("answered")
        self._wait(lambda: self._reinvite is None, timeout,
                   "answer to the re-INVITE")

    def _run(self):
        while not self._stop.is_set():
            try:
                data = self._sock.recv(8192)
            except socket.timeout:
                data = b""
            except OSError:
                data = b""  # ICMP: nobody listens there at the moment
            with self._changed:
                if b" SIP/2.0\r\n" in data or data.startswith(b"SIP/2.0 "):
                    self._take(SipMessage(data))
                self._retransmit()

    def _retransmit(self):
        now = time.monotonic()
        for branch, tr in list(self._pending.items()):
            if now >= tr.expires:
                del self._pending[branch]
                if tr.method == "INVITE" and self.state != "ended":
                    self._end("no answer to INVITE")
            elif now >= tr.due:
                self._send(tr.data)
                tr.interval *= 2
                if tr.method != "INVITE":
                    tr.interval = min(tr.interval, 4.0)
                tr.due = now + tr.interval

    def _take(self, msg):
        if not self._dialog or msg.get("call-id") != self._dialog["call_id"]:
            if not msg.is_response and msg.method != "ACK":
                self._reply(msg, "481 Call/Transaction Does Not Exist")
            return
        if msg.is_response:
            self._note("< %d %s" % (msg.status, msg.reason))
            self._take_response(msg)
        else:
            self._note("< " + msg.method)
            self._take_request(msg)

    def _take_request(self, msg):
        if msg.method == "ACK":
            return
        if msg.method == "INVITE" or (msg.method == "UPDATE" and msg.body):
            self._take_answer(msg.body)
            self._reply(msg, "200 OK", self._offer())
        else:
            self._reply(msg, "200 OK")
        if msg.method == "BYE" and self.state != "ended":
            self._end("BYE")

    def _reply(self, msg, status, body=""):
        lines = ["SIP/2.0 " + status]
        for name in ("via", "from", "to", "call-id", "cseq"):
            lines += ["%s: %s" % h for h in msg.all(name)]
        if self._dialog:
            lines.append("Contact: <sip:%s@127.0.0.1:%d>" % (
                self._dialog["user"], self.port))
        if body:
            lines.append("Content-Type: application/sdp")
        lines += ["Content-Length: %d" % len(body), "", body]
        self._send("\r\n".join(lines).encode())

    def _take_response(self, msg):
        if msg.cseq_method == "CANCEL":
            self._pending.pop(msg.branch() + " CANCEL", None)
            return
        transaction = self._pending.get(msg.branch())
        if msg.status < 200:
            if transaction:  # RFC 3261, 17.1.1.2: wait for the answer
                transaction.due = transaction.expires = time.monotonic() + 300
            if msg.status == 180 and self.state == "calling":
                self._set_state("ringing")
            return
        self._pending.pop(msg.branch(), None)
        if msg.cseq_method != "INVITE":
            return
        if msg.status < 300:
            self._take_success(msg)
        else:
            self._take_failure(msg)

    def _take_success(self, msg):
        ack = self._acks.get((msg.get("call-id"), msg.cseq))
        if ack:  # the 200 came again: our ACK was lost
            self._send(ack)
            return
        contact = re.search(r"<([^>]+)>", msg.get("contact"))
        if contact:
            self._dialog["target"] = contact.group(1)
        self._dialog["to"] = msg.get("to")
        self._take_answer(msg.body)
        ack = self._format("ACK", self._dialog["target"],
                           "z9hG4bK%016x" % random.getrandbits(64), msg.cseq)
        self._acks[msg.get("call-id"), msg.cseq] = ack
        self._send(ack, "ACK")
        if self._reinvite == msg.cseq:
            self._reinvite = None
            self._changed.notify_all()
        elif self.state in ("calling", "ringing"):
            self._set_state("answered")
        elif self.state == "ended":  # answered while we cancelled
            self._request("BYE")

    def _take_failure(self, msg):
        # RFC 3261, 17.1.1.3: this ACK belongs to the INVITE's transaction.
        to, self._dialog["to"] = self._dialog["to"], msg.get("to")
        self._send(self._format("ACK", self._dialog["target"], msg.branch(),
                                msg.cseq))
        if self._reinvite == msg.cseq:
            self._dialog["to"] = to
            self._reinvite = None
            self._changed.notify_all()
        elif self.state != "ended":
            self._end("%d %s" % (msg.status, msg.reason))
