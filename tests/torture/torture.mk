# SPDX-License-Identifier: MIT
# Of the Makefile: make torture, torture-disk, torture-cluster, soak.

# Faults for LD_PRELOAD, with sanitizers, too.
$(BUILD)/torture/faults.so: tests/torture/faults.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(filter-out -fsanitize% -fno-sanitize%,$(ALL_CFLAGS)) -fPIC -shared -o $@ $<

# Crashes, want and load that a test of seconds cannot have, in parts of under
# 10 minutes each: make torture PART=kill; without PART, the disks' too. soak:
# half an hour of all of it (SOAK_MINUTES).
PART ?= *
TORTURES = $(filter-out %/lib.sh %/soak.sh %/disk.sh,$(wildcard tests/torture/$(PART).sh))
torture: test-deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all $(BUILD)/torture/faults.so $(addprefix $(BUILD)/bench/,sendbench wsclients)
	$(Q)BUILD=$(abspath $(BUILD)) JOBS=1 sh tests/run.sh $(TORTURES)
	$(Q)$(if $(filter-out *,$(PART)),,$(MAKE) --no-print-directory torture-disk)
soak: test-deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all $(BUILD)/torture/faults.so
	$(Q)BUILD=$(abspath $(BUILD)) JOBS=1 sh tests/run.sh tests/torture/soak.sh
# Disks that fail under groupd, in parts: make torture-disk PART=powercut
torture-disk: all $(BUILD)/torture/faults.so
	$(Q)sh scripts/deps.sh run test torture
	$(Q)BUILD=$(abspath $(BUILD)) sh tests/torture/disk.sh $(filter-out *,$(PART))

# Each fault of a cluster many times.
torture-cluster: test-cluster-deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all
	$(Q)BUILD=$(abspath $(BUILD)) GROUPFS_TEST_ROUNDS=50 JOBS=1 \
		sh tests/run.sh $(wildcard tests/cluster/[0-9]*.sh)
