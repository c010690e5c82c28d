#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Recall and false alarms of the search for burned-in text (ingest/burned/burned_text.h).

measure_burned_text.py [--bench PROGRAM] [--keep DIR] [--bases N] [--fonts NAME,...] [--half 0|1] NIFTI...

The files are volumes without text: what is found in them is a false alarm. Into copies of the first N that have at
least 128 x 128 pixels, text is drawn at several sizes, places and brightnesses, in one slice or in all, where a person
could read it; the share found is the recall. Each case is drawn once in each font. --half takes every second scan only:
thresholds were set on half 0, so that half 1 in other fonts is held out. Prints one table a property. Needs numpy,
nibabel and PIL, and build/release/bin/bench_burned_text.
"""
import argparse
import collections
import functools
import os
import random
import shutil
import subprocess
import tempfile

import nibabel
import numpy
from PIL import Image, ImageDraw, ImageFont

DEJAVU, LATIN_MODERN = "/usr/share/fonts/truetype/dejavu/DejaVu", "/usr/share/texmf/fonts/opentype/public/lm/lm"
# plain, bold
FONTS = {
    "sans": (DEJAVU + "Sans.ttf", DEJAVU + "Sans-Bold.ttf"),
    "mono": (DEJAVU + "SansMono.ttf", DEJAVU + "SansMono-Bold.ttf"),
    "serif": (DEJAVU + "Serif.ttf", DEJAVU + "Serif-Bold.ttf"),
    "lm": (LATIN_MODERN + "sans10-regular.otf", LATIN_MODERN + "sans10-bold.otf"),
}
BATCH = 16  # drawn volumes that lie on the disk at once
TEXTS = ("Zarathustra Quill", "MRN 778812345", "1957-03-14", "QUILL^Z", "Dr. B. Oyler", "L CC 12:45")


def search(program, paths):
    """{path: sentence or None}"""
    out = {}
    for i in range(0, len(paths), 50):
        text = subprocess.run([program, *paths[i:i + 50]], stdout=subprocess.PIPE, text=True, check=False).stdout
        for line in text.splitlines():
            path, verdict, _, why = line.split("\t")
            out[path] = why if verdict == "found" else None
    return out


@functools.lru_cache(maxsize=None)
def letters(text, size, bold, soft, font):
    """Coverage 0..1 of the text's pixels, rows first."""
    font = ImageFont.truetype(FONTS[font][bold], size)
    box = font.getbbox(text)
    image = Image.new("L", (box[2] + 2, box[3] + 2))
    draw = ImageDraw.Draw(image)
    draw.fontmode = "L" if soft else "1"
    draw.text((1, 1), text, fill=255, font=font)
    return numpy.asarray(image, dtype=numpy.float64) / 255


def burn(volume, rng, case):
    """A copy with text drawn into it; None when the text does not fit or could not be read there."""
    ink = letters(case["text"], case["size"], case["bold"], case["soft"], case["font"])
    w, h = volume.shape[:2]
    th, tw = ink.shape
    if tw + 8 > w or th + 8 > h:
        return None
    margin = rng.randint(2, 4)
    x = {"l": margin, "r": w - tw - margin, "c": (w - tw) // 2}[case["place"][1]]
    y = {"t": margin, "b": h - th - margin, "m": (h - th) // 2}[case["place"][0]]
    flat = volume.reshape(w, h, -1)
    # Brightness is a share of the way from the darkest to the brightest number (99.9 %) of the volume.
    low, high = case["range"]
    value = low + case["bright"] * (high - low)
    slices = list(range(flat.shape[2])) if case["slices"] == "all" else [rng.randrange(flat.shape[2])]
    # Legible: most of the ink differs from what it covers by an eighth of the range.
    under = flat[x:x + tw, y:y + th, slices[0]].astype(float)
    if (abs(under - value)[ink.T > 0.5] * 8 > high - low).mean() < 0.8:
        return None
    v = volume.copy()
    flat = v.reshape(w, h, -1)
    for k in slices:
        part = flat[x:x + tw, y:y + th, k]
        part[...] = numpy.rint(part * (1 - ink.T) + value * ink.T).astype(v.dtype)
    return v


def cases(rng):
    out = []
    for size in (10, 12, 14, 16, 20, 28, 40):
        for bold in (False, True):
            for slices in ("one", "all"):
                for place in ("tl", "br", "mc"):
                    for bright in (1.0, 0.7, 0.0):
                        if bright == 0.0 and place != "mc":
                            continue  # black on black
                        out.append({"size": size, "bold": bold, "slices": slices, "place": place, "bright": bright,
                                    "soft": rng.random() < 0.7, "text": rng.choice(TEXTS)})
    return out


def batch(o, folder, volume, affine, number, some):
    """[(case, found)] of some cases (place in the list, case) drawn into copies of one scan."""
    written = {}
    for i, case in some:
        drawn = burn(volume, random.Random(f"{o.seed} {number} {i}"), case)
        if drawn is not None:
            name = f"{folder}/{i}_{case['font']}.nii"
            nibabel.save(nibabel.Nifti1Image(drawn, affine), name)
            written[name] = case
    got = search(o.bench, list(written))
    for name, case in written.items():
        if o.keep and not got.get(name):
            shutil.move(name, f"{o.keep}/{number}_" + "_".join(f"{case[k]}".replace(" ", "") for k in (
                "size", "bold", "slices", "place", "bright", "soft", "font", "text")) + ".nii")
        else:
            os.remove(name)
    return [(case, bool(got.get(name))) for name, case in written.items()]


def table(rows, name):
    count = collections.OrderedDict()
    for case, found in rows:
        got = count.setdefault(case[name], [0, 0])
        got[0] += found
        got[1] += 1
    print(f"\n{name:10} found of      recall")
    for key in sorted(count, key=str):
        print(f"{key!s:10} {count[key][0]:5} {count[key][1]:5} {100 * count[key][0] / count[key][1]:8.1f} %")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="build/release/bin/bench_burned_text")
    parser.add_argument("--keep", help="folder for the drawn volumes that were missed")
    parser.add_argument("--bases", type=int, default=12)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--fonts", default="sans", help="of " + ", ".join(FONTS))
    parser.add_argument("--half", type=int, choices=(0, 1), help="only every second scan, from this one on")
    parser.add_argument("nifti", nargs="+")
    o = parser.parse_args()
    found = search(o.bench, o.nifti)
    alarms = [p for p in o.nifti if found.get(p)]
    print(f"false alarms: {len(alarms)} of {len(o.nifti)} volumes")
    for path in alarms:
        print(f"  {os.path.basename(path)}: {found[path]}")
    rng = random.Random(o.seed)
    rows, bases, used = [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for path in o.nifti:
            image = nibabel.load(path)
            if bases == o.bases or min(image.shape[:2]) < 128 or path in alarms:
                continue
            bases += 1
            drawn_here = cases(rng)
            if o.half is not None and (bases - 1) % 2 != o.half:
                continue
            used += 1
            volume = numpy.asanyarray(image.dataobj)
            if volume.ndim > 2 and volume.shape[2] > 24:
                volume = volume[:, :, volume.shape[2] // 2 - 12:volume.shape[2] // 2 + 12]
            limits = tuple(float(n) for n in numpy.percentile(volume, (0.1, 99.9)))
            every = [(i, dict(case, font=font, range=limits, base=os.path.basename(path)[:40]))
                     for i, case in enumerate(drawn_here) for font in o.fonts.split(",")]
            for at in range(0, len(every), BATCH):
                rows += batch(o, folder, volume, image.affine, bases, every[at:at + BATCH])
    print(f"\n{len(rows)} drawn volumes from {used} scans: "
          f"recall {100 * sum(f for _, f in rows) / max(1, len(rows)):.1f} %")
    over = [(c, f) for c, f in rows if c["place"] != "mc"]
    print(f"in corners: {100 * sum(f for _, f in over) / max(1, len(over)):.1f} % of {len(over)}")
    for name in ("size", "bold", "soft", "slices", "place", "bright", "text", "font", "base"):
        table(rows, name)


if __name__ == "__main__":
    main()
