# SPDX-License-Identifier: MIT
"""The main rows of tests/faults on a real Asterisk: the same faults, phases
and measures, with a SIP telephone."""

import pytest

from service_world import ABRUPT, PbxWorld
from tests.faults.cell import Distant
from tests.faults.faults import FAULTS, AsteriskRestart
from tests.faults.known_open import KNOWN_OPEN
from tests.faults.phases import PHASES
from tests.faults.run import run

BY_NAME = {fault.name: fault for fault in FAULTS}
PHASE = {phase.name: phase for phase in PHASES}


class RealWorld(Distant, PbxWorld):
    """A real Asterisk; its own words about lost connections are wanted."""

    def make(self, **how):
        self.ari.allowed += ABRUPT, "websocket is not ready"
        return super().make(**how)


class RealRestart(AsteriskRestart):
    """It says goodbye to its callers itself."""

    def strike(self, cell):
        cell.world.rig.restart()


CELLS = [
    (BY_NAME["kill"], "voice"), (BY_NAME["kill"], "tool"),
    (BY_NAME["stop"], "listening"), (BY_NAME["sup-kill"], "voice"),
    (BY_NAME["sup-stop"], "speaking"), (BY_NAME["upgrade"], "voice"),
    (BY_NAME["openai-reset"], "listening"),
    (BY_NAME["openai-hole"], "voice"), (RealRestart(), "tool"),
]


@pytest.fixture
def world(asterisk_chroot, tmp_path, request):
    with RealWorld(tmp_path) as made:
        request.node.world = made
        yield made


@pytest.mark.parametrize("fault, phase", CELLS, ids=lambda x: getattr(
    x, "name", x))
def test_a_fault(world, fault, phase, record_property):
    run(world, fault, PHASE[phase],
        lambda outcome: record_property("table-asterisk", outcome),
        KNOWN_OPEN.get((fault.name, phase)))
