# SPDX-License-Identifier: MIT
"""rtp.py – RTP packets, G.711, and the media side of the simulated Asterisk.

One thread per simulator sends and receives every packet. Its deadlines are
absolute on CLOCK_MONOTONIC, so that a busy asyncio loop or test never changes
the pace of a caller. Times are integers in nanoseconds of that clock.
"""
import array
import collections
import functools
import heapq
import ipaddress
import os
import random
import select
import socket
import struct
import threading
import time

HEADER = struct.Struct('!BBHII')
SILENCE = {'ulaw': b'\xff', 'alaw': b'\xd5'}
PAYLOAD_TYPE = {'ulaw': 0, 'alaw': 8, 'slin': 10, 'slin16': 118}
PT_LAST_STATIC = 34     # AST_RTP_PT_LAST_STATIC: nothing above it is accepted
SO_TIMESTAMPNS = 35     # Linux; absent from Python's socket module

Packet = collections.namedtuple(
    'Packet', 'marker pt seq ts ssrc payload csrc extension padding',
    defaults=((), None, 0))
Violation = collections.namedtuple('Violation', 'kind channel detail t_ns')


def pack(seq, ts, ssrc, pt, payload, marker=False):
    """One RTP packet without CSRC, extension or padding."""
    return HEADER.pack(0x80, pt | (0x80 if marker else 0), seq & 0xffff,
                       ts & 0xffffffff, ssrc) + payload


def parse(data):
    """The packet in data; ValueError says why it is not one (RFC 3550 5.1)."""
    if len(data) < 12:
        raise ValueError('shorter than a header')
    b0, b1, seq, ts, ssrc = HEADER.unpack_from(data)
    if b0 >> 6 != 2:
        raise ValueError(f'version {b0 >> 6}')
    if b0 == 0x80:
        return Packet(bool(b1 & 0x80), b1 & 0x7f, seq, ts, ssrc, data[12:])
    start = 12 + 4 * (b0 & 0x0f)
    if start > len(data):
        raise ValueError('CSRC list past the end')
    csrc = struct.unpack_from(f'!{b0 & 0x0f}I', data, 12)
    extension = None
    if b0 & 0x10:
        if start + 4 > len(data):
            raise ValueError('extension header past the end')
        profile, words = struct.unpack_from('!HH', data, start)
        start += 4 + 4 * words
        if start > len(data):
            raise ValueError('extension past the end')
        extension = (profile, words)
    end = len(data)
    padding = 0
    if b0 & 0x20:
        padding = data[-1]
        if padding == 0 or padding > end - start:
            raise ValueError('padding past the payload')
        end -= padding
    return Packet(bool(b1 & 0x80), b1 & 0x7f, seq, ts, ssrc, data[start:end],
                  csrc, extension, padding)


# G.711, from its definition ------------------------------------------------

def _ulaw_decode(code):
    code = ~code & 0xff
    magnitude = ((((code & 0x0f) << 3) + 0x84) << (code >> 4 & 7)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def _alaw_decode(code):
    code ^= 0x55
    exponent = code >> 4 & 7
    magnitude = ((code & 0x0f) << 4) + 8
    if exponent:
        magnitude = (magnitude + 0x100) << (exponent - 1)
    return magnitude if code & 0x80 else -magnitude


def _ulaw_encode(sample):
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 0x84
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | (magnitude >> (exponent + 3) & 0x0f)) & 0xff


def _alaw_encode(sample):
    sign = 0 if sample < 0 else 0x80
    magnitude = min(abs(sample), 32767)
    exponent = max(magnitude.bit_length() - 8, 0)
    mantissa = magnitude >> (exponent + 3 if exponent else 4) & 0x0f
    return (sign | exponent << 4 | mantissa) ^ 0x55


TO_LINEAR = {
    'ulaw': tuple(_ulaw_decode(c) for c in range(256)),
    'alaw': tuple(_alaw_decode(c) for c in range(256)),
}
LOUDNESS = {name: tuple(abs(v) for v in table)
            for name, table in TO_LINEAR.items()}
TRANSCODE = {
    ('ulaw', 'alaw'): bytes(_alaw_encode(v) for v in TO_LINEAR['ulaw']),
    ('alaw', 'ulaw'): bytes(_ulaw_encode(v) for v in TO_LINEAR['alaw']),
}


@functools.lru_cache(None)
def _encode_table(codec):
    """Codes for every sample / 4, taken in the middle: no step is finer."""
    encode = {'ulaw': _ulaw_encode, 'alaw': _alaw_encode}[codec]
    signed = (i if i < 0x2000 else i - 0x4000 for i in range(0x4000))
    return bytes(encode((s << 2) + 2) for s in signed)


def decode(codec, payload):
    """array('h') of linear samples."""
    return array.array('h', map(TO_LINEAR[codec].__getitem__, payload))


def encode(codec, samples):
    table = _encode_table(codec)
    return bytes(table[s >> 2 & 0x3fff] for s in samples)


@functools.lru_cache(None)
def _slin_table(codec):
    return tuple(struct.pack('!h', v) for v in TO_LINEAR[codec])


def convert(codec, payload, fmt):
    """What Asterisk's translators make of a caller's G.711 for format fmt."""
    if codec == fmt:
        return payload
    if fmt in TO_LINEAR:
        return payload.translate(TRANSCODE[codec, fmt])
    if fmt == 'slin':
        return b''.join(map(_slin_table(codec).__getitem__, payload))
    twice = array.array('h')
    last = 0
    for sample in decode(codec, payload):
        twice.append((last + sample) // 2)
        twice.append(sample)
        last = sample
    twice.byteswap()
    return twice.tobytes()


# The thread ------------------------------------------------------------------

class Engine:
    """Runs timed items and reads sockets, in a thread of its own.

    An item has fire(due_ns, now_ns) -> next due or None. A reader has
    received(t_ns, data, address). Both run in the thread: keep them short.
    """

    def __init__(self):
        self.late_max_ns = 0
        self.late_over_5ms = 0
        self.fired = 0
        self.error = None
        self._heap = []
        self._order = 0
        self._commands = collections.deque()
        self._readers = {}
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._stop = False
        self._thread = threading.Thread(target=self._run, name='sim-rtp',
                                        daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop = True
        os.eventfd_write(self._wake, 1)
        if self._thread.ident is not None:
            self._thread.join()
        for sock, _ in self._readers.values():
            sock.close()
        self._readers.clear()
        self._epoll.close()
        os.close(self._wake)

    def schedule(self, due_ns, item):
        """From any thread: item.fire() at due_ns."""
        self._post(lambda: self._push(due_ns, item))

    def read(self, sock, reader):
        """From any thread; the socket belongs to the engine from here on."""
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

        def add():
            self._readers[sock.fileno()] = (sock, reader)
            self._epoll.register(sock, select.EPOLLIN)
        self._post(add)

    def close(self, sock):
        """From any thread: stop reading sock and close it."""
        def remove():
            if self._readers.pop(sock.fileno(), None):
                self._epoll.unregister(sock)
            sock.close()
        self._post(remove)

    def _post(self, command):
        self._commands.append(command)
        os.eventfd_write(self._wake, 1)

    def _push(self, due_ns, item):
        self._order += 1
        heapq.heappush(self._heap, (due_ns, self._order, item))

    def _run(self):
        try:
            while not self._stop:
                self._fire_due()
                self._wait()
                while self._commands:
                    self._commands.popleft()()
        except Exception as error:      # shown by the next test that looks
            self.error = error
            raise

    def _fire_due(self):
        heap = self._heap
        now = time.monotonic_ns()
        while heap and heap[0][0] <= now:
            due, _, item = heapq.heappop(heap)
            late = now - due
            self.fired += 1
            if late > self.late_max_ns:
                self.late_max_ns = late
            if late > 5_000_000:
                self.late_over_5ms += 1
            following = item.fire(due, now)
            if following is not None:
                self._push(following, item)
            now = time.monotonic_ns()

    def _wait(self):
        # select() has the microseconds that epoll's timeout lacks.
        timeout = None
        if self._heap:
            timeout = (self._heap[0][0] - time.monotonic_ns()) / 1e9
            timeout = max(timeout, 0)
        select.select([self._epoll], [], [], timeout)
        ready = self._epoll.poll(0)
        if not ready:
            return
        to_monotonic = time.monotonic_ns() - time.time_ns()
        for fd, _ in ready:
            if fd == self._wake:
                os.eventfd_read(fd)
            elif fd in self._readers:
                self._drain(*self._readers[fd], to_monotonic)

    @staticmethod
    def _drain(sock, reader, to_monotonic):
        for _ in range(32):
            try:
                data, ancillary, _, address = sock.recvmsg(2048, 64)
            except BlockingIOError:
                return
            except OSError:
                continue    # a queued ICMP error; the data come after it
            if ancillary:
                sec, nsec = struct.unpack('qq', ancillary[0][2][:16])
                t_ns = sec * 1_000_000_000 + nsec + to_monotonic
            else:
                t_ns = time.monotonic_ns()
            reader.received(t_ns, data, address)


class Delayed:
    """One datagram to send later."""

    def __init__(self, sock, data, peer):
        self.args = (data, peer)
        self.sock = sock

    def fire(self, _due, _now):
        send(self.sock, *self.args)


def send(sock, data, peer):
    try:
        sock.sendto(data, peer)
    except OSError:
        pass    # as on a real network: nobody tells the sender


class Impairment:
    """What the network does to packets on their way to the agent."""

    def __init__(self, loss=0.0, duplicate=0.0, reorder=0.0, jitter_ms=0.0,
                 seed=1):
        self.loss, self.duplicate = loss, duplicate
        self.reorder, self.jitter_ms = reorder, jitter_ms
        self.random = random.Random(seed)
        self.lost = self.duplicated = self.reordered = 0

    def delays_ms(self, ptime):
        """When each copy of the next packet leaves; empty: it is lost."""
        chance = self.random.random
        if chance() < self.loss:
            self.lost += 1
            return ()
        delay = chance() * self.jitter_ms
        if chance() < self.reorder:
            self.reordered += 1
            delay += 1.5 * ptime
        if chance() < self.duplicate:
            self.duplicated += 1
            return (delay, delay)
        return (delay,)


class UnicastRtp:
    """The RTP side of one UnicastRTP channel: strict, silent, unbuffered.

    sink(t_ns, seq, ts, marker, pt, payload) takes what the real one accepts;
    what it drops is dropped here too, and reported by report(Violation).
    """

    def __init__(self, engine, channel, fmt, peer, host, report):
        self.engine, self.channel, self.fmt = engine, channel, fmt
        self.peer, self.report = peer, report
        self.pt = PAYLOAD_TYPE[fmt]
        self.sinks = ()
        self.ssrc = random.getrandbits(32)
        self.impairment = None
        self.sent = self.received_count = self.dropped = 0
        self.first_ns = self.last_ns = 0
        self._last = None
        self.sock = socket.socket(family(host), socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.local = self.sock.getsockname()[:2]
        engine.read(self.sock, self)

    def close(self):
        self.sinks = ()
        self.engine.close(self.sock)

    def send(self, codec, seq, ts, marker, payload, now_ns):
        """A frame of the bridge, numbered as the caller numbered it."""
        samples = len(payload)
        if self.fmt == 'slin16':
            ts *= 2
        data = pack(seq, ts, self.ssrc, self.pt,
                    convert(codec, payload, self.fmt), marker)
        self.sent += 1
        if self.impairment is None:
            send(self.sock, data, self.peer)
            return
        for delay_ms in self.impairment.delays_ms(samples // 8):
            due = now_ns + int(delay_ms * 1e6)
            self.engine.schedule(due, Delayed(self.sock, data, self.peer))

    def received(self, t_ns, data, address):
        """In the engine's thread."""
        if address[:2] != self.peer:
            self._drop('rtp-source', f'from {address[0]}:{address[1]}', t_ns)
            return
        try:
            packet = parse(data)
        except ValueError as error:
            self._drop('rtp-malformed', str(error), t_ns)
            return
        if packet.pt > PT_LAST_STATIC or packet.pt not in (0, 8):
            self._drop('rtp-payload-type', f'{packet.pt}', t_ns)
            return
        if packet.pt != self.pt:
            self._tell('rtp-payload-type',
                       f'{packet.pt} on a {self.fmt} channel', t_ns)
        if not packet.payload:
            self._drop('rtp-empty', 'no payload', t_ns)
            return
        self._check_order(packet, t_ns)
        self.received_count += 1
        self.first_ns = self.first_ns or t_ns
        self.last_ns = t_ns
        for sink in self.sinks:
            sink(t_ns, packet.seq, packet.ts, packet.marker, packet.pt,
                 packet.payload)

    def _check_order(self, packet, t_ns):
        last, self._last = self._last, packet
        if last is None:
            return
        if packet.ssrc != last.ssrc:
            self._tell('rtp-ssrc', f'{last.ssrc:08x} -> {packet.ssrc:08x}',
                       t_ns)
            return
        if packet.seq != (last.seq + 1) & 0xffff:
            self._tell('rtp-sequence', f'{last.seq} -> {packet.seq}', t_ns)
        expected = (last.ts + len(last.payload)) & 0xffffffff
        if packet.ts != expected and not packet.marker:
            self._tell('rtp-timestamp', f'{packet.ts}, expected {expected}',
                       t_ns)

    def _drop(self, kind, detail, t_ns):
        self.dropped += 1
        self._tell(kind, detail, t_ns)

    def _tell(self, kind, detail, t_ns):
        self.report(Violation(kind, self.channel, detail, t_ns))


def family(host):
    version = ipaddress.ip_address(host).version
    return socket.AF_INET6 if version == 6 else socket.AF_INET
