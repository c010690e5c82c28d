# Stages as Make targets: make <stage> MANIFEST=manifests/x.yaml RAW=dir WORK=dir JOBS=n
# A stage's target is its ledger, which is written last. Each stage runs with --resume: what an
# earlier run finished, with the same inputs and settings, is kept after its hashes were checked.
MANIFEST ?= manifests/demo.yaml
NAME     := $(basename $(notdir $(MANIFEST)))
WORK     ?= work/$(NAME)
RAW      ?= $(WORK)/raw
JOBS     ?= 0
STRICT   ?= 0
# A file whose bytes salt the hashes of patients and UIDs; keep it apart from the data.
SALT     ?=

# Make splits at blanks: a folder with one in its name would lead somewhere else.
$(foreach v,MANIFEST RAW WORK SALT,$(if $(filter-out 0 1,$(words $($(v)))),$(error $(v)='$($(v))': found a blank in a path, allowed is one without)))

COMMON = --manifest $(MANIFEST) --jobs $(JOBS) --resume $(if $(filter 1,$(STRICT)),--strict)
SALTED = $(if $(SALT),--salt-file $(SALT))
# A stage that failed keeps the ledger that says why, with a time before that of its inputs: it runs again.
AGAIN  = || { touch -c -t 198001020000 $@; false; }
# Exit code 1 means: finished, some items rejected; the ledger says which and why.
ACCEPT = || test $$? -eq 1 $(AGAIN)
L      = $(WORK)/$(1)/ledger.jsonl
P      = $(BIN)/scanmill-$(1)

STAGES := index ingest preprocess split tile slice train predict evaluate report
.PHONY: $(STAGES) dataset all-stages verify demo phantom FORCE
$(STAGES): %: $(WORK)/%/ledger.jsonl
# Make shall not delete what a stage that failed has written.
.PRECIOUS: $(STAGES:%=$(WORK)/%/ledger.jsonl)

$(call L,index): FORCE | all
	$(call P,index) $(COMMON) $(SALTED) --in $(RAW) --out $(@D) $(ACCEPT)
$(call L,ingest): $(call L,index) $(MANIFEST)
	$(call P,ingest) $(COMMON) $(SALTED) --in $(RAW) --index $(<D) --out $(@D) $(ACCEPT)
$(call L,preprocess): $(call L,ingest) $(MANIFEST)
	$(call P,preprocess) $(COMMON) --in $(<D) --out $(@D) $(ACCEPT)
$(call L,split): $(call L,preprocess) $(MANIFEST)
	$(call P,split) $(COMMON) --in $(<D) --out $(@D) $(AGAIN)
$(call L,tile): $(call L,preprocess) $(call L,split) $(MANIFEST)
	$(call P,tile) $(COMMON) --in $(<D) --split $(WORK)/split --out $(@D) $(ACCEPT)
$(call L,slice): $(call L,ingest) $(MANIFEST)
	$(call P,slice) $(COMMON) --in $(<D) --out $(@D) $(ACCEPT)
$(call L,train): $(call L,tile) $(call L,split) $(MANIFEST)
	$(call P,train) $(COMMON) --in $(<D) --split $(WORK)/split --out $(@D) $(AGAIN)
$(call L,predict): $(call L,preprocess) $(call L,split) $(call L,train) $(MANIFEST)
	$(call P,predict) $(COMMON) --in $(<D) --split $(WORK)/split --model $(WORK)/train --out $(@D) $(ACCEPT)
$(call L,evaluate): $(call L,predict) $(call L,ingest) $(MANIFEST)
	$(call P,evaluate) $(COMMON) --in $(<D) --truth $(WORK)/ingest --out $(@D) $(ACCEPT)
$(call L,report): $(call L,evaluate) $(call L,train) $(MANIFEST)
	$(call P,report) $(COMMON) --in $(<D) --train $(WORK)/train --predict $(WORK)/predict \
		--truth $(WORK)/ingest --split $(WORK)/split --out $(@D) $(AGAIN)

FORCE:

dataset: $(call L,tile) ## raw scans -> tiles: index ingest preprocess split tile
all-stages: $(call L,report) ## raw scans -> report: every stage but slice, of MANIFEST on RAW into WORK

verify: all ## recompute the hashes of every output below WORK
	$(call P,verify) $(wildcard $(addprefix $(WORK)/,$(STAGES)))

phantom: all ## make a synthetic cohort (phantom section of MANIFEST) in RAW
	$(call P,phantom) --manifest $(MANIFEST) --jobs $(JOBS) --out $(RAW)

demo: ## phantom cohort through every stage to the report (installs, builds, runs)
	@sh scripts/setup.sh build
	@$(MAKE) --no-print-directory all
	@test -f work/demo/raw/phantom.json || \
		$(MAKE) --no-print-directory phantom MANIFEST=manifests/demo.yaml WORK=work/demo
	@$(MAKE) --no-print-directory all-stages MANIFEST=manifests/demo.yaml WORK=work/demo
	@cat work/demo/report/table.md
	@echo "report: $(CURDIR)/work/demo/report/report.html"
