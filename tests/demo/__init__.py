# SPDX-License-Identifier: MIT
"""`make demo`: one whole call through the real binaries, heard and measured."""
