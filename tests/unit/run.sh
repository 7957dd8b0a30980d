#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs unit test programs; prints a line for each, and all that a failed one
# said. Exit status 1 if any failed.
set -u
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0 tests=0
for program in "$@"; do
	if "$program" >"$log" 2>&1; then
		count=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log")
		printf '  ok    %-28s %3s tests\n' "$(basename "$program")" "$count"
		tests=$((tests + ${count:-0}))
	else
		printf '  FAIL  %s (status %d)\n' "$(basename "$program")" $?
		cat "$log"
		status=1
	fi
done
printf '%d unit tests in %d programs\n' "$tests" $#
exit $status
