/* SPDX-License-Identifier: Apache-2.0
 *
 * Processor time of inflating .nii.gz files as the NIfTI reader does (from memory, with its
 * checks), against libdeflate's gzip decompression of the same bytes into the same room. Usage:
 * bench_inflate
 * FILE.nii.gz... */
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/file.h"
#include "core/nii_head.h"

#define ROUNDS 15

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Both ways into fresh memory each round, as a reader does; the least time of the rounds. */
static enum sm_status measure(const char *path, double total[2], size_t *bytes, struct sm_err *err)
{
	unsigned char *in;
	size_t n;
	double best[2] = {1e9, 1e9};
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	SM_TRY(sm_file_read(path, 0, NULL, &in, &n, err));
	size_t length = (size_t)in[n - 4] | (size_t)in[n - 3] << 8 | (size_t)in[n - 2] << 16 |
			(size_t)in[n - 1] << 24;
	for (int round = 0; round < ROUNDS; round++) {
		struct sm_nii_buffer out;
		double t = now();
		SM_TRY(sm_nii_inflate(in, n, length, "its length", path, NULL, &out, err));
		t = now() - t;
		best[0] = t < best[0] ? t : best[0];
		sm_free(out.bytes);
		size_t made;
		t = now();
		unsigned char *room = sm_alloc(NULL, length, 1, path, err);
		if (!room ||
		    libdeflate_gzip_decompress(d, in, n, room, length, &made) != LIBDEFLATE_SUCCESS)
			return SM_FAIL(err, SM_INPUT, "%s: libdeflate refuses it", path);
		t = now() - t;
		best[1] = t < best[1] ? t : best[1];
		sm_free(room);
	}
	total[0] += best[0];
	total[1] += best[1];
	*bytes += length;
	libdeflate_free_decompressor(d);
	sm_free(in);
	return SM_OK;
}

int main(int argc, char **argv)
{
	double total[2] = {0};
	size_t bytes = 0;
	struct sm_err err;
	for (int i = 1; i < argc; i++)
		if (measure(argv[i], total, &bytes, &err) != SM_OK) {
			fprintf(stderr, "bench_inflate: %s\n", err.text);
			return 1;
		}
	if (bytes)
		printf("inflate of %.0f MB: ours %.0f MB/s, libdeflate %.0f MB/s, ours is %.1f %% "
		       "of it (processor time, least of %d)\n",
		       (double)bytes / 1e6, (double)bytes / total[0] / 1e6,
		       (double)bytes / total[1] / 1e6, 100 * total[1] / total[0], ROUNDS);
	return 0;
}
