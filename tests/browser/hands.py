"""What a hand does on the page, and what an eye reads there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from desk_fakes import Live, wait_for

Open = Callable[..., Any]


PIXEL = """const c = document.getElementById("preview");
return [...c.getContext("2d").getImageData(c.width * 0.75, c.height / 2, 1, 1).data].slice(0, 3);"""


def by(browser: Any, css: str) -> Any:
    return browser.find_element("css selector", css)


def pixel(browser: Any) -> list[int]:
    return [int(v) for v in browser.execute_script(PIXEL)]


def press(browser: Any, key: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(key).perform()


def state(run: Live) -> dict[str, Any]:
    with run.client() as client:
        found: dict[str, Any] = client.get("/api/state").json()
        return found


def ready(browser: Any) -> None:
    wait_for(lambda: browser.execute_script("return window.shown || 0") > 3)
    wait_for(lambda: by(browser, "#status").text == "Live")


def slide(browser: Any, ident: str, value: float) -> None:
    browser.execute_script("const e = document.getElementById(arguments[0]); e.value = arguments[1];"
                           "e.dispatchEvent(new Event('input', {bubbles: true}))", ident, value)  # fmt: skip
