#!/bin/sh
# SPDX-License-Identifier: MIT
# kill -9 of groupd at each moment of a restore, and of a backup: there is
# always one whole store, that of before or the restored one; who asked for it
# is told the truth, and the next attempt works.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev" "$M/ops"
seq 1 20000 >>"$M/dev/messages"
seq 1 10 >>"$M/ops/messages"
head -c 8000000 /dev/urandom >"$T/file"
for i in 1 2 3; do
	head -c $((i * 100000)) "$T/file" >"$M/dev/media/f$i"
	echo $i >>"$M/ops/messages"
done
cp "$T/file" "$M/dev/media/large"
cp "$M/dev/messages" "$T/restored"
ok "a backup is made" ctl backup "$T/b.tar"

# What there is now: "old", "restored", or neither.
state() {
	[ "$(sha256sum <"$M/dev/media/large")" = "$(sha256sum <"$T/file")" ] ||
		{ echo "a media file is lost"; return; }
	if cmp -s "$M/dev/messages" "$T/restored"; then
		echo restored
	elif cmp -s "$M/dev/messages" "$T/old"; then
		echo old
	else
		echo neither
	fi
}

restores=0
kills=0
# Kills at PATTERN [NOT-PATTERN], and starts again.
round() {
	what=$1
	shift
	echo "later" >>"$M/dev/messages"
	cp "$M/dev/messages" "$T/old"
	rm -rf "$T"/data/*.before-restore-*
	watch_for "$@"
	ctl restore --yes "$T/b.tar" >"$T/said" 2>&1 &
	restore=$!
	is_killed && kills=$((kills + 1))
	start_groupd
	wait $restore
	status=$?
	# The mount looks names up anew.
	wait_for 10 test -e "$M/dev/messages"
	now=$(state)
	case $status:$now in
	0:restored) restores=$((restores + 1)) ;;
	# It may have been done for one who did not hear of it.
	[13]:restored | [13]:old) ;;
	*) now="status $status but $now" ;;
	esac
	like "killed $what, there is one store" "$now" '^(old|restored)$'
	diag "$what: status $status, $now: $(head -n 1 "$T/said")"
	ok "it is sound" ctl verify
	ok "and nothing is left of it" wait_for 5 test ! -e "$T/data/restore" \
		-a ! -e "$T/data/restore.ready"
}
cd "$T/data" || exit 1
round "when it begins" "$T/data/restore"
round "while it comes" "$T/data/restore/media/*/*"
[ "$LOAD" = small ] || {
	round "while it is checked" "$T/data/restore/groupd.db-wal"
	round "when the media files were" "$T/data/media.before-restore-*"
	round "when it was done" "$T/data/media.before-restore-*" \
		"$T/data/restore.ready"
}
round "when it is ready" "$T/data/restore.ready"
round "when the old one was moved" "$T/data/groupd.db.before-restore-*"
is "groupd was killed each time" $kills "$([ "$LOAD" = small ] && echo 4 || echo 7)"
ok "some were told that it is done" test $restores -gt 0
echo "later" >>"$M/dev/messages"
ok "the next one is" ctl restore --yes "$T/b.tar"
same "and brings all back" "$M/dev/messages" "$T/restored"

# The client's end.
ctl restore --yes "$T/b.tar" >/dev/null 2>&1 &
restore=$!
ok "a restore is under way" $PY "$HERE/killer.py" $restore 10 \
	"$T/data/restore/media/*/*"
ended=0
wait $restore || ended=$?
is "its client was killed" $ended 137
ok "what it had sent is removed" wait_for 5 test ! -e "$T/data/restore"

# Backups.
made=0
for moment in "$T/data/backup" "$T/data/backup/groupd.db" "$T/k.tar.partial"; do
	rm -f "$T/k.tar" "$T/k.tar.partial"
	watch_for "$moment"
	ctl backup "$T/k.tar" >"$T/said" 2>&1 &
	backup=$!
	is_killed || diag "unseen: ${moment##*/}"
	start_groupd
	if wait $backup; then
		made=$((made + 1))
		ok "killed at ${moment##*/}, the backup is whole" \
			ctl verify "$T/k.tar"
	else
		ok "killed at ${moment##*/}, there is no backup" test \
			! -e "$T/k.tar" -a ! -e "$T/k.tar.partial"
		like "which is said" "$(cat "$T/said")" '^groupctl: '
	fi
	ok "nothing is left of it" wait_for 5 test ! -e "$T/data/backup"
done
diag "$made of 3 backups were made in spite of it"
cp "$M/dev/messages" "$T/old"
same "nobody has lost anything" "$T/old" "$T/restored"
done_testing
