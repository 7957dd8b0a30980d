# SPDX-License-Identifier: MIT
from pytest_asterisk import *  # noqa: F401,F403
