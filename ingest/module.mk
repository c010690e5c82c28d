# Phantom: synthetic cohorts with exact truth, and the small DICOM writer.
LIBS += phantom
phantom_SRC := ingest/phantom_shape.c ingest/phantom_brats.c ingest/phantom_ct.c ingest/dicom_write.c
EXES += scanmill-phantom
scanmill-phantom_SRC := ingest/phantom_main.c
scanmill-phantom_USE := phantom manifest ops core
scanmill-phantom_LD :=


# Scans in. The only C++ of the project; DCMTK is linked by hand: its pkg-config file lists libraries that
# nobody here uses.
LIBS += ingest
ingest_SRC := \
	ingest/bids_fields.c \
	ingest/bids_gradients.c \
	ingest/cases.c \
	ingest/convert.c \
	ingest/dcm_group.c \
	ingest/dcm_head.c \
	ingest/dcm_pixels.c \
	ingest/dcm_regrid.c \
	ingest/dcm_stack.c \
	ingest/dcm_volume.c \
	ingest/dcmtk_c.cc \
	ingest/j2k.c \
	ingest/layout.c \
	ingest/layout_bids.c \
	ingest/layout_decathlon.c \
	ingest/layout_images.c \
	ingest/nifti_case.c \
	ingest/picture_case.c \
	ingest/raw.c \
	ingest/rle.c \
	ingest/salt.c \
	ingest/scan.c \
	ingest/sidecar.c
DCMTK_LD := -ldcmjpls -ldcmjpeg -ldcmdata -loflog -lofstd -lstdc++ $(shell pkg-config --libs libopenjp2)
ingest_j2k_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags libopenjp2))

EXES += scanmill-index
scanmill-index_SRC := ingest/index_main.c
scanmill-index_USE := ingest manifest ops core
scanmill-index_LD := $(DCMTK_LD)

EXES += scanmill-ingest
scanmill-ingest_SRC := ingest/ingest_main.c
scanmill-ingest_USE := ingest manifest ops core
scanmill-ingest_LD := $(DCMTK_LD)

fuzz_dicom_USE := ingest
fuzz_dicom_LD := $(DCMTK_LD)
fuzz_rle_USE := ingest
# Types of a library built without the sanitizer cannot be checked; the C linker lacks the runtime for it.
ingest_dcmtk_c_CXXFLAGS := $(if $(filter-out none,$(SAN)),-fno-sanitize=vptr)

# The search for burned-in text: short loops over whole volumes, worth the vector code of -O3.
LIBS += burned
burned_SRC := ingest/burned_text.c ingest/text_lines.c
ingest_burned_text_CFLAGS := -O3
ingest_text_lines_CFLAGS := -O3
ingest_SRC += ingest/burned_rule.c ingest/salt_file.c
