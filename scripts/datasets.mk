# Proofs that data sets rebuild: reference builds on phantoms, kills, another place.
.PHONY: expected kill-test elsewhere rederive
KILLS  ?= 100
SEED   ?= 1
SAMPLE ?= 0

expected: all ## write the hashes of the reference builds (manifests/expected/) anew: a change of them needs a reason
	@mkdir -p manifests/expected work/expected
	@set -e; for name in $$(sh scripts/dataset_phantom.sh --list); do \
		rm -rf work/expected/$$name; \
		sh scripts/dataset_phantom.sh $$name work/expected/$$name $(JOBS) >work/expected/list 2>work/expected/log || \
			{ tail -n 3 work/expected/log; exit 1; }; \
		cmp -s work/expected/list manifests/expected/$$name.sha256 || echo "$$name: new hashes"; \
		mv work/expected/list manifests/expected/$$name.sha256; \
		rm -rf work/expected/$$name; done

kill-test: all ## KILLS (100) random kill -9 of `make dataset`: the bytes at the end are those of an undisturbed build
	sh scripts/kill_test.sh $(KILLS) $(SEED)

elsewhere: ## build a copy of the sources at another path and make the reference data sets there
	sh scripts/rebuild_elsewhere.sh $(NAMES)

# Given by the caller, not by pipeline.mk: a RAW that does not exist is then an error, and no reason to skip what needs it.
given = $(filter-out file default undefined,$(firstword $(origin $(1))))

rederive: all ## run the data set's stages of WORK again from RAW, elsewhere, and compare (MANIFEST must be named; SAMPLE=n items a stage)
	$(if $(call given,MANIFEST),,$(error MANIFEST is missing: rederive needs the one that $(WORK) was made with))
	$(BIN)/scanmill-verify --rederive --sample $(SAMPLE) --manifest $(MANIFEST) \
		$(if $(call given,RAW)$(wildcard $(RAW)),--raw $(RAW)) $(SALTED) $(if $(TABLE),--table $(TABLE)) --jobs $(JOBS) $(WORK)
