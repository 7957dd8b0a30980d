# SPDX-License-Identifier: MIT
"""Every fault in every phase of a call. `make check` runs QUICK, a cell of
each fault and of each phase; `make check-faults` all."""

import pytest

from tests.faults.faults import FAULTS
from tests.faults.known_open import KNOWN_OPEN
from tests.faults.phases import PHASES
from tests.faults.run import run

# For each fault the phase in which it is most likely to be noticed.
QUICK = {
    "none": "voice", "kill": "voice", "segv": "tool", "abort": "farewell",
    "abort-ask": "tool", "abort-asked": "tool", "stop": "voice",
    "tool-kill": "tool", "sup-kill": "voice", "sup-stop": "speaking",
    "upgrade": "tool", "keeper-kill": "voice", "ari-cut": "setup", "ari-refused": "transfer",
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


@pytest.mark.parametrize("fault, phase", cells())
def test_cell(world, fault, phase, record_property):
    run(world, fault, phase,
        lambda outcome: record_property("table", outcome),
        KNOWN_OPEN.get((fault.name, phase.name)))
