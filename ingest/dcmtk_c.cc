/* SPDX-License-Identifier: Apache-2.0 */
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>

#include "ingest/dcmtk_c.h"

/* Values longer than this stay in the file until asked for: hostile lengths cost nothing. */
static const Uint32 KEEP_BYTES = 4096;

struct sm_dicom {
	DcmFileFormat file;
	char syntax[65];
};

struct syntax_row {
	const char *uid, *name;
	enum sm_syntax_way way;
};

static const syntax_row syntaxes[] = {
	{"1.2.840.10008.1.2", "implicit VR little endian", SM_SYNTAX_NATIVE},
	{"1.2.840.10008.1.2.1", "explicit VR little endian", SM_SYNTAX_NATIVE},
	{"1.2.840.10008.1.2.1.99", "deflated explicit VR little endian", SM_SYNTAX_NATIVE},
	{"1.2.840.10008.1.2.2", "explicit VR big endian", SM_SYNTAX_NATIVE},
	{"1.2.840.10008.1.2.5", "RLE lossless", SM_SYNTAX_RLE},
	{"1.2.840.10008.1.2.4.50", "JPEG baseline", SM_SYNTAX_DCMTK},
	{"1.2.840.10008.1.2.4.51", "JPEG extended", SM_SYNTAX_DCMTK},
	{"1.2.840.10008.1.2.4.57", "JPEG lossless", SM_SYNTAX_DCMTK},
	{"1.2.840.10008.1.2.4.70", "JPEG lossless, first-order prediction", SM_SYNTAX_DCMTK},
	{"1.2.840.10008.1.2.4.80", "JPEG-LS lossless", SM_SYNTAX_DCMTK},
	{"1.2.840.10008.1.2.4.81", "JPEG-LS near-lossless", SM_SYNTAX_DCMTK},
	{"1.2.840.10008.1.2.4.90", "JPEG 2000 lossless", SM_SYNTAX_J2K},
	{"1.2.840.10008.1.2.4.91", "JPEG 2000", SM_SYNTAX_J2K},
	{"1.2.840.10008.1.2.4.92", "JPEG 2000 part 2 lossless", SM_SYNTAX_NONE},
	{"1.2.840.10008.1.2.4.93", "JPEG 2000 part 2", SM_SYNTAX_NONE},
	{"1.2.840.10008.1.2.4.100", "MPEG2", SM_SYNTAX_NONE},
	{"1.2.840.10008.1.2.4.102", "MPEG-4", SM_SYNTAX_NONE},
	{"1.2.840.10008.1.2.4.107", "HEVC", SM_SYNTAX_NONE},
	{"1.2.840.10008.1.2.4.110", "JPEG XL lossless", SM_SYNTAX_NONE},
	{"1.2.840.10008.1.2.4.111", "JPEG XL recompression", SM_SYNTAX_NONE},
	{"1.2.840.10008.1.2.4.112", "JPEG XL", SM_SYNTAX_NONE},
	{"1.2.840.10008.1.2.4.201", "HTJ2K lossless", SM_SYNTAX_J2K},
	{"1.2.840.10008.1.2.4.202", "HTJ2K lossless RPCL", SM_SYNTAX_J2K},
	{"1.2.840.10008.1.2.4.203", "HTJ2K", SM_SYNTAX_J2K},
	{"1.2.840.10008.1.2.8.1", "deflated image frame", SM_SYNTAX_NONE},
};

enum sm_syntax_way sm_dicom_syntax_way(const char *uid, const char **name)
{
	if (!*uid)
		uid = syntaxes[0].uid;
	for (const syntax_row &row : syntaxes)
		if (strcmp(row.uid, uid) == 0) {
			if (name)
				*name = row.name;
			return row.way;
		}
	if (name)
		*name = nullptr;
	return SM_SYNTAX_NONE;
}

/* What DCMTK needs once in a process. A function-local static is made by exactly one thread. */
struct library {
	bool dictionary;
	library()
	{
		OFLog::configure(OFLogger::OFF_LOG_LEVEL);
		dictionary = dcmDataDict.isDictionaryLoaded();
		DcmRLEDecoderRegistration::registerCodecs();
		DJDecoderRegistration::registerCodecs();
		DJLSDecoderRegistration::registerCodecs();
	}
	~library()
	{
		DJLSDecoderRegistration::cleanup();
		DJDecoderRegistration::cleanup();
		DcmRLEDecoderRegistration::cleanup();
	}
};

static bool ready()
{
	static library once;
	return once.dictionary;
}

static void clean(const char *from, size_t length, char *out)
{
	size_t first = 0;
	while (first < length && from[first] == ' ')
		first++;
	while (length > first && (from[length - 1] == ' ' || from[length - 1] == '\0'))
		length--;
	for (size_t i = first; i < length; i++) {
		unsigned char c = (unsigned char)from[i];
		*out++ = c < 32 || c == 127 ? '?' : (char)c;
	}
	*out = '\0';
}

/* A syntax without an entry in DCMTK is read as explicit little endian, so the meta header's own
 * words are kept beside what the library made of them. */
static void note_syntax(sm_dicom *dcm)
{
	OFString uid;
	dcm->syntax[0] = '\0';
	DcmMetaInfo *meta = dcm->file.getMetaInfo();
	if (meta && meta->findAndGetOFString(DCM_TransferSyntaxUID, uid).good() &&
	    uid.length() < 65)
		clean(uid.c_str(), uid.length(), dcm->syntax);
}

static enum sm_status open_file(const char *path, bool head_only, sm_dicom **out,
				struct sm_err *err)
{
	if (!ready())
		return SM_FAIL(
			err, SM_INTERNAL,
			"DCMTK's data dictionary was not found: unset DCMDICTPATH or install "
			"the package libdcmtk17");
	/* DCMTK's own sentence for a file that cannot be opened does not tell why. */
	FILE *probe = fopen(path, "rb");
	if (!probe)
		return SM_FAIL(err, SM_IO, "cannot be opened: %s", strerror(errno));
	int first = fgetc(probe);
	fclose(probe);
	if (first == EOF)
		return SM_FAIL(err, SM_INPUT, "is empty");
	sm_dicom *dcm = new sm_dicom;
	OFCondition got = dcm->file.loadFileUntilTag(
		path, EXS_Unknown, EGL_noChange, KEEP_BYTES, ERM_autoDetect,
		head_only ? DcmTagKey(0x7fe0, 0x0008) : DCM_UndefinedTagKey);
	if (got.bad() || !dcm->file.getDataset() || dcm->file.getDataset()->card() == 0) {
		delete dcm;
		return SM_FAIL(err, SM_INPUT, "is no whole DICOM file (%s)",
			       got.bad() ? got.text() : "it holds no elements");
	}
	note_syntax(dcm);
	*out = dcm;
	return SM_OK;
}

enum sm_status sm_dicom_open(const char *path, bool head_only, struct sm_dicom **out,
			     struct sm_err *err)
{
	*out = nullptr;
	try {
		return open_file(path, head_only, out, err);
	} catch (const std::bad_alloc &) {
		return SM_FAIL(err, SM_BUDGET, "out of memory while reading the header");
	} catch (...) {
		return SM_FAIL(err, SM_INPUT, "the header cannot be read");
	}
}

void sm_dicom_close(struct sm_dicom *dcm)
{
	try {
		delete dcm;
	} catch (...) {
	}
}

const char *sm_dicom_syntax(const struct sm_dicom *dcm)
{
	return dcm->syntax;
}

static bool text_of(DcmItem *item, uint32_t tag, char *out, size_t n)
{
	OFString text;
	DcmElement *element = nullptr;
	out[0] = '\0';
	if (item->findAndGetElement(DcmTagKey((Uint16)(tag >> 16), (Uint16)(tag & 0xffff)), element)
		    .bad() ||
	    !element || !element->isLeaf() || element->getLength() > 16 * n)
		return false;
	if (element->getOFStringArray(text).bad() || text.length() >= n || text.empty())
		return false;
	clean(text.c_str(), text.length(), out);
	return out[0] != '\0';
}

bool sm_dicom_text(struct sm_dicom *dcm, uint32_t tag, char *out, size_t n)
{
	try {
		return text_of(dcm->file.getDataset(), tag, out, n);
	} catch (...) {
		out[0] = '\0';
		return false;
	}
}

bool sm_dicom_item_text(struct sm_dicom *dcm, uint32_t sequence, uint32_t tag, char *out, size_t n)
{
	out[0] = '\0';
	try {
		DcmItem *item = nullptr;
		DcmTagKey key((Uint16)(sequence >> 16), (Uint16)(sequence & 0xffff));
		if (dcm->file.getDataset()->findAndGetSequenceItem(key, item, 0).bad() || !item)
			return false;
		return text_of(item, tag, out, n);
	} catch (...) {
		out[0] = '\0';
		return false;
	}
}

bool sm_dicom_has(struct sm_dicom *dcm, uint32_t tag)
{
	try {
		return dcm->file.getDataset()->tagExists(
			DcmTagKey((Uint16)(tag >> 16), (Uint16)(tag & 0xffff)));
	} catch (...) {
		return false;
	}
}

static DcmPixelData *pixels_of(sm_dicom *dcm)
{
	DcmElement *element = nullptr;
	if (dcm->file.getDataset()->findAndGetElement(DCM_PixelData, element).bad() || !element)
		return nullptr;
	return dynamic_cast<DcmPixelData *>(element);
}

/* The fragments of compressed pixel data; NULL for uncompressed ones. */
static DcmPixelSequence *sequence_of(DcmPixelData *pixels, E_TransferSyntax *xfer)
{
	const DcmRepresentationParameter *how = nullptr;
	DcmPixelSequence *sequence = nullptr;
	pixels->getOriginalRepresentationKey(*xfer, how);
	if (!DcmXfer(*xfer).isEncapsulated() ||
	    pixels->getEncapsulatedRepresentation(*xfer, how, sequence).bad())
		return nullptr;
	return sequence;
}

static uint64_t pixel_bytes(sm_dicom *dicom)
{
	DcmPixelData *pixels = pixels_of(dicom);
	E_TransferSyntax xfer = EXS_Unknown;
	uint64_t sum = 0;
	if (!pixels)
		return 0;
	DcmPixelSequence *sequence = sequence_of(pixels, &xfer);
	if (!sequence)
		return pixels->getLength(xfer);
	for (unsigned long i = 1; i < sequence->card(); i++) { /* 0 is the offset table */
		DcmPixelItem *item = nullptr;
		if (sequence->getItem(item, i).good() && item)
			sum += item->getLength();
	}
	return sum;
}

uint64_t sm_dicom_pixel_bytes(struct sm_dicom *dicom)
{
	try {
		return pixel_bytes(dicom);
	} catch (...) {
		return 0;
	}
}

static enum sm_status join(sm_dicom *dicom, unsigned char **bytes, size_t *n, struct sm_err *err)
{
	size_t room = (size_t)pixel_bytes(dicom), at = 0;
	E_TransferSyntax xfer = EXS_Unknown;
	DcmPixelData *pixels = pixels_of(dicom);
	DcmPixelSequence *sequence = pixels ? sequence_of(pixels, &xfer) : nullptr;
	if (!sequence || !room)
		return SM_FAIL(err, SM_INPUT, "holds no compressed pixel data");
	unsigned char *all = (unsigned char *)malloc(room);
	if (!all)
		return SM_FAIL(err, SM_BUDGET, "out of memory for %zu bytes of pixel data", room);
	for (unsigned long i = 1; i < sequence->card(); i++) {
		DcmPixelItem *item = nullptr;
		Uint8 *part = nullptr;
		size_t length;
		if (sequence->getItem(item, i).bad() || !item || (length = item->getLength()) == 0)
			continue;
		if (item->getUint8Array(part).bad() || !part || length > room - at) {
			free(all);
			return SM_FAIL(err, SM_INPUT,
				       "fragment %lu of the pixel data cannot be read", i);
		}
		memcpy(all + at, part, length);
		at += length;
	}
	*bytes = all;
	*n = at;
	return SM_OK;
}

enum sm_status sm_dicom_fragments(struct sm_dicom *dicom, unsigned char **bytes, size_t *n,
				  struct sm_err *err)
{
	*bytes = nullptr;
	*n = 0;
	try {
		return join(dicom, bytes, n, err);
	} catch (const std::bad_alloc &) {
		return SM_FAIL(err, SM_BUDGET, "out of memory while reading the pixel data");
	} catch (...) {
		return SM_FAIL(err, SM_INPUT, "pixel data cannot be read");
	}
}

/* DCMTK's decoders of single frames write past the end on damaged data; those that decode the whole
 * element do not. */
static OFCondition decode_whole(sm_dicom *dicom, DcmPixelData *pixels, void *out, size_t n)
{
	OFCondition got =
		dicom->file.getDataset()->chooseRepresentation(EXS_LittleEndianExplicit, nullptr);
	if (got.bad())
		return got;
	size_t have = pixels->getLength(EXS_LittleEndianExplicit);
	Uint16 *words = nullptr;
	Uint8 *bytes = nullptr;
	got = pixels->getVR() == EVR_OW ? pixels->getUint16Array(words)
					: pixels->getUint8Array(bytes);
	const void *from = words ? (const void *)words : (const void *)bytes;
	if (got.bad() || !from)
		return got.bad() ? got : EC_CorruptedData;
	if (have + 1 < n)
		return EC_CorruptedData;
	memcpy(out, from, have < n ? have : n);
	return EC_Normal;
}

static enum sm_status decode(sm_dicom *dicom, void *out, size_t n, struct sm_err *err)
{
	DcmPixelData *pixels = pixels_of(dicom);
	E_TransferSyntax xfer = EXS_Unknown;
	if (!pixels)
		return SM_FAIL(err, SM_INPUT, "holds no pixel data");
	/* The library wants an even number of bytes. */
	if (n > 0xfffffffeu || n % 2)
		return SM_FAIL(err, SM_INPUT, "a frame of %zu bytes cannot be decoded", n);
	OFString colour;
	Uint32 fragment = 0;
	OFCondition got;
	if (sequence_of(pixels, &xfer))
		got = decode_whole(dicom, pixels, out, n);
	else
		got = pixels->getUncompressedFrame(dicom->file.getDataset(), 0, fragment, out,
						   (Uint32)n, colour);
	if (got.bad())
		return SM_FAIL(err, SM_INPUT, "pixel data cannot be decoded (%s)", got.text());
	return SM_OK;
}

enum sm_status sm_dicom_frame(struct sm_dicom *dicom, void *out, size_t n, struct sm_err *err)
{
	try {
		return decode(dicom, out, n, err);
	} catch (const std::bad_alloc &) {
		return SM_FAIL(err, SM_BUDGET, "out of memory while decoding the pixel data");
	} catch (...) {
		return SM_FAIL(err, SM_INPUT, "pixel data cannot be decoded");
	}
}
