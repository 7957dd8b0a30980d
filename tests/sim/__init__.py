# SPDX-License-Identifier: MIT
"""The other side of every wire, for tests and for the demo.

Each simulator runs three ways: `async with` inside asyncio, `with` (its own
thread) from synchronous tests, and as a process with `--ready-file`.  They
are strict: what the real peer refuses they refuse, and everything a client
did wrong is kept in `violations`, which a test is expected to find empty.
"""
