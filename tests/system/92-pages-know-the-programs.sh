#!/bin/sh
# SPDX-License-Identifier: MIT
# Each option, key, command, error and route that a program knows is in its
# manual page, and nothing else is; pages name pages that there are.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
[ "$LOAD" != small ] || skip_all "the pages are the same with sanitizers"
$PY "$HERE/manuals.py" "$TOP" "$BUILD" >"$T/pages" 2>"$T/pages.err"
results "$T/pages"
is "the comparison came to its end" "$(cat "$T/pages.err")" ""

# All of examples/groupd.conf without its comment signs is a configuration, but
# that a bus is for a store of several nodes.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
	-subj /CN=chat.example.org -out "$T/cert" -keyout "$T/key" 2>/dev/null
sed -e 's/^#\([a-z_]* = \)/\1/' -e "s|^\(tls_cert = \).*|\1$T/cert|" \
	-e "s|^\(tls_key = \).*|\1$T/key|" \
	-e "s|^\(store = \).*|\1postgresql:///groupfs|" \
	-e "s/^\(trusted_users = \).*/\1$ME/" \
	"$TOP/examples/groupd.conf" >"$T/all.conf"
ok "each line of examples/groupd.conf is right" \
	"$BUILD/groupd" --check -c "$T/all.conf"
ok "and so is the file as it is" \
	"$BUILD/groupd" --check -c "$TOP/examples/groupd.conf"
like "it has all keys" "$(grep -c '^[a-z_]* = ' "$T/all.conf")" '^1[5-9]$|^[2-9]'
done_testing
