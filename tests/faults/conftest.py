# SPDX-License-Identifier: MIT
"""Which cells are run, and the table of what came of them. With --all-faults
all are, without it one per fault and per phase."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import pytest_runtest_makereport  # noqa: F401
from tests.faults.faults import FAULTS
from tests.faults.phases import PHASES
from tests.faults.table import render

TABLE = Path(__file__).resolve().parents[2] / "build/faults/table.txt"


def pytest_terminal_summary(terminalreporter):
    outcomes = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "cell":
                    cell = json.loads(value)
                    outcomes[cell["fault"], cell["phase"]] = cell
    if not outcomes:
        return
    excused = {(f.name, p.name): f.excuses[p.name] for f in FAULTS
               for p in PHASES if p.name in f.excuses and
               any(fault == f.name for fault, _ in outcomes)}
    text = render(outcomes, FAULTS, PHASES, excused)
    terminalreporter.write_line("")
    terminalreporter.write_line(text)
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text(text + "\n")


@pytest.fixture
def world(tmp_path, request):
    from tests.faults.cell import FaultWorld
    with FaultWorld(tmp_path) as made:
        request.node.world = made
        yield made
