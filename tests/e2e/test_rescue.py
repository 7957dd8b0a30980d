# SPDX-License-Identifier: MIT
"""Callworkers that die or hang while somebody hears them: another one goes on
in the middle of the word, and nothing is done or said twice.

That SSRC, sequence numbers and timestamps go on is the simulated Asterisk's
to judge, packet by packet: a jump is a violation."""

import contextlib
import signal
import time

import pytest

from tests.demo import processes
from tests.e2e import test_access as access
from tests.e2e import test_transfer as transfer
from tests.e2e.debugger import Debugger
from tests.e2e.service import SANITIZED
from tests.e2e.test_tools import outputs
from tests.e2e.world import GREETING, LONG, PERSONA, SHUTDOWN_GOODBYE, TOOL

# What was measured is printed (pytest -s). What is asserted has room for the
# whims of a machine that stalls.
WHIM_MS = 1000
HANG_MS = 2600

QUESTION = {"question": "¿Cuántos clientes hay?"}
COUNTING = {"transcript": "cuántos", "preamble": "Ya miro.",
            "calls": [{"name": TOOL, "arguments": QUESTION}],
            "then": {"reply": "Son doce."}}


def expect_rescue(world):
    world.expect("worker lost", "alarm=rescue")
    world.allow("callworker killed by signal", "callworker hangs")


def report(what, **ms):
    print(f"\n{what}: " + ", ".join(f"{k}_ms={v:.1f}" for k, v in ms.items()))


def gap_ms(call):
    """The longest time between two packets that the caller got, who is sent
    one every 20 ms from the answer on."""
    gaps = call.phone.recording.gaps(longer_than_ms=0)
    return max((ms for _, ms in gaps), default=0)


def speaking(world, *answers, **settings):
    """A call in the middle of the long answer."""
    world.answers({"transcript": "algo largo", "reply": LONG}, *answers)
    world.start(**settings)
    call = world.call().hears(GREETING)
    call.says("algo largo", wait=False)
    call.begins_to_hear(LONG, ms=300)
    return call


@pytest.mark.parametrize("number", [
    signal.SIGKILL, signal.SIGABRT, pytest.param(
        signal.SIGSEGV, marks=pytest.mark.skipif(
            SANITIZED, reason="the sanitizer reports it"))])
def test_a_worker_that_dies_while_it_speaks_is_not_missed(world, number):
    expect_rescue(world)
    call = speaking(world, "Después.")
    _, pid, after_ms = call.rescued(number)
    call.hears(LONG)
    report(number.name, gap=gap_ms(call), handed_over=after_ms)
    assert gap_ms(call) < WHIM_MS
    assert call.worker == pid
    call.asks("y después", "Después.")
    assert call.heard_texts(GREETING, LONG, "Después.")
    call.hangup().gone(why="caller gone")


def test_one_that_hangs_is_replaced_in_time(world):
    expect_rescue(world)
    call = speaking(world)
    call.rescued(signal.SIGSTOP)
    call.hears(LONG)
    report("SIGSTOP", gap=gap_ms(call))
    assert gap_ms(call) < HANG_MS + WHIM_MS
    assert call.heard_texts(GREETING, LONG)


def test_one_that_a_debugger_holds_is_left_alone(world):
    world.answers("Aquí sigo.")
    world.start()
    call = world.call().hears(GREETING)
    worker = call.worker
    with Debugger(worker):
        # The packets stop, and nothing happens for longer than a hang lasts.
        last_ns = call.phone.recording.packets[-1].t_ns
        world.until(lambda: time.monotonic_ns() - last_ns > 4e9,
                    "held for four seconds")
    call.asks("sigue ahí", "Aquí sigo.")
    assert call.worker == worker
    assert not world.service.find("alarm=rescue")


def test_a_call_that_kills_its_workers_goes_to_people(world):
    expect_rescue(world)
    world.expect("goes to the fallback")
    call = speaking(world)
    call.lost()
    world.healthy()


def test_without_a_spare_the_next_one_is_waited_for(world):
    expect_rescue(world)
    call = speaking(world, "Después.", WARM_WORKERS=0)
    _, _, after_ms = call.rescued()
    call.hears(LONG)
    report("no spare", gap=gap_ms(call), handed_over=after_ms)
    assert gap_ms(call) < 5000
    call.asks("y después", "Después.")
    assert call.heard_texts(GREETING, LONG, "Después.")


def test_many_that_die_at_once_are_all_replaced(world):
    """More than there are spares."""
    expect_rescue(world)
    world.answers({"transcript": "algo largo", "reply": LONG}, "Después.")
    world.start(WARM_WORKERS=2, MAX_CALLS=6, VAD_SILENCE_MS=1000)
    calls = [world.call().hears(GREETING) for _ in range(6)]
    for call in calls:
        call.says("algo largo", wait=False)
    for call in calls:
        call.begins_to_hear(LONG)
    for pid in [call.worker for call in calls]:
        world.service.signal(signal.SIGKILL, pid)
    for call in calls:
        call.hears(LONG)
        assert call.heard_texts(GREETING, LONG)
    report("six at once, two spares",
           **{f"gap_{n}": gap_ms(call) for n, call in enumerate(calls)})


def test_without_any_voice_it_is_the_fallback(world):
    world.expect("worker lost how=", "goes to the fallback")
    world.allow("callworker killed", "spare has no voice session", "alarm=",
                "callworker exited with status 4", "no voice session")
    call = speaking(world, WARM_WORKERS=0)
    world.openai.faults.always("handshake", "black_hole")
    world.service.signal(signal.SIGKILL, call.worker)
    call.to_fallback(why="no other worker in time")


def test_a_successor_whose_session_is_dead_is_replaced_too(world):
    """It is the service's fault, not the call's: nobody is sent away."""
    expect_rescue(world)
    world.expect("its successor had no voice")
    world.allow("voice", "worker lost", "callworker ended")
    call = speaking(world, "Después.")
    spare = next(s for s in world.openai.live if s is not call.session)
    world.openai.inject("half_open", spare)
    call.rescued()
    call.hears(LONG)
    call.wait_log("resumes=2")
    call.asks("y después", "Después.")
    assert call.heard_texts(GREETING, LONG, "Después.")
    call.hangup().gone(why="caller gone")


def test_a_persona_that_is_gone_goes_on(world):
    """The call keeps what it was told at its beginning, and its model."""
    expect_rescue(world)
    world.answers({"transcript": "algo largo", "reply": LONG}, "Después.")
    world.make()
    other = world.folder / "personas/otra.md"
    other.write_text(PERSONA.replace(
        "voice: marin", "voice: cedar\nmodel: gpt-realtime-2\nnumbers: 777")
        .replace("atiende pruebas", "es otra persona"))
    world.service.start()
    world.ready()
    call = world.call(exten="777").hears(GREETING)
    call.says("algo largo", wait=False)
    call.begins_to_hear(LONG, ms=300)
    told = call.session.instructions
    assert "es otra persona" in told
    world.until(lambda: call.session.responses[-1].status == "completed",
                "all of it is said")
    other.unlink()
    mark = world.service.mark()
    world.service.signal(signal.SIGHUP)
    world.service.wait_log("reading the configuration again", since=mark)
    call.rescued()
    call.hears(LONG)
    call.asks("y después", "Después.")
    assert call.session.config["model"] == "gpt-realtime-2"
    assert call.session.instructions == told
    assert call.heard_texts(GREETING, LONG, "Después.")
    call.hangup().gone()
    assert world.service.find(f"call={call.id} ended .*persona=otra")


def test_a_query_runs_once_and_its_answer_reaches_the_successor(world):
    expect_rescue(world)
    world.answers(COUNTING)
    world.mikrotik.answer("clientes", "Hay 12.", delay=2)
    world.start()
    call = world.call().hears(GREETING)
    call.says("cuántos")
    world.until(lambda: world.mikrotik.in_flight, "the query is under way")
    call.rescued()
    call.hears("Son doce.")
    assert "Hay 12." in str(outputs(call))
    assert len(world.mikrotik.questions) == 1


def test_an_answer_that_comes_in_between_is_kept(world):
    expect_rescue(world)
    world.answers(COUNTING)
    world.mikrotik.answer("clientes", "Hay 12.", delay=1)
    world.start(WARM_WORKERS=0)
    call = world.call().hears(GREETING)
    call.says("cuántos")
    world.until(lambda: world.mikrotik.in_flight, "the query is under way")
    world.openai.faults.next("handshake", "slow", seconds=2)
    call.rescued()
    mark = world.service.text()
    assert mark.index(f"tool answered name={TOOL}") < mark.index("rescue from")
    call.hears("Son doce.")
    assert "Hay 12." in str(outputs(call))
    assert len(world.mikrotik.questions) == 1


def rebooting(world, status):
    """A call in the middle of what its caller has confirmed; the voice says
    in the end what became of it."""
    reboot = {**access.CONFIRM_TOOL, "executor": {
        **access.REBOOT_TOOL["executor"],
        "body": {"question": "Reinicie la antena.", "timeout": 15}}}
    which = {"equipo": "r1"}
    world.answers(
        {"transcript": "reinicie",
         "calls": [{"name": "reiniciar", "arguments": which}],
         "then": {"reply": "¿La reinicio?"}},
        {"transcript": "sí", "calls": [
            {"name": "reiniciar",
             "arguments": {**which, "confirmation": "{confirmation}"}}],
         "then": {"reply": status}})
    world.mikrotik.answer("antena", "Reiniciada.", delay=1.5)
    access.start(world, reboot)
    call = world.call().hears(GREETING)
    call.asks("reinicie", "¿La reinicio?")
    call.says("sí")
    world.until(lambda: world.mikrotik.in_flight, "it is being done")
    return call


def test_what_cannot_be_undone_is_done_once(world):
    """Confirmed by the caller, and on its way when the worker dies."""
    expect_rescue(world)
    call = rebooting(world, access.DONE)
    call.rescued()
    call.hears(access.DONE)
    assert "Reiniciada." in str(outputs(call))
    assert len(world.mikrotik.requests) == 1


def test_nor_is_it_done_again_when_nobody_knows_what_became_of_it(world):
    """The supervisor dies with whoever does it: the caller hears so."""
    world.expect("supervisor ended by signal", "status=lost")
    world.allow("exited with status 0", "toolworker", "signal 9")
    call = rebooting(world, "No se sabe.")
    for pid in (world.supervisor, *world.service.pids("toolworker")):
        world.service.signal(signal.SIGKILL, pid)
    call.hears("No se sabe.")
    assert len(world.mikrotik.requests) == 1


@pytest.fixture
def person(world):
    return world.ari.person(transfer.ENDPOINT)


def test_who_rings_goes_on_ringing_and_gets_the_caller(world, person):
    expect_rescue(world)
    world.answers({"transcript": "una persona", **transfer.TRANSFER})
    transfer.start(world)
    call = transfer.asking(world)
    person.wait_for("ringing")
    call.rescued()
    transfer.picks_up(world, call, person)
    person.hangup()
    call.ended(why="the person hung up")


def test_who_declines_is_reported_to_the_successor(world, person):
    expect_rescue(world)
    world.answers({"transcript": "una persona", **transfer.TRANSFER})
    transfer.start(world)
    call = transfer.asking(world)
    person.wait_for("ringing")
    call.rescued()
    person.decline()
    transfer.told(world, call, "refused")


def test_a_pin_is_dialled_in_spite_of_it_and_stays_secret(world):
    expect_rescue(world)
    world.answers({"transcript": "clave",
                   **access.asking("identificar_personal")})
    access.start(world)
    call = world.call().hears(GREETING)
    call.says("clave")
    call.wait_log("secret digits are awaited")
    call.wait_log("uplink is silent")
    call.phone.dtmf("48", duration_ms=1)
    mark = world.service.mark()
    call.rescued()
    world.service.wait_log(
        f"call={call.id} .*uplink is silent", since=mark)
    call.phone.dtmf("2915#")
    call.hears(access.DONE)
    assert access.said("identificar_personal", "granted") in str(
        outputs(call))
    assert "482915" not in world.service.text()


def test_a_goodbye_is_said_to_its_end_by_the_successor(world):
    expect_rescue(world)
    world.start()
    call = world.call().hears(GREETING)
    world.service.signal(signal.SIGTERM, call.worker)
    call.begins_to_hear(SHUTDOWN_GOODBYE, ms=60)
    call.rescued()
    call.hears(SHUTDOWN_GOODBYE).ended()
    assert call.heard_texts(GREETING, SHUTDOWN_GOODBYE)


def test_worker_and_supervisor_die_together(world):
    expect_rescue(world)
    world.expect("supervisor ended by signal")
    world.allow("exited with status 0", "callworker ended")
    call = speaking(world, "Después.")
    old, supervisor = call.worker, world.supervisor
    call.forget_session()
    mark = world.service.mark()
    world.service.signal(signal.SIGKILL, supervisor)
    world.service.signal(signal.SIGKILL, old)
    world.service.wait_log(f"call={call.id} rescue from=", since=mark)
    call.hears(LONG)
    report("both", gap=gap_ms(call))
    call.asks("y después", "Después.")
    assert call.heard_texts(GREETING, LONG, "Después.")
    call.hangup().gone()


def test_a_rescue_is_finished_by_the_next_supervisor(world):
    expect_rescue(world)
    world.expect("supervisor ended by signal", "found again, worker lost")
    world.allow("exited with status 0", "callworker ended")
    call = speaking(world, "Después.", WARM_WORKERS=0)
    old, supervisor = call.worker, world.supervisor
    call.forget_session()
    mark = world.service.mark()
    world.openai.faults.next("handshake", "slow", seconds=2)
    world.service.signal(signal.SIGKILL, old)
    world.service.wait_log("TALKING -> RESCUE", since=mark)
    world.service.signal(signal.SIGKILL, supervisor)
    call.hears(LONG)
    report("in the middle of a rescue", gap=gap_ms(call))
    call.asks("y después", "Después.")
    assert call.heard_texts(GREETING, LONG, "Después.")
    call.hangup().gone()


def test_a_worker_that_a_new_supervisor_found_is_replaced_too(world):
    expect_rescue(world)
    world.expect("supervisor ended by signal")
    world.allow("exited with status 0")
    call = speaking(world, "Después.")
    world.service.signal(signal.SIGKILL, world.supervisor)
    call.wait_log("NEW -> TALKING")
    world.ready()
    call.rescued()
    call.hears(LONG)
    report("after a new supervisor", gap=gap_ms(call))
    call.asks("y después", "Después.")
    assert call.heard_texts(GREETING, LONG, "Después.")


def test_nothing_is_left_of_those_who_died(world):
    """Descriptors of a call are its own, and go with it."""
    expect_rescue(world)
    world.start()
    world.healthy()

    def open_now():
        return {role: sum(n for kind, n in processes.descriptors(
            world.service.the(role)).items() if kind != "tcp")
            for role in ("keeper", "supervisor")}

    world.until(lambda: len(world.service.pids("callworker")) == 1,
                "only the spare")
    before = open_now()
    for _ in range(2):
        call = world.call().hears(GREETING)
        call.rescued()
        call.hangup().gone()
    world.until(lambda: len(world.service.pids("callworker")) == 1,
                "only the spare")
    with contextlib.suppress(TimeoutError):
        world.until(lambda: open_now() == before, "as before")
    assert open_now() == before
