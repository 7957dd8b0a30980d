# SPDX-License-Identifier: MIT
"""Makes `tests` importable from wherever pytest was started."""

import sys
from pathlib import Path

import pytest

REPO = str(Path(__file__).resolve().parents[1])
if REPO not in sys.path:
    sys.path.insert(0, REPO)

pytest.register_assert_rewrite("tests.e2e.service", "tests.e2e.world")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "slow: takes more than about ten seconds")
