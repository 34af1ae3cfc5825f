"""The page in a real browser: it fits a phone, follows the colour scheme, runs nothing and asks for nothing."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from report_results import EVERYTHING, Results, picture

ROOT = Path(__file__).parents[2]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE, DESK = 390, 1280  # CSS pixels
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
DARK = "--blink-settings=preferredColorScheme=0"
# Frames the page at a given width and writes what it measured into its own document, for --dump-dom to print.
PROBE = """<!DOCTYPE html><meta charset="utf-8"><body>
<iframe src="{page}" style="width:{width}px;height:900px;border:0"></iframe><pre></pre><script>
addEventListener("load", () => {{
  const inner = document.querySelector("iframe").contentDocument, root = inner.documentElement;
  for (const details of inner.querySelectorAll("details")) details.open = true;
  const over = [...inner.querySelectorAll("body *")].filter(e =>
    !e.closest(".scroll, svg, pre, .skip") && e.getBoundingClientRect().right > {width} + 0.5);
  document.querySelector("pre").textContent = JSON.stringify({{
    sideways: root.scrollWidth - root.clientWidth, over: over.map(e => e.outerHTML.slice(0, 120)),
    scripts: inner.scripts.length,
    ground: getComputedStyle(inner.body).backgroundColor, ink: getComputedStyle(inner.body).color,
    axis: getComputedStyle(inner.querySelector("figure svg text")).fill, title: inner.title,
    broken: [...inner.images].filter(i => i.complete && !i.naturalWidth).length,
    focusable: [...inner.querySelectorAll(".scroll")].every(e => e.tabIndex === 0)}});
}});
</script>"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine; apt-get install chromium")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with everything on it: hostile, long and right-to-left labels, flips, bad records, several runs."""
    labels = [
        "cafe",
        "<script>document.title='taken'</script>",
        "w" * 200,
        "مطعم",
        '" onerror="document.title=1"',
        "24",
    ]
    words = [(picture(label), label) for label in labels]
    results = Results(tmp_path_factory.mktemp("page"), [*words, (b"torn", "torn")], policy=EVERYTHING)
    misread = {index: label[:-1] + "!" for index, label in enumerate(labels, 1) if index != 6}
    results.add_run("torch", misread, before={"torch": misread})
    results.add_run("onnxruntime-with-a-rather-long-name", {**misread, 6: "2a"}, before={"torch": misread}, pace=0.001)
    command = [sys.executable, ROOT / "workflow" / "make_report.py", "--inputs", json.dumps(results.inputs)]
    paths = ["--published", ROOT / "resources" / "published.json", "--output-dir", results.directory / "report"]
    subprocess.run([*command, *paths, "--record", results.directory / "record.json"], check=True)
    return results.directory / "report" / "index.html"


def browse(address: str, profile: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    assert BROWSER is not None
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", *flags, address]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)


def measured(report: Path, folder: Path, width: int, *flags: str) -> dict[str, object]:
    probe = folder / "probe.html"
    probe.write_text(PROBE.format(page=report.as_uri(), width=width), encoding="utf-8")
    # Without this a file may not look into another file's frame.
    dumped = browse(probe.as_uri(), folder / "profile", "--allow-file-access-from-files", "--dump-dom", *flags).stdout
    found = re.search(r"<pre>(\{.*?\})</pre>", dumped, re.DOTALL)
    assert found, dumped[-2000:]
    values: dict[str, object] = json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    return values


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_never_scrolls_sideways(report: Path, tmp_path: Path, width: int) -> None:
    seen = measured(report, tmp_path, width)
    assert seen["over"] == []
    assert seen["sideways"] == 0


def test_labels_run_no_script_and_all_pictures_show(report: Path, tmp_path: Path) -> None:
    seen = measured(report, tmp_path, DESK)
    assert (seen["scripts"], seen["title"], seen["broken"]) == (0, "Signs", 0)


def test_wide_tables_can_be_scrolled_from_the_keyboard(report: Path, tmp_path: Path) -> None:
    assert measured(report, tmp_path, PHONE)["focusable"] is True


def luminance(colour: object) -> float:
    """Relative luminance of a CSS rgb() colour, WCAG 2.2."""
    channels = [int(value) / 255 for value in re.findall(r"\d+", str(colour))[:3]]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: object, other: object) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("flags", "dark"), [((), False), ((DARK,), True)])
def test_text_and_charts_can_be_read_in_both_colour_schemes(
    report: Path, tmp_path: Path, flags: tuple[str, ...], dark: bool
) -> None:
    seen = measured(report, tmp_path, DESK, *flags)
    assert (luminance(seen["ground"]) < 0.2) is dark
    assert contrast(seen["ink"], seen["ground"]) >= 7
    assert contrast(seen["axis"], seen["ground"]) >= 4.5


def test_the_browser_has_nothing_to_complain_about(report: Path, tmp_path: Path) -> None:
    log = browse(report.as_uri(), tmp_path / "profile", "--enable-logging=stderr", "--dump-dom").stderr
    assert "CONSOLE" not in log
