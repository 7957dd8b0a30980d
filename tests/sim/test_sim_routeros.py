# SPDX-License-Identifier: MIT
"""Tests of the simulated router: the published vectors and samples, and
Debian's python3-librouteros as an independent client of the binary API."""

import http.client
import json
import re
import socket
import threading
import time
from base64 import b64encode

import pytest

from . import base
from . import routeros_wire as wire
from .routeros import FAULTS, RouterSim
from .routeros_model import Router, interface, matches

librouteros = pytest.importorskip("librouteros")

from librouteros.exceptions import (  # noqa: E402
    ConnectionClosed, FatalError, ProtocolError, TrapError)
from librouteros.login import plain, token  # noqa: E402

SPECS = base.SPECS / "routeros"
USER, PASSWORD = "telefonista", "s3cr3t-router"

needs_specs = pytest.mark.skipif(not SPECS.exists(),
                                 reason="../shared/specs is not there")


def load(name):
    path = SPECS / name
    return json.loads(path.read_text()) if path.exists() else {}


# The binary API's bytes

VECTORS = load("api-binary.vectors.json")


@needs_specs
@pytest.mark.parametrize("vector", VECTORS.get("lengths", []),
                         ids=lambda v: str(v["length"]))
def test_published_lengths(vector):
    data = bytes.fromhex(vector["hex"])
    assert wire.encode_length(vector["length"]) == data
    assert wire.decode_length(data) == vector["length"]


@needs_specs
@pytest.mark.parametrize("vector", VECTORS.get("streams", []),
                         ids=lambda v: v["name"])
def test_published_streams(vector):
    data = b"".join(wire.encode(s) for s in vector["sentences"])
    assert data.hex() == vector["hex"] and len(data) == vector["bytes"]


@pytest.mark.parametrize("first", range(0xF8, 0x100))
def test_control_bytes_are_no_lengths(first):
    with pytest.raises(ValueError):
        wire.length_size(first)


@pytest.mark.parametrize("queries, expected", [
    (["type=ether"], {"a", "b"}), (["type=ether", "running=true"], {"a"}),
    (["type=ether", "type=vlan", "#|"], {"a", "b", "c"}),
    (["type=ether", "type=vlan", "#|!"], {"d"}),
    (["-comment"], {"a", "b", "d"}), (["comment"], {"c"}),
    ([">mtu=1400"], {"a", "b", "d"}), (["<mtu=1400"], {"c"})])
def test_queries(queries, expected):
    records = [
        {"name": "a", "type": "ether", "running": "true", "mtu": "1500"},
        {"name": "b", "type": "ether", "running": "false", "mtu": "1500"},
        {"name": "c", "type": "vlan", "mtu": "1300", "comment": "x"},
        {"name": "d", "type": "bridge", "mtu": "1500"}]
    assert {r["name"] for r in records if matches(r, queries)} == expected


# With librouteros

def connect(sim, password=PASSWORD, timeout=20, **options):
    if sim.tls:
        context = sim.authority.client_context()
        options["ssl_wrapper"] = lambda s: context.wrap_socket(
            s, server_hostname="localhost")
    return librouteros.connect(
        sim.host, USER, password, port=sim.binary_port, encoding="utf-8",
        timeout=timeout, **options)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("method", [plain, token])
def test_librouteros_logs_in_and_prints(tls, method):
    with RouterSim(tls=tls, old_login=method is token) as sim:
        api = connect(sim, login_method=method)
        [resource] = api.path("/system/resource")
        assert resource["board-name"] == "CCR2004-1G-12S+2XS"
        assert resource["cpu-load"] == 7
        names = [i["name"] for i in api.path("/interface")]
        assert "sfp-sfpplus1" in names
        key = librouteros.query.Key
        found = list(api.path("/interface").select(
            key("name"), key("comment")).where(key("type") == "bridge"))
        assert found == [{"name": "bridge"}]
        api.close()
        assert sim.violations == []


def test_librouteros_runs_commands():
    with RouterSim() as sim:
        api = connect(sim)
        probes = list(api("/ping", address="10.0.0.9", count="3"))
        assert [p["seq"] for p in probes] == [0, 1, 2]
        assert probes[-1]["received"] == 3 and probes[-1]["avg-rtt"] == "538us"
        [first, second] = api("/interface/monitor-traffic", **{
            "interface": "ether1,sfp-sfpplus1", "once": ""})
        assert first["rx-bits-per-second"] == 25128
        assert second["rx-bits-per-second"] == 2_400_000_000
        [count] = api("/ppp/active/print", **{"count-only": ""})
        assert count == {"ret": 2}
        api.close()


def test_librouteros_is_refused():
    with RouterSim() as sim:
        with pytest.raises(TrapError, match="invalid user name"):
            connect(sim, password="wrong")
        api = connect(sim)
        with pytest.raises(TrapError, match="no such command"):
            list(api("/nothing/print"))
        with pytest.raises(TrapError, match="no such command"):
            list(api("/interface/destroy"))
        sim.router.users[USER] = (PASSWORD, frozenset({"api", "read"}))
        with pytest.raises(TrapError, match="not enough permissions"):
            list(api("/ping", address="10.0.0.9", count="1"))
        sim.next("fatal")
        with pytest.raises((FatalError, ConnectionClosed)):
            list(api("/interface/print"))


def test_an_empty_print_says_so_in_new_versions():
    with RouterSim() as sim:
        sim.router.menus["/ppp/active"] = []
        with socket.create_connection((sim.host, sim.binary_port)) as link:
            link.settimeout(20)
            link.sendall(wire.encode([
                "/login", f"=name={USER}", f"=password={PASSWORD}"]))
            assert link.recv(100) == wire.encode(["!done"])
            link.sendall(wire.encode(["/ppp/active/print", ".tag=3"]))
            expected = bytes.fromhex(
                "0621656d707479062e7461673d33000521646f6e65062e7461673d3300")
            got = b""
            while len(got) < len(expected):
                got += link.recv(100)
            assert got == expected


class Link:
    """A raw connection that reads sentences."""

    def __init__(self, sim):
        self.socket = socket.create_connection((sim.host, sim.binary_port))
        self.socket.settimeout(20)
        self.stream = self.socket.makefile("rb")
        self.say("/login", f"=name={USER}", f"=password={PASSWORD}")
        assert self.read() == ["!done"]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stream.close()
        self.socket.close()

    def say(self, *words):
        self.socket.sendall(wire.encode(words))

    def read(self):
        words = []
        while True:
            first = self.stream.read(1)
            length = wire.decode_length(
                first + self.stream.read(wire.length_size(first[0]) - 1))
            if length == 0:
                return words
            words.append(self.stream.read(length).decode())


def test_commands_run_at_once_and_are_cancelled_by_tag():
    with RouterSim() as sim, Link(sim) as link:
        link.say("/ping", "=address=10.0.0.9", ".tag=1")      # for ever
        assert link.read()[:2] == ["!re", ".tag=1"]
        link.say("/ppp/active/print", "=count-only=", ".tag=2")
        seen = []
        while seen[-1:] != [["!done", ".tag=2", "=ret=2"]]:
            seen.append(link.read())
        link.say("/cancel", "=tag=1", ".tag=c")
        rest = []
        while rest[-1:] != [["!done", ".tag=c"]]:
            rest.append(link.read())
        assert ["!trap", ".tag=1", "=category=2",
                "=message=interrupted"] in rest
        assert rest[-2] == ["!done", ".tag=1"]
        assert sim.cancelled == 1 and sim.most_in_flight == 2
        sim.wait_for(lambda: sim.in_flight == 0)


# REST: the published samples

SAMPLES = [sample for name in (
    "system", "interface", "ip", "ping", "ppp", "log", "errors")
    for sample in load(f"{name}.json")]

# What a router must have to answer a sample; else its own answer is what it
# has.
PREPARED = {
    "interface-filter": {"/interface": [
        {".id": "*5", "name": "ether2", "type": "ether", "running": "true"},
        {".id": "*6", "name": "ether3", "type": "ether", "running": "false"}]},
    "interface-one": {"/interface": [
        {".id": "*1", "mtu": "1500", "name": "ether1", "running": "false",
         "type": "ether", "disabled": "false"}]},
    "interface-print-query": {"/interface": [
        {".id": f"*{i}", "name": n, "type": t} for i, (n, t) in enumerate((
            ("ether1", "ether"), ("bridge", "bridge"), ("v", "vlan"),
            ("guest", "bridge"), ("lo", "loopback"), ("wifi1", "wifi"),
            ("wifi2", "wifi")))]},
    "address-count": {"/ip/address": [{".id": "*1", "address": "10.0.0.1/8"}]},
    "resource-proplist": {"/system/resource": {
        "board-name": "hAP ax^2", "cpu-load": "7", "cpu": "ARM64",
        "free-memory": "687116288", "uptime": "1d7h44m20s"}},
    "ppp-active-by-name": {"/ppp/active": [{".id": "*1", "name": "other"}]},
    "ppp-active-kick": {"/ppp/active": [{".id": "*80000001", "name": "x"}]},
    "ppp-active-kick-twice": {"/ppp/active": []},
    "record-not-found": {"/ip/address": []},
}

# Not a router's present behaviour, or nothing that a client here asks.
ELSEWHERE = {
    "resource-7.1beta4": "a beta's shape, in the unit tests of our client",
    "delete-interface-old": "an older version's status of the next one",
    "address-add": "writing", "address-set": "writing",
    "duplicate": "writing", "log-write": "writing",
    "monitor-traffic-once-full": "the sim has fewer fields",
    "timeout": "no bandwidth test in the sim; see the limit's own test",
    "monitor-traffic-endless": "60 s; see the limit's own test",
    "ping-endless": "60 s; see the limit's own test",
}


def prepare(sample):
    name, request = sample["name"], sample["request"]
    menus = dict(PREPARED.get(name, {}))
    path = request["path"].removeprefix("/rest")
    if not menus and request["method"] == "GET" and \
            sample["response"]["status"] == 200:
        menus[path] = sample["response"]["body"]
    router = Router(menus=menus, users={"monitoring": (
        "s3cret", frozenset({"read", "write", "test", "api", "rest-api"}))})
    router.set_interfaces([
        interface(1, "ether1", mtu="1500"),
        interface(2, "ether2", rx=25128, tx=8816)])
    router.menus.update(menus)
    router.hosts["192.0.2.250"] = [None]
    if name == "monitor-traffic-duration":
        router.traffic["ether1"] = (0, 0)
    if name in ("ping-no-policy", "no-write-policy", "no-api-policy",
                "unauthorized"):
        lacking = {"ping-no-policy": "test", "no-write-policy": "write",
                   "no-api-policy": "api", "unauthorized": "rest-api"}[name]
        password, policies = router.users["monitoring"]
        router.users["monitoring"] = (password, policies - {lacking})
    return router


def send(sim, method, path, headers=None, body=None, query=None):
    """(status, value) of one request."""
    link = http.client.HTTPConnection(sim.host, sim.rest_port, timeout=60)
    try:
        if query:
            path += "?" + "&".join(f"{k}={v}" for k, v in query.items())
        data = body if isinstance(body, str) or body is None \
            else json.dumps(body)
        link.request(method, path, data, headers or {})
        response = link.getresponse()
        raw = response.read()
        return response.status, json.loads(raw) if raw else None
    finally:
        link.close()


@needs_specs
@pytest.mark.parametrize(
    "sample", [s for s in SAMPLES if s["name"] not in ELSEWHERE],
    ids=lambda s: s["name"])
def test_published_samples(sample):
    request, expected = sample["request"], sample["response"]
    with RouterSim(prepare(sample)) as sim:
        status, value = send(
            sim, request["method"], request["path"], request["headers"],
            request.get("body"), request.get("query"))
    body = expected["body"]
    if sample["name"] == "monitor-traffic-duration":
        value = [{k: v for k, v in r.items() if "packets" not in k}
                 for r in value]
    if sample["name"] == "ping-count":      # our probes take 551, 521, 542
        assert [r["seq"] for r in value] == ["0", "1", "2"]
    assert (status, value) == (expected["status"], body)


# REST: what no sample shows

AUTHORISED = {"Authorization": "Basic " + b64encode(
    f"{USER}:{PASSWORD}".encode()).decode()}
POSTING = {**AUTHORISED, "Content-Type": "application/json"}


def test_requests_of_a_user_wait_for_each_other():
    with RouterSim(delay=0.2) as sim:
        results = []
        threads = [threading.Thread(target=lambda: results.append(send(
            sim, "GET", "/rest/system/identity", AUTHORISED)))
            for _ in range(3)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - started >= 0.6
        assert results == [(200, {"name": "Guamal"})] * 3
        assert sim.most_in_flight == 3      # taken, not worked on


def test_the_limit_ends_those_that_wait_too():
    with RouterSim(limit=0.5) as sim:
        sim.next("hang")
        results = []
        thread = threading.Thread(target=lambda: results.append(send(
            sim, "GET", "/rest/log", AUTHORISED)))
        thread.start()
        sim.wait_for(lambda: sim.in_flight == 1)
        assert send(sim, "POST", "/rest/ping", POSTING,
                    {"address": "10.0.0.9"}) == \
            (400, {"error": 400, "message": "Bad Request",
                   "detail": "Session closed"})
        thread.join()
        assert results[0][0] == 400


def test_it_works_on_for_a_client_that_left():
    with RouterSim(limit=0.6) as sim:
        sim.next("hang")
        link = http.client.HTTPConnection(sim.host, sim.rest_port)
        link.request("GET", "/rest/log", headers=AUTHORISED)
        sim.wait_for(lambda: sim.in_flight == 1)
        link.close()
        assert sim.in_flight == 1
        sim.wait_for(lambda: sim.abandoned == 1)
        assert sim.in_flight == 0


def test_an_asterisk_must_be_sent_as_it_is():
    with RouterSim() as sim:
        status, value = send(sim, "GET", "/rest/interface/*2", AUTHORISED)
        assert status == 200 and value["name"] == "sfp-sfpplus1"
        link = http.client.HTTPConnection(sim.host, sim.rest_port)
        link.request("GET", "/rest/interface/%2A2", headers=AUTHORISED)
        assert link.getresponse().status >= 400
        link.close()


REST_FAULTS = {"status": 500, "html": 403, "not_json": 200, "deep": 200,
               "wrong_shape": 200, "huge": 200}


@pytest.mark.parametrize("kind", REST_FAULTS)
def test_rest_faults_with_an_answer(kind):
    with RouterSim() as sim:
        sim.next(kind)
        link = http.client.HTTPConnection(sim.host, sim.rest_port, timeout=30)
        link.request("GET", "/rest/interface", headers=AUTHORISED)
        response = link.getresponse()
        assert response.status == REST_FAULTS[kind]
        response.read()
        link.close()
        assert send(sim, "GET", "/rest/interface", AUTHORISED)[0] == 200


@pytest.mark.parametrize("kind", ["drop", "reset", "cut", "garbage"])
def test_rest_faults_without_one(kind):
    with RouterSim() as sim:
        sim.next(kind)
        with pytest.raises((http.client.HTTPException, OSError)):
            send(sim, "GET", "/rest/interface", AUTHORISED)
        assert send(sim, "GET", "/rest/interface", AUTHORISED)[0] == 200


@pytest.mark.parametrize("kind", [
    "drop", "reset", "fatal", "garbage", "control_byte", "hostile_length",
    "many_words"])
def test_binary_faults_break_a_client(kind):
    with RouterSim() as sim:
        api = connect(sim, timeout=2)   # some only keep silent
        sim.next(kind)
        with pytest.raises((OSError, ValueError, ConnectionClosed, FatalError,
                            ProtocolError)):
            list(api("/interface/print"))
        api = connect(sim)      # and nobody else
        assert list(api("/system/identity/print")) == [{"name": "Guamal"}]


def test_a_cut_answer_ends_in_the_middle_of_a_word():
    with RouterSim() as sim, Link(sim) as link:     # librouteros would hang
        sim.next("cut")
        link.say("/interface/print", ".tag=1")
        assert link.read()[:2] == ["!re", ".tag=1"]
        assert link.stream.read() == b"\x03!re\x40=na"


def test_a_reboot_ends_everything_and_comes_back():
    with RouterSim() as sim:
        api = connect(sim)
        sim.call(sim.power_off)
        with pytest.raises(Exception):
            list(api("/interface/print"))
        with pytest.raises(OSError):
            connect(sim)
        sim.call(sim.listen)
        assert list(connect(sim)("/system/identity/print"))


def test_every_fault_is_described_and_others_are_refused():
    assert all(re.search("[a-z]", text) for text in FAULTS.values())
    with pytest.raises(ValueError):
        RouterSim().next("nonsense")


def test_the_pin_is_what_openssl_calls_the_fingerprint():
    with RouterSim(tls=True) as sim:
        import hashlib
        import ssl
        pem = ssl.get_server_certificate((sim.host, sim.rest_port))
        assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() == \
            sim.fingerprint
