#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the stages of `make check` one after the other, each with its time,
# and ends with what passed and what could not be run. Exit status: 0 all
# passed, 1 something failed, 69 something could not be run here.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=() skipped=() passed=()
jobs=$(nproc)

judge() { # NAME STATUS SECONDS
	case $2 in
	0) passed+=("$1 ($3 s)") ;;
	69) skipped+=("$1 ($3 s)") ;;
	*) failed+=("$1 (status $2, $3 s)") ;;
	esac
}

stage() { # NAME COMMAND...
	local name=$1 begin=$SECONDS status=0
	shift
	printf '\n== %s\n' "$name"
	"$@" || status=$?
	judge "$name" "$status" $((SECONDS - begin))
}

# The linters compute and the tests of whole calls wait: both at once, the
# linters with what the tests leave of the processors.
begin_lint() {
	lint_log=$(mktemp)
	trap 'rm -f "$lint_log"' EXIT
	nice -n 19 make --no-print-directory -s lint >"$lint_log" 2>&1 &
	lint=$!
}

end_lint() {
	local begin=$SECONDS status=0
	printf '\n== lint\n'
	wait "$lint" || status=$?
	cat "$lint_log"
	judge "lint, beside the others" "$status" $((SECONDS - begin))
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
stage "build" make_quietly -j"$jobs" all units faults
begin_lint
stage "unit tests" make_quietly unit
stage "simulators" /usr/bin/python3 -m pytest -q -n "$jobs" tests/sim tests/demo
# Calls mostly wait: more at once than there are cores.
stage "end to end, simulators" /usr/bin/python3 -m pytest -q -n $((3 * jobs)) tests/e2e
# A cell of each fault and of each phase; make check-faults runs them all.
stage "faults, one each" /usr/bin/python3 -m pytest -q -n $((3 * jobs)) tests/faults
stage "end to end, real Asterisk" real_asterisk
stage "installed, real systemd" \
	/usr/bin/python3 -m pytest -q -n $((2 * jobs)) tests/packaging
stage "sanitizers" sanitized
stage "fuzz targets, briefly" make_quietly fuzz RUNS=10000
end_lint

printf '\n== make check: %d s\n' "$SECONDS"
printf 'passed   %s\n' "${passed[@]}"
((${#skipped[@]})) && printf 'NOT RUN  %s\n' "${skipped[@]}"
((${#failed[@]})) && printf 'FAILED   %s\n' "${failed[@]}"
printf '\n%d passed, %d failed, %d skipped\n' "${#passed[@]}" \
	"${#failed[@]}" "${#skipped[@]}"
((${#failed[@]})) && exit 1
((${#skipped[@]})) && exit 69
exit 0
