#!/bin/bash
# SPDX-License-Identifier: MIT
# check-long.sh – what `make check-long` runs: the soak on simulators and on a
# real Asterisk, a slow query heard by somebody, a watchdog's time under systemd,
# valgrind, the sanitized build.
# Arguments go to the soak on simulators. Exit status as of check.sh.
set -uo pipefail
cd "$(dirname "$0")/.."
. tests/stages.sh

export CI=1 PYTHONDONTWRITEBYTECODE=1
pytest=(/usr/bin/python3 -m pytest -q -s)
# What kills, replaces and upgrades processes, and what a call goes through.
sanitized=(tests/e2e/test_{call,tools,transfer,rescue,session,upgrade}.py)

stage "build" make --no-print-directory -j"$(nproc)" all
stage "soak, simulators" /usr/bin/python3 -m tests.soak "$@"
stage "soak, real Asterisk" "${pytest[@]}" --long tests/asterisk/test_soak.py
stage "a minute's query, real Asterisk" \
	"${pytest[@]}" --long tests/asterisk/test_layers.py
stage "a keeper that hangs, systemd" \
	"${pytest[@]}" --long tests/packaging -k hangs
stage "a whole call in valgrind" "${pytest[@]}" --long tests/soak
stage "sanitized build and unit tests" make --no-print-directory check-asan
stage "sanitized calls" env TELEFONISTA_BUILD=build/asan "${pytest[@]}" \
	-n $((2 * $(nproc))) "${sanitized[@]}"
summary "make check-long"
