# SPDX-License-Identifier: MIT
"""`systemctl reload` after an upgrade: another supervisor takes over, and no
caller hears it, no packet, event or answer is lost. What is new is the same
code with another build id (tests/e2e/installed.py)."""

import itertools
import json
import re
import signal
import time

import pytest

from tests.demo import processes
from tests.e2e import service as service_module
from tests.e2e.installed import Installed, rtp_losses, versions
from tests.e2e import test_transfer as transfer
from tests.e2e.debugger import Debugger
from tests.e2e.service import REPO
from tests.e2e.test_tools import outputs
from tests.e2e.world import GREETING, LONG, SHUTDOWN_GOODBYE, TOOL

QUESTION = {"question": "¿Cuántos clientes hay?"}
ASK = {"preamble": "", "then": {"reply": "Son doce."},
       "calls": [{"name": TOOL, "arguments": QUESTION}]}


@pytest.fixture
def installed(world, monkeypatch, tmp_path):
    made = Installed(tmp_path / "bin")
    monkeypatch.setattr(service_module, "BINARY", made.path())
    return made


def reload(world, mark=None):
    """SIGHUP, until the next supervisor has read Asterisk's lists."""
    service, old = world.service, world.supervisor
    mark = service.mark() if mark is None else mark
    service.signal(signal.SIGHUP)
    service.wait_log(r"supervisor ended with status 6 \(handed over\), another "
                     "one takes over", since=mark)
    service.wait_log("ari listing -> up", since=mark)
    assert world.supervisor != old
    return service.text()[mark:]


def is_of(world, build):
    assert list(versions(world.service, "supervisor").values()) == [build]


def test_in_the_middle_of_a_sentence_nothing_is_heard_of_it(world, installed):
    world.answers(LONG, LONG, "Todavía.")
    world.start()
    call = world.call().hears(GREETING)
    worker = call.worker
    for _ in range(2):          # two upgrades in a row
        asked = call.says("diga")
        call.begins_to_hear(LONG)
        build = installed.upgrade()
        log = reload(world)
        assert "alarm=" not in log
        is_of(world, build)
        call.hears(LONG, asked.end_ns)
    call.asks("y ahora", "Todavía.")
    assert rtp_losses(call) == [] and processes.alive(worker)
    world.healthy()


def test_settings_alone_need_no_other_supervisor(world, installed):
    world.start()
    old, mark = world.supervisor, world.service.mark()
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("reading the configuration again", since=mark)
    world.healthy()
    assert world.supervisor == old


def tool_folder(world, read_only):
    """etc/tools.d/ with one tool, whose run may be repeated or not."""
    folder = world.folder / "some-tools.d"
    folder.mkdir()
    tool = json.loads((REPO / f"etc/tools.d/{TOOL}.json").read_text())
    tool["read_only"] = read_only
    if not read_only:
        for name in ("cache_s", "stale"):
            tool.pop(name, None)
    (folder / f"{TOOL}.json").write_text(json.dumps(tool))
    return folder


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("when", ["after", "meanwhile"])
def test_a_query_under_way_runs_once_and_is_answered_once(
        world, installed, when, read_only):
    """Its toolworker may have the answer ready before the new supervisor
    listens: it waits in the socket, which the keeper holds."""
    world.script(turns=[ASK])
    world.mikrotik.answer("clientes", "Hay 12.",
                          delay=2 if when == "after" else .4)
    world.start(TOOLS_DIR=tool_folder(world, read_only), TOOL_WORKERS=2)
    call = world.call().hears(GREETING)
    call.says("cuántos")
    world.until(lambda: world.mikrotik.in_flight, "the query is under way")
    build = installed.upgrade()
    if when == "meanwhile":     # nobody listens while it comes
        world.service.signal(signal.SIGSTOP, world.supervisor)
        world.until(lambda: not world.mikrotik.in_flight, "answered")
        mark = world.service.mark()
        world.service.signal(signal.SIGHUP)
        world.service.signal(signal.SIGCONT, world.supervisor)
        world.service.wait_log("another one takes over", since=mark)
    else:
        reload(world)
    call.hears("Son doce.")
    is_of(world, build)
    assert len(world.mikrotik.questions) == 1 and len(outputs(call)) == 1
    assert "Hay 12." in str(outputs(call)[0])
    assert rtp_losses(call) == []


@pytest.mark.parametrize("read_only", [True, False])
def test_an_answer_that_nobody_has_read_is_not_lost_with_its_reader(
        world, installed, read_only):
    """A supervisor that stands still is replaced; what came meanwhile is read
    by the next one, and nothing is run again."""
    world.script(turns=[ASK])
    world.mikrotik.answer("clientes", "Hay 12.", delay=.4)
    world.expect("supervisor ended by signal 9")
    world.start(TOOLS_DIR=tool_folder(world, read_only), TOOL_WORKERS=2)
    call = world.call().hears(GREETING)
    call.says("cuántos")
    world.until(lambda: world.mikrotik.in_flight, "the query is under way")
    old = world.supervisor
    world.service.signal(signal.SIGSTOP, old)
    world.until(lambda: not world.mikrotik.in_flight, "answered")
    world.service.signal(signal.SIGKILL, old)
    call.hears("Son doce.")
    assert len(world.mikrotik.questions) == 1 and len(outputs(call)) == 1
    assert "Hay 12." in str(outputs(call)[0])
    assert rtp_losses(call) == []


def test_a_call_that_is_being_set_up_is_answered(world, installed):
    """By the old supervisor if it does not take long, else by the new one,
    from the start; the caller hears it ring a little longer."""
    world.ari.fault("POST", "/channels/externalMedia", delay_s=1)
    world.start()
    installed.upgrade()
    waiting, mark = world.call(), world.service.mark()
    waiting.wait_log("NEW -> ASSIGNED")
    log = reload(world, mark)
    waiting.hears(GREETING)
    assert "waited long enough" not in log
    assert world.service.count(f"call={waiting.id} .*arrived") == 1


def test_a_call_whose_set_up_does_not_end_is_set_up_again(world, installed):
    """It takes longer than a hand-over waits: begun anew by the successor."""
    for path in ("/channels/externalMedia", "/bridges/.*/addChannel"):
        world.ari.fault("POST", path, delay_s=2.8)
    world.allow("callworker killed by signal 9", "worker lost before",
                "left over in Asterisk")
    world.start()
    installed.upgrade()
    slow = world.call()
    slow.wait_log("NEW -> ASSIGNED")
    log = reload(world)
    assert "waited long enough" in log
    slow.hears(GREETING)
    assert slow.phone.state == "up"


def test_a_telephone_that_rings_goes_on_ringing(world, installed):
    person = world.ari.person(transfer.ENDPOINT)
    world.answers(transfer.TRANSFER)
    transfer.start(world)
    call = transfer.asking(world)
    person.wait_for("ringing")
    installed.upgrade()
    reload(world)
    assert person.state == "ringing"
    transfer.picks_up(world, call, person)
    person.hangup()
    call.ended(why="the person hung up")


def test_digits_that_come_in_between_are_not_lost(world, installed):
    world.start()
    call = world.call().hears(GREETING)
    installed.upgrade()
    mark = world.service.mark()
    world.service.signal(signal.SIGHUP)
    dialled = ""
    for digit in itertools.cycle("123456789"):
        call.phone.dtmf(digit, duration_ms=20)
        dialled += digit
        if world.service.find("ari listing -> up", mark):
            break
        time.sleep(.02)     # faster than people dial
    assert len(dialled) > 2
    world.until(lambda: len(digits(call)) >= len(dialled), "all digits")
    assert digits(call) == dialled


def digits(call):
    """What the voice was told of the caller's keys."""
    return "".join(
        digit for event in call.session.received("conversation.item.create")
        for part in event["item"].get("content", ())
        for digit in re.findall(r"\b[0-9]\b", part.get("text", "")))


# A new version that is good for nothing

def stays(world, installed, old, why):
    """It is said, and everything goes on with the old one."""
    world.expect("alarm=upgrade .* the old one stays|the one that runs stays")
    mark = world.service.mark()
    world.service.signal(signal.SIGHUP)
    world.service.wait_log(why, since=mark)
    assert world.supervisor == old


@pytest.mark.parametrize("how, why", [
    ("exit 1", "does not take over.*with status 1"),
    ("kill -SEGV $$", "does not take over.*by signal 11"),
    ("exit 2", "does not take over.*with status 2")])
def test_one_that_ends_at_its_start_is_not_needed(world, installed, how, why):
    world.answers("Sigo.")
    world.start()
    call, old = world.call().hears(GREETING), world.supervisor
    installed.breaks("-supervisor", how)
    stays(world, installed, old, why)
    call.asks("y ahora", "Sigo.")
    world.healthy()
    # Should the old one die, it is not the new one that is left.
    world.expect("alarm=upgrade the new supervisor does not work, starting "
                 "the one that ran before")
    world.allow("supervisor ended")
    mark = world.service.mark()
    world.service.signal(signal.SIGKILL, old)
    world.service.wait_log("ari listing -> up", since=mark)
    world.healthy()
    # Repaired, it is taken after all.
    build = installed.upgrade()
    reload(world)
    is_of(world, build)
    assert rtp_losses(call) == []


def test_one_that_is_missing_is_not_needed(world, installed):
    world.start()
    call, old = world.call().hears(GREETING), world.supervisor
    installed.path("-supervisor").unlink()
    stays(world, installed, old, "binary cannot be found")
    world.expect("alarm=upgrade the new supervisor does not work, starting "
                 "the one that ran before")
    world.allow("supervisor ended")
    mark = world.service.mark()
    world.service.signal(signal.SIGKILL, old)
    world.service.wait_log("ari listing -> up", since=mark)
    world.healthy()
    assert rtp_losses(call) == []


def test_one_that_never_comes_up_is_given_up(world, installed):
    world.start()
    old = world.supervisor
    installed.breaks("-supervisor", "exec sleep 60")
    stays(world, installed, old, "does not take over.*it does not come up")
    world.healthy()


def test_with_wrong_settings_nothing_changes(world, installed):
    world.start()
    old = world.supervisor
    installed.upgrade()
    world.expect("the configuration has errors", "configuration: ",
                 "the supervisor is not replaced by the new one because")
    world.service.write_config(MAX_CALLS="muchas")
    mark = world.service.mark()
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("alarm=upgrade the supervisor is not replaced",
                           since=mark)
    assert world.supervisor == old
    world.healthy()


def test_a_stop_in_the_middle_of_it_is_obeyed(world, installed):
    world.start()
    world.call().hears(GREETING).hangup().gone()
    installed.upgrade()
    world.allow("alarm=upgrade the new supervisor does not take over")
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("another supervisor stands by")
    assert world.service.stop() == 0


def stands_by(world, mark=0):
    """The pid of the supervisor that is to take over."""
    return int(world.service.wait_log(
        r"another supervisor stands by pid=(\d+)", since=mark).group(1))


def test_a_stop_is_not_forgotten_over_one_that_takes_long_to_die(
        world, installed):
    """Dead, but not reaped before the one that works has ended: a debugger
    has to look at it first."""
    world.start()
    world.call().hears(GREETING).hangup().gone()
    installed.breaks("-supervisor", "exec sleep 60")
    world.service.signal(signal.SIGHUP)
    with Debugger(stands_by(world)):
        assert world.service.stop() == 0
    assert world.service.count("supervisor started") == 1
    assert world.service.count("another one takes over") == 0


def leaves_the_name(world, installed):
    """A reload up to where the successor, which stands still, is to connect:
    (a call that was half made until then, the successor's pid, a mark)."""
    installed.upgrade()
    mark = world.service.mark()
    slow = world.ari.fault("POST", "/channels/externalMedia", delay_s=2.5)
    late = world.call()
    world.until(lambda: slow.hits, "a call is half made")
    world.service.signal(signal.SIGHUP)
    successor = stands_by(world, mark)
    world.service.wait_log("handover NONE -> QUIETING", since=mark)
    world.service.signal(signal.SIGSTOP, successor)
    world.service.wait_log("QUIETING -> LEAVING_NAME", since=mark)
    return late, successor, mark


def test_a_stop_while_the_successor_connects_is_the_successors(
        world, installed):
    """The old one would drain without hearing of its calls."""
    world.start(DRAIN_SECONDS=9)
    call, old = world.call().hears(GREETING), world.supervisor
    late, successor, mark = leaves_the_name(world, installed)
    world.service.signal(signal.SIGTERM)
    world.service.wait_log("handover goes on, the successor is to stop",
                           since=mark)
    world.service.signal(signal.SIGCONT, successor)
    for each in (call, late):
        each.hears(SHUTDOWN_GOODBYE).ended(why="service stops")
    assert world.service.wait(9) == 0 and world.made() == []
    assert not world.service.find(rf"supervisor\[{old}\].*draining", mark)
    assert rtp_losses(call) == []


def test_a_stop_is_not_lost_with_the_successor_that_was_to_hear_of_it(
        world, installed):
    """It has the name already, and dies while the old one ends."""
    world.allow("handover does not wait for Asterisk's answers",
                "ari request failed .*DELETE")
    world.start(DRAIN_SECONDS=9)
    call = world.call().hears(GREETING)
    other, successor, mark = leaves_the_name(world, installed)
    # Answers that the old one waits for.
    deletions = world.ari.fault("DELETE", "/.*", delay_s=2.8, count=None)
    other.hangup()
    world.until(lambda: deletions.hits, "the call is being taken away")
    world.service.signal(signal.SIGCONT, successor)
    world.service.wait_log("LEAVING_NAME -> FINISHING", since=mark)
    world.service.signal(signal.SIGTERM)
    world.service.wait_log("handover goes on, the successor is to stop",
                           since=mark)
    world.service.signal(signal.SIGKILL, successor)
    world.ari.faults.clear()
    call.hears(SHUTDOWN_GOODBYE).ended(why="service stops")
    assert world.service.wait(9) == 0 and world.made() == []
    assert rtp_losses(call) == []


def test_every_caller_is_served_while_one_upgrade_follows_the_other(
        world, installed):
    """Fifteen callers, three upgrades."""
    world.start(WARM_WORKERS=2, MAX_CALLS=30)
    calls = []

    def arrive(count):
        for _ in range(count):
            calls.append(world.call())
            time.sleep(.1)
    for _ in range(3):
        arrive(2)
        build, old = installed.upgrade(), world.supervisor
        mark = world.service.mark()
        world.service.signal(signal.SIGHUP)
        arrive(3)
        world.service.wait_log("another one takes over", since=mark)
        world.service.wait_log("ari listing -> up", since=mark)
        assert world.supervisor != old
        is_of(world, build)
    for call in calls:
        call.hears(GREETING)
        assert rtp_losses(call) == []
    world.allow("callworker killed by signal 9", "worker lost before",
                "left over in Asterisk")
