"""The control page in real Chromium, on a real engine with fake faces: hands on, eyes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from desk_fakes import Live, png, wait_for
from hands import Open, by, pixel, press, ready, slide, state


def test_upload_swap_gains_privacy_and_reload(run: Live, open_page: Open, tmp_path: Path, keep_shot: Any) -> None:
    browser = open_page(run.url)
    ready(browser)
    # A picture in through the file dialog's own element: shown as soon as it is ready.
    red = tmp_path / "red.png"
    red.write_bytes(png((250, 20, 20)))
    by(browser, "#upload").send_keys(str(red))
    wait_for(lambda: pixel(browser)[0] - pixel(browser)[1] > 100)
    # In one script: the page may draw its tiles anew between two calls of the driver.
    tiles = "[...document.querySelectorAll('#sources .tile:not(.add)')]"
    pressed = f"return {tiles}.map(t => t.getAttribute('aria-pressed'))"
    wait_for(lambda: browser.execute_script(pressed) == ["false", "true"])
    # Back to the first one by its key, and again to the second by a click.
    press(browser, "1")
    wait_for(lambda: pixel(browser)[0] - pixel(browser)[1] < 60)
    browser.execute_script(f"{tiles}[1].click()")
    wait_for(lambda: pixel(browser)[0] - pixel(browser)[1] > 100)
    # A slider moves the picture.
    bright = pixel(browser)
    slide(browser, "gain-jaw", 0)
    wait_for(lambda: bright[1] - pixel(browser)[1] > 40)
    wait_for(lambda: by(browser, "#gains label:nth-child(5) output").text == "0 %")
    # A background chip, by keyboard.
    browser.execute_script("document.querySelector('input[name=background][value=green]').focus()")
    press(browser, " ")
    wait_for(lambda: state(run)["background"] == "green")
    keep_shot(browser, "steered")
    # Everything is there after a reload.
    browser.refresh()
    ready(browser)
    wait_for(lambda: by(browser, "#gain-jaw").get_attribute("value") == "0")
    assert by(browser, "input[name=background][value=green]").is_selected()
    assert len(browser.find_elements("css selector", "#sources .tile:not(.add)")) == 2
    by(browser, "#gains-reset").click()
    wait_for(lambda: state(run)["gains"]["jaw"] == 1.0)
    by(browser, "input[name=background][value=own] + span").click()
    wait_for(lambda: state(run)["background"] == "own")


def test_drop_a_picture_anywhere(run: Live, open_page: Open) -> None:
    browser = open_page(run.url)
    ready(browser)
    before = len(state(run)["sources"])
    browser.execute_async_script(
        """const done = arguments[0], c = document.createElement("canvas");
        c.width = c.height = 90; c.getContext("2d").fillStyle = "#1414fa"; c.getContext("2d").fillRect(0, 0, 90, 90);
        c.toBlob(blob => {
          const data = new DataTransfer();
          data.items.add(new File([blob], "blue.png", {type: "image/png"}));
          for (const type of ["dragenter", "dragover", "drop"])
            document.body.dispatchEvent(new DragEvent(type, {bubbles: true, cancelable: true, dataTransfer: data}));
          done();
        });""")  # fmt: skip
    wait_for(lambda: len(state(run)["sources"]) == before + 1)
    wait_for(lambda: pixel(browser)[2] - pixel(browser)[1] > 100)
    assert by(browser, "#drop").get_attribute("hidden") is not None
    # What is no picture is said, not kept.
    browser.execute_script("""const data = new DataTransfer(); data.items.add(new File(["<script>"], "x.png"));
        document.body.dispatchEvent(new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: data}));""")
    wait_for(lambda: "no picture" in by(browser, "#message").text)


def test_privacy_is_there_with_the_next_picture(run: Live, open_page: Open, keep_shot: Any) -> None:
    browser = open_page(run.url)
    ready(browser)
    for _ in range(3):
        more = browser.execute_async_script(
            """const done = arguments[0], c = document.getElementById("preview"), pen = c.getContext("2d");
            const dark = () => Math.max(...pen.getImageData(c.width * .75, c.height / 2, 1, 1).data.slice(0, 3)) < 70;
            const json = {"Content-Type": "application/json"};
            fetch("/api/privacy", {method: "POST", headers: json, body: '{"on": true}'}).then(() => {
              const first = window.shown;
              const look = () => dark() ? done(window.shown - first) : setTimeout(look, 1);
              look();
            });""")  # fmt: skip
        assert more <= 2  # one may be on its way, one is the card
        wait_for(lambda: by(browser, "#privacy").get_attribute("aria-pressed") == "true")
        keep_shot(browser, "privacy")
        press(browser, "p")
        wait_for(lambda: max(pixel(browser)) > 90)


def test_the_person_alone_for_a_browser_source(run: Live, open_page: Open) -> None:
    """/clear has opacity: 0 where the background was, 255 on the person and all over the card."""
    alphas = """const c = document.getElementById("person"), d = c.getContext("2d");
        return [.1, .8].map(x => d.getImageData(c.width * x, c.height / 2, 1, 1).data[3]);"""
    with run.client() as client:
        client.patch("/api/state", json={"background": "alpha"})
        browser = open_page(f"{run.url}/clear", 640, 480)
        wait_for(lambda: browser.execute_script("return window.shown || 0") > 3)
        wait_for(lambda: browser.execute_script(alphas)[0] < 8)
        assert browser.execute_script(alphas)[1] > 247
        client.post("/api/privacy", json={"on": True})
        wait_for(lambda: browser.execute_script(alphas)[0] > 247)  # the card hides all of it
        client.post("/api/privacy", json={"on": False})
        wait_for(lambda: browser.execute_script(alphas)[0] < 8)
        ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert ground == "rgba(0, 0, 0, 0)"
        browser.get(run.url)
        ready(browser)
        wait_for(lambda: by(browser, "#clear-hint").is_displayed())
        client.patch("/api/state", json={"background": "own"})
        wait_for(lambda: not by(browser, "#clear-hint").is_displayed())


def test_outputs_and_stages_are_told(run: Live, open_page: Open) -> None:
    browser = open_page(run.url)
    ready(browser)
    wait_for(lambda: "preview page" in by(browser, "#served").text)
    wait_for(lambda: {"track", "map", "send"} <= set(by(browser, "#stages").text.split()))
    wait_for(lambda: by(browser, "#dropped").text.isdecimal())
    label = "return document.getElementById('plot').getAttribute('aria-label')"
    wait_for(lambda: "median" in browser.execute_script(label))


def test_two_browsers_show_the_same_desk(run: Live, open_page: Open) -> None:
    one, two = open_page(run.url), open_page(run.url, 360, 780, False)
    ready(one)
    ready(two)
    slide(one, "gain-head", 0.5)
    wait_for(lambda: by(two, "#gain-head").get_attribute("value") == "0.5")
    slide(two, "smoothing", 100)
    wait_for(lambda: by(one, "#smoothing").get_attribute("value") == "100")
    counts = [browser.execute_script("return window.shown") for browser in (one, two)]
    wait_for(
        lambda: all(b.execute_script("return window.shown") > c + 10 for b, c in zip((one, two), counts, strict=True))
    )
    slide(one, "gain-head", 1)
    slide(one, "smoothing", 0)
    wait_for(lambda: state(run)["gains"]["head"] == 1.0)


def test_debug_view_draws_on_a_plain_ground(run: Live, open_page: Open) -> None:
    browser = open_page(run.url)
    ready(browser)
    by(browser, "#view-debug").click()
    wait_for(lambda: by(browser, "#landmarks").size["width"] > 50)
    colours = browser.execute_script("""const c = document.getElementById("landmarks"), seen = new Set();
        const data = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
        for (let i = 0; i < data.length; i += 4) seen.add(data.slice(i, i + 3).join()); return [...seen];""")
    assert "21,24,30" in colours
    by(browser, "#view-debug").click()


def test_restart_bar_stop_and_start(run: Live, open_page: Open) -> None:
    browser = open_page(run.url)
    ready(browser)
    browser.execute_script("const s = document.getElementById('fps-choice'); s.value = '25';"
                           "s.dispatchEvent(new Event('change', {bubbles: true}))")  # fmt: skip
    wait_for(lambda: by(browser, "#restart-bar").is_displayed())
    assert "rate" in by(browser, "#restart-text").text
    by(browser, "#restart").click()
    wait_for(lambda: state(run)["restart_needed"] == [] and state(run)["run"] == "running")
    wait_for(lambda: not by(browser, "#restart-bar").is_displayed())
    by(browser, "#run").click()
    wait_for(lambda: by(browser, "#status").text == "Stopped")
    assert "free" in by(browser, "#veil").text
    by(browser, "#run").click()
    ready(browser)


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("width", [1280, 360])
def test_fits_reads_and_has_names(run: Live, open_page: Open, keep_shot: Any, width: int, dark: bool) -> None:
    browser = open_page(run.url, width, 900, dark)
    ready(browser)
    keep_shot(browser, f"page-{width}-{'dark' if dark else 'light'}")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    nameless = browser.execute_script("""
        return [...document.querySelectorAll("button, input, select, canvas, img")].filter(e =>
        !e.closest("[hidden]") && e.alt === undefined && !e.textContent.trim() && !e.getAttribute("aria-label")
        && !(e.labels && e.labels.length)).map(e => e.outerHTML)""")  # fmt: skip
    assert nameless == []
    poor = browser.execute_script("""
        const rgb = s => (s.match(/[\\d.]+/g) || []).map(Number);
        const part = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
        const light = c => .2126 * part(c[0]) + .7152 * part(c[1]) + .0722 * part(c[2]);
        const ground = e => {
          for (; e; e = e.parentElement) {
            const c = rgb(getComputedStyle(e).backgroundColor);
            if (c.length === 3 || c[3] > .5) return c;
          }
          return [255, 255, 255];
        };
        return [...document.querySelectorAll("body *")].filter(e => e.offsetParent && !e.disabled
          && !e.closest(".tile, figure, .away, .skip")
          && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())).map(e => {
            const a = light(rgb(getComputedStyle(e).color)), b = light(ground(e));
            return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.tagName + ": " + e.textContent.trim()];
        }).filter(([ratio]) => ratio < 4.5)""")  # fmt: skip
    assert poor == []  # WCAG AA
