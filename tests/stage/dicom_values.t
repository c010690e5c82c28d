#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What the DICOM reader makes of every real sample, against pydicom.
root=$(cd "$(dirname "$0")/../.." && pwd)
exec "${PYTHON:-/usr/bin/python3}" "$root/scripts/golden_dicom.py" \
	"${SM_BIN:-$root/build/release/bin}/dicom_dump" "${SM_SHARED_DATA:-$root/../shared/data}"
