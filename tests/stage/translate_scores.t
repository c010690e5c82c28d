#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stages evaluate and report of made images (dataset: pair): known scores, held-out slices, baselines of pairs, two
# domains and triplets, pages, bad input.
. "$(dirname "$0")/../lib.sh"
needs evaluate phantom ingest preprocess split pair report
has_python nibabel numpy || skip_all "python3-nibabel is not installed"
cd "$T" || exit 1
(umask 077 && echo 'salt of the test tree' >salt)

# fixture NAME ARGS: a folder as predict writes it, whose images are the truth and a known error.
fixture() {
	fix=$1
	shift
	"$PYTHON" "$SM_ROOT/tests/stage/translate_fixture.py" "$fix/pre" "$fix/predict" "$@" || exit 1
}
road() {
	{
		sm phantom --manifest "$1.yaml" --out "$1/raw" &&
			sm ingest --manifest "$1.yaml" --in "$1/raw" --out "$1/ingest" --salt-file salt &&
			sm preprocess --manifest "$1.yaml" --in "$1/ingest" --out "$1/pre" &&
			sm split --manifest "$1.yaml" --in "$1/pre" --out "$1/split" &&
			sm pair --manifest "$1.yaml" --in "$1/pre" --split "$1/split" --out "$1/pair"
	} >road.log 2>&1 || {
		diag "$(tail -n 3 road.log)"
		exit 1
	}
}
# scores NAME OUT ARGS
scores() {
	name=$1 to=$2
	shift 2
	sm evaluate --manifest "$name.yaml" --in "$name/predict" --truth "${TRUTH:-$name/pre}" --out "$to" "$@"
}
# mean OUT ROW UNITS REGION METRIC: of summary.csv
mean() {
	awk -F, -v r="$2" -v u="$3" -v g="$4" -v m="$5" \
		'{ gsub(/"/, "") } $1 == r && $3 == u && $4 == g && $5 == m { print $6 }' "$1/summary.csv"
}

# Pairs of pictures.
cat >mammo.yaml <<'END'
schema: 1
name: mammo
dataset: pair
phantom: {kind: mammo, cases: 6}
ingest: {layout: images, burned_text: keep}
preprocess:
  steps:
    - resize: {size: [32, 32, 0], method: linear}
    - scale: {divide: 127.5, add: -1}
split: {train: 50, test: 50, valid: 0, near_duplicates: off}
pair: {mode: aligned, a: A, b: B, direction: b_to_a, format: hdf5}
END
road mammo
fixture mammo B A grey 0 255 10 b_to_a
exits "pictures are scored" 0 scores mammo e1 --pairs mammo/pair --jobs 1
like "the table says so in words" "$(cat "$OUT")" '^- MAE: better than every baseline, the best is '
like "with the tests behind it" "$(cat "$OUT")" '^- MAE: .*of 3 cases; ahead by .*, 95 % .* to .*; Wilcoxon p 0\.25, by Holm .*; permutation p 0\.25, by Holm '
like "which machines read, too" "$(head -n 1 e1/summary.csv)" ',ci_low,ci_high,q1,q3,min,max,lead,lead_low,lead_high,wilcoxon_p,wilcoxon_holm,permutation_p,permutation_holm$'
like "only what was held out" "$(cat "$ERR")" '3 cases not scored: with no slice in the folds that evaluate.held asks for'
like "the ledger tells which cases are not" "$(head -n 1 e1/ledger.jsonl)" '"not_scored":{"no_truth":\[\],"not_asked_for":\["[0-9]*","[0-9]*","[0-9]*"\]}'
like "baselines are those of pairs" "$(cut -d, -f1 e1/summary.csv | sort -u | tr '\n' ' ')" '^identity mean_image model row white $'
like "a score that no case has says why" "$(cat e1/table.md)" '^- MS-SSIM: no case has the score .five scales need slices of 176 x 176 pixels or more.$'
like "without a body mask" "$(cut -d, -f4 e1/summary.csv | sort -u | tr '\n' ' ')" '^region whole $'
like "L is the range of the grey values" "$(cat e1/table.md)" 'L = 255 grey'
ok "the numbers are right" "$PYTHON" - mammo e1 <<'END'
import json, sys
import nibabel, numpy as np
work, out = sys.argv[1:]
lines = [json.loads(l) for l in open(f"{out}/ledger.jsonl")][1:]
config = json.load(open(f"{work}/pair/config.json"))
a = lambda key, role: np.asarray(nibabel.load(f"{work}/pre/{key}/{role}.nii.gz").dataobj, np.float64)
grey = lambda v: (v + 1) / 2 * 255
train = [e["file"][:-3] for e in config["train"]]
mean = np.mean([grey(a(k, "A")) for k in train], axis=0)
assert len(lines) == 3 and not {l["key"] for l in lines} & set(train)
for l in lines:
    truth, source = grey(a(l["key"], "A")), grey(a(l["key"], "B"))
    for row, image in (("mean_image", mean), ("identity", source), ("white", np.full_like(truth, 255))):
        d = image - truth
        s = l["scores"][row]["own"]["whole"]
        assert abs(s["mae"] - np.abs(d).mean()) < 1e-3, (row, s, np.abs(d).mean())
        assert abs(s["rmse"] - np.sqrt((d * d).mean())) < 1e-3
        assert abs(s["psnr"] - 20 * np.log10(255 / np.sqrt((d * d).mean()))) < 1e-3
        assert abs(l["scores"][row]["normalised"]["whole"]["mae"] - np.abs(d).mean() / 127.5) < 1e-5
    assert l["scores"]["model"]["own"]["whole"]["mae"] < 8
END
exits "two threads" 0 scores mammo e2 --pairs mammo/pair --jobs 2
same_tree "threads change no byte" e1 e2
exits "resume" 0 scores mammo e2 --pairs mammo/pair --resume
like "reuses the cases" "$(cat "$ERR")" '3 reused'
same_tree "and changes no byte" e1 e2
exits "verify knows the folder" 0 sm verify e1
mkdir ink && cp -r mammo/pre mammo/predict ink/
sed 's/^pair:/evaluate: {metrics: [mae, dice_ink], ink: 100.3}\n&/' mammo.yaml >ink.yaml
exits "ink is compared when asked for" 0 scores ink e9 --pairs mammo/pair
like "the table says what it is" "$(cat e9/table.md)" '^- Dice ink: .*\(at or below 100.3 grey\)$'
ok "at the threshold, alike in all images" "$PYTHON" - mammo e9 <<'END'
import json, sys
import nibabel, numpy as np
work, out = sys.argv[1:]
lines = [json.loads(l) for l in open(f"{out}/ledger.jsonl")][1:]
assert len(lines) == 3
for l in lines:
    grey = lambda role: (np.asarray(nibabel.load(f"{work}/pre/{l['key']}/{role}.nii.gz").dataobj, np.float64) + 1) / 2 * 255
    ink = lambda v: (v.reshape(32, 32, -1) <= 100.3).any(-1)
    truth, identity = ink(grey("A")), ink(grey("B"))
    dice = 2 * (truth & identity).sum() / (truth.sum() + identity.sum())
    of = lambda row: l["scores"][row]["own"]["whole"]["dice_ink"]
    assert 0 < dice < 1 and abs(of("identity") - dice) < 1e-9, (of("identity"), dice)
    assert of("white") == 0 and of("model") > 0.9
END
unlike "nothing else counts ink" "$(cat e1/table.md)" 'Dice ink'
"$PYTHON" - ink/predict/ledger.jsonl <<'END'
import json, sys
lines = open(sys.argv[1]).read().splitlines()
head = json.loads(lines[0])
head.update(mask_threshold=90.5, mask_ink="bright")
open(sys.argv[1], "w").write("\n".join([json.dumps(head, sort_keys=True, separators=(",", ":"))] + lines[1:]) + "\n")
END
cp mammo.yaml ink.yaml
exits "by default where predict made masks" 0 scores ink e10 --pairs mammo/pair
like "as those are" "$(cat e10/table.md)" '^- Dice ink: .*\(above 90.5 grey\)$'
exits "a report of them" 0 sm report --manifest ink.yaml --in e10 --out r10
like "says so, too" "$(cat r10/table.md)" '^- Dice ink: .*\(above 90.5 grey\)$'
exits "a report" 0 sm report --manifest mammo.yaml --in e1 --predict mammo/predict --truth mammo/pre --out r1
is "has a row of panels a picture" "$(grep -c 'alt="output, slice 0"' r1/report.html)" 3
is "and one page with all of them" "$(grep -o '<figure data-name' r1/pictures.html | wc -l | tr -d ' ')" 3
unlike "that loads nothing" "$(cat r1/report.html r1/pictures.html)" '(src|href)="(http|//|file)'
like "all greys" "$(cat r1/report.html)" 'Black to white: output and target 0 to 255 grey, input -1 to 1 as the network had it'
like "the legend has the unit" "$(cat r1/report.html)" '[0-9]+ grey; 0 is the light middle'
exits "a report without folders" 0 sm report --manifest mammo.yaml --in e1 --out r0
ok "has no pages" test ! -e r0/pictures.html

# Two domains: a case has both, so that MR -> CT has a truth.
cat >mr.yaml <<'END'
schema: 1
name: mr
dataset: pair
phantom: {kind: mr_ct_pair, cases: 4, size: [32, 40, 12], spacing: [7, 6, 14]}
ingest: {layout: files, sources: [{role: mr, pattern: "{case}/mr.nii*"}, {role: ct, pattern: "{case}/ct.nii*"}]}
preprocess:
  steps:
    - {window: {range: [-1024, 2048], to: [-1, 1]}, when: ct}
    - {normalise: {method: percentile, percentiles: [0.5, 99.5], range: [-1, 1]}, when: mr}
split: {train: 50, test: 50, valid: 0, near_duplicates: off}
pair: {mode: unpaired, a: mr, b: ct, split: patient, format: hdf5}
evaluate: {metrics: [mae, rmse, psnr, ssim, ssim_3d, dice_bone, jump], range: 2000}
END
road mr
fixture mr mr ct HU -1024 2048 30
exits "two domains are scored" 0 scores mr e3 --pairs mr/pair
like "the error is 30 sin(i)" "$(mean e3 model own whole mae) $(mean e3 model own whole rmse)" '^19\.(09|10).* 21\.2' 
is "L is as given" "$(mean e3 model own whole psnr | cut -c1-5)" "39.48"
like "there is a body" "$(mean e3 model own body mae)" '^1[89]\.'
like "and bone" "$(mean e3 model own whole dice_bone)" '^0\.9'
like "identity, mean image and mean value stand beside it" "$(cut -d, -f1 e3/summary.csv | sort -u | tr '\n' ' ')" '^body_constant body_mean_image constant identity mean_image model row $'
is "a mean image does not jump" "$(mean e3 mean_image own whole jump)" "0.000000"
like "jumps are listed" "$(head -n 1 e3/PAIR_*/jumps.csv | grep slice | head -n 1)" '^slice,truth,model,identity,mean_image,constant$'
is "one a gap" "$(cat e3/PAIR_*/jumps.csv | grep -vc slice)" 22
is "what stands for the body alone is in its tables alone" "$(grep '^body_' e3/summary.csv | cut -d, -f4 | sort -u) $(grep -c '^body_' e3/summary.csv)" "body 24"
is "which whole images do not have" "$(sed '/inside the body/,/^Normalised/d' e3/table.md | grep -c 'of the body |')" 0
is "nor are they missed there" "$(grep -c 'without a case in common\|it stands for' e3/table.md)" 0
unlike "and they do not jump" "$(cat e3/PAIR_*/jumps.csv)" 'body'
if has_python scipy; then
	ok "they are means over the body of the training targets" "$PYTHON" - mr e3 <<'END'
import json, sys
import nibabel, numpy as np
from scipy import ndimage
work, out = sys.argv[1:]
lines = [json.loads(l) for l in open(f"{out}/ledger.jsonl")][1:]
config = json.load(open(f"{work}/pair/config.json"))
hu = lambda key: (np.asarray(nibabel.load(f"{work}/pre/{key}/ct.nii.gz").dataobj, np.float64) + 1) / 2 * 3072 - 1024
def body(v):
    label, n = ndimage.label(v > -300)
    m = label == 1 + np.argmax(ndimage.sum(np.ones_like(label), label, range(1, n + 1)))
    return np.stack([ndimage.binary_fill_holes(m[:, :, z]) for z in range(m.shape[2])], axis=2)
train = {}
for e in config["train"]:
    if e["domain"] == "b":
        train.setdefault(e["file"].split("/")[-1][:-3], []).append(e["slice"])
total, count = 0, 0
values = []
for key, slices in train.items():
    v = hu(key)[:, :, sorted(slices)]
    m = body(v)
    total, count = total + np.where(m, v, 0).sum(2), count + m.sum(2)
    values.append(v[m])
constant = np.concatenate(values).mean()
image = np.where(count > 0, total / np.maximum(count, 1), constant)
assert len(train) == 2 and len(lines) == 2 and (count == 0).any() and (count > 0).any()
for l in lines:
    truth = hu(l["key"])
    m = body(truth)
    for row, made in (("body_constant", np.full_like(truth, constant)), ("body_mean_image", np.repeat(image[:, :, None], truth.shape[2], 2))):
        d = (made - truth)[m]
        s = l["scores"][row]["own"]
        assert abs(s["body"]["mae"] - np.abs(d).mean()) < 0.05, (row, s["body"], np.abs(d).mean())
        assert abs(s["body"]["rmse"] - np.sqrt((d * d).mean())) < 0.05
        assert s["whole"]["mae"] is None
    of = lambda row: l["scores"][row]["own"]["body"]["mae"]
    assert of("body_constant") < 0.5 * of("constant"), (of("body_constant"), of("constant"))
END
fi
exits "its report" 0 sm report --manifest mr.yaml --in e3 --predict mr/predict --truth mr/pre --out r3
is "has a page a case" "$(find r3/slices -name '*.html' | wc -l | tr -d ' ')" 2
is "with every slice" "$(grep -c '<figure data-name' r3/slices/PAIR_*.html | cut -d: -f2 | tr '\n' ' ')" "12 12 "
like "and a chart of jumps" "$(cat r3/report.html)" 'From slice to slice'
# cards DIR: of the head: the colour at the left and the words before a baseline's name, one card a line.
cards() {
	"$PYTHON" - "$1/report.html" <<'END'
import re, sys
page = open(sys.argv[1]).read()
for colour, name, rest in re.findall(r'<div class="card" style="border-left-color:(#\w+)"><h3>(\w+)</h3>(.*)</div>\n', page):
    print(colour, name, *("%s: %s" % v for v in re.findall(
        r'<p class="where">([^<]*)</p><div class="big">[^<]*</div><p><span class="\w+">([^<]*)</span>', rest)), sep="; ")
END
}
is "cards are green where the network leads in both regions" "$(cards r3 | cut -d ';' -f 2- | sort -u | cut -c 2- | tr '\n' '|')" \
	"MAE; Whole image: better than every baseline; Inside the body: better than every baseline|PSNR; Whole image: better than every baseline; Inside the body: better than every baseline|RMSE; Whole image: better than every baseline; Inside the body: better than every baseline|SSIM; Whole image: better than every baseline; Inside the body: better than every baseline|"
is "all four" "$(cards r3 | cut -d ';' -f 1 | tr '\n' ' ')" "#009e73 #009e73 #009e73 #009e73 "
is "without a body they name the whole image alone" "$(cards r1 | cut -d ';' -f 2-3 | grep -c '; Whole image: ') $(grep -c 'Inside the body' r1/report.html)" "4 0"
# Figures of one page that are quoted by another.
quoted=$(sed -n 's/.*PET -> CT of docs.results.md has MAE \([0-9.]*\) HU inside the body, the slab \([0-9.]*\)\.$/\1 \2/p' \
	"$SM_ROOT/docs/image-scores.md")
ok "docs/image-scores.md quotes what docs/results.md has" sh -c 'grep -q "resnet.. | $1 ± " "$3" && grep -q "^| Mean of the body | $2 ± " "$3"' \
	- "${quoted% *}" "${quoted#* }" "$SM_ROOT/docs/results.md"
# A network that beats every baseline of the whole image, and loses inside the body.
cp -r e3 e3body
"$PYTHON" - e3body/ledger.jsonl <<'END' || exit 1
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
for l in lines[1:]:
    l["scores"]["body_constant"]["own"]["body"]["mae"] = 0.25
    l["scores"]["model"]["own"]["whole"]["rmse"] = 12345.5
open(sys.argv[1], "w").write("".join(json.dumps(l, sort_keys=True, separators=(",", ":")) + "\n" for l in lines))
END
exits "a network that loses inside the body" 0 sm report --manifest mr.yaml --in e3body --out r3body
is "is not praised" "$(cards r3body | grep MAE)" "#d55e00; MAE; Whole image: better than every baseline; Inside the body: not better than"
is "nor one that loses outside" "$(cards r3body | grep RMSE)" "#d55e00; RMSE; Whole image: not better than; Inside the body: better than every baseline"
is "the LaTeX has a table a region" "$(grep -o '^.caption{Scores of 2 cases, [a-z ]*' r3body/table.tex | cut -d, -f2 | tr '\n' ' ')" " whole image  inside the body "
tex_of() {
	sed -n "/$1, mean/,/end{table}/p" r3body/table.tex
}
is "each with its baselines" "$(tex_of 'whole image' | grep -c '^Identity & ') $(tex_of 'whole image' | grep -c 'of the body &') $(tex_of 'inside the body' | grep -c '^Mean of the body & ')" "2 0 2"
like "each with its verdicts" "$(tex_of 'whole image')" '^.par MAE: better than every baseline, the best is .* of 2 cases'
like "inside the body, too" "$(tex_of 'inside the body')" '^.par MAE: .textbf.not better than. Mean of the body .19\.[0-9]* against 0\.25 HU; better in 0 of 2 cases; Wilcoxon p '
is "a line a score, as in table.md" "$(grep -c '^.par [A-Z]' r3body/table.tex)" "$(sed '/^### Normalised/,$d' r3body/table.md | grep -c '^- [A-Z].*: ')"
like "and how many" "$(tex_of 'inside the body')" ' is better than every baseline in [0-9] of 6 scores:$'
like "intervals have their sign of per cent" "$(cat r1/table.tex)" '^.par MAE: .*; ahead by .*, 95 .% '
if command -v pdflatex >/dev/null && kpsewhich booktabs.sty >/dev/null; then
	printf '%s\n' '\documentclass{article}' '\usepackage{booktabs}' '\begin{document}' '\input{r3body/table.tex}' '\input{r1/table.tex}' '\end{document}' >paper.tex
	exits "it compiles" 0 env TEXMFVAR="$T/texmf" pdflatex -interaction=nonstopmode -halt-on-error paper.tex
	unlike "within the text of an article" "$(cat paper.log)" 'Overfull|Missing character'
else
	skip "it compiles" "pdflatex or booktabs is not installed"
fi
scale() {
	grep -o 'output - target: .*</p>' "$1/report.html" | sed 's/<i.*<.i>/to/'
}
like "the error map's scale is said with its reason" "$(scale r3)" '^output - target: -[125]0* to [125]0* HU; 0 is the light .*The scale is twice the MAE of the best baseline, rounded up .(Identity|Mean image|Mean value), [0-9.]* HU.</p>$'
like "and the window" "$(cat r3/report.html)" 'Black to white: output and target -1000 to 1000 HU, input -1 to 1 as the network had it'
like "on the pages of all slices, too" "$(cat r3/slices/*.html)" 'Black to white: output and target -1000 to 1000 HU'
mkdir mr_worse && cp -r mr/pre mr/pair mr_worse/
sed 's/dice_bone, jump/ncc, mi, &, bias/' mr.yaml >mr_worse.yaml
fixture mr_worse mr ct HU -1024 2048 300
exits "a network that is ten times worse" 0 scores mr_worse e3w --pairs mr/pair
exits "has a report" 0 sm report --manifest mr.yaml --in e3w --predict mr_worse/predict --truth mr_worse/pre --out r3w
is "with the same scale, so that it looks worse" "$(scale r3w)" "$(scale r3)"
if command -v chromium >/dev/null && has_python PIL; then
	exits "a browser opens it" 0 "$PYTHON" "$SM_ROOT/tests/stage/translate_browser.py" r3w/report.html "$T"
	like "eleven columns of scores fit a window of 1200" "$(cat "$OUT")" '^1200: 4 of 4 fit, most columns 11$'
	like "where they do not, a shadow shows that there is more" "$(cat "$OUT")" '^390: [0-3] of 4 fit, .*shadow at the right edge True$'
	like "but not where all is seen" "$(cat "$OUT")" '^scrolled: shadow at the right edge False$'
else
	skip "tables fit" "chromium or python3-pil is not installed"
fi
printf '%s\n' 'report: {window: [-200, 300], error_scale: 70}' | cat mr.yaml - >mr_window.yaml
exits "a window and a scale of one's own" 0 sm report --manifest mr_window.yaml --in e3 --predict mr/predict --truth mr/pre --out r3o
like "are said" "$(cat r3o/report.html)" 'Black to white: output and target -200 to 300 HU'
like "both" "$(scale r3o)" '^output - target: -70 to 70 HU; 0 is the light middle, what is beyond has the end.s colour</p>$'
if has_python PIL; then
	ok "and the pictures have them" "$PYTHON" - mr/pre r3o/slices <<'END'
import base64, io, os, re, sys
import nibabel, numpy as np
from PIL import Image
pre, pages = sys.argv[1:]
page = sorted(os.listdir(pages))[0]
v = np.asarray(nibabel.load(f"{pre}/{page[:-5]}/ct.nii.gz").dataobj, np.float64)
hu = np.sort(((v + 1) / 2 * 3072 - 1024)[:, :, 6].ravel())
found = re.search(r'alt="target, slice 6".*?base64,([^"]*)"', open(f"{pages}/{page}").read(), re.S)
grey = np.sort(np.asarray(Image.open(io.BytesIO(base64.b64decode(found.group(1)))), np.float64).ravel())
want = np.clip((hu + 200) / 500 * 255, 0, 255)
assert grey.size == want.size and np.abs(grey - want).max() <= 1, np.abs(grey - want).max()
assert ((grey > 0) & (grey < 255)).mean() > 0.02
END
fi
printf '%s\n' 'report: {window: [300, -200]}' | cat mr.yaml - >mr_turned.yaml
exits "a window that ends before it begins" 2 sm report --manifest mr_turned.yaml --in e3 --out bad
like "is refused" "$(cat "$ERR")" 'window: found 300 and -200, allowed are two numbers, the lower first'
exits "all slices, without a folder of pair" 0 scores mr e4
is "are of all cases" "$(($(wc -l <e4/ledger.jsonl) - 1))" 4
like "and have no mean image" "$(sed -n 2p e4/ledger.jsonl)" '"without":{"body_constant":"no training targets are given .--pairs.","body_mean_image":"no training.*,"constant":"no training targets are given .--pairs.","mean_image":"no training'
sed 's/^evaluate: {/&held: train, /' mr.yaml >mr_train.yaml
sed 's/^evaluate: {/&ssim_from: low, /' mr.yaml >mr_low.yaml
mkdir mr_low mr_train mr_valid
cp -r mr/pre mr/predict mr_low/
exits "SSIM of HU + 1024" 0 scores mr_low e3low --pairs mr/pair
isnt "is another number" "$(mean e3low model own whole ssim)" "$(mean e3 model own whole ssim)"
like "which the table tells" "$(cat e3low/table.md)" 'SSIM and MS-SSIM are of X - .-1024. and Y - .-1024.'
exits "its report" 0 sm report --manifest mr_low.yaml --in e3low --predict mr_low/predict --truth mr_low/pre --out r3low
like "has it in its table" "$(cat r3low/table.md)" 'SSIM and MS-SSIM are of X - .-1024. and Y - .-1024.'
like "and on its page" "$(cat r3low/report.html)" 'SSIM and MS-SSIM are of X - .-1024. and Y - .-1024.'
unlike "others do not" "$(cat r3/table.md r3/report.html)" 'MS-SSIM are of X'
is "and no other score is" "$(mean e3low model own whole mae)" "$(mean e3 model own whole mae)"
sed 's/^evaluate: {/&held: valid, /' mr.yaml >mr_valid.yaml
cp -r mr/pre mr/predict mr_valid/
exits "nothing to score is no success" 3 scores mr_valid e5v --pairs mr/pair
like "and says why" "$(cat "$ERR")" '0 of its 4 cases can be scored [(]0 without a true image of the target, 4 with no slice'
cp -r mr/pre mr/predict mr_train/
exits "the training fold, when asked for" 0 scores mr_train e5 --pairs mr/pair
unlike "is of other cases" "$(tail -n 1 e5/ledger.jsonl)" "$(sed -n '$s/.*"key":"\([^"]*\)".*/"key":"\1"/p' e3/ledger.jsonl)"

# Triplets whose slices are drawn at random.
cat >ct.yaml <<'END'
schema: 1
name: ct
dataset: pair
phantom: {kind: ct_stack, cases: 1, size: [32, 32, 20], spacing: [7, 7, 5]}
ingest: {layout: mixed}
preprocess:
  steps:
    - {window: {range: [-1024, 3071], to: [-1, 1]}, when: ct}
split: {train: 50, test: 50, valid: 0, near_duplicates: off}
pair: {mode: triplets, a: ct, split: slices, format: hdf5}
END
road ct
fixture ct ct ct HU -1024 3071 30 triplets
exits "triplets are scored" 0 scores ct e6 --pairs ct/pair
like "beside interpolations" "$(cut -d, -f1 e6/summary.csv | sort -u | tr '\n' ' ')" '^average catmull_rom model nearest row spline $'
like "the jump of slices that are no neighbours is not made up" "$(cat e6/table.md)" 'Jump has no value .* the scored slices are not all neighbours'
ok "held-out slices alone, and (A + C) / 2 of their neighbours" "$PYTHON" - ct e6 <<'END'
import json, sys
import nibabel, numpy as np
work, out = sys.argv[1:]
line = json.loads(open(f"{out}/ledger.jsonl").readlines()[1])
config = json.load(open(f"{work}/pair/config.json"))
test = sorted(e["slice"] for e in config["test"])
assert line["slices"] == test, (line["slices"], test)
v = np.asarray(nibabel.load(f"{work}/pre/{line['key']}/ct.nii.gz").dataobj, np.float64)
hu = (v + 1) / 2 * 4095 - 1024
def mae(made):
    return np.mean([np.abs(made(z) - hu[:, :, z]).mean() for z in test])
known = line["scores"]
assert abs(known["average"]["own"]["whole"]["mae"] - mae(lambda z: (hu[:, :, z - 1] + hu[:, :, z + 1]) / 2)) < 1e-2
assert abs(known["nearest"]["own"]["whole"]["mae"] - mae(lambda z: hu[:, :, z + 1])) < 1e-2
# Catmull-Rom of the four nearest slices of the other parity; beyond an end Keys' third-order continuation.
def catmull_rom(z):
    comb = hu[:, :, (z - 1) % 2::2]
    at = (z - 1) // 2
    comb = np.concatenate([3 * comb[:, :, :1] - 3 * comb[:, :, 1:2] + comb[:, :, 2:3], comb,
                           3 * comb[:, :, -1:] - 3 * comb[:, :, -2:-1] + comb[:, :, -3:-2]], axis=2)
    return comb[:, :, at:at + 4] @ (np.array([-1, 9, 9, -1]) / 16)
assert any(3 <= z < hu.shape[2] - 3 for z in test)
assert abs(known["catmull_rom"]["own"]["whole"]["mae"] - mae(catmull_rom)) < 1e-2
assert abs(mae(catmull_rom) - mae(lambda z: (hu[:, :, z - 1] + hu[:, :, z + 1]) / 2)) > 0.1
END
exits "a report of triplets" 0 sm report --manifest ct.yaml --in e6 --predict ct/predict --truth ct/pre --out r6
like "shows the mean as the input" "$(cat r6/report.html)" 'alt="input, slice'

# Bad input: one sentence each.
bad() {
	bad_name=$1 bad_code=$2 bad_pattern=$3
	shift 3
	exits "$bad_name" "$bad_code" scores "$@"
	like "is told in one sentence" "$(grep -E 'error|rejected' "$ERR" | head -n 1)" "$bad_pattern"
}
bad "folds within a case, and no folder of pair" 2 'pairs: is missing, with pair.split other than patient it tells which slices' ct bad
TRUTH=mr/ingest
bad "the folder of ingest" 3 'truth: is a folder of stage ingest, allowed with dataset: pair is one of stage preprocess' mr bad
TRUTH=ct/pre
bad "another preprocess" 3 'predict ledger: was made from the preprocess ledger .*, but given is .*: run stage predict again' mr bad
TRUTH=
bad "another pair" 3 'pairs: its pair.mode is another than the manifest' mr bad --pairs ct/pair
# What the network was trained on decides what was held out; the manifest must ask for what predict made.
mkdir blind turned swapped other
cp -r mr/pre mr/predict blind/
cp mr.yaml blind.yaml
sed -i '1s/"pair":"[0-9a-f]*",//' blind/predict/ledger.jsonl
bad "a predict ledger that does not tell its training" 3 'predict ledger: does not say which samples its network was trained on, .*: run stage predict again' blind bad --pairs mr/pair
sed 's/test: 50, valid: 0/test: 25, valid: 25/' mr.yaml >other.yaml
run sm split --manifest other.yaml --in mr/pre --out other/split
run sm pair --manifest other.yaml --in mr/pre --split other/split --out other/pair
bad "a folder of pair that it was not trained on" 3 'pairs: the network was trained on the samples of another folder .pair ledger [0-9a-f]*, here [0-9a-f]*., so what this one holds out it may have seen' mr bad --pairs other/pair
ok "has no table" test ! -e bad/table.md
cp -r mammo/pre mammo/predict turned/
sed 's/, direction: b_to_a//' mammo.yaml >turned.yaml
bad "a manifest of the other direction" 3 'pair.direction: found a_to_b, the predict ledger is of b_to_a: needed is the manifest that predict had' turned bad --pairs mammo/pair
cp -r mr/pre mr/predict swapped/
sed 's/a: mr, b: ct/a: ct, b: mr/' mr.yaml >swapped.yaml
bad "domains that are swapped" 3 'pair.a, pair.b: ask for ct into mr, the predict ledger is of mr into ct: needed is the manifest that predict had' swapped bad
sed -i '1s/"direction":"a_to_b"/"direction":"b_to_a"/' swapped/predict/ledger.jsonl
exits "two domains are scored in the direction of the ledger" 0 scores swapped e11
sed 's/metrics: .mae/&, mad/' mr.yaml >mad.yaml
mkdir mad
cp -r mr/pre mr/predict mad/
bad "a metric that is not known" 2 "evaluate.metrics: found 'mad', allowed are mae, rmse" mad bad
cp -r mr mr_bad
cp mr.yaml mr_bad.yaml
flip mr_bad/predict/PAIR_001/ct.nii.gz 3000
exits "a damaged image" 1 scores mr_bad e7
like "is rejected by name" "$(cat "$ERR")" 'PAIR_001: rejected: '
rm mr_bad/predict/PAIR_001/ct.nii.gz
exits "a missing one" 1 scores mr_bad e8
like "is named" "$(cat "$ERR")" 'PAIR_001/ct.nii.gz: is missing, the predict ledger names it: run stage predict again'
exits "no folder of pair with labels" 2 sm evaluate --in mr/predict --truth mr/ingest --pairs mr/pair --out bad
done_testing
