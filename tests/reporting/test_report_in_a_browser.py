"""The report in a real Chromium, where one is installed: it fits a phone and loads nothing.

CI installs Chromium; without it these tests skip.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import limpide as lp
from pages import evil, mixed

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

# A page around the report, which is shown in a frame as wide as a phone and asked what it is like.
# The report itself holds no script, and forbids any.
AROUND = """<!DOCTYPE html><meta charset="utf-8"><pre id="found"></pre>
<iframe id="report" src="report.html" style="border:0;width:WIDTHpx;height:900px"></iframe>
<script>
const frame = document.getElementById('report');
function look() {
  const page = frame.contentDocument, root = page.documentElement, wide = [];
  for (const each of page.body.querySelectorAll('*')) {
    if (each.closest('.scroll, pre, .skip')) continue;
    const box = each.getBoundingClientRect();
    if (box.width && (box.right > root.clientWidth + 0.5 || box.left < -0.5))
      wide.push(each.tagName + ' ' + (each.textContent || '').slice(0, 40));
  }
  const texts = [...page.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height);
  const style = frame.contentWindow.getComputedStyle(page.body);
  document.getElementById('found').textContent = 'FOUND' + JSON.stringify({
    client: root.clientWidth, scroll: root.scrollWidth, wide,
    loaded: frame.contentWindow.performance.getEntriesByType('resource').length,
    pictures: page.querySelectorAll('svg[role=img]').length,
    smallest: Math.min(...texts), ground: style.backgroundColor, ink: style.color,
  }) + 'END';
}
if (frame.contentDocument.readyState === 'complete' && frame.contentDocument.body.children.length)
  look(); else frame.addEventListener('load', look);
</script>"""


def shown(folder: Path, width: int, dark: bool = False) -> tuple[dict, str]:
    """Open the report of a folder in a frame; give what it is like, and what the browser said."""
    (folder / "around.html").write_text(AROUND.replace("WIDTH", str(width)))
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--enable-logging=stderr",
        "--allow-file-access-from-files", "--disable-background-networking", "--no-first-run",
        f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=2000", "--dump-dom",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        (folder / "around.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    match = re.search("FOUND(.*)END</pre>", done.stdout, re.DOTALL)
    assert match, done.stderr
    plain = match[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return json.loads(plain), done.stderr


def houses() -> dict[str, object]:
    random = np.random.default_rng(0)
    price = random.lognormal(12, 1, 200)
    return {"size in square metres, of all rooms together": price / 3000, "price": price}


@pytest.mark.parametrize(
    ("which", "language"),
    [("classes", "en"), ("numbers", "en"), ("evil", "en"), ("classes", "fr"), ("numbers", "uk")],
)
def test_a_phone_shows_all_of_it_and_nothing_is_loaded(which, language, tmp_path):
    data, target = {
        "classes": (mixed(), "label"),
        "numbers": (houses(), "price"),
        "evil": (evil(), "</title>"),
    }[which]
    model = lp.train(data, target, epochs=3)
    file = "a/rather/long/path/" * 4 + "m.safetensors"
    model.report(tmp_path / "report.html", model_file=file, language=language)
    found, said = shown(tmp_path, 320)
    assert found["client"] == 320
    assert found["scroll"] == 320
    assert found["wide"] == []
    assert found["loaded"] == 0
    assert found["pictures"] >= 4
    assert found["smallest"] > 9  # CSS pixels: text in pictures can be read
    assert "CONSOLE" not in said
    if which == "classes":
        dark, said = shown(tmp_path, 1280, dark=True)
        assert (dark["scroll"], dark["wide"]) == (1280, [])
        assert "CONSOLE" not in said
        assert dark["ground"] != found["ground"] == "rgb(255, 255, 255)"
        assert dark["ink"] != found["ink"]
