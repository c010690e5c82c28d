# SPDX-License-Identifier: Apache-2.0
"""report_check.py PAGE PICTURES [viewer]: the page is well-formed, needs nothing else, its links lead
somewhere, every drawing and table tells what it shows, and it holds so many pictures. Prints counts."""
import base64
import hashlib
import html
import json
import os
import re
import struct
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

VIEWER = "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"
whole = open(sys.argv[1], encoding="utf-8").read()
script = re.compile(r"<script([^>]*)>(.*?)</script>", re.S)
scripts = script.findall(whole)
text = script.sub("", whole)
void = {"meta", "br", "img", "hr", "input"}


class Check(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids, self.refs, self.count = [], set(), [], {}

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        a = dict(attrs)
        if "id" in a:
            assert a["id"] not in self.ids, "id twice: " + a["id"]
            self.ids.add(a["id"])
        if "href" in a:
            self.refs.append(a["href"])
        assert not [k for k in a if k.startswith("on")], "event handler"
        if tag == "svg" and "svg" not in self.open:
            assert a.get("aria-label"), "drawing without words"
        if tag not in void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in void:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()


c = Check()
c.feed(text)
c.close()
assert not c.open, c.open
pictures = 0
for r in c.refs:
    if r.startswith("data:image/png;base64,"):
        raw = base64.b64decode(r.split(",", 1)[1], validate=True)
        assert raw[:8] == b"\x89PNG\r\n\x1a\n"
        w, h = struct.unpack(">II", raw[16:24])
        assert 20 <= w <= 32 and 20 <= h <= 30, (w, h)
        pictures += 1
    else:
        assert r.startswith("#") and r[1:] in c.ids, "leads nowhere: " + r
assert pictures == int(sys.argv[2]), pictures
assert "link" not in c.count and "iframe" not in c.count
assert c.count["caption"] == c.count["table"], "a table without a caption"
assert not re.search(r"(src|url)\s*[=(]", text), "loads something"
ET.fromstring(text.replace("<!DOCTYPE html>", "").replace("&nbsp;", " "))

# Scripts: the sorting one, and with the viewer its library, its driver and its data.
code = [s for a, s in scripts if not a]
data = {re.search(r'id="([^"]*)"', a)[1]: s for a, s in scripts if a}
assert all("src" not in a for a, _ in scripts), "a script from elsewhere"
if len(sys.argv) > 3:
    assert len(code) == 3, len(code)
    library = [s for s in code if hashlib.sha256(s.encode()).hexdigest() == VIEWER]
    assert len(library) == 1, "the library is not the pinned one"
    notice = os.path.join(os.path.dirname(__file__), "..", "..", "eval", "assets", "NIIVUE-LICENCE")
    assert open(notice).read() in html.unescape(text), "the library's licence is missing"
    chosen = json.loads(data.pop("viewer-set"))
    assert len(data) == 4 * len(chosen["cases"]) > 0, sorted(data)
    for s in data.values():
        assert base64.b64decode(s, validate=True)[:2] == b"\x1f\x8b"
else:
    assert len(code) == 1 and not data
print("good:", c.count["table"], "tables,", c.count["svg"], "drawings,", len(data), "volumes")
