# Phantom: synthetic cohorts with exact truth, and the small DICOM writer.
LIBS += phantom
phantom_SRC := ingest/phantom_shape.c ingest/phantom_brats.c ingest/phantom_ct.c ingest/phantom_pet.c ingest/dicom_write.c
EXES += scanmill-phantom
scanmill-phantom_SRC := ingest/phantom_main.c
scanmill-phantom_USE := phantom manifest ops core
scanmill-phantom_LD :=


# Scans in: heads, series, volumes, sidecars, the catalogue.
LIBS += ingest
ingest_SRC := \
	ingest/bids_fields.c \
	ingest/bids_gradients.c \
	ingest/case_head.c \
	ingest/cases.c \
	ingest/catalogue.c \
	ingest/convert.c \
	ingest/dcm_class.c \
	ingest/dcm_clock.c \
	ingest/dcm_csa.c \
	ingest/dcm_diffusion.c \
	ingest/dcm_enhanced.c \
	ingest/dcm_files.c \
	ingest/dcm_group.c \
	ingest/dcm_head.c \
	ingest/dcm_identity.c \
	ingest/dcm_keys.c \
	ingest/dcm_mosaic.c \
	ingest/dcm_name.c \
	ingest/dcm_order.c \
	ingest/dcm_place.c \
	ingest/dcm_planes.c \
	ingest/dcm_reference.c \
	ingest/dcm_regrid.c \
	ingest/dcm_scale.c \
	ingest/dcm_stack.c \
	ingest/dcm_volume.c \
	ingest/dcm_words.c \
	ingest/diffusion.c \
	ingest/head_cache.c \
	ingest/image_words.c \
	ingest/layout.c \
	ingest/layout_bids.c \
	ingest/layout_decathlon.c \
	ingest/layout_images.c \
	ingest/nifti_case.c \
	ingest/pet.c \
	ingest/pet_codes.c \
	ingest/pet_table.c \
	ingest/picture_case.c \
	ingest/raw.c \
	ingest/salt.c \
	ingest/scan.c \
	ingest/sidecar.c \
	ingest/verdict.c \
	ingest/words.c

EXES += scanmill-index
scanmill-index_SRC := ingest/index_main.c
scanmill-index_USE := ingest dicom manifest ops core
scanmill-index_LD = $(dicom_LD)

EXES += scanmill-ingest
scanmill-ingest_SRC := ingest/ingest_main.c
scanmill-ingest_USE := ingest dicom manifest ops core
scanmill-ingest_LD = $(dicom_LD)

# The search for burned-in text: short loops over whole volumes, worth the vector code of -O3.
ingest_SRC += ingest/burned_rule.c ingest/burned_text.c ingest/salt_file.c ingest/text_lines.c ingest/text_strokes.c
ingest_burned_text_CFLAGS := -O3
ingest_text_lines_CFLAGS := -O3
ingest_text_strokes_CFLAGS := -O3

# DICOM files: reader and decoders of frames.
LIBS += dicom
dicom_SRC := \
	ingest/dcm_codec.c \
	ingest/dcm_colour.c \
	ingest/dcm_native.c \
	ingest/dicom.c \
	ingest/dicom_data.c \
	ingest/dicom_dict.c \
	ingest/dicom_pixels.c \
	ingest/dicom_source.c \
	ingest/dicom_syntax.c \
	ingest/dicom_walk.c \
	ingest/j2k.c \
	ingest/j2k_guard.c \
	ingest/j2k_head.c \
	ingest/jpeg.c \
	ingest/jpeg_dct.c \
	ingest/jpeg_lossless.c \
	ingest/jpegls.c \
	ingest/rle.c
dicom_LD := $(shell pkg-config --libs libopenjp2)
DICOM_LD := $(dicom_LD)
ingest_j2k_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags libopenjp2))

fuzz_dicom_USE := dicom
fuzz_dicom_LD := $(dicom_LD)
fuzz_dicom_jpeg_USE := dicom
fuzz_dicom_jpeg_LD := $(dicom_LD)
fuzz_head_USE := ingest dicom
fuzz_head_LD := $(dicom_LD)
fuzz_j2k_USE := dicom
fuzz_j2k_LD := $(dicom_LD)
fuzz_rle_USE := dicom
fuzz_rle_LD := $(dicom_LD)
fuzz_sidecar_USE := ingest dicom
fuzz_sidecar_LD := $(dicom_LD)
