# SPDX-License-Identifier: Apache-2.0
"""Plants personal data wherever a file can hold some, and looks for it. Needs nothing but Python.

plant.py dicom SOURCE OUT TAGS [REAL...]   trees of DICOM series made from the slices in SOURCE (explicit little endian)
plant.py nifti SOURCE OUT                  a copy of a tree of .nii.gz files
plant.py pictures OUT                      a PNG, a PGM and, with PIL, a JPEG picture
plant.py burn SOURCE OUT                   copies of the slices with text in their pixels, or that say so
plant.py find SECRETS PATH...              prints what it finds of the planted things below PATH; exit code 1 then

Every planted text holds one of the words of WORDS or, where the kind of element allows no words, one of the numbers
of NUMBERS; the find command looks for these in any case and in UTF-16, in gzip data and PNG text after inflation, in
names of files, and for the unsalted hashes of the identifiers listed in SECRETS.
"""
import gzip
import hashlib
import os
import re
import struct
import sys
import zlib

WORDS = ("quill", "oyler", "zarathus")
#          dates and times     MRN and UIDs      age, weight (text), phone
NUMBERS = ("19570314", "1957-03-14", "031459", "778812345", "99991.", "087Y", "77.1234", "5551234987")
LONG = {"OB", "OW", "OF", "OD", "OL", "UN", "SQ", "UT", "UC", "UR"}
UID = "1.2.826.0.1.99991."
# What decides whether and how a file is read: planted in series of their own.
STRUCTURE = {0x00080005, 0x00080008, 0x00080016, 0x00080018, 0x00080060, 0x00280004, 0x00281054, 0x00541001, 0x0020000D,
             0x0020000E}


def element(tag, vr, value, implicit=False):
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB", "UN") else b" "
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if implicit:
        return head + struct.pack("<I", len(value)) + value
    if vr in LONG:
        return head + vr.encode() + b"\0\0" + struct.pack("<I", len(value)) + value
    return head + vr.encode() + struct.pack("<H", len(value)) + value


def read_slice(path):
    """{tag: (vr, value)} of an explicit little endian file without sequences."""
    data = open(path, "rb").read()
    at, out = 132, {}
    while at < len(data):
        group, number = struct.unpack_from("<HH", data, at)
        vr = data[at + 4:at + 6].decode()
        if vr in LONG:
            n, at = struct.unpack_from("<I", data, at + 8)[0], at + 12
        else:
            n, at = struct.unpack_from("<H", data, at + 6)[0], at + 8
        out[group << 16 | number] = (vr, data[at:at + n])
        at += n
    return out


def secret(vr, n):
    """A value of this kind that nobody else has; the words stand in it."""
    return {
        "DA": "19570314", "TM": "031459.%06d" % n, "DT": "19570314031459.%06d" % n, "AS": "087Y", "UI": UID + str(n),
        "CS": "QUILL_QUILL%d" % n, "AE": "OYLER_OYLER%d" % n, "SH": "Quill Quill%d" % n, "PN": "Zarathustra^Quill%d" % n,
        "LO": "Quill, Zarathustra %d" % n, "UR": "http://quill.example/%d" % n,
    }.get(vr, "Mrs. Zarathustra Quill %d, 14 Mar 1957, Dr. Oyler, MRN 778812345" % n).encode()


def sequence(tag, depth, implicit, undefined):
    """A sequence with one item of every kind of text, nested."""
    item = b"".join(element(t, vr, secret(vr, depth), implicit) for t, vr in (
        (0x00080080, "LO"), (0x00081155, "UI"), (0x00100010, "PN"), (0x00100020, "LO"), (0x00100030, "DA"),
        (0x0040A160, "UT"))) if depth else b""
    if depth < 3:
        item += sequence(0x0040A730, depth + 1, implicit, not undefined)
    if undefined:
        body = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + item + b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
        size = 0xFFFFFFFF
    else:
        body = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(item)) + item
        size = len(body)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    return head + (b"" if implicit else b"SQ\0\0") + struct.pack("<I", size) + body


def write(path, elements, raw=(), implicit=False, syntax=None):
    """elements: {tag: (vr, value)}; raw: {tag: bytes of a whole element}."""
    main = {t: element(t, vr, v, implicit) for t, (vr, v) in elements.items() if t >> 16 != 2}
    main.update(raw)
    body = b"".join(main[t] for t in sorted(main))
    if syntax is None:
        syntax = "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1"
    head = {t: e for t, e in elements.items() if t >> 16 == 2}
    head[0x00020010] = ("UI", syntax.encode())
    head[0x00020012] = ("UI", (UID + "12").encode())
    head[0x00020013] = ("SH", b"QUILL_OYLER")
    head[0x00020016] = ("AE", b"OYLER_AE")
    head[0x00020100] = ("UI", (UID + "100").encode())
    head[0x00020102] = ("OB", b"Zarathustra Quill private information")
    head.pop(0x00020000, None)
    text = b"".join(element(t, *head[t]) for t in sorted(head))
    preamble = (b"II*\0 Zarathustra Quill MRN 778812345 born 19570314 Dr. Oyler " * 3)[:128]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(preamble + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(text))) + text + body)


class Planter:
    def __init__(self, out, secrets):
        self.out, self.secrets, self.series = out, secrets, 0

    def folder(self, name):
        """A new series in a folder that names a person."""
        self.series += 1
        return f"{self.out}/Quill^Zarathustra_778812345/{self.series:02d}_{name}_Oyler"

    def identity(self, d, k):
        """UIDs, PatientID: the same for all slices of a series but for the instance's."""
        n = self.series
        d[0x00080018] = ("UI", f"{UID}8.{n}.{k}".encode())
        d[0x00020003] = d[0x00080018]
        d[0x0020000D] = ("UI", f"{UID}13.{n}".encode())
        d[0x0020000E] = ("UI", f"{UID}14.{n}".encode())
        d[0x00200052] = ("UI", f"{UID}52.{n}".encode())
        d[0x00100020] = ("LO", f"MRN-778812345-{n}".encode())
        d[0x00100010] = ("PN", b"Zarathustra^Quill")
        d[0x00100030] = ("DA", b"19570314")
        d[0x00101030] = ("DS", b"77.1234")
        for t in (0x00080018, 0x0020000D, 0x0020000E, 0x00200052, 0x00100020):
            self.secrets.add(d[t][1].decode())

    def extras(self, k, implicit):
        """Whole elements: sequences, private blocks, overlays, curves, padding."""
        raw = {0x00081140: sequence(0x00081140, 1, implicit, k % 2 == 0),
               0x00400275: sequence(0x00400275, 1, implicit, k % 2 == 1)}

        def put(tag, vr, value):
            raw[tag] = element(tag, vr, value, implicit)
        put(0x00290010, "LO", b"SIEMENS CSA HEADER")
        put(0x00291010, "OB", b"SV10\4\3\2\1" + b"\2\0\0\0M\0\0\0PatientName\0Zarathustra Quill\0" * 3)
        put(0x00291020, "OB", b"SV10\4\3\2\1 ### ASCCONV BEGIN ### tPatientName = \"Quill, Oyler\" ### ASCCONV END ###")
        put(0x20050010, "LO", b"Philips MR Imaging DD 001 QUILL")
        put(0x20051013, "LO", b"Zarathustra Quill, private")
        put(0x20051014, "UN", b"MRN 778812345 of Dr. Oyler")
        put(0x00090010, "LO", b"QUILL OYLER PRIVATE CREATOR")
        put(0x00091001, "PN", b"Zarathustra^Quill=private")
        for group, kind in ((0x6000, 0), (0x6002, 1)):
            g = group << 16
            put(g | 0x0010, "US", struct.pack("<H", 8))
            put(g | 0x0011, "US", struct.pack("<H", 64))
            put(g | 0x0022, "LO", b"Quill overlay")
            put(g | 0x0040, "CS", b"G")
            put(g | 0x0050, "SS", struct.pack("<hh", 1, 1))
            put(g | 0x0100, "US", struct.pack("<H", 1))
            put(g | 0x0102, "US", struct.pack("<H", 0))
            put(g | 0x1500, "LO", b"Zarathustra Quill overlay label")
            put(g | 0x3000, "OW", b"Zarathustra Quill in an overlay plane, MRN 778812345, Dr. Oyler!")
            put(g | 0x4000, "LT", b"Overlay comment: Dr. Oyler")
        put(0x50000030, "SH", b"Quill axis")
        put(0x50002500, "LO", b"Zarathustra Quill curve label")
        put(0x50003000, "OW", b"Zarathustra Quill curve data")
        put(0xFFFCFFFC, "OB", b"Zarathustra Quill trailing padding MRN 778812345")
        return raw


def dicom(source, out, tags, secrets):
    slices = [read_slice(f"{source}/{n}") for n in sorted(os.listdir(source)) if n.endswith(".dcm")]
    text = [(int(line.split()[0], 16), line.split()[1]) for line in open(tags, encoding="ascii")]
    p = Planter(out, secrets)

    def series(name, change=None, everywhere=True, implicit=False, broken=None, syntax=None):
        folder = p.folder(name)
        for k, original in enumerate(slices):
            d = dict(original)
            if everywhere:
                for i, (tag, vr) in enumerate(text):
                    # Group 0004 makes a DICOMDIR of it; what the phantom has decides how it is read.
                    if tag >> 16 != 4 and tag not in STRUCTURE:
                        d[tag] = (vr, secret(vr, i))
            p.identity(d, k)
            if change:
                change(d, k)
            path = f"{folder}/Quill_Zarathustra_{k:03d}_778812345.dcm"
            write(path, d, p.extras(k, implicit), implicit, syntax)
            if broken and k == 1:
                broken(path)

    series("all")
    series("implicit", implicit=True)
    series("plain", everywhere=False)

    def utf8(d, k):
        d[0x00080005] = ("CS", b"ISO_IR 192")
        d[0x00100010] = ("PN", "Žarathüstra^Quill=Квилл^Заратустра".encode())
        d[0x00081030] = ("LO", "Ünïcode Quill".encode())
    series("utf8", utf8)

    def utf16(d, k):
        d[0x00080070] = ("LO", "Quill".encode("utf-16-le"))
        d[0x00181020] = ("LO", "Oyler\\Quill v1".encode())
        d[0x0008103E] = ("LO", "Zarathustra".encode("utf-16-be"))
    series("utf16", utf16, everywhere=False)

    # Elements that decide how the file is read, numbers that are none: what is refused is told in a sentence.
    words = ((0x00080008, "CS"), (0x00080016, "UI"), (0x00080060, "CS"), (0x00280004, "CS"), (0x00281054, "LO"),
             (0x00541001, "CS"), (0x00080005, "CS"), (0x00185100, "CS"), (0x20500020, "CS"))
    for tag, vr in words:
        series(f"word_{tag:08x}", lambda d, k, t=tag, v=vr: d.__setitem__(t, (v, secret(v, 7))), everywhere=False)
    for tag in (0x00180050, 0x00180088, 0x00200032, 0x00200037, 0x00280030, 0x00281052, 0x00281053, 0x00200013,
                0x00200012, 0x00280008, 0x00180081, 0x00180080, 0x00280010, 0x00280100, 0x00280002, 0x00280103,
                0x00181120, 0x00180060):
        def spoil(d, k, t=tag):
            d[t] = (d[t][0] if t in d and t != 0x00280010 else "DS", b"Zarathustra Quill")
        series(f"number_{tag:08x}", spoil, everywhere=False)
    for tag in (0x0020000E, 0x00080018, 0x00200032, 0x00280030, 0x7FE00010, 0x00280011):
        series(f"without_{tag:08x}", lambda d, k, t=tag: d.pop(t, None))
    for n, syntax in enumerate((UID + "2.10", "1.2.840.10008.1.2.4.100", "Zarathustra Quill", "")):
        series(f"syntax_{n}", everywhere=False, syntax=syntax)

    # Places and copies that cannot be: gaps, twice the same place, two files with one UID.
    series("gap", lambda d, k: d.__setitem__(0x00200032, ("DS", f"0\\0\\{[0, 1, 2, 7][k % 4] + 20 * (k // 4)}".encode())))
    series("clash", lambda d, k: d.__setitem__(0x00080018, ("UI", f"{UID}8.clash".encode())))
    series("sizes", lambda d, k: k == 2 and d.__setitem__(0x00280011, ("US", struct.pack("<H", 7))))

    def cut(path):
        data = open(path, "rb").read()
        open(path, "wb").write(data[:len(data) * 2 // 3])
    series("cut", broken=cut)

    def cut_early(path):
        data = open(path, "rb").read()
        open(path, "wb").write(data[:1700])
    series("cut_early", broken=cut_early)

    def long_element(path):
        data = open(path, "rb").read()
        i = data.index(b"PN", 400)
        open(path, "wb").write(data[:i + 2] + b"\xff\xff" + data[i + 4:])
    series("long", broken=long_element)

    for name, data in (("notes Zarathustra Quill.txt", b"Zarathustra Quill, MRN 778812345"),
                       ("Quill.dcm", b"Zarathustra Quill, no DICOM at all"),
                       ("Quill_empty.dcm", b""),
                       ("Oyler.dcm", b"\0" * 128 + b"DICM" + b"Zarathustra Quill" * 20)):
        open(f"{out}/{name}", "wb").write(data)


def nifti_bytes(data, n):
    """A NIfTI-1 file with text in every field that takes some, and extensions."""
    if struct.unpack_from("<i", data)[0] != 348:
        raise SystemExit("no NIfTI-1 file")
    offset = int(struct.unpack_from("<f", data, 108)[0])
    head = bytearray(data[:348])

    def put(at, size, text):
        head[at:at + size] = text.encode()[:size].ljust(size, b"\0")
    put(4, 10, "Quill 1957")        # data_type
    put(14, 18, "Zarathustra Quill")  # db_name
    put(148, 80, "Zarathustra Quill, MRN 778812345, 1957-03-14, Dr. Oyler")  # descrip
    put(228, 24, "/home/oyler/quill.dcm")  # aux_file
    put(328, 16, "Quill intent")    # intent_name
    texts = (b"<patient>Zarathustra Quill</patient>", "PatientName Quill, Oyler".encode("utf-16-le"),
             b"MRN 778812345 19570314")
    extensions = b""
    for code, text in zip((4, 6, 2), texts):  # AFNI, comment, DICOM
        size = (8 + len(text) + 15) // 16 * 16
        extensions += struct.pack("<ii", size, code) + text.ljust(size - 8, b"\0")
    struct.pack_into("<f", head, 108, 352 + len(extensions))
    out = bytes(head) + b"\1\0\0\0" + extensions + data[offset:]
    return out + (b"Zarathustra Quill behind the payload" if n % 3 == 1 else b"")


def gzip_bytes(data):
    """Gzip data with a name, a comment and an extra field in the header."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    extra = b"QU" + struct.pack("<H", 17) + b"Zarathustra Quill"
    return (b"\x1f\x8b\x08\x1c" + struct.pack("<I", 0x0BADCAFE) + b"\0\xff" + struct.pack("<H", len(extra)) + extra +
            b"Quill_Zarathustra_778812345.nii\0" + b"scan of Mrs. Quill by Dr. Oyler\0" + body +
            struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF))


def nifti(source, out):
    n = 0
    for folder, _, names in sorted(os.walk(source)):
        for name in sorted(names):
            if not name.endswith(".nii.gz"):
                continue
            data = nifti_bytes(gzip.open(f"{folder}/{name}").read(), n)
            target = os.path.join(out, os.path.relpath(folder, source))
            os.makedirs(target, exist_ok=True)
            open(f"{target}/{name}", "wb").write(gzip_bytes(data))
            n += 1


def pictures(out):
    os.makedirs(out)
    w, h = 64, 48
    gray = [bytes((x * 2 + y * 3) % 200 + 20 for x in range(w)) for y in range(h)]

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    exif = b"II*\0\x08\0\0\0\1\0\x0e\x01\2\0\x20\0\0\0\x1a\0\0\0\0\0\0\0Zarathustra Quill, MRN 778812345\0"
    text = b"Zarathustra Quill 19570314"
    open(f"{out}/scan_1.png", "wb").write(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 0, 0, 0, 0)) +
        chunk(b"tEXt", b"Author\0" + text) + chunk(b"zTXt", b"Comment\0\0" + zlib.compress(text)) +
        chunk(b"iTXt", b"Title\0\0\0\0\0" + text) + chunk(b"eXIf", exif) + chunk(b"tIME", b"\x07\xa5\3\x0e\3\x0e\x3b") +
        chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in gray))) + chunk(b"quIl", text) +
        chunk(b"IEND", b"") + b"Zarathustra Quill behind the end")
    open(f"{out}/scan_2.pgm", "wb").write(b"P5\n# Zarathustra Quill, MRN 778812345\n64 48\n# Dr. Oyler\n255\n" + b"".join(gray))
    try:
        from PIL import Image
    except ImportError:
        return
    Image.frombytes("L", (w, h), b"".join(gray)).save(f"{out}/scan_3.jpg", exif=b"Exif\0\0" + exif, comment=text)
    data = open(f"{out}/scan_3.jpg", "rb").read()
    note = b"Quill comment of Dr. Oyler"
    open(f"{out}/scan_3.jpg", "wb").write(data[:2] + b"\xff\xfe" + struct.pack(">H", len(note) + 2) + note + data[2:] + text)


# Rows of three bits a letter, five rows.
GLYPHS = {"Q": "75573", "U": "55557", "I": "72227", "L": "44447", "Z": "71247", "O": "75557", "Y": "55222",
          "E": "74647", "R": "65655"}


def burn(source, out):
    slices = [read_slice(f"{source}/{n}") for n in sorted(os.listdir(source)) if n.endswith(".dcm")]
    order = sorted(range(len(slices)), key=lambda i: float(slices[i][0x00200032][1].split(b"\\")[2]))

    def text(d, words, x0, y0, dot, value):
        columns = struct.unpack("<H", d[0x00280011][1])[0]
        pixels = bytearray(d[0x7FE00010][1])
        for n, letter in enumerate(words):
            for r, bits in enumerate(GLYPHS[letter]):
                for c in range(3):
                    for i in range(dot * dot if int(bits) >> (2 - c) & 1 else 0):
                        x, y = x0 + (4 * n + c) * dot + i % dot, y0 + r * dot + i // dot
                        struct.pack_into("<H", pixels, 2 * (y * columns + x), value)
        d[0x7FE00010] = (d[0x7FE00010][0], bytes(pixels))

    def series(name, change):
        for k, i in enumerate(order):
            d = dict(slices[i])
            for t in (0x00080018, 0x0020000D, 0x0020000E, 0x00020003):
                d[t] = ("UI", f"1.2.3.{sum(map(ord, name))}.{t & 0xFFFF}.{k if t in (0x00080018, 0x00020003) else 0}".encode())
            change(d, k)
            write(f"{out}/{name}/{k}.dcm", d)

    series("clean", lambda d, k: None)
    series("one_slice", lambda d, k: k == 3 and text(d, "QUILLOYLER", 6, 8, 2, 4000))
    series("every_slice", lambda d, k: text(d, "ZOEYQUILL", 34, 60, 2, 1900))
    series("declared", lambda d, k: d.__setitem__(0x00280301, ("CS", b"YES")))
    series("denied", lambda d, k: d.__setitem__(0x00280301, ("CS", b"NO")))

    def capture(d, k):
        d[0x00080016] = d[0x00020002] = ("UI", b"1.2.840.10008.5.1.4.1.1.7")
    series("capture", capture)

    def padded(d, k):
        """HU as they are, and padding outside the scanner's circle."""
        columns = struct.unpack("<H", d[0x00280011][1])[0]
        intercept = int(float(d[0x00281052][1]))
        pixels = [v + intercept for v in struct.unpack(f"<{len(d[0x7FE00010][1]) // 2}H", d[0x7FE00010][1])]
        for i in range(len(pixels)):
            if (2 * (i % columns) - columns) ** 2 + (2 * (i // columns) - columns) ** 2 > columns ** 2:
                pixels[i] = -32768
        d[0x7FE00010] = (d[0x7FE00010][0], struct.pack(f"<{len(pixels)}h", *pixels))
        d[0x00280100] = d[0x00280101] = ("US", struct.pack("<H", 16))
        d[0x00280102], d[0x00280103] = ("US", struct.pack("<H", 15)), ("US", struct.pack("<H", 1))
        d[0x00280120] = ("SS", struct.pack("<h", -32768))
        d[0x00281052] = ("DS", b"0 ")
        if k == 3:
            text(d, "QUILL", 44, 10, 2, 1500)
    series("padded", padded)


def inflated(data):
    """What stands in gzip data and in the chunks of a PNG or HDF5 file, beside the bytes themselves."""
    out = [data]
    if data[:2] == b"\x1f\x8b":
        out.append(gzip.decompress(data))
    starts = [m.start() for m in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", data)] if data[:4] in (
        b"\x89PNG", b"\x89HDF") else []
    for at in starts:
        try:
            out.append(zlib.decompressobj().decompress(data[at:], 1 << 26))
        except zlib.error:
            pass
    return out


def needles():
    """[(word, bytes to look for in lower case)]"""
    return [(w, w.lower().encode(code)) for w in WORDS + NUMBERS + ("аратустр",) for code in ("utf-8", "utf-16-le")]


def digests(secrets):
    """{first 12 digits of an unsalted hash: what it is of}"""
    out = {}
    for s in secrets:
        for kind in (hashlib.sha256, hashlib.md5, hashlib.sha1):
            out[kind(s.encode()).hexdigest()[:12].encode()] = f"unsalted hash of {s}"
    return out


def files_below(top):
    if not os.path.isdir(top):
        yield top, b""
    for folder, _, names in sorted(os.walk(top)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            yield path, os.path.relpath(path, top).encode()


def find(secrets_path, paths):
    words, hashes = needles(), digests(open(secrets_path, encoding="utf-8").read().split("\n")[:-1])
    found = files = 0
    for path, name in (entry for top in paths for entry in files_below(top)):
        files += 1
        for data in [name] + inflated(open(path, "rb").read()):
            data = data.lower()
            hits = [(data.find(n), w) for w, n in words]
            hits += [(m.start(), hashes[m.group()[:12]]) for m in re.finditer(rb"[0-9a-f]{12,}", data)
                     if m.group()[:12] in hashes]
            for at, what in hits:
                if at >= 0:
                    found += 1
                    print(f"{path}: {what}: ...{data[max(0, at - 60):at + 60]!r}")
    print(f"{found} found in {files} files")
    return found > 0 or files == 0


def main():
    if sys.argv[1] == "dicom":
        secrets = set()
        dicom(sys.argv[2], sys.argv[3], sys.argv[4], secrets)
        open(sys.argv[3] + ".secrets", "w", encoding="utf-8").write("".join(s + "\n" for s in sorted(secrets)))
    elif sys.argv[1] == "pictures":
        pictures(sys.argv[2])
    elif sys.argv[1] == "burn":
        burn(sys.argv[2], sys.argv[3])
    elif sys.argv[1] == "nifti":
        nifti(sys.argv[2], sys.argv[3])
    else:
        sys.exit(find(sys.argv[2], sys.argv[3:]))


if __name__ == "__main__":
    main()
