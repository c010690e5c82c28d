/* SPDX-License-Identifier: Apache-2.0
 *
 * Looks for burned-in text in NIfTI files: one line a file, with the processor time it took.
 * bench_burned_text FILE...
 */
#include <stdio.h>
#include <time.h>

#include "core/nii.h"
#include "core/par.h"
#include "ingest/burned/burned_text.h"

int main(int argc, char **argv)
{
	struct sm_mem mem;
	int bad = 0;
	sm_mem_init(&mem, 0);
	for (int i = 1; i < argc; i++) {
		struct sm_vol vol;
		struct sm_err err;
		struct sm_text_finding f;
		struct timespec a, b;
		char text[200] = "nothing";
		if (sm_nii_read(argv[i], &mem, &vol, NULL, &err) != SM_OK) {
			printf("%s\tunreadable\t%s\n", argv[i], err.text);
			bad++;
			continue;
		}
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
		enum sm_status st = sm_burned_text_find(&vol, &mem, 1, &f, &err);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
		if (st != SM_OK)
			snprintf(text, sizeof text, "%.190s", err.text);
		else if (f.found)
			sm_burned_text_say(&f, text);
		printf("%s\t%s\t%.2f ms\t%s\n", argv[i],
		       st != SM_OK ? "failed"
		       : f.found   ? "found"
				   : "none",
		       (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) * 1e-6,
		       text);
		sm_vol_clear(&vol);
	}
	return bad > 0;
}
