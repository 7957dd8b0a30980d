# SPDX-License-Identifier: MIT
"""Which cells are run, and the table of what came of them. With --all-faults
all are, without it one per fault and per phase."""

import pytest

from tests.e2e.conftest import pytest_runtest_makereport  # noqa: F401
from tests.faults.cell import FaultWorld
from tests.faults.report import show


def pytest_terminal_summary(terminalreporter, config):
    show(terminalreporter, "table", config.getoption("--all-faults"))


@pytest.fixture
def world(tmp_path, request):
    with FaultWorld(tmp_path) as made:
        request.node.world = made
        yield made
