# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the tests of the page source behind tests/system/lib.sh:
#
#   need_browser FOLDER; start_groupd; ...
#   serve() { ...; }   # does what the browser's side asks for, by a word
#   talk SCRIPT
PACKAGE=playwright-core
VERSION=1.65.1

# need_browser FOLDER: below build/, the test's own: two npm at work in one lose
# what the other brings.
need_browser() {
	[ "$LOAD" = full ] || skip_all "the page is the same with sanitizers"
	NPM=$TOP/build/$1
	SHOTS=${GROUPFS_TEST_SHOTS:-$T/shots}
	DO=$T/do
	export NPM SHOTS DO M T
	for program in chromium npm node; do
		command -v $program >/dev/null ||
			skip_all "$program is not here"
	done
	mkdir -p "$SHOTS"
	ok "npm has $PACKAGE $VERSION" npm install --prefix "$NPM" --no-audit \
		--no-fund --prefer-offline "$PACKAGE@$VERSION"
}

# talk SCRIPT: what it asks for is a word in $DO, which goes when it is done.
talk() {
	node "$TOP/tests/web/$1" >"$T/rows" 2>"$T/browser.log" &
	ours $!
	browsers=$!
	until is_ended $browsers; do
		[ ! -e "$DO" ] || {
			serve "$(cat "$DO")" 2>>"$T/serve.log"
			rm "$DO"
		}
		sleep 0.05
	done
	wait $browsers
	is "the conversation came to its end" $? 0
	results "$T/rows"
}
