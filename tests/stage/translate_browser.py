# SPDX-License-Identifier: Apache-2.0
"""translate_browser.py PAGE FOLDER: opens a report of image translation in Chromium, wide and narrow, and prints
how many tables of scores are seen whole, and whether a table that is not has a shadow where it is cut."""
import io
import os
import base64
import sys

from PIL import Image

from browser import Browser

url, folder = "file://" + os.path.abspath(sys.argv[1]), sys.argv[2]

TABLES = """Array.from(document.querySelectorAll('#scores .wide'), w => [w.scrollWidth - w.clientWidth,
    w.querySelector('thead tr').cells.length])"""
BOX = "(() => { const b = document.querySelector('#scores .wide').getBoundingClientRect(); return [b.right, b.top]; })()"


def fitting(b):
    found = b.value(TABLES)
    return f"{sum(over <= 0 for over, _ in found)} of {len(found)} fit, most columns {max(n for _, n in found)}"


def shadow(b):
    """Of the first table, in the margin above its heads: darker at the right edge than further in."""
    b.value("document.querySelector('#scores .wide').scrollIntoView()")
    right, top = b.value(BOX)
    shot = Image.open(io.BytesIO(base64.b64decode(b.send("Page.captureScreenshot")["data"]))).convert("L")
    edge, inside = (shot.getpixel((int(right) - x, int(top) + 4)) for x in (5, 60))
    return edge < inside - 20


b = Browser(folder)
try:
    b.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
    b.size(1200, 900)
    b.open(url)
    print(f"1200: {fitting(b)}")
    b.size(390, 900)
    print(f"390: {fitting(b)}, shadow at the right edge {shadow(b)}")
    b.value("document.querySelector('#scores .wide').scrollLeft = 1e6")
    print(f"scrolled: shadow at the right edge {shadow(b)}")
finally:
    b.close()
