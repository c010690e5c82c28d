/* SPDX-License-Identifier: Apache-2.0
 *
 * A head that any scanner of the phantom may look at: MR, CT and PET of one head agree in every
 * voxel. Places are in mm along DICOM's patient axes (x to the left, y to the back, z to the crown)
 * from the centre of the grid. Heads differ in size, turn, place, bending and all inner parts.
 */
#ifndef SM_INGEST_PHANTOM_PHANTOM_HEAD_H
#define SM_INGEST_PHANTOM_PHANTOM_HEAD_H

#include "ingest/phantom/phantom_shape.h"

enum sm_tissue {
	SM_AIR,   /* around the head and in its sinuses */
	SM_SOFT,  /* scalp, face, neck */
	SM_SKULL, /* and spine */
	SM_CSF,
	SM_GREY,
	SM_WHITE,
	SM_VENTRICLE,
	SM_VESSEL,
	SM_TISSUES
};

/* "soft", "skull", "csf", "grey", "white", "ventricles", "vessels"; without air. */
extern const char *const sm_tissue_names[SM_TISSUES - 1];

#define SM_VESSELS 6
#define SM_SINUSES 3

struct sm_head {
	struct sm_lattice lattice;
	struct sm_smooth warp[3], bias;
	struct sm_ellipsoid frame; /* of the skull's outer surface */
	struct sm_ellipsoid face[3], sinus[SM_SINUSES], ventricle[2], deep[2];
	double vessel[SM_VESSELS][3]; /* place x, y in head units, and radius */
	double neck[4];               /* place x, y at the skull's base, lean back a unit, radius */
	double table[3];              /* CT's table: place y, bow and half width in head units */
	double half[3];               /* head unit in mm */
};

/* What is the same for one slice. */
struct sm_head_slice {
	double z;                     /* mm */
	double vessel[SM_VESSELS][3]; /* place x, y in mm, and square of the radius */
};

/* A voxel's tissue, and where it lies for textures. */
struct sm_head_point {
	enum sm_tissue tissue;
	double v[3];  /* head units, bent and turned: the skull's outer surface is near length 1 */
	double p[2];  /* x and y in head units, neither bent nor turned */
	double deep;  /* skull: 0 in the marrow, 1 at the surfaces */
	double lumps; /* noise in (-1, 1) of coarse grain; 0 in air */
};

/* Draws the head of case `number` (from 0) of a domain, such as "CT"; key is the case's. extent: mm
 * of the grid along the three axes; the head fills it in z. Width, depth, turn and place of the
 * heads of a domain are spread evenly over what is possible, the rest is drawn for each. */
void sm_head_draw(struct sm_head *h, uint64_t seed, const char *domain, size_t number,
		  const char *key, const double extent[3]);

/* What the slice at height z (mm from the centre) has in common. */
void sm_head_slice(const struct sm_head *h, double z, struct sm_head_slice *slice);

/* What lies at x, y mm from the centre of the slice. */
void sm_head_at(const struct sm_head *h, const struct sm_head_slice *slice, double x, double y,
		struct sm_head_point *at);

/* What a CT shows there, HU without noise; a table stands behind the head. */
double sm_head_hu(const struct sm_head *h, const struct sm_head_point *at);

/* What a T1-weighted MR shows there, relative to white matter, with a bias field of this amplitude
 * and without noise; 0 in air. */
double sm_head_t1(const struct sm_head *h, const struct sm_head_point *at, double bias);

#endif
