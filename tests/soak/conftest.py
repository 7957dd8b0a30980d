# SPDX-License-Identifier: MIT
from tests.e2e.conftest import (pytest_runtest_makereport,  # noqa: F401
                                world)
