# SPDX-License-Identifier: MIT
"""Tools of type "routeros": the real toolworker against simulated routers,
every query over both APIs with and without TLS, every fault, and arguments
that try to become more than values."""

import contextlib
import json
import re
import socket
import subprocess
import threading
import time

import pytest

from tests.e2e.test_toolworker import BUILD, PATIENCE, REPO, Toolworker
from tests.sim.routeros import RouterSim
from tests.sim.routeros_model import POLICIES, Router, interface
from tests.sim.tls import Authority

PASSWORD = "s3cr3t-router"
USER = "telefonista"
APIS = ("rest", "binary")

# Everything that may ever be asked, as the simulator sees it.
REST_ALLOWED = re.compile(
    r"GET /rest/(system/(resource|identity|health)|interface|ppp/active"
    r"|ip/dhcp-server/lease|ip/hotspot/active|log)(\?\.proplist=[a-z,-]+)?"
    r"|POST /rest/(interface/monitor-traffic|(ppp/active|ip/dhcp-server/lease"
    r"|ip/hotspot/active|ip/route)/print|ping)")
BINARY_ALLOWED = {
    "/login", "/cancel", "/system/resource/print", "/system/identity/print",
    "/system/health/print", "/interface/print", "/interface/monitor-traffic",
    "/ppp/active/print", "/ip/dhcp-server/lease/print",
    "/ip/hotspot/active/print", "/ip/route/print", "/log/print", "/ping"}
NAMES_ALLOWED = {
    "name", "password", "response", "tag", ".proplist", "once", "count-only",
    "interface", "address", "count", ".query"}
QUERIES_ALLOWED = {"status=bound", "dst-address=0.0.0.0/0"}


def check_requests(sim):
    """Nothing but what is allowed has reached the router."""
    for _, api, what, values, queries in sim.requests:
        if api == "rest":
            assert REST_ALLOWED.fullmatch(what), what
            values = json.loads(values["body"] or "{}")
            queries = values.get(".query", [])
        else:
            assert what in BINARY_ALLOWED, what
        assert set(values) <= NAMES_ALLOWED, values
        assert set(queries) <= QUERIES_ALLOWED, queries
    assert sim.violations == []
    assert sim.most_in_flight <= 1


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


class Rig:
    """One router and a toolworker that knows it as N."""

    def __init__(self, tmp_path, authority):
        self.tmp_path = tmp_path
        self.authority = authority
        self.sims = []
        self.worker = None
        self.jobs = 0

    def router(self, router=None, **options):
        if options.get("tls"):
            options["authority"] = self.authority
        sim = RouterSim(router, **options).start_in_thread()
        self.sims.append(sim)
        return sim

    def inventory(self, *entries, **members):
        path = self.tmp_path / "routers.json"
        path.write_text(json.dumps({"routers": list(entries), **members}))
        return path

    def start(self, *entries, environment=None, **members):
        path = self.inventory(*entries, **members)
        self.worker = Toolworker(
            log=self.tmp_path / "log", environment={
                "ROUTERS_FILE": str(path), "TOOL_ROUTER_PASSWORD": PASSWORD,
                **(environment or {})})
        self.worker.__enter__()
        return self

    def begin(self, query, router="N", deadline_ms=20000, **arguments):
        self.jobs += 1
        job = f"j{self.jobs}"
        self.worker.send(
            "job.run", id=job, tool="probe", deadline_ms=deadline_ms,
            arguments={"router": router, **arguments},
            settings={"executor": "routeros", "query": query})
        return job

    def result(self, job):
        message = self.worker.expect("job.result", id=job)
        assert PASSWORD not in message["output"]
        assert len(message["output"].encode()) < 16384
        return message

    def ask(self, query, **options):
        """(status, output), the output as JSON if it is an answer."""
        message = self.result(self.begin(query, **options))
        if message["status"] == "ok":
            return "ok", json.loads(message["output"])
        return message["status"], message["output"]

    def stop(self):
        if self.worker is not None:
            assert self.worker.process.poll() is None, self.worker.log()
            self.worker.__exit__()
            assert PASSWORD not in self.worker.log()
        for sim in self.sims:
            sim.stop_thread()


@pytest.fixture
def rig(tmp_path, authority):
    made = Rig(tmp_path, authority)
    yield made
    made.stop()
    for sim in made.sims:
        check_requests(sim)


# What is answered

SFP1 = {"name": "sfp-sfpplus1", "comment": "Fibra a Medellín",
        "type": "ether", "running": True, "disabled": False,
        "rx_bps": 2_400_000_000, "tx_bps": 310_000_000}
SFP2 = {"name": "sfp-sfpplus2", "type": "ether", "running": False,
        "disabled": False, "rx_bps": 0, "tx_bps": 0}
JUAN = {"kind": "ppp", "name": "jperez", "address": "100.64.0.5",
        "mac": "00:00:5E:00:53:AA", "uptime_s": 3723,
        "comment": "Juan Pérez, El Roble", "connected": True}
LAPTOP = {"kind": "dhcp", "name": "laptop", "address": "192.0.2.10",
          "mac": "00:00:5E:00:53:01", "connected": True}
PRINTER = {"kind": "dhcp", "name": "Impresora de Ñáñez",
           "address": "192.0.2.12", "mac": "00:00:5E:00:53:03",
           "comment": "Impresora de Ñáñez", "connected": False}
VISITOR = {"kind": "hotspot", "name": "visita7", "address": "10.5.50.7",
           "mac": "00:00:5E:00:53:07", "uptime_s": 725, "connected": True}

ANSWERS = [
    ("resources", {}, {
        "identity": "Guamal", "version": "7.19.4 (stable)",
        "board": "CCR2004-1G-12S+2XS", "uptime_s": 805460, "cpu_percent": 7,
        "memory_free": 3221225472, "memory_total": 4294967296,
        "temperature_c": 47}),
    ("interfaces", {"interfaces": "SFP"},
     {"interfaces": [SFP1, SFP2], "more": 0}),
    ("interfaces", {"interfaces": "bridge, sfpplus2"},
     {"interfaces": [{"name": "bridge", "type": "bridge", "running": True,
                      "disabled": False, "rx_bps": 1000, "tx_bps": 1000},
                     SFP2], "more": 0}),
    ("interfaces", {"interfaces": "nothing"}, {"interfaces": [], "more": 0}),
    ("customers", {}, {"ppp": 2, "dhcp": 1, "hotspot": 1}),
    ("find_customer", {"customer": "juan perez"}, {"found": [JUAN], "more": 0}),
    ("find_customer", {"customer": "100.64.0.5"}, {"found": [JUAN], "more": 0}),
    ("find_customer", {"customer": "5e:00:53:01"},
     {"found": [LAPTOP], "more": 0}),
    ("find_customer", {"customer": "ñañez"}, {"found": [PRINTER], "more": 0}),
    ("find_customer", {"customer": "VISITA7"}, {"found": [VISITOR], "more": 0}),
    ("find_customer", {"customer": "nobody"}, {"found": [], "more": 0}),
    ("ping", {"address": "8.8.8.8", "count": 3}, {
        "sent": 3, "received": 3, "loss_percent": 0, "min_ms": 0.521,
        "avg_ms": 0.538, "max_ms": 0.551}),
    ("ping", {"address": "192.0.2.250", "count": 2}, {
        "sent": 2, "received": 0, "loss_percent": 100}),
    ("gateways", {}, {"gateways": [
        {"gateway": "10.0.0.1", "distance": 1, "active": True,
         "check": "ping"},
        {"gateway": "10.0.1.1", "distance": 2, "active": False,
         "check": "none", "comment": "respaldo"}], "more": 0}),
    ("log", {}, {"entries": [
        {"time": "2026-11-20 06:13:00", "topics": "system,error,critical",
         "message": "login failure for user admin via ssh"},
        {"time": "2026-11-20 06:12:09", "topics": "interface,warning",
         "message": "sfp1 link down"}], "more": 0}),
]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("api", APIS)
def test_every_query_is_answered(rig, api, tls):
    sim = rig.router(tls=tls)
    sim.router.hosts["192.0.2.250"] = [None]
    rig.start(sim.entry("N", api))
    for query, arguments, expected in ANSWERS:
        assert rig.ask(query, **arguments) == ("ok", expected), query
    assert {kind for _, kind, *_ in sim.requests} == {api}


@pytest.mark.parametrize("api", APIS)
def test_an_old_router_answers_too(rig, api):
    """RouterOS 6 has other fields in /system/health, no /ip/hotspot if the
    package is not there, and the login of before 6.43."""
    sim = rig.router(old_login=True)
    sim.says_empty = False
    sim.router.menus["/system/health"] = {
        "voltage": "24.1", "temperature": "33"}
    sim.router.disabled |= {"/ip/hotspot/active", "/ppp/active"}
    rig.start(sim.entry("N", api))
    status, answer = rig.ask("resources")
    assert status == "ok" and answer["temperature_c"] == 33
    assert rig.ask("customers") == ("ok", {"ppp": 0, "dhcp": 1, "hotspot": 0})
    assert rig.ask("find_customer", customer="laptop") == (
        "ok", {"found": [LAPTOP], "more": 0})
    sim.router.disabled.add("/system/health")
    status, answer = rig.ask("resources")
    assert status == "ok" and "temperature_c" not in answer


@pytest.mark.parametrize("api", APIS)
def test_nothing_in_the_lists_is_an_answer(rig, api):
    sim = rig.router(Router(interfaces=()))
    for menu in ("/ppp/active", "/ip/dhcp-server/lease", "/ip/route", "/log",
                 "/ip/hotspot/active"):
        sim.router.menus[menu] = []
    rig.start(sim.entry("N", api))
    assert rig.ask("interfaces") == ("ok", {"interfaces": [], "more": 0})
    assert rig.ask("customers") == ("ok", {"ppp": 0, "dhcp": 0, "hotspot": 0})
    assert rig.ask("find_customer", customer="x") == (
        "ok", {"found": [], "more": 0})
    assert rig.ask("gateways") == ("ok", {"gateways": [], "more": 0})
    assert rig.ask("log") == ("ok", {"entries": [], "more": 0})


@pytest.mark.parametrize("api", APIS)
def test_comments_are_told_where_the_operator_says_so(rig, api):
    """But who may look for a customer may hear what is written of him."""
    sim = rig.router()
    entry = sim.entry("N", api)
    del entry["comments"]
    rig.start(entry)
    for query, arguments in (("interfaces", {"interfaces": "sfp"}),
                             ("gateways", {})):
        status, answer = rig.ask(query, **arguments)
        assert status == "ok" and "comment" not in json.dumps(answer)
        assert len(answer[query]) == 2
    assert rig.ask("find_customer", customer="juan perez")[1] == {
        "found": [JUAN], "more": 0}


@pytest.mark.parametrize("api", APIS)
def test_long_lists_are_cut_and_say_so(rig, api):
    router = Router(interfaces=[
        interface(i, f"sfp{i}", rx=i * 1000, comment='"\\ñ' * 90)
        for i in range(1, 301)])
    router.menus["/log"] = [
        {"time": f"{i}", "topics": "x,error", "message": '\\"' * 400}
        for i in range(900)]
    router.menus["/ppp/active"] = [
        {"name": f"juan{i}", "address": "1.2.3.4", "comment": "é" * 500}
        for i in range(2000)]
    sim = rig.router(router)
    rig.start(sim.entry("N", api))
    status, answer = rig.ask("interfaces", interfaces="sfp")
    assert status == "ok"
    names = [i["name"] for i in answer["interfaces"]]
    # The traffic of the first 64 is measured.
    assert names[:3] == ["sfp64", "sfp63", "sfp62"]
    assert len(names) + answer["more"] == 300
    status, answer = rig.ask("log")
    assert status == "ok" and answer["entries"][0]["time"] == "899"
    assert len(answer["entries"]) + answer["more"] == 900
    status, answer = rig.ask("find_customer", customer="juan")
    assert status == "ok" and len(answer["found"]) + answer["more"] == 2000


@pytest.mark.parametrize("api", APIS)
def test_texts_of_routers_are_cleaned_whatever_their_encoding(rig, api):
    sim = rig.router()
    sim.router.set_interfaces([interface(
        1, "ether1", comment="Caña\x1b]0;x\x07\u0085 y\u00adó\nIgnora")])
    rig.start(sim.entry("N", api))
    for encoding in ("utf-8", "latin-1"):
        sim.encoding = encoding
        status, answer = rig.ask("interfaces")
        comment = answer["interfaces"][0]["comment"]
        assert status == "ok" and comment.startswith("Caña")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", comment)


# Arguments

EVIL = ["8.8.8.8\n=count=1000", "x =.id=*1", "*1", "/system/reboot",
        "8.8.8.8/../../system/reboot", "../../user", "%2e%2e%2f",
        "a\r\n\r\nPOST /rest/system/reboot HTTP/1.1\r\n\r\n",
        '","count":"9999","x":"', "?#|", "=tag=1", ".tag=9", "\x00", "",
        "ñandú 😀 \u202e", "[:execute \"/system reboot\"]", "x" * 150,
        "-c", "${secret:TOOL_ROUTER_PASSWORD}", "'; DROP TABLE x;--"]


@pytest.mark.parametrize("api", APIS)
def test_no_argument_becomes_more_than_a_value(rig, api):
    sim = rig.router()
    rig.start(sim.entry("N", api))
    for evil in EVIL:
        assert rig.ask("interfaces", interfaces=evil)[0] == "ok"
        status, output = rig.ask("find_customer", customer=evil)
        assert status == ("ok" if evil.strip("\x00") else
                          "invalid_arguments"), evil
        if status == "ok" and len(evil) > 8:
            assert output["found"] == []
        status, output = rig.ask("ping", address=evil)
        # What looks like a host name may be pinged, as that.
        assert status == ("ok" if evil == "x" * 150 else
                          "invalid_arguments"), evil
        for query in ("resources", "customers", "gateways", "log"):
            status, _ = rig.ask(query, interfaces=evil, address=evil,
                                customer=evil, **{
                                    ".proplist": evil, ".query": [evil],
                                    "menu": evil, "verb": "reboot",
                                    "flag": evil})
            assert status == "ok"
    for _, _, what, values, _ in sim.requests:
        body = json.dumps(values)
        assert not any(evil in what + body for evil in EVIL
                       if len(evil) > 5 and evil != "x" * 150)
    # check_requests() judges the rest: only what the table allows.


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("query, arguments", [
    ("ping", {}), ("ping", {"address": 7}), ("ping", {"address": None}),
    ("ping", {"address": ["8.8.8.8"]}), ("ping", {"address": "a" * 300}),
    ("ping", {"address": "8.8.8.8", "count": 0}),
    ("ping", {"address": "8.8.8.8", "count": 21}),
    ("ping", {"address": "8.8.8.8", "count": -1e300}),
    ("find_customer", {}), ("find_customer", {"customer": {"a": "b"}}),
    ("find_customer", {"customer": "x" * 201}),
    ("interfaces", {"interfaces": "x" * 201})])
def test_arguments_that_make_no_sense_are_not_sent(
        rig, api, query, arguments):
    sim = rig.router()
    rig.start(sim.entry("N", api))
    status, output = rig.ask(query, **arguments)
    assert status == "invalid_arguments" and '"' in output
    assert sim.requests == [] and sim.connections == 0


@pytest.mark.parametrize("query", ["", "reboot", "system/reboot", "Log",
                                   "resources ", "/log"])
def test_there_are_no_other_queries(rig, query):
    sim = rig.router()
    rig.start(sim.entry("N"))
    assert rig.ask(query)[0] == "internal"
    assert sim.requests == []


@pytest.mark.parametrize("name", ["M", "n", "", "N ", "../N", "x" * 300])
def test_routers_that_are_not_there_are_not_asked(rig, name):
    sim, other = rig.router(), rig.router()
    rig.start(sim.entry("N"), other.entry("O"))
    status, output = rig.ask("resources", router=name)
    assert status == "invalid_arguments" and "inventory" in output
    assert sim.requests == other.requests == []


# Who is trusted

@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("certificate", ["untrusted", "expired", "wrong_host"])
def test_a_wrong_certificate_gets_no_password(rig, api, certificate):
    sim = rig.router(tls=True, certificate=certificate)
    rig.start(sim.entry("N", api))
    status, output = rig.ask("resources")
    assert status == "unreachable" and "certificate" in output.lower() or \
        "mismatch" in output.lower(), output
    assert sim.requests == []


@pytest.mark.parametrize("api", APIS)
def test_without_a_ca_the_system_decides(rig, api):
    sim = rig.router(tls=True)
    rig.start({**sim.entry("N", api), "ca_file": "/etc/ssl/certs/none.pem"},
              {k: v for k, v in sim.entry("M", api).items()
               if k != "ca_file"})
    assert rig.ask("resources", router="M")[0] == "unreachable"
    assert rig.ask("resources")[0] == "invalid_arguments"   # left out
    assert sim.requests == []


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("certificate", ["untrusted", "expired", "wrong_host"])
def test_a_pinned_certificate_is_trusted_whoever_signed_it(
        rig, api, certificate):
    sim = rig.router(tls=True, certificate=certificate)
    entry = sim.entry("N", api)
    del entry["ca_file"]
    pin = sim.fingerprint.upper()
    colons = ":".join(pin[i:i + 2] for i in range(0, 64, 2))
    rig.start({**entry, "pin_sha256": colons})
    assert rig.ask("customers")[0] == "ok"
    assert rig.ask("customers")[0] == "ok"


@pytest.mark.parametrize("api", APIS)
def test_any_other_certificate_than_the_pinned_gets_no_password(rig, api):
    sim = rig.router(tls=True)      # a good one, for anybody else
    entry = sim.entry("N", api)
    del entry["ca_file"]
    pin = sim.fingerprint
    rig.start({**entry, "pin_sha256": pin[:-1] + "01"[pin[-1] == "0"]})
    assert rig.ask("resources")[0] == "unreachable"
    assert sim.requests == []


@pytest.mark.parametrize("api", APIS)
def test_tls_to_a_port_that_speaks_none(rig, api):
    sim = rig.router()
    rig.start({**sim.entry("N", api), "tls": True})
    assert rig.ask("resources", deadline_ms=8000)[0] == "unreachable"
    # A ClientHello may look like a sentence, but is none of ours.
    assert not any(what.startswith(("/", "GET", "POST"))
                   for _, _, what, _, _ in sim.requests)
    sim.requests.clear()
    sim.violations.clear()


# What goes wrong

@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("api", APIS)
def test_a_wrong_password_is_said(rig, api, tls):
    sim = rig.router(tls=tls)
    rig.start(sim.entry("N", api, password_secret="TOOL_OTHER"),
              environment={"TOOL_OTHER": "wrong-" + PASSWORD[:4]})
    status, output = rig.ask("resources")
    assert status == "refused"
    assert output.startswith("wrong user or password")
    assert sim.refused_logins == 1
    assert rig.worker.process.poll() is None


@pytest.mark.parametrize("api", APIS)
def test_a_password_that_is_not_there_is_named(rig, api):
    sim = rig.router()
    rig.start(sim.entry("N", api, password_secret="TOOL_NOBODY"))
    assert rig.ask("resources") == ("unreachable", "TOOL_NOBODY is not set")
    assert sim.requests == [] and sim.connections == 0


@pytest.mark.parametrize("api", APIS)
def test_a_missing_permission_is_said(rig, api):
    sim = rig.router()
    sim.router.users[USER] = (PASSWORD, POLICIES - {"test"})
    rig.start(sim.entry("N", api))
    status, output = rig.ask("ping", address="8.8.8.8")
    assert status == "refused"
    assert output.startswith("the user lacks a permission")
    assert rig.ask("resources")[0] == "ok"


def test_a_user_without_the_api_policy(rig):
    sim = rig.router()
    sim.router.users[USER] = (PASSWORD, POLICIES - {"api"})
    rig.start(sim.entry("N"))
    status, output = rig.ask("resources")
    assert status == "refused" and "permission" in output


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("api", APIS)
def test_refused_connections(rig, api, tls):
    sim = rig.router(tls=tls)
    sim.call(sim.refuse_tcp)
    rig.start(sim.entry("N", api))
    message = rig.result(rig.begin("resources"))
    assert message["status"] == "unreachable"
    assert "efused" in message["output"]
    assert "hold_ms" not in message


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("api", APIS)
def test_a_router_that_never_answers(rig, api, tls):
    sim = rig.router(tls=tls)
    sim.always("hang")
    rig.start(sim.entry("N", api))
    started = time.monotonic()
    message = rig.result(rig.begin("resources", deadline_ms=1500))
    assert message["status"] == "timeout"
    assert time.monotonic() - started > 1.4
    if api == "rest":   # it works on until its own limit of 60 s
        assert 50000 < message["hold_ms"] <= 60000
        assert sim.in_flight == 1
    else:               # … and here until it has confirmed
        assert message["hold_ms"] == 1000
        sim.wait_for(lambda: sim.cancelled == 1 and sim.in_flight == 0)


@pytest.mark.parametrize("api", APIS)
def test_a_cancelled_job(rig, api):
    sim = rig.router()
    sim.always("hang")
    rig.start(sim.entry("N", api))
    job = rig.begin("log")
    sim.wait_for(lambda: sim.in_flight == 1)
    rig.worker.send("job.cancel", id=job)
    message = rig.result(job)
    assert message["status"] == "cancelled"
    if api == "rest":
        assert 50000 < message["hold_ms"] <= 60000
    else:
        assert message["hold_ms"] == 1000
        sim.wait_for(lambda: sim.cancelled == 1)
        [sent] = [v for _, _, what, v, _ in sim.requests if what == "/cancel"]
        assert set(sent) == {"tag"}
        sim.always()
        assert rig.ask("customers")[0] == "ok"


@pytest.mark.parametrize("cancelled", [False, True])
def test_the_router_s_limit_begins_with_the_request(rig, cancelled):
    """A TLS handshake that takes two seconds is no part of it."""
    sim = rig.router(tls=True)
    sim.always("hang")
    entry = sim.entry("N")
    host, port = entry["address"].split(":")
    with socket.create_server((host, 0)) as listener:
        def forward():
            near = listener.accept()[0]
            time.sleep(2)       # what is simulated, not waited for
            far = socket.create_connection((host, int(port)))
            threading.Thread(target=pump, args=(far, near)).start()
            pump(near, far)

        def pump(source, sink):
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    sink.sendall(data)
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=forward)
        thread.start()
        rig.start({**entry, "address": "%s:%d" % listener.getsockname()})
        job = rig.begin("resources", deadline_ms=30000 if cancelled else 3500)
        if cancelled:
            sim.wait_for(lambda: sim.in_flight == 1)
            rig.worker.send("job.cancel", id=job)
        assert 58000 - 1000 * (not cancelled) < rig.result(job)["hold_ms"]
        thread.join()


def test_a_black_hole_holds_nothing(rig):
    """Accepts connections, reads nothing, says nothing."""
    sim = rig.router()
    sim.black_hole = True
    rig.start(sim.entry("N", "binary"))
    message = rig.result(rig.begin("resources", deadline_ms=1000))
    assert message["status"] == "timeout" and "hold_ms" not in message


def test_an_address_from_which_nothing_comes(rig):
    """TEST-NET-3 (RFC 5737): nobody answers, or it is unreachable."""
    entry = {"name": "N", "address": "203.0.113.7", "tls": True,
             "user": "u", "password_secret": "TOOL_ROUTER_PASSWORD"}
    rig.start(entry, {**entry, "name": "B", "api": "binary"},
              {**entry, "name": "D", "address": "nobody.invalid"},
              {**entry, "name": "E", "address": "nobody.invalid",
               "api": "binary"})
    for name in "NBDE":
        message = rig.result(rig.begin(
            "resources", router=name, deadline_ms=15000))
        assert message["status"] in ("unreachable", "timeout"), message
        assert "hold_ms" not in message


REST_FAULTS = [
    ("drop", {}, "unreachable"), ("reset", {}, "unreachable"),
    ("cut", {}, "unreachable"), ("garbage", {}, "unreachable"),
    ("not_json", {}, "malformed"), ("deep", {}, "malformed"),
    ("huge", {}, "malformed"), ("slow_loris", {"seconds": .05}, "timeout"),
    ("wrong_shape", {"value": "x"}, "malformed"),
    ("wrong_shape", {"value": None}, "malformed"),
    ("wrong_shape", {"value": []}, "malformed"),
    ("wrong_shape", {"value": [{}]}, "malformed"),
    ("wrong_shape", {"value": [[1], 7, {"version": {"a": 1}}]}, "malformed"),
    ("html", {"status": 403}, "refused"), ("html", {"status": 302},
                                           "malformed"),
    ("status", {"status": 500}, "refused"),
    ("status", {"status": 503}, "busy"),
    ("status", {"status": 404}, "refused"),
    ("status", {"status": 400, "detail": "Session closed"}, "busy"),
    ("status", {"status": 406, "detail": "no such command or directory (x)"},
     "refused"),
    ("status", {"status": 400, "detail": "\x1b]0;\u202e" + "x" * 5000},
     "refused"),
]

BINARY_FAULTS = [
    ("drop", {}, "unreachable"), ("reset", {}, "unreachable"),
    ("cut", {}, "unreachable"), ("fatal", {}, "unreachable"),
    ("fatal", {"message": "\x85" + "ñ" * 500}, "unreachable"),
    ("garbage", {}, "timeout"), ("garbage", {"bytes": b"\xff" * 100},
                                 "malformed"),
    ("control_byte", {}, "malformed"), ("hostile_length", {}, "malformed"),
    ("many_words", {}, "malformed"), ("huge", {}, "malformed"),
    ("endless", {}, "malformed"), ("foreign_tag", {}, "ok"),
    ("slow_loris", {"seconds": .05}, "timeout"),
    ("trap", {"message": "interrupted", "category": 2}, "busy"),
    ("trap", {"message": "not enough permissions (9)"}, "refused"),
    ("trap", {"message": "\x1b]0;" + "x" * 5000}, "refused"),
]


def check_fault(rig, api, kind, arguments, expected, tls):
    sim = rig.router(tls=tls)
    rig.start(sim.entry("N", api))
    sim.next(kind, **arguments)
    message = rig.result(rig.begin(
        "resources", deadline_ms=3000 if expected == "timeout" else 25000))
    assert message["status"] == expected, message
    if expected != "ok":
        assert 0 < len(message["output"]) < 400
        assert not re.search("[\x00-\x1f\x7f-\x9f]", message["output"])
    # The next one is none the worse for it, once the router is done.
    sim.wait_for(lambda: sim.in_flight == 0 or kind == "slow_loris")
    if kind not in ("slow_loris",):
        assert rig.ask("resources")[0] == "ok"
    sim.most_in_flight = 0


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("kind, arguments, expected", REST_FAULTS)
def test_faults_of_rest(rig, kind, arguments, expected, tls):
    check_fault(rig, "rest", kind, arguments, expected, tls)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("kind, arguments, expected", BINARY_FAULTS)
def test_faults_of_the_binary_api(rig, kind, arguments, expected, tls):
    check_fault(rig, "binary", kind, arguments, expected, tls)


@pytest.mark.parametrize("kind, api", [
    ("status", "rest"), ("trap", "binary"), ("fatal", "binary")])
def test_a_password_that_is_repeated_is_masked_before_it_is_cut(rig, kind, api):
    sim = rig.router()
    rig.start(sim.entry("N", api))
    parts = [PASSWORD[i:i + 4] for i in range(5)]   # "router" is a word, too
    for before in range(120 - len(PASSWORD) - 1, 122, 2):
        words = "x" * before + PASSWORD + " y"
        sim.next(kind, **({"status": 400, "detail": words} if api == "rest"
                          else {"message": words}))
        message = rig.result(rig.begin("resources"))
        assert message["status"] in ("refused", "unreachable")
        assert "xxxx" in message["output"]
        assert not [part for part in parts if part in message["output"]]
    assert not [part for part in parts if part in rig.worker.log()]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("api", APIS)
def test_a_reboot_in_mid_query(rig, api, tls):
    sim = rig.router(tls=tls)
    rig.start(sim.entry("N", api))
    assert rig.ask("resources")[0] == "ok"
    sim.next("hang")
    job = rig.begin("interfaces", interfaces="sfp")
    sim.wait_for(lambda: "fault" in [e["event"] for e in sim.log.entries])
    sim.call(sim.power_off)
    message = rig.result(job)
    assert message["status"] == "unreachable" and "hold_ms" not in message
    assert rig.ask("resources")[0] == "unreachable"
    sim.call(sim.listen)
    assert rig.ask("interfaces", interfaces="sfp")[1]["interfaces"] == [
        SFP1, SFP2]


@pytest.mark.parametrize("api", APIS)
def test_many_routers_at_once_do_not_wait_for_each_other(rig, api):
    sims = [rig.router(delay=.2 if i else 0) for i in range(6)]
    sims[0].always("hang")
    rig.start(*(sim.entry(f"R{i}", api) for i, sim in enumerate(sims)))
    jobs = [rig.begin("customers", router=f"R{i}", deadline_ms=4000)
            for i in range(6)]
    assert [rig.result(job)["status"] for job in jobs[1:]] == ["ok"] * 5
    assert "job.result" not in [m["type"] for m in rig.worker.messages
                                if m.get("id") == jobs[0]]
    assert rig.result(jobs[0])["status"] == "timeout"


def test_the_worker_ends_with_a_cancellation_under_way(rig):
    sim = rig.router()
    sim.always("hang")
    rig.start(sim.entry("N", "binary"))
    job = rig.begin("log")
    sim.wait_for(lambda: sim.in_flight == 1)
    rig.worker.send("job.cancel", id=job)
    rig.result(job)
    rig.worker.send("drain")
    assert rig.worker.exit_status() == 0
    rig.worker.__exit__()
    rig.worker = None


# --run and the inventory

# As the ready-made tools say it.
SENTENCES = {found["executor"]["query"]: found["executor"]["sentences"]
             for found in (json.loads(path.read_text()) for path in
                           (REPO / "etc" / "tools.d").glob("*.json"))
             if found["executor"]["type"] == "routeros"}


def tool(query):
    return {"name": "probe", "description": "d", "read_only": True,
            "parameters": {"type": "object", "properties": {
                "routers": {"type": "string"}}},
            "executor": {"type": "routeros", "query": query,
                         "sentences": SENTENCES[query]},
            "failures": {status: "Falló." for status in (
                "timeout", "unreachable", "http_error", "busy", "malformed",
                "refused", "lost")}}


def run_tool(rig, inventory, arguments, query="resources"):
    folder = rig.tmp_path / "tools.d"
    folder.mkdir(exist_ok=True)
    (folder / "probe.json").write_text(json.dumps(tool(query)))
    return subprocess.run(
        [BUILD / "telefonista-toolworker", "--run", "probe",
         json.dumps({"arguments": arguments})],
        env={"PATH": "/usr/bin", "TOOLS_DIR": str(folder),
             "ROUTERS_FILE": str(inventory), "TOOL_ROUTER_PASSWORD": PASSWORD},
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=PATIENCE)


@pytest.mark.parametrize("api", APIS)
def test_an_operator_asks_one_router_without_a_phone(rig, api):
    sim = rig.router()
    inventory = rig.inventory(sim.entry("Guamal", api,
                                        aliases=["la de Guamal"]))
    for arguments in ({}, {"routers": "guamal"},
                      {"routers": "La de Guamal"}):
        done = run_tool(rig, inventory, arguments)
        assert done.returncode == 0, done
        assert "status: ok" in done.stdout and '"board"' in done.stdout
        assert PASSWORD not in done.stdout + done.stderr
    done = run_tool(rig, inventory, {"routers": "other"})
    assert done.returncode == 1 and "invalid_arguments" in done.stdout


def test_a_faulty_router_harms_no_other(rig):
    sim = rig.router()
    rig.start(sim.entry("N"), {"name": "Bad"}, 7,
              {**sim.entry("P"), "password_secret": "OPENAI_API_KEY"})
    assert rig.ask("customers")[0] == "ok"
    assert rig.ask("customers", router="P")[0] == "invalid_arguments"
    rig.worker.wait_for_log("password_secret")


def test_the_example_inventory_is_valid():
    example = json.loads((REPO / "etc/routers.json.example").read_text())
    assert len(example["routers"]) >= 3
