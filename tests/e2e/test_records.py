# SPDX-License-Identifier: MIT
"""The records of calls: on disk whichever process dies, whole and without
doubles, with no more in them than the operator wants."""

import json
import os
import signal
import subprocess

import pytest

from tests.e2e.world import GREETING, LONG

SECRETS = ("Hola", "cuénteme")


def files(folder):
    return sorted(folder.glob("*/*.jsonl"))


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def numbers(path):
    return [line["n"] for line in lines(path)]


@pytest.fixture
def folder(world):
    return world.folder / "records"


def start(world, folder, **settings):
    world.answers(LONG, "Segunda.")
    world.start(RECORDS_DIR=folder, **settings)


def finished(world, folder, count=1):
    world.until(lambda: len([f for f in files(folder)
                             if f.parent.name != "open"]) == count,
                lambda: f"{count} records: {files(folder)}")
    assert not list((folder / "open").iterdir())
    return [f for f in files(folder) if f.parent.name != "open"]


def test_a_call_leaves_its_record_without_what_was_said(world, folder):
    start(world, folder)
    call = world.call(caller="3001234567").hears(GREETING)
    call.says("cuénteme")
    call.hears(LONG)
    world.until(lambda: files(folder), "a record while the call goes on")
    assert files(folder)[0].parent.name == "open"
    call.hangup().gone()
    [path] = finished(world, folder)
    assert path.name.endswith(f"-{call.id}.jsonl")
    entries = lines(path)
    assert numbers(path) == list(range(1, len(entries) + 1))
    types = [entry["type"] for entry in entries]
    assert types[0] == "call" and types[-1] == "final"
    assert {"state", "session", "heard", "assistant"} <= set(types)
    assert entries[0]["caller"].endswith("4567")
    text = path.read_text()
    assert "1234567" not in text and GREETING not in text and LONG not in text
    assert entries[-1]["usage"]["output_audio"] > 0


def test_with_transcripts_it_says_what_was_said_and_heard(world, folder):
    start(world, folder, RECORD_TRANSCRIPTS="yes", SHOW_CALLER_NUMBER="full")
    call = world.call(caller="3001234567").hears(GREETING)
    call.asks("cuénteme", LONG)
    call.hangup().gone()
    [path] = finished(world, folder)
    entries = lines(path)
    assert entries[0]["caller"].endswith("3001234567")
    heard = [e["heard"] for e in entries if e["type"] == "heard"]
    assert heard == [GREETING, LONG]


def test_a_killed_supervisor_leaves_no_hole_and_no_double(world, folder):
    world.expect("supervisor ended by signal")
    world.allow("exited")
    start(world, folder)
    call = world.call().hears(GREETING)
    for turn in (LONG, "Segunda."):
        mark = world.service.mark()
        world.service.signal(signal.SIGKILL, world.supervisor)
        world.service.wait_log(f"call={call.id} .*goes on", since=mark)
        call.asks(turn, turn)
    call.hangup().gone()
    [path] = finished(world, folder)
    assert numbers(path) == list(range(1, len(numbers(path)) + 1))
    assert lines(path)[-1]["type"] == "final"


def test_supervisor_and_worker_killed_at_once_lose_nothing(world, folder):
    """What the dead worker wrote last is in the keeper's hands only."""
    world.expect("supervisor ended by signal")
    world.allow("exited", "killed by signal", "callworker ended by signal",
                "alarm=rescue", "lost")
    start(world, folder)
    call = world.call().hears(GREETING)
    supervisor, worker = world.supervisor, call.worker
    os.kill(supervisor, signal.SIGSTOP)     # it copies nothing any more
    call.says("cuénteme")
    call.begins_to_hear(LONG)
    os.kill(supervisor, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    world.service.wait_log(f"call={call.id} .*(rescue|fallback)")
    call.hangup().gone()
    [path] = finished(world, folder)
    entries = lines(path)
    assert numbers(path) == list(range(1, len(entries) + 1))
    assert "heard" in {e["type"] for e in entries}


def test_what_the_keepers_death_left_open_is_closed_at_the_next_start(
        world, folder):
    world.allow(".")
    start(world, folder)
    call = world.call().hears(GREETING)
    world.until(lambda: files(folder), "an open record")
    world.service.tree()
    world.service.signal(signal.SIGKILL)
    world.service.wait()
    world.until(lambda: not world.service.left(),
                lambda: f"gone: {world.service.left()}")
    call.hangup()
    world.calls.clear()
    world.service.start()
    world.ready()
    [path] = finished(world, folder)
    assert lines(path)[-1]["type"] in ("cut", "final")
    assert call.id in path.name


def test_a_full_disk_costs_no_call_and_no_record(world, folder):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = world.folder / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs",
                           disk], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("mount is not allowed here")
    world.closing.callback(
        subprocess.run, ["umount", "-l", disk], check=True)
    world.expect("alarm=records")
    world.answers(LONG)
    folder = disk / "records"
    world.start(RECORDS_DIR=folder)
    filler = disk / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    calls = [world.call().hears(GREETING) for _ in range(3)]
    world.service.wait_log("alarm=records")
    for call in calls:
        call.says("cuénteme")
    for call in calls:
        call.hears(LONG)
        call.hangup().gone()
    filler.unlink()
    world.service.wait_log("records are written again")
    for path in finished(world, folder, 3):
        assert numbers(path) == list(range(1, len(numbers(path)) + 1))
        assert lines(path)[-1]["type"] == "final"


def test_what_is_recorded_is_decided_anew_by_a_reload(world, folder):
    start(world, folder, RECORD_TRANSCRIPTS="yes")
    before = world.call().hears(GREETING)
    world.service.write_config(RECORD_TRANSCRIPTS="no", SHOW_CALLER_NUMBER="no")
    mark = world.service.mark()
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("reading the configuration again", since=mark)
    after = world.call().hears(GREETING)
    for call in (before, after):
        call.hangup().gone()
    texts = {path.name.partition("-")[2]: path.read_text()
             for path in finished(world, folder, 2)}
    assert "Hola" in texts[f"{before.id}.jsonl"]
    assert "Hola" not in texts[f"{after.id}.jsonl"]
    assert after.phone.number[-4:] not in texts[f"{after.id}.jsonl"]
