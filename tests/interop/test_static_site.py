"""`firn catalog build --static`: pages that open from any file server and from a folder, and that say what a person asks."""
import html.parser
import pathlib
import urllib.parse
import urllib.request

import pytest
import yaml
from support.binary import TESTDATA, environment, firn
from test_snippets import opened

VOID = {"meta", "img", "br", "hr", "link", "input"}
INLINE = {"a", "span", "code", "br", "img"}


class Page(html.parser.HTMLParser):
    """Reads a page strictly: every element closed in order, no element where HTML does not allow it, attributes once."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.links, self.images, self.text, self.tags = [], [], [], [], []
        assert text.startswith("<!doctype html>\n")
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, names)
        assert not any(name.startswith("on") or name == "style" for name in names), (tag, names)
        allowed = {"tr": {"table"}, "td": {"tr"}, "th": {"tr"}, "li": {"ul"}, "head": {"html"}, "body": {"html"}, "title": {"head"}, "meta": {"head"}, "style": {"head"}}.get(tag)
        assert allowed is None or self.open[-1] in allowed, (tag, self.open)
        if self.open and self.open[-1] in {"p", "h1", "h2", "pre", "a", "span", "code"}:
            assert tag in INLINE, (tag, self.open)
        self.tags.append(tag)
        found = dict(attributes)
        if tag == "a":
            self.links.append(found["href"])
        if tag == "img":
            assert found["alt"]
            self.images.append(found["src"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (tag, self.open)

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    base = tmp_path_factory.mktemp("site")
    firn("transform", TESTDATA / "netcdf4/air.nc", "--target", base / "air.zarr", check=True)
    for name, store in {"air": str(base / "air.zarr"), "second": "https://data.example.org/<b>.zarr"}.items():
        stock = base / name
        stock.mkdir()
        (stock / "meta.yaml").write_text(yaml.safe_dump({"title": f"The {name} & <more>", "description": "Air temperature.\nSecond line.", "maintainers": [{"name": "M. Aintainer", "github": "m"}],
                                                         "provenance": {"providers": [{"name": "NCEP", "url": "https://www.weather.gov"}], "license": "CC0-1.0"}}))
        (stock / "catalog.yaml").write_text(yaml.safe_dump({"tags": ["air"], "thumbnail": "https://data.example.org/a.png", "links": [{"label": "Documentation", "url": "https://data.example.org/doc"}],
                                                            "stores": [{"id": name, "name": f"Title of {name}", "url": store}]}))
    firn("catalog", "build", base / "air", base / "second", "--out", base / "out", "--static", env=environment(HTTPS_PROXY="http://127.0.0.1:9"), check=True)
    return base / "out"


def pages(site):
    return {path.relative_to(site).as_posix(): Page(path.read_text()) for path in sorted(site.rglob("*.html"))}


def test_there_is_a_page_for_each_dataset_and_one_for_all(site):
    assert set(pages(site)) == {"index.html", "datasets/air/index.html", "datasets/second/index.html"}
    index = pages(site)["index.html"]
    for name in ("air", "second"):
        assert f"datasets/{name}/index.html" in index.links
        assert f"Title of {name}" in index.words
    assert "Air temperature. Second line." in index.words and "CC0-1.0" in index.words


def test_every_link_is_relative_and_leads_to_a_file_or_is_one_of_the_web(site):
    for name, page in pages(site).items():
        assert page.links
        for link in page.links:
            if link.startswith("https://"):
                continue
            assert ":" not in link and not link.startswith("/"), f"{link} of {name} depends on where the site lies"
            target = (site / name).parent / urllib.parse.unquote(link)
            assert target.resolve().is_file() and site.resolve() in target.resolve().parents, f"{link} of {name}"


def test_the_pages_open_from_a_folder_and_from_a_server_below_a_path(site, serve):
    server = serve(site.parent)
    for base in (site.as_uri(), f"{server.url}/out"):
        todo, seen = [f"{base}/index.html"], set()
        while todo:
            url = todo.pop()
            if url in seen or not url.startswith(base):
                continue
            seen.add(url)
            with urllib.request.urlopen(url) as answer:
                text = answer.read().decode()
            if url.endswith(".html"):
                todo += [urllib.parse.urljoin(url, link) for link in Page(text).links]
        assert {pathlib.PurePosixPath(url).name for url in seen} == {"index.html", "catalog.json", "firn-catalog.json", "collection.json"}
        assert sum(url.endswith(".html") for url in seen) == 3


def test_a_page_says_what_a_person_asks(site, tmp_path):
    page = pages(site)["datasets/air/index.html"]
    for words in ("Title of air", "Air temperature.", "CC0-1.0", "NCEP", "M. Aintainer", "Documentation", "air", "degK", "int16", "Dimensions", "Variables", "124"):
        assert words in page.words, words
    assert page.images == ["https://data.example.org/a.png"]
    assert "https://data.example.org/doc" in page.links
    text = (site / "datasets/air/index.html").read_text()
    code = text.split("<pre><code>")[1].split("</code></pre>")[0]
    import html
    assert "air" in opened({"code": html.unescape(code)}, tmp_path).data_vars, "the lines of the page run"


def test_nothing_runs_and_nothing_is_loaded_but_the_picture(site):
    for path in site.rglob("*.html"):
        text = path.read_text()
        assert not {"script", "iframe", "link", "object", "form"} & set(Page(text).tags)
        assert "default-src 'none'" in text and "@import" not in text and "url(" not in text
