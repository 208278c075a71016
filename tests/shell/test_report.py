"""A report is one page that needs nothing else, whose numbers are the tables', readable anywhere."""

import asyncio
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row
from tests.shell.chromium import browsing, needs_browser
from tests.shell.journals import NAMES, folded, journal, replay
from typing_extensions import override

from depthwalker.core.fact import Held, Viewed
from depthwalker.core.projection import project
from depthwalker.core.story import Moment, tell
from depthwalker.core.units import SECOND, Count, Micros
from depthwalker.shell import browser, codec
from depthwalker.shell.chart import NARROW, WIDE, Scale, span_label, ticks
from depthwalker.shell.cli import main
from depthwalker.shell.dossier import page_of, plain
from depthwalker.shell.drawing import DRAWN
from depthwalker.shell.markup import VOID, tag
from depthwalker.shell.page import STYLE
from depthwalker.shell.store import PostgresStore

WALKED = "walk_with_partial_fills"
TWO_MEGABYTES = 2_000_000
PNG = b"\x89PNG\r\n"


def page(name: str = WALKED) -> str:
    started, rest = journal(name)
    return page_of(tell((started, *rest)), 1)


class Outline(HTMLParser):
    """What a page consists of: its elements with their attributes, in order, and that they are closed as they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for element, attributes in self.elements if element == name]


async def kept(dsn: str, *names: str) -> list[int]:
    async with PostgresStore(dsn) as store:
        return [await replay(store, name) for name in names]


@pytest.fixture
def database(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", postgres)
    monkeypatch.setenv("DEPTHWALKER_STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return postgres


def row(dsn: str, query: str) -> DictRow:
    with psycopg.connect(dsn) as connection, connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(query.encode()).fetchone()
        assert found is not None
        return found


# The page


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole_and_small_and_asks_for_nothing_from_elsewhere(name: str) -> None:
    text = page(name)
    outline = Outline(text)

    assert len(text.encode()) < TWO_MEGABYTES
    assert outline.all("html") == [{"lang": "en"}]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in outline.all("meta")
    assert any("default-src 'none'" in str(meta.get("content")) for meta in outline.all("meta"))
    assert not outline.all("script")
    assert not re.findall(r"https?:|//[a-z]|@import|url\(", text)
    assert [link.get("href") for link in outline.all("link")] == ["data:,"]
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize("name", NAMES)
def test_everything_drawn_has_a_name_and_comes_for_wide_and_narrow_screens(name: str) -> None:
    outline = Outline(page(name))

    drawings = [each for each in outline.all("svg") if "aria-hidden" not in each]
    assert all(each["role"] == "img" and len(str(each["aria-label"])) > 40 for each in drawings)
    widths = [str(each["viewbox"]).split()[2] for each in drawings]
    assert widths.count(str(WIDE)) == widths.count(str(NARROW)) >= 4
    assert len(outline.all("h1")) == 1
    assert all(region["aria-label"] for region in outline.all("section"))
    assert len(outline.all("caption")) == len(outline.all("table")) >= 3
    assert all(heading["scope"] == "col" for heading in outline.all("th"))


def test_it_shows_orders_walks_fills_cap_queue_and_every_reason() -> None:
    started, rest = journal(WALKED)
    story = tell((started, *rest))
    text = page()

    for sign in ('class="stand s1"', 'class="walk s1"', 'class="fill rested"', 'class="line cap"', "line mid-price"):
        assert sign in text, sign
    for heading in ("Prices, orders and fills", "Queue ahead", "Signals and decisions", "What it cost"):
        assert f"<h2>{heading}</h2>" in text
    words = Outline(text).words
    assert {decision.reason for decision in story.decisions} <= set(words)


def test_whatever_comes_from_outside_is_escaped() -> None:
    nasty = '</title><script>alert("x")</script><img src=x onerror=y>&'
    started, rest = journal(WALKED)
    named = replace(started, parent=replace(started.parent, ticker=nasty))
    told = tuple(
        codec.decode(re.sub(r'"reason":"[^"]*"', f'"reason":{json.dumps(nasty)}', codec.encode(fact).decode()))
        for fact in rest
    )

    outline = Outline(page_of(tell((named, *told)), 1))

    assert not outline.all("script")
    assert not outline.all("img")
    assert any(nasty in word for word in outline.words)


def test_markup_escapes_children_and_attributes_alike() -> None:
    assert tag("p", "<b>", 3, title='"&', class_=None).text == '<p title="&quot;&amp;">&lt;b&gt;3</p>'


def test_a_long_execution_stays_a_small_page() -> None:
    started, rest = journal(WALKED)
    longer = replace(started, parent=replace(started.parent, deadline=Micros(started.at + 3600 * SECOND)))
    repeated = [
        replace(fact, at=Micros(fact.at + lap * SECOND))
        for lap in range(400)
        for fact in rest
        if isinstance(fact, Viewed)
    ]
    holds = [Held(((1, f"reason {lap}"),), Micros(started.at + lap * SECOND)) for lap in range(3 * DRAWN)]

    text = page_of(tell((longer, *repeated, *rest, *holds)), 1)

    assert len(text.encode()) < TWO_MEGABYTES
    assert "the first 300 of" in text


class Views(tuple[Moment, ...]):
    """Views that count how often somebody goes through them all."""

    __slots__ = ()

    gone_through = 0

    @override
    def __iter__(self) -> Iterator[Moment]:
        Views.gone_through += 1
        return super().__iter__()


def test_views_are_not_gone_through_for_every_price_at_which_an_order_stood() -> None:
    started, rest = journal(WALKED)
    story = tell((started, *rest))
    times: list[int] = []
    for often in (1, 20):
        Views.gone_through = 0
        page_of(replace(story, moments=Views(story.moments), stands=story.stands * often), 1)
        times.append(Views.gone_through)
    assert times[0] == times[1], "a day's execution has tens of thousands of both"


def test_what_still_runs_is_reported_as_far_as_it_has_come() -> None:
    started, rest = journal(WALKED)
    half = rest[: len(rest) // 2]

    text = page_of(tell((started, *half)), 1)

    assert "still executing" in text
    assert "The cost is known once the execution has ended." in text
    assert "executing" in Outline(page_of(tell((started,)), 1)).words


# Scales


def test_ticks_are_round_and_few() -> None:
    assert ticks(0, 40, 11) == (0, 5, 10, 15, 20, 25, 30, 35, 40)
    assert ticks(38.5, 46.2, 9) == (39, 40, 41, 42, 43, 44, 45, 46)
    assert ticks(0, 1194, 5) == (0, 500, 1000)
    assert ticks(-57, 57, 5) == (-50, 0, 50)


def test_a_scale_keeps_values_inside_and_a_single_value_in_the_middle() -> None:
    assert [Scale(0, 10, 100, 200)(value) for value in (-5, 0, 5, 10, 11)] == [100, 100, 150, 200, 200]
    assert Scale(3, 3, 100, 200)(3) == 150


def test_instants_are_labelled_by_the_length_of_the_whole() -> None:
    assert (span_label(75, 100), span_label(75, 600), span_label(3675, 7200)) == ("75 s", "1:15", "1:01:15")


# Its numbers


@pytest.mark.parametrize("name", NAMES)
def test_its_numbers_are_the_tables(
    database: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (number,) = asyncio.run(kept(database, name))

    assert main(["report", str(number), "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    state, metrics = row(database, "SELECT * FROM execution_state"), row(database, "SELECT * FROM execution_metrics")
    for key in ("ticker", "action", "algorithm", "status"):
        assert found[key] == state[key], key
    for key in ("target_price", "cap_price", "target_quantity", "filled_quantity", "filled_value", "fees"):
        assert Decimal(found[key]) == state[key], key
    assert found["walks"] == metrics["walks_executed"]
    assert found["calls"] == metrics["calls_used"]
    fills = row(database, "SELECT count(*) AS n, sum(quantity) AS q, sum(price * quantity) AS v FROM execution_fills")
    assert len(found["fills"]) == fills["n"]
    assert sum(Decimal(fill["quantity"]) for fill in found["fills"]) == (fills["q"] or 0)
    if found["cost"] is not None:
        assert Decimal(found["cost"]["in_all"]) == pytest.approx(
            metrics["implementation_shortfall"], abs=Decimal("1e-4")
        )
    else:
        assert metrics["implementation_shortfall"] is None
    assert list(tmp_path.glob("*.html")) == []


def test_the_pages_cards_say_what_the_json_says() -> None:
    started, rest = journal(WALKED)
    story = tell((started, *rest))
    words = Outline(page_of(story, 1)).words
    metrics = project(folded(started, *rest)).metrics
    assert metrics is not None

    assert f"{plain(story, 1)['average_fill_price']} $" in words
    assert f"{metrics.calls} exchange calls" in words
    assert any(word.startswith(f"{metrics.filled / 100:g} of ") for word in words)
    assert sum(mark.count for mark in story.marks) == metrics.filled == Count(metrics.bought.count)


# The command


def test_the_command_writes_a_page_and_names_it(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (number,) = asyncio.run(kept(database, WALKED))

    assert main(["report", str(number)]) == 0
    assert capsys.readouterr().out == f"the report is report-{number}.html\n"
    assert main(["report", str(number), "--html", "mine.html"]) == 0
    usual, mine = tmp_path / f"report-{number}.html", tmp_path / "mine.html"
    assert usual.read_text() == mine.read_text() == page().replace("Execution 1:", f"Execution {number}:")


def test_an_execution_that_is_not_there_is_refused_with_those_that_are(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "7"]) == 2
    assert capsys.readouterr().err == "there is no execution 7; there is none yet\n"
    asyncio.run(kept(database, *NAMES[:2]))
    assert main(["report", "7"]) == 2
    assert capsys.readouterr().err == "there is no execution 7; the latest are 1, 2\n"
    assert main(["report", "nought"]) == 2


def test_reading_a_report_writes_nothing(database: str) -> None:
    from depthwalker.shell.archive import Archive
    from depthwalker.shell.journal import StoreError

    async def write() -> None:
        async with Archive(database) as archive:
            await archive._database.one("DELETE FROM execution_state RETURNING 1")

    with pytest.raises(StoreError, match="read-only"):
        asyncio.run(write())


@pytest.mark.parametrize("what", [["1"], ["--backtest", "results.json"]], ids=str)
def test_on_paper_is_a_period_alone(what: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", *what, "--paper"]) == 2
    assert "report --paper: it goes with --since" in capsys.readouterr().err


def test_a_picture_without_a_browser_says_what_would_do(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (number,) = asyncio.run(kept(database, WALKED))
    monkeypatch.setenv(browser.VARIABLE, "there-is-no-such-browser")

    assert main(["report", str(number), "--png", "picture.png"]) == 1
    assert "a picture needs Chromium or Chrome: install it" in capsys.readouterr().err


def test_a_picture_that_cannot_be_taken_leaves_the_one_that_is_there(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (number,) = asyncio.run(kept(database, WALKED))
    monkeypatch.setenv(browser.VARIABLE, "false")
    (tmp_path / "picture.png").write_bytes(PNG)

    assert main(["report", str(number), "--png", "picture.png"]) == 1
    assert "took no picture: exit code 1" in capsys.readouterr().err
    assert (tmp_path / "picture.png").read_bytes() == PNG


@needs_browser
def test_a_picture_is_a_png_of_the_page(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (number,) = asyncio.run(kept(database, WALKED))

    assert main(["report", str(number), "--png", "picture.png"]) == 0
    assert capsys.readouterr().out == "its picture is picture.png\n"
    taken = (tmp_path / "picture.png").read_bytes()
    width, height = struct.unpack(">II", taken[16:24])
    assert taken.startswith(PNG)
    assert width == 1000
    assert 2_000 < height < 4_000, "as high as the page"


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it: text needs 4.5, shapes that say something 3."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_words_and_lines_stand_out_from_their_ground(scheme: int) -> None:
    blocks = re.findall(r":root \{([^}]*)\}", STYLE)
    colours = dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", blocks[scheme]))
    for ground in (colours["ground"], colours["sheet"]):
        for name in ("ink", "soft", "good", "bad", "s1"):
            assert contrast(colours[name], ground) >= 4.5, name
        for name in ("s1", "s2", "s3", "s4", "cap", "mid", "fill"):
            assert contrast(colours[name], ground) >= 3, name


# In a browser

FITS = "document.documentElement.scrollWidth <= window.innerWidth"
SHOWN = "[...document.querySelectorAll('figure > svg')].filter(one => one.getBoundingClientRect().width > 0)"
LETTERS = f"Math.min(...{SHOWN}.map(one => 12 * one.getBoundingClientRect().width / one.viewBox.baseVal.width))"
CONTRAST = "getComputedStyle(document.body).backgroundColor"


@needs_browser
async def test_a_browser_shows_it_light_and_dark_wide_and_narrow_and_asks_for_nothing(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(), encoding="utf-8")
    grounds = []
    async with browsing() as tab:
        for width, dark in ((1000, False), (1000, True), (375, False)):
            await tab.open(file.as_uri(), width=width, height=800, dark=dark)
            assert await tab.value(FITS)
            figures = await tab.value(f"{SHOWN}.length")
            assert figures == await tab.value("document.querySelectorAll('figure').length")
            assert float(str(await tab.value(LETTERS))) > 10
            grounds.append(await tab.value(CONTRAST))
            assert (await tab.picture()).startswith(PNG)
        assert set(tab.requests) <= {file.as_uri(), "data:,"}
    assert grounds == ["rgb(255, 255, 255)", "rgb(15, 19, 24)", "rgb(255, 255, 255)"]
