# SPDX-License-Identifier: MIT
# Of the Makefile: make fuzz, fuzz-short, fuzz-daemon, fuzz-coverage, fuzz-merge,
# test-fuzz.

# Fuzzing: a harness a parser, with what the parsers need. FUZZING=1 (clang)
# links libFuzzer, else a replay of the corpus. Harnesses stand in for the rest,
# so this archive has no more than is listed.
FUZZ_PARTS = $(LIB_SRC) store/keep.c $(addprefix fs/,lines.c members_edit.c) \
	$(addprefix daemon/,bus_channels.c bus_redis_in.c bus_url.c config.c config_keys.c digest.c ticket.c) \
	$(addprefix daemon/ctl/,base64.c bundle_read.c checksum.c jsonl.c port.c target.c terminal.c) \
	$(addprefix daemon/gateway/,convert.c disposition.c frames.c head.c headers_value.c media_type.c meter.c \
	multipart.c query.c range.c recall.c route.c validator.c ws_commands.c ws_subscribe.c)
FUZZ_TESTS = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SRC))
FUZZ_MAIN = $(call obj,tests/fuzz/fuzz.c $(if $(FUZZING),,tests/fuzz/replay.c))
FUZZ_SECONDS ?= 60
$(BUILD)/libfuzz.a: $(call obj,$(FUZZ_PARTS)) tests/fuzz/fuzz.mk
	$(Q)rm -f $@ && ar rcsP $@ $(filter %.o,$^)
$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(FUZZ_MAIN) $(BUILD)/libfuzz.a
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $(if $(FUZZING),-fsanitize=fuzzer) -o $@ $^ $(LIBS_BASE) $(call pkg_libs,hiredis libcrypto libarchive)
fuzz-tests: $(FUZZ_TESTS)
test-fuzz: fuzz-tests
	$(Q)$(RUN_TESTS) $(FUZZ_TESTS)
# FUZZ_SECONDS of a processor each; FUZZ='wire head': these. With the coverage
# of their files, by the corpora alone; and these made smaller, with what was
# found.
FUZZ ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZ_SRC))
FUZZ_BUILD = $(MAKE) --no-print-directory -j$(JOBS) CC=clang FUZZING=1
fuzz-build:
	$(Q)sh scripts/deps.sh run fuzz
	$(Q)$(FUZZ_BUILD) SAN=address,undefined CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' BUILD=build-fuzz fuzz-tests
fuzz: fuzz-build
	$(Q)JOBS=$(JOBS) sh tests/fuzz/run.sh build-fuzz $(FUZZ_SECONDS) $(FUZZ)
# Those that take what anybody may send for FUZZ_SECONDS each, the others for a
# sixth of it.
FUZZ_FIRST = wire json ws lines members config text query
fuzz-short: fuzz-build
	$(Q)JOBS=$(JOBS) sh tests/fuzz/run.sh build-fuzz $(FUZZ_SECONDS) $(FUZZ_FIRST)
	$(Q)JOBS=$(JOBS) sh tests/fuzz/run.sh build-fuzz $$(($(FUZZ_SECONDS) / 6)) $(filter-out $(FUZZ_FIRST),$(FUZZ))
fuzz-merge: fuzz-build
	$(Q)sh tests/fuzz/merge.sh build-fuzz $(FUZZ)
fuzz-coverage:
	$(Q)sh scripts/deps.sh run fuzz analyze
	$(Q)$(FUZZ_BUILD) CFLAGS='-O1 -g -fprofile-instr-generate -fcoverage-mapping' CPPFLAGS=-U_FORTIFY_SOURCE \
		LDFLAGS=-fprofile-instr-generate BUILD=build-fuzz-coverage fuzz-tests
	$(Q)sh tests/fuzz/coverage.sh build-fuzz-coverage $(FUZZ)

# FRAMES at a whole groupd with ASan and UBSan (FUZZ_DAEMON_SAN= : without, for
# its memory); SEED=... the same again.
FRAMES ?= 1000000
FUZZ_DAEMON_SAN ?= address,undefined
fuzz-daemon:
	$(Q)sh scripts/deps.sh run test
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) SAN=$(FUZZ_DAEMON_SAN) all
	$(Q)BUILD=$(abspath build$(if $(FUZZ_DAEMON_SAN),-$(subst $(comma),-,$(FUZZ_DAEMON_SAN)))) FRAMES=$(FRAMES) sh tests/fuzz/daemon.sh
