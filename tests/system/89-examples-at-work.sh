#!/bin/sh
# SPDX-License-Identifier: MIT
# Examples of hosts and workers: a fleet that deploys, a queue, a hook of git;
# with hosts, workers and groupd killed in the middle.
# shellcheck source=tests/system/lib.sh
# In a mount namespace of its own, where /dev/fuse may be opened by all, as
# udev has it on a real machine.
[ "$(id -u)" != 0 ] || [ -n "${OWN_MOUNTS:-}" ] ||
	exec unshare --mount --propagation private \
		env OWN_MOUNTS=1 sh "$0" "$@"
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/examples.sh
. "$HERE/examples.sh"

mkdir "$T/dev"
MOUNTS="$MOUNTS $T/dev"
mount -t tmpfs tmpfs "$T/dev" && mknod -m 666 "$T/dev/fuse" c 10 229 &&
	mount --bind "$T/dev/fuse" /dev/fuse ||
	skip_all "cannot make a /dev/fuse for all"

# A fleet: two hosts, and who orders.
group deploy gfs-alice gfs-bob
cat >"$T/install" <<'END'
#!/bin/sh
echo "$2" >>"$1"
[ "$2" != v13 ] || { echo "no $2 here" >&2; exit 3; }
END
chmod +x "$T/install"
# host USER MOUNT
host() {
	background "$1" "sh '$EX/deploy/deploy-host' '$2/deploy' '$T/install' '$T/home-$1/done'"
}
host gfs-alice "$M"
host_alice=$PID
# The other one has a mount of his own, as another machine would.
own=$T/home-gfs-bob/groups
as_user gfs-bob "mkdir '$own'"
background gfs-bob "'$BUILD/groupfs' -f -o socket='$SOCKET' '$own'"
MOUNTS="$MOUNTS $own"
mounted() {
	[ "$(as_user gfs-bob "cat '$own/.me/name'")" = gfs-bob ]
}
ok "a host with a mount of his own" wait_for 10 mounted
host gfs-bob "$own"
host_bob=$PID
as_user gfs-carol "sh '$EX/deploy/deploy-order' '$M/deploy' v12 20" >"$T/out" 2>&1
is "deploy-order ends well when all hosts did it" $? 0
like "it prints who replied" "$(sort "$T/out")" '^gfs-alice: ok v12, [0-9]+ s$'
is "each host did it once" "$(cat "$T"/home-*/done)" "v12
v12"
as_user gfs-carol "sh '$EX/deploy/deploy-order' '$M/deploy' v13 20 gfs-bob" >"$T/out" 2>&1
is "it fails when a host does" $? 1
is "and says why" "$(cat "$T/out")" "gfs-bob: failed v13, status 3: no v13 here"
say gfs-bob deploy 'deploy v14'
say gfs-carol deploy 'deploy ../../etc' 'deploy -rf' 'deploy v1 v2' 'deploy v15'
both_did() {
	[ "$(sort -u "$T"/home-*/done | grep -cx "$1")" = 1 ] &&
		[ "$(cat "$T"/home-*/done | grep -cx "$1")" = 2 ]
}
ok "one line starts all" wait_for 10 both_did v15
is "only an admin's, and only a version's" \
	"$(sort -u "$T"/home-*/done | tr '\n' ' ')" "v12 v13 v15 "
stop "$host_bob" KILL
as_user gfs-carol "sh '$EX/deploy/deploy-order' '$M/deploy' v16 1" >"$T/out" 2>&1
is "it fails when one does not answer in time" $? 1
like "and says which one" "$(cat "$T/out")" '^gfs-bob: no answer in 1 s$'
host gfs-bob "$own"
ok "a host that comes back does what was ordered meanwhile" \
	wait_for 10 grep -qx v16 "$T/home-gfs-bob/done"
is "and nothing twice" "$(tr '\n' ' ' <"$T/home-gfs-bob/done")" "v12 v13 v15 v16 "
stop $PID
stop "$host_alice"
gone_out() {
	log deploy | grep -q '	gfs-bob	v12 goes out$'
}
inline gate | sed 's/tcarol/tgfs-carol/' >"$T/gate"
background gfs-bob "sh '$T/gate'"
ok "who waits for a word waits" wait_for 10 opened "$M/deploy/live"
say gfs-alice deploy 'approve v12'
say gfs-carol deploy 'approve v12'
ok "and goes on when it is said" wait_for 10 gone_out
is "by who may say it" "$(log deploy | tail -n 2 | cut -f2-)" \
	'gfs-carol	approve v12
gfs-bob	v12 goes out'

# A queue for three workers.
group jobs gfs-alice gfs-bob
cat >"$T/job" <<'END'
#!/bin/sh
cd "$1" || exit
mkdir busy || echo "two at a time" >>log
IFS= read -r text
[ "$text" != slow ] || {
	echo "$PPID" >worker
	until [ -e go ]; do sleep 0.02; done
}
echo "$SEQ $SENDER $text" >>log
rmdir busy
END
chmod +x "$T/job"
work=$T/home-gfs-alice
workers=
for _ in 1 2 3; do
	background gfs-alice "sh '$EX/queue/worker' '$M/jobs' '$T/job' '$work'"
	workers="$workers $PID"
done
say gfs-bob jobs 'a	tab' slow '%s -n "three"' four
ok "a job is being done" wait_for 10 test -s "$work/worker"
kill -KILL "$(cat "$work/worker")"
sleep 0.2
is "what was before it is done, what is behind it waits" \
	"$(cat "$work/log")" '1 gfs-bob a	tab'
touch "$work/go"
ok "all is done, though that worker was killed" wait_for 10 \
	grep -qx '4 gfs-bob four' "$work/log"
kill9_groupd
start_groupd
say gfs-bob jobs five
ok "it goes on when groupd was restarted" wait_for 15 \
	grep -qx '5 gfs-bob five' "$work/log"
is "in order, one at a time, and again what was not finished" \
	"$(cat "$work/log")" '1 gfs-bob a	tab
2 gfs-bob slow
2 gfs-bob slow
3 gfs-bob %s -n "three"
4 gfs-bob four
5 gfs-bob five'
pointer_is() {
	[ "$(as_user gfs-alice "cat '$M/jobs/last_read'")" = "$1" ]
}
ok "last_read says what is done" wait_for 5 pointer_is 5
for pid in $workers; do
	stop "$pid"
done


# A hook of git: one message a push.
group code gfs-alice
cat >"$T/git" <<'END'
set -e
export GIT_AUTHOR_NAME='Alice "%h" Ö' GIT_COMMITTER_NAME=alice \
	GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_EMAIL=a@example.org
cd "$HOME"
git init -q --bare it.git
cp "$EX/git/post-receive" it.git/hooks/post-receive
chmod +x it.git/hooks/post-receive
git init -q -b main work
cd work
git remote add origin ../it.git
commit() {
	git commit -q --allow-empty "$@"
}
push() {
	git push -q origin "$@" 2>>../pushed
}
commit -m 'not told: no group is set'
push main
git -C ../it.git config hooks.groupfs "$M/code"
commit -m 'one'
printf 'two %%s `x` $y \377\n\nits body' | commit -F - 2>/dev/null
push main
push 'main:refs/heads/fix/"$(id)`id`;é%s'
push HEAD:refs/heads/-rf
git tag -m 'a tag' v1
for i in $(seq 25); do commit -m "many $i"; done
push main v1
git reset -q --hard HEAD~25
commit -m 'rewound'
push +main
push :refs/heads/-rf
git -C ../it.git config hooks.groupfs "$M/none"
commit -m 'not told'
push main
END
as_user gfs-alice "sh '$T/git'" >"$T/out" 2>&1
is "pushes are never refused" "$?$(cat "$T/out")" 0
log code | cut -f3 | sed -E 's/[0-9a-f]{12}/HASH/g; s/[0-9a-f]{7}/HASH/g' >"$T/pushes"
pushed() {
	is "$1" "$(sed -n "$2p" "$T/pushes")" "push to it by gfs-alice$3"
}
is "each push is one message" "$(wc -l <"$T/pushes")" 6
author='Alice "%h" Ö    '
pushed "commits, the newest first, as they are" 1 \
	"\nmain: now at HASH\n  HASH $author two %s \`x\` \$y ÿ\n  HASH $author one"
pushed "a branch of an odd name" 2 \
	'\nfix/"$(id)`id`;é%s: now at HASH, new'
pushed "one that looks like an option" 3 '\n-rf: now at HASH, new'
like "many at once, and a tag" "$(sed -n 4p "$T/pushes")" \
	"nmain: now at HASH, more than 20 commits.*HASH $author many 6.nrefs/tags/v1: now at HASH, new\$"
is "no more than that" "$(sed -n 4p "$T/pushes" | grep -o 'many [0-9]*' | wc -l)" 20
pushed "a history that was rewound" 5 \
	"\nmain: now at HASH, not a fast-forward\n  HASH $author rewound"
pushed "a branch that is gone" 6 '\n-rf: deleted, was HASH'
like "where nobody can be told the pusher reads so" \
	"$(tail -n 1 "$T/home-gfs-alice/pushed")" \
	'post-receive: .*/none could not be told'
done_testing
