#!/bin/sh
# SPDX-License-Identifier: MIT
# A backup that is made while many write is all of the store as of one moment:
# restored on another machine, each log is a prefix of what it became, byte by
# byte, with members, pointers, tokens and media files.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
backups=3
[ "$LOAD" = small ] && backups=1
start_groupd
mount_fs
mkdir "$M/dev" "$M/ops" "$M/pairs-1" "$M/pairs-2" "$M/quiet"
ctl user add ann bob >/dev/null
printf 'ann\nbob admin\n' >"$M/quiet/members"
seq 1 100 >>"$M/quiet/messages"
TOKEN=$(token ann)
for i in 1 2 3 4 5; do
	send_rest quiet "new $i" >/dev/null
done
TOKEN=$(token "$ME")
STOP=$T/stop
export TOKEN URL STOP

# The second of a pair is written when the first is stored.
(i=0
while [ ! -e "$STOP" ]; do
	i=$((i + 1))
	echo $i >>"$M/pairs-1/messages" && echo $i >>"$M/pairs-2/messages"
done) 2>"$T/pairs.err" &
writers=$!
ours $!
for w in 1 2; do
	(while [ ! -e "$STOP" ]; do
		printf 'line of %s\n' $w $w $w $w >>"$M/dev/messages"
	done) 2>"$T/sh-$w.err" &
	writers="$writers $!"
	ours $!
	seq 200000 | sed "s/^/rest-$w-/" |
		$PY "$HERE/peer.py" send-rest ops rest-$w >"$T/acked-$w" &
	writers="$writers $!"
	ours $!
done
# Contents come and go meanwhile.
(i=0
while [ ! -e "$STOP" ]; do
	i=$((i + 1))
	head -c 200000 /dev/urandom >"$T/file" && cp "$T/file" "$M/dev/media/f$i"
	mkdir "$M/gone-$i" && cp "$T/file" "$M/gone-$i/media/" &&
		head -c 100000 /dev/urandom >"$M/gone-$i/media/own"
	ctl delete gone-$((i - 2))
done) >"$T/files.err" 2>&1 &
writers="$writers $!"
ours $!

has_lines() {
	[ "$(wc -l <"$M/$1/messages")" -gt "$2" ]
}
ok "all write" wait_for 20 has_lines ops 20
n=0
while [ $n -lt $backups ]; do
	n=$((n + 1))
	lines=$(wc -l <"$M/dev/messages")
	# What was acknowledged before it began.
	for g in dev ops pairs-1 pairs-2 quiet; do
		wc -l <"$M/$g/messages" >"$T/before-$n-$g"
	done
	ok "files come" wait_for 20 test -e "$M/gone-$((n * 3))"
	ok "backup $n is made while they write" ctl backup "$T/b$n.tar"
	ok "and they went on" wait_for 20 has_lines dev "$lines"
done
touch "$STOP"
for pid in $writers; do
	ok "a writer ends well" wait "$pid"
done
is "nobody's write failed" "$(cat "$T"/pairs.err "$T"/sh-*.err)" ""
for g in dev ops pairs-1 pairs-2 quiet; do
	mkdir -p "$T/now/$g"
	for f in messages messages.jsonl members settings.json; do
		cp "$M/$g/$f" "$T/now/$g/$f"
	done
done
mkdir "$T/now/media"
cp "$M"/dev/media/* "$T/now/media"
ok "nothing of the copying is left" wait_for 5 test ! -e "$T/data/backup"
stop_groupd
kill "$GROUPFS"
wait "$GROUPFS"

# Whether $1 is the begin of $2.
begins() {
	cmp -n "$(stat -c %s "$1")" "$1" "$2"
}

n=0
while [ $n -lt $backups ]; do
	n=$((n + 1))
	tar xf "$T/b$n.tar" -C "$T" SHA256SUMS manifest.json
	ok "tar and sha256sum read it" sh -c \
		"mkdir '$T/x$n' && cd '$T/x$n' && tar xf ../b$n.tar && sha256sum --strict -c SHA256SUMS"
	is "it is nobody else's to read" "$(stat -c %a "$T/b$n.tar")" 600
	rm -rf "$T/data" "$T/x$n"
	start_groupd
	mount_fs
	ok "it is restored where nothing was" ctl restore --yes "$T/b$n.tar"
	ok "and verify finds nothing wrong" ctl verify
	like "all is there" "$(cat "$T/ok.out")" \
		" $(jq .messages "$T/manifest.json") messages, 0 problems"
	for g in dev ops pairs-1 pairs-2 quiet; do
		for f in messages messages.jsonl; do
			cp "$M/$g/$f" "$T/old"
			ok "$f of $g is how it began" begins "$T/old" \
				"$T/now/$g/$f"
		done
		ok "and has what $g had when the backup began" test \
			"$(wc -l <"$M/$g/messages")" -ge \
			"$(cat "$T/before-$n-$g")"
		same "its members are the same" "$M/$g/members" \
			"$T/now/$g/members"
		same "its metadata too" "$M/$g/settings.json" \
			"$T/now/$g/settings.json"
	done
	is "the pointer is where it was" "$(cat "$M/quiet/last_read")" 100
	is "and so is what is unread" "$(cut -f4 "$M/quiet/unread" | xargs)" \
		"new 1 new 2 new 3 new 4 new 5"
	one=$(wc -l <"$M/pairs-1/messages")
	two=$(wc -l <"$M/pairs-2/messages")
	ok "two groups are of one moment" test $((one - two)) -ge 0 -a \
		$((one - two)) -le 1
	bad=0
	for f in "$M"/dev/media/*; do
		cmp "$f" "$T/now/media/${f##*/}" || bad=$((bad + 1))
	done >"$T/cmp" 2>&1
	is "each media file is whole" $bad 0
	ok "there are some" test -e "$M/dev/media/f1"
	# A file that a group had which was deleted while it was copied.
	bad=0
	for f in "$M"/gone-*/media/*; do
		[ -e "$f" ] && { cat "$f" >/dev/null || bad=$((bad + 1)); }
	done
	is "those of groups that are gone since, too" $bad 0
	is "the token is the backup's" \
		"$(rest_status GET /api/groups)" 200
	is "what was sent once is not stored again" "$(rest POST \
		/api/groups/ops/messages -H 'Idempotency-Key: rest-1-1' \
		-d '{"content": "rest-1-1"}' -H 'Content-Type: application/json' |
		head -n 1 | jq -c '[.sequence_number, .duplicate]')" \
		"[$(awk '$1 == "rest-1-1" { print $2 }' "$T/acked-1"),true]"
	kill "$GROUPFS"
	wait "$GROUPFS"
	stop_groupd
done
GROUPFS=
done_testing
