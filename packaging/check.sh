#!/bin/sh
# SPDX-License-Identifier: MIT
# As root: `telefonista --check` as the service would run, with its user and
# its secrets (/etc/telefonista/credentials), which only systemd reads else.
# Secrets of other places (systemctl edit) are not seen here.
set -eu
umask 077

etc=/etc/telefonista
bin=${TELEFONISTA:-$(dirname "$0")/telefonista}

[ "$(id -u)" -eq 0 ] || {
	echo "check.sh: be root (sudo $0)" >&2
	exit 1
}
# In memory, and gone at the end.
secrets=$(mktemp -d /run/telefonista-check.XXXXXXXX)
trap 'rm -rf "$secrets"' EXIT
trap 'exit 1' HUP INT TERM

keep() { # FILE NAME
	[ ! -f "$1" ] || cp "$1" "$secrets/$2"
}
# What the unit, as it is with `systemctl edit`, gives to the service.
given=$(systemctl cat telefonista.service 2>/dev/null |
	sed -n 's/^LoadCredential=\([A-Z0-9_]*\):.*/ \1 /p' | tr -d '\n')
for file in "$etc/credentials"/*; do
	name=$(basename "$file")
	case $given in
	"" | *" $name "*) keep "$file" "$name" ;;
	*)
		[ ! -f "$file" ] || echo "check.sh: $file is not given to the" \
			"service: systemctl edit telefonista, [Service]," \
			"LoadCredential=$name:$file" >&2
		;;
	esac
done
for file in "$etc/credentials/tool"/*; do
	keep "$file" "TOOL_$(basename "$file")"
done
chown -R telefonista:telefonista "$secrets"
cd /
status=0
env -i PATH=/usr/bin:/bin CREDENTIALS_DIRECTORY="$secrets" \
	STATE_DIRECTORY=/var/lib/telefonista \
	setpriv --reuid telefonista --regid telefonista --init-groups \
	--no-new-privs "$bin" --config "$etc/telefonista.env" --check "$@" ||
	status=$?
exit "$status"
