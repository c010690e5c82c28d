# Real learning: the tables of docs/results.md. SEEDS="1 2 3" JOBS=2; EPOCHS=n and STEPS=n for a trial.
.PHONY: results-hippocampus results-phantom results-brats-real
SEEDS ?= 1
NETS  ?=
# The scans, beside the checkout; not part of this repository.
SCANS ?= ../shared/data
RESULTS = SM_BIN=$(abspath $(BIN)) SEEDS="$(SEEDS)" EPOCHS="$(EPOCHS)" STEPS="$(STEPS)" sh scripts/results.sh

results-hippocampus: all ## Dice of the Decathlon's hippocampus, for each of SEEDS, from SCANS/hippocampus_msd
	RAW="$(SCANS)/hippocampus_msd" $(RESULTS) hippocampus work/results/hippocampus $(JOBS)
results-phantom: all ## WT, ET, TC of the four networks (or NETS) on a phantom cohort at 240x240x155 (CASES=n)
	NETS="$(NETS)" CASES="$(CASES)" $(RESULTS) phantom work/results/phantom $(JOBS)
results-brats-real: all ## 400 steps on the one real BraTS case: the loss falls, from SCANS/brats_tcga_fg_6692
	RAW="$(SCANS)/brats_tcga_fg_6692" $(RESULTS) brats-real work/results/brats-real $(JOBS)
