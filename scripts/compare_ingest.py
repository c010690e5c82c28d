#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# Volumes of `scanmill ingest` against reference NIfTI files and against dcm2niix: the same numbers at
# the same places in the world, whatever the order and direction of the axes. Prints a Markdown table.
# Use: scripts/compare_ingest.py [DATA [BIN]]       (DATA: folder of real scans, BIN: scanmill-ingest)
import glob, json, os, subprocess, sys, tempfile
import nibabel, numpy

data = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SM_SHARED_DATA", "../shared/data")
program = sys.argv[2] if len(sys.argv) > 2 else "bin/scanmill-ingest"

# Folder of DICOM files, reference files, manifest lines. References "dcm2niix" are made on the spot.
SETS = [
    ("mr_t1_philips/dicom", [], ""),
    ("mr_siemens_mosaic/In", ["mr_siemens_mosaic/Ref/*.nii"], ""),
    ("mr_siemens_orient/In", ["mr_siemens_orient/Ref/*.nii"], ""),
    ("mr_enhanced/In/Siemens", ["mr_enhanced/Ref/Siemens*.nii"], ""),
    ("mr_enhanced/In/Philips", ["mr_enhanced/Ref/Philips*.nii"], ""),
    ("mr_ct_vendors/ge/anatomical/001", ["mr_ct_vendors/ge/anatomical/001_ground_truth.nii.gz"], ""),
    ("mr_ct_vendors/generic/anatomical/001", ["mr_ct_vendors/generic/anatomical/001_ground_truth.nii.gz"], ""),
    ("mr_ct_vendors/generic/anatomical/002_non_isotropic",
     ["mr_ct_vendors/generic/anatomical/002_non_isotropic_ground_truth.nii.gz"], ""),
    ("mr_ct_vendors/generic/compressed_jpeg/001",
     ["mr_ct_vendors/generic/compressed_jpeg/001_ground_truth.nii.gz"], ""),
    ("mr_ct_vendors/generic/compressed_jpegls/001",
     ["mr_ct_vendors/generic/compressed_jpegls/001_ground_truth.nii.gz"], ""),
    ("mr_ct_vendors/generic/compressed_rle/001",
     ["mr_ct_vendors/generic/compressed_rle/001_ground_truth.nii.gz"], ""),
    ("mr_ct_vendors/hitachi/anatomical/001", ["mr_ct_vendors/hitachi/anatomical/001_ground_truth.nii.gz"], ""),
    ("mr_ct_vendors/siemens_multiframe/anatomical/001",
     ["mr_ct_vendors/siemens_multiframe/anatomical/001_ground_truth.nii.gz"], ""),
    ("mr_ct_vendors/failing/slicecount/001", [], ""),
    ("mr_ct_vendors/failing/slicecount/001",
     ["mr_ct_vendors/failing/slicecount/001_ground_truth.nii.gz"], "min_slices: 1"),
    ("mr_ct_vendors/failing/sliceincrement/001", [], ""),
    ("mr_ct_vendors/failing/sliceorientation/001", [], ""),
    ("mr_tumour_dicom/t1", [], ""), ("mr_tumour_dicom/t1c", [], ""),
    ("mr_tumour_dicom/t2", [], ""), ("mr_tumour_dicom/flair", [], ""),
] + [(f"sts_ct_mr_pet/dicom/{p}/{m}/image", [f"sts_ct_mr_pet/nifti/{p}/{m}_image.nii.gz"], "")
     for p in ("STS_008", "STS_025") for m in ("CT", "MR_T1", "PET")] + [
    ("ct_head_ge/dicom", [], ""), ("ct_head_ge/dicom", [], "uneven: regrid"),
]

# Where the table says that a volume differs, and ours is right.
WHY = {
    "mr_enhanced/In/Philips fieldmap": "the header says 0.24420024 * stored - 500: ours is within 7e-8 of that, "
                                       "dcm2niix rounds the private slope before it divides by it",
    "ct_head_ge/dicom (uneven: regrid)": "dcm2niix stacks the uneven slices as they are in one volume, and makes "
                                         "a second one without the tilt on a grid of its own",
    "mr_ct_vendors/generic/compressed_jpegls/001": "this dcm2niix was built without JPEG-LS",
}


def to_grid(image, affine, shape):
    """The image's values on another grid's voxels when that is a matter of order and direction."""
    m = numpy.linalg.inv(image.affine) @ affine
    whole = numpy.rint(m[:3, :3])
    if not numpy.allclose(m[:3, :3], whole, atol=2e-3) or not numpy.allclose(abs(whole).sum(0), 1):
        return None, "axes differ"
    corners = numpy.array([[x, y, z, 1] for x in (0, shape[0] - 1) for y in (0, shape[1] - 1)
                           for z in (0, shape[2] - 1)], float).T
    gap = abs((image.affine @ numpy.rint(m @ corners) - affine @ corners)[:3]).max()
    values = numpy.asanyarray(image.dataobj)
    values = values.reshape(values.shape + (1,) * (4 - values.ndim))
    order = [int(numpy.argmax(abs(whole[:, a]))) for a in range(3)]
    values = values.transpose(order + [3])
    for a in range(3):
        if whole[order[a], a] < 0:
            values = numpy.flip(values, a)
    if values.shape[:3] != tuple(shape[:3]):
        return None, f"{'x'.join(map(str, values.shape[:3]))} voxels"
    return values, gap


def compare(ours, reference):
    a = nibabel.load(ours)
    b = nibabel.load(reference)
    x = numpy.asanyarray(a.dataobj)
    x = x.reshape(x.shape + (1,) * (4 - x.ndim))
    y, gap = to_grid(b, a.affine, x.shape)
    if y is None:
        return False, gap
    if x.shape != y.shape:
        return False, f"{x.shape[3]} time points against {y.shape[3]}"
    place = f"{gap:.1g} mm" if gap > 1e-3 else "same place"
    if numpy.array_equal(x, y):
        return gap < 0.01, f"equal, {place}"
    scale = max(abs(y.astype(float)).max(), 1e-30)
    relative = abs(x.astype(float) - y.astype(float)).max() / scale
    return relative <= 1e-5 and gap < 0.01, f"within {relative:.2g} of the largest, {place}"


def best(ours, candidates):
    """The candidate that agrees, else the last word on one of the same size."""
    word = "none of the same size"
    for c in candidates:
        good, text = compare(ours, c)
        if good:
            return text
        if "equal" in text or "within" in text or word == "none of the same size":
            word = "**" + text + "**"
    return word if candidates else "-"


def convert(folder, lines, out):
    manifest = os.path.join(out, "m.yaml")
    with open(manifest, "w") as f:
        f.write(f"schema: 1\nname: x\ningest: {{compression: 0{', ' + lines if lines else ''}}}\n")
    subprocess.run([program, "--in", folder, "--out", os.path.join(out, "ours"), "--manifest", manifest],
                   stderr=subprocess.DEVNULL)
    with open(os.path.join(out, "ours", "ledger.jsonl")) as f:
        return [json.loads(line) for line in f][1:]


def main():
    print("| series | size | against the reference | against dcm2niix | verdict |")
    print("|---|---|---|---|---|")
    for folder, references, lines in SETS:
        with tempfile.TemporaryDirectory() as out:
            path = os.path.join(data, folder)
            theirs = os.path.join(out, "theirs")
            os.mkdir(theirs)
            subprocess.run(["dcm2niix", "-z", "n", "-f", "%s_%e_%d", "-o", theirs, path],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            made = sorted(glob.glob(theirs + "/*.nii"))
            files = sorted(p for r in references for p in glob.glob(os.path.join(data, r)))
            records = sorted(convert(path, lines, out), key=lambda r: r["key"])
            series = sorted({r["key"].split("-")[1] for r in records})
            for record in records:
                name = folder + (f" ({lines})" if lines else "")
                key = record["key"].split("-")
                if len(series) > 1:
                    name += f" #{series.index(key[1]) + 1}"
                if key[2:]:
                    name += " " + key[2]
                if record["status"] != "ok":
                    print(f"| {name} | - | - | {len(made)} volume{'s' * (len(made) != 1)} | {record['reason']} |")
                    continue
                ours = os.path.join(out, "ours", record["key"], "image.nii")
                size = "x".join(map(str, nibabel.load(ours).shape))
                notes = "; ".join(record.get("warnings", [])) or record["verdict"]
                notes += ". " + WHY[name] if name in WHY else ""
                print(f"| {name} | {size} | {best(ours, files)} | {best(ours, made)} | {notes} |")
            sys.stdout.flush()


main()
