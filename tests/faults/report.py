# SPDX-License-Identifier: MIT
"""report.py – the table of the cells that a run of pytest has had, for the
conftest.py of the folders that have cells."""

import json
from pathlib import Path

from tests.faults.faults import FAULTS
from tests.faults.phases import PHASES
from tests.faults.table import render

FOLDER = Path(__file__).resolve().parents[2] / "build/faults"


def show(terminalreporter, title, excuses=False):
    """Print the table of the cells that were recorded under a title, and keep
    it as build/faults/TITLE.txt; EXCUSES: with what could not be run."""
    outcomes = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == title:
                    cell = json.loads(value)
                    outcomes[cell["fault"], cell["phase"]] = cell
    if not outcomes:
        return
    excused = {(f.name, p.name): f.excuses[p.name] for f in FAULTS
               for p in PHASES if excuses and p.name in f.excuses and
               any(fault == f.name for fault, _ in outcomes)}
    text = render(outcomes, FAULTS, PHASES, excused)
    terminalreporter.write_line("")
    terminalreporter.write_line(text)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{title}.txt").write_text(text + "\n")
