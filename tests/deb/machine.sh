# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# A clean Debian with systemd as its process 1, for tests of packages: sourced
# after lib.sh. What it is made of is kept in $CACHE, so that only the first
# run needs a mirror:
#
#   make_base DEB...   debootstrap's minbase with systemd, and, downloaded and
#                      not installed, what those packages depend on
#   start_machine      boots a copy of it, without a network
#   inside COMMAND...  runs there as root; as USER 'SHELL COMMAND'
#   stop_machine
#
# Sets: ROOT (its files), LEADER (its process 1, seen from here).

CACHE=${GROUPFS_TEST_CACHE:-/var/cache/groupfs-test}
# shellcheck disable=SC1091
SUITE=$(. /etc/os-release && echo "$VERSION_CODENAME")
ROOT=$T/machine
NSPAWN=
LEADER=

need_machine() {
	[ "$(id -u)" = 0 ] || skip_all "needs root, to make a machine"
	for program in debootstrap systemd-nspawn nsenter; do
		command -v $program >/dev/null ||
			skip_all "needs $program (scripts/deps.sh run deb)"
	done
	mkdir -p "$CACHE" "$T/try" &&
		mount -t tmpfs none "$T/try" 2>/dev/null ||
		skip_all "needs the right to mount"
	umount "$T/try"
}

# Another base for other dependencies.
base_name() {
	depends=$(for deb in "$@"; do dpkg-deb -f "$deb" Depends; done |
		cat - "$TOP/tests/deb/machine.sh" | sha256sum | cut -c1-16)
	echo "$SUITE-$(dpkg --print-architecture)-$depends"
}

fill_base() {
	debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus \
		"$SUITE" "$BASE.new" &&
		mkdir "$BASE.new/debs" && cp "$@" "$BASE.new/debs" &&
		chroot "$BASE.new" sh -c 'apt-get -q update &&
			apt-get -q -y --no-install-recommends --download-only \
				install /debs/*.deb' &&
		rm -r "$BASE.new/debs" &&
		echo machine >"$BASE.new/etc/hostname" &&
		mv "$BASE.new" "$BASE"
}

make_base() {
	BASE=$CACHE/$(base_name "$@")
	[ -d "$BASE" ] && return
	# One kind of them is enough on a disk.
	rm -rf "$CACHE"/*-????????????????  "$BASE.new"
	fill_base "$@" >"$T/base.log" 2>&1 </dev/null
}

# Of BASE only what is changed is copied, where the kernel can do that.
lay_root() {
	mkdir -p "$ROOT" "$T/over"
	mount -t tmpfs -o mode=755 none "$T/over" &&
		mkdir "$T/over/up" "$T/over/work" &&
		mount -t overlay -o \
			"lowerdir=$BASE,upperdir=$T/over/up,workdir=$T/over/work" \
			groupfs-test "$ROOT" 2>/dev/null && return
	cp -a "$BASE/." "$ROOT"
}

is_up() {
	LEADER=$(cat "/proc/$NSPAWN/task/$NSPAWN/children")
	LEADER=${LEADER%% *}
	[ -n "$LEADER" ] || return
	case $(inside systemctl is-system-running 2>/dev/null) in
	running | degraded) ;;
	*) return 1 ;;
	esac
}

start_machine() {
	lay_root || return
	# What a real machine lets its services do, and a container does not.
	systemd-nspawn -D "$ROOT" --boot --register=no --keep-unit --quiet \
		--system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
		--private-network --bind=/dev/fuse --console=pipe \
		>"$T/console.txt" 2>&1 </dev/null &
	NSPAWN=$!
	trap 'stop_machine; cleanup' EXIT
	wait_for 60 is_up
}

inside() {
	nsenter -t "$LEADER" -m -u -i -n -p -- env -i LC_ALL=C.UTF-8 \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
		"$@" </dev/null
}

as() {
	inside setpriv --reuid "$1" --regid "$1" --init-groups \
		sh -c "cd / && $2"
}

# Also half started: nothing of it is left.
stop_machine() {
	[ -n "$NSPAWN" ] || return 0
	inside systemctl --no-block poweroff 2>/dev/null
	wait_gone 20 "$NSPAWN" || kill -KILL ${LEADER:+"$LEADER"} "$NSPAWN"
	wait "$NSPAWN" 2>/dev/null
	NSPAWN=
	umount -l "$ROOT" "$T/over" 2>/dev/null
	return 0
}
