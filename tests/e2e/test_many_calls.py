# SPDX-License-Identifier: MIT
"""Many calls at once, and processes that die under them: what one process
does to itself is its own call's affair, or nobody's."""

import signal
import time

import pytest

from tests.demo import processes
from tests.e2e.world import GREETING, LONG, TOOL

QUESTION = {"question": "¿Cuántos clientes hay?"}


def descriptors(world, role):
    """How many a process holds, connections that are kept alive left out."""
    found = processes.descriptors(world.service.the(role))
    return sum(n for kind, n in found.items() if kind != "tcp")


def gap_ms(call):
    """The longest time between two packets that the caller got."""
    gaps = call.phone.recording.gaps(longer_than_ms=0)
    return max((ms for _, ms in gaps), default=0)


def test_twenty_calls_with_overlapping_endings_do_not_touch_each_other(world):
    # A machine that stalls under twenty must not make two turns of one.
    world.start(MAX_CALLS=20, WARM_WORKERS=4, VAD_SILENCE_MS=1000)
    service = world.service
    idle = {role: descriptors(world, role)
            for role in ("keeper", "supervisor", "toolworker")}
    calls = []
    world.script(scripts=[
        {"instructions_contain": f"300{n:07d}",
         "turns": [{"reply": f"Respuesta {n}."}]} for n in range(1, 21)])
    for n in range(20):
        calls.append(world.call(codec=("ulaw", "alaw")[n % 2]))
    for n, call in enumerate(calls, 1):
        call.hears(GREETING)
        call.says(f"pregunta {n}", wait=False)
    assert len({call.worker for call in calls}) == 20
    for n, call in enumerate(calls, 1):
        call.hears(f"Respuesta {n}.")
        if n % 3:
            call.phone.hangup()
    for n, call in enumerate(calls, 1):
        call.phone.hangup()
        call.gone()
        assert call.heard_texts(GREETING, f"Respuesta {n}.")
    world.until(lambda: not world.made(), "nothing left over")
    world.until(lambda: len(service.pids("callworker")) == 4,
                "only the spares")
    for role, before in idle.items():
        world.until(lambda: descriptors(world, role) <= before,
                    f"{role} has no more descriptors than before")
    assert world.ari.connections_peak <= 9      # 8 of REST, one of events


def test_a_killed_callworker_takes_its_own_call_only(world):
    world.answers("Sigo aquí.")
    world.expect("callworker killed by signal 9", "worker lost how=",
                 "alarm=rescue", "goes to the fallback")
    world.start()
    others = [world.call().hears(GREETING) for _ in range(2)]
    world.call().hears(GREETING).lost()
    for other in others:
        other.asks("sigue ahí", "Sigo aquí.")
        assert len(other.heard()) == 2
    world.healthy()


def test_a_callworker_killed_while_it_rings_is_replaced(world):
    world.expect("worker lost before the answer", "callworker killed")
    world.start()
    slow = world.ari.fault("POST", "/bridges/.*", delay_s=.5)
    call = world.call()
    world.until(lambda: slow.hits, "the bridge is being made")
    world.service.signal(signal.SIGKILL, call.worker)
    call.hears(GREETING)
    assert call.heard_texts(GREETING)


def test_a_callworker_that_hangs_is_noticed_and_ended(world):
    world.expect("callworker hangs, killing it", "worker lost how=",
                 "callworker killed by signal 9", "alarm=rescue")
    world.start()
    other = world.call().hears(GREETING)
    victim = world.call().hears(GREETING)
    victim.rescued(signal.SIGSTOP)
    other.heard_by_voice(other.says("yo no"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_no_call_falls_when_the_supervisor_is_killed(world, number):
    world.answers(LONG, "Después.")
    world.expect("supervisor ended by signal")
    world.allow("exited with status 0")
    world.start()
    calls = [world.call().hears(GREETING) for _ in range(2)]
    for call in calls:
        call.says("algo largo", wait=False)
    for call in calls:
        call.begins_to_hear(LONG)
    old = world.supervisor
    mark = world.service.mark()
    world.service.signal(number, old)
    world.service.wait_log("calls go on, starting it again", since=mark)
    world.service.wait_log("ari listing -> up", since=mark)
    for call in calls:
        call.wait_log("NEW -> TALKING")
        call.hears(LONG)
        call.asks("y después", "Después.")
        assert call.heard_texts(GREETING, LONG, "Después.")
        # Playout's clock knows no supervisor; a second is a machine's whim.
        assert gap_ms(call) < 1000
    world.service.wait_title(world.supervisor, "ari=up calls=2")
    assert world.supervisor != old
    for call in calls:
        call.hangup().gone()
    world.until(lambda: not world.made(), "nothing left over")
    world.healthy()


def test_a_query_that_runs_while_the_supervisor_dies_is_answered(world):
    world.script(turns=[{"preamble": "Ya miro.",
                         "calls": [{"name": TOOL, "arguments": QUESTION}],
                         "then": {"reply": "Son doce."}}])
    world.mikrotik.answer("clientes", "Hay 12.", delay=2)
    world.expect("supervisor ended by signal")
    world.start()
    call = world.call().hears(GREETING)
    call.says("cuántos")
    world.until(lambda: world.mikrotik.in_flight, "the query is under way")
    world.service.signal(signal.SIGKILL, world.supervisor)
    call.hears("Son doce.")
    [output] = [e["item"]["output"]
                for e in call.session.received("conversation.item.create")
                if e["item"]["type"] == "function_call_output"]
    assert "Hay 12." in output
    assert len(world.mikrotik.questions) == 1
    call.hangup().gone()


def test_tools_work_after_the_supervisor_was_replaced(world):
    world.script(turns=[{"calls": [{"name": TOOL, "arguments": QUESTION}],
                         "then": {"reply": "Son doce."}}])
    world.expect("supervisor ended by signal")
    world.start()
    call = world.call().hears(GREETING)
    world.service.signal(signal.SIGKILL, world.supervisor)
    call.wait_log("NEW -> TALKING")
    call.asks("cuántos", "Son doce.")
    assert world.mikrotik.questions == [QUESTION["question"]]


def test_a_caller_who_hangs_up_while_there_is_no_supervisor_leaves_nothing(
        world):
    world.expect("supervisor ended by signal")
    world.allow("callworker ended", "left over in Asterisk")
    world.start()
    call = world.call().hears(GREETING)
    stays = world.call().hears(GREETING)
    supervisor = world.supervisor
    world.service.signal(signal.SIGSTOP, supervisor)
    call.hangup()
    call.phone.wait_for("ended")
    mark = world.service.mark()
    world.service.signal(signal.SIGKILL, supervisor)
    world.service.wait_log("ari listing -> up", since=mark)
    call.gone()
    world.until(lambda: len(world.made()) == 2, "one call's things are left")
    assert stays.phone.state == "up"


def test_a_call_that_arrives_while_there_is_no_supervisor_is_taken(world):
    world.expect("supervisor ended by signal")
    world.start()
    world.ari.dialplan_wait_s = .2
    supervisor = world.supervisor
    world.service.signal(signal.SIGSTOP, supervisor)
    frozen = world.call()       # swallowed: the frozen one has the socket
    mark = world.service.mark()
    world.service.signal(signal.SIGKILL, supervisor)
    later = world.call()
    for call in (frozen, later):
        call.hears(GREETING)
    world.service.wait_log(f"call={frozen.id} was waiting in our application",
                           since=mark)


def test_a_supervisor_that_keeps_dying_is_started_less_and_less_often(world):
    world.expect("supervisor ended by signal")
    world.start()
    call = world.call().hears(GREETING)
    for _ in range(3):
        mark = world.service.mark()
        world.service.signal(signal.SIGKILL, world.supervisor)
        world.service.wait_log("supervisor started pid=", since=mark)
        world.service.wait_log("ari listing -> up", since=mark)
    assert [int(line.rpartition("=")[2]) for line in
            world.service.text().splitlines() if "delay_ms=" in line] == \
        sorted([0, 100, 200])
    call.heard_by_voice(call.says("todavía"))


def test_when_the_keeper_is_killed_all_end_and_the_next_service_tidies_up(
        world):
    world.expect("the keeper is gone", "left over in Asterisk, deleting it")
    world.allow("callworker", "channel to the supervisor is gone")
    world.start()
    call = world.call().hears(GREETING)
    world.service.tree()
    world.service.signal(signal.SIGKILL)
    world.service.wait()
    world.until(lambda: not world.service.left(),
                lambda: f"ended: {world.service.left()}")
    assert call.phone.state == "up"     # nobody was left to end it
    mark, now_ns = world.service.mark(), time.monotonic_ns()
    world.service.start()
    world.service.wait_log(f"call={call.id} was waiting in our application",
                           since=mark)
    call.hears(GREETING, now_ns)
    world.until(lambda: len(world.made()) == 2, "the old ones are deleted")


def test_a_killed_toolworker_costs_an_honest_answer_at_most(world):
    world.script(turns=[{"calls": [{"name": TOOL, "arguments": QUESTION}],
                         "then": {"reply": "Son doce."}}])
    world.mikrotik.answer("clientes", "Hay 12.", delay=1)
    world.expect("toolworker lost", "toolworker killed by signal 9")
    world.allow("tool lost its worker and is run again")
    world.start()
    call = world.call().hears(GREETING)
    call.says("cuántos")
    world.until(lambda: world.mikrotik.in_flight, "the query is under way")
    world.service.signal(signal.SIGKILL, world.service.the("toolworker"))
    call.hears("Son doce.")
    assert len(world.mikrotik.questions) == 2   # read-only: asked again
