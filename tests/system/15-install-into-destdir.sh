#!/bin/sh
# SPDX-License-Identifier: MIT
# make install puts each file where a packager wants it, and what is installed
# runs from there.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
[ "$LOAD" != small ] || skip_all "it is built without sanitizers, anyhow"
# A build of its own, of the objects that are there: a file that has the prefix
# in it is compiled anew. (The tests' build stays as it is.)
mkdir "$T/build"
(cd "$BUILD" && cp -a daemon store lib fs flags packaged "$T/build")
ok "make install DESTDIR= PREFIX=" make -C "$TOP" -j2 SAN= CC=cc \
	BUILD="$T/build" PREFIX=/usr DESTDIR="$T/root" install
ok "groupd knows the prefix" grep -q /usr/libexec/groupfs \
	"$T/root/usr/sbin/groupd"
for file in usr/sbin/groupd usr/bin/groupfs usr/bin/groupctl \
	usr/libexec/groupfs/groupd-gateway; do
	ok "$file is a program" test -x "$T/root/$file"
done
for page in "$TOP"/man/*.[1-9]; do
	name=${page##*/}
	ok "man page $name" test -s "$T/root/usr/share/man/man${name##*.}/$name"
done
ok "there are man pages" test -d "$T/root/usr/share/man"
for document in openapi asyncapi; do
	same "$document.json is there" "$TOP/man/$document.json" \
		"$T/root/usr/share/doc/groupfs/$document.json"
done
same "bash finds its completion" "$TOP/completion/groupctl.bash" \
	"$T/root/usr/share/bash-completion/completions/groupctl"
same "zsh finds its one" "$TOP/completion/_groupctl" \
	"$T/root/usr/share/zsh/site-functions/_groupctl"
(cd "$TOP/examples" && find . -type f -printf '%p %m\n' | sort) >"$T/examples"
(cd "$T/root/usr/share/doc/groupfs/examples" &&
	find . -type f -printf '%p %m\n' | sort) >"$T/installed"
same "the examples are there, the programs among them as such" \
	"$T/examples" "$T/installed"
ok "the licence is there" test -s "$T/root/usr/share/doc/groupfs/LICENSE"
is "nothing else is" "$(ls "$T/root" && ls "$T/root/usr")" "usr
bin
lib
libexec
sbin
share"
is "lib has what is systemd's" \
	"$(cd "$T/root/usr/lib" && find . -type f | sort)" \
	"./systemd/system/groupd.service
./systemd/system/groupd.socket
./sysusers.d/groupd.conf
./tmpfiles.d/groupd.conf"
like "the service starts what is installed" \
	"$(cat "$T/root/usr/lib/systemd/system/groupd.service")" \
	'^ExecStart=/usr/sbin/groupd$'
for program in usr/sbin/groupd usr/bin/groupfs usr/bin/groupctl; do
	like "$program knows its version" \
		"$("$T/root/$program" --version 2>&1)" '[0-9]+\.[0-9]+'
done
done_testing
