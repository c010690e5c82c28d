# core/: what every stage needs. Adding a file: one line here.
LIBS += core
core_SRC := \
	core/err.c \
	core/mem.c \
	core/par.c \
	core/components.c \
	core/content.c \
	core/deflate.c \
	core/deflate_words.c \
	core/elementary.c \
	core/gz_write.c \
	core/h5base.c \
	core/h5file.c \
	core/h5hash.c \
	core/h5shard.c \
	core/h5shard_read.c \
	core/h5sink.c \
	core/h5stored.c \
	core/h5write.c \
	core/shuffle.c \
	core/nii_gz.c \
	core/nii_head.c \
	core/nii_place.c \
	core/nii_read.c \
	core/nii_spool.c \
	core/nii_value.c \
	core/nii_write.c \
	core/picture.c \
	core/picture_head.c \
	core/picture_jpeg.c \
	core/picture_png.c \
	core/picture_pnm.c \
	core/png.c \
	core/vol.c \
	core/rng.c \
	core/field.c \
	core/file.c \
	core/hash.c \
	core/hash_pair.c \
	core/ink.c \
	core/item.c \
	core/journal.c \
	core/records.c \
	core/reuse.c \
	core/settle.c \
	core/ledger.c \
	core/log.c \
	core/manifest.c \
	core/mapped.c \
	core/opt.c \
	core/stage.c \
	core/sorter.c \
	core/spool.c \
	core/sums.c \
	core/standardise.c \
	core/svg.c \
	core/svg_spread.c \
	core/text.c \
	core/walk.c

# Loops over voxels and bytes are written for the vectoriser, which -O2 mostly leaves out.
core_vol_CFLAGS := -O3
core_ink_CFLAGS := -O3
core_nii_value_CFLAGS := -O3
core_standardise_CFLAGS := -O3
# libnifti2's header includes its neighbour without a folder.
core_nii_place_CFLAGS := -isystem /usr/include/nifti
core_nii_write_CFLAGS := -isystem /usr/include/nifti
