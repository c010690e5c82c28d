# Stages as Make targets: make <stage> MANIFEST=manifests/x.yaml RAW=dir WORK=dir JOBS=n
# A stage's target is its ledger, which is written last. Each stage runs with --resume: what an
# earlier run finished, with the same inputs and settings, is kept after its hashes were checked.
MANIFEST ?= manifests/demo.yaml
NAME     := $(basename $(notdir $(MANIFEST)))
WORK     ?= work/$(NAME)
RAW      ?= $(WORK)/raw
JOBS     ?= 0
STRICT   ?= 0
# 1: a training whose settings changed is replaced; else train refuses and keeps it.
RESTART  ?= 0
# volumes: train cuts its tiles out of the volumes of preprocess, new ones in each epoch, and needs no stage tile.
FROM     ?=
# A file whose bytes salt the hashes of patients and UIDs; keep it apart from the data.
SALT     ?=
# The table that split.stratify takes its column from.
TABLE    ?=
# dataset: pair. VGG: Keras' file of VGG-19's weights, which the losses content and style need.
VGG      ?=
# Slices in between: how many times as many (2 to 10), by nearest, linear, cubic or network (that of train), of which stage's volumes.
FACTOR   ?= 2
METHOD   ?= linear
INTERPOLATE_OF ?= ingest
# DICOM series of: predict (images made of images) or interpolate; empty: predict with dataset pair, else interpolate.
# Which slices in between is said to interpolate alone: of these dicom takes the folder that is there.
# Series of predict go to WORK/dicom, those of another stage to WORK/dicom-<stage>: none replaces the others.
DICOM_OF ?=
# Compared with each other: files of one case, or folders of predict or of files, by commas; and their truth.
RATERS   ?=
TRUTH    ?=
# What the pictures are where no sidecar says so (scans that were NIfTI): ct, mr or pt.
MODALITY ?=

# Make splits at blanks, and the shell reads quotation marks, stars and the like: such a name would lead somewhere else.
# The names of targets cannot hold what parts or makes patterns in rules.
PATHS   := MANIFEST RAW WORK SALT TABLE VGG RATERS TRUTH
TARGETS := MANIFEST WORK TABLE VGG
comma := ,
SAFE  := a b c d e f g h i j k l m n o p q r s t u v w x y z A B C D E F G H I J K L M N O P Q R S T U V W X Y Z \
	0 1 2 3 4 5 6 7 8 9 / . _ - + @ $(comma)
strip_of = $(if $(2),$(call strip_of,$(subst $(firstword $(2)),,$(1)),$(wordlist 2,$(words $(2)),$(2))),$(1))
$(foreach v,$(PATHS),$(if $(filter-out 0 1,$(words $($(v)))),$(error $(v)='$($(v))': found a blank in a path, allowed is one without)))
$(foreach v,$(PATHS),$(if $(strip $(call strip_of,$($(v)),$(SAFE) $(if $(filter $(v),$(TARGETS)),,: = %))),\
	$(error $(v)='$($(v))': found another character in a path, allowed are letters, digits and / . _ - + @ $(comma)$(if \
	$(filter $(v),$(TARGETS)),, : = %))))

one_of = $(if $(filter $(2),$($(1))),,$(error $(1)='$($(1))': found another word, allowed are $(2)))
$(if $(FROM),$(call one_of,FROM,volumes))
ifneq ($(filter interpolate dicom,$(MAKECMDGOALS)),)
$(call one_of,METHOD,nearest linear cubic network)
$(call one_of,INTERPOLATE_OF,ingest preprocess predict)
$(if $(DICOM_OF),$(call one_of,DICOM_OF,ingest preprocess predict interpolate))
endif

SHARED = --jobs $(JOBS) --resume $(if $(filter 1,$(STRICT)),--strict)
COMMON = --manifest $(MANIFEST) $(SHARED)
SALTED = $(if $(SALT),--salt-file $(SALT))
# A stage that failed keeps the ledger that says why, with a time before that of its inputs: it runs again.
AGAIN  = || { e=$$?; touch -c -t 198001020000 $@; exit $$e; }
# Exit code 1 means: finished, some items rejected; the ledger says which and why.
ACCEPT = || { e=$$?; test $$e -eq 1 || { touch -c -t 198001020000 $@; exit $$e; }; }
# The stage that ends `make dataset`: the manifest's root key `dataset`. A manifest that is not good says so in
# the first stage that reads it. Before anything is built nobody can be asked: make builds and begins again.
ASKED   := $(wildcard $(BIN)/scanmill-manifest)
get      = $(if $(ASKED),$(shell $(BIN)/scanmill-manifest --get $(1) $(MANIFEST) 2>/dev/null))
DATASET := $(or $(filter tile slice pair,$(call get,dataset)),tile)
# Of pairs the samples have their folds; the truth is what preprocess made.
PAIRED  := $(filter pair,$(DATASET))
# Folds of slices, not of patients: each case has held-out slices, and all are predicted.
ALL_CASES := $(if $(PAIRED),$(filter-out patient,$(call get,pair.split)))
L      = $(WORK)/$(1)/ledger.jsonl
P      = $(BIN)/scanmill-$(1)

# Which stages are needed, and how they are called, depends on `dataset`.
BY_DATASET := explore train predict evaluate report interpolate dicom
STAGES     := index ingest preprocess split tile slice pair compare $(BY_DATASET)
.PHONY: $(STAGES) dataset all-stages verify demo phantom FORCE
SERIES_OF  := $(or $(DICOM_OF),$(if $(PAIRED),predict,interpolate))
SERIES_IN  := dicom$(if $(filter-out predict,$(SERIES_OF)),-$(SERIES_OF))
SERIES_INS := dicom $(patsubst %,dicom-%,ingest preprocess interpolate)
ifneq ($(ASKED)$(AGAIN_ASKED),)
$(filter-out dicom,$(STAGES)): %: $(WORK)/%/ledger.jsonl
dicom: $(call L,$(SERIES_IN))
dataset: $(call L,$(DATASET))
all-stages: $(call L,report)
else
$(filter-out $(BY_DATASET),$(STAGES)): %: $(WORK)/%/ledger.jsonl
$(BY_DATASET) dataset all-stages: all
	@$(MAKE) --no-print-directory AGAIN_ASKED=1 $@
dicom: $(filter interpolate,$(MAKECMDGOALS))
endif
# Make shall not delete what a stage that failed has written.
.PRECIOUS: $(STAGES:%=$(WORK)/%/ledger.jsonl) $(SERIES_INS:%=$(WORK)/%/ledger.jsonl)

$(call L,index): FORCE | all
	$(call P,index) $(COMMON) $(SALTED) --in $(RAW) --out $(@D) $(ACCEPT)
$(call L,ingest): $(call L,index) $(MANIFEST)
	$(call P,ingest) $(COMMON) $(SALTED) --in $(RAW) --index $(<D) --out $(@D) $(ACCEPT)
$(call L,preprocess): $(call L,ingest) $(MANIFEST)
	$(call P,preprocess) $(COMMON) --in $(<D) --out $(@D) $(ACCEPT)
$(call L,split): $(call L,preprocess) $(MANIFEST) $(TABLE)
	$(call P,split) $(COMMON) --in $(<D) $(if $(TABLE),--table $(TABLE)) --out $(@D) $(AGAIN)
$(call L,tile): $(call L,preprocess) $(call L,split) $(MANIFEST)
	$(call P,tile) $(COMMON) --in $(<D) --split $(WORK)/split --out $(@D) $(ACCEPT)
$(call L,slice): $(call L,preprocess) $(call L,split) $(MANIFEST)
	$(call P,slice) $(COMMON) --in $(<D) --split $(WORK)/split --out $(@D) $(ACCEPT)
$(call L,pair): $(call L,preprocess) $(call L,split) $(MANIFEST)
	$(call P,pair) $(COMMON) --in $(<D) --split $(WORK)/split --out $(@D) $(ACCEPT)
$(call L,explore): $(call L,$(DATASET)) $(call L,preprocess) $(call L,ingest) $(call L,split) $(MANIFEST)
	$(call P,explore) $(COMMON) --in $(WORK)/preprocess --raw $(WORK)/ingest --split $(WORK)/split --data $(<D) \
		--out $(@D) $(ACCEPT)
$(call L,train): $(call L,$(if $(FROM),preprocess,$(DATASET))) $(if $(PAIRED),$(VGG),$(call L,split)) $(MANIFEST)
	$(call P,train) $(COMMON) --in $(<D) \
		$(if $(PAIRED),$(if $(VGG),--vgg $(VGG)),--split $(WORK)/split --volumes $(WORK)/preprocess) \
		$(if $(filter 1,$(RESTART)),--restart) --out $(@D) $(AGAIN)
$(call L,predict): $(call L,preprocess) $(if $(ALL_CASES),,$(call L,split)) $(call L,train) $(MANIFEST)
	$(call P,predict) $(COMMON) --in $(<D) $(if $(ALL_CASES),,--split $(WORK)/split) --model $(WORK)/train --out $(@D) $(ACCEPT)
$(call L,evaluate): $(call L,predict) $(if $(PAIRED),$(call L,preprocess) $(call L,pair),$(call L,ingest)) $(MANIFEST)
	$(call P,evaluate) $(COMMON) --in $(<D) \
		$(if $(PAIRED),--truth $(WORK)/preprocess --pairs $(WORK)/pair,--truth $(WORK)/ingest) \
		$(if $(findstring tile,$(call get,evaluate.by)),--tiles $(WORK)/tile --preprocess $(WORK)/preprocess) \
		--out $(@D) $(ACCEPT)
$(call L,report): $(call L,evaluate) $(call L,train) $(MANIFEST)
	$(call P,report) $(COMMON) --in $(<D) --train $(WORK)/train --predict $(WORK)/predict \
		$(if $(PAIRED),--truth $(WORK)/preprocess,--truth $(WORK)/ingest --split $(WORK)/split) --out $(@D) $(AGAIN)
# What decides these is no file: they are asked each time, and keep what they have made.
$(call L,interpolate): $(call L,$(INTERPOLATE_OF)) $(if $(filter network,$(METHOD)),$(call L,train)) FORCE
	$(call P,interpolate) $(SHARED) --factor $(FACTOR) --method $(METHOD) \
		$(if $(filter network,$(METHOD)),--model $(WORK)/train) --in $(<D) --out $(@D) $(ACCEPT)
# Made again here, the finer scans would be those of the default FACTOR and METHOD, in the place of the user's.
FINER     := $(filter interpolate,$(SERIES_OF))
ARE_THERE  = test -f $(1) || { echo "dicom: error: $(1): is not there, make interpolate (FACTOR, METHOD, INTERPOLATE_OF) makes it" >&2; exit 3; }
$(call L,$(SERIES_IN)): $(if $(FINER),$(if $(filter interpolate,$(MAKECMDGOALS)),$(call L,interpolate)),$(call L,$(SERIES_OF))) FORCE
	$(if $(FINER),@$(call ARE_THERE,$(call L,interpolate)))
	$(call P,dicom) $(SHARED) $(if $(MODALITY),--modality $(MODALITY)) --in $(WORK)/$(SERIES_OF) --out $(@D) $(ACCEPT)

$(call L,compare): $(MANIFEST) FORCE | all
	$(if $(RATERS),,$(error RATERS is missing: label volumes of one case, or folders of them, by commas))
	$(call P,compare) $(COMMON) --raters $(RATERS) $(if $(TRUTH),--truth $(TRUTH)) --out $(@D) $(ACCEPT)

FORCE:

dataset: ## raw scans -> tiles, slices or pairs, as `dataset:` of MANIFEST says
all-stages: ## raw scans -> report: every stage that `dataset:` of MANIFEST needs, on RAW into WORK
interpolate: ## slices between the slices (FACTOR=2..10, METHOD=nearest|linear|cubic|network, INTERPOLATE_OF=ingest|preprocess|predict)
compare: ## raters or models against each other, against the truth, and fused (RATERS=a,b,..., TRUTH=...)
dicom: ## predicted or interpolated volumes as DICOM series (DICOM_OF=predict, or interpolate: as it is there, to dicom-interpolate; MODALITY=ct|mr|pt)

verify: all ## hash every output below WORK again and compare with the ledgers (rederive: make them again)
	$(call P,verify) $(wildcard $(addprefix $(WORK)/,$(STAGES) $(filter-out dicom,$(SERIES_INS))))

phantom: all ## make a synthetic cohort (phantom section of MANIFEST) in RAW
	$(call P,phantom) --manifest $(MANIFEST) --jobs $(JOBS) --out $(RAW)

demo: ## phantom cohort through every stage to the report (installs, builds, runs)
	@sh scripts/setup.sh build
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory viewer || echo "demo: the report will have pictures, and no viewer"
	@test -f work/demo/raw/phantom.json || \
		$(MAKE) --no-print-directory phantom MANIFEST=manifests/demo.yaml WORK=work/demo
	@$(MAKE) --no-print-directory all-stages MANIFEST=manifests/demo.yaml WORK=work/demo
	@cat work/demo/report/table.md
	@echo "report: $(CURDIR)/work/demo/report/report.html"

.PHONY: report-example
report-example: demo ## docs/report-example: the report of `make demo`, without the viewer
	@sh scripts/report_example.sh work/demo $(BIN) docs/report-example
