#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages that are missing, and says so; does nothing
# when none is. Usage: install-deps.sh build|demo|check|run ...
set -eu

BUILD="gcc make pkg-config libevent-dev libwebsockets-dev
	libcurl4-openssl-dev libcjson-dev libssl-dev libseccomp-dev
	unixodbc-dev sqlite3"
RUN="ca-certificates tzdata libodbc2 libsqliteodbc odbc-mariadb odbc-postgresql"
DEMO="python3 python3-aiohttp python3-cryptography python3-websockets openssl
	espeak-ng procps tzdata"
CHECK="libcmocka-dev clang clang-format clang-tidy cppcheck
	libclang-rt-14-dev
	python3-pytest python3-pytest-xdist python3-jsonschema
	python3-librouteros git sox
	debootstrap sip-tester baresip-core util-linux iproute2 systemd
	mariadb-server-core python3-pymysql python3-psycopg2
	valgrind libc6-dbg"

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

# The tests want a PostgreSQL server of their own. Its package would make a
# database and a service on this machine: it is only downloaded here, and
# unpacked by the tests, where the machine has none.
cache=$(dirname "$0")/../.cache/postgresql
fetch=""
case " $* " in
*" check "*)
	set -- /usr/lib/postgresql/*/bin/postgres "$cache"/*.deb
	if [ ! -e "$1" ] && [ ! -e "$2" ]; then fetch=yes; fi
	;;
esac
[ -n "$missing$fetch" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
	as_root=""
elif command -v sudo >/dev/null 2>&1; then
	as_root="sudo"
else
	echo "These Debian packages are missing; install them as root:" >&2
	echo "  apt-get install$missing${fetch:+ postgresql}" >&2
	exit 1
fi

apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -qq "$@"
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

install_packages() {
	# shellcheck disable=SC2086
	apt install -y --no-install-recommends $1 >"$log" 2>&1 || {
		tail -n 30 "$log" >&2
		echo "Installing failed (see above)." >&2
		exit 1
	}
}

depends() { # PACKAGE PATTERN
	apt-cache depends "$1" | sed -n "s/^ *Depends: \($2\)\$/\1/p"
}

echo "Installing Debian packages:$missing${fetch:+ (postgresql, unpacked only)}"
echo "  1/2 reading the lists of packages"
apt update >"$log" 2>&1 || {
	cat "$log" >&2
	echo "The package lists cannot be read (see above)." >&2
	exit 1
}
echo "  2/2 downloading and installing"
if [ -n "$fetch" ]; then
	server=$(depends postgresql 'postgresql-[0-9]*')
	missing="$missing $(depends "$server" 'lib.*' | grep -v llvm)"
	mkdir -p "$cache"
	(cd "$cache" && apt-get -qq download "$server") >"$log" 2>&1 || {
		cat "$log" >&2
		echo "PostgreSQL cannot be downloaded (see above)." >&2
		exit 1
	}
fi
[ -z "$missing" ] || install_packages "$missing"
echo "  done"
