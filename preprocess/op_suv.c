/* SPDX-License-Identifier: Apache-2.0
 *
 * suv: a PET volume from Bq/ml (or the scanner's counts) to the standardised uptake value by body
 * weight, g/ml: x * SUVbwFactor, the factor that ingest computed from the DICOM header by the
 * vendor-neutral pseudo-code of the QIBA FDG-PET/CT profile (docs/formats.md). A volume that is SUV
 * already (ingest.pet_units: suvbw, or files in g/ml, or a second step suv) is refused, or left as
 * it is; one without a factor is refused with the header's reason.
 */
#include <math.h>
#include <string.h>

#include "core/ledger.h"
#include "preprocess/op_table.h"
#include "preprocess/sidecar.h"

struct suv {
	int already;
	char *role;
};
enum { REJECT, KEEP };

#define AT(member) .offset = offsetof(struct suv, member)
static const struct sm_field fields[] = {
	{"already", SM_F_CHOICE, AT(already), "reject", .choices = "reject|keep",
	 .doc = "a volume that is SUV already rejects the case, or stays as it is"},
	{"role", SM_F_STRING, AT(role),
	 .doc = "volume to work on; absent = all whose sidecar says Modality PT"},
};
const struct sm_fieldset sm_op_suv_fields = SM_FIELDSET("suv", struct suv, fields, "PET to SUV");

static bool is_suv(const struct sm_role_vol *rv)
{
	const char *meaning = sm_json_text(rv->sidecar, "Meaning"),
		   *units = sm_json_text(rv->sidecar, "Units");
	return rv->vol.meaning == SM_MEANING_SUV || (meaning && strcmp(meaning, "SUV") == 0) ||
	       (units && strcmp(units, "g/mL") == 0) ||
	       json_is_true(json_object_get(rv->sidecar, "SUVbwApplied"));
}

static enum sm_status convert(struct sm_case *c, struct sm_role_vol *rv, int already,
			      struct sm_err *err)
{
	const char *missing = sm_json_text(rv->sidecar, "SUVbwMissing");
	json_t *value = json_object_get(rv->sidecar, "SUVbwFactor");
	double factor = json_number_value(value);
	if (is_suv(rv)) {
		if (already == KEEP)
			return SM_OK;
		return SM_FAIL(err, SM_INPUT,
			       "%s: %s is SUV already (already: keep leaves it as it is)", c->key,
			       rv->role);
	}
	if (!rv->sidecar)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %s has no sidecar of ingest, which would hold the SUV factor",
			       c->key, rv->role);
	if (missing || !value)
		return SM_FAIL(err, SM_INPUT, "%s: %s has no SUV factor: %s", c->key, rv->role,
			       missing ? missing : "ingest's sidecar lacks SUVbwFactor");
	if (!(factor > 0) || !isfinite(factor))
		return SM_FAIL(err, SM_INPUT,
			       "%s: SUVbwFactor of %s is %g, allowed are numbers above 0", c->key,
			       rv->role, factor);
	SM_TRY(sm_vol_to_f32(&rv->vol, c->mem, c->jobs, err));
	size_t n = sm_vol_count(&rv->vol);
	float *v = rv->vol.data;
	for (size_t i = 0; i < n; i++)
		v[i] = (float)((double)v[i] * factor);
	rv->vol.meaning = SM_MEANING_SUV;
	json_object_set_new(rv->sidecar, "SUVbwApplied", json_true());
	json_object_set_new(rv->sidecar, "Meaning", json_string(sm_meaning_name(SM_MEANING_SUV)));
	json_object_set_new(rv->sidecar, "Units", json_string("g/mL"));
	json_object_del(rv->sidecar, "SUVbwFactor");
	sm_case_fact(c, "suv", json_pack("{s:s, s:f}", "role", rv->role, "factor", factor));
	return SM_OK;
}

enum sm_status sm_op_suv(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct suv *p = params;
	size_t done = 0;
	SM_TRY(sm_case_named(c, "suv", p->role, err));
	for (size_t i = 0; i < c->count; i++) {
		struct sm_role_vol *rv = &c->vols[i];
		const char *modality = sm_json_text(rv->sidecar, "Modality");
		bool pet = rv->vol.meaning == SM_MEANING_SUV ||
			   (modality && strcmp(modality, "PT") == 0);
		if (p->role ? strcmp(rv->role, p->role) != 0 : !pet)
			continue;
		SM_TRY(convert(c, rv, p->already, err));
		done++;
	}
	if (!done)
		return SM_FAIL(err, SM_INPUT,
			       "%s: no volume is PET by ingest's sidecar (role names one)", c->key);
	return SM_OK;
}
