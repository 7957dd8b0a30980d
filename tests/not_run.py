# SPDX-License-Identifier: MIT
"""not_run.py – honesty about what a machine does not let us run: the summary
says why and how many tests, and pytest's exit status is 69, never 0. A
conftest.py takes it with

    from tests.not_run import (pytest_sessionfinish,  # noqa: F401
                               pytest_terminal_summary)
"""

import collections

import pytest

EX_NOT_ALL_RUN = 69
_MARK = "NOT RUN: "


def skip(why):
    pytest.skip(_MARK + why)


def _reasons(config):
    """Counter of why."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    texts = [r.longrepr[2] for r in skipped if isinstance(r.longrepr, tuple)]
    return collections.Counter(text.split(_MARK, 1)[1]
                               for text in texts if _MARK in text)


def pytest_terminal_summary(terminalreporter, config):
    # Several conftest.py may have imported this hook.
    if getattr(config, "not_run_is_said", False):
        return
    config.not_run_is_said = True
    for why, count in _reasons(config).items():
        terminalreporter.write_line("")
        terminalreporter.write_line(f"{why}; {count} tests NOT run",
                                    red=True, bold=True)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session, exitstatus):
    if exitstatus == 0 and _reasons(session.config):
        session.exitstatus = EX_NOT_ALL_RUN
