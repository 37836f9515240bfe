#!/bin/sh
# SPDX-License-Identifier: MIT
# groupd and systemd, as sd_notify(3), sd_watchdog_enabled(3) and
# sd_listen_fds(3) have it: what it says when; that a loop or a commit that
# hangs is not covered up, and one that only takes long is; that the socket is
# systemd's. And the units: they verify, and shut in what they start.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
mkdir "$T/run"
: >"$T/groupd.conf"
$PY "$HERE/systemd.py" "$T/run" "$BUILD/groupd" --data "$T/data" \
	--listen 127.0.0.1:0 -c "$T/groupd.conf" \
	>"$T/results" 2>"$T/groupd.log" </dev/null
is "all was tried" "$?" 0
results "$T/results"
is "what hung is said in the log, once" \
	"$(grep -c 'error: the store does not get on' "$T/groupd.log")" \
	"$([ "$ME" = root ] && echo 1 || echo 0)"

command -v systemd-analyze >/dev/null || {
	diag "no systemd-analyze: the units are not looked at"
	done_testing
}
# As installed, but for the program, which must be there.
mkdir "$T/units"
for unit in groupd.service groupd.socket; do
	sed -e "s#@SBINDIR@#$BUILD#" -e '/^Documentation=/d' \
		"$TOP/systemd/$unit" >"$T/units/$unit"
done
verified=$(systemd-analyze verify "$T/units/groupd.service" \
	"$T/units/groupd.socket" 2>&1)
is "the units verify" "$verified" ""
ok "exposure is below 2.0" systemd-analyze security --offline=true \
	--threshold=19 "$T/units/groupd.service"
diag "$(systemd-analyze security --offline=true "$T/units/groupd.service" |
	grep Overall)"
fails "which a unit without it is not" systemd-analyze security \
	--offline=true --threshold=19 \
	"$(sed '/^ProtectSystem=\|^SystemCallFilter=/d' \
		"$T/units/groupd.service" >"$T/units/open.service" &&
		echo "$T/units/open.service")"
mkdir -p "$T/root/etc"
ok "sysusers.d makes both users" systemd-sysusers --root="$T/root" \
	"$TOP/systemd/sysusers.d/groupd.conf"
is "they are system users" "$(cut -d: -f1,6,7 "$T/root/etc/passwd" | sort)" \
	"groupd-gateway:/:/usr/sbin/nologin
groupd:/var/lib/groupd:/usr/sbin/nologin"
done_testing
