#!/bin/sh
# SPDX-License-Identifier: MIT
# description, settings.json, and what stat(2), test(1), ls(1), find(1), df(1)
# are told: the truth, as this caller may see it.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
start_groupd
mount_fs
ok "alice makes a group" as_user gfs-alice 'mkdir "$M/dev"'
ok "bob is a member" as_user gfs-alice 'echo gfs-bob >> "$M/dev/members"'
D=$M/dev
mkdir "$T/home-gfs-alice" && chown gfs-alice "$T/home-gfs-alice"
alice() {
	as_user gfs-alice "cd '$D' && $1"
}
bob() {
	as_user gfs-bob "cd '$D' && $1"
}

is "a new group has no description" "$(alice 'cat description')" ""
is "of no bytes" "$(alice 'stat -c %s description')" 0
ok "an admin writes one" alice 'echo "Where we deploy" > description'
is "it is read back" "$(bob 'cat description')" "Where we deploy"
is "its size is exact" "$(bob 'stat -c %s description')" 16
fails "a member does not write it" bob 'echo x | tee description'
like "and hears why" "$(as_user gfs-bob 'cat "$M/.me/error"')" 'only an admin'
ok ">> adds to it" alice 'printf more >> description'
is "at the end" "$(alice 'cat description')" "Where we deploy
more"
ok "an editor's save in place" alice \
	'dd if=/dev/zero of=description bs=1 count=0 2>/dev/null &&
	printf "Näher" > description'
is "UTF-8 is kept" "$(bob 'cat description')" "Näher"
fails "what is no UTF-8 is refused" alice 'printf "\377\n" | tee description'
fails "and what is too long" alice 'head -c 5000 /dev/zero | tr "\0" x | tee description'
is "which changes nothing" "$(bob 'cat description')" "Näher"
ok ": > empties it" alice ': > description'
is "so that it is empty" "$(alice 'wc -c < description')" 0

is "settings.json is an object" "$(alice 'jq -r "[.name, .created_by,
	(.settings | tostring), (.max_members | tostring)] | join(\" \")" settings.json')" \
	"dev gfs-alice {} 1000000"
is "its size is exact" "$(alice 'stat -c %s settings.json')" \
	"$(alice 'cat settings.json | wc -c')"
ok "jq edits it" alice 'jq ".settings.colour=\"red\" | .description=\"by jq\"" \
	settings.json > "$HOME/edit" && cat "$HOME/edit" > settings.json'
is "the settings are kept" "$(bob 'jq -r .settings.colour settings.json')" red
is "it is the same description" "$(bob 'cat description')" "by jq"
ok "what is not mentioned stays" alice \
	'echo "{\"max_members\": 3}" > settings.json'
is "as it was" "$(bob 'jq -r "[.settings.colour, .description,
	(.max_members | tostring)] | join(\",\")" settings.json')" "red,by jq,3"
fails "below the members there are" alice \
	'echo "{\"max_members\": 1}" | tee settings.json'
fails "a name is not changed" alice \
	'echo "{\"name\": \"other\"}" | tee settings.json'
like "and says so" "$(as_user gfs-alice 'cat "$M/.me/error"')" \
	'name, created_by and created_at cannot be changed'
fails "an unknown key" alice 'echo "{\"colour\": \"red\"}" | tee settings.json'
like "is named" "$(as_user gfs-alice 'cat "$M/.me/error"')" 'no "colour"'
fails "what is no JSON" alice 'echo nonsense | tee settings.json'
fails "a member does not write it" bob 'echo "{}" | tee settings.json'
is "none of that changed anything" "$(bob 'jq -r "[.settings.colour,
	.description, (.max_members | tostring)] | join(\",\")" settings.json')" \
	"red,by jq,3"
ok "the group is full at three" ctl user add gfs-third gfs-fourth
ok "a third may come" alice 'echo gfs-third >> members'
fails "a fourth may not" alice 'echo gfs-fourth | tee -a members'
like "for want of room" "$(as_user gfs-alice 'cat "$M/.me/error"')" 'full'
ok "avatar_url" alice \
	'echo "{\"avatar_url\": \"https://x/a.png\"}" > settings.json'
is "is kept" "$(bob 'jq -r .avatar_url settings.json')" https://x/a.png

# test -w and the mode bits say what this caller may do.
ok "an admin may write description" alice 'test -w description'
fails "a member may not" bob 'test -w description'
is "as its mode says" "$(bob 'stat -c %A description')" -r--------
is "to an admin it is writable" "$(alice 'stat -c %A settings.json')" -rw-------
ok "a member writes messages" bob 'test -w messages -a -r messages'
fails "post is not read" bob 'test -r post'
ok "but written" bob 'test -w post'
fails "live is not written" bob 'test -w live'
is "all is shown as one's own" "$(bob 'stat -c %U messages')" gfs-bob

# The last message's time.
ok "a message" alice 'echo hello >> messages'
stamp=$(date -u -d "$(alice 'tail -n 1 messages' | cut -f2)" +%s)
is "is the time of messages" "$(alice 'stat -c %Y messages')" "$stamp"
is "and of the group" "$(alice 'stat -c %Y .')" "$stamp"
ok "members is older than that" alice 'test messages -nt members'
ok "a newer group" as_user gfs-alice 'mkdir "$M/aaa" "$M/zzz"'
for g in aaa zzz dev; do
	ok "news in $g" as_user gfs-alice "echo news >> '$M/$g/messages'"
done
is "ls -t sorts by news" "$(as_user gfs-alice 'ls -t "$M"' | tr '\n' ' ')" \
	"dev zzz aaa "
is "find -newer finds later ones" "$(as_user gfs-alice 'cd "$M" && find . \
	-maxdepth 1 -mindepth 1 -name "[a-z]*" -newer aaa | sort' | tr '\n' ' ')" \
	"./dev ./zzz "
is "find goes into all folders" "$(as_user gfs-alice 'find "$M" -name messages' |
	wc -l)" 3
is "a group's links are its folders'" "$(alice 'stat -c %h .')" 3
is "a file has one" "$(alice 'stat -c %h messages')" 1
size=$(alice 'stat -c %s messages')
is "du counts what there is" "$(alice 'du --apparent-size -b messages' |
	cut -f1)" "$size"
like "df shows the store's file system" "$(df -P "$M" | tail -n 1)" \
	'^groupfs +[1-9][0-9]+ +[0-9]+ +[1-9][0-9]+ '
is "as large as it is" "$(df -P "$M" | awk 'NR == 2 { print $2 }')" \
	"$(df -P "$T" | awk 'NR == 2 { print $2 }')"
ok "chmod and touch are taken" alice 'chmod 644 messages && touch messages'
fails "chown is not" chown gfs-bob "$D/messages"
ok "chown to oneself is nothing" alice 'chown gfs-alice messages'
done_testing
