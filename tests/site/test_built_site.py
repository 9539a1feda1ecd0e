"""The site as a reader gets it: no directive is left over, no link is dead, no code block is empty.

`make docs` builds the site by these tests, so that it is built once where `make check` runs all.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
SITE = "https://sqlalchemy-vecsearch.readthedocs.io/"

LEFTOVERS = {
    "an include": re.compile(r"-{1,2}\s*8\s*<\s*-{1,2}"),
    "a directive of mkdocstrings": re.compile(r"^\s*:::\s", re.MULTILINE),
    "a role of Sphinx": re.compile(r":(?:attr|class|data|exc|func|meth|mod|obj):\s*`?\w"),
    "a fence": re.compile(r"^\s*(?:```|~~~)", re.MULTILINE),
    "an admonition": re.compile(r"^\s*(?:!!!|\?\?\?\+?)\s+\w", re.MULTILINE),
    "a tab": re.compile(r'^\s*===\+?\s+"', re.MULTILINE),
    "a link": re.compile(r"\]\([^)\s]*(?:\.md|#[\w.-]+)\)"),
}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass
class Page(HTMLParser):
    """What a check needs of one page: its words, its anchors, its links, its code blocks."""

    source: str
    words: str = ""
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()
        self.open = []
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors.update(value for name in ("id", "name") if (value := given.get(name)))
        self.links += [value for name in ("href", "src") if (value := given.get(name))]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "pre":
            self.blocks.append("")

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.words += data
        if "pre" in self.open:
            self.blocks[-1] += data

    @property
    def leftovers(self):
        return [kind for kind, pattern in LEFTOVERS.items() if pattern.search(self.words)]

    @property
    def empty_blocks(self):
        return [number for number, block in enumerate(self.blocks, 1) if not block.strip()]


def dead_links(address, links, pages, files):
    """Return the links of one page that lead to no file of the site, or to no anchor of its page."""
    dead = []
    for link in links:
        target, anchor = urldefrag(urljoin(address, link))
        if not target.startswith(SITE):
            continue
        path = unquote(urlsplit(target).path).lstrip("/")
        path = f"{path}index.html" if path.endswith("/") or not path else path
        if path not in files or (anchor and path in pages and unquote(anchor) not in pages[path].anchors):
            dead.append(link)
    return dead


@pytest.fixture(scope="module")
def site():
    """Build the site where its author finds it; a warning ends the build."""
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )
    folder = ROOT / "site"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    pages = {name: Page((folder / name).read_text(encoding="utf-8")) for name in files if name.endswith(".html")}
    return pages, files


def test_every_source_page_is_built_and_has_code_that_was_read(site):
    pages, _ = site
    sources = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    expected = {"index.html" if source.name == "index" else f"{source.as_posix()}/index.html" for source in sources}
    assert set(pages) == expected | {"404.html"}
    assert any("class Document" in block for block in pages["tutorial/semantic_search/index.html"].blocks)


def test_no_directive_is_left_over(site):
    pages, _ = site
    assert {name: page.leftovers for name, page in pages.items() if page.leftovers} == {}


def test_no_code_block_is_empty(site):
    pages, _ = site
    assert {name: page.empty_blocks for name, page in pages.items() if page.empty_blocks} == {}


def test_every_link_inside_the_site_leads_to_a_file_and_an_anchor(site):
    pages, files = site
    found = {
        name: dead_links(SITE + name.removesuffix("index.html"), page.links, pages, files)
        for name, page in pages.items()
    }
    assert {name: dead for name, dead in found.items() if dead} == {}


def test_every_link_of_the_readme_is_absolute_and_leads_somewhere(site):
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith("https://")] == []
    assert sum(link.startswith(SITE) for link in links) > 10
    assert dead_links(SITE, links, *site) == []


def test_the_blocks_of_the_readme_are_blocks_for_every_renderer():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^```(.*)$", text, re.MULTILINE)) == {"python", "text", ""}


def test_the_names_of_the_package_and_the_site_agree():
    assert f"site_url: {SITE}\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('<pre><code>--8 &lt; --"a.py"</code></pre>', "an include"),
        ('<pre><code><span>--</span><span>8</span>&lt;--&quot;a.py"</code></pre>', "an include"),
        ("<p>::: package.name</p>", "a directive of mkdocstrings"),
        ("<p>what :func:<code>nearest</code> says</p>", "a role of Sphinx"),
        ("<p>\n```python\nx = 1\n</p>", "a fence"),
        ("<p>!!! note</p>", "an admonition"),
        ('<p>=== "Tab"</p>', "a tab"),
        ("<p>[here](../page.md)</p>", "a link"),
    ],
)
def test_a_leftover_is_found(text, kind):
    assert Page(text).leftovers == [kind]


def test_words_in_scripts_are_no_leftovers():
    assert Page("<script>--8<-- ::: x</script><p>a === b</p>").leftovers == []


def test_an_empty_block_is_found_by_its_number():
    assert Page("<pre><code>x</code></pre><pre><span></span><code>\n</code></pre>").empty_blocks == [2]


def test_dead_links_and_anchors_are_found():
    pages = {"a/index.html": Page('<h1 id="top">'), "index.html": Page("<p>")}
    links = ["../a/", "../a/#top", "../a/#gone", "../b/", "#top", "https://elsewhere.org/", SITE, "/c.png"]
    assert dead_links(f"{SITE}a/", links, pages, set(pages)) == ["../a/#gone", "../b/", "/c.png"]
