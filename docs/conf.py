"""How `make docs` makes a site of the repository's pages: each where it lies, read as a code host reads it.

Sphinx reads from the root of the repository, so a link between files leads to the same place on the host and on the
site. A linked file that is no page, such as a licence, is shipped with the site; a configuration is shown as a page.
Nothing here is part of the workflow.
"""

import tomllib
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.parsers import Parser

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FOLDERS = {"benchmarks", "config", "docs", "resources"}  # of pages

project = html_title = PROJECT["name"]
release = PROJECT["version"]
root_doc = "docs/index"
extensions = ["myst_parser"]
include_patterns = ["*.md", "docs/*.md", "*/README.md", "resources/**/README.md", "config/*.yaml", "CITATION.cff"]
exclude_patterns = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in FOLDERS)
source_suffix = {".md": "markdown", ".yaml": "yaml", ".cff": "yaml"}

# What Markdown does not have, and a page could contain as mere text.
myst_disable_syntax = ["myst_block_break", "myst_line_comment", "myst_role", "myst_target"]
myst_enable_extensions = ["html_image"]
myst_heading_anchors = 4
smartquotes = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_extra"]  # index.html of the whole site, which leads to that of docs/
html_copy_source = html_show_sourcelink = html_show_copyright = html_show_sphinx = html_use_index = False


class FileAsPage(Parser):
    """Shows a file of YAML as it is, under its path; it is found by the links to it, not in the index."""

    supported = ("yaml",)

    def parse(self, inputstring: str, document: nodes.document) -> None:
        path = Path(document["source"]).relative_to(ROOT)
        page = nodes.section("", nodes.title("", str(path)), ids=["file"], names=["file"])
        page += nodes.literal_block(inputstring, inputstring, language="yaml")
        document += [nodes.docinfo("", nodes.field("", nodes.field_name("", "orphan"), nodes.field_body())), page]


def say_language(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """A browser chooses the forms of Chinese characters by the language of the page."""
    if pagename.endswith(".zh-CN"):
        context["language"] = "zh-CN"


def setup(app: Sphinx) -> None:
    app.add_source_parser(FileAsPage)
    app.connect("html-page-context", say_language)
