# SPDX-License-Identifier: MIT
# stages.sh – for check.sh and check-long.sh: runs stages, each with its time
# and the figure that it ends with, and says in the end what came of them.

failed=() skipped=() passed=()
stage_folder=$(mktemp -d)
trap 'rm -rf "$stage_folder"' EXIT

# What a log ends with: a line that begins with "figure: ", else the count of
# our unit tests or of pytest's.
figure_of() { # LOG
	local figure
	figure=$(sed -n 's/^figure: //p' "$1" | tail -n 1)
	[[ $figure ]] || figure=$(sed -n -e '/^[0-9]* unit tests in/p' \
		-e 's/^=* *\([0-9]* \(failed, [0-9]* \)\?passed.*[^ =]\) *=*$/\1/p' \
		"$1" | tail -n 1)
	printf '%s' "$figure"
}

judge() { # NAME STATUS SECONDS LOG
	local figure
	figure=$(figure_of "$4")
	case $2 in
	0) passed+=("$1 ($3 s)${figure:+: $figure}") ;;
	69) skipped+=("$1 ($3 s)") ;;
	*) failed+=("$1 (status $2, $3 s)${figure:+: $figure}") ;;
	esac
}

stage() { # NAME COMMAND...
	local name=$1 begin=$SECONDS status out tee
	local log=$stage_folder/log
	shift
	printf '\n== %s\n' "$name"
	exec {out}> >(exec tee "$log")
	tee=$!
	"$@" >&"$out" 2>&1
	status=$?
	exec {out}>&-
	# Not for ever: whoever is left over may hold the other end.
	for _ in {1..50}; do
		kill -0 "$tee" 2>/dev/null || break
		sleep .1
	done
	judge "$name" "$status" $((SECONDS - begin)) "$log"
}

# Ends the script: 0 all passed, 1 something failed, 69 something could not be
# run here.
summary() { # TITLE
	printf '\n== %s at %s, %s: %d s\n' "$1" \
		"$(git describe --always --dirty 2>/dev/null || echo '?')" \
		"$(date '+%F %R')" "$SECONDS"
	printf 'passed   %s\n' "${passed[@]}"
	((${#skipped[@]})) && printf 'NOT RUN  %s\n' "${skipped[@]}"
	((${#failed[@]})) && printf 'FAILED   %s\n' "${failed[@]}"
	printf '\n%d passed, %d failed, %d skipped\n' "${#passed[@]}" \
		"${#failed[@]}" "${#skipped[@]}"
	((${#failed[@]})) && exit 1
	((${#skipped[@]})) && exit 69
	exit 0
}
