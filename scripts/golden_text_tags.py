#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints tests/golden/text_tags.txt: tag and VR of every element of the DICOM data dictionary whose value is text, as
pydicom knows it. Repeating groups (50xx, 60xx) and groups 0000 and 0002 are left out: the test makes those itself."""
from pydicom.datadict import DicomDictionary

TEXT = {"AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}

for tag in sorted(DicomDictionary):
    vr = DicomDictionary[tag][0]
    if vr in TEXT and tag >> 16 not in (0x0000, 0x0002) and not 0xFFFE0000 <= tag < 0xFFFF0000:
        print(f"{tag:08X} {vr}")
