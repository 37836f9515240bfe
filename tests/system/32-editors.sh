#!/bin/sh
# SPDX-License-Identifier: MIT
# Editors and what else replaces a file, on members: each changes a role, adds
# one and removes one; a bad line changes nothing, and the tool says so.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
start_groupd
mount_fs
ok "users are added" ctl user add ann ben cy
ok "alice makes a group, bob is in it" as_user gfs-alice \
	'mkdir "$M/dev" && printf "gfs-bob\nann\ncy\n" > "$M/dev/members"'
for user in gfs-alice gfs-bob; do
	mkdir -p "$T/home-$user"
	chown "$user" "$T/home-$user"
done
files=$(ls -A "$M/dev" 2>/dev/null || as_user gfs-alice 'ls -A "$M/dev"')

members() {
	as_user gfs-alice 'cat "$M/dev/members"'
}
listing() {
	as_user "$1" 'ls -A "$M/dev"'
}
# The backups of who could not save are taken away, too.
reset() {
	as_user gfs-alice 'rm -f "$M/dev"/members?*'
	members | grep -q '^ben ' && set -- "-ben"
	printf '%s\n' 'ann member' 'cy member' "$@" |
		as_user gfs-alice 'cat > "$M/dev/members"'
}
edited="ann admin
ben member
gfs-alice admin
gfs-bob member"
unedited="ann member
cy member
gfs-alice admin
gfs-bob member"

# tool NAME GOOD BAD [REFUSAL]: shell commands, in the folder, as alice.
tool() {
	reset
	ok "$1 edits" as_user gfs-alice "cd \"\$M/dev\" && $2"
	is "all three changes are there" "$(members)" "$edited"
	is "$1 leaves nothing behind" "$(listing gfs-alice)" "$files"
	reset
	fails "$1 says that a line is bad" \
		as_user gfs-alice "cd \"\$M/dev\" && $3"
	is "nothing of it is done" "$(members)" "$unedited"
	like "the last refusal is told" \
		"$(as_user gfs-alice 'cat "$M/.me/error"')" "${4:-nobody-here}"
}

good='-e "s/^ann .*/ann admin/" -e "s/^cy .*/-cy/" -e "\$a ben"'
bad='-e "s/^ann .*/nobody-here/" -e "s/^cy .*/-cy/"'
tool "sed -i" "sed -i $good members" "sed -i $bad members"
tool "sed -i.bak" "sed -i.bak $good members && rm members.bak" \
	"sed -i.bak $bad members"
tool "perl -i" \
	'perl -i -pe "s/^ann .*/ann admin/; s/^cy .*/-cy/;
		\$_ .= qq(ben\n) if eof" members' \
	'perl -i -pe "s/^ann .*/nobody-here/" members'
tool "ed" \
	"printf '%s\n' '/^ann/s/.*/ann admin/' '/^cy/s/.*/-cy/' '\$a' ben . \
		w q | ed -s members" \
	"printf '%s\n' '/^ann/s/.*/nobody-here/' w Q | ed -s members"
cat >"$T/good.vim" <<'END'
%s/^ann .*/ann admin/
%s/^cy .*/-cy/
call append(0, "ben")
wq
END
printf '%s\n' '%s/^ann .*/nobody-here/' 'write' >"$T/bad.vim"
vim='vim -u NONE'
tool "vim -es" "$vim -es -S $T/good.vim members" \
	"$vim -es -S $T/bad.vim -c cq members"
# With the bad line vim tries to put its backup back in place of members,
# which it deletes first: that is the last refusal.
old="-c 'set backup backupcopy=no'"
tool "vim with backups by renaming" \
	"$vim -es $old -S $T/good.vim members && rm members~" \
	"$vim -es $old -S $T/bad.vim -c cq members" \
	'neither renamed nor removed'
tool "vim on a terminal" \
	"script -qec 'TERM=xterm $vim -S $T/good.vim members' /dev/null" \
	"script -qec 'TERM=xterm $vim -S $T/bad.vim -c cq members' /dev/null"
tool "nano" \
	"$PY $HERE/nano.py members 'ann admin' ben -cy" \
	"$PY $HERE/nano.py members nobody-here"
tool "tee" \
	"sed $good members > new && tee members < new && rm new" \
	"{ sed $bad members > new; tee members < new; r=\$?; rm new; exit \$r; }"
tool "mv" \
	"sed $good members > new && mv new members" \
	"sed $bad members > new && mv new members"
is "mv leaves what was refused" "$(listing gfs-alice | grep new)" new
as_user gfs-alice 'rm "$M/dev/new"'
tool "patch" \
	"sed $good members > new; diff -u members new > p; rm new;
		patch members < p && rm p" \
	"sed $bad members > new; diff -u members new > p; rm new;
		patch members < p; r=\$?; rm -f p; exit \$r"
# Too large to be installed for this alone. It wants a folder of its own.
if command -v emacs >/dev/null; then
	as_user gfs-alice 'mkdir -p "$HOME/.emacs.d"'
	cat >"$T/good.el" <<'END'
(progn (replace-regexp "^ann .*" "ann admin\nben") (goto-char (point-min))
	(replace-regexp "^cy .*" "-cy") (save-buffer))
END
	echo '(progn (replace-regexp "^ann .*" "nobody-here") (save-buffer))' \
		>"$T/bad.el"
	tool "emacs" \
		"emacs -Q -batch members -eval \"\$(cat $T/good.el)\" &&
			rm -f members~" \
		"emacs -Q -batch members -eval \"\$(cat $T/bad.el)\""
fi
reset

# A file like any other.
as_user gfs-bob 'echo hello >> "$M/dev/messages"'
as_user gfs-alice "$PY $HERE/scratch.py \"\$M/dev\"" >"$T/checks" 2>&1
ok "its checks ran to the end" grep -q 'nothing is left' "$T/checks"
while read -r rc sentence; do
	pass_or_fail "$rc" "$sentence"
done <"$T/checks"

# Nobody else sees it.
as_user gfs-alice 'cd "$M/dev" && echo mine > secret && ln -s secret link &&
	chmod 666 secret'
is "its owner sees it" "$(listing gfs-alice | grep -c -e secret -e link)" 2
is "another member does not" "$(listing gfs-bob)" "$files"
for what in 'cat secret' 'stat secret' 'readlink link' 'rm secret' \
	'mv secret other' 'test -e secret' 'echo x >> link/y'; do
	fails "nor has it by name: $what" \
		as_user gfs-bob "cd \"\$M/dev\" && $what"
done
ok "he has one of the same name" \
	as_user gfs-bob 'cd "$M/dev" && echo his > secret'
is "with his text" "$(as_user gfs-bob 'cat "$M/dev/secret"')" his
is "beside the other's" "$(as_user gfs-alice 'cat "$M/dev/secret"')" mine
is "a descriptor gives him nothing" "$(as_user gfs-alice 'cat "$M/dev/link"') $(
	$PY - "$M/own" "$(id -u gfs-bob)" <<'END'
import os, sys
os.mkdir(sys.argv[1])
with open(sys.argv[1] + "/members", "w") as members:
    members.write("gfs-bob")
fd = os.open(sys.argv[1] + "/x", os.O_RDWR | os.O_CREAT)
os.write(fd, b"root's")
os.setuid(int(sys.argv[2]))
for work in (lambda: os.pread(fd, 9, 0), lambda: os.pwrite(fd, b"y", 0),
             lambda: os.fstat(fd), lambda: os.ftruncate(fd, 0)):
    try:
        print(work(), end=" ")
    except OSError:
        print("refused", end=" ")
END
)" "mine refused refused refused refused "

# Who leaves keeps nothing, not even when he comes back.
as_user gfs-bob 'cd "$M/dev" && exec 3<>secret && echo -gfs-bob > members &&
	'"$PY"' -c "import os; os.read(3, 9)"' >"$T/left" 2>&1
like "an open one is closed to who left" "$(cat "$T/left")" \
	'Permission denied'
ok "he is taken back" as_user gfs-alice 'echo gfs-bob > "$M/dev/members"'
is "and finds nothing" "$(listing gfs-bob)" "$files"
is "the other's is untouched" "$(as_user gfs-alice 'cat "$M/dev/secret"')" mine
is "a copy into another folder, too" "$(as_user gfs-alice 'cd "$M" &&
	mkdir ops && mv dev/secret ops/moved && cat ops/moved &&
	ls dev | grep -c secret')" "mine
0"

# The other texts of a group.
ok "sed -i edits a description" as_user gfs-alice 'cd "$M/dev" &&
	echo about > description && sed -i s/about/for/ description'
is "it is the new one" "$(as_user gfs-bob 'cat "$M/dev/description"')" for
ok "vim does, too" as_user gfs-alice "cd \"\$M/dev\" &&
	$vim -es $old -c 's/for/against/' -c wq description && rm description~"
is "with its backup by renaming" \
	"$(as_user gfs-bob 'cat "$M/dev/description"')" against
ok "jq and mv edit the settings" as_user gfs-alice 'cd "$M/dev" &&
	jq ".settings.color = \"red\"" settings.json > new && mv new settings.json'
is "they are the new ones" \
	"$(as_user gfs-bob 'jq -r .settings.color "$M/dev/settings.json"')" red
fails "what is no JSON is refused" as_user gfs-alice \
	'cd "$M/dev" && sed -i s/color/\"/ settings.json'
fails "a member who is no admin is refused" \
	as_user gfs-bob 'cd "$M/dev" && sed -i s/a/b/ description'
is "nothing of it is done" "$(as_user gfs-bob 'cd "$M/dev" &&
	jq -r .settings.color settings.json && cat description')" "red
against"

# Many, in one go.
many=100000
[ "$LOAD" = small ] && many=5000
seq -f 'user%06.0f' 1 "$many" >"$T/names"
ok "many users are added" sh -c \
	"'$BUILD/groupctl' --socket '$SOCKET' user add - < '$T/names'"
mkdir "$M/many"
cd "$M/many" || exit 1
timed() {
	_began=$(date +%s%N)
	ok "$@"
	diag "$many members: $((($(date +%s%N) - _began) / 1000000)) ms"
}
timed "cat adds them" sh -c "cat '$T/names' > members"
timed "wc -l counts them and me" sh -c "test \$(cat members | wc -l) = $((many + 1))"
timed "sed -i promotes them" sed -i 's/^\(user.*\) member$/\1 admin/' members
is "all of them" "$(grep -c '^user.* admin$' members)" "$many"
sed 's/^user/-user/' "$T/names" >"$T/less"
echo "nobody-here" >>"$T/less"
fails "one bad line at the end" cp "$T/less" members
is "and all are still there" "$(wc -l <members)" $((many + 1))
timed "sed -i removes them" sed -i 's/^user\(.*\) admin$/-user\1/' members
is "all but me" "$(cat members)" "$ME admin"
cd /
done_testing
