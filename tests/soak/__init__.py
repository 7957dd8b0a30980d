# SPDX-License-Identifier: MIT
"""Thousands of calls while everything is broken, and what is left of them;
`make check-long`. `python3 -m tests.soak --help` for runs of other lengths.
"""
