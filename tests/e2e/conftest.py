# SPDX-License-Identifier: MIT
"""Fixtures of the end-to-end tests, and the log of the service in the report
of a test that failed."""

import pytest

from tests.e2e.world import World


@pytest.fixture
def world(tmp_path, request):
    """Asterisk, OpenAI and MikroTik, simulated; the service is started by
    the test. Afterwards everything must be gone and nobody have complained."""
    with World(tmp_path) as made:
        request.node.world = made
        yield made
        made.finish()


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory):
    """One world for the tests of a module that leave it as they found it."""
    with World(tmp_path_factory.mktemp("world")) as made:
        yield made
        made.finish()


@pytest.fixture
def quiet_world(shared_world, request):
    """The shared world, which has to be quiet again after the test."""
    request.node.world = shared_world
    shared_world.begin()
    yield shared_world
    shared_world.settle()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    made = getattr(item, "world", None)
    if report.failed and made is not None:
        report.sections += made.report()
