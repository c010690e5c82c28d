# Real learning: the tables of docs/results.md. SEEDS="1 2 3" JOBS=2; EPOCHS=n and STEPS=n for a trial.
.PHONY: results-hippocampus results-phantom results-brats-real results-mammo-a2b results-mammo-b2a \
	results-ct2ct results-mr2ct results-pet2ct
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
results-mammo-a2b: all ## drawings of mammograms (pix2pix) beside trivial images, from SCANS/mammo_pairs
	RAW="$(SCANS)/mammo_pairs" $(RESULTS) mammo-a2b work/results/mammo-a2b $(JOBS)
results-mammo-b2a: all ## mammograms of drawings
	RAW="$(SCANS)/mammo_pairs" $(RESULTS) mammo-b2a work/results/mammo-b2a $(JOBS)
results-ct2ct: all ## the slice between two CT slices beside linear and cubic interpolation, from SCANS/sts_ct_mr_pet
	RAW="$(SCANS)/sts_ct_mr_pet/nifti" $(RESULTS) ct2ct work/results/ct2ct $(JOBS)
results-mr2ct: all ## CT of MR, unpaired, scored against the same patients' CT, from SCANS/sts_ct_mr_pet
	RAW="$(SCANS)/sts_ct_mr_pet/nifti" $(RESULTS) mr2ct work/results/mr2ct $(JOBS)
results-pet2ct: all ## CT of PET, the same
	RAW="$(SCANS)/sts_ct_mr_pet/nifti" $(RESULTS) pet2ct work/results/pet2ct $(JOBS)
