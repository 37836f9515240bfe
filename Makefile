# SPDX-License-Identifier: MIT
# groupfs: make run | make test | make lint; the rest is in CONTRIBUTING.md.

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec/groupfs
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/groupfs
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR ?= $(PREFIX)/share/zsh/site-functions
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
DESTDIR ?=
CC ?= cc
SAN ?=
# LOCKS=no: without Landlock and seccomp, for a debugger.
LOCKS ?= yes
# Which system tests: make test-system T='03*'
T ?= [0-9]*
comma := ,
BUILD ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(filter no,$(LOCKS)),-unlocked)$(if $(filter clang%,$(CC)),-clang)
JOBS ?= $(shell nproc)
# Most of a test is waiting.
TESTS_AT_A_TIME ?= $(shell expr $(JOBS) \* 2)
V ?= 0
Q = $(if $(filter 1,$(V)),,@)

VERSION = 0.1.0
WARN = -Wall -Wextra -Wpedantic -Wconversion -Wvla -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wformat=2 -Wundef -Wwrite-strings -Werror
HARDEN = -fstack-protector-strong -fstack-clash-protection -fPIE \
	$(if $(filter x86_64-% i%86-%,$(shell $(CC) -dumpmachine)),-fcf-protection) \
	$(if $(SAN)$(findstring _FORTIFY_SOURCE,$(CPPFLAGS)$(CFLAGS)),,-D_FORTIFY_SOURCE=2)
CFLAGS ?= $(if $(SAN),-O1,-O2) -g
ALL_CFLAGS = -std=c17 $(WARN) $(HARDEN) $(CPPFLAGS) $(CFLAGS) -fno-omit-frame-pointer -pthread \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all) \
	$(if $(filter no,$(LOCKS)),-DSANDBOX_OFF) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=314 -I.
# What a packager sets, for the few files that have it in them.
PACKAGED = -DGROUPFS_VERSION='"$(VERSION)"' -DGROUPFS_LIBEXECDIR='"$(LIBEXECDIR)"'
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now -pthread $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)

pkg_cflags = $(shell pkg-config --cflags $(1))
pkg_libs = $(shell pkg-config --libs $(1))

LIB_SRC := $(wildcard lib/*.c)
STORE_SRC := $(wildcard store/*.c)
SQL_FILES := $(wildcard store/*.sql)
SQL_OBJ = $(BUILD)/store/postgres_sql.o
DAEMON_SRC := $(wildcard daemon/*.c)
GATEWAY_SRC := $(wildcard daemon/gateway/*.c)
WEB_FILES := $(addprefix daemon/gateway/web/,index.html app.js app.css)
WEB_OBJ = $(BUILD)/daemon/gateway/web/web.o
CTL_SRC := $(wildcard daemon/ctl/*.c)
FS_SRC := $(wildcard fs/*.c)
SUPPORT_SRC := $(wildcard tests/support/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
BENCH_SRC := $(wildcard tests/bench/*.c)
TORTURE_SRC := $(wildcard tests/torture/*.c)
SIM_SRC := $(wildcard tests/sim/*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
SYSTEM_TESTS = $(wildcard tests/system/$(T).sh)
WEB_TESTS = $(wildcard tests/web/[0-9]*.sh)
SRC := $(LIB_SRC) $(STORE_SRC) $(DAEMON_SRC) $(GATEWAY_SRC) $(CTL_SRC) $(FS_SRC)

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
# What a test may link: all of a folder but its main(), and what stands for
# recv(2) and for libuv's functions.
testable = $(filter-out %/main.o %/intercept.o %/polls.o,$(call obj,$(1)))

PROGRAMS = $(BUILD)/groupd $(BUILD)/groupd-gateway $(BUILD)/groupfs $(BUILD)/groupctl
UNIT_TESTS = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))

all: $(PROGRAMS)

LIBS_BASE = $(call pkg_libs,libuv jansson libseccomp)
# What the store is linked with, and what all that a unit test may have is.
STORE_PKGS = sqlite3 libxxhash libpq
TEST_PKGS = cmocka $(STORE_PKGS) hiredis libcrypto libarchive fuse3
$(BUILD)/groupd: $(call obj,$(DAEMON_SRC) $(STORE_SRC) $(LIB_SRC)) $(SQL_OBJ)
$(BUILD)/groupd: LDLIBS = $(LIBS_BASE) $(call pkg_libs,$(STORE_PKGS) hiredis libcrypto)
$(BUILD)/groupd-gateway: $(call obj,$(GATEWAY_SRC) $(LIB_SRC)) $(WEB_OBJ)
$(BUILD)/groupd-gateway: LDLIBS = $(LIBS_BASE) $(call pkg_libs,libwebsockets libssl libcrypto)
$(BUILD)/groupfs: $(call obj,$(FS_SRC) $(LIB_SRC))
$(BUILD)/groupfs: LDLIBS = $(LIBS_BASE) $(call pkg_libs,fuse3)
$(BUILD)/groupctl: $(call obj,$(CTL_SRC) $(STORE_SRC) $(LIB_SRC)) $(SQL_OBJ)
$(BUILD)/groupctl: LDLIBS = $(LIBS_BASE) $(call pkg_libs,$(STORE_PKGS) libarchive libcrypto)
$(PROGRAMS):
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/fs/%.o: EXTRA = $(call pkg_cflags,fuse3)
$(BUILD)/store/%.o: EXTRA = $(call pkg_cflags,libpq)
$(BUILD)/tests/%.o: EXTRA = $(call pkg_cflags,fuse3 libpq)
PACKAGED_OBJ := $(call obj,$(shell grep -lE 'GROUPFS_(VERSION|LIBEXECDIR)' $(SRC)))
$(PACKAGED_OBJ): TOLD = $(PACKAGED)
$(PACKAGED_OBJ): $(BUILD)/packaged
$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(ALL_CFLAGS) $(TOLD) $(EXTRA) -MMD -MP -c -o $@ $<

# The web page and the store's SQL, with their files as they are.
$(WEB_OBJ): daemon/gateway/web/web.S $(WEB_FILES) $(BUILD)/flags
$(SQL_OBJ): store/postgres_sql.S $(SQL_FILES) $(BUILD)/flags
$(WEB_OBJ) $(SQL_OBJ):
	@mkdir -p $(@D)
	@echo "  AS    $<"
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

# Everything is built again when the flags or the compiler change; the few when
# what a packager sets does.
write_if_new = echo '$(1)' | cmp -s - $@ || echo '$(1)' > $@
$(BUILD)/flags: FORCE
	@pkg-config --exists libseccomp fuse3 $(STORE_PKGS) hiredis libuv libwebsockets jansson libcrypto libssl libarchive || \
		{ echo "Libraries are missing. Install them with: make deps" >&2; exit 1; }
	@mkdir -p $(@D)
	@$(call write_if_new,$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS))
$(BUILD)/packaged: FORCE
	@mkdir -p $(@D)
	@$(call write_if_new,$(PACKAGED))

# Unit tests: one binary each, linked with all folders that it may test.
$(BUILD)/libtest.a: $(call testable,$(LIB_SRC) $(STORE_SRC) $(DAEMON_SRC) $(GATEWAY_SRC) $(CTL_SRC) $(FS_SRC)) $(call obj,$(SUPPORT_SRC)) $(WEB_OBJ) $(SQL_OBJ) Makefile
	$(Q)rm -f $@ && ar rcsP $@ $(filter %.o,$^)
$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libtest.a
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $(SIM_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(call pkg_libs,$(TEST_PKGS)) $(LIBS_BASE)
# It stands for functions of libuv, as the simulator does.
$(BUILD)/unit/test_polls: $(BUILD)/daemon/gateway/polls.o
unit-tests: $(UNIT_TESTS)

# The simulator: what the core asks of the world outside it gets from tests/sim.
SIM_WRAPPED = pthread_create pthread_join pthread_setname_np usleep \
	pthread_mutex_init pthread_mutex_destroy pthread_mutex_lock pthread_mutex_unlock \
	pthread_rwlock_init pthread_rwlock_destroy pthread_rwlock_wrlock pthread_rwlock_unlock \
	pthread_cond_init pthread_cond_destroy pthread_cond_wait pthread_cond_clockwait \
	pthread_cond_signal pthread_cond_broadcast getpwuid_r getpwnam_r \
	store_begin store_commit store_rollback store_snapshot store_release store_append \
	store_edit_members store_set_read store_set_info store_create_group \
	store_delete_group store_trim
SIM_OBJ = $(filter-out %/main.o,$(call obj,$(SIM_SRC)))
$(BUILD)/unit/test_sim: $(SIM_OBJ)
$(BUILD)/sim/sim: $(call obj,$(SIM_SRC)) $(BUILD)/libtest.a
$(BUILD)/unit/test_sim $(BUILD)/sim/sim: SIM_LDFLAGS = $(addprefix -Wl$(comma)--wrap=,$(SIM_WRAPPED))
$(BUILD)/sim/sim:
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $(SIM_LDFLAGS) -o $@ $^ $(call pkg_libs,$(TEST_PKGS)) $(LIBS_BASE)
# make sim SEED=n STORE=sqlite: one of them again.
SEEDS ?= 10000
SEED ?=
STORE ?=
sim: $(BUILD)/sim/sim
	$(Q)for store in $(or $(STORE),memory sqlite); do \
		$(BUILD)/sim/sim $$store $(if $(SEED),$(SEED) 1,1 $(SEEDS)) 1000 $(JOBS) || exit 1; done

# Fuzzing, benchmarks, and crashes without end: each where its scripts are.
include tests/fuzz/fuzz.mk tests/bench/bench.mk tests/torture/torture.mk

# What takes long and is no part of a change's tests.

# ThreadSanitizer; PART=unit or PART=system alone, of that T='0*'. It counts what
# fibers of the simulator do as done by threads of its own, which have no locks.
TSAN_SKIPPED = test_sim
tsan_build = build-thread-unlocked
TSAN_UNIT = $(patsubst tests/unit/%.c,$(tsan_build)/unit/%,$(filter-out $(TSAN_SKIPPED:%=tests/unit/%.c),$(UNIT_SRC)))
test-tsan:
	$(Q)sh scripts/deps.sh run test
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) SAN=thread LOCKS=no BUILD=$(tsan_build) all $(tsan_build)/torture/faults.so $(TSAN_UNIT)
	$(Q)BUILD=$(abspath $(tsan_build)) JOBS=$(TESTS_AT_A_TIME) GROUPFS_TEST_LOAD=small \
		sh tests/tsan.sh $(if $(filter system,$(PART)),,$(TSAN_UNIT)) $(if $(filter unit,$(PART)),,$(SYSTEM_TESTS))
# The tour of README.md, eight writers and a list of members, each program under
# memcheck; a minute. groupd gives a gateway 5 s to say hello: on a machine that
# has much else to do valgrind takes longer to start (chrt -r 1 make ...).
VALGRIND_TESTS = $(wildcard $(addprefix tests/system/,$(addsuffix -*.sh,01 04 10)))
test-valgrind: all
	$(Q)sh scripts/deps.sh run test analyze
	$(Q)BUILD=$(abspath $(BUILD)) GROUPFS_TEST_LOAD=small sh tests/valgrind.sh $(VALGRIND_TESTS)

# The two commands, and their parts.
deps:
	$(Q)sh scripts/deps.sh run
run: deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all
	$(Q)exec sh scripts/run.sh $(BUILD)

# Two nodes on this machine, with PostgreSQL and Redis of their own.
run-cluster:
	$(Q)sh scripts/deps.sh run cluster
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all
	$(Q)exec sh examples/cluster/up.sh $(BUILD)

RUN_TESTS = BUILD=$(abspath $(BUILD)) JOBS=$(TESTS_AT_A_TIME) sh tests/run.sh
test-deps:
	$(Q)sh scripts/deps.sh run test
test: test-deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all unit-tests $(BUILD)/torture/faults.so $(if $(SAN),fuzz-tests)
	$(Q)$(RUN_TESTS) $(UNIT_TESTS) $(if $(SAN),$(FUZZ_TESTS)) $(WEB_TESTS) $(SYSTEM_TESTS)
test-unit: unit-tests
	$(Q)$(RUN_TESTS) $(UNIT_TESTS)
test-system: all $(BUILD)/torture/faults.so
	$(Q)$(RUN_TESTS) $(SYSTEM_TESTS)
test-web: all
	$(Q)$(RUN_TESTS) $(WEB_TESTS)

# The cluster's own tests, and those of the system on two nodes: a few that
# say most, or those that T='...' names.
test-cluster-deps:
	$(Q)sh scripts/deps.sh run test cluster
test-cluster: test-cluster-deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all
	$(Q)BUILD=$(abspath $(BUILD)) JOBS=$(TESTS_AT_A_TIME) \
		sh tests/cluster/run.sh $(if $(filter-out [0-9]*,$(T)),'$(T)')

# Breaks the code on purpose, one patch of tests/mutants at a time, and sees the
# test that it names fail. M='store-*': some of them.
mutants: test-deps
	$(Q)set -f; JOBS=$(JOBS) sh tests/mutants/run.sh $(M)

# Debian packages, into build/deb (AND_NEXT="VERSION OUT": those of a later
# version, too); their test needs root, and apt the first time.
deb:
	$(Q)sh scripts/deps.sh run deb
	$(Q)JOBS=$(JOBS) sh scripts/deb.sh $(VERSION) build/deb $(AND_NEXT)
test-deb:
	$(Q)sh scripts/deps.sh run deb
	$(Q)JOBS=1 sh tests/run.sh tests/deb/packages.sh

# Lint: each part stands alone, all of them run one after the other.
C_FILES = $(SRC) $(SUPPORT_SRC) $(UNIT_SRC) $(BENCH_SRC) $(TORTURE_SRC) $(SIM_SRC) $(wildcard tests/fuzz/*.c)
H_FILES = $(wildcard */*.h */*/*.h)
LINTS = check-layers check-map check-headers check-format check-size check-clang check-cppcheck check-tidy check-shell check-man check-web check-mutants
lint:
	$(Q)sh scripts/deps.sh run test lint
	$(Q)for part in $(LINTS); do $(MAKE) --no-print-directory $$part || exit 1; done
check-layers:
	$(Q)sh tests/lint/layers.sh
check-map:
	$(Q)sh tests/lint/map.sh $(SRC) $(SQL_FILES) $(filter-out tests/%,$(H_FILES))
check-headers:
	$(Q)sh tests/lint/headers.sh "$(CC)" $(H_FILES) -- $(ALL_CFLAGS) $(call pkg_cflags,fuse3 libpq)
check-format:
	$(Q)clang-format --dry-run -Werror $(C_FILES) $(H_FILES)
check-size:
	$(Q)sh tests/lint/size.sh $(C_FILES)
# No warning of WARN needs the code: what is seen without it is the same.
check-clang:
	$(Q)printf '%s\n' $(C_FILES) | xargs -P$(JOBS) -n16 clang -fsyntax-only $(ALL_CFLAGS) $(PACKAGED) $(call pkg_cflags,fuse3 libpq)
check-cppcheck:
	$(Q)cppcheck -j$(JOBS) --quiet --error-exitcode=1 --std=c11 --inline-suppr --suppressions-list=tests/lint/cppcheck.txt \
		--enable=warning,performance,portability -I. -D_GNU_SOURCE -D__linux__ $(SRC)
check-tidy: compile_commands.json
	$(Q)printf '%s\n' $(SRC) | xargs -P$(JOBS) -n1 clang-tidy --quiet -p .
# What two compilers find on paths through a file; minutes each. Exceptions are
# named, with their reasons, in tests/lint/analyzer.txt.
ANALYZE = printf '%s\n' $(SRC) | JOBS=$(JOBS) CFLAGS="$$FLAGS" sh tests/lint/analyzer.sh
check-analyzer:
	$(Q)export CC=gcc && $(ANALYZE)
check-scan-build:
	$(Q)export CC=clang && $(ANALYZE)
check-analyzer check-scan-build: export FLAGS = $(ALL_CFLAGS) $(PACKAGED) $(call pkg_cflags,fuse3 libpq)
check-shell:
	$(Q)printf '%s\n' .ci/run scripts/*.sh tests/run.sh tests/valgrind.sh tests/tsan.sh tests/lint/*.sh tests/support/*.sh tests/system/*.sh tests/web/*.sh tests/bench/*.sh tests/deb/*.sh tests/cluster/*.sh tests/mutants/*.sh tests/fuzz/*.sh tests/torture/*.sh \
		$(shell grep -lr '^#!/bin/sh' examples) | xargs -P$(JOBS) -n8 shellcheck -x -S warning
check-man:
	$(Q)sh tests/lint/man.sh $(wildcard man/*.[1-9])
check-web:
	$(Q)sh tests/lint/web.sh daemon/gateway/web
check-mutants:
	$(Q)sh tests/mutants/run.sh --check

# One entry a file, from the flags above; made anew where they or the files change.
compile_commands.json: $(BUILD)/flags $(BUILD)/packaged $(C_FILES)
	$(Q){ echo '['; for f in $(C_FILES); do \
		printf '%s{"directory":"%s","file":"%s","command":"%s"}\n' "$$sep" '$(CURDIR)' "$$f" \
		"$$(printf '%s' "$$FLAGS" | sed 's/[\\"]/\\&/g') -c $$f"; sep=,; done; echo ']'; } > $@
compile_commands.json: export FLAGS = $(CC) $(ALL_CFLAGS) $(PACKAGED) $(call pkg_cflags,fuse3 libpq)

install: all
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(SBINDIR) $(LIBEXECDIR) $(MANDIR) $(DOCDIR) $(BASHCOMPDIR) $(ZSHCOMPDIR))
	install $(BUILD)/groupfs $(BUILD)/groupctl $(DESTDIR)$(BINDIR)
	install $(BUILD)/groupd $(DESTDIR)$(SBINDIR)
	install $(BUILD)/groupd-gateway $(DESTDIR)$(LIBEXECDIR)
	$(Q)for page in $(wildcard man/*.[1-9]); do dir=$(DESTDIR)$(MANDIR)/man$${page##*.}; \
		install -d $$dir && install -m 644 $$page $$dir || exit 1; done
	install -m 644 completion/groupctl.bash $(DESTDIR)$(BASHCOMPDIR)/groupctl
	install -m 644 completion/_groupctl $(DESTDIR)$(ZSHCOMPDIR)
	install -d $(addprefix $(DESTDIR),$(UNITDIR) $(SYSUSERSDIR) $(TMPFILESDIR))
	install -m 644 $(wildcard systemd/groupd.*) $(DESTDIR)$(UNITDIR)
	sed -i 's#@SBINDIR@#$(SBINDIR)#' $(DESTDIR)$(UNITDIR)/groupd.service
	install -m 644 systemd/sysusers.d/groupd.conf $(DESTDIR)$(SYSUSERSDIR)
	install -m 644 systemd/tmpfiles.d/groupd.conf $(DESTDIR)$(TMPFILESDIR)
	install -m 644 README.md LICENSE $(wildcard man/*.json) $(DESTDIR)$(DOCDIR)
	find examples -type f -perm -u+x -exec install -D -m 755 {} $(DESTDIR)$(DOCDIR)/{} \;
	find examples -type f ! -perm -u+x -exec install -D -m 644 {} $(DESTDIR)$(DOCDIR)/{} \;

clean:
	rm -rf build build-* compile_commands.json

FORCE:
.PHONY: all unit-tests deps run run-cluster test-deps test test-unit test-system test-web test-cluster-deps test-cluster torture-cluster torture-disk torture soak mutants sim bench bench-cluster deb test-deb bench-fs bench-ws bench-catchup bench-send bench-flat bench-instructions instructions-deps lint $(LINTS) fuzz-tests fuzz-build fuzz fuzz-short test-fuzz fuzz-merge fuzz-coverage check-analyzer check-scan-build fuzz-daemon test-tsan test-valgrind install clean FORCE
.SECONDARY:

# Not of the package's tree, which has a folder of such a name.
-include $(shell find $(BUILD) -path $(BUILD)/deb -prune -o -name '*.d' -print 2>/dev/null)
