#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The whole road on a tiny cohort: raw files in, tables and page out.
. "$(dirname "$0")/../lib.sh"
. "$SM_ROOT/tests/e2e/road.sh"

make_raw
key=BraTS20_Training_001
exits "index" 0 step index
exits "ingest" 0 step ingest

# The truth comes through: what evaluate counts in ingest's labels is what phantom.json says.
exits "evaluate of the truth against itself" 0 sm evaluate --pred "$W/ingest/$key/seg.nii.gz" \
	--truth "$RAW/$key/${key}_seg.nii.gz"
cp "$OUT" "$T/scores"
if has_python json; then
	for region in WT ET TC; do
		lower=$(echo $region | tr '[:upper:]' '[:lower:]')
		wanted=$("$PYTHON" -c "import json, sys
print(json.load(open(sys.argv[1]))['cases'][0]['voxels'][sys.argv[2]])" "$RAW/phantom.json" "$lower")
		is "$region: voxels of the truth, Dice 1" \
			"$(awk -v r=$region '$1 == r && $2 ~ /^[0-9]/ {print $3, $(NF - 1), $NF}' "$T/scores")" \
			"1.0000 $wanted $wanted"
	done
fi

for stage in $ROAD_STAGES; do
	case $stage in index | ingest) continue ;; esac
	exits "$stage" 0 step "$stage"
	ok "$stage wrote its ledger" test -s "$W/$stage/ledger.jsonl"
done

is "a prediction for every case" "$(find "$W/predict" -name '*.nii.gz' | wc -l | tr -d ' ')" 6
if has_python nibabel numpy; then
	cat >"$T/check.py" <<'END'
import glob, os, sys
import nibabel, numpy
raw, work = sys.argv[1:]
for path in sorted(glob.glob(work + "/predict/**/*.nii.gz", recursive=True)):
    key = next(p for p in path.replace(".nii.gz", "").split("/") if p.startswith("BraTS20_"))
    mine = nibabel.load(path)
    truth = nibabel.load(f"{raw}/{key}/{key}_seg.nii.gz")
    assert mine.shape == truth.shape and (mine.affine == truth.affine).all(), key
    labels = set(numpy.unique(numpy.asarray(mine.dataobj)))
    assert labels <= {0, 1, 2, 4}, labels
END
	ok "predictions lie on the source's grid, with its labels" "$PYTHON" "$T/check.py" "$RAW" "$W"
fi
page=$W/report/report.html
ok "the page is there" test -s "$page"
like "with curves" "$(cat "$page")" '<svg'
like "with pictures" "$(cat "$page")" 'data:image/png;base64,'
like "with a table" "$(cat "$page")" '<table'
unlike "and loads nothing from elsewhere" "$(cat "$page")" '(src|href)="?(https?:)?//'
unlike "and names no place of this machine" "$(cat "$page")" "$T"
for file in table.csv table.tex table.md; do
	like "$file has the row WT" "$(cat "$W/report/$file")" '[Ww][Tt]'
done
# From a figure of the table down to the scans.
model=$(sed -n 's/.*"kind":"model".*"name":"\([^"]*\)".*/\1/p' "$W/report/cells.jsonl")
exits "trace of a figure" 0 sm trace "$W" --cell "WT/$model"
scan=$(sed -n "s/.*\"path\":\"$key\/${key}_seg.nii.gz\",\"role\":\"seg\",\"sha256\":\"\(.\{12\}\).*/\1/p" "$W/ingest/ledger.jsonl")
like "ends at the raw scans" "$(cat "$OUT")" "^ +seg +$scan  RAW/$key/${key}_seg.nii.gz"
like "by way of the checkpoint" "$(cat "$OUT")" "^ +checkpoint +[0-9a-f]{12}  train/"
like "and the tiles it was made of" "$(cat "$OUT")" "^ +ledger +$(sha256sum <"$W/tile/ledger.jsonl" | cut -c 1-12)  tile/ledger.jsonl as a whole"
exits "verify of all" 0 sm verify "$W"
is "looks at every stage" "$(wc -l <"$OUT" | tr -d ' ')" "$(echo "$ROAD_STAGES" | wc -w | tr -d ' ')"

# Again with --resume: nothing is made anew, nothing changes.
cp -r "$W" "$T/before"
for stage in $ROAD_STAGES; do
	exits "$stage again" 0 step "$stage" --resume
	same_tree "$stage has not changed" "$T/before/$stage" "$W/$stage"
done
done_testing
