# SPDX-License-Identifier: Apache-2.0
"""report_browser.py PAGE FOLDER: opens a report in Chromium, with and without JavaScript, narrow, and as
PDF, and prints what it found, a "name: value" a line. FOLDER gets pictures of it."""
import os
import sys

from browser import Browser

page, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
url = "file://" + page

# First column of the table's rows in their order.
CASES = "Array.from(document.querySelectorAll('#cases table')[0].tBodies[0].rows, r => r.cells[0].textContent).join(' ')"
DICE = "Array.from(document.querySelectorAll('#cases table')[0].tBodies[0].rows, r => r.cells[1].textContent).join(' ')"
TABLES = """Array.from(document.querySelectorAll('table'), t => t.tHead.rows[0].cells.length > 1 &&
    t.tBodies.length && t.tBodies[0].rows.length ? 1 : 0)"""
# Drawings within what is folded up have no size.
DRAWINGS = """Array.from(document.querySelectorAll('svg[aria-label]')).filter(s => !s.closest('details:not([open])'))
    .map(s => { const b = s.getBoundingClientRect(); return b.width > 100 && b.height > 50 ? 1 : 0; })"""
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Gray and coloured pixels of the canvas, right after it was drawn.
PIXELS = """(() => { const nv = window.scanmillViewer, gl = nv.gl; nv.drawScene();
    const w = gl.drawingBufferWidth, h = gl.drawingBufferHeight, p = new Uint8Array(4 * w * h);
    gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, p);
    let gray = 0, colour = 0;
    for (let i = 0; i < p.length; i += 4) {
        const most = Math.max(p[i], p[i + 1], p[i + 2]), least = Math.min(p[i], p[i + 1], p[i + 2]);
        if (most - least > 40) colour++; else if (most > 30) gray++;
    }
    return gray * 1e7 + colour; })()"""


def tell(name, value):
    print(f"{name}: {value}", flush=True)


def all_of(b, script):
    found = b.value(script)
    return f"{sum(found)} of {len(found)}"


def choose(b, element, value):
    b.value(f"(() => {{ const e = document.getElementById('{element}'); e.value = '{value}';"
            " e.dispatchEvent(new Event('change')); e.dispatchEvent(new Event('input')); })()")


def pixels(b):
    n = b.value(PIXELS)
    return int(n // 10**7), int(n % 10**7)


def viewer(b):
    tell("viewer state", b.value("document.getElementById('viewer').dataset.state"))
    tell("viewer note is hidden", b.value("document.getElementById('viewer-note').hidden"))
    gray, colour = pixels(b)
    tell("canvas shows a scan", gray > 5000)
    tell("canvas shows labels", colour > 500)
    choose(b, "viewer-layer", "none")
    tell("without labels no colour", pixels(b)[1] < 200)
    keys = {}
    for layer in ("truth", "difference"):
        choose(b, "viewer-layer", layer)
        tell(layer + " is drawn", pixels(b)[1] > 500)
        keys[layer] = b.value("document.getElementById('viewer-keys').textContent")
    tell("legend of labels", keys["truth"])
    tell("legend of differences", keys["difference"])
    choose(b, "viewer-cut", 0)
    tell("an axial slice alone", pixels(b)[0] > 5000)
    choose(b, "viewer-cut", 4)
    tell("a view in 3-D", sum(pixels(b)) > 500)
    choose(b, "viewer-cut", 0)
    b.value("document.getElementById('viewer').dataset.state = ''")
    choose(b, "viewer-case", 1)
    for _ in range(100):
        if b.value("document.getElementById('viewer').dataset.state") == "shown":
            break
        b.value("new Promise(r => setTimeout(r, 100))")
    tell("another case", pixels(b)[1] > 500)
    tell("volumes held", b.value("window.scanmillViewer.volumes.length"))


def with_script(b):
    has = b"viewer-canvas" in open(page, "rb").read()
    ready = "document.readyState === 'complete'"
    b.open(url, ready + " && /shown|failed/.test(document.getElementById('viewer').dataset.state)" if has else ready)
    tell("tables", all_of(b, TABLES))
    tell("drawings", all_of(b, DRAWINGS))
    tell("wider than the window", b.value(WIDER))
    b.picture(os.path.join(folder, "page.png"))
    tell("cases", b.value(CASES))
    head = "document.querySelectorAll('#cases table')[0].tHead.rows[0].cells[%d]"
    b.value(head % 1 + ".querySelector('button').click()")
    tell("sorted upwards", b.value(DICE))
    tell("told to readers", b.value(head % 1 + ".getAttribute('aria-sort')"))
    b.value(head % 1 + ".querySelector('button').click()")
    tell("sorted downwards", b.value(DICE))
    b.value(head % 0 + ".querySelector('button').click()")
    tell("sorted by name", b.value(CASES))
    # What has no number is last either way, infinity is the largest.
    b.value("(() => { const r = document.querySelectorAll('#cases table')[0].tBodies[0].rows;"
            " r[0].cells[1].textContent = '\u2013'; r[1].cells[1].textContent = '\u221e'; })()")
    b.value(head % 1 + ".querySelector('button').click()")
    tell("upwards without numbers", b.value(DICE))
    b.value(head % 1 + ".querySelector('button').click()")
    tell("downwards without numbers", b.value(DICE))
    b.value("location.hash = document.querySelector('.means td a').getAttribute('href')")
    tell("a mean leads to its line", b.value("document.querySelector('tr:target').cells[0].textContent"))
    if has:
        viewer(b)
    b.size(390, 800)
    tell("wider than a telephone", b.value(WIDER))
    b.size(1360, 600)
    tell("wider than a screen", b.value(WIDER))
    b.pdf(os.path.join(folder, "page.pdf"))
    tell("requests elsewhere", [r for r in b.requests if not r.startswith(("file:", "data:", "blob:"))])
    tell("problems", b.problems)


def without_script(b):
    b.send("Emulation.setScriptExecutionDisabled", value=True)
    b.open(url)
    tell("without script: tables", all_of(b, TABLES))
    tell("without script: drawings", all_of(b, DRAWINGS))
    tell("without script: cases", b.value(CASES))
    tell("without script: buttons", b.value("document.querySelectorAll('button').length"))
    tell("without script: note", b.value(
        "(() => { const e = document.getElementById('viewer-note'); return e ? e.offsetHeight > 0 : 'none'; })()"))
    tell("without script: frame", b.value(
        "(() => { const e = document.getElementById('viewer-frame'); return e ? e.offsetHeight : 'none'; })()"))
    b.picture(os.path.join(folder, "page-without.png"))


browser = Browser(folder, 240)
try:
    with_script(browser)
    without_script(browser)
finally:
    browser.close()
