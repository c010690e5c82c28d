# derive/: volumes made from volumes: slices between slices, and DICOM series of results.
LIBS += derive
derive_SRC := \
	derive/dicom_series.c \
	derive/dicom_slice.c \
	derive/fill.c \
	derive/interleave.c \
	derive/marks.c \
	derive/planes.c \
	derive/sources.c

EXES += scanmill-interpolate
# The one that runs networks; the library knows of none.
scanmill-interpolate_SRC := derive/interpolate_main.c derive/network.c
scanmill-interpolate_USE := derive translate train models nn prep manifest ops core
scanmill-interpolate_LD := -ldnnl

# Of library dicom it takes the writer alone: no decoder, no OpenJPEG.
EXES += scanmill-dicom
scanmill-dicom_SRC := derive/dicom_main.c
scanmill-dicom_USE := derive dicom core
scanmill-dicom_LD :=

derive_fill_CFLAGS := -O3
