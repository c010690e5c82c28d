/* SPDX-License-Identifier: Apache-2.0
 *
 * The transfer syntaxes (PS3.5, PS3.6 annex A).
 */
#include <string.h>

#include "ingest/dicom.h"

static const struct sm_syntax rows[] = {
	{"1.2.840.10008.1.2", "implicit VR little endian", SM_SYNTAX_NATIVE, true, false, false},
	{"1.2.840.10008.1.2.1", "explicit VR little endian", SM_SYNTAX_NATIVE, false, false, false},
	{"1.2.840.10008.1.2.1.99", "deflated explicit VR little endian", SM_SYNTAX_NATIVE, false,
	 false, true},
	{"1.2.840.10008.1.2.2", "explicit VR big endian", SM_SYNTAX_NATIVE, false, true, false},
	{"1.2.840.113619.5.2", "GE private, big endian pixels", SM_SYNTAX_NONE, true, false, false},
	{"1.2.840.10008.1.2.5", "RLE lossless", SM_SYNTAX_RLE, false, false, false},
	{"1.2.840.10008.1.2.4.50", "JPEG baseline", SM_SYNTAX_JPEG, false, false, false},
	{"1.2.840.10008.1.2.4.51", "JPEG extended", SM_SYNTAX_JPEG, false, false, false},
	{"1.2.840.10008.1.2.4.57", "JPEG lossless", SM_SYNTAX_JPEG, false, false, false},
	{"1.2.840.10008.1.2.4.70", "JPEG lossless, first-order prediction", SM_SYNTAX_JPEG, false,
	 false, false},
	{"1.2.840.10008.1.2.4.80", "JPEG-LS lossless", SM_SYNTAX_JPEGLS, false, false, false},
	{"1.2.840.10008.1.2.4.81", "JPEG-LS near-lossless", SM_SYNTAX_JPEGLS, false, false, false},
	{"1.2.840.10008.1.2.4.90", "JPEG 2000 lossless", SM_SYNTAX_J2K, false, false, false},
	{"1.2.840.10008.1.2.4.91", "JPEG 2000", SM_SYNTAX_J2K, false, false, false},
	{"1.2.840.10008.1.2.4.92", "JPEG 2000 part 2 lossless", SM_SYNTAX_NONE, false, false,
	 false},
	{"1.2.840.10008.1.2.4.93", "JPEG 2000 part 2", SM_SYNTAX_NONE, false, false, false},
	{"1.2.840.10008.1.2.4.100", "MPEG2", SM_SYNTAX_NONE, false, false, false},
	{"1.2.840.10008.1.2.4.102", "MPEG-4", SM_SYNTAX_NONE, false, false, false},
	{"1.2.840.10008.1.2.4.107", "HEVC", SM_SYNTAX_NONE, false, false, false},
	{"1.2.840.10008.1.2.4.110", "JPEG XL lossless", SM_SYNTAX_NONE, false, false, false},
	{"1.2.840.10008.1.2.4.111", "JPEG XL recompression", SM_SYNTAX_NONE, false, false, false},
	{"1.2.840.10008.1.2.4.112", "JPEG XL", SM_SYNTAX_NONE, false, false, false},
	{"1.2.840.10008.1.2.4.201", "HTJ2K lossless", SM_SYNTAX_J2K, false, false, false},
	{"1.2.840.10008.1.2.4.202", "HTJ2K lossless RPCL", SM_SYNTAX_J2K, false, false, false},
	{"1.2.840.10008.1.2.4.203", "HTJ2K", SM_SYNTAX_J2K, false, false, false},
	{"1.2.840.10008.1.2.8.1", "deflated image frame", SM_SYNTAX_NONE, false, false, false},
};

const struct sm_syntax *sm_syntax_find(const char *uid)
{
	if (!*uid)
		return rows;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (strcmp(rows[i].uid, uid) == 0)
			return &rows[i];
	return NULL;
}
