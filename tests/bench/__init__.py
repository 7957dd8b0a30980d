# SPDX-License-Identifier: MIT
"""What many calls do to the service when everything around it misbehaves.

`make bench` runs it at its full size (see __main__.py), and
tests/e2e/test_chaos.py a small one.  hostile.py is the services that the tools
ask, tools.py what is asked of them and what has to be answered, run.py the
calls, figures.py merging, caching, bulkheads and fairness, and compare.py says
whether playout has suffered.
"""
