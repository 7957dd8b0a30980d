# SPDX-License-Identifier: MIT
"""known_open.py – cells that do not hold yet, {(fault, phase): why}. The table
names them, they do not fail a run; whoever closes one takes it out. It should
be empty."""

KNOWN_OPEN = {}
