# Fuzz targets: tests/fuzz/fuzz_NAME.c by clang's libFuzzer with AddressSanitizer and UBSan (SAN=fuzzer).
# `make fuzz` runs each for FUZZ_SECONDS, or FUZZ_RUNS executions; FUZZ_TARGETS="fuzz_nii ..." names some.
# Corpora and findings stand in build/fuzz/. A target that needs more than the core library names it:
# fuzz_NAME_USE = libraries, fuzz_NAME_LD = flags.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

define fuzz_rule
$(BIN)/$(1): $(call obj,tests/fuzz/$(1).c) $(foreach l,core $($(1)_USE),$(B)/lib$(l).a)
	@mkdir -p $$(@D)
	@echo "  link $(1)"
	$(Q)$(CC) -fsanitize=fuzzer -o $$@ $(call obj,tests/fuzz/$(1).c) -Wl,--start-group $(foreach l,core $($(1)_USE),$(B)/lib$(l).a) -Wl,--end-group $(LDFLAGS) $($(1)_LD) $(SYSLIBS)
endef
ifeq ($(SAN),fuzzer)
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_rule,$(t))))
endif

.PHONY: fuzz fuzz-build fuzz-targets fuzz-run
fuzz-build: ## build the fuzz targets (tests/fuzz/smoke.t runs them for a minute)
	$(MAKE) SAN=fuzzer CC=clang fuzz-targets
fuzz: fuzz-build ## run every fuzz target for FUZZ_SECONDS (60), or FUZZ_RUNS executions each
	$(MAKE) SAN=fuzzer CC=clang fuzz-run
fuzz-targets: $(addprefix $(BIN)/,$(FUZZ_TARGETS))
fuzz-run: fuzz-targets
	set -e; for t in $(FUZZ_TARGETS); do mkdir -p build/fuzz/$$t; \
		$(BIN)/$$t $(if $(FUZZ_RUNS),-runs=$(FUZZ_RUNS),-max_total_time=$(FUZZ_SECONDS)) -max_len=16384 -timeout=5 -rss_limit_mb=1024 \
			-print_final_stats=1 -artifact_prefix=build/fuzz/$$t- build/fuzz/$$t $$(ls -d tests/fuzz/seeds/$$t 2>/dev/null); done
