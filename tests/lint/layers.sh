#!/bin/sh
# SPDX-License-Identifier: MIT
# Proves the one-way includes of ARCHITECTURE.md:
#   lib <- store <- daemon, lib <- daemon/gateway, lib <- daemon/ctl, lib <- fs,
#   and store <- of daemon/ctl migrate and schema alone
# and that each third-party library stays in its place.
set -eu
failed=0

# refuse WHERE-REGEX INCLUDE-REGEX WHY: no file whose path matches the first
# may include what matches the second.
refuse() {
	hits=$(printf '%s\n' "$includes" | awk -v where="$1" -v what="$2" \
		'{ split($0, p, "\t"); if (p[1] ~ where && p[2] ~ what) print "  " p[1] ": " p[2] }')
	[ -z "$hits" ] && return
	printf '%s:\n%s\n' "$3" "$hits"
	failed=1
}

includes=$(grep -rnE --include='*.[ch]' '^[ 	]*#[ 	]*include' \
	lib store daemon fs tests |
	sed -E 's/^([^:]*):[0-9]*:[^"<]*(["<][^">]*[">]).*/\1\t\2/')
if [ "$(printf '%s\n' "$includes" | wc -l)" -lt 50 ]; then
	echo "layers: found hardly any #include: is this the top folder?"
	exit 1
fi

refuse '^lib/' '^"(store|daemon|fs|tests)/' 'lib/ stands alone'
refuse '^store/' '^"(daemon|fs|tests)/' 'store/ knows lib/ only'
refuse '^daemon/[^/]*$' '^"(fs|tests|daemon/gateway|daemon/ctl)/' \
	'the core knows lib/ and store/ only'
refuse '^daemon/gateway/' '^"(store|fs|tests|daemon/ctl|daemon/[^/]*[.]h)' \
	'the gateway knows lib/ only'
refuse '^daemon/ctl/' '^"(fs|tests|daemon/gateway|daemon/[^/]*[.]h)' \
	'groupctl knows lib/ only'
refuse '^daemon/ctl/([a-ln-r]|m[^i]|s[^c]|[t-z])' '^"store/' \
	'of groupctl, only migrate and schema know store/'
refuse '^fs/' '^"(store|daemon|tests)/' 'fs/ knows lib/ only'
refuse '^(lib|store|daemon|fs)/' '^"[^/]*"$' \
	'includes are written from the root ("lib/buf.h")'

ours='^(lib|store|daemon|fs)/'
place() {
	hits=$(printf '%s\n' "$includes" | awk -v ours="$ours" -v where="$1" \
		-v what="$2" '{ split($0, p, "\t"); if (p[1] ~ ours &&
		p[1] !~ where && p[2] ~ what) print "  " p[1] ": " p[2] }')
	[ -z "$hits" ] && return
	printf '%s only in %s:\n%s\n' "$3" "$1" "$hits"
	failed=1
}
place '^daemon/gateway/' '^<libwebsockets' libwebsockets
place '^fs/' '^<fuse' libfuse
place '^store/' '^<sqlite3' SQLite
place '^lib/json[.]c$' '^<jansson' jansson
place '^lib/sandbox_calls[.]c$' '^<seccomp' libseccomp
place '^daemon/(digest|certificate|gateway/(intercept|tls)|ctl/(base64|checksum))[.]c$' '^<openssl' OpenSSL
place '^daemon/ctl/bundle' '^<archive' libarchive
place '^daemon/bus_redis' '^<hiredis' hiredis
place '^(lib/(client|feed)[^/]*|daemon/.*|fs/[^/]*)$' '^<uv' libuv

[ $failed = 0 ] && echo "layers: includes go one way"
exit $failed
