# SPDX-License-Identifier: MIT
"""The WebSocket client against the `websockets` library through bad networks.

The client is a process of its own (tests/unit/ws_driver.c); between it and the
server sits a proxy that cuts both directions into pieces of 1-60 bytes, stalls,
swallows or resets.
"""

import asyncio
import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from http import HTTPStatus
from pathlib import Path

import pytest
import websockets

from tests.sim.base import Simulator
from tests.sim.tls import Authority
from tests.sim.trickle import Trickle

REPO = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("TELEFONISTA_BUILD", REPO / "build"))
PATIENCE = 60
# A pong that had to wait for the client's next timer would take seconds.
PONG_BOUND_S = 0.9
UPLINK = 60, 263        # messages of one 20 ms append each


@pytest.fixture(scope="module")
def driver_binary():
    if "TELEFONISTA_BUILD" not in os.environ:
        subprocess.run(["make", "-s", "build/tests/ws_driver"], cwd=REPO,
                       check=True)
    return BUILD / "tests" / "ws_driver"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


class Server(Simulator):
    """A websockets server that runs `script(server, socket)` per connection."""

    def __init__(self, script, tls=None, refuse=None):
        super().__init__()
        self.script = script
        self.tls = tls
        self.refuse = refuse
        self.host, self.port = "127.0.0.1", 0
        self.pongs = []
        self.received = []
        self.digest = hashlib.sha256()
        self.failures = []
        self._server = None

    async def start(self):
        self._server = await websockets.serve(
            self._run, self.host, 0, ssl=self.tls, ping_interval=None,
            compression=None, max_size=None, process_request=self._request,
            # Or pongs would wait behind messages that wait for a pong.
            max_queue=None)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self):
        self._server.close()
        await self._server.wait_closed()

    async def _request(self, connection, _):
        if self.refuse and hasattr(connection, "respond"):  # websockets 14
            status, _, body = self.refuse
            return connection.respond(status, body.decode())
        return self.refuse

    async def _run(self, socket):
        try:
            await self.script(self, socket)
        except websockets.ConnectionClosed:
            self.log.add("closed", code=socket.close_code)
        except Exception as error:      # shown by the test
            self.failures.append(repr(error))
            raise

    async def ping(self, socket):
        begun = time.monotonic()
        await asyncio.wait_for(await socket.ping(), PATIENCE)
        self.pongs.append(time.monotonic() - begun)

    async def send(self, socket, message):
        self.digest.update(message.encode())
        await socket.send(message)


class Driver:
    """The client process."""

    def __init__(self, binary, ports, ca_file, log, ping_s=15, dead_s=30,
                 host="127.0.0.1"):
        addresses = ",".join(f"{host}:{port}" for port in ports)
        self.stderr = open(log, "wb")
        self.process = subprocess.Popen(
            [binary, addresses, "localhost", "/v1/realtime?model=x",
             ca_file or "plain", str(ping_s), str(dead_s)],
            stdout=subprocess.PIPE, stderr=self.stderr, text=True)
        self._watchdog = threading.Timer(PATIENCE, self.process.kill)
        self._watchdog.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._watchdog.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.stderr.close()

    def line(self):
        return self.process.stdout.readline().strip()

    def result(self):
        """What it says when its socket has closed."""
        for line in self.process.stdout:
            if line.startswith("{"):
                assert self.process.wait(PATIENCE) == 0
                return json.loads(line)
        raise AssertionError(f"driver ended: {self.process.wait()}")


async def whole_session(server, socket):
    """Pings in the 101's wake and in silence, bursts, an uplink, the end."""
    await server.ping(socket)
    for _ in range(15):
        await server.ping(socket)
    count, size = UPLINK
    await socket.send(f"send {count} {size}")
    for number in range(20):
        await server.send(socket, f"{number} " + "x" * 10240)
        await server.ping(socket)
    while len(server.received) < count:
        server.received.append(await socket.recv())
    # A message in fragments of odd sizes, with a ping between two.
    parts = ["one", "ñ" * 50, "three" * 300, ""]
    server.digest.update("".join(parts).encode())
    await socket.send(parts)
    await server.ping(socket)
    await socket.close(1000, "that is all")


def check_whole_session(server, result):
    assert not server.failures
    assert result["reason"] == "peer"
    assert result["status"] == 1000
    assert result["text"] == "that is all"
    assert result["received"] == 21
    assert result["sha256"] == server.digest.hexdigest()
    count, size = UPLINK
    assert result["sent"] == count
    assert [int(message.split()[0]) for message in server.received] == \
        list(range(count))
    assert {len(message) for message in server.received} == {size}
    assert len(server.pongs) == 37
    print(f"pongs: max {max(server.pongs) * 1000:.1f} ms, "
          f"mean {sum(server.pongs) / 37 * 1000:.1f} ms, "
          f"open in {result['open_ms']} ms")
    assert max(server.pongs) < PONG_BOUND_S


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_bytes_that_trickle_lose_nothing_and_delay_no_pong(
        seed, tls, driver_binary, authority, tmp_path):
    context = authority.context() if tls else None
    with Server(whole_session, context) as server, \
            Trickle("127.0.0.1", server.port, seed=seed) as proxy, \
            Driver(driver_binary, [proxy.port],
                   authority.ca_file if tls else None,
                   tmp_path / "log") as driver:
        check_whole_session(server, driver.result())


def test_the_same_without_a_proxy(driver_binary, authority, tmp_path):
    with Server(whole_session, authority.context()) as server, \
            Driver(driver_binary, [server.port], authority.ca_file,
                   tmp_path / "log") as driver:
        check_whole_session(server, driver.result())


async def until_closed(server, socket):
    await server.ping(socket)
    await socket.wait_closed()


def test_a_network_that_swallows_everything_is_noticed(
        driver_binary, authority, tmp_path):
    with Server(until_closed, authority.context()) as server, \
            Trickle("127.0.0.1", server.port, cut=False) as proxy, \
            Driver(driver_binary, [proxy.port], authority.ca_file,
                   tmp_path / "log", ping_s=1, dead_s=3) as driver:
        assert driver.line() == "open"
        server.wait_for(lambda: server.pongs)
        begun = time.monotonic()
        proxy.black_hole()
        result = driver.result()
        assert result["reason"] == "dead"
        assert result["text"] == "nothing heard for 3 s"
        assert 1.5 < time.monotonic() - begun < 15


def test_a_half_open_connection_is_noticed(driver_binary, authority, tmp_path):
    with Server(until_closed, authority.context()) as server, \
            Trickle("127.0.0.1", server.port, cut=False) as proxy, \
            Driver(driver_binary, [proxy.port], authority.ca_file,
                   tmp_path / "log", ping_s=1, dead_s=2) as driver:
        assert driver.line() == "open"
        proxy.half_open()
        assert driver.result()["reason"] in ("dead", "peer")


def test_a_reset_is_a_dropped_connection(driver_binary, authority, tmp_path):
    with Server(until_closed, authority.context()) as server, \
            Trickle("127.0.0.1", server.port) as proxy, \
            Driver(driver_binary, [proxy.port], authority.ca_file,
                   tmp_path / "log") as driver:
        assert driver.line() == "open"
        server.wait_for(lambda: server.pongs)
        proxy.reset()
        result = driver.result()
        assert (result["reason"], result["status"]) == ("peer", 1006)


async def uplink_only(server, socket):
    count, size = 40, 20000     # less than the client's queue holds
    await socket.send(f"send {count} {size}")
    while len(server.received) < count:
        server.received.append(await socket.recv())
    await socket.close(1001, "enough")


def test_a_stall_delays_but_loses_nothing(driver_binary, authority, tmp_path):
    with Server(uplink_only, authority.context()) as server, \
            Trickle("127.0.0.1", server.port, cut=False) as proxy, \
            Driver(driver_binary, [proxy.port], authority.ca_file,
                   tmp_path / "log", ping_s=5, dead_s=30) as driver:
        assert driver.line() == "open"
        server.wait_for(lambda: len(server.received) > 5)
        proxy.stall(to_client=False)
        assert driver.line() == "sent"
        proxy.resume()
        result = driver.result()
        sent = result["sent"]
        assert [int(message.split()[0]) for message in server.received] == \
            list(range(sent))
        assert result["status"] == 1001


async def large_messages(server, socket):
    await server.send(socket, "L" * 1_000_000)
    await socket.send("send 3 500000")
    while len(server.received) < 3:
        server.received.append(await socket.recv())
    await server.ping(socket)
    await socket.close(1000, "done")


def test_large_messages_pass_whole(driver_binary, authority, tmp_path):
    with Server(large_messages, authority.context()) as server, \
            Driver(driver_binary, [server.port], authority.ca_file,
                   tmp_path / "log") as driver:
        result = driver.result()
        assert result["bytes"] == 1_000_000
        assert result["sha256"] == server.digest.hexdigest()
        assert [len(message) for message in server.received] == [500_000] * 3
        assert result["status"] == 1000


BODY = json.dumps({"error": {"code": "insufficient_quota", "message": "x"}})


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "trickled"])
def test_a_refusal_brings_status_and_body(
        cut, driver_binary, authority, tmp_path):
    refusal = (HTTPStatus.TOO_MANY_REQUESTS,
               [("Content-Type", "application/json")], BODY.encode())
    with Server(None, authority.context(), refusal) as server, \
            Trickle("127.0.0.1", server.port, cut=cut) as proxy, \
            Driver(driver_binary, [proxy.port], authority.ca_file,
                   tmp_path / "log") as driver:
        result = driver.result()
        assert (result["reason"], result["status"]) == ("handshake", 429)
        assert result["text"] == "server answered 429 Too Many Requests"
        assert result["body"] == BODY


@pytest.mark.parametrize("kind,text", [
    ("wrong_host", "hostname mismatch"),
    ("expired", "certificate has expired"),
    ("untrusted", "unable to get local issuer certificate"),
])
def test_a_bad_certificate_is_named(
        kind, text, driver_binary, authority, tmp_path):
    with Server(until_closed, authority.context(kind)) as server, \
            Driver(driver_binary, [server.port], authority.ca_file,
                   tmp_path / "log") as driver:
        result = driver.result()
        assert (result["reason"], result["text"]) == ("tls", text)


# A machine whose administrator has old devices; OpenSSL then speaks TLS 1.0.
LAX = """
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = lax
[lax]
MinProtocol = TLSv1
CipherString = ALL:@SECLEVEL=0
"""


@pytest.mark.parametrize("version", ["TLSv1_1", "TLSv1_2"])
def test_nothing_older_than_tls_1_2_is_spoken(
        version, driver_binary, authority, tmp_path, monkeypatch):
    (tmp_path / "openssl.cnf").write_text(LAX)
    monkeypatch.setenv("OPENSSL_CONF", str(tmp_path / "openssl.cnf"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = getattr(ssl.TLSVersion, version)
    context.load_cert_chain(*authority.files())
    with Server(until_closed, context) as server, \
            Driver(driver_binary, [server.port], authority.ca_file,
                   tmp_path / "log") as driver:
        if version == "TLSv1_2":
            assert driver.line() == "open"
        else:
            assert driver.result()["reason"] == "tls"


def test_a_relative_trust_directory_means_nothing(
        driver_binary, authority, tmp_path):
    """lws 4.1.6 on its own trusts ../share of the working directory."""
    share = tmp_path / "share"
    share.mkdir()
    (share / "ca.pem").write_text(Path(authority.ca_file).read_text())
    subprocess.run(["openssl", "rehash", share], check=True)
    (tmp_path / "cwd").mkdir()
    system_trust = "/etc/ssl/certs/ca-certificates.crt"
    if not Path(system_trust).exists():
        pytest.skip("no ca-certificates here")
    here = os.getcwd()
    os.chdir(tmp_path / "cwd")
    try:
        with Server(until_closed, authority.context()) as server, \
                Driver(driver_binary, [server.port], system_trust,
                       tmp_path / "log") as driver:
            assert driver.result()["reason"] == "tls"
    finally:
        os.chdir(here)


# A network whose default route has no gateway, as that of a PPP link has none.
GATEWAYLESS = """
ip link set lo up
ip route add local default dev lo
exec "$@"
"""


def connect_while_routes_change(binary):
    """In a network of its own: the handshake is slow, addresses come."""
    directory = Path(tempfile.mkdtemp())
    authority = Authority(directory)
    with Server(until_closed, authority.context()) as server, \
            Trickle("127.0.0.1", server.port, cut=False,
                    host="0.0.0.0") as proxy:
        proxy.stall()
        with Driver(binary, [proxy.port], authority.ca_file,
                    directory / "log", host="198.51.100.7") as driver:
            for number in range(4):
                time.sleep(0.3)
                subprocess.run(["ip", "address", "add", "dev", "lo",
                                f"10.250.0.{number}/32"], check=True)
            proxy.resume()
            said = driver.line()
            assert said == "open", said


def test_changing_routes_do_not_end_a_connection(driver_binary):
    """lws 4.3.5 on its own closes what it sees no gateway for."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    own_network = ["unshare", *user, "--net", "sh", "-ec", GATEWAYLESS, "sh"]
    if not shutil.which("ip") or subprocess.run(
            [*own_network, "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no network of its own to be had here")
    subprocess.run([*own_network, sys.executable, "-m",
                    "tests.e2e.test_websocket_trickle", str(driver_binary)], cwd=REPO, check=True,
                   timeout=PATIENCE)


if __name__ == "__main__":
    connect_while_routes_change(sys.argv[1])
