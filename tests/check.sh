#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the stages of `make check` one after the other, each with its time,
# and ends with what passed and what could not be run. Exit status: 0 all
# passed, 1 something failed, 69 something could not be run here.
set -uo pipefail
cd "$(dirname "$0")/.."

. tests/stages.sh

jobs=$(nproc)

# What computes runs beside the tests of whole calls, which wait: with what they
# leave of the processors. One after the other, each with its own log.
background_stage() { # NAME FILE COMMAND...
	local name=$1 file=$2 begin=$SECONDS status=0
	shift 2
	nice -n 19 "$@" >"$stage_folder/$file.log" 2>&1 || status=$?
	printf '%s\n%d\n%d\n' "$name" "$status" $((SECONDS - begin)) \
		>"$stage_folder/$file.status"
}

begin_beside() {
	{
		background_stage "sanitized unit tests" asan \
			make --no-print-directory check-asan
		background_stage "fuzz targets, briefly" fuzz \
			make --no-print-directory fuzz RUNS=10000
		background_stage "lint" lint make --no-print-directory -s lint
	} &
	beside_pid=$!
}

end_beside() {
	local file name status seconds
	wait "$beside_pid"
	for file in asan fuzz lint; do
		{
			read -r name
			read -r status
			read -r seconds
		} <"$stage_folder/$file.status"
		printf '\n== %s, beside the others\n' "$name"
		tail -n 60 "$stage_folder/$file.log"
		judge "$name, beside the others" "$status" "$seconds" \
			"$stage_folder/$file.log"
	done
}

make_quietly() { make --no-print-directory "$@"; }

# A real Asterisk in a chroot; where it cannot be built its tests say so.
real_asterisk() {
	local status=0
	/usr/bin/python3 -m pytest -q -n $((2 * jobs)) tests/asterisk || status=$?
	return $status
}

sanitized() {
	TELEFONISTA_BUILD=build/asan /usr/bin/python3 -m pytest -q \
		-n $((3 * jobs)) tests/e2e/test_call.py tests/e2e/test_tools.py
}

export CI=1 PYTHONDONTWRITEBYTECODE=1
stage "build" make_quietly -j"$jobs" all units faults
stage "unit tests" make_quietly unit
begin_beside
stage "simulators" /usr/bin/python3 -m pytest -q -n $((2 * jobs)) tests/sim tests/demo
# Calls mostly wait: more at once than there are cores. With them a cell of each
# fault and of each phase (make check-faults runs them all), and the installed
# service under a real systemd.
stage "end to end: simulators, faults, systemd" /usr/bin/python3 -m pytest -q \
	-n $((4 * jobs)) tests/e2e tests/faults tests/packaging
stage "end to end, real Asterisk" real_asterisk
end_beside
stage "sanitized calls" sanitized

summary "make check"
