#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the Debian packages of this tree, in a copy of it.
#
# sh scripts/deb.sh VERSION OUT     JOBS=N
#
# VERSION is the Makefile's; where debian/changelog has another, the copy gets
# an entry for it. The unit tests are `make test`'s, not run once more here.
set -eu
version=$1
cd "$(dirname "$0")/.."
rm -rf "$2"
mkdir -p "$2"
out=$(cd "$2" && pwd)
tree=$out/groupfs-$version
mkdir "$tree"
if git rev-parse --git-dir >/dev/null 2>&1; then
	git ls-files -z --cached --others --exclude-standard
else
	find . -path './build*' -prune -o -type f -print0
fi | tar --null --ignore-failed-read -T - -cf - 2>/dev/null |
	tar -xf - -C "$tree"
cd "$tree"
if [ "$(dpkg-parsechangelog -SVersion)" != "$version" ]; then
	{
		printf 'groupfs (%s) %s; urgency=medium\n\n' "$version" \
			"$(dpkg-parsechangelog -SDistribution)"
		printf '  * Version %s.\n\n -- %s  %s\n\n' "$version" \
			"$(dpkg-parsechangelog -SMaintainer)" "$(date -R)"
		cat debian/changelog
	} >"$out/changelog"
	mv "$out/changelog" debian/changelog
fi
DEB_BUILD_OPTIONS="nocheck parallel=${JOBS:-1}" \
	dpkg-buildpackage -b -us -uc >"$out/log" 2>&1 || {
	tail -n 40 "$out/log" >&2
	echo "deb.sh: the build failed; all of it is in $out/log" >&2
	exit 1
}
rm -rf "$tree"
ls "$out"/*.deb
