/* SPDX-License-Identifier: Apache-2.0 */
#include "core/components.h"

#include <string.h>

/* First voxel from x on that is of the label set, or n. Most of a scan is background. */
static int64_t next_member(const uint8_t *label, int64_t x, int64_t n, const uint8_t member[256])
{
	while (x < n && !member[label[x]]) {
		uint64_t word = 1;
		if (!member[0] && n - x >= 8)
			memcpy(&word, label + x, 8);
		x += word ? 1 : 8;
	}
	return x;
}

/* Runs of a row into out (NULL = count only). */
static size_t runs_of(const uint8_t *label, int64_t n, const uint8_t member[256],
		      struct sm_run_of_voxels *out)
{
	size_t count = 0;
	for (int64_t x = next_member(label, 0, n, member); x < n;
	     x = next_member(label, x, n, member)) {
		int64_t start = x;
		while (x < n && member[label[x]])
			x++;
		if (out)
			out[count] =
				(struct sm_run_of_voxels){(int32_t)start, (int32_t)(x - start), 0};
		count++;
	}
	return count;
}

/* Union-find over runs; a root is its own parent, and the first run of its component. */
static uint32_t root(uint32_t *parent, uint32_t i)
{
	while (parent[i] != i) {
		parent[i] = parent[parent[i]];
		i = parent[i];
	}
	return i;
}

static void join(uint32_t *parent, uint32_t a, uint32_t b)
{
	a = root(parent, a);
	b = root(parent, b);
	if (a < b)
		parent[b] = a;
	else
		parent[a] = b;
}

/* Joins the runs of two rows that touch; `reach` = voxels that they may lie apart along x. */
static void join_rows(struct sm_components *p, uint32_t *parent, size_t a, size_t b, int32_t reach)
{
	size_t i = p->row[a], j = p->row[b];
	while (i < p->row[a + 1] && j < p->row[b + 1]) {
		const struct sm_run_of_voxels *r = &p->run[i], *s = &p->run[j];
		int32_t end_r = r->start + r->length, end_s = s->start + s->length;
		if (r->start < end_s + reach && s->start < end_r + reach)
			join(parent, (uint32_t)i, (uint32_t)j);
		if (end_r < end_s)
			i++;
		else
			j++;
	}
}

static void join_all(struct sm_components *p, uint32_t *parent, const int64_t dim[3],
		     enum sm_neighbours neighbours)
{
	/* Earlier rows next to one, and the reach along x for each kind of neighbours;
	 * -1 = none. */
	static const struct {
		int y, z, reach[3];
	} near[] = {
		{-1, 0, {0, 1, 1}}, {0, -1, {0, 1, 1}}, {-1, -1, {-1, 0, 1}}, {1, -1, {-1, 0, 1}}};
	for (int64_t z = 0; z < dim[2]; z++)
		for (int64_t y = 0; y < dim[1]; y++)
			for (size_t k = 0; k < 4; k++) {
				int64_t ny = y + near[k].y, nz = z + near[k].z;
				int reach = near[k].reach[neighbours];
				if (reach >= 0 && ny >= 0 && ny < dim[1] && nz >= 0)
					join_rows(p, parent, (size_t)(z * dim[1] + y),
						  (size_t)(nz * dim[1] + ny), reach);
			}
}

/* Numbers the components by their first runs and counts their voxels. */
static void number(struct sm_components *p, uint32_t *parent)
{
	p->count = 0;
	for (size_t i = 0; i < p->runs; i++) {
		uint32_t r = root(parent, (uint32_t)i);
		p->run[i].part = r == i ? (uint32_t)p->count : p->run[r].part;
		if (r == i)
			p->size[p->count++] = 0;
		p->size[p->run[i].part] += p->run[i].length;
	}
}

enum sm_status sm_components_find(struct sm_components *p, const uint8_t *label,
				  const int64_t dim[3], const uint8_t member[256],
				  enum sm_neighbours neighbours, struct sm_mem *mem,
				  struct sm_err *err)
{
	uint32_t *parent = NULL;
	enum sm_status st = SM_BUDGET;
	*p = (struct sm_components){.rows = (size_t)(dim[1] * dim[2])};
	p->row = sm_alloc(mem, p->rows + 1, sizeof *p->row, "connected components", err);
	if (!p->row)
		return SM_BUDGET;
	for (size_t r = 0; r < p->rows; r++) {
		p->row[r] = p->runs;
		p->runs += runs_of(label + r * (size_t)dim[0], dim[0], member, NULL);
	}
	p->row[p->rows] = p->runs;
	if (p->runs > UINT32_MAX) {
		SM_FAIL(err, SM_BUDGET, "connected components: the volume is too large");
		goto out;
	}
	p->run = sm_alloc(mem, p->runs + 1, sizeof *p->run, "connected components", err);
	if (!p->run)
		goto out;
	p->size = sm_alloc(mem, p->runs + 1, sizeof *p->size, "connected components", err);
	if (!p->size)
		goto out;
	parent = sm_alloc(mem, p->runs + 1, sizeof *parent, "connected components", err);
	if (!parent)
		goto out;
	st = SM_OK;
	for (size_t r = 0; r < p->rows; r++)
		runs_of(label + r * (size_t)dim[0], dim[0], member, p->run + p->row[r]);
	for (size_t i = 0; i < p->runs; i++)
		parent[i] = (uint32_t)i;
	join_all(p, parent, dim, neighbours);
	number(p, parent);
out:
	sm_free(parent);
	if (st != SM_OK)
		sm_components_clear(p);
	return st;
}

void sm_components_clear(struct sm_components *p)
{
	sm_free(p->run);
	sm_free(p->row);
	sm_free(p->size);
	*p = (struct sm_components){0};
}
