# SPDX-License-Identifier: MIT
"""Every fault in every phase of a call. `make check` runs QUICK, a cell of
each fault and of each phase; `make check-faults` all."""

import dataclasses
import json

import pytest

from tests.faults.cell import Cell
from tests.faults.faults import FAULTS
from tests.faults.known_open import KNOWN_OPEN
from tests.faults.phases import PHASES

# For each fault the phase in which it is most likely to be noticed.
QUICK = {
    "none": "voice", "kill": "voice", "segv": "tool", "abort": "farewell",
    "abort-ask": "tool", "abort-asked": "tool", "stop": "voice",
    "tool-kill": "tool", "sup-kill": "voice", "sup-stop": "speaking",
    "upgrade": "tool", "ari-cut": "setup", "ari-refused": "transfer",
    "asterisk": "tool", "openai-reset": "listening",
    "openai-1011": "voice", "openai-expire": "greeting",
    "openai-429": "speaking", "openai-500": "tool", "openai-hole": "voice",
    "openai-slow": "listening", "rtp-loss": "speaking",
    "rtp-jitter": "voice", "rtp-reorder": "speaking",
    "rtp-rate": "listening", "disk": "tool", "emfile": "listening",
    "clock-on": "tool", "clock-back": "greeting",
}


def cells():
    for fault in FAULTS:
        for phase in PHASES:
            if phase.name in fault.excuses:
                continue
            marks = [] if QUICK[fault.name] == phase.name else \
                [pytest.mark.all_faults]
            yield pytest.param(fault, phase, marks=marks,
                               id=f"{fault.name}-{phase.name}")


def test_the_quick_ones_are_all_faults_and_all_phases():
    assert set(QUICK) == {fault.name for fault in FAULTS}
    assert set(QUICK.values()) == {phase.name for phase in PHASES}
    for fault in FAULTS:
        assert QUICK[fault.name] not in fault.excuses


def judge(cell):
    """What all cells have in common; generous where a machine may stall."""
    fault, outcome = cell.fault, cell.outcome
    world = cell.world
    assert outcome.greeted <= 1, f"greeted {outcome.greeted} times"
    if not fault.loses_call:
        kept = {"yes"} | fault.may_be.get(cell.phase.name, set())
        assert outcome.kept in kept, f"call not kept: {outcome}"
        assert outcome.gap_ms is None or \
            outcome.gap_ms <= fault.gap_limit_ms, outcome
    if fault.lost_limit is not None:
        assert (outcome.lost or 0) <= fault.lost_limit, outcome
    assert outcome.later_ms is None or \
        outcome.later_ms <= fault.later_limit_ms, outcome
    fault.judge(cell)
    assert world.openai.violations == []
    assert world.ari.violations == []
    assert world.mikrotik.violations == []
    world.judge()


@pytest.mark.parametrize("fault, phase", cells())
def test_cell(world, fault, phase, request, record_property):
    cell = Cell(world, fault, phase)
    reason = KNOWN_OPEN.get((fault.name, phase.name))
    try:
        cell.run()
        judge(cell)
        world.finish()
    except pytest.skip.Exception as why:
        cell.outcome.verdict = f"not run: {why}"
        raise
    except BaseException as error:
        text = f"{type(error).__name__}: {error}".splitlines()[0][:120]
        cell.outcome.verdict = f"OPEN ({reason}): {text}" if reason else \
            f"FAILED {text}"
        if reason and isinstance(error, (AssertionError, TimeoutError)):
            pytest.xfail(f"{reason}: {text}")
        raise
    finally:
        record_property("cell", json.dumps(
            dataclasses.asdict(cell.outcome), ensure_ascii=False))
