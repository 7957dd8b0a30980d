# SPDX-License-Identifier: MIT
"""Makes `tests` importable from wherever pytest was started."""

import sys
from pathlib import Path

import pytest

REPO = str(Path(__file__).resolve().parents[1])
if REPO not in sys.path:
    sys.path.insert(0, REPO)

pytest.register_assert_rewrite("tests.e2e.service", "tests.e2e.world")


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true",
                     help="run the tests marked long, and no others")
    parser.addoption("--all-faults", action="store_true",
                     help="run every cell of tests/faults")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "slow: takes more than about ten seconds")
    config.addinivalue_line(
        "markers", "long: takes a minute and more; make check-long")
    config.addinivalue_line(
        "markers", "all_faults: make check-faults; others stand for it")


def pytest_collection_modifyitems(config, items):
    """Tests marked long or all_faults are not part of make check."""
    wanted = config.getoption("--long")
    other = [item for item in items
             if (item.get_closest_marker("long") is not None) != wanted
             or item.get_closest_marker("all_faults") is not None
             and not config.getoption("--all-faults")]
    config.hook.pytest_deselected(items=other)
    items[:] = [item for item in items if item not in other]


def _printable(text):
    """What a hostile peer sent may be no text at all: the report of a test
    that failed has to reach us from its worker all the same."""
    return text.encode("utf-8", "backslashreplace").decode()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    report.sections = [(_printable(name), _printable(content))
                       for name, content in report.sections]
    if report.failed and report.longrepr is not None:
        try:
            str(report.longrepr).encode()
        except UnicodeEncodeError:
            report.longrepr = _printable(str(report.longrepr))
