#!/bin/sh
# SPDX-License-Identifier: MIT
# What the programs are made with against exploits is in them; the check sees
# what is missing; and systemd's own audit of the unit is content.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
[ -z "${GROUPFS_TEST_CLUSTER:-}" ] || skip_all "once is enough"
check=$TOP/tests/support/hardened.sh
# The sanitizers do without it.
case $BUILD in
*-address* | *-thread* | *-memory*) export WITHOUT_FORTIFY=yes ;;
esac
for program in groupd groupd-gateway groupfs groupctl; do
	ok "$program is hardened" sh "$check" "$BUILD/$program"
done

cat >"$T/soft.c" <<'END'
#include <string.h>
int main(int argc, char **argv)
{
	char room[64];
	strcpy(room, argv[argc - 1]);
	return room[3];
}
END
make_it() {
	${CC:-cc} -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -pie \
		-fcf-protection -Wl,-z,relro,-z,now "$@" -o "$T/soft" \
		"$T/soft.c" 2>/dev/null ||
		make_it_elsewhere "$@"
}
# Where the processor has no such marks.
make_it_elsewhere() {
	${CC:-cc} -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -pie \
		-Wl,-z,relro,-z,now "$@" -o "$T/soft" "$T/soft.c" 2>/dev/null
}
make_it
# It is small, and has few functions to be called.
MARKS=$(objdump -d "$T/soft" | grep -c endbr)
export MARKS
unset WITHOUT_FORTIFY
ok "one that was made with all passes" sh "$check" "$T/soft"
# seen WHAT FLAG...: a program that was made with these lacks it.
seen() {
	_lacks=$1
	shift
	make_it "$@"
	fails "made with $* it is seen" sh "$check" "$T/soft"
	like "by that" "$(cat "$T/ok.out")" "$_lacks"
}
seen 'no position-independent' -no-pie -fno-pie
seen 'no RELRO' -Wl,-z,norelro
seen 'no BIND_NOW' -Wl,-z,lazy
seen 'no stack that is not executed' -Wl,-z,execstack
seen 'no stack protector' -fno-stack-protector
seen 'no FORTIFY' -U_FORTIFY_SOURCE
seen 'a path for libraries' -Wl,-rpath,/tmp
case $(uname -m) in
x86_64) seen 'no marks of CET' -fcf-protection=none ;;
esac

if command -v systemd-analyze >/dev/null; then
	for unit in "$TOP"/systemd/*.service; do
		sed 's#@SBINDIR@#/bin#; s#^ExecStart=.*#ExecStart=/bin/true#' \
			"$unit" >"$T/${unit##*/}"
		ok "systemd-analyze security: ${unit##*/} is exposed to 2.0 at the most" \
			systemd-analyze security --offline=true --threshold=20 \
			"$T/${unit##*/}"
		sed '/^SystemCallFilter=/d; /^Protect/d' "$T/${unit##*/}" >"$T/open.service"
		fails "and is seen where it is more" systemd-analyze security \
			--offline=true --threshold=20 "$T/open.service"
	done
fi
done_testing
