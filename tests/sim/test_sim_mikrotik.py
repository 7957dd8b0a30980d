# SPDX-License-Identifier: MIT
"""Tests of the simulated MikroTik service, with http.client on the other
side."""

import http.client
import json
import signal
import subprocess
import sys
import threading
import time

import pytest

from . import base
from .mikrotik import FAULTS, MikrotikSim

GOOD = {"question": "¿Cuántos clientes hay conectados?", "timeout": 60}


def post(sim, body, path="/query", timeout=10, content="application/json"):
    """(status, headers, body bytes) of one POST."""
    connection = http.client.HTTPConnection(sim.host, sim.port,
                                            timeout=timeout)
    try:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", path, data, {"Content-Type": content})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def query(sim, body=GOOD, **options):
    status, _, data = post(sim, body, **options)
    return status, json.loads(data)


def test_answers_by_rule_and_counts():
    script = {"otherwise": "Todo normal.", "answers": [
        {"contains": "clientes", "response": "Hay doce."}]}
    with MikrotikSim(script) as sim:
        status, answer = query(sim)
        assert status == 200 and answer["success"] is True
        assert answer["response"] == "Hay doce."
        assert answer["metadata"]["timeout"] == 60
        assert query(sim, {"question": "¿Y el CPU?"})[1]["response"] == \
            "Todo normal."
        sim.answer("clientes", "Ahora trece.")
        assert query(sim)[1]["response"] == "Ahora trece."
        assert len(sim.requests) == len(sim.questions) == 3
        assert sim.violations == []


@pytest.mark.parametrize("body, valid", [
    ({"question": "abc"}, True), ({"question": "x" * 500}, True),
    ({"question": "ab"}, False), ({"question": "x" * 501}, False),
    ({"question": "ñ" * 500, "timeout": 15}, True),
    ({"question": "abc", "timeout": 90}, True),
    ({"question": "abc", "timeout": 14}, False),
    ({"question": "abc", "timeout": 91}, False),
    ({"question": "abc", "timeout": "60"}, False),
    ({"question": "abc", "timeout": True}, False),
    ({"question": 5}, False), ({}, False), ([], False), (b"{", False)])
def test_limits_are_those_of_the_service(body, valid):
    with MikrotikSim() as sim:
        status, answer = query(sim, body)
        assert status == (200 if valid else 422)
        assert len(sim.violations) == (0 if valid else 1)
        assert valid or answer["detail"][0]["msg"]


def test_content_type_must_be_json():
    with MikrotikSim() as sim:
        assert query(sim, content="text/plain")[0] == 422
        assert len(sim.violations) == 1


def test_health():
    with MikrotikSim() as sim:
        for healthy, status in ((True, 200), (False, 503)):
            sim.healthy = healthy
            connection = http.client.HTTPConnection(sim.host, sim.port,
                                                    timeout=5)
            connection.request("GET", "/health")
            assert connection.getresponse().status == status
            connection.close()
        assert sim.health_requests == 2


def test_delay_and_parallel_questions():
    with MikrotikSim(delay=0.4) as sim:
        start = time.monotonic()
        threads = [threading.Thread(target=query, args=(sim,))
                   for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - start >= 0.4
        assert sim.most_in_flight == 3 and sim.in_flight == 0
        assert sim.answered == 3


@pytest.mark.parametrize("status", [400, 404, 429, 500, 502, 503])
def test_http_errors(status):
    with MikrotikSim() as sim:
        sim.next("http", status=status)
        got, headers, body = post(sim, GOOD)
        assert got == status and json.loads(body)["detail"]
        assert ("Retry-After" in headers) == (status in (429, 503))
        assert query(sim)[0] == 200             # only that one


@pytest.mark.parametrize("kind, check", [
    ("garbage", lambda b, h: b.startswith(b"\0") and b"JSON" in b),
    ("wrong_type", lambda b, h: h.get_content_type() == "text/html"),
    ("not_object", lambda b, h: isinstance(json.loads(b), list)),
    ("missing_response", lambda b, h: "response" not in json.loads(b)),
    ("wrong_fields", lambda b, h: json.loads(b)["success"] == "yes"),
    ("failure", lambda b, h: json.loads(b)["success"] is False),
    ("invalid_utf8", lambda b, h: b"\xff\xfe" in b),
    ("deep", lambda b, h: b.startswith(b"[" * 100_000)),
    ("huge", lambda b, h: len(b) > 10 << 20),
])
def test_odd_bodies(kind, check):
    with MikrotikSim() as sim:
        sim.next(kind)
        status, headers, body = post(sim, GOOD)
        assert status == 200 and check(body, headers)


def test_redirect_is_a_trap():
    with MikrotikSim() as sim:
        sim.next("redirect")
        status, headers, _ = post(sim, GOOD)
        assert status == 307
        assert headers["Location"] == f"http://localhost:{sim.port}/elsewhere"
        assert sim.violations == []
        post(sim, GOOD, path="/elsewhere")
        assert len(sim.violations) == 1


@pytest.mark.parametrize("kind, error", [
    ("truncated", http.client.IncompleteRead),
    ("drop", http.client.RemoteDisconnected),
    ("reset", ConnectionResetError),
    ("not_http", http.client.BadStatusLine)])
def test_broken_connections(kind, error):
    with MikrotikSim() as sim:
        sim.next(kind)
        with pytest.raises(error):
            post(sim, GOOD)
        assert query(sim)[0] == 200


def test_hanging_question_and_a_client_that_leaves():
    with MikrotikSim() as sim:
        sim.next("hang")
        with pytest.raises(TimeoutError):
            post(sim, GOOD, timeout=0.3)
        sim.wait_for(lambda: sim.aborted == 1 and sim.in_flight == 0)
        assert sim.answered == 0


def test_slow_loris():
    with MikrotikSim() as sim:
        sim.next("slow_loris", seconds=0.05)
        with pytest.raises(TimeoutError):
            connection = http.client.HTTPConnection(sim.host, sim.port,
                                                    timeout=20)
            connection.request("POST", "/query", json.dumps(GOOD),
                               {"Content-Type": "application/json"})
            connection.sock.settimeout(0.4)
            start = time.monotonic()
            while time.monotonic() < start + 0.6:
                assert len(connection.sock.recv(1000)) < 20
            raise TimeoutError
        connection.close()
        sim.wait_for(lambda: sim.aborted == 1)


def test_refused_and_back():
    with MikrotikSim() as sim:
        sim.call(sim.refuse_tcp)
        with pytest.raises(ConnectionRefusedError):
            post(sim, GOOD)
        sim.call(sim.listen)
        assert query(sim)[0] == 200


def test_always_until_ended_and_unknown_faults():
    with MikrotikSim() as sim:
        sim.always("http", status=503)
        assert [query(sim)[0] for _ in range(2)] == [503, 503]
        sim.always(None)
        assert query(sim)[0] == 200
        with pytest.raises(ValueError):
            sim.next("no such thing")
    assert all(FAULTS.values())


def test_as_a_process(tmp_path):
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"otherwise": "Hola.", "answers": [
        {"contains": "lento", "response": "Por fin.", "delay": 0.3}]}))
    ready = tmp_path / "ready.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.sim.mikrotik", "--script", str(script),
         "--ready-file", str(ready), "--log", str(tmp_path / "log")],
        cwd=base.REPO)
    try:
        end = time.monotonic() + 30
        while not ready.exists():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.02)

        class Remote:
            host = "127.0.0.1"
            port = json.loads(ready.read_text())["port"]
        assert query(Remote, {"question": "algo lento"})[1]["response"] == \
            "Por fin."
        post(Remote, {"kind": "http", "status": 500}, path="/_sim/next")
        assert query(Remote)[0] == 500
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert process.returncode == 0
    lines = [json.loads(line) for line in
             (tmp_path / "log").read_text().splitlines()]
    asked, answered = (next(line["t"] for line in lines if
                            line["event"] == what)
                       for what in ("query", "answered"))
    assert answered - asked >= 0.3


def lines_of(sim, **headers):
    """(content type, the lines of the answer as JSON)."""
    connection = http.client.HTTPConnection(sim.host, sim.port, timeout=10)
    try:
        connection.request("POST", "/query", json.dumps(GOOD).encode(), {
            "Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.headers["Content-Type"], [
            json.loads(line) for line in response.read().splitlines()]
    finally:
        connection.close()


def test_progress_is_told_in_lines_to_who_asks_for_them():
    with MikrotikSim() as sim:
        sim.answer("clientes", "Hay doce.", progress=3)
        kind, lines = lines_of(sim, Accept="application/x-ndjson")
        assert kind == "application/x-ndjson"
        assert lines[:-1] == [{"done": n, "total": 3} for n in (1, 2, 3)]
        assert lines[-1]["response"] == "Hay doce."
        kind, [answer] = lines_of(sim)
        assert kind.startswith("application/json")
        assert answer["response"] == "Hay doce."
