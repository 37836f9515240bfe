#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 600
# The packages: built, looked at by lintian, installed on a clean machine that
# systemd runs, used there by two people, upgraded, removed, installed again
# and purged; no message is lost on the way, and nothing else is left.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../system/lib.sh"
# shellcheck source=tests/deb/machine.sh
. "$TOP/tests/deb/machine.sh"
[ "$LOAD" = full ] || skip_all "once is enough"
need_machine

VERSION=$(sed -n 's/^VERSION = //p' "$TOP/Makefile")
NEXT=$VERSION+next

# What an upgrade is to bring, of the same objects.
ok "make deb builds the packages" make -C "$TOP" SAN= CC=cc deb \
	AND_NEXT="$NEXT $T/next"
OLD=$TOP/build/deb
debs() {
	for name in groupd groupfs groupctl; do
		echo "$1/${name}_$2_$(dpkg --print-architecture).deb"
	done
}
# shellcheck disable=SC2046
ok "there are three, and their symbols" ls $(debs "$OLD" "$VERSION") \
	$(debs "$OLD" "$VERSION" | sed 's/_/-dbgsym_/')
# shellcheck disable=SC2046
ok "and those of the next version" ls $(debs "$T/next" "$NEXT")
ok "lintian finds nothing" lintian --allow-root --fail-on error,warning \
	"$OLD"/*.changes
diag "$(cat "$T/ok.out")"
ok "what it is built with is installed here" \
	sh -c "cd '$TOP' && dpkg-checkbuilddeps"
libraries() {
	grep -o 'lib[a-z0-9.-]*-dev' "$1" | grep -v '^libc6-dev\|^libcmocka' |
		sort -u
}
is "and is what make deps installs" "$(libraries "$TOP/debian/control")" \
	"$(sed -n '/^run="/,/"$/p' "$TOP/scripts/deps.sh" >"$T/run" &&
		libraries "$T/run")"

mkdir "$T/files"
for deb in $(debs "$OLD" "$VERSION"); do
	dpkg-deb -x "$deb" "$T/files"
done
for program in usr/sbin/groupd usr/bin/groupfs usr/bin/groupctl \
	usr/libexec/groupfs/groupd-gateway; do
	ok "$program is hardened" sh "$TOP/tests/support/hardened.sh" \
		"$T/files/$program"
done
ok "the service's exposure is below 2.0" systemd-analyze security \
	--offline=true --threshold=19 \
	"$T/files/lib/systemd/system/groupd.service"

# A clean machine, without a network.
# shellcheck disable=SC2046
ok "there is a clean system" make_base $(debs "$OLD" "$VERSION")
[ -d "$BASE" ] || {
	diag "$(tail -n 20 "$T/base.log")"
	done_testing
}
start_machine || {
	diag "$(tail -n 20 "$T/console.txt")"
	skip_all "systemd does not boot here, as process 1 of a container"
}
# What dpkg, systemd and apt keep for themselves is theirs.
files() {
	(cd "$ROOT" && find . -xdev \( -path ./run -o -path ./tmp -o \
		-path ./proc -o -path ./sys -o -path ./dev -o -path ./debs -o \
		-path ./var/lib/dpkg -o -path ./var/lib/apt -o \
		-path ./var/cache -o -path ./var/log -o \
		-path ./var/lib/systemd -o -path ./var/tmp \) -prune -o -print) |
		sort
}
files >"$T/before"
mkdir "$ROOT/debs"
# shellcheck disable=SC2046
cp $(debs "$OLD" "$VERSION") $(debs "$T/next" "$NEXT") "$ROOT/debs"
install_version() {
	inside sh -c "apt-get -q -y --no-install-recommends install \
		/debs/groupd_$1_*.deb /debs/groupfs_$1_*.deb \
		/debs/groupctl_$1_*.deb"
}
ok "apt installs them, with all that they need and without a network" \
	install_version "$VERSION"

show() {
	inside systemctl show -P "$2" "$1"
}
owner() {
	inside stat -c '%a %U:%G' "$@"
}
served() {
	inside groupctl status
}
# In its network, with the programs of this machine.
curl_there() {
	nsenter -t "$LEADER" -n curl -sS -m 20 "$@"
}
# NAME USER CAPABILITIES PID of all that is groupd's.
processes() {
	inside sh -c 'for p in /proc/[0-9]*; do
		n=$(cat $p/comm) && case $n in groupd*)
			echo "$n $(stat -c %U $p) $(sed -n \
				"s/^CapEff:.//p" $p/status) ${p#/proc/}" ;;
		esac; done 2>/dev/null' | sort
}
is "the service runs, and starts with the machine" \
	"$(inside systemctl is-active groupd groupd.socket
	inside systemctl is-enabled groupd groupd.socket)" "active
active
enabled
enabled"
like "systemctl status says what it does" "$(show groupd StatusText)" \
	'^serving on 127.0.0.1:7480 and /run/groupd/groupd.sock: '
is "its folders, and the socket for all" \
	"$(owner /var/lib/groupd /run/groupd /run/groupd/groupd.sock \
		/etc/groupd.conf)" "700 groupd:groupd
755 groupd:groupd
666 root:root
644 root:root"
is "groupd has two rights, and its gateway another user and none" \
	"$(processes | sed 's/ [0-9]*$//')" "groupd groupd 00000000000000c0
groupd-gateway groupd-gateway 0000000000000000"
fails "who cannot read the store" inside setpriv --reuid groupd-gateway \
	--clear-groups ls /var/lib/groupd
is "and has no group of groupd's" \
	"$(inside id -nG groupd-gateway)" groupd-gateway
like "the journal has its lines, with their level" \
	"$(inside journalctl -u groupd -p info -o cat)" '^groupd: info: serving'
is "and no warning" "$(inside journalctl -q -u groupd -p warning -o cat)" ""

# Two people and a mount for all, as the manual page has it.
line=$(sed -n 's/^groupd \/groups/&/p' "$TOP/man/groupfs.1")
like "there is a line for fstab" "$line" '^groupd /groups fuse.groupfs'
inside useradd -m ann
inside useradd -m bob
inside mkdir /groups
inside sh -c "echo '$line' >>/etc/fstab"
inside systemctl daemon-reload
ok "systemd mounts it" inside systemctl start groups.mount
like "after groupd's socket" "$(show groups.mount Requires)" groupd.socket
ok "ann makes a group" as ann 'mkdir /groups/dev'
ok "and sends" as ann 'echo hello >>/groups/dev/messages'
ok "adds bob" as ann 'echo bob >>/groups/dev/members'
is "who reads" "$(as bob 'cut -f3,4 /groups/dev/messages')" "ann	hello"
ok "and answers" as bob 'echo hello ann >>/groups/dev/messages'
TOKEN=$(inside groupctl token create bob)
is "by REST, too" "$(curl_there -H "Authorization: Bearer $TOKEN" \
	-H 'Content-Type: application/json' -d '{"content":"from afar"}' -o /dev/null -w '%{http_code}' \
	http://127.0.0.1:7480/api/groups/dev/messages)" 201
as ann 'cp /etc/hostname /groups/dev/media/photo'
is "a file in media/ is stored" \
	"$(as bob 'cat /groups/dev/media/photo')" "machine"

# The unit at work.
sent() {
	as ann "echo $1 >>/groups/dev/messages" && log | grep -q "$1"
}
log() {
	as bob 'cat /groups/dev/messages'
}
main_pid() {
	show groupd MainPID
}
is_restarted() {
	[ "$(main_pid)" != "$1" ] && [ "$(show groupd SubState)" = running ]
}
before=$(main_pid)
gateway=$(processes | sed -n 's/^groupd-gateway .* //p')
inside sh -c "kill -KILL $before"
ok "killed, it is started again" wait_for 20 is_restarted "$before"
ok "and serves" sent after-a-crash
is "the gateway has lived on" \
	"$(processes | sed -n 's/^groupd-gateway .* //p')" "$gateway"
ok "it is restarted" inside systemctl restart groupd
isnt_gateway() {
	[ "$(processes | sed -n 's/^groupd-gateway .* //p')" != "$gateway" ]
}
ok "which ends the gateway, though it is another user's" isnt_gateway
ok "the mount goes on" sent after-a-restart
before=$(main_pid)
ok "all of it is backed up" inside groupctl backup /root/groupd.tar
ok "and restored, while it runs" inside groupctl restore --yes /root/groupd.tar
inside rm -f /root/groupd.tar
is "by a groupd that is the same process for systemd" "$(main_pid)" "$before"
ok "which keeps the socket, and so the mount goes on" sent after-a-restore
inside mkdir -p /run/systemd/system/groupd.service.d
inside sh -c 'printf "[Service]\nWatchdogSec=1s\n" \
	>/run/systemd/system/groupd.service.d/soon.conf'
inside systemctl daemon-reload
inside systemctl restart groupd
before=$(main_pid)
inside sh -c "kill -STOP $before"
ok "what hangs is ended by the watchdog, and started again" \
	wait_for 20 is_restarted "$before"
like "which is in the journal" "$(inside journalctl -u groupd -o cat)" \
	'Watchdog timeout'
inside rm -r /run/systemd/system/groupd.service.d
inside systemctl daemon-reload
inside systemctl restart groupd
inside sh -c 'echo nonsense = 1 >>/etc/groupd.conf'
fails "a reload with a wrong file fails" inside systemctl reload groupd
like "and the journal says in which line" \
	"$(inside journalctl -u groupd -o cat)" 'groupd.conf:[0-9]*: unknown key'
inside sed -i 's/^nonsense.*/max_message_bytes = 2000/' /etc/groupd.conf
ok "with a right one it does not" inside systemctl reload groupd
fails "what it says holds" as ann \
	'head -c 3000 /dev/zero | tr "\0" x >/groups/dev/post'
# The key as README.Debian has it.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	-days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
	-keyout "$ROOT/debs/privkey.pem" -out "$ROOT/debs/fullchain.pem" \
	2>/dev/null
inside install -D -t /etc/ssl/groupd -g groupd -m 640 /debs/privkey.pem \
	/debs/fullchain.pem
inside sh -c 'echo tls_cert = /etc/ssl/groupd/fullchain.pem
	echo tls_key = /etc/ssl/groupd/privkey.pem' >>"$ROOT/etc/groupd.conf"
ok "a certificate is taken by a reload" inside systemctl reload groupd
by_tls() {
	[ "$(curl_there --cacert "$ROOT/debs/fullchain.pem" \
		-H "Authorization: Bearer $TOKEN" -o /dev/null \
		-w '%{http_code}' https://127.0.0.1:7480/api/groups)" = 200 ]
}
ok "and REST speaks TLS" wait_for 20 by_tls

inside sh -c 'cp -p /etc/groupd.conf /etc/ssl/groupd/right &&
	echo nonsense = 1 >>/etc/groupd.conf'
fails "with a wrong file it does not start" inside systemctl restart groupd
inside cp -p /etc/ssl/groupd/right /etc/groupd.conf
ok "with a right one it does" inside systemctl restart groupd
is "and so does its socket" "$(show groupd.socket ActiveState)" active
ok "for the mount, too" wait_for 20 sent after-a-wrong-file

inside systemctl stop groups.mount
inside systemctl --quiet stop groupd.service 2>/dev/null
is "stopped, it is not active" "$(show groupd ActiveState)" inactive
ok "who comes to its socket starts it" served
is "it is active" "$(show groupd ActiveState)" active
inside systemctl start groups.mount

# Upgrade, remove, install again, purge.
as bob 'cat /groups/dev/messages /groups/dev/messages.jsonl' >"$T/log"
config=$(inside sha256sum /etc/groupd.conf)
same_log() {
	as bob 'cat /groups/dev/messages /groups/dev/messages.jsonl' \
		>"$T/log.now" && cmp "$T/log" "$T/log.now"
}
as ann 'echo $$ >/tmp/tail.pid; exec tail -n 1 -f /groups/dev/messages' \
	>"$T/tail" 2>&1 &
ours $!
before=$(main_pid)
ok "an upgrade" install_version "$NEXT"
is "brings the next version" "$(inside groupd --version)" "groupd $NEXT"
ok "which runs" is_restarted "$before"
ok "with the same messages, for a mount that was there" same_log
is "and the configuration that was changed" \
	"$(inside sha256sum /etc/groupd.conf)" "$config"
is "and the file in media/" "$(as bob 'cat /groups/dev/media/photo')" machine
as ann 'echo after the upgrade >>/groups/dev/messages'
ok "a tail -f saw nothing of it" wait_for 20 grep -q 'after the upgrade' \
	"$T/tail"
as bob 'cat /groups/dev/messages /groups/dev/messages.jsonl' >"$T/log"

inside sh -c 'kill $(cat /tmp/tail.pid)'
ok "it is unmounted" inside systemctl stop groups.mount
ok "it is removed" inside apt-get -q -y remove groupd
is "nothing of it runs" "$(processes)" ""
is "the socket is gone" "$(inside ls /run | grep groupd)" ""
ok "its data stays" inside test -s /var/lib/groupd/groupd.db
ok "installed again" install_version "$NEXT"
ok "it is mounted again" inside systemctl start groups.mount
ok "with the same messages" same_log
is "and the same configuration" "$(inside sha256sum /etc/groupd.conf)" "$config"

ok "it is unmounted" inside systemctl stop groups.mount
inside apt-get -q -y purge groupd groupfs groupctl >"$T/purge" 2>&1
is "it is purged" "$?" 0
like "which says what it keeps" "$(cat "$T/purge")" \
	'kept the messages in /var/lib/groupd'
ok "the messages" inside test -s /var/lib/groupd/groupd.db
inside sh -c 'rm -r /var/lib/groupd /etc/ssl /groups && userdel -r ann &&
	userdel -r bob && userdel groupd && userdel groupd-gateway &&
	apt-get -q -y autoremove --purge' >"$T/purge" 2>&1
diag "$(tail -n 1 "$T/purge")"
files >"$T/after"
is "nothing else is left" \
	"$(diff "$T/before" "$T/after" | grep '^>' |
		grep -v '\./etc/.*-$\|/etc/systemd/system$')" ""
done_testing
