"""The comparison of the eras: its figures, its table, its page in a real browser."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from hv.cli.s4 import command
from hv.compare.evidence import Plan
from hv.compare.journey import travel
from hv.compare.report import plain
from hv.hibernate import Carrier
from hv.scenario import ERAS
from tests.harness.chromium import CHROMIUM, Page, chromium

SIZES = ("-m", "64M", "--touch", "8M", "--balloon", "16M")
BALLOON = 4096
ARRAY = 256
"""Pages in one request (VIRTIO_BALLOON_ARRAY_PFNS_MAX)."""

PHASES = ["touched", "inflated", "power off", "resumed", "inflated again"]


class Printed(NamedTuple):
    """What the command wrote."""

    out: str
    data: Any
    page: Path

    def figure(self, era: str, metric: str) -> Any:
        """One figure."""
        return self.data["eras"][era]["figures"][metric]


@pytest.fixture(scope="module", params=list(Carrier), ids=lambda carrier: carrier.value)
def printed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Printed:
    """One comparison by each carrier, on a small machine."""
    folder = tmp_path_factory.mktemp("compare")
    page, data = folder / "page.html", folder / "data.json"
    outputs = ["--html", str(page), "--json", str(data)]
    done = CliRunner().invoke(command, ["compare", *SIZES, "--carrier", request.param.value, *outputs])
    assert done.exit_code == 0, done.output
    return Printed(done.output, json.loads(data.read_text()), page)


def test_the_figures(printed: Printed) -> None:
    """Each era costs what its callbacks say: pages asked back, moved, leaked; time off target; findings."""
    swap = printed.data["plan"]["carrier"] == "swap"
    array = ARRAY if swap else 0  # e1's thaw() fills one array, and only an image in swap is written after it
    expected = {
        "none": (0, 0, 0, 0),
        "e0": (0, BALLOON, BALLOON, BALLOON),
        "e1": (BALLOON + array, 2 * (BALLOON + array), 0, 0),
        "e3": (BALLOON, 2 * BALLOON, 0, 0),
        "e4": (BALLOON, 2 * BALLOON, 0, 0),
        "discard": (0, BALLOON, 0, BALLOON),
    }
    keys = ("asked_back_pages", "moved_pages", "leaked_pages", "kept_by_host_pages")
    found = {era: tuple(printed.figure(era, key) for key in keys) for era in ERAS}
    assert found == expected

    for era in ERAS.values():
        stays = not era.deflates_at_freeze
        assert (printed.figure(era.name, "off_target_ns") == 0) == stays
        assert (printed.figure(era.name, "refused_moved_pages") == 0) == stays
        assert (printed.figure(era.name, "target_ns") is None) == era.deaf
        assert (printed.figure(era.name, "findings") > 0) == (era.leaks or era.deaf)
        stray = printed.figure(era.name, "boot_balloon_pages")
        assert (stray > 0) == era.boot_balloon_survives if swap else stray is None


def test_the_peak_is_no_smaller_than_what_the_maps_show(printed: Printed) -> None:
    """The maps count the host's pages by themselves, at moments inside the legs."""
    for era in printed.data["eras"].values():
        backed = {each["phase"]: sum(r["pages"] for r in each["runs"] if r["backed"]) for each in era["maps"]}
        assert list(backed) == PHASES
        assert era["figures"]["peak_asleep_bytes"] >= 4096 * max(backed["inflated"], backed["power off"])
        assert era["figures"]["peak_awake_bytes"] >= 4096 * max(backed["resumed"], backed["inflated again"])


def test_the_table_fits_and_has_every_figure(printed: Printed) -> None:
    """100 columns, one row a metric, one column an era; below it the sentence that sums it up."""
    table, _, rest = printed.out.partition("\n\n")
    assert max(map(len, table.splitlines())) <= 100
    head, *rows = table.splitlines()
    assert head.split() == list(ERAS)
    assert len(rows) == len(printed.data["metrics"])
    for row, metric in zip(rows, printed.data["metrics"], strict=True):
        assert row.strip().startswith(metric["title"])
        if metric["unit"] in ("pages", "requests", "findings"):
            figures = [printed.figure(era, metric["key"]) for era in ERAS]
            assert row.split()[-len(ERAS) :] == ["n/a" if each is None else str(each) for each in figures]
    assert rest.split("\n")[0] == printed.data["headline"]


def test_it_repeats(printed: Printed) -> None:
    """The same era taken through the same workload again leaves the same evidence, to the nanosecond."""
    plan = Plan(64 << 20, 2048, BALLOON, Carrier(printed.data["plan"]["carrier"]))
    again = json.loads(json.dumps(plain(travel(plan, "e0"))))
    before = {key: value for key, value in printed.data["eras"]["e0"].items() if key != "figures"}
    assert again == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--touch", "60M", "--balloon", "40M"], "raise -m"),
        (["-m", "2G"], "at most 1G"),
        (["--balloon", "0"], "nothing to compare"),
        (["--html", "/nowhere/page.html"], "make its folder first"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(arguments: list[str], text: str) -> None:
    """Before any machine is made, in one line that says what to do."""
    done = CliRunner().invoke(command, ["compare", *arguments])
    assert done.exit_code != 0
    assert text in str(done.exception)


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt install chromium")


@pytest.fixture(scope="module")
def page(printed: Printed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page, open in a browser."""
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        browser.resize(1280)
        browser.open(printed.page)
        yield browser


@needs_chromium
@pytest.mark.peers
def test_the_page_loads_alone(printed: Printed, page: Page) -> None:
    """No complaint on the console, and nothing is asked for but the file itself and its empty icon."""
    assert page.complaints == []
    assert set(page.requests) <= {printed.page.as_uri(), "data:,"}
    assert page.evaluate("document.documentElement.lang") == "en"


@needs_chromium
@pytest.mark.peers
def test_the_page_has_the_figures(printed: Printed, page: Page) -> None:
    """Every cell of its table is the JSON's figure."""
    cells = page.evaluate(
        "[...document.querySelectorAll('td[data-metric]')]"
        ".map(c => [c.dataset.era, c.dataset.metric, c.dataset.value, c.innerText])"
    )
    shown = {(era, metric): value for era, metric, value, _ in cells}
    figures = {
        (era, key): "" if value is None else str(value)
        for era, data in printed.data["eras"].items()
        for key, value in data["figures"].items()
    }
    assert shown == figures
    units = {metric["key"]: metric["unit"] for metric in printed.data["metrics"]}
    assert all(text == value for _, metric, value, text in cells if value and units[metric] == "pages")
    assert page.evaluate("document.querySelector('.headline').innerText") == printed.data["headline"]


@needs_chromium
@pytest.mark.peers
def test_the_pictures_are_drawn(printed: Printed, page: Page) -> None:
    """A timeline an era and a map an era and phase, described in words, whose pages add up to RAM."""
    assert page.evaluate("document.querySelectorAll('svg.timeline').length") == len(ERAS)
    labels = page.evaluate("[...document.querySelectorAll('svg.map')].map(s => s.getAttribute('aria-label'))")
    assert len(labels) == len(ERAS) * len(PHASES)
    assert all(label.startswith("Memory map, ") for label in labels)
    counted = page.evaluate(
        "[...document.querySelectorAll('svg.map')].map(s => [...s.querySelectorAll('title')]"
        ".reduce((sum, t) => sum + parseInt(t.textContent), 0))"
    )
    assert set(counted) == {printed.data["plan"]["ram"] // 4096}
    leaked = page.evaluate("document.querySelectorAll('svg.map[aria-label*=\" e0, resumed\"] .o6').length")
    assert leaked > 0
    box = page.evaluate(
        "(r => [r.width, r.height])(document.querySelector('svg.map rect').getBoundingClientRect())"
    )
    assert min(box) > 1


@needs_chromium
@pytest.mark.peers
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits(page: Page, width: int, dark: bool) -> None:
    """Nothing sticks out sideways, on a wide window and on a phone; dark is a dark page with light text."""
    page.resize(width, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper, ink = (
        page.evaluate(f"getComputedStyle(document.body).{name}.match(/\\d+/g).slice(0, 3).map(Number)")
        for name in ("backgroundColor", "color")
    )
    assert (sum(paper) < sum(ink)) == dark
    assert abs(sum(paper) - sum(ink)) > 450


@pytest.mark.campaign
def test_the_documentation_shows_what_it_prints() -> None:
    """The table in docs/comparison.md is that of the command as it stands there."""
    done = CliRunner().invoke(command, ["compare"])
    table, _, _ = done.output.partition("\n\n")
    assert table in Path("docs/comparison.md").read_text()
