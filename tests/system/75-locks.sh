#!/bin/sh
# SPDX-License-Identifier: MIT
# Somebody has taken over a program, and does in it what he likes: each lock
# (SECURITY.md) is tried from within, and holds; what the program needs goes on.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
case $BUILD in
*-address* | *-thread* | *-memory* | *-unlocked*)
	skip_all "this build is not locked (sandbox_sanitized())"
	;;
esac
[ -z "${GROUPFS_TEST_CLUSTER:-}" ] || skip_all "once is enough"

# What a gateway opens lies where groupd may: beside the programs, in run.
mkdir -p "$T/bin" "$T/run"
cp "$BUILD/groupd" "$BUILD/groupd-gateway" "$BUILD/groupfs" "$T/bin"
ln -s "$BUILD/groupctl" "$T/bin"
${CC:-cc} -std=c17 -O2 -D_GNU_SOURCE -Wno-pedantic -shared -fPIC -pthread \
	-o "$T/bin/intruder.so" "$HERE/intruder.c" -ldl || exit 1
BUILD=$T/bin
for program in groupd groupd-gateway groupfs; do
	: >"$T/run/$program.orders"
	: >"$T/run/$program.log"
done
echo secret >"$T/secret"
other=$(free_port)
# Where nobody may make anything; gone again, should somebody.
outside=/tmp/groupfs-intruder.$$
outside_etc=/etc/groupfs-intruder.$$
trap 'rc=$?; rm -f "$outside" "$outside_etc"; (exit $rc); cleanup' EXIT

# intruded FUNCTION...: with the intruder in what it starts.
intruded() {
	export LD_PRELOAD="$T/bin/intruder.so" INTRUDER="$T/run"
	"$@"
	unset LD_PRELOAD INTRUDER
}

# tries PROGRAM PID=WAKE... <ROWS
tries() {
	_program=$1
	grep -v '^#' | $PY "$HERE/intruder.py" "$T/run" "$@" >"$T/tried"
	results "$T/tried"
}

intruded start_groupd --gateways 14
intruded mount_fs
mkdir "$M/dev"
is "none of them says that it is not locked" \
	"$(cat "$T"/*.log | grep -F 'not locked')" ""

gateways=$(sed -n 's/.*started gateway: slot=\([0-9]*\) pid=\([0-9]*\) .*/\2=\1/p' \
	"$T/groupd.log" | sed "s#=\(.*\)#=$T/run/gateway-\1.door#")
# shellcheck disable=SC2086
tries groupd-gateway $gateways <<END
read	$T/data/groupd.db	refused	a gateway: it opens no store
read	$T/secret	refused	nor any file
read	/etc/passwd	refused	nor what all may read
read	/proc/$GROUPD/environ	refused	nor what groupd knows
read	/dev/null	refused	nor a device
list	$T/run	refused	nor a folder
create	$outside	refused	nor makes one
tcp	${LISTEN##*:}	killed	it connects to nobody
udp	53	killed	by no protocol
unix	$SOCKET	killed	nor to groupd, as a client
bind	$other	killed	nor listens anew
fork	-	killed	it has no children
thread	-	killed	nor threads
become	/bin/true	killed	executes nothing
code	-	killed	makes no code
recode	-	killed	of memory that it wrote neither
ptrace	$GROUPD	killed	traces nobody
memory	$GROUPD	killed	nor reads another's memory
signal	$GROUPD	killed	nor signals groupd
setuid	-	killed	nor becomes somebody else
END
ok "and others are in the place of those that tried" wait_for 20 rest_status \
	GET /healthz
ended_by_sigsys() {
	[ "$(grep -c 'gateway exited.*signal=31' "$T/groupd.log")" = 13 ]
}
ok "each of the 13 was ended by the kernel (SIGSYS)" wait_for 20 ended_by_sigsys

gateway=$(gateway_pids | head -n 1)
tries groupd "$GROUPD=$SOCKET" <<END
read	/etc/passwd	done	groupd: it reads what its libraries need
create	$T/data/groupfs-intruder	done	it writes to its data
unix	$SOCKET	done	it connects to Unix sockets
read	$T/secret	refused	it reads no other file
list	/root	refused	nor folder
write	/etc/passwd	refused	it writes to nothing else
create	$outside	refused	makes nothing elsewhere
create	$outside_etc	refused	nor in /etc
remove	$T/secret	refused	removes nothing there
truncate	$T/secret	refused	nor what is in it
mkdir	$T/groupfs-intruder	refused	nor folders
tcp	${LISTEN##*:}	refused	it connects by TCP to no port that it was not told
bind	$other	refused	and listens on no other
packet	-	refused	no socket but of IP and Unix
run	/bin/true	refused	it executes no other program
code	-	refused	it makes no code
recode	-	refused	of memory that it wrote neither
uring	-	refused	nor goes around its locks by io_uring
core	-	refused	its limit of cores stays 0
ptrace	$gateway	killed	it traces nobody
END
ok "that was the end of it" wait_gone 10 "$GROUPD"
intruded start_groupd --gateways 1
tries groupd "$GROUPD=$SOCKET" <<END
mount	$T/run	killed	nor mounts anything
END
start_groupd --gateways 1

tries groupfs "$GROUPFS=$M" <<END
read	/proc/self/status	done	groupfs: it reads /proc
unix	$SOCKET	done	it connects to groupd
read	/etc/passwd	refused	it reads no file
read	$T/secret	refused	of any kind
list	/root	refused	nor folder
write	$T/secret	refused	it writes to nothing
create	$outside	refused	makes nothing
remove	$T/secret	refused	removes nothing
mkdir	$T/groupfs-intruder	refused	nor makes folders
tcp	${LISTEN##*:}	refused	it has no TCP
udp	53	refused	nor UDP
bind	$other	refused	nor listens
fork	-	refused	it has no children
become	/bin/true	refused	executes nothing
code	-	refused	makes no code
signal	$GROUPD	refused	signals nobody
ptrace	$GROUPD	killed	traces nobody
END

if [ "$(id -u)" = 0 ]; then
	gateway=$(gateway_pids | head -n 1)
	for pid in $GROUPD $gateway; do
		is "no capability comes back to $(cat "/proc/$pid/comm")" \
			"$(sed -n 's/^CapBnd:[^0-9a-f]*//p' "/proc/$pid/status" |
				tr -d '0-9a-f')" ""
		like "and it gets no new privileges" \
			"$(grep NoNewPrivs "/proc/$pid/status")" 1
		is "who is not root cannot look into it" \
			"$(stat -c %U "/proc/$pid/environ")" root
	done
fi
is "nothing was made where nothing may be" \
	"$(ls "$outside" "$outside_etc" "$T/groupfs-intruder" 2>/dev/null)" ""
is "and nothing gone" "$(cat "$T/secret")" secret
GROUPFS=
done_testing
