# SPDX-License-Identifier: MIT
import pytest

from pytest_asterisk import *  # noqa: F401,F403
from tests.e2e.conftest import pytest_runtest_makereport  # noqa: F401

pytest.register_assert_rewrite("service_world")


def pytest_terminal_summary(terminalreporter, config):
    from pytest_asterisk import pytest_terminal_summary as summary
    from tests.faults.report import show
    show(terminalreporter, "table-asterisk")
    summary(terminalreporter, config)


@pytest.fixture
def world(asterisk_chroot, tmp_path, request):
    """A real Asterisk, OpenAI and MikroTik simulated; the service is started
    by the test. Afterwards nothing may be left, and nobody have complained."""
    from service_world import PbxWorld
    dialplan = getattr(request, "param", "")
    with PbxWorld(tmp_path, dialplan=dialplan) as made:
        request.node.world = made
        yield made
        made.finish()
