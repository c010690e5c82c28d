# Phantom: synthetic cohorts with exact truth.
LIBS += phantom
phantom_SRC := ingest/phantom/phantom_shape.c ingest/phantom/phantom_brats.c ingest/phantom/phantom_ct.c ingest/phantom/phantom_dicom.c ingest/phantom/phantom_frames.c ingest/phantom/phantom_head.c ingest/phantom/phantom_mammo.c ingest/phantom/phantom_nifti.c ingest/phantom/phantom_pet.c
EXES += scanmill-phantom
scanmill-phantom_SRC := ingest/phantom/phantom_main.c
scanmill-phantom_USE := phantom dicom manifest ops core
scanmill-phantom_LD :=


# Scans in: heads, series, volumes, sidecars, the catalogue.
LIBS += ingest
ingest_SRC := \
	ingest/cases/bids_fields.c \
	ingest/cases/bids_gradients.c \
	ingest/cases/case_head.c \
	ingest/cases/cases.c \
	ingest/catalogue.c \
	ingest/convert.c \
	ingest/series/dcm_class.c \
	ingest/series/dcm_clock.c \
	ingest/series/dcm_csa.c \
	ingest/series/dcm_diffusion.c \
	ingest/series/dcm_enhanced.c \
	ingest/series/dcm_files.c \
	ingest/series/dcm_group.c \
	ingest/series/dcm_head.c \
	ingest/series/dcm_identity.c \
	ingest/series/dcm_keys.c \
	ingest/series/dcm_mosaic.c \
	ingest/series/dcm_name.c \
	ingest/series/dcm_order.c \
	ingest/series/dcm_place.c \
	ingest/series/dcm_planes.c \
	ingest/series/dcm_reference.c \
	ingest/series/dcm_regrid.c \
	ingest/series/dcm_scale.c \
	ingest/series/dcm_stack.c \
	ingest/series/dcm_load.c \
	ingest/series/dcm_volume.c \
	ingest/series/dcm_words.c \
	ingest/series/diffusion.c \
	ingest/head_cache.c \
	ingest/series/image_words.c \
	ingest/cases/layout.c \
	ingest/cases/layout_bids.c \
	ingest/cases/layout_decathlon.c \
	ingest/cases/layout_images.c \
	ingest/cases/nifti_case.c \
	ingest/cases/pattern.c \
	ingest/series/pet.c \
	ingest/series/pet_codes.c \
	ingest/series/pet_table.c \
	ingest/cases/picture_case.c \
	ingest/raw.c \
	ingest/raw_mixed.c \
	ingest/raw_pet.c \
	ingest/salt.c \
	ingest/scan.c \
	ingest/series/sidecar.c \
	ingest/series/sidecar_json.c \
	ingest/series/sidecar_value.c \
	ingest/series/verdict.c \
	ingest/series/words.c

EXES += scanmill-index
scanmill-index_SRC := ingest/index_main.c
scanmill-index_USE := ingest dicom manifest ops core
scanmill-index_LD = $(dicom_LD)

EXES += scanmill-ingest
scanmill-ingest_SRC := ingest/ingest_main.c
scanmill-ingest_USE := ingest dicom manifest ops core
scanmill-ingest_LD = $(dicom_LD)

# The search for burned-in text: short loops over whole volumes, worth the vector code of -O3.
ingest_SRC += ingest/burned/burned_rule.c ingest/burned/burned_text.c ingest/salt_file.c ingest/burned/text_levels.c ingest/burned/text_lines.c ingest/burned/text_screen.c ingest/burned/text_strokes.c
ingest_burned_burned_text_CFLAGS := -O3
ingest_burned_text_lines_CFLAGS := -O3
ingest_burned_text_screen_CFLAGS := -O3
ingest_burned_text_strokes_CFLAGS := -O3

# DICOM files: reader, decoders of frames, and a small writer.
LIBS += dicom
dicom_SRC := \
	ingest/dicom/dcm_codec.c \
	ingest/dicom/dcm_colour.c \
	ingest/dicom/dcm_native.c \
	ingest/dicom/dicom.c \
	ingest/dicom/dicom_data.c \
	ingest/dicom/dicom_dict.c \
	ingest/dicom/dicom_pixels.c \
	ingest/dicom/dicom_source.c \
	ingest/dicom/dicom_syntax.c \
	ingest/dicom/dicom_walk.c \
	ingest/dicom/dicom_write.c \
	ingest/dicom/j2k.c \
	ingest/dicom/j2k_guard.c \
	ingest/dicom/j2k_head.c \
	ingest/dicom/jpeg.c \
	ingest/dicom/jpeg_dct.c \
	ingest/dicom/jpeg_lossless.c \
	ingest/dicom/jpegls.c \
	ingest/dicom/rle.c
dicom_LD := $(shell pkg-config --libs libopenjp2)
DICOM_LD := $(dicom_LD)
ingest_dicom_j2k_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags libopenjp2))

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
