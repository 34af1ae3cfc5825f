"""The page in a real browser: it fits a phone, follows the colour scheme, does what its controls say, runs no script
but its own and asks for nothing."""

import json
import re
import shutil
import subprocess
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from report_results import EVERYTHING, Results, picture

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE, DESK = 390, 1280  # CSS pixels
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
DARK = "--blink-settings=preferredColorScheme=0"
# Frames the page at a given width, runs `ACT` on it and writes what that returns into its own document, for --dump-dom.
PROBE = """<!DOCTYPE html><meta charset="utf-8"><body>
<iframe src="{page}" style="width:{width}px;height:900px;border:0"></iframe><pre></pre><script>
addEventListener("load", async () => {{
  const frame = document.querySelector("iframe"), page = frame.contentDocument, view = frame.contentWindow;
  const all = (selector) => [...page.querySelectorAll(selector)];
  const texts = (selector) => all(selector).map((each) => each.textContent.trim());
  const type = (input, value, kind = "input") => {{
    input.value = value;
    input.dispatchEvent(new view.Event(kind, {{bubbles: true}}));
  }};
  const settled = () => new Promise((resolve) => setTimeout(resolve, 150));
  let seen;
  try {{ seen = await (async () => {{ {act} }})(); }} catch (error) {{ seen = {{failed: String(error)}}; }}
  document.querySelector("pre").textContent = JSON.stringify(seen);
}});
</script>"""
LOOK = """
  all("details").forEach((each) => {{ each.open = true; }});
  all(".edge[data-step], .edge[data-reader]").forEach((each) => each.click());
  await settled();
  const root = page.documentElement, style = (one) => view.getComputedStyle(one);
  const width = root.clientWidth;
  return {{
    sideways: root.scrollWidth - width,
    over: all("body *").filter((each) => !each.closest(".scroll, svg, pre, .skip, dialog") &&
      each.getBoundingClientRect().right > width + 0.5).map((each) => each.outerHTML.slice(0, 120)),
    ground: style(page.body).backgroundColor, ink: style(page.body).color,
    axis: style(page.querySelector("figure svg text")).fill, muted: style(page.querySelector("figcaption")).color,
    control: style(page.querySelector("select")).borderTopColor, title: page.title,
    broken: [...page.images].filter((each) => each.complete && !each.naturalWidth).length,
    pictures: page.images.length,
    asked: view.performance.getEntriesByType("resource").map((each) => each.name)
      .filter((name) => !name.startsWith("data:")),
    unreachable: all(".scroll, pre").filter((each) => each.tabIndex !== 0).length,
    nameless: all("button, input, select").filter((each) =>
      !(each.textContent.trim() || each.labels?.length || each.ariaLabel)).map((each) => each.outerHTML),
    levels: all("h1, h2, h3, h4").filter((each) => each.checkVisibility()).map((each) => Number(each.tagName[1])),
  }};""".replace("{{", "{").replace("}}", "}")
USE = """
  const seen = {};
  const head = (name) => all("#runs thead button").find((each) => each.textContent.includes(name));
  const rows = () => all("#runs tbody tr").filter((each) => !each.hidden)
    .map((each) => each.querySelector("th").firstChild.textContent.trim());
  head("Word accuracy").click(); seen.ascending = rows();
  head("Word accuracy").click(); seen.descending = rows();
  seen.sorted = head("Word accuracy").closest("th").getAttribute("aria-sort");
  const filter = page.querySelector('[data-filters="runs"]');
  type(filter, "RATHER"); seen.filtered = rows(); seen.said = page.querySelector(".filter output").textContent;
  type(filter, "");
  const edge = all(".edge[data-step]").at(-1), panel = page.getElementById(edge.getAttribute("aria-controls"));
  if (edge.getAttribute("aria-expanded") === "true") edge.click();
  seen.closed = panel.hidden;
  edge.click(); await settled();
  seen.open = [panel.hidden, edge.getAttribute("aria-expanded"), panel.querySelector("h4").textContent];
  seen.card = [...panel.querySelectorAll("li .text")].map((each) => each.textContent);
  seen.sure = [...panel.querySelectorAll("li .sure")].map((each) => each.textContent).filter(Boolean);
  seen.marked = [...panel.querySelectorAll("li mark")].map((each) => each.textContent);
  seen.drawn = [...panel.querySelectorAll("img")].every((each) => each.complete && each.naturalWidth > 0);
  const cafe = all("#explorer-words li").find((each) => each.querySelector(".text").textContent === "cafe");
  seen.alike = [...cafe.querySelectorAll(".text, .by")].map((each) => each.textContent);
  seen.degrees = [...cafe.querySelectorAll(".sure")].map((each) => each.textContent).filter(Boolean);
  seen.label = cafe.querySelector("mark").textContent;
  const form = page.getElementById("explorer").elements, found = () => page.getElementById("explored").textContent;
  seen.all = found();
  seen.common = form.pair.options[1].textContent;
  type(form.kind, "digit"); seen.digits = [found(), ...texts("#explorer-words dd .text")];
  seen.pairs = [...form.pair.options].map((each) => each.textContent);
  type(form.kind, ""); type(form.least, "100"); seen.long = found();
  type(form.least, ""); type(form.text, "cafe"); seen.text = found();
  form.order.form.reset(); await settled(); seen.cleared = found();
  seen.shown = texts("#explorer-words dd .text");
  page.querySelector("#explorer-words .where a").click(); await settled();
  const dialog = page.querySelector("dialog");
  seen.dialog = [dialog.open, page.getElementById("word-title").textContent, view.location.hash];
  seen.facts = [...dialog.querySelectorAll("#word-facts > dl dt")].map((each) => each.textContent);
  dialog.querySelector("button").click(); await settled(); await settled();
  seen.left = [dialog.open, view.location.hash];
  seen.elements = [page.scripts.length, all("#explorer-words script, #explorer-words [onerror]").length, page.title];
  return seen;"""

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
        "</script><!--<script>",
    ]
    words = [(picture(label), label) for label in labels]
    results = Results(tmp_path_factory.mktemp("page"), [*words, (b"torn", "torn")], policy=EVERYTHING)
    misread = {index: label[:-1] + "!" for index, label in enumerate(labels, 1) if index != 6}
    results.add_run("torch", misread, before={"torch": misread})
    other = results.add_run(
        "onnxruntime-with-a-rather-long-name", {**misread, 6: "2a"}, before={"torch": misread}, pace=0.001
    )
    less_sure = pl.read_parquet(other / "predictions.parquet").with_columns(pl.col("confidence") / 2)
    less_sure.write_parquet(other / "predictions.parquet")
    reason = "no <b>card</b> in this machine"
    skipped = {"deployment": "om", "widths": "aspect", "runtime": "ascend", "precision": "fp16", "reason": reason}
    return results.report(skipped=[skipped]) / "index.html"


def browse(address: str, profile: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    assert BROWSER is not None
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", *flags, address]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)


def probed(report: Path, folder: Path, width: int, act: str, *flags: str) -> dict[str, Any]:
    """What `act` returns: a function body that sees `page`, `view`, `all`, `texts`, `type` and `settled`."""
    probe = folder / "probe.html"
    probe.write_text(PROBE.format(page=report.as_uri(), width=width, act=act), encoding="utf-8")
    # Without the first a file may not look into another file's frame; the second waits for timers before it prints.
    dumping = ("--allow-file-access-from-files", "--virtual-time-budget=5000", "--dump-dom")
    dumped = browse(probe.as_uri(), folder / "profile", *dumping, *flags).stdout
    found = re.search(r"<pre>(\{.*?\})</pre>", dumped, re.DOTALL)
    assert found, dumped[-2000:]
    values: dict[str, Any] = json.loads(unescape(found[1]))
    assert "failed" not in values, values
    return values


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_never_scrolls_sideways(report: Path, tmp_path: Path, width: int) -> None:
    seen = probed(report, tmp_path, width, LOOK)
    assert seen["over"] == []
    assert seen["sideways"] == 0


LENGTHS = """
  const box = (name) => page.getElementById("explorer").elements[name].getBoundingClientRect().toJSON();
  return {least: box("least"), most: box("most")};"""


def test_on_a_phone_both_ends_of_a_length_stand_side_by_side(report: Path, tmp_path: Path) -> None:
    boxes = probed(report, tmp_path, PHONE, LENGTHS)
    assert boxes["least"]["top"] == boxes["most"]["top"]
    assert boxes["least"]["right"] < boxes["most"]["left"]


@pytest.fixture(scope="module")
def at_a_desk(report: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return probed(report, tmp_path_factory.mktemp("desk"), DESK, LOOK)


def test_pictures_show_and_nothing_is_asked_for(at_a_desk: dict[str, Any]) -> None:
    assert at_a_desk["pictures"] > 0
    assert (at_a_desk["broken"], at_a_desk["asked"]) == (0, [])


def test_everything_can_be_reached_and_has_a_name(at_a_desk: dict[str, Any]) -> None:
    assert (at_a_desk["unreachable"], at_a_desk["nameless"]) == (0, [])
    levels = at_a_desk["levels"]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.fixture(scope="module")
def used(report: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page shows while its controls are used."""
    return probed(report, tmp_path_factory.mktemp("used"), DESK, USE)


def test_a_heading_sorts_its_table_and_rows_without_a_figure_stay_last(used: dict[str, Any]) -> None:
    assert used["ascending"] == ["onnxruntime-with-a-rather-long-name", "torch", "om"]
    assert used["descending"] == ["torch", "onnxruntime-with-a-rather-long-name", "om"]
    assert used["sorted"] == "descending"


def test_a_table_shows_the_rows_that_match(used: dict[str, Any]) -> None:
    assert used["filtered"] == ["onnxruntime-with-a-rather-long-name"]
    assert used["said"] == "1 of 3 rows"


def test_a_step_of_the_audit_opens_on_its_words(used: dict[str, Any]) -> None:
    assert used["closed"] is True
    assert used["open"] == [False, "true", "1 word changed from torch to onnxruntime-with-a-rather-long-name"]
    assert used["card"] == ["24", "24", "2a"]
    assert len(used["sure"]) == 2
    assert used["marked"] == ["4", "a"]
    assert used["drawn"] is True


def test_misread_words_can_be_chosen(used: dict[str, Any]) -> None:
    assert used["all"] == used["cleared"] == "7 words."
    assert used["digits"] == ["1 word.", "24", "2a"]
    assert used["pairs"] == ["any", "4 → a (1)"]
    assert (used["long"], used["text"]) == ("1 word.", "1 word.")


def test_runs_that_read_alike_share_the_text_and_keep_their_confidences(used: dict[str, Any]) -> None:
    assert used["alike"] == ["cafe", "caf!", "torch", "onnxruntime-with-a-rather-long-name"]
    torch, other = map(float, used["degrees"])
    assert other == pytest.approx(torch / 2, abs=0.001)
    assert used["label"] == "e"


def test_a_confusion_is_counted_in_words_however_many_runs_read_it_so(used: dict[str, Any]) -> None:
    assert used["common"] == "> → ! (2)"


def test_a_word_has_an_address_of_its_own(used: dict[str, Any]) -> None:
    assert used["dialog"] == [True, "Word 3 of signs", "#word=signs/3"]
    assert used["facts"] == ["label", "torch", "onnxruntime-with-a-rather-long-name", "torch, aspect (reference)"]
    assert used["left"] == [False, ""]


def test_labels_are_shown_as_text_and_run_no_script(used: dict[str, Any]) -> None:
    assert {"<script>document.title='taken'</script>", '" onerror="document.title=1"', "مطعم"} <= set(used["shown"])
    assert used["elements"] == [3, 0, "Signs"]


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
    seen = probed(report, tmp_path, DESK, LOOK, *flags)
    assert (luminance(seen["ground"]) < 0.2) is dark
    assert contrast(seen["ink"], seen["ground"]) >= 7
    assert contrast(seen["axis"], seen["ground"]) >= 4.5
    assert contrast(seen["muted"], seen["ground"]) >= 4.5
    assert contrast(seen["control"], seen["ground"]) >= 3


def test_the_browser_has_nothing_to_complain_about(report: Path, tmp_path: Path) -> None:
    log = browse(report.as_uri(), tmp_path / "profile", "--enable-logging=stderr", "--dump-dom").stderr
    assert "CONSOLE" not in log
