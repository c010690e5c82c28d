/* SPDX-License-Identifier: Apache-2.0
 *
 * The transfer syntaxes (PS3.5, PS3.6 annex A).
 */
#include <string.h>

#include "ingest/dicom/dicom.h"

static const struct sm_syntax rows[] = {
	{.uid = "1.2.840.10008.1.2",
	 .name = "implicit VR little endian",
	 .way = SM_SYNTAX_NATIVE,
	 .implicit = true},
	{.uid = "1.2.840.10008.1.2.1",
	 .name = "explicit VR little endian",
	 .way = SM_SYNTAX_NATIVE},
	{.uid = "1.2.840.10008.1.2.1.99",
	 .name = "deflated explicit VR little endian",
	 .way = SM_SYNTAX_NATIVE,
	 .deflated = true},
	{.uid = "1.2.840.10008.1.2.2",
	 .name = "explicit VR big endian",
	 .way = SM_SYNTAX_NATIVE,
	 .big_endian = true},
	{.uid = "1.2.840.113619.5.2",
	 .name = "GE private, big endian pixels",
	 .way = SM_SYNTAX_NONE,
	 .implicit = true},
	{.uid = "1.2.840.10008.1.2.5",
	 .name = "RLE lossless",
	 .way = SM_SYNTAX_RLE,
	 .lossless = true},
	{.uid = "1.2.840.10008.1.2.4.50", .name = "JPEG baseline", .way = SM_SYNTAX_JPEG},
	{.uid = "1.2.840.10008.1.2.4.51", .name = "JPEG extended", .way = SM_SYNTAX_JPEG},
	{.uid = "1.2.840.10008.1.2.4.57",
	 .name = "JPEG lossless",
	 .way = SM_SYNTAX_JPEG,
	 .lossless = true},
	{.uid = "1.2.840.10008.1.2.4.70",
	 .name = "JPEG lossless, first-order prediction",
	 .way = SM_SYNTAX_JPEG,
	 .lossless = true},
	{.uid = "1.2.840.10008.1.2.4.80",
	 .name = "JPEG-LS lossless",
	 .way = SM_SYNTAX_JPEGLS,
	 .lossless = true},
	{.uid = "1.2.840.10008.1.2.4.81", .name = "JPEG-LS near-lossless", .way = SM_SYNTAX_JPEGLS},
	{.uid = "1.2.840.10008.1.2.4.90",
	 .name = "JPEG 2000 lossless",
	 .way = SM_SYNTAX_J2K,
	 .lossless = true},
	{.uid = "1.2.840.10008.1.2.4.91", .name = "JPEG 2000", .way = SM_SYNTAX_J2K},
	{.uid = "1.2.840.10008.1.2.4.92",
	 .name = "JPEG 2000 part 2 lossless",
	 .way = SM_SYNTAX_NONE},
	{.uid = "1.2.840.10008.1.2.4.93", .name = "JPEG 2000 part 2", .way = SM_SYNTAX_NONE},
	{.uid = "1.2.840.10008.1.2.4.100", .name = "MPEG2", .way = SM_SYNTAX_NONE},
	{.uid = "1.2.840.10008.1.2.4.102", .name = "MPEG-4", .way = SM_SYNTAX_NONE},
	{.uid = "1.2.840.10008.1.2.4.107", .name = "HEVC", .way = SM_SYNTAX_NONE},
	{.uid = "1.2.840.10008.1.2.4.110", .name = "JPEG XL lossless", .way = SM_SYNTAX_NONE},
	{.uid = "1.2.840.10008.1.2.4.111", .name = "JPEG XL recompression", .way = SM_SYNTAX_NONE},
	{.uid = "1.2.840.10008.1.2.4.112", .name = "JPEG XL", .way = SM_SYNTAX_NONE},
	{.uid = "1.2.840.10008.1.2.4.201",
	 .name = "HTJ2K lossless",
	 .way = SM_SYNTAX_J2K,
	 .lossless = true,
	 .ht = true},
	{.uid = "1.2.840.10008.1.2.4.202",
	 .name = "HTJ2K lossless RPCL",
	 .way = SM_SYNTAX_J2K,
	 .lossless = true,
	 .ht = true},
	{.uid = "1.2.840.10008.1.2.4.203", .name = "HTJ2K", .way = SM_SYNTAX_J2K, .ht = true},
	{.uid = "1.2.840.10008.1.2.8.1", .name = "deflated image frame", .way = SM_SYNTAX_NONE},
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
