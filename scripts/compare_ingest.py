#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# Volumes of `scanmill ingest` against reference NIfTI files and against dcm2niix: the same numbers at
# the same places in the world, whatever the order and direction of the axes. NIfTI files and pictures
# against nibabel and PIL. Prints a Markdown table.
# Use: scripts/compare_ingest.py [DATA [BIN]]       (DATA: folder of real scans, BIN: scanmill-ingest)
import glob, gzip, json, os, shutil, subprocess, sys, tempfile
import nibabel, numpy
from PIL import Image

data = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SM_SHARED_DATA", "../shared/data")
program = sys.argv[2] if len(sys.argv) > 2 else "bin/scanmill-ingest"

ONE = "min_slices: 1, burned_text: keep"

# Folder or file of DICOM, reference files, manifest lines. References "dcm2niix" are made on the spot.
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
] + [(name, [], ONE) for name in (
    "pet_acrin_flt/pt_dynamic_slice.dcm", "pet_acrin_flt/pt_wholebody.dcm", "mammo_mg_dicom/MG1_J2KI.dcm")] + [
    ("nifti_variants/dicom_csa/" + name, [], ONE) for name in (
        "0.dcm", "1.dcm", "siemens_dwi_0.dcm", "csa_slice_norm.dcm", "decimal_rescale.dcm",
        "slicethickness_empty_string.dcm", "philips_mprage.dcm.gz")]

# Folder of NIfTI files or pictures, and the pattern of each role.
CASES = [
    ("brats_tcga_fg_6692", {
        "flair": "brats_space/{case}_fla.nii.gz", "t1ce": "brats_space/{case}_t1c.nii.gz",
        "t1": "brats_space/{case}_t1.nii.gz", "t2": "brats_space/{case}_t2.nii.gz",
        "seg": "segmentations/fusion_mav.nii.gz"}),
    ("hippocampus_msd", {"image": "imagesTr/{case}.nii.gz", "seg": "labelsTr/{case}.nii.gz"}),
    ("t1_head_nifti", {"image": "{case}.nii.gz"}),
    ("tumour_pyradiomics", {"image": "{case}_image.nii.gz", "seg": "{case}_label.nii.gz"}),
    ("mammo_pairs", {"A": "A/{case}.png", "B": "B/{case}.png"}),
    ("mammo_mias", {"image": "{case}.pgm"}),
]

SHRUNK = "Somebody shrank the picture: 48 tiles of 128x128 need 896x896; dcm2niix cuts tiles of 36x36 out of it"
# Where the table says that a volume differs, and ours is right.
WHY = {
    "mr_enhanced/In/Philips fieldmap": "the header says 0.24420024 * stored - 500: ours is within 7e-8 of that, "
                                       "dcm2niix rounds the private slope before it divides by it",
    "ct_head_ge/dicom (uneven: regrid)": "dcm2niix stacks the uneven slices as they are in one volume, and makes "
                                         "a second one without the tilt on a grid of its own",
    "mr_ct_vendors/generic/compressed_jpegls/001": "this dcm2niix was built without JPEG-LS",
    "mammo_mg_dicom/MG1_J2KI.dcm": "dcm2niix takes no frame in 41 fragments; FFmpeg decodes the same within 1 "
                                   "(tests/golden/decoded.txt)",
    "nifti_variants/dicom_csa/0.dcm": SHRUNK, "nifti_variants/dicom_csa/1.dcm": SHRUNK,
    "nifti_variants/dicom_csa/philips_mprage.dcm.gz": "The sample's pixels are all zero",
    "nifti_variants/dicom_csa/decimal_rescale.dcm": "Nothing tells what belongs together",
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
        f.write("schema: 1\nname: x\ningest: {compression: 0" + (", " + lines if lines else "") + "}\n")
    subprocess.run([program, "--in", folder, "--out", os.path.join(out, "ours"), "--manifest", manifest],
                   stderr=subprocess.DEVNULL)
    with open(os.path.join(out, "ours", "ledger.jsonl")) as f:
        return [json.loads(line) for line in f][1:]


def place(path, out):
    """Folders for us and for dcm2niix, which takes no gzip: of a single file, one that holds it."""
    if os.path.isdir(path):
        return path, path
    folders = [os.path.join(out, name) for name in ("in", "plain")]
    for folder in folders:
        os.mkdir(folder)
        os.symlink(os.path.abspath(path), os.path.join(folder, os.path.basename(path)))
    if path.endswith(".gz"):
        os.remove(os.path.join(folders[1], os.path.basename(path)))
        with gzip.open(path) as packed, open(os.path.join(folders[1], "plain.dcm"), "wb") as plain:
            shutil.copyfileobj(packed, plain)
    return folders


def series(folder, references, lines, out):
    ours_in, theirs_in = place(os.path.join(data, folder), out)
    theirs = os.path.join(out, "theirs")
    os.mkdir(theirs)
    subprocess.run(["dcm2niix", "-z", "n", "-f", "%s_%e_%d", "-o", theirs, theirs_in],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    made = sorted(glob.glob(theirs + "/*.nii"))
    files = sorted(p for r in references for p in glob.glob(os.path.join(data, r)))
    records = sorted(convert(ours_in, lines, out), key=lambda r: r["key"])
    uids = sorted({r["key"].split("-")[1] for r in records})
    for record in records:
        name = folder + (f" ({lines})" if lines and lines != ONE else "")
        key = record["key"].split("-")
        if len(uids) > 1:
            name += f" #{uids.index(key[1]) + 1}"
        if key[2:]:
            name += " " + key[2]
        why = ". " + WHY[name] if name in WHY else ""
        if record["status"] != "ok":
            print(f"| {name} | - | - | {len(made)} volume{'s' * (len(made) != 1)} | {record['reason'] + why} |")
            continue
        ours = os.path.join(out, "ours", record["key"], "image.nii")
        size = "x".join(map(str, nibabel.load(ours).shape))
        notes = "; ".join(record.get("warnings", [])) or record["verdict"]
        print(f"| {name} | {size} | {best(ours, files)} | {best(ours, made)} | {notes + why} |")


def same(ours, source):
    if ours.endswith(".png"):
        a, b = (numpy.asarray(Image.open(p)) for p in (ours, source))
        return numpy.array_equal(a, b)
    return compare(ours, source)[0]


def cases(folder, roles, out):
    pictures = not next(iter(roles.values())).endswith(".nii.gz")
    sources = ", ".join(f'{{role: {role}, pattern: "{pattern}"{", label: true" if role == "seg" else ""}}}'
                        for role, pattern in roles.items())
    records = convert(os.path.join(data, folder), f"layout: files, burned_text: keep, sources: [{sources}]", out)
    good = [r["key"] for r in records if r["status"] == "ok"]
    equal = sum(same(os.path.join(out, "ours", key, role + (".png" if pictures else ".nii")),
                     os.path.join(data, folder, pattern.format(case=key)))
                for key in good for role, pattern in roles.items())
    what = f"{len(good)} case{'s' * (len(good) != 1)}"
    print(f"| {folder} | {what} | {equal} of {len(good) * len(roles)} {'pictures' if pictures else 'volumes'} equal"
          f"{'' if pictures else ', same place'} | - | {len(records) - len(good)} refused |")


def main():
    print("| series | size | against the reference | against dcm2niix | verdict |")
    print("|---|---|---|---|---|")
    for way, table in ((series, SETS), (cases, CASES)):
        for row in table:
            with tempfile.TemporaryDirectory() as out:
                way(*row, out)
            sys.stdout.flush()


main()
