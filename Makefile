# SPDX-License-Identifier: MIT
# groupfs: make run | make test | make lint; the rest is in CONTRIBUTING.md.

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec/groupfs
MANDIR ?= $(PREFIX)/share/man
DESTDIR ?=
CC ?= cc
SAN ?=
comma := ,
BUILD ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(filter clang%,$(CC)),-clang)
V ?= 0
Q = $(if $(filter 1,$(V)),,@)

VERSION = 0.1.0
WARN = -Wall -Wextra -Wpedantic -Wconversion -Wvla -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wformat=2 -Wundef -Wwrite-strings -Werror
HARDEN = -fstack-protector-strong -fPIE $(if $(SAN),,-D_FORTIFY_SOURCE=2)
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c17 $(WARN) $(HARDEN) $(CFLAGS) -fno-omit-frame-pointer -pthread \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all) \
	-D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=314 \
	-DGROUPFS_VERSION='"$(VERSION)"' -DGROUPFS_LIBEXECDIR='"$(LIBEXECDIR)"' -I.
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now -pthread $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)

pkg_cflags = $(shell pkg-config --cflags $(1))
pkg_libs = $(shell pkg-config --libs $(1))

LIB_SRC := $(wildcard lib/*.c)
STORE_SRC := $(wildcard store/*.c)
DAEMON_SRC := $(wildcard daemon/*.c)
GATEWAY_SRC := $(wildcard daemon/gateway/*.c)
CTL_SRC := $(wildcard daemon/ctl/*.c)
FS_SRC := $(wildcard fs/*.c)
SUPPORT_SRC := $(wildcard tests/support/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
SRC := $(LIB_SRC) $(STORE_SRC) $(DAEMON_SRC) $(GATEWAY_SRC) $(CTL_SRC) $(FS_SRC)

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
# What a test may link: all of a folder but its main().
testable = $(filter-out %/main.o,$(call obj,$(1)))

PROGRAMS = $(BUILD)/groupd $(BUILD)/groupd-gateway $(BUILD)/groupfs $(BUILD)/groupctl
UNIT_TESTS = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))

all: $(PROGRAMS)

LIBS_BASE = $(call pkg_libs,libuv jansson)
$(BUILD)/groupd: $(call obj,$(DAEMON_SRC) $(STORE_SRC) $(LIB_SRC))
$(BUILD)/groupd: LDLIBS = $(LIBS_BASE) $(call pkg_libs,sqlite3 libcrypto)
$(BUILD)/groupd-gateway: $(call obj,$(GATEWAY_SRC) $(LIB_SRC))
$(BUILD)/groupd-gateway: LDLIBS = $(LIBS_BASE) $(call pkg_libs,libwebsockets)
$(BUILD)/groupfs: $(call obj,$(FS_SRC) $(LIB_SRC))
$(BUILD)/groupfs: LDLIBS = $(LIBS_BASE) $(call pkg_libs,fuse3)
$(BUILD)/groupctl: $(call obj,$(CTL_SRC) $(LIB_SRC))
$(BUILD)/groupctl: LDLIBS = $(LIBS_BASE)
$(PROGRAMS):
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/fs/%.o: EXTRA = $(call pkg_cflags,fuse3)
$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(ALL_CFLAGS) $(EXTRA) -MMD -MP -c -o $@ $<

# Everything is built again when the flags or the compiler change.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' > $@

# Unit tests: one binary each, linked with all folders that it may test.
$(BUILD)/tests/%.o: EXTRA = $(call pkg_cflags,fuse3)
$(BUILD)/libtest.a: $(call testable,$(LIB_SRC) $(STORE_SRC) $(DAEMON_SRC) $(FS_SRC)) $(call obj,$(SUPPORT_SRC))
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libtest.a
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,cmocka sqlite3 libcrypto fuse3) $(LIBS_BASE)

unit-tests: $(UNIT_TESTS)
test-unit: $(UNIT_TESTS)
	$(Q)sh tests/unit/run.sh $(UNIT_TESTS)

clean:
	rm -rf build build-* compile_commands.json

FORCE:
.PHONY: all clean unit-tests test-unit FORCE
.SECONDARY:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
