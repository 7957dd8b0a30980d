# SPDX-License-Identifier: MIT
"""The bad networks of impair*.py: as bad as they are told, not worse, and the
same for the same seed."""

import random
import socket
import statistics
import threading
import time

import pytest

from tests.sim.ari import AriSim
from tests.sim.ari_client import Client
from tests.sim.impair import Dice, Network
from tests.sim.impair_tcp import TcpRelay
from tests.sim.impair_udp import UdpRelay

MANY = 20_000
PTIME_NS = 20_000_000
SIZE = 172                  # bytes: 20 ms of G.711 with its RTP header
PATIENCE_S = 20


def fates(seed=1, count=MANY, tcp=False, **what):
    """The Dice, and of each packet the milliseconds from its arrival to the
    departures of its copies."""
    dice = Dice(seed, Network(**what))
    made = []
    for number in range(count):     # fewer than a socket holds
        now = number * PTIME_NS
        due = (dice.tcp_departure(SIZE, now),) if tcp else \
            dice.departures(SIZE, now)
        made.append([(t - now) / 1e6 for t in due])
    return dice, made


def runs(values):
    """Lengths of the runs of true values."""
    lengths, length = [], 0
    for value in [*values, False]:
        if value:
            length += 1
        elif length:
            lengths.append(length)
            length = 0
    return lengths


# The dice

def test_a_perfect_network_changes_nothing():
    assert fates(count=100)[1] == [[0.0]] * 100


@pytest.mark.parametrize("seed", [1, 2, "7/0/up"])
def test_as_many_are_lost_as_was_asked_for(seed):
    dice, made = fates(seed, loss=.05)
    lost = [not copies for copies in made]
    assert sum(lost) == dice.lost
    assert .044 < sum(lost) / MANY < .056
    assert statistics.mean(runs(lost)) < 1.15   # alone: 1 / (1 - .05)


def test_bursts_swallow_as_many_in_a_row_as_was_asked_for():
    dice, made = fates(burst=.01, burst_packets=5)
    lengths = runs(not copies for copies in made)
    assert sum(lengths) == dice.in_bursts and dice.lost == 0
    assert 4.4 < statistics.mean(lengths) < 5.6
    assert .008 < len(lengths) / MANY < .012


def test_a_burst_of_one_is_one():
    assert set(runs(not c for c in fates(burst=.01, burst_packets=1)[1])) <= \
        {1, 2}


def test_jitter_is_even_and_keeps_the_order():
    _, made = fates(delay_ms=40, jitter_ms=20)
    late = [ms for copies in made for ms in copies]
    assert 40 <= min(late) < 40.1 and 59.9 < max(late) <= 60
    assert 49.5 < statistics.mean(late) < 50.5
    _, made = fates(jitter_ms=100)      # five packets wide
    leaves = [round(n * 20 + c[0], 6) for n, c in enumerate(made)]
    assert leaves == sorted(leaves)


def test_as_many_are_overtaken_as_was_asked_for():
    dice, made = fates(reorder=.1, reorder_ms=30)
    leaves = [n * 20 + copies[0] for n, copies in enumerate(made)]
    overtaken = sum(any(later < leaves[n] for later in leaves[n + 1:n + 3])
                    for n in range(MANY))
    assert .09 < dice.reordered / MANY < .11
    # One that is held back with the next one is not overtaken by it.
    assert .8 * dice.reordered < overtaken <= dice.reordered


def test_as_many_come_twice_as_was_asked_for():
    dice, made = fates(duplicate=.1)
    twice = [copies for copies in made if len(copies) == 2]
    assert len(twice) == dice.duplicated
    assert .09 < len(twice) / MANY < .11


def test_a_narrow_place_lets_through_its_rate_and_drops_the_rest():
    """68.8 kbit/s are sent; half of that gets through."""
    dice, made = fates(count=2000, rate_kbps=34.4, queue_ms=200)
    passed = [copies[0] for copies in made if copies]
    assert abs(len(passed) / 2000 - .5) < .02
    assert dice.overflowed == 2000 - len(passed)
    assert 200 <= max(passed) <= 240.1      # those that wait, and itself
    assert max(ms for c in fates(rate_kbps=80)[1] for ms in c) < 40


def test_what_was_lost_comes_again_over_tcp_and_all_behind_it_waits():
    dice, made = fates(tcp=True, loss=.01)
    late = [copies[0] for copies in made]
    leaves = [round(n * 20 + ms, 6) for n, ms in enumerate(late)]
    assert leaves == sorted(leaves) and len(leaves) == MANY
    assert .008 < dice.lost / MANY < .012
    assert 200 <= max(late) < 1500
    # Each holds up those behind it for 200 ms: ten packets, evenly less.
    waited = sum(ms > 0 for ms in late) / MANY
    assert .07 < waited < .14


def test_a_narrow_place_on_a_tcp_connection_loses_nothing():
    _, made = fates(count=500, tcp=True, rate_kbps=34.4)
    assert len(made) == 500
    assert 9000 < made[-1][0] < 10500       # it is 10 s behind


def test_the_same_seed_makes_the_same_network():
    what = dict(loss=.05, burst=.01, jitter_ms=30, reorder=.1, duplicate=.1)
    assert fates(3, 2000, **what)[1] == fates(3, 2000, **what)[1]
    assert fates(3, 2000, **what)[1] != fates(4, 2000, **what)[1]


def test_what_else_goes_wrong_does_not_change_who_is_lost():
    def lost(**more):
        return [not copies for copies in fates(5, 5000, loss=.05, **more)[1]]
    assert lost() == lost(jitter_ms=80, duplicate=.2, reorder=.2)


@pytest.mark.parametrize("what", [{"loss": 2}, {"burst": -1},
                                  {"burst_packets": .5}])
def test_nonsense_is_refused(what):
    with pytest.raises(ValueError):
        Network(**what)


# Datagrams

class Ends:
    """Two sockets and what each is given; Asterisk is the first."""

    def __init__(self, relay):
        self.socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                      for _ in range(2)]
        for sock in self.socks:
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(PATIENCE_S)
        self.asterisk, self.agent = self.socks
        self.to_agent, self.to_asterisk = relay.between(
            *(sock.getsockname() for sock in self.socks))

    def up(self, data):
        self.asterisk.sendto(data, self.to_agent)

    def down(self, data):
        self.agent.sendto(data, self.to_asterisk)


@pytest.fixture
def relay():
    with UdpRelay(seed=9) as made:
        yield made


@pytest.fixture
def ends(relay):
    made = Ends(relay)
    yield made
    for sock in made.socks:
        sock.close()


def wait(predicate):
    end = time.monotonic() + PATIENCE_S
    while not predicate():
        assert time.monotonic() < end, "not in time"
        time.sleep(.001)


def numbered(sock, count):
    return [int(sock.recvfrom(64)[0]) for _ in range(count)]


def test_each_end_sees_the_relay_in_the_place_of_the_other(ends):
    ends.up(b"hola")
    assert ends.agent.recvfrom(64) == (b"hola", ends.to_asterisk)
    ends.down(b"buenas")
    assert ends.asterisk.recvfrom(64) == (b"buenas", ends.to_agent)


def test_strangers_are_not_passed_on(ends, relay):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"x", ends.to_agent)
    ends.up(b"hola")
    assert ends.agent.recv(64) == b"hola"


def sent_through(seed, count=150, **what):
    """The numbers of the packets that came, in their order."""
    with UdpRelay(seed) as relay:
        ends = Ends(relay)
        relay.impair("up", **what)
        for number in range(count):     # fewer than a socket holds
            ends.up(b"%d" % number)
        dice = relay.paths[0]["up"]
        wait(lambda: dice.packets == count)
        relay.clear()
        ends.up(b"%d" % count)
        came = []
        while not came or came[-1] != count:
            came += numbered(ends.agent, 1)
        for sock in ends.socks:
            sock.close()
        return came[:-1], dice


def test_the_same_seed_loses_the_same_datagrams():
    first, dice = sent_through(4, loss=.1, duplicate=.05)
    assert len(first) == 150 - dice.lost + dice.duplicated
    assert 5 < dice.lost < 30
    assert sent_through(4, loss=.1, duplicate=.05)[0] == first
    assert sent_through(5, loss=.1, duplicate=.05)[0] != first


def test_what_is_held_back_is_overtaken(ends, relay):
    relay.impair("up", reorder=1, reorder_ms=500)
    ends.up(b"1")
    wait(lambda: relay.paths[0]["up"].reordered == 1)
    relay.clear()
    ends.up(b"2")
    assert numbered(ends.agent, 2) == [2, 1]


def test_one_direction_alone_is_impaired(ends, relay):
    relay.impair("up", loss=1)
    ends.up(b"1")
    ends.down(b"2")
    assert numbered(ends.asterisk, 1) == [2]
    assert relay.paths[0]["up"].lost == 1
    relay.clear()
    ends.up(b"3")
    assert numbered(ends.agent, 1) == [3]


def test_a_black_hole_swallows_and_can_be_closed(ends, relay):
    relay.black_hole()
    ends.up(b"1")
    ends.down(b"1")
    time.sleep(.05)     # the one way to see that nothing comes
    relay.clear()
    ends.up(b"2")
    ends.down(b"2")
    assert numbered(ends.agent, 1) == numbered(ends.asterisk, 1) == [2]


def test_a_call_s_media_goes_through_the_relay(relay):
    """Also the sources that the simulated Asterisk insists on are right."""
    relay.impair(delay_ms=10)
    with AriSim(media_relay=relay).start_in_thread() as sim:
        client = Client(sim)
        phone = sim.call()
        client.agent.echo = True
        client.take_call(phone)
        said = bytes(random.Random(1).choices(range(0x10, 0x60), k=160)) * 10
        clip = phone.play(said).wait(PATIENCE_S)
        sim.wait_for(lambda: said in phone.recording.payload(), PATIENCE_S,
                     "the echo")
        heard = phone.wait_sound()
        assert heard - clip.start_ns > 19_000_000
        assert relay.paths[0]["up"].packets > 0
        assert [v for v in sim.violations if "source" in v.kind] == []
        phone.hangup()
        client.clean_up()
        client.close()


# Connections

class Echo:
    """A TCP server that says again what it is told."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(sock,),
                             daemon=True).start()

    @staticmethod
    def _talk(sock):
        with sock:
            try:
                while data := sock.recv(4096):
                    sock.sendall(data)
            except OSError:
                pass


@pytest.fixture
def line():
    with Echo() as echo, TcpRelay("127.0.0.1", echo.port, seed=3) as made:
        yield made


def connected(line):
    sock = socket.create_connection(("127.0.0.1", line.port), PATIENCE_S)
    sock.settimeout(PATIENCE_S)
    return sock


def echoed(sock, data):
    """What comes back of DATA, and after how many milliseconds."""
    begin, came = time.monotonic(), b""
    threading.Thread(target=sock.sendall, args=(data,), daemon=True).start()
    while len(came) < len(data):
        piece = sock.recv(65536)
        assert piece, "the connection ended"
        came += piece
    return came, (time.monotonic() - begin) * 1000


def test_every_byte_comes_in_its_order_whatever_the_network(line):
    line.impair(loss=.02, jitter_ms=5, delay_ms=2)
    data = random.Random(1).randbytes(60_000)
    with connected(line) as sock:
        assert echoed(sock, data)[0] == data
    assert sum(link.dice[way].lost for link in line.links
               for way in link.dice) > 0


def test_a_delay_is_paid_in_each_direction(line):
    line.impair(delay_ms=40)
    with connected(line) as sock:
        assert echoed(sock, b"hola")[1] >= 80
        line.clear()
        assert echoed(sock, b"hola")[0] == b"hola"


def test_a_rate_is_kept(line):
    line.impair("up", rate_kbps=400)
    with connected(line) as sock:
        assert echoed(sock, bytes(20_000))[1] >= 350


def test_an_end_is_passed_on(line):
    with connected(line) as sock:
        assert echoed(sock, b"hola")[0] == b"hola"
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(10) == b""


def test_a_reset_reaches_the_ends(line):
    with connected(line) as sock:
        assert echoed(sock, b"hola")[0] == b"hola"
        line.reset()
        with pytest.raises(ConnectionResetError):
            sock.recv(10)
    with connected(line) as sock:
        assert echoed(sock, b"otra vez")[0] == b"otra vez"


def test_a_black_hole_takes_everything_and_answers_nothing(line):
    with connected(line) as old:
        assert echoed(old, b"hola")[0] == b"hola"
        line.black_hole()
        with connected(line) as new:
            for sock in (old, new):
                sock.sendall(b"hay alguien")
                sock.settimeout(.2)
                with pytest.raises(TimeoutError):
                    sock.recv(10)
        line.clear()
        with connected(line) as later:
            assert echoed(later, b"ya")[0] == b"ya"


def test_refused_is_refused_until_it_listens_again(line):
    with connected(line) as old:
        assert echoed(old, b"hola")[0] == b"hola"
        line.refuse()
        with pytest.raises(ConnectionRefusedError):
            connected(line)
        assert echoed(old, b"sigo")[0] == b"sigo"
        line.call(line.listen)
        with connected(line) as new:
            assert echoed(new, b"ya")[0] == b"ya"


def test_tcp_has_no_packets_out_of_order(line):
    with pytest.raises(ValueError):
        line.impair(reorder=.1)
