# SPDX-License-Identifier: MIT
"""The pool of toolworkers under many calls: what is asked alike is asked
once, and processes that die cost nobody more than a moment."""

import json
import random
import re
import signal

from tests.e2e.service import REPO
from tests.e2e.world import GREETING, TOOL

CALLS = 20
DEFINITION = json.loads((REPO / f"etc/tools.d/{TOOL}.json").read_text())
QUESTION = "¿Cuántos clientes hay?"


def asking(question, then):
    """A turn of the script with one query."""
    return {"then": {"reply": then},
            "calls": [{"name": TOOL, "arguments": {"question": question}}]}


def twenty_calls(world, question):
    """Calls that are up and will ask question(n). What twenty of them hear
    is not compared bit by bit here: test_many_calls.py does that."""
    world.script(scripts=[
        {"instructions_contain": f"300{n:07d}",
         "turns": [asking(question(n), f"Ya sé {n}.")]}
        for n in range(1, CALLS + 1)])
    calls = [world.call() for _ in range(CALLS)]
    for call in calls:
        call.up().wait_log("greeting ready")
    return calls


def outputs(call):
    """What the voice was given as results, as texts."""
    return [e["item"]["output"]
            for e in call.session.received("conversation.item.create")
            if e["item"]["type"] == "function_call_output"]


def spoken(call):
    """The texts that the voice has begun to say."""
    return [run.reply.text for run in call.session.responses if run.reply]


def answered(world):
    """[(call, status)] of every answer that the queue has given."""
    return re.findall(r"tool answered name=\S+ call=(\S+) id=\S+ "
                      r"status=(\w+)", world.service.text())


def test_twenty_calls_with_one_question_cost_one_request(world):
    world.mikrotik.answer("clientes", "Hay 12 conectados.", delay=8)
    world.start(MAX_CALLS=CALLS, WARM_WORKERS=4, TOOL_WORKERS=4)
    calls = twenty_calls(world, lambda n: QUESTION)
    for call in calls:
        call.says("cuántos", wait=False)
    for n, call in enumerate(calls, 1):
        world.until(lambda: f"Ya sé {n}." in spoken(call), f"answer {n}")
    for call in calls:
        [output] = outputs(call)
        assert "Hay 12 conectados." in output
    assert sorted(answered(world)) == sorted((c.id, "ok") for c in calls)
    assert len(world.mikrotik.requests) == 1


def test_toolworkers_killed_at_random_cost_nobody_an_answer(world):
    """Twenty questions, no two alike; a death hits all jobs of a process, a
    second one of the same job is admitted to the caller."""
    seed = 20
    world.expect("toolworker killed by signal 9", "toolworker lost how=")
    world.allow("tool lost its worker and is run again",
                "tool answered .*status=lost")
    dice = random.Random(seed)
    world.mikrotik.otherwise.delay = 2
    world.start(MAX_CALLS=CALLS, WARM_WORKERS=4, TOOL_WORKERS=4)
    service = world.service
    world.until(lambda: len(service.pids("toolworker")) == 4, "four of them")
    calls = twenty_calls(world, lambda n: f"¿Cómo está el cliente {n}?")
    for call in calls:
        call.says("cómo", wait=False)
    world.until(lambda: world.mikrotik.in_flight >= 5, "queries")
    for _ in range(5):
        pids = service.pids("toolworker")
        if pids:
            pid = dice.choice(pids)
            service.signal(signal.SIGKILL, pid)
            service.wait_gone(pid)
        asked = len(world.mikrotik.requests)
        if len(answered(world)) < CALLS:
            world.until(lambda: len(world.mikrotik.requests) > asked or
                        len(answered(world)) == CALLS, "they go on")
    for n, call in enumerate(calls, 1):
        world.until(lambda: f"Ya sé {n}." in spoken(call), f"answer {n}")
    for call in calls:
        assert len(outputs(call)) == 1
    given = answered(world)
    assert sorted(c for c, _ in given) == sorted(c.id for c in calls)
    assert {status for _, status in given} <= {"ok", "lost"}
    for call in calls:
        status = dict(given)[call.id]
        if status == "lost":
            assert DEFINITION["failures"]["lost"] in json.loads(
                outputs(call)[0]).values()
    world.until(lambda: len(service.pids("toolworker")) == 4,
                "the pool has its size again")
    world.until(lambda: all("jobs=0" in service.title(pid)
                            for pid in service.pids("toolworker")),
                "nothing runs")


def test_a_toolworker_is_replaced_after_its_jobs_between_two_queries(world):
    world.answers(*(asking(f"¿Y el cliente {n}?", f"Sé {n}.")
                    for n in range(3)))
    world.start(TOOL_WORKER_JOBS=2)
    first = world.service.the("toolworker")
    call = world.call().hears(GREETING)
    for n in range(3):
        call.asks(f"y {n}", f"Sé {n}.")
    world.service.wait_log("toolworker recycled jobs=2")
    world.service.wait_gone(first)
    assert world.service.the("toolworker") != first
    assert [status for _, status in answered(world)] == ["ok"] * 3


def test_the_service_s_health_is_asked_once_for_all_and_at_each_reload(world):
    world.allow("tool lost its worker", "toolworker lost", "signal 9")
    world.start(TOOL_WORKERS=4)
    service = world.service
    service.wait_log("mikrotik service is up")
    world.until(lambda: len(service.pids("toolworker")) == 4, "four of them")
    for pid in service.pids("toolworker"):
        service.wait_title(pid, r"toolworker jobs=0$")
    assert world.mikrotik.health_requests == 1
    since = service.mark()
    pids = service.pids("toolworker")
    service.signal(signal.SIGHUP)
    service.wait_log("mikrotik service is up", since=since)
    for pid in pids:
        service.wait_gone(pid)
    world.until(lambda: len(service.pids("toolworker")) == 4, "four others")
    # Nor is one that takes the place of another a reason to ask.
    killed = service.pids("toolworker")[0]
    service.signal(signal.SIGKILL, killed)
    service.wait_gone(killed)
    world.until(lambda: len(service.pids("toolworker")) == 4, "four again")
    for pid in service.pids("toolworker"):
        service.wait_title(pid, r"toolworker jobs=0$")
    assert world.mikrotik.health_requests == 2


def test_one_that_was_told_to_go_is_not_missed_by_the_next_supervisor(world):
    """It had not read that yet when the one who told it died."""
    world.expect("supervisor ended by signal 9")
    world.start(TOOL_WORKERS=1)
    world.until(lambda: world.service.pids("toolworker"), "a toolworker")
    [worker], old = world.service.pids("toolworker"), world.supervisor
    world.service.signal(signal.SIGSTOP, worker)
    mark = world.service.mark()
    world.service.signal(signal.SIGHUP)
    world.until(lambda: len(world.service.pids("toolworker")) == 2,
                "another one")
    world.service.wait_log("reading the configuration again", since=mark)
    world.service.signal(signal.SIGKILL, old)
    world.service.signal(signal.SIGCONT, worker)
    world.service.wait_log("ari listing -> up", since=mark)
    world.until(lambda: worker not in world.service.pids("toolworker"),
                "it has gone")
    world.healthy()
