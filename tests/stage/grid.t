#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# preprocess with operations that move voxels: what the records say, cases of pictures, steps with
# `when`, labels on grids of their own.
. "$(dirname "$0")/../lib.sh"
needs preprocess ingest phantom slice
. "$SM_ROOT/tests/stage/cohort.sh"
C=BraTS20_Training_002

cat >"$T/m.yaml" <<'END'
schema: 1
name: grid
preprocess:
  steps:
    - stack: {roles: [flair, t1ce, t1, t2]}
    - orient: {axes: SRA}
    - resample: {spacing: [4, 0, 5.5], method: cubic, labels: vote}
    - rotate90: {k: 3}
    - regions: {unions: [{name: WT, labels: [1, 2, 4]}, {name: TC, labels: [1, 4]}]}
    - select_slices: {first: 3, last: 6}
    - pad_crop: {size: [50, 0, 0]}
slice: {plane: coronal}
END
exits "orient, resample, turn, cut" 0 sm preprocess --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/one" --jobs 1
exits "on two threads" 0 sm preprocess --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/two" --jobs 2
same_tree "gives the same bytes" "$T/one" "$T/two"
like "regions are an output" "$(record "$T/one" $C)" "\"path\":\"$C/regions.nii.gz\",\"role\":\"regions\""
like "their names stand in the record" "$(record "$T/one" $C)" '"region_names":\["WT","TC"\]'
like "and the slices kept" "$(record "$T/one" $C)" '"slices":\[3,4,5,6\]'
if has_python nibabel numpy; then
	ok "the way leads from each source voxel to its place" "$PYTHON" - "$T/one" "$T/ingest" $C <<'END'
import sys, json, numpy as np, nibabel as nib
out, src, key = sys.argv[1:]
record = [r for r in map(json.loads, open(out + "/ledger.jsonl")) if r.get("key") == key][0]
image = nib.load(f"{out}/{key}/image.nii.gz")
way = np.array(record["way"]).reshape(4, 4)
source = np.array(record["source_grid"]["affine"]).reshape(4, 4)
assert np.allclose(image.affine @ way, source, atol=1e-4)
assert np.count_nonzero(way[:3, :3]) == 3 and not np.allclose(np.abs(way[:3, :3]).sum(0), 1)
assert nib.aff2axcodes(image.affine) != nib.aff2axcodes(source)
regions = np.asarray(nib.load(f"{out}/{key}/regions.nii.gz").dataobj)
label = np.asarray(nib.load(f"{out}/{key}/label.nii.gz").dataobj)
assert regions.dtype == np.uint8 and np.array_equal(regions[..., 0], np.isin(label, [1, 2, 4]))
assert np.array_equal(regions[..., 1], np.isin(label, [1, 4])) and regions[..., 1].any()
END
else
	skip "the way leads from each source voxel to its place" "no nibabel"
fi

exits "slice reads it all back" 0 sm slice --manifest "$T/m.yaml" --in "$T/one" --out "$T/slices"
is "and draws the slices kept" "$(find "$T/slices/$C" -name '*_flair_*.png' | wc -l | tr -d ' ')" 4

# Volumes that went different ways have a grid each in the record.
cat >"$T/apart.yaml" <<'END'
schema: 1
name: apart
preprocess:
  steps:
    - {pad_crop: {size: [40, 0, 0]}, when: flair}
    - {orient: {axes: RAS}, when: t2}
END
exits "volumes that part" 0 sm preprocess --manifest "$T/apart.yaml" --in "$T/ingest" --out "$T/apart"
like "have a way each" "$(record "$T/apart" $C)" '"grids":\{"flair":\{"affine":\[[^]]*\],"dim":\[48,48,24\],"way":\[1.0,0.0,0.0,-4.0,.*"t2":.*"way":\[-1.0,0.0,0.0,47.0'
unlike "which those that went together do not" "$(record "$T/one" $C)" '"grids"'
exits "and are read back" 0 sm slice --in "$T/apart" --out "$T/apart_slices"

# A CT series carries its modality; the others' steps pass it by.
run sm phantom --kind ct_head --cases 1 --size 32,32,8 --out "$T/ct_raw"
[ "$CODE" -eq 0 ] && run sm ingest --in "$T/ct_raw" --out "$T/ct"
[ "$CODE" -eq 0 ] || fail_all "the CT could not be made: $(cat "$ERR")"
cat >"$T/ct.yaml" <<'END'
schema: 1
name: ct
preprocess:
  steps:
    - {window: {preset: brain}, when: CT}
    - {normalise: {method: zscore}, when: mr}
END
exits "steps for modalities" 0 sm preprocess --manifest "$T/ct.yaml" --in "$T/ct" --out "$T/ct_out"
like "the modality is passed on" "$(cat "$T/ct_out/ledger.jsonl")" '"modality":"CT"'
like "what was not for the case is told" "$(cat "$T/ct_out/ledger.jsonl")" '"not_for_this_case":"mr"'
like "the condition is a setting" "$(head -n 1 "$T/ct_out/ledger.jsonl")" '"when":"CT"'
sed 's/when: CT/when: mr/' "$T/ct.yaml" >"$T/none.yaml"
exits "a condition that no case meets" 0 sm preprocess --manifest "$T/none.yaml" --in "$T/ct" --out "$T/ct_none"
like "is warned of" "$(cat "$ERR")" 'warning: .*step 1 \(window\): when: mr is true of no case'

# A flair that is smaller than its label.
if has_python nibabel numpy; then
	mkdir -p "$T/odd_raw/a"
	"$PYTHON" - "$T/raw/$C/${C}" "$T/odd_raw/a/a" <<'END'
import sys, numpy as np, nibabel as nib
src, out = sys.argv[1:]
flair = nib.load(src + "_flair.nii.gz")
nib.save(flair.slicer[4:40, :, 2:20], out + "_flair.nii.gz")
nib.save(nib.load(src + "_seg.nii.gz"), out + "_seg.nii.gz")
END
	cat >"$T/odd.yaml" <<'END'
schema: 1
name: odd
ingest:
  layout: mixed
  sources:
    - {role: flair, pattern: "{case}/{case}_flair.nii.gz"}
    - {role: seg, pattern: "{case}/{case}_seg.nii.gz", label: true}
END
	exits "a label on its own grid" 0 sm ingest --manifest "$T/odd.yaml" --in "$T/odd_raw" --out "$T/odd_in"
	exits "is refused by preprocess" 3 sm preprocess --manifest "$T/odd.yaml" --in "$T/odd_in" --out "$T/odd"
	like "with sizes and the way out" "$(cat "$ERR")" 'the label lies on no volume.s grid: it has 48 x 48 x 24 voxels, flair has 36 x 48 x 18 \(a step `resample: \{like: flair\}` brings it there\)'
	printf 'preprocess:\n  steps:\n    - resample: {like: flair}\n' >>"$T/odd.yaml"
	exits "which works" 0 sm preprocess --manifest "$T/odd.yaml" --in "$T/odd_in" --out "$T/odd"
	ok "and cuts the label as the flair was cut" "$PYTHON" - "$T/odd/a" "$T/raw/$C/$C" <<'END'
import sys, numpy as np, nibabel as nib
out, src = sys.argv[1:]
a = np.asarray(nib.load(out + "/label.nii.gz").dataobj)
b = np.asarray(nib.load(src + "_seg.nii.gz").dataobj)[4:40, :, 2:20]
assert np.array_equal(a, b) and b.any()
END
else
	skip "a label on its own grid" "no nibabel"
fi

# Pictures: gray of 8 bits and RGB of 16, as PGM and PPM.
mkdir -p "$T/pics/A" "$T/pics/B"
if has_python numpy; then
	"$PYTHON" - "$T/pics" <<'END'
import sys, numpy as np
t = sys.argv[1]
gray = (np.arange(24) * 10).astype(np.uint8)
rgb = (np.arange(72) * 900).astype(">u2")
for i, name in enumerate(["one", "two"]):
    open(f"{t}/A/{name}.pgm", "wb").write(b"P5\n6 4\n255\n" + (gray + i).tobytes())
    open(f"{t}/B/{name}.ppm", "wb").write(b"P6\n6 4\n65535\n" + rgb.tobytes())
END
	printf 'schema: 1\nname: pics\ningest: {layout: images}\npreprocess:\n  steps:\n    - rotate90: {k: 2}\n' >"$T/pics.yaml"
	exits "pictures in" 0 sm ingest --manifest "$T/pics.yaml" --in "$T/pics" --out "$T/pics_in"
	exits "pictures through preprocess" 0 sm preprocess --manifest "$T/pics.yaml" --in "$T/pics_in" --out "$T/pics_out"
	like "stay pictures" "$(cat "$T/pics_out/ledger.jsonl")" '"pictures":true'
	if has_python nibabel; then
		ok "rows go down, colours are the fourth axis" "$PYTHON" - "$T/pics_out" <<'END'
import sys, json, numpy as np, nibabel as nib
out = sys.argv[1]
key = [r["key"] for r in map(json.loads, open(out + "/ledger.jsonl")) if "key" in r][0]
a = nib.load(f"{out}/{key}/A.nii.gz")
v = np.asarray(a.dataobj).squeeze()
assert v.shape == (6, 4) and v.dtype == np.uint8
assert np.array_equal(v[::-1, ::-1].T.ravel(), np.arange(24) * 10)
assert np.allclose(a.affine[:3, :3], np.diag([1, 1, 1])) and np.allclose(a.affine[:3, 3], [-5, -3, 0])
b = np.asarray(nib.load(f"{out}/{key}/B.nii.gz").dataobj)
assert b.shape == (6, 4, 1, 3) and b.dtype == np.uint16
assert np.array_equal(b[::-1, ::-1, 0].transpose(1, 0, 2).ravel(), np.arange(72) * 900)
END
	fi
	picture=$T/pics_in/one/A.png
	"$PYTHON" - "$picture" <<'END'
import sys
from zlib import crc32, compress, decompress
p = sys.argv[1]
d = open(p, "rb").read()
at = d.index(b"IDAT")
n = int.from_bytes(d[at - 4:at], "big")
raw = bytearray(decompress(d[at + 4:at + 4 + n]))
raw[3] ^= 1
new = b"IDAT" + compress(bytes(raw))
open(p, "wb").write(d[:at - 4] + (len(new) - 4).to_bytes(4, "big") + new +
                    crc32(new).to_bytes(4, "big") + d[at + 8 + n:])
END
	exits "a changed pixel" 1 sm preprocess --manifest "$T/pics.yaml" --in "$T/pics_in" --out "$T/pics_bad"
	like "is found" "$(cat "$ERR")" 'A.png: content is not what the ledger of ingest says'
else
	skip "pictures" "no numpy"
fi
done_testing
