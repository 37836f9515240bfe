#!/bin/sh
# SPDX-License-Identifier: MIT
# A group that was exported and imported is the same group: bytes, members,
# files, counts; and who may do that.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
start_groupd
mount_fs
# as NAME ARG...: groupctl as that user.
as() {
	who=$1
	shift
	setpriv --reuid="$who" --regid="$(id -g "$who")" --init-groups \
		"$BUILD/groupctl" --socket "$SOCKET" "$@"
}
alice() {
	as_user gfs-alice "cd $M && $1"
}
bob() {
	as_user gfs-bob "cd $M && $1"
}
# counts GROUP: role, last message, unread, mentions, as the mount's user sees
# it who runs this.
counts() {
	printf "grep '^%s	' .me/groups | cut -f2-" "$1"
}
types() {
	jq -r .type "$1" | uniq -c | awk '{print $1 $2}' | tr '\n' ' '
}

# What a group can have in it.
ok "both are known" bob 'true < .me/name'
ctl user add gone new >/dev/null
head -c 200000 /dev/urandom >"$T/bytes"
chmod 644 "$T/bytes"
ok "alice makes a group" alice "mkdir dev && cd dev &&
	printf 'gfs-bob\ngone\n' > members &&
	echo 'hi @gfs-bob' >> messages && printf 'a\tb\nc\n' > post &&
	echo '>1 myself' >> messages && echo 'where we talk' > description &&
	echo '{\"settings\":{\"x\":[1,\"ü\"]}}' > settings.json &&
	cp $T/bytes 'media/a b%.bin' && : > media/empty"
TOKEN=$(token gone)
like "one says something and leaves" "$(send_rest dev '@gfs-alice bye')" 201
ok "he is out" alice 'echo -gone > dev/members'
ok "bob reads, and speaks" bob 'cd dev && echo 2 > last_read &&
	echo "{\"content\":\"@everyone \\u0007\",\"client_id\":\"k-1\"}" \
		>> messages.jsonl'
ok "alice has the last word" alice 'echo "for all @gfs-bob" >> dev/messages'

# Out.
ok "root exports what is not his" ctl export dev "$T/root.jsonl"
fails "nothing is left beside it" test -e "$T/root.jsonl.partial"
is "it is for him who asked" "$(stat -c %a "$T/root.jsonl")" 600
is "each line is an object with a type" "$(types "$T/root.jsonl")" \
	"1groupfs-export 2member 8message 1media 5bytes 1media 1end "
is "its files are in it" "$(jq -r 'select(.type=="bytes") | .base64' \
	"$T/root.jsonl" | base64 -d | sha256sum)" "$(sha256sum <"$T/bytes")"
is "messages are as in messages.jsonl" "$(jq -c 'select(.type=="message") |
	del(.type)' "$T/root.jsonl")" "$(alice 'jq -c . dev/messages.jsonl')"
is "the end has the SHA-256 of what is before" \
	"$(tail -n 1 "$T/root.jsonl" | jq -r .sha256)" \
	"$(head -n -1 "$T/root.jsonl" | sha256sum | cut -d' ' -f1)"
ok "a member exports, to standard output" \
	sh -c "$(printf 'setpriv --reuid=gfs-bob --clear-groups %s/groupctl \
		--socket %s export dev > %s/bob.jsonl' "$BUILD" "$SOCKET" "$T")"
is "he sees his own read pointer only" "$(jq -r 'select(.type=="member") |
	[.user, .role, .last_read_seq] | join(" ")' "$T/bob.jsonl")" \
	"gfs-alice admin 
gfs-bob member 7"
is "else it is the same" "$(jq -c 'select(.type|test("me|by"))|del(.last_read_seq)' \
	"$T/bob.jsonl" | sha256sum)" "$(jq -c 'select(.type|test("me|by"))|
	del(.last_read_seq)' "$T/root.jsonl" | sha256sum)"
fails "a stranger does not" as nobody export dev
is "and hears of no group" "$(cat "$T/ok.out")" "groupctl: There is no such group"
fails "nor into a file" as nobody export dev "$T/none"
fails "of which nothing is left" ls "$T/none" "$T/none.partial"
fails "there is no other group" ctl export other "$T/none"
fails "of which nothing is left, too" ls "$T/none" "$T/none.partial"
# As groupctl(1) says.
is "jq takes one of its files out" "$(jq -rn --arg name 'a b%.bin' \
	'foreach inputs as $l (null;
		if $l.type=="media" then $l.name else . end;
		select(.==$name and $l.type=="bytes") | $l.base64)' \
	"$T/root.jsonl" | base64 -d | sha256sum)" "$(sha256sum <"$T/bytes")"
is "who reads only its head hears nothing" \
	"$(ctl export dev 2>&1 | head -n 1 | jq -r .type)" groupfs-export
ok "files can be left out" ctl export dev --no-media "$T/no-media.jsonl"
is "but for their names" "$(types "$T/no-media.jsonl")" \
	"1groupfs-export 2member 8message 2media 1end "

# In.
fails "a member does not import" as gfs-alice import --as copy "$T/bob.jsonl"
like "and hears why" "$(cat "$T/ok.out")" "Only root and groupd's own user"
fails "there is a group of this name" ctl import "$T/root.jsonl"
is "so it says" "$(cat "$T/ok.out")" \
	"groupctl: A group of this name exists already"
ok "root imports, from standard input" \
	sh -c "cat '$T/root.jsonl' | '$BUILD/groupctl' --socket '$SOCKET' import --as copy"
for file in messages messages.jsonl members description "media/a b%.bin" \
	media/empty; do
	alice "cat 'dev/$file'" >"$T/a"
	alice "cat 'copy/$file'" >"$T/b"
	same "$file is the same" "$T/a" "$T/b"
done
is "the metadata, too" "$(alice 'jq -c "del(.name)" copy/settings.json')" \
	"$(alice 'jq -c "del(.name)" dev/settings.json')"
is "alice has the same unread" "$(alice "$(counts copy)")" \
	"$(alice "$(counts dev)")"
is "bob, too" "$(bob "$(counts copy)")" "$(bob "$(counts dev)")"
is "which is one, that mentions him" "$(bob "$(counts copy)")" "member	8	1	1"
is "it is that one" "$(bob 'cut -f1,2,5 .me/mentions')" "copy	8	for all @gfs-bob
dev	8	for all @gfs-bob"
is "to root there is no such group" "$(ls "$M")" ""
ok "it goes on" bob 'echo next >> copy/messages'
is "with the next number" "$(bob 'tail -n 1 copy/messages | cut -f1,3,4')" \
	"9	gfs-bob	next"
ok "what was sent there is known here" bob 'echo "{\"content\":\"again\",
	\"client_id\":\"k-1\"}" | tr -d "\n" >> copy/messages.jsonl'
is "so it is not stored again" "$(bob 'tail -n 1 copy/messages | cut -f1')" 9
ctl export copy "$T/copy.jsonl"
is "its epoch is another one" "$(jq -rs '[.[] |
	select(.type=="groupfs-export") | .epoch] | unique | length' \
	"$T/root.jsonl" "$T/copy.jsonl")" 2
ok "without its files" ctl import "$T/no-media.jsonl" --as plain
is "messages are the same" "$(alice 'sha256sum < plain/messages')" \
	"$(alice 'sha256sum < dev/messages')"
is "there are no files" "$(alice 'ls plain/media')" ""

# Who is told, and who is no user here.
as_user gfs-bob "cat $M/.me/live" >"$T/live" 2>"$T/live.err" &
ours $!
ok "bob listens" wait_for 5 grep -q "^dev" "$T/live"
ok "once more" ctl import "$T/root.jsonl" --as third
ok "he hears of the new group at once" wait_for 5 grep -q '^third' "$T/live"
sed 's/"user":"gfs-bob"/"user":"x.y"/; /"type":"end"/s/,"sha256":"[^"]*"//' \
	"$T/root.jsonl" >"$T/x.jsonl"
fails "a member who is no user here" ctl import "$T/x.jsonl" --as fourth
is "is named" "$(cat "$T/ok.out")" "groupctl: These members are no users here: \
x.y. Add them first, or import with --add-users"
ok "or is added" ctl import "$T/x.jsonl" --as fourth --add-users
is "as a member" "$(alice 'cat fourth/members')" "gfs-alice admin
x.y member"
ok "so he can have a token" ctl token create x.y

# Only a file is replaced, and not one that another one writes.
mkfifo "$T/fifo"
ln -s "$T/elsewhere" "$T/link"
for path in fifo link; do
	fails "a $path is not replaced" ctl export dev "$T/$path"
	like "in words" "$(cat "$T/ok.out")" "$path is there, and is not a regular"
done
ln -s "$T/elsewhere" "$T/out.partial"
fails "a link in its place is not followed" ctl export dev "$T/out"
ok "nor what it leads to made" test ! -e "$T/elsewhere"
rm "$T/out.partial"
fails "two do not write one file" flock "$T/out.partial" \
	"$BUILD/groupctl" --socket "$SOCKET" export dev "$T/out"
like "the second is told so" "$(cat "$T/ok.out")" 'another groupctl is writing'
ok "it is written" ctl export dev "$T/out"
is "for nobody else" "$(stat -c %a "$T/out")" 600
is "the store is sound" "$(ctl verify | tail -n 1 | cut -d, -f3)" " 0 problems"
done_testing
