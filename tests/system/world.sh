# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154
# Machines to try things on as they are written: each is this one seen through
# an overlay, with processes, mounts and a network of its own, where groupfs is
# installed below /usr/local and alice, bob, carol and eve live. Nothing of the
# real machine changes. Sourced after lib.sh by a test that has mounts of its
# own (unshare -m):
#
#   world_base                 once
#   world_run NAME COMMAND...  runs it as root in a new one
#
# In it $TOP, $HERE and $BUILD are where they are outside.

# overlay NAME LOWER: mounts it at $T/w/NAME/root.
overlay() {
	mkdir -p "$T/w/$1/upper" "$T/w/$1/work" "$T/w/$1/root"
	mount -t overlay overlay "$T/w/$1/root" -o \
		"lowerdir=$2,upperdir=$T/w/$1/upper,workdir=$T/w/$1/work" &&
		MOUNTS="$T/w/$1/root $MOUNTS" || return 1
	# Where the checkout is a file system of its own.
	[ -e "$T/w/$1/root$TOP/Makefile" ] ||
		mount --bind "$TOP" "$T/w/$1/root$TOP"
}

world_base() {
	mkdir "$T/w" && mount -t tmpfs -o mode=755 tmpfs "$T/w" &&
		MOUNTS="$T/w $MOUNTS" && overlay base / ||
		skip_all "cannot mount an overlay"
	# /dev/fuse may be opened by all, as udev has it on a real machine.
	mknod -m 666 "$T/w/fuse" c 10 229
	chroot "$T/w/base/root" sh -ec "
		make -C '$TOP' -o all BUILD='$BUILD' V=0 install
		for name in alice bob carol eve; do
			id \$name >/dev/null 2>&1 || useradd -m -s /bin/sh \$name
			install -d -o \$name -m 700 /run/user/\$name
		done
		rm -rf /var/lib/groupd /run/groupd /etc/groupd.conf /groups
	" >"$T/world.out" 2>&1 || {
		diag "no world: $(tail -n 5 "$T/world.out")"
		exit 1
	}
	umount "$T/w/base/root"
}

# The first process there hears SIGTERM only where it says so.
_first='trap "exit 143" TERM
ip link set lo up
cd /root || exit
"$@" &
wait $!'

world_run() {
	_name=$1
	shift
	overlay "$_name" "$T/w/base/upper:/" || exit 1
	_root=$T/w/$_name/root
	mount --rbind /dev "$_root/dev" &&
		mount --bind "$T/w/fuse" "$_root/dev/fuse" &&
		mount -t tmpfs -o mode=755 tmpfs "$_root/var/lib" || exit 1
	unshare --mount --pid --net --fork --kill-child --root="$_root" \
		--mount-proc env -i LC_ALL=C.UTF-8 TOP="$TOP" HERE="$HERE" \
		BUILD="$BUILD" GROUPFS_TEST_ID="$GROUPFS_TEST_ID" \
		GROUPFS_TEST_PATIENCE="${GROUPFS_TEST_PATIENCE:-1}" \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		sh -c "$_first" first "$@" </dev/null &
	ours $!
	wait $!
	umount -R "$_root"
}
