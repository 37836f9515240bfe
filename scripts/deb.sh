#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the Debian packages of this tree, in a copy of it.
#
# sh scripts/deb.sh VERSION OUT [NEXT OUT]     JOBS=N
#
# VERSION is the Makefile's; where debian/changelog has another, the copy gets
# an entry for it. The unit tests are `make test`'s, not run once more here.
# NEXT is a later version of the same, for who tries an upgrade: of the objects
# that are there, and without symbols.
set -eu
version=$1
cd "$(dirname "$0")/.."
rm -rf "$2" ${4:+"$4"}
mkdir -p "$2" ${4:+"$4"}
out=$(cd "$2" && pwd)
next=${4:+$(cd "$4" && pwd)}
tree=$out/groupfs-$version
mkdir "$tree"
if git rev-parse --git-dir >/dev/null 2>&1; then
	git ls-files -z --cached --others --exclude-standard
else
	find . -path './build*' -prune -o -type f -print0
fi | tar --null --ignore-failed-read -T - -cf - 2>/dev/null |
	tar -xf - -C "$tree"
cd "$tree"

# build VERSION OPTIONS ARGUMENT...: into $out.
build() {
	if [ "$(dpkg-parsechangelog -SVersion)" != "$1" ]; then
		{
			printf 'groupfs (%s) %s; urgency=medium\n\n' "$1" \
				"$(dpkg-parsechangelog -SDistribution)"
			printf '  * Version %s.\n\n -- %s  %s\n\n' "$1" \
				"$(dpkg-parsechangelog -SMaintainer)" \
				"$(date -R)"
			cat debian/changelog
		} >"$out/changelog"
		mv "$out/changelog" debian/changelog
	fi
	options=$2
	shift 2
	DEB_BUILD_OPTIONS="nocheck parallel=${JOBS:-1} $options" \
		dpkg-buildpackage -b -us -uc "$@" >"$out/log" 2>&1 || {
		tail -n 40 "$out/log" >&2
		echo "deb.sh: the build failed; all of it is in $out/log" >&2
		exit 1
	}
}

build "$version" ''
if [ -n "$next" ]; then
	dh_clean
	build "$3" noautodbgsym -nc
	mv "$out"/*_"$3"_* "$next"
fi
rm -rf "$tree"
ls "$out"/*.deb
