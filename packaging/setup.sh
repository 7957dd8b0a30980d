#!/bin/sh
# SPDX-License-Identifier: MIT
# Once after `make install`, as root; again does no harm: makes the user, and
# the folders and files of /etc/telefonista that are missing. Nothing that is
# there is changed, nothing is started. ROOT=… works below another root.
set -eu

root=${ROOT:-}
etc=$root/etc/telefonista
data=${DATADIR:-/usr/local/share/telefonista}

[ "$(id -u)" -eq 0 ] || {
	echo "setup.sh: be root (sudo $0)" >&2
	exit 1
}
if [ -n "$root" ]; then
	systemd-sysusers --root="$root" telefonista.conf
else
	systemd-sysusers telefonista.conf
fi
group=$(sed -n 's/^telefonista:[^:]*:\([0-9]*\):.*/\1/p' "$root/etc/group")

folder() { # MODE GROUP PATH
	[ -d "$3" ] || install -d -m "$1" -o 0 -g "$2" "$3"
}
folder 750 "$group" "$etc"
folder 700 0 "$etc/credentials"
folder 700 0 "$etc/credentials/tool"

[ -e "$etc/telefonista.env" ] ||
	install -m 640 -o 0 -g "$group" \
		"$root$data/telefonista.env.example" "$etc/telefonista.env"
for secret in ASTERISK_PASSWORD OPENAI_API_KEY; do
	[ -e "$etc/credentials/$secret" ] && continue
	(umask 077 && : >"$etc/credentials/$secret")
	echo "Write the secret into $etc/credentials/$secret"
done
[ -n "$root" ] || systemctl daemon-reload 2>/dev/null || true
cat <<END
Settings: $etc/telefonista.env (ASTERISK_USERNAME, MIKROTIK_API_URL; no secrets)
Then:     $(dirname "$0")/check.sh
          systemctl enable --now telefonista
END
