# Tests: unit programs and stage scripts speak TAP; one prove run closes with one line.
TESTS   ?= $(addprefix $(BIN)/,$(UNIT_TESTS)) $(sort $(wildcard tests/stage/*.t tests/e2e/*.t tests/fuzz/*.t))
PROVE   ?= prove --exec tests/tap.sh --timer --jobs 2
export SM_BIN := $(abspath $(BIN))
export SM_SHARED_DATA ?= $(abspath ../shared/data)

.PHONY: check check-run check-full check-asan check-valgrind
check: ## all tests (installs what is missing, builds, runs)
	@sh scripts/setup.sh check
	@$(MAKE) --no-print-directory all tests
	@$(MAKE) --no-print-directory viewer || echo "check: without the viewer's library its tests are skipped"
	@$(MAKE) --no-print-directory fuzz-build
	@$(MAKE) --no-print-directory check-run

.PHONY: tests
tests: $(addprefix $(BIN)/,$(UNIT_TESTS) $(TEST_TOOLS))

check-run: all tests
	$(PROVE) $(TESTS)

check-asan: ## unit and stage tests under AddressSanitizer and UBSan
	$(MAKE) SAN=address all tests
	ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 $(MAKE) SAN=address check-run

# The wait policy stands beforehand: programs that set it start themselves again, which would leave valgrind.
check-valgrind: all tests ## unit tests of core under valgrind
	set -e; export OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0; \
	for t in $(filter-out $(NO_VALGRIND),$(UNIT_TESTS)); do \
		valgrind --quiet --leak-check=full --show-leak-kinds=definite \
			--errors-for-leak-kinds=definite --error-exitcode=1 $(BIN)/$$t >/dev/null; echo "valgrind clean: $$t"; done

check-full: check check-asan check-valgrind ## check, then again under sanitizers and valgrind
