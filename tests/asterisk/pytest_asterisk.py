# SPDX-License-Identifier: MIT
"""Fixtures for tests that need a real Asterisk. Where none can be built they
do not run, and that is said (tests/not_run.py). A conftest.py takes all of it
with

    from pytest_asterisk import *  # noqa: F401,F403
"""

import pytest

from rig import AsteriskRig, AsteriskUnavailable, ensure_chroot
from tests import not_run
from tests.not_run import (pytest_sessionfinish,  # noqa: F401
                           pytest_terminal_summary)


@pytest.fixture(scope="session")
def asterisk_chroot():
    """The chroot's directory, built if need be (a minute, once)."""
    try:
        return ensure_chroot()
    except AsteriskUnavailable as why:
        not_run.skip(f"Asterisk could not be built: {why}")


@pytest.fixture
def asterisk(asterisk_chroot, tmp_path):
    """A running Asterisk for this test alone."""
    with AsteriskRig(tmp_path) as rig:
        yield rig
