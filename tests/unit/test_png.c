/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/picture.h"

static struct sm_mem mem;
static struct sm_err err;
static char path[] = "/tmp/sm_png_XXXXXX";

static void make(struct sm_image *image, int channels, int bits)
{
	assert_good(sm_image_init(image, 37, 21, channels, bits, &mem, &err), err);
	for (size_t i = 0; i < (size_t)37 * 21 * (size_t)channels; i++)
		if (bits == 8)
			((uint8_t *)image->data)[i] = (uint8_t)(i * 5);
		else
			((uint16_t *)image->data)[i] = (uint16_t)(i * 257 + 3);
}

static void test_png_pixels_return_and_bytes_repeat(void **state)
{
	(void)state;
	for (int channels = 1; channels <= 3; channels += 2)
		for (int bits = 8; bits <= 16; bits += 8) {
			struct sm_image image, back;
			unsigned char *a, *b;
			size_t n, m;
			make(&image, channels, bits);
			assert_good(sm_png_encode(&image, &a, &n, &err), err);
			assert_good(sm_png_encode(&image, &b, &m, &err), err);
			assert_int_equal(n, m);
			assert_memory_equal(a, b, n);
			/* only the chunks that hold pixels: no time, text or gamma */
			assert_null(memmem(a, n, "tIME", 4));
			assert_null(memmem(a, n, "tEXt", 4));
			assert_null(memmem(a, n, "gAMA", 4));
			free(a);
			free(b);
			assert_good(sm_png_write(path, &image, &err), err);
			assert_good(sm_picture_read(path, &mem, &back, NULL, &err), err);
			assert_int_equal(back.width, 37);
			assert_int_equal(back.height, 21);
			assert_int_equal(back.channels, channels);
			assert_int_equal(back.bits, bits);
			assert_memory_equal(image.data, back.data,
					    (size_t)(37 * 21 * channels * bits / 8));
			sm_image_clear(&image);
			sm_image_clear(&back);
		}
	assert_int_equal(atomic_load(&mem.used), 0);
}

static enum sm_status read_bytes(const unsigned char *bytes, size_t n)
{
	struct sm_image image;
	assert_good(sm_file_write(path, bytes, n, &err), err);
	enum sm_status st = sm_picture_read(path, &mem, &image, NULL, &err);
	if (st != SM_OK)
		assert_null(image.data);
	sm_image_clear(&image);
	return st;
}

static void test_png_cut_and_flipped_files_are_refused(void **state)
{
	(void)state;
	struct sm_image image;
	unsigned char *bytes;
	size_t n;
	make(&image, 1, 16);
	assert_good(sm_png_encode(&image, &bytes, &n, &err), err);
	for (size_t cut = 0; cut < n; cut += cut < 60 ? 1 : 29)
		assert_int_equal(read_bytes(bytes, cut), SM_INPUT);
	for (size_t i = 8; i < n - 12; i += i < 60 ? 1 : 29) {
		bytes[i] ^= 16;
		assert_int_equal(read_bytes(bytes, n), SM_INPUT);
		bytes[i] ^= 16;
	}
	assert_good(read_bytes(bytes, n), err);
	free(bytes);
	sm_image_clear(&image);
	assert_int_equal(atomic_load(&mem.used), 0);
}

static void test_png_sizes_and_missing_files(void **state)
{
	(void)state;
	struct sm_image image;
	assert_refused(sm_image_init(&image, 70000, 1, 1, 8, &mem, &err), SM_INPUT, err, "70000");
	assert_int_equal(sm_picture_read("/nowhere.png", &mem, &image, NULL, &err), SM_IO);
	assert_null(image.data);
}

int main(void)
{
	sm_mem_init(&mem, 16 << 20);
	int fd = mkstemp(path);
	if (fd < 0)
		return 1;
	close(fd);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_png_pixels_return_and_bytes_repeat),
	    cmocka_unit_test(test_png_cut_and_flipped_files_are_refused),
	    cmocka_unit_test(test_png_sizes_and_missing_files),
	};
	int failed = run_tap(tests);
	unlink(path);
	return failed;
}
