#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the stages of `make check` one after the other, each with its time,
# and ends with what passed and what could not be run. Exit status: 0 all
# passed, 1 something failed, 69 something could not be run here.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=() skipped=() passed=()
jobs=$(nproc)

stage() { # NAME COMMAND...
	local name=$1 begin=$SECONDS status=0
	shift
	printf '\n== %s\n' "$name"
	"$@" || status=$?
	case $status in
	0) passed+=("$name ($((SECONDS - begin)) s)") ;;
	69) skipped+=("$name ($((SECONDS - begin)) s)") ;;
	*) failed+=("$name (status $status, $((SECONDS - begin)) s)") ;;
	esac
}

make_quietly() { make --no-print-directory "$@"; }

# A real Asterisk in a chroot; where it cannot be built its tests say so.
real_asterisk() {
	local status=0
	/usr/bin/python3 -m pytest -q -n $((2 * jobs)) tests/asterisk || status=$?
	return $status
}

sanitized() {
	make_quietly check-asan &&
		TELEFONISTA_BUILD=build/asan /usr/bin/python3 -m pytest -q \
			-n $((3 * jobs)) tests/e2e/test_call.py \
			tests/e2e/test_tools.py
}

export CI=1 PYTHONDONTWRITEBYTECODE=1
stage "lint" make_quietly -s lint
stage "build" make_quietly -j"$jobs" all units
stage "unit tests" make_quietly unit
stage "simulators" /usr/bin/python3 -m pytest -q -n "$jobs" tests/sim tests/demo
# Calls mostly wait: more at once than there are cores.
stage "end to end, simulators" /usr/bin/python3 -m pytest -q -n $((3 * jobs)) tests/e2e
stage "end to end, real Asterisk" real_asterisk
stage "sanitizers" sanitized

printf '\n== make check: %d s\n' "$SECONDS"
printf 'passed   %s\n' "${passed[@]}"
((${#skipped[@]})) && printf 'NOT RUN  %s\n' "${skipped[@]}"
((${#failed[@]})) && printf 'FAILED   %s\n' "${failed[@]}"
printf '\n%d passed, %d failed, %d skipped\n' "${#passed[@]}" \
	"${#failed[@]}" "${#skipped[@]}"
((${#failed[@]})) && exit 1
((${#skipped[@]})) && exit 69
exit 0
