# SPDX-License-Identifier: MIT
"""run.py – one cell as a test: run, judged, recorded for the table."""

import dataclasses
import json

import pytest

from tests.faults.cell import Cell


def judge(cell):
    """What all cells have in common; generous where a machine may stall."""
    fault, outcome, world = cell.fault, cell.outcome, cell.world
    if not fault.loses_call:
        assert outcome.greeted <= 1, f"greeted {outcome.greeted} times"
        kept = {"yes"} | fault.may_be.get(cell.phase.name, set())
        assert outcome.kept in kept, f"call not kept: {outcome}"
        assert outcome.gap_ms is None or \
            outcome.gap_ms <= fault.gap_limit_ms, outcome
    if fault.lost_limit is not None:
        assert (outcome.lost or 0) <= fault.lost_limit, outcome
    assert outcome.later_ms is None or \
        outcome.later_ms <= fault.later_limit_ms, outcome
    fault.judge(cell)
    world.judge()


def run(world, fault, phase, record, reason=None):
    """record(json): what the table shall say. REASON: why it may fail."""
    cell = Cell(world, fault, phase)
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
        record(json.dumps(dataclasses.asdict(cell.outcome),
                          ensure_ascii=False))
