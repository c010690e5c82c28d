/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of eval/assets/NIIVUE-LICENCE, which a page that holds the viewer has to show.
 */
#include "eval/viewer.h"

/* clang-format off */
const char sm_viewer_licence[] =
	"NiiVue 0.69.0 (npm @niivue/niivue), file dist/niivue.umd.js, is put unchanged into reports that have\n"
	"the interactive viewer. It is not part of this repository; `make viewer` fetches it from npm.\n"
	"\n"
	"BSD 2-Clause License\n"
	"\n"
	"Copyright (c) 2021, Niivue\n"
	"All rights reserved.\n"
	"\n"
	"Redistribution and use in source and binary forms, with or without\n"
	"modification, are permitted provided that the following conditions are met:\n"
	"\n"
	"1. Redistributions of source code must retain the above copyright notice, this\n"
	"   list of conditions and the following disclaimer.\n"
	"\n"
	"2. Redistributions in binary form must reproduce the above copyright notice,\n"
	"   this list of conditions and the following disclaimer in the documentation\n"
	"   and/or other materials provided with the distribution.\n"
	"\n"
	"THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS \"AS IS\"\n"
	"AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE\n"
	"IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE\n"
	"DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE\n"
	"FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL\n"
	"DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR\n"
	"SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER\n"
	"CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,\n"
	"OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE\n"
	"OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.\n"
	"\n"
	"The file contains these packages under the MIT licence: fflate, gl-matrix, nifti-reader-js,\n"
	"zarrita, @lukeed/uuid, array-equal; and @ungap/structured-clone under the ISC licence.\n";
/* clang-format on */
