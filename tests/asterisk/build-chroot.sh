#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build-chroot.sh – builds the directory tree from which the tests run a real
# Asterisk, because Debian 12 and 13 have no Asterisk package. Debian unstable
# has one: a minimal unstable system is unpacked beside the host and nothing
# of it is installed on the host.
#
#	usage: build-chroot.sh [--force] [DIR]
#
# DIR is $TELEFONISTA_ASTERISK_DIR, else .cache/asterisk of this repository.
# A finished DIR is left alone (unless --force), so calling this again is
# cheap. The tree is built under another name and renamed when complete: what
# is in DIR always works. Two builds at once wait for each other.
#
# The mirror is the one that the host's apt uses; a proxy set for apt is used.
#
# Exit status: 0 DIR is ready
#              2 wrong usage
#             69 the packages cannot be had (no network, no such package)
#             77 not possible as this user or on this machine (not root,
#                debootstrap missing, mknod or chroot forbidden)
# The last line on stderr says why, in plain words.

set -eu

readonly EX_USAGE=2 EX_UNREACHABLE=69 EX_IMPOSSIBLE=77
readonly SUITE=sid
readonly STAMP=.telefonista-ready # in DIR: the line "asterisk -V" printed

say() {
	printf 'asterisk chroot: %s\n' "$*" >&2
}

fail() { # STATUS WORDS...
	status=$1
	shift
	say "$*"
	exit "$status"
}

# The last lines of a log, indented, for the operator who has to help himself.
show_end_of() {
	tail -n 15 "$1" | sed 's/^/    | /' >&2
}

# Prints the first archive of the host's apt that is Debian itself (not
# security, not a vendor's).
host_mirror() {
	apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' \
		'Created-By: Packages' 2>/dev/null |
		awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }'
}

# wget (in debootstrap) and apt (in the chroot) both honour http_proxy.
use_apt_proxy() {
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	if [ -n "${proxy:-}" ] && [ "$proxy" != DIRECT ]; then
		export http_proxy="$proxy"
	fi
}

is_ready() { # DIR
	[ -s "$1/$STAMP" ] && [ -x "$1/usr/sbin/asterisk" ]
}

discard_partial() {
	# A build that was cut short may leave /proc mounted in the tree; removing
	# through a mount would be a disaster, so no --force and one filesystem.
	for mount_point in proc sys dev/pts dev/shm; do
		umount "$partial/$mount_point" 2>/dev/null || true
	done
	rm -rf --one-file-system "$partial"
}

unpack_base() { # MIRROR
	say "unpacking a minimal Debian $SUITE (about 30 s)"
	if ! debootstrap --variant=minbase "$SUITE" "$partial" "$1" \
		>"$log" 2>&1; then
		show_end_of "$log"
		if grep -q -e 'Cannot install into target' -e 'mknod' "$log"; then
			fail $EX_IMPOSSIBLE "this machine does not allow" \
				"device files in $(dirname "$dir")"
		fi
		fail $EX_UNREACHABLE "debootstrap could not fetch Debian" \
			"$SUITE from the host's mirror"
	fi
}

in_chroot() {
	DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$partial" "$@"
}

# An index may have expired (a frozen mirror): its signature still holds, so
# carry on with it, but say so.
refresh_index() {
	valid=
	if in_chroot apt-get update >"$log" 2>&1 &&
		! grep -q 'no longer valid' "$log"; then
		return 0
	fi
	if grep -q -e 'expired' -e 'no longer valid' "$log"; then
		say "the mirror's index has expired; using it all the same"
		valid='-o Acquire::Check-Valid-Until=false'
		# shellcheck disable=SC2086 # two words or none
		in_chroot apt-get $valid update >"$log" 2>&1 && return 0
	fi
	show_end_of "$log"
	fail $EX_UNREACHABLE "apt in the chroot cannot reach the mirror"
}

install_asterisk() {
	say "installing Asterisk in it (about 30 s)"
	# The package would start a service; there is no init in here.
	printf '#!/bin/sh\nexit 101\n' >"$partial/usr/sbin/policy-rc.d"
	chmod 755 "$partial/usr/sbin/policy-rc.d"
	cp /etc/resolv.conf /etc/hosts "$partial/etc/" 2>/dev/null || true
	refresh_index
	if ! in_chroot apt-get $valid -y -o Dpkg::Options::=--force-unsafe-io \
		install --no-install-recommends asterisk >"$log" 2>&1; then
		show_end_of "$log"
		fail $EX_UNREACHABLE "Debian $SUITE has no installable" \
			"asterisk package at the moment"
	fi
	in_chroot apt-get clean
	rm -rf "$partial"/var/lib/apt/lists/*
	# Instances of the tests live here, see rig.py.
	mkdir -p "$partial/srv/rig"
}

force=
if [ "${1:-}" = --force ]; then
	force=yes
	shift
fi
case $#:${1:-} in
0:* | 1:[!-]*) ;;
*) fail $EX_USAGE "usage: build-chroot.sh [--force] [DIR]" ;;
esac

repo=$(cd "$(dirname "$0")/../.." && pwd)
dir=${1:-${TELEFONISTA_ASTERISK_DIR:-$repo/.cache/asterisk}}

if [ -z "$force" ] && is_ready "$dir"; then
	say "ready: $(cat "$dir/$STAMP") in $dir"
	exit 0
fi

[ "$(id -u)" -eq 0 ] || fail $EX_IMPOSSIBLE \
	"must be built as root (debootstrap and chroot need it): try sudo $0"
for tool in debootstrap chroot apt-get flock; do
	command -v $tool >/dev/null || fail $EX_IMPOSSIBLE \
		"$tool is missing: apt-get install debootstrap util-linux"
done

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
partial=$dir.partial
log=$dir.log
exec 9>"$dir.lock"
flock -n 9 || { say "another build is under way, waiting" && flock 9; }
if [ -z "$force" ] && is_ready "$dir"; then
	say "ready: $(cat "$dir/$STAMP") in $dir"
	exit 0
fi

mirror=$(host_mirror)
[ -n "$mirror" ] || fail $EX_UNREACHABLE \
	"the host's apt knows no Debian archive (try apt-get update)"
use_apt_proxy

trap 'discard_partial' EXIT
trap 'exit 130' INT TERM
discard_partial
unpack_base "$mirror"
install_asterisk
version=$(in_chroot asterisk -V) || fail $EX_IMPOSSIBLE \
	"the installed Asterisk does not run on this machine"
echo "$version" >"$partial/$STAMP"

rm -rf --one-file-system "$dir"
mv "$partial" "$dir"
trap - EXIT
rm -f "$log"
say "ready: $version in $dir"
