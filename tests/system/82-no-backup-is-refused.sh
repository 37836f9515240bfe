#!/bin/sh
# SPDX-License-Identifier: MIT
# What is no whole backup is refused by groupctl, or by groupd where the sums
# are right, and nothing has changed; who is no admin makes and restores none;
# a full disk is said in words, and nothing is left; two at once do not mix.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
start_groupd
mount_fs
mkdir "$M/dev"
seq 1 500 >>"$M/dev/messages"
for i in 1 2 3; do
	head -c 50000 /dev/urandom >"$T/file"
	cp "$T/file" "$M/dev/media/f$i"
done
ok "a backup is made" ctl backup "$T/good.tar"
like "verify reads it without groupd" \
	"$("$BUILD/groupctl" --socket /nonexistent verify "$T/good.tar")" \
	'^a whole backup: 1 groups, 503 messages, '
echo later >>"$M/dev/messages"
cp "$M/dev/messages" "$T/before"
instance=$(figure instance)

mkdir "$T/bad"
$PY "$HERE/archives.py" "$T/good.tar" "$T/bad" || exit 1
for f in "$T"/bad/*; do
	name=${f##*/}
	[ "$name" != older-format ] || continue
	case $name in
	deep-*) ok "verify sees no fault in $name" ctl verify "$f" ;;
	*) fails "verify refuses $name" ctl verify "$f" ;;
	esac
	ctl restore --yes "$f" >"$T/said" 2>&1
	is "$name is not restored" $? 1
	like "and it is said why" "$(cat "$T/said")" '^groupctl: .'
done
same "nothing has changed" "$M/dev/messages" "$T/before"
is "groupd went on" "$(figure instance)" "$instance"
ok "nothing is left of them" test ! -e "$T/data/restore" -a \
	! -e "$T/data/restore.ready" -a ! -e /var/tmp/evil -a ! -e "$T/evil"

# Who may.
chmod 755 "$T" "$T/run"
cp "$T/good.tar" "$T/readable.tar"
chmod 644 "$T/readable.tar"
mkdir "$T/his"
chown gfs-alice "$T/his"
for what in "backup $T/his/b.tar" "restore --yes $T/readable.tar"; do
	fails "who is no admin may not $what" as_user gfs-alice \
		"'$BUILD/groupctl' --socket '$SOCKET' $what"
	like "and is told so" "$(cat "$T/ok.out")" "Only root"
done
is "he gets no file" "$(ls "$T/his")" ""
fails "a restore asks first" ctl restore "$T/good.tar"
like "and says how to go on without" "$(cat "$T/ok.out")" '--yes'
fails "a terminal gets no backup" script -qec \
	"'$BUILD/groupctl' --socket '$SOCKET' backup -" /dev/null
ok "stdout does" sh -c \
	"'$BUILD/groupctl' --socket '$SOCKET' backup - >'$T/out.tar'"
ok "and it is a whole one" ctl verify "$T/out.tar"

is "without a terminal nothing is said" \
	"$(ctl backup "$T/quiet.tar" 2>&1; ctl restore --yes "$T/quiet.tar" 2>&1 \
		>/dev/null)" ""
mkfifo "$T/fifo"
for what in fifo small-link; do
	[ $what = fifo ] || ln -s "$T/good.tar" "$T/$what"
	fails "a backup takes not the place of a $what" ctl backup "$T/$what"
	like "and says so" "$(cat "$T/ok.out")" 'not a regular file'
done
echo later >>"$M/dev/messages"
# on_terminal ANSWER: restore asks there.
on_terminal() {
	echo "$1" | script -qec \
		"'$BUILD/groupctl' --socket '$SOCKET' restore '$T/good.tar'" \
		/dev/null >"$T/said"
}
on_terminal n
is "a restore that is answered with no ends with 1" $? 1
like "having said what there is" "$(cat "$T/said")" 'now: +1 groups, 505 messages'
is "and changed nothing" "$(wc -l <"$M/dev/messages")" 505
on_terminal y
is "one that is answered with yes ends with 0" $? 0
is "and is done" "$(wc -l <"$M/dev/messages")" 503

# An older FILE stays until the new one is complete.
cp "$T/good.tar" "$T/kept.tar"
mkdir "$T/small"
mount -t tmpfs -o size=96k tmpfs "$T/small" || skip_all "cannot mount a tmpfs"
MOUNTS="$MOUNTS $T/small"
echo older >"$T/small/b.tar"
fails "a full disk under FILE is an error" ctl backup "$T/small/b.tar"
like "in words" "$(cat "$T/ok.out")" 'No space left'
is "and nothing is left but what was there" \
	"$(ls "$T/small"):$(cat "$T/small/b.tar")" "b.tar:older"

# Another one that is under way, and its client's end.
mkfifo "$T/slow"
"$BUILD/groupctl" --socket "$SOCKET" backup - >"$T/slow" &
slow=$!
ours $slow
exec 8<"$T/slow"
head -c 1000 <&8 >/dev/null
ok "a slow client's copy is there" wait_for 10 test -e "$T/data/backup/groupd.db"
fails "a second backup is refused meanwhile" ctl backup "$T/second.tar"
like "in words" "$(cat "$T/ok.out")" 'Another backup is under way'
ok "and leaves no file" test ! -e "$T/second.tar.partial"
kill -KILL $slow
exec 8<&-
ok "its copy goes with the client" wait_for 10 test ! -e "$T/data/backup"
ok "and the next one is made" ctl backup "$T/second.tar"
kill "$GROUPFS"
wait "$GROUPFS"
GROUPFS=
stop_groupd

# A data directory without room for a copy.
mkdir "$T/tight"
mount -t tmpfs -o size=3m tmpfs "$T/tight" || exit 1
MOUNTS="$MOUNTS $T/tight"
cp -a "$T/data/." "$T/tight/"
T_DATA=$T/data
mv "$T_DATA" "$T/data.away"
ln -s "$T/tight" "$T_DATA"
start_groupd
mount_fs
for i in 1 2 3 4 5 6; do
	head -c 60000 /dev/zero | tr '\0' x >>"$M/dev/messages"
	echo >>"$M/dev/messages"
done
# All but 150 kB.
cat /dev/zero >"$T/tight/filler" 2>/dev/null
truncate -s -150K "$T/tight/filler"
fails "no space for a copy is an error" ctl backup "$T/full.tar"
like "in words" "$(cat "$T/ok.out")" 'There is no space'
ok "with nothing left" test ! -e "$T/full.tar" -a ! -e "$T/full.tar.partial"
ok "and nothing in the data directory" wait_for 5 test ! -e "$T/data/backup"
ok "senders go on" sh -c "echo on >>'$M/dev/messages'"
cp "$M/dev/messages" "$T/before"
fails "no space for what comes back is one, too" ctl restore --yes "$T/good.tar"
like "in words" "$(cat "$T/ok.out")" 'There is no space'
ok "with nothing left" wait_for 5 test ! -e "$T/data/restore"
same "and nothing changed" "$M/dev/messages" "$T/before"
rm "$T/tight/filler"
ok "with space it is done" ctl restore --yes "$T/good.tar"
is "and all is as it was" "$(wc -l <"$M/dev/messages")" 503
echo later >>"$M/dev/messages"
ok "and so is one of an older format" ctl restore --yes "$T/bad/older-format"
is "with all that it had" "$(wc -l <"$M/dev/messages")" 503
ok "in the present format" ctl verify

# Where what comes back could not take the place of the store.
stop_groupd
ln -s "$T/tight/groupd.db" "$T/link.db"
start_groupd --store "sqlite:$T/link.db"
fails "a store that is a link" ctl restore --yes "$T/good.tar"
like "is refused" "$(cat "$T/ok.out")" 'link.db is a link'
stop_groupd
start_groupd --store "sqlite:$T/elsewhere.db"
fails "and one of another file system" ctl restore --yes "$T/good.tar"
like "in words" "$(cat "$T/ok.out")" 'elsewhere.db lies on another file system'
done_testing
