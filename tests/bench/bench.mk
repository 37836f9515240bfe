# SPDX-License-Identifier: MIT
# Of the Makefile: make bench, and bench-... alone.

# Benchmarks, apart from the tests. The peer's source comes with libfuse3-dev.
PEER_SRC = /usr/share/doc/libfuse3-dev/examples/passthrough_ll.c
bench_src = $(addprefix tests/bench/,$(addsuffix .c,$(1)))
$(BUILD)/bench/fsbench: $(call obj,$(call bench_src,bench fsbench files direct seed) $(STORE_SRC) $(LIB_SRC)) $(SQL_OBJ)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_BASE) $(call pkg_libs,$(STORE_PKGS) libcrypto)
$(BUILD)/bench/passthrough_ll: $(PEER_SRC)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) -O2 -g -w -DHAVE_POSIX_FALLOCATE -DHAVE_COPY_FILE_RANGE $(call pkg_cflags,fuse3) -o $@ $< $(call pkg_libs,fuse3)
bench-fs: all $(BUILD)/bench/fsbench $(BUILD)/bench/passthrough_ll
	$(Q)BUILD=$(abspath $(BUILD)) sh tests/bench/fs.sh

$(BUILD)/bench/wsclients: $(call obj,$(call bench_src,bench websocket wsclients wsconn wscatchup wsmeasure wsproto wsscene wssend wsserver wsstorm) $(LIB_SRC))
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_BASE)
$(BUILD)/bench/epollserver: $(call obj,$(call bench_src,epollserver))
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^
bench-ws: all $(BUILD)/bench/wsclients $(BUILD)/bench/epollserver
	$(Q)sh scripts/deps.sh bench
	$(Q)BUILD=$(abspath $(BUILD)) sh tests/bench/ws.sh

$(BUILD)/bench/flatbench: $(call obj,$(call bench_src,bench direct flat flat_ops flat_seed) $(STORE_SRC) $(LIB_SRC)) $(SQL_OBJ)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_BASE) $(call pkg_libs,$(STORE_PKGS) libcrypto)
bench-flat: all $(BUILD)/bench/flatbench $(BUILD)/bench/fsbench
	$(Q)BUILD=$(abspath $(BUILD)) sh tests/bench/flat.sh

# Of all folders, as a unit test; the gateway and groupfs are counted as they are.
$(BUILD)/bench/pathbench: $(call obj,$(call bench_src,bench paths paths_store paths_fan)) $(BUILD)/libtest.a
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,$(TEST_PKGS)) $(LIBS_BASE)
# What counts instructions is executed in the place of the gateway, which groupd's
# locks would forbid.
UNLOCKED = build-unlocked
instructions-deps:
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) LOCKS=no BUILD=$(UNLOCKED) all $(UNLOCKED)/bench/pathbench
bench-instructions: instructions-deps
	$(Q)sh scripts/deps.sh bench
	$(Q)BUILD=$(abspath $(UNLOCKED)) sh tests/bench/instructions.sh

bench-catchup: all $(addprefix $(BUILD)/bench/,fsbench wsclients passthrough_ll)
	$(Q)BUILD=$(abspath $(BUILD)) sh tests/bench/catchup.sh

$(BUILD)/bench/sendbench: $(call obj,$(call bench_src,bench websocket sendbench sendload sendproto sendfile sendmount sendwal) $(STORE_SRC) $(LIB_SRC)) $(SQL_OBJ)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_BASE) $(call pkg_libs,$(STORE_PKGS) libcrypto)
bench-send: all $(BUILD)/bench/sendbench
	$(Q)sh scripts/deps.sh run bench
	$(Q)BUILD=$(abspath $(BUILD)) sh tests/bench/send.sh

$(BUILD)/bench/busbench: $(call obj,$(call bench_src,bench busbench) $(wildcard daemon/bus*.c) $(LIB_SRC))
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_BASE) $(call pkg_libs,hiredis)

$(BUILD)/bench/nodesbench: $(call obj,$(call bench_src,bench nodes nodes_send) $(STORE_SRC) $(LIB_SRC)) $(SQL_OBJ)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_BASE) $(call pkg_libs,$(STORE_PKGS) libcrypto)
bench-cluster: test-cluster-deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all $(addprefix $(BUILD)/bench/,nodesbench wsclients busbench)
	$(Q)BUILD=$(abspath $(BUILD)) sh tests/bench/cluster.sh

# All of them, with a table of what they have reached.
BENCHES = fsbench passthrough_ll wsclients epollserver flatbench sendbench nodesbench busbench
bench: instructions-deps
	$(Q)sh scripts/deps.sh run test cluster bench
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all $(addprefix $(BUILD)/bench/,$(BENCHES))
	$(Q)BUILD=$(abspath $(BUILD)) UNLOCKED=$(abspath $(UNLOCKED)) sh tests/bench/all.sh
