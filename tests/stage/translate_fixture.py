# SPDX-License-Identifier: Apache-2.0
"""A folder as stage predict writes it of dataset: pair, from the true images.

translate_fixture.py PREPROCESS OUT SOURCE TARGET UNIT LOW HIGH ERROR [triplets] [b_to_a] [KEY...]

Each made image is the truth in its own unit plus ERROR * sin(i), i = number of the value: nothing
is learnt, so every score is known. UNIT normalised: LOW and HIGH are -1 and 1, and the header has
null. KEY: of these cases alone. The network is said to have been trained on the samples of
PREPROCESS/../pair, if there is one.
"""
import gzip, hashlib, json, os, sys, zlib
import nibabel
import numpy as np

pre, out, source, target, unit = sys.argv[1:6]
low, high, error = map(float, sys.argv[6:9])
rest = sys.argv[9:]
triplets = "triplets" in rest
back = "b_to_a" in rest
only = [k for k in rest if k not in ("triplets", "b_to_a")]


def png(values):
    """8-bit PNG of (height, width, channels), and its identity."""
    h, w, c = values.shape
    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    rows = b"".join(b"\0" + values[y].tobytes() for y in range(h))
    head = w.to_bytes(4, "big") + h.to_bytes(4, "big") + bytes([8, 2 if c == 3 else 0, 0, 0, 0])
    data = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) +
            chunk(b"IEND", b""))
    name = f"{w} {h} {c} 8\n".encode()
    return data, hashlib.sha256(name + values.tobytes()).hexdigest()


def line(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n"


with open(f"{pre}/ledger.jsonl", "rb") as f:
    given = f.read()
records = [json.loads(l) for l in given.decode().splitlines()[1:]]
os.makedirs(out, exist_ok=True)
lines = []
for r in records:
    key = r["key"]
    roles = {o["role"]: o["path"] for o in r.get("outputs", [])}
    known = roles.get(target) or (roles.get("image") if r.get("modality", "").lower() == target else None)
    # Without a truth the source stands for it: it is not going to be scored.
    path = known or roles.get(source) or roles.get("image")
    if r["status"] != "ok" or not path or (only and key not in only):
        continue
    image = nibabel.load(f"{pre}/{path}")
    v = np.asarray(image.dataobj, np.float64)
    own = low + (v + 1) / 2 * (high - low)
    made = own + error * np.sin(np.arange(own.size)).reshape(own.shape, order="F")
    record = {"key": key, "status": "ok", "patient": r.get("patient", key), "fold": "test", "inputs": []}
    if r.get("pictures"):
        planes = np.clip(np.round(made[:, :, 0]), 0, 255).astype(np.uint8)
        planes = planes if planes.ndim == 3 else planes[:, :, None]
        data, sha = png(np.ascontiguousarray(planes.transpose(1, 0, 2)))
        name = f"{key}.png"
        with open(f"{out}/{name}", "wb") as f:
            f.write(data)
    else:
        os.makedirs(f"{out}/{key}", exist_ok=True)
        if triplets:
            made[:, :, [0, -1]] = own[:, :, [0, -1]]
            record["slices"] = list(range(1, made.shape[2] - 1))
        name = f"{key}/{target}.nii.gz"
        # With nibabel's header, but not its name and time.
        raw = nibabel.Nifti1Image(made.astype(np.float32), image.affine).to_bytes()
        with open(f"{out}/{name}", "wb") as f:
            f.write(gzip.compress(raw, 1, mtime=0))
        sha = hashlib.sha256(raw).hexdigest()
    record["outputs"] = [{"path": name, "role": "image", "sha256": sha}]
    lines.append(line(record))
own_unit = unit != "normalised"
header = {
    "schema": 1, "stage": "predict", "version": 1, "settings": {},
    "direction": "b_to_a" if back else "a_to_b",
    "parents": {"preprocess": hashlib.sha256(given).hexdigest()},
    "source": source, "target": target, "unit": unit, "low": low if own_unit else None,
    "high": high if own_unit else None, "triplets": triplets, "checkpoint": "0" * 64,
}
if os.path.exists(f"{pre}/../pair/ledger.jsonl"):
    with open(f"{pre}/../pair/ledger.jsonl", "rb") as f:
        header["pair"] = hashlib.sha256(f.read()).hexdigest()
with open(f"{out}/ledger.jsonl", "w") as f:
    f.write(line(header) + "".join(lines))
