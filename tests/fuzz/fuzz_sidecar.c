/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a DICOM file whose sidecar is written: only known fields, plain texts, finite
 * numbers, and a SUV factor that is positive or a reason.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/series/pet.h"
#include "ingest/series/sidecar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const json_t *v)
{
	const char *key, *text = json_string_value(v);
	const json_t *one;
	size_t i;
	if (json_is_real(v) && !isfinite(json_real_value(v)))
		abort();
	for (; text && *text; text++)
		if (*text < 32 || *text > 126)
			abort();
	if (json_is_object(v))
		json_object_foreach((json_t *)v, key, one) check(one);
	if (json_is_array(v))
		json_array_foreach(v, i, one) check(one);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t frames[] = {0, 2, 3}, time[] = {0, 1, 1};
	struct sm_sidecar_times by_time;
	struct sm_mem mem;
	struct sm_dicom *dcm;
	struct sm_err err = {0};
	struct sm_sidecar side = {0}, some = {0};
	struct sm_pet pet = {0};
	struct sm_pet_suv suv;
	struct sm_pet_table table = {0};
	struct sm_sidecar_plane plane = {
		.columns = 64, .rows = 32, .across = {1}, .down = {0, 1}, .polarity = -1};
	sm_mem_init(&mem, 1 << 20);
	if (sm_dicom_parse(data, size, SM_DICOM_HEAD, &mem, &dcm, &err) != SM_OK)
		return 0;
	sm_sidecar_read(&side, dcm, NULL, 0);
	sm_sidecar_read(&some, dcm, frames, 3);
	if (sm_sidecar_times_init(&by_time, 2, &mem, &err) != SM_OK)
		abort();
	sm_sidecar_times_read(&by_time, &some, dcm, frames, time, 3);
	sm_sidecar_join(&side, &some);
	sm_pet_read(&pet, dcm, "BQML");
	sm_pet_read(&pet, dcm, "BQML");
	sm_pet_suv(&pet, &suv);
	if (suv.known ? !(suv.factor > 0 && isfinite(suv.factor)) : !*suv.why)
		abort();
	json_t *o = json_object();
	if (sm_sidecar_add(o, &side, &by_time, &err) != SM_OK)
		abort();
	sm_sidecar_plane(o, &plane);
	sm_pet_sidecar(o, &pet, &suv, &table, size & 1);
	check(o);
	json_decref(o);
	sm_sidecar_times_clear(&by_time);
	sm_dicom_close(dcm);
	return 0;
}
