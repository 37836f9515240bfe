#!/bin/sh
# SPDX-License-Identifier: MIT
# A file that is copied into media/ is stored once and sent; every tool that
# copies can do it, and what is interrupted leaves nothing.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd --media_max_bytes 24M
mount_fs
mkdir "$M/dev"
media=$M/dev/media
texts() {
	cut -f4- "$M/dev/messages"
}
last() {
	tail -n 1 "$M/dev/messages" | cut -f4-
}
count() {
	wc -l <"$M/dev/messages"
}
incoming() {
	find "$T/data/media/incoming" -type f | wc -l
}
blobs() {
	find "$T/data/media" -type f -not -path '*/incoming/*' | wc -l
}
none_incoming() {
	[ "$(incoming)" = 0 ]
}
some_incoming() {
	[ -n "$(find "$T/data/media/incoming" -type f -size +0)" ]
}
# refused SENTENCE REGEX COMMAND...: fails, and .me/error says why.
refused() {
	_says=$2
	fails "$1" sh -c "$3"
	like "and that is said" "$(cat "$M/.me/error")" "$_says"
}

is "media/ is empty at first" "$(ls -A "$media")" ""
head -c 5000 /dev/urandom >"$T/pic.png"
ok "cp copies in" cp "$T/pic.png" "$media/"
is "and sends a message" "$(last)" "[media media/pic.png] "
same "it is read back" "$T/pic.png" "$media/pic.png"
is "its size is exact" "$(stat -c %s "$media/pic.png")" 5000
is "its mode says that it does not change" \
	"$(stat -c '%A %h' "$media/pic.png")" "-r-------- 1"
is "its time is the message's" "$(date -u -r "$media/pic.png" +%FT%TZ)" \
	"$(cut -f2 "$M/dev/messages" | sed 's/\..*Z/Z/')"
is "ls shows it" "$(ls "$media")" pic.png
is "no bytes are left over" "$(incoming)" 0

# Every size around a border, out and in.
for size in 0 1 4095 4096 4097 131071 131072 131073 1048575 1048576 1048577 \
	20971520; do
	head -c $size /dev/urandom >"$T/in"
	cp "$T/in" "$media/s$size" 2>"$T/err" && cp "$media/s$size" "$T/out" &&
		cmp "$T/in" "$T/out" >>"$T/err" 2>&1 &&
		[ "$(stat -c %s "$media/s$size")" = $size ] &&
		[ "$(last)" = "[media media/s$size] " ]
	pass_or_fail $? "$size bytes" || diag "$(cat "$T/err")"
done
is "sha256sum" "$(sha256sum <"$media/s1048577")" "$(sha256sum <"$media/s1048577")"
ok "cmp" cmp "$media/s1048577" "$media/s1048577"
is "tail -c" "$(tail -c 100 "$media/s20971520" | sha256sum)" \
	"$(tail -c 100 "$T/in" | sha256sum)"
is "dd skip" "$(dd if="$media/s20971520" bs=1000 skip=7777 count=3 2>/dev/null |
	sha256sum)" \
	"$(dd if="$T/in" bs=1000 skip=7777 count=3 2>/dev/null | sha256sum)"

# Tools.
tool() {
	rm -f "$T/out"
	ok "$1" sh -c "cd '$media' && IN='$T/pic.png' T='$T' && $2"
	same "$1: the same bytes" "$T/pic.png" "$media/$3"
	is "$1: is sent" "$(last)" "[media media/$3] "
}
tool "cp -p" 'cp -p "$IN" cp-p' cp-p
tool "cp --sparse" 'cp --sparse=always "$IN" cp-s' cp-s
tool "install" 'install -m 600 "$IN" inst' inst
tool "cat >" 'cat "$IN" > cat' cat
tool "cat | tee" 'cat "$IN" | tee tee >/dev/null' tee
tool "children that share one open" \
	'{ head -c 100 "$IN"; tail -c +101 "$IN"; } > kids' kids
tool "a shell's own descriptor" \
	'exec 3>own; head -c 10 "$IN" >&3; tail -c +11 "$IN" >&3; exec 3>&-' own
tool "dd" 'dd if="$IN" of=dd bs=512' dd
tool "dd conv=notrunc" 'dd if="$IN" of=dd2 conv=notrunc bs=1000' dd2
tool "rsync" 'cp "$IN" "$T/rs"; rsync -a "$T/rs" .' rs
tool "rsync --inplace" 'cp "$IN" "$T/rsi"; rsync --inplace -a "$T/rsi" .' rsi
tool "tar -x" 'cp "$IN" "$T/tarred"; tar -C "$T" -cf - tarred | tar -xf -' \
	tarred
tool "mv from elsewhere" 'cp "$IN" "$T/moved"; mv "$T/moved" .' moved
tool "python" "$PY -c \"
import os
data = open('$T/pic.png', 'rb').read()
fd = os.open('py', os.O_WRONLY | os.O_CREAT | os.O_EXCL)
os.pwrite(fd, data[4000:], 4000)
os.ftruncate(fd, 9000)
os.pwrite(fd, data[:4000], 0)
assert os.fstat(fd).st_size == 9000
os.ftruncate(fd, 5000)
assert os.stat('py').st_size == 5000
os.close(fd)\"" py
tool "a new name by rename" \
	'cp "$IN" .new.tmp && test -f .new.tmp && mv .new.tmp renamed' renamed
is "nothing of a scratch file is left" \
	"$(find "$media" -name '.*' -type f | wc -l)" 0
ok "a sparse file" truncate -s 1000000 "$media/sparse"
is "reads as zeros" "$(tr -d '\0' <"$media/sparse" | wc -c)" 0

ok "UTF-8 and blanks in a name" cp "$T/pic.png" "$media/käse & 100%.png"
is "are percent-encoded in the message" "$(last)" \
	"[media media/k%C3%A4se%20%26%20100%25.png] "
same "and found again" "$T/pic.png" "$media/käse & 100%.png"
ok "255 bytes of a name" cp "$T/pic.png" "$media/$(printf %0255d 1)"
n=$(count)
refused "256 bytes are refused" . "cp '$T/pic.png' '$media/$(printf %0256d 1)'"
refused "a control character is refused" 'control characters' \
	"cp '$T/pic.png' '$media/a$(printf '\a')b'"
refused "a folder is refused" . "mkdir '$media/sub'"
refused "a link is refused" . "ln -s x '$media/link'"

# What is there stays as it is.
refused "cp over it is refused" 'media/pic.png is there already and does not' \
	"cp '$T/in' '$media/pic.png'"
refused "so is >>" 'choose another name' "echo x >> '$media/pic.png'"
refused "so is truncate" . "truncate -s 1 '$media/pic.png'"
refused "so is rm" 'stays as long as' "rm -f '$media/pic.png'"
refused "so is mv" 'keeps its name' "mv '$media/pic.png' '$media/other.png'"
refused "so is a rename onto it" 'is there already' "
	cp '$T/in' '$media/.tmp' && mv -f '$media/.tmp' '$media/pic.png'"
ok "the scratch file can be removed" rm "$media/.tmp"
refused "chown is refused" 'owner' "chown 12345 '$media/pic.png'"
ok "touch and chmod are nothing" sh -c \
	"touch '$media/pic.png' && chmod 600 '$media/pic.png'"
same "it is as it was" "$T/pic.png" "$media/pic.png"
is "no message was sent by all this" "$(count)" "$n"

# Too large, said at the byte.
refused "a file over media_max_bytes is refused" \
	'media file may have 25165824 bytes' \
	"head -c 25165825 /dev/zero > '$media/large'"
refused "so is making it long" 'may have 25165824' \
	"truncate -s 30M '$media/large'"
fails "it is not there" test -e "$media/large"
is "nothing was sent" "$(count)" "$n"
ok "its bytes are gone" wait_for 5 none_incoming

# Interrupted: by a signal while it waits for more, and while it writes.
mkfifo "$T/fifo"
for case in INT:2 TERM:15 KILL:9 HUP:1; do
	signal=${case%:*}
	$PY -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp("cp", ["cp", "--copy-contents", "-r", sys.argv[1], sys.argv[2]])' \
		"$T/fifo" "$media/cut-$signal" 2>/dev/null &
	pid=$!
	ours $pid
	exec 4>"$T/fifo"
	head -c 300000 /dev/zero >&4
	ok "$signal: it is being copied" wait_for 5 some_incoming
	is "$signal: to its user it is there" \
		"$(stat -c %F "$media/cut-$signal")" "regular file"
	kill -$signal $pid
	wait $pid
	is "$signal: it died of it" $? $((128 + ${case#*:}))
	exec 4>&-
	ok "$signal: nothing is left" wait_for 5 none_incoming
	fails "$signal: nor shown" test -e "$media/cut-$signal"
done
$PY -c "import signal, os
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp('cat', ['cat', '/dev/zero'])" >"$media/endless" &
pid=$!
ours $pid
ok "an endless writer writes" wait_for 5 some_incoming
kill -INT $pid
wait $pid
ok "it leaves nothing, either" wait_for 5 none_incoming
is "no message tells of any" "$(count)" "$n"

# While it is written.
exec 4>"$media/mine"
printf part >&4
is "its size is what was written" "$(stat -c %s "$media/mine")" 4
refused "it cannot be read yet" 'can be read when it was sent' \
	"cat '$media/mine'"
refused "nor be written twice" 'copy' "echo x > '$media/mine'"
exec 4>&-
is "then it can" "$(cat "$media/mine")" part
exec 4>"$media/gone"
printf part >&4
ok "it can be removed" rm "$media/gone"
refused "and is not written after that" 'was removed' 'echo x >&4' 4>&4
exec 4>&-
is "nor sent" "$(last)" "[media media/mine] "
ok "so its bytes go" wait_for 5 none_incoming

# groupd goes away in the middle, and comes back.
cat "$T/fifo" >"$media/restarted" 2>"$T/err" &
pid=$!
ours $pid
exec 4>"$T/fifo"
head -c 3000000 "$T/in" >&4
ok "half of it is copied" wait_for 5 some_incoming
kill9_groupd
tail -c +3000001 "$T/in" >&4 &
feeder=$!
ours $feeder
start_groupd --media_max_bytes 24M 4>&-
ok "the feeder goes on" wait $feeder
exec 4>&-
ok "the copy succeeds" wait $pid
same "byte for byte" "$T/in" "$media/restarted"
is "it is sent once" "$(texts | grep -c restarted)" 1

# Each content once, while a group has it.
before=$(blobs)
mkdir "$M/other"
ok "the same content in another group" cp "$T/pic.png" "$M/other/media/again"
is "is stored once" "$(blobs)" "$before"
head -c 777 /dev/urandom >"$T/only"
ok "a content of its own" cp "$T/only" "$M/other/media/only"
is "is one more" "$(blobs)" $((before + 1))
TOKEN=$(token "$ME")
like "the group is deleted" "$(rest_status DELETE /api/groups/other)" '^2'
blobs_are() {
	[ "$(blobs)" = "$1" ]
}
ok "its content goes" wait_for 5 blobs_are "$before"
same "what others have stays" "$T/pic.png" "$media/pic.png"

# What a crash leaves: uploads that are old, with or without a content.
stop_groupd
mkdir -p "$T/data/media/incoming/$ME"
# blob FILE: where its content is.
blob() {
	sha256sum <"$1" | sed "s,^\(..\)\([0-9a-f]*\).*,$T/data/media/\1/\1\2,"
}
used=$(blob "$T/pic.png")
orphan=$(blob "$T/only")
mkdir -p "${orphan%/*}"
cp "$T/only" "$orphan"
ln "$used" "$T/data/media/incoming/$ME/1.used.sealed"
ln "$orphan" "$T/data/media/incoming/$ME/1.orphan.sealed"
echo x >"$T/data/media/incoming/$ME/1.old"
touch -d '2 hours ago' "$T/data/media/incoming/$ME"/*
start_groupd --media_max_bytes 24M
ok "old uploads go at the start" wait_for 10 none_incoming
ok "and the content that is nobody's" wait_for 10 blobs_are "$before"
same "but no other" "$T/pic.png" "$media/pic.png"
done_testing
