"""Keys and controls of the page, in real Chromium: each reaches the desk, and what was chosen stays."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from desk_fakes import Live, png, wait_for
from hands import Open, by, press, ready, slide, state


def test_keys_freeze_mirror_and_calibrate(run: Live, open_page: Open) -> None:
    browser = open_page(run.url)
    ready(browser)
    press(browser, " ")
    wait_for(lambda: by(browser, "#status").text == "Frozen")
    press(browser, " ")
    wait_for(lambda: by(browser, "#status").text == "Live")
    before = run.tracker.resets
    press(browser, "x")
    wait_for(lambda: run.tracker.resets > before)
    press(browser, "m")
    assert "turned" in by(browser, "#preview").get_attribute("class")
    assert state(run)["mirror"] is False  # the view's mirror is the view's own
    press(browser, "m")
    # Letters typed into a field are letters.
    by(browser, "#preset-name").send_keys("pmx 1")
    assert state(run)["privacy"] is False
    by(browser, "#preset-form button").click()
    wait_for(lambda: state(run)["presets"] == ["pmx 1"])
    by(browser, "#presets button[aria-label^=Delete]").click()
    wait_for(lambda: state(run)["presets"] == [])


def test_every_control_reaches_the_desk(run: Live, open_page: Open, tmp_path: Path) -> None:
    """Each knob of motion, scene and devices, by the element that a person touches."""
    browser = open_page(run.url)
    ready(browser)

    def choose(ident: str, value: str) -> None:
        browser.execute_script("const s = document.getElementById(arguments[0]); s.value = arguments[1];"
                               "s.dispatchEvent(new Event('change', {bubbles: true}))", ident, value)  # fmt: skip

    def becomes(name: str, value: object) -> None:
        wait_for(lambda: state(run)[name] == value)

    def click(css: str) -> None:
        browser.execute_script("document.querySelector(arguments[0]).click()", css)

    for region in ("brows", "eyes", "gaze", "mouth", "jaw", "cheeks", "head"):
        slide(browser, f"gain-{region}", 1.5)
        wait_for(lambda region=region: state(run)["gains"][region] == 1.5)  # type: ignore[misc]
        # An older state may still be on its way to the page: what it says settles, it is not there at once.
        wait_for(lambda region=region: by(browser, f"#gain-{region}").get_attribute("aria-valuetext") == "150 %")  # type: ignore[misc]
    browser.execute_script("document.getElementById('gain-jaw').dispatchEvent(new MouseEvent('dblclick'))")
    wait_for(lambda: state(run)["gains"]["jaw"] == 1.0)
    click("#gains-reset")
    wait_for(lambda: set(state(run)["gains"].values()) == {1.0})
    slide(browser, "smoothing", 80)
    becomes("smoothing", 80)
    wait_for(lambda: by(browser, "#lookahead").get_attribute("disabled") is not None)
    click("#lookahead-auto")
    becomes("lookahead", 30)
    slide(browser, "lookahead", 45)
    becomes("lookahead", 45)
    wait_for(lambda: not by(browser, "#lookahead-auto").is_selected())  # the page has heard of it too
    click("#lookahead-auto")
    becomes("lookahead", "auto")
    for name in ("mirror", "generator"):
        before = state(run)[name]
        for wanted in (not before, before):
            click(f"#{name}")
            becomes(name, wanted)
            wait_for(lambda name=name, wanted=wanted: by(browser, f"#{name}").is_selected() == wanted)  # type: ignore[misc]
    for word in ("freeze", "card", "imagine"):
        click(f"input[name=lost][value={word}]")
        becomes("lost", word)
    click("input[name=background][value=blur]")
    becomes("background", "blur")
    browser.execute_script("const c = document.getElementById('colour'); c.value = '#c02040';"
                           "c.dispatchEvent(new Event('input', {bubbles: true}))")  # fmt: skip
    becomes("background", "#c02040")
    picture = tmp_path / "wall.png"
    picture.write_bytes(png((20, 200, 20)))
    by(browser, "#upload-background").send_keys(str(picture))
    wait_for(lambda: state(run)["background"].startswith("picture:"))
    click("input[name=background][value=own]")
    becomes("background", "own")
    wait_for(lambda: browser.find_elements("css selector", "#backgrounds .remove"))
    click("#backgrounds .remove")
    becomes("backgrounds", [])
    for ident, name, value, back in (("size", "size", "256", "64"), ("canvas", "canvas", "1280x720", "")):
        choose(ident, value)
        becomes(name, 256 if name == "size" else [1280, 720])
        choose(ident, back)
        becomes(name, 64 if name == "size" else None)
    by(browser, "#out-new").send_keys("udp://127.0.0.1:9999")
    click("#out-add")
    becomes("outputs", ["udp://127.0.0.1:9999", "preview"])
    wait_for(lambda: by(browser, "#restart-bar").is_displayed())
    assert "outputs" in by(browser, "#restart-text").text
    click("#out-others input")
    becomes("outputs", ["preview"])
    by(browser, "#out-new").send_keys("/etc/passwd\n")
    wait_for(lambda: "none that the page may choose" in by(browser, "#message").text)
    click("#message-close")
    choose("driver", "imagine")
    becomes("driver", "imagine")
    with run.client() as client:
        assert client.patch("/api/state", json={"driver": run.config.driver, "smoothing": 0}).status_code == 200
    wait_for(lambda: not by(browser, "#restart-bar").is_displayed())
    # A look under a name, and back to it.
    by(browser, "#preset-name").send_keys("as it was")
    click("#preset-form button")
    becomes("presets", ["as it was"])
    slide(browser, "gain-head", 0.25)
    wait_for(lambda: state(run)["gains"]["head"] == 0.25)
    click("#presets button")
    wait_for(lambda: state(run)["gains"]["head"] == 1.0)
    click("#presets button[aria-label^=Delete]")
    becomes("presets", [])


def test_space_freezes_after_a_click_and_the_keys_are_listed(run: Live, open_page: Open, keep_shot: Any) -> None:
    browser = open_page(run.url)
    ready(browser)
    before = run.tracker.resets
    by(browser, "#calibrate").click()
    wait_for(lambda: run.tracker.resets > before)
    resets = run.tracker.resets
    press(browser, " ")  # not the button again that the mouse has just pressed
    wait_for(lambda: state(run)["freeze"])
    wait_for(lambda: by(browser, "#badge").text == "Frozen")
    assert run.tracker.resets == resets
    browser.execute_script("document.getElementById('gain-jaw').focus()")
    press(browser, " ")  # nor is a slider a button
    wait_for(lambda: not state(run)["freeze"])
    wait_for(lambda: not by(browser, "#badge").is_displayed())
    press(browser, "?")
    wait_for(lambda: by(browser, "#keys").get_attribute("open") is not None)
    keep_shot(browser, "keys")
    press(browser, "p")  # the list is read, not steered with
    assert state(run)["privacy"] is False
    by(browser, "#keys form button").click()
    wait_for(lambda: by(browser, "#keys").get_attribute("open") is None)


def test_what_was_said_before_a_change_does_not_come_back(run: Live, open_page: Open) -> None:
    """While a change is on its way, a state without it arrives: the control keeps what the hand chose."""
    browser = open_page(run.url)
    ready(browser)
    wanted = not state(run)["mirror"]
    browser.execute_script(
        """const box = document.getElementById("mirror"), send = window.fetch;
        window.seen = []; window.slow = true;
        window.fetch = async (path, options) => {
          const late = options?.method === "PATCH";
          while (late && window.slow) await new Promise(done => setTimeout(done, 20));
          return send(path, options);
        };
        box.click();
        setInterval(() => window.seen.push(box.checked), 5);""")  # fmt: skip
    with run.client() as client:
        for ms in (40, 90):  # two states that do not know of the click
            assert client.patch("/api/state", json={"smoothing": ms}).json()["mirror"] is not wanted
            time.sleep(0.4)
    browser.execute_script("window.slow = false")
    wait_for(lambda: state(run)["mirror"] is wanted)
    wait_for(lambda: by(browser, "#smoothing").get_attribute("value") == "90")
    assert set(browser.execute_script("return window.seen")) == {wanted}
    assert by(browser, "#mirror").is_selected() is wanted


def test_a_change_that_is_refused_is_taken_back(run: Live, open_page: Open) -> None:
    browser = open_page(run.url)
    ready(browser)
    before = state(run)["mirror"]
    browser.execute_script("""window.fetch = async () => { throw new Error("refused"); };
        document.getElementById("mirror").click();""")  # fmt: skip
    wait_for(lambda: "refused" in by(browser, "#message").text)
    assert by(browser, "#mirror").is_selected() is before
    assert state(run)["mirror"] is before
