#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages that are missing, and says so; does nothing
# when none is. Usage: install-deps.sh build|demo|check|run ...
set -eu

BUILD="gcc make pkg-config libevent-dev libwebsockets-dev
	libcurl4-openssl-dev libcjson-dev libssl-dev"
RUN="ca-certificates tzdata"
DEMO="python3 python3-aiohttp python3-cryptography python3-websockets openssl
	espeak-ng procps tzdata"
CHECK="libcmocka-dev clang-format clang-tidy cppcheck
	python3-pytest python3-pytest-xdist python3-jsonschema
	python3-librouteros git sox
	debootstrap sip-tester baresip-core util-linux iproute2"

installed() {
	dpkg-query -W -f '${Status}' "$1" 2>/dev/null |
		grep -q '^install ok installed$'
}

wanted=""
for set in "$@"; do
	case "$set" in
	build) wanted="$wanted $BUILD" ;;
	run) wanted="$wanted $RUN" ;;
	demo) wanted="$wanted $DEMO" ;;
	check) wanted="$wanted $CHECK" ;;
	*)
		echo "install-deps.sh: unknown set of packages \"$set\"" >&2
		exit 2
		;;
	esac
done

missing=""
for package in $wanted; do
	installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
	as_root=""
elif command -v sudo >/dev/null 2>&1; then
	as_root="sudo"
else
	echo "These Debian packages are missing; install them as root:" >&2
	echo "  apt-get install$missing" >&2
	exit 1
fi

apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -qq "$@"
}

echo "Installing Debian packages:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "  1/2 reading the lists of packages"
apt update >"$log" 2>&1 || {
	cat "$log" >&2
	echo "The package lists cannot be read (see above)." >&2
	exit 1
}
echo "  2/2 downloading and installing"
# shellcheck disable=SC2086
apt install -y --no-install-recommends $missing >"$log" 2>&1 || {
	tail -n 30 "$log" >&2
	echo "Installing failed (see above)." >&2
	exit 1
}
echo "  done"
