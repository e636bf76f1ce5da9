"""The admin page in a real browser, served by the real server from numbers that tests change."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.admin_ui.fakes import AdminThread, FakeMesh

# The distribution's browser: Playwright's own download is not needed.
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def admin() -> Iterator[AdminThread]:
    thread = AdminThread(FakeMesh({"fra-1": 6379, "iad-1": 0}), "fra-1")
    yield thread
    thread.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that must not log an error: the strict policy holds, no script fails."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    errors: list[str] = []
    opened = context.new_page()
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if _is_bad(message) else None)
    yield opened
    context.close()
    assert errors == []


def _is_bad(message: object) -> bool:
    """Errors count, but not the refused connections while a server is away."""
    text, kind = getattr(message, "text", ""), getattr(message, "type", "")
    is_network = "ERR_CONNECTION_REFUSED" in text or "ERR_INCOMPLETE_CHUNKED" in text
    return kind in ("error", "warning") and not is_network


def test_both_nodes_and_both_directions_appear_as_drawing_and_as_table(
    admin: AdminThread, page: Page
) -> None:
    page.goto(admin.start())
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("#nodes tbody tr")).to_have_count(2)
    expect(page.locator("#links tbody tr")).to_have_count(2)
    expect(page.get_by_label("node iad-1: healthy")).to_be_visible()
    expect(page.get_by_label("link from fra-1 to iad-1: in sync")).to_be_attached()
    expect(page.get_by_label("link from iad-1 to fra-1: in sync")).to_be_attached()
    expect(page.locator("#state-word")).to_have_text("OK")
    assert page.title() == "OK - shop - Plexis"


def test_the_node_that_holds_up_forgetting_is_named_in_the_table(
    admin: AdminThread, page: Page
) -> None:
    admin.mesh.held_up = ("member-iad-1", 65_000)
    page.goto(admin.start())
    column = page.locator("#nodes thead th").all_inner_texts().index("Holds up")
    cells = page.locator("#nodes tbody tr", has_text="iad-1").locator("th, td")
    expect(cells.nth(column)).to_have_text("65 s")
    other = page.locator("#nodes tbody tr", has_text="fra-1").locator("th, td")
    expect(other.nth(column)).to_have_text("-")
    expect(cells.last).to_have_text("0.1.0")


def test_a_cut_link_shows_within_five_seconds_in_words_icon_and_line(
    admin: AdminThread, page: Page
) -> None:
    page.goto(admin.start())
    expect(page.locator("#state-word")).to_have_text("OK")
    began = time.monotonic()
    admin.mesh.cut("fra-1", "iad-1")
    expect(page.locator("#state-word")).to_have_text("DEGRADED", timeout=5_000)
    assert time.monotonic() - began < 5
    expect(page.locator("#links td.state .word").first).to_have_text("down 2.0 s")
    expect(page.locator("#links td.state .icon").first).to_have_text("✕")
    line = page.locator('.link[data-link="fra-1>iad-1"] .line')
    assert line.evaluate("line => getComputedStyle(line).strokeDasharray") != "none"
    expect(page.locator("#problems li").first).to_contain_text("connection timed out")


def test_a_peer_that_dies_shows_within_five_seconds_and_keeps_its_place(
    admin: AdminThread, page: Page
) -> None:
    page.goto(admin.start())
    node = page.locator('.node[data-key="iad-1"]')
    expect(node).to_have_attribute("data-grade", "ok")
    place = node.get_attribute("transform")
    admin.run(admin.peers["iad-1"].stop())
    expect(node).to_have_attribute("data-grade", "down", timeout=5_000)
    expect(page.locator("#nodes tr", has_text="iad-1")).to_contain_text("unreachable")
    expect(page.locator("#nodes tr", has_text="iad-1")).to_contain_text("1,200")
    assert node.get_attribute("transform") == place
    admin.run(admin.peers["iad-1"].start())
    expect(node).to_have_attribute("data-grade", "ok", timeout=5_000)


def test_the_page_survives_a_restart_of_its_node(admin: AdminThread, page: Page) -> None:
    url = admin.start()
    page.goto(url)
    expect(page.locator("#connection")).to_have_text("live")
    assert admin.handle is not None
    bind = f"127.0.0.1:{admin.handle.port}"
    began = time.monotonic()
    admin.stop()
    assert time.monotonic() - began < 1
    expect(page.locator("#connection")).to_have_text("reconnecting")
    admin.mesh.change_link("iad-1", "fra-1", apply_lag_ms=2_400)
    assert admin.start(bind) == url
    expect(page.locator("#connection")).to_have_text("live", timeout=5_000)
    expect(page.get_by_label("link from iad-1 to fra-1: 2.4 s behind")).to_be_attached()


def test_pause_stops_the_numbers_and_resume_brings_the_newest(
    admin: AdminThread, page: Page
) -> None:
    page.goto(admin.start())
    expect(page.locator("#state-word")).to_have_text("OK")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#connection")).to_have_text("paused")
    admin.mesh.cut("fra-1", "iad-1")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("#state-word")).to_have_text("DEGRADED")


def test_the_drawing_is_walked_by_keyboard(admin: AdminThread, page: Page) -> None:
    page.goto(admin.start())
    page.locator('.link[data-link="fra-1>iad-1"]').focus()
    page.keyboard.press("ArrowRight")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused).startswith("link from iad-1 to fra-1")
    page.keyboard.press("Enter")
    expect(page.locator("#links tr.found")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused).startswith("node fra-1: healthy")


def test_login_is_asked_for_and_logout_ends_it(admin: AdminThread, page: Page) -> None:
    url = admin.start(password="secret")
    page.goto(url)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#message")).to_contain_text("not the password")
    page.get_by_label("Password").fill("secret")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#connection")).to_have_text("live")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()


def test_a_narrow_screen_does_not_scroll_sideways(browser: Browser, admin: AdminThread) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    narrow = context.new_page()
    narrow.goto(admin.start())
    expect(narrow.locator("#links tbody tr")).to_have_count(2)
    assert narrow.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_background(
    browser: Browser, admin: AdminThread, scheme: str
) -> None:
    """Looks at pixels: the drawing's text is there to be seen, in dark mode, too."""
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": 1280, "height": 900},
    )
    seen = context.new_page()
    seen.goto(admin.start())
    expect(seen.locator("#state-word")).to_have_text("OK")
    for selector in ('.node[data-key="iad-1"]', ".labels .label >> nth=0", "#nodes tbody tr"):
        shot = seen.locator(selector).first.screenshot()
        darkest, lightest = luminance_range(shot)
        assert (lightest + 0.05) / (darkest + 0.05) >= 4.5, selector
    background, _ = luminance_range(seen.locator("footer").screenshot())
    assert (background < 0.1) == (scheme == "dark")
    context.close()


def luminance_range(png: bytes) -> tuple[float, float]:
    """The darkest and the lightest pixel of a screenshot, as WCAG's relative luminance."""
    pixels = {tuple(pixel) for row in _rows(png) for pixel in row}
    values = [_luminance(*pixel[:3]) for pixel in pixels]
    return min(values), max(values)


def _luminance(red: int, green: int, blue: int) -> float:
    parts = []
    for value in (red, green, blue):
        share = value / 255
        parts.append(share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4)
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def _rows(png: bytes) -> Iterator[list[bytes]]:
    """The pixels of a PNG with 8 bits per channel, as browsers write them."""
    place, packed, width, channels = 8, b"", 0, 3
    while place < len(png):
        length, kind = struct.unpack_from(">I4s", png, place)
        body = png[place + 8 : place + 8 + length]
        place += length + 12
        if kind == b"IHDR":
            width, channels = int.from_bytes(body[:4], "big"), 4 if body[9] == 6 else 3
        elif kind == b"IDAT":
            packed += body
    data, stride = zlib.decompress(packed), width * channels
    before = bytearray(stride)
    for start in range(0, len(data), stride + 1):
        row = bytearray(data[start + 1 : start + 1 + stride])
        _unfilter(data[start], row, before, channels)
        yield [bytes(row[at : at + channels]) for at in range(0, stride, channels)]
        before = row


def _unfilter(kind: int, row: bytearray, above: bytearray, channels: int) -> None:
    for index, value in enumerate(row):
        left = row[index - channels] if index >= channels else 0
        corner = above[index - channels] if index >= channels else 0
        guess = left + above[index] - corner
        nearest = min((left, above[index], corner), key=lambda near: abs(guess - near))
        added = (0, left, above[index], (left + above[index]) // 2, nearest)[kind]
        row[index] = (value + added) & 0xFF
