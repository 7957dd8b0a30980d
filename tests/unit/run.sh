#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs unit test programs, a few beside each other, since many wait; prints a
# line for each, and all that a failed one said. Exit status 1 if any failed.
set -u
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

run_one() { # PROGRAM LOGS
	local name=${1##*/} status=0
	local log=$2/$name
	"$1" >"$log" 2>&1 || status=$?
	if ((status == 0)); then
		sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" >"$log.count"
		printf '  ok    %-28s %3s tests\n' "$name" "$(cat "$log.count")"
	else
		# In one piece, whoever else ends now.
		printf '  FAIL  %s (status %d)\n%s\n' "$1" "$status" "$(cat "$log")"
		touch "$2/failed"
	fi
}
export -f run_one

printf '%s\0' "$@" |
	xargs -0 -P $((2 * $(nproc))) -I{} bash -c 'run_one "$@"' run_one {} "$logs"
tests=$(cat "$logs"/*.count 2>/dev/null | awk '{ n += $1 } END { print n + 0 }')
printf '%d unit tests in %d programs\n' "$tests" $#
[[ ! -e $logs/failed ]]
