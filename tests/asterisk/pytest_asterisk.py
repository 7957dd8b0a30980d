# SPDX-License-Identifier: MIT
"""Fixtures for tests that need a real Asterisk, and honesty without one.

Where no Asterisk can be built such tests do not run; the summary says why and
how many, and pytest's exit status is 69, never 0. A conftest.py takes all of
it with

    from pytest_asterisk import *  # noqa: F401,F403
"""

import pytest

from rig import AsteriskRig, AsteriskUnavailable, ensure_chroot

EX_NOT_ALL_RUN = 69
_WORDS = "Asterisk could not be built: "


@pytest.fixture(scope="session")
def asterisk_chroot():
    """The chroot's directory, built if need be (a minute, once)."""
    try:
        return ensure_chroot()
    except AsteriskUnavailable as why:
        pytest.skip(_WORDS + str(why))


@pytest.fixture
def asterisk(asterisk_chroot, tmp_path):
    """A running Asterisk for this test alone."""
    with AsteriskRig(tmp_path) as rig:
        yield rig


def _not_run(config):
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    return [_WORDS + str(r.longrepr[2]).split(_WORDS, 1)[1]
            for r in skipped
            if isinstance(r.longrepr, tuple) and _WORDS in r.longrepr[2]]


def pytest_terminal_summary(terminalreporter, config):
    reasons = _not_run(config)
    # Several conftest.py may have imported this hook.
    if reasons and not getattr(config, "asterisk_words_said", False):
        config.asterisk_words_said = True
        terminalreporter.write_line("")
        terminalreporter.write_line("%s; %d tests NOT run" % (
            reasons[0], len(reasons)), red=True, bold=True)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session, exitstatus):
    if exitstatus == 0 and _not_run(session.config):
        session.exitstatus = EX_NOT_ALL_RUN
