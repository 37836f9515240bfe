#!/bin/sh
# SPDX-License-Identifier: MIT
# The kernel keeps one set of pages of a file for all users. Whoever maps a
# or splices a file must not fill them for the next: there is read(2) only.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
start_groupd
mount_fs
# map.py FILE SECONDS-BEFORE SECONDS-AFTER: touches a private mapping.
cat >"$T/map.py" <<'END'
import mmap, os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
m = mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
print("mapped", flush=True)
time.sleep(float(sys.argv[2]))
print(m[:], flush=True)
time.sleep(float(sys.argv[3]))
END
: >"$T/alice.copy"
chmod 666 "$T/alice.copy"
ok "alice has a group" as_user gfs-alice \
	'mkdir "$M/a-open" && echo hello >> "$M/a-open/messages"'
ok "bob has one" as_user gfs-bob 'mkdir "$M/b-secret"'

# The pages go with each new mapping, so she maps last before he touches.
as_user gfs-bob "$PY '$T/map.py' '$M/.me/groups' 2 4" >"$T/bob" 2>&1 &
ours $!
ok "bob maps his list" wait_for 10 grep -q mapped "$T/bob"
as_user gfs-alice "$PY '$T/map.py' '$M/.me/groups' 3 0" >"$T/alice" 2>&1 &
alice=$!
ours $alice
ok "alice maps hers" wait_for 10 grep -q mapped "$T/alice"
ok "she has touched it after him" wait_gone 20 $alice
fails "alice does not see bob's group" grep -q b-secret "$T/alice"
fails "nor bob his own, that way" grep -q b-secret "$T/bob"
fails "messages are not mapped either" as_user gfs-alice \
	"$PY '$T/map.py' '$M/a-open/messages' 0 0"
like "and the sentence says so" "$(as_user gfs-alice 'cat "$M/.me/error"')" \
	'cannot be mapped'

is "reading goes on" "$(as_user gfs-alice 'cut -f4 "$M/a-open/messages"')" hello
is "by dd, too" "$(as_user gfs-alice \
	'dd if="$M/a-open/messages" bs=4k 2>/dev/null | cut -f4')" hello
ok "and by cp" as_user gfs-alice 'cp "$M/a-open/messages" /dev/null'
cat >"$T/splice.py" <<'END'
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
r, w = os.pipe()
print(os.splice(fd, w, 65536))
END
fails "splice(2) is refused" as_user gfs-alice \
	"$PY '$T/splice.py' '$M/a-open/messages'"
like "so that programs fall back to read(2)" "$(cat "$T/ok.out")" \
	'Invalid argument'
ok "as shutil does, which tries sendfile(2)" as_user gfs-alice \
	"$PY -c 'import shutil, sys
shutil.copyfile(*sys.argv[1:])' '$M/a-open/messages' '$T/alice.copy'"
is "and copies all" "$(cut -f4 "$T/alice.copy")" hello
done_testing
