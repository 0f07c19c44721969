"""Real Chromium, driven by Selenium; every test here skips, and says why, where there is none."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "realtime"))

from desk_fakes import Live, live

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


def why_not() -> str | None:
    """Why there is no browser to test with, None if there is one."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed: run make setup"
    for program in ("chromium", "chromedriver"):
        if not shutil.which(program):
            return f"{program} is not installed: run make test-browser, or install chromium and chromium-driver"
    return None


@pytest.fixture(scope="session")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    """The browsers started so far: starting one takes seconds, so tests share them."""
    started: list[Any] = []
    yield started
    for browser in started:
        browser.quit()


@pytest.fixture
def open_page(browsers: list[Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Open a page in a browser of its own: `open_page(url, width, height, dark)`."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    used: list[Any] = []

    def open_one(url: str, width: int = 1280, height: int = 900, dark: bool = True) -> Any:
        if len(browsers) == len(used):
            browsers.append(start(tmp_path_factory.mktemp("chromium")))
        browser = browsers[len(used)]
        used.append(browser)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(url)
        return browser

    yield open_one
    complaints = [line for browser in used for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    for browser in used:
        browser.get("about:blank")
    ours = [c for c in complaints if "422" not in c["message"] and "WebSocket" not in c["message"]]
    assert not ours  # a blocked style, a script error, a missing file


def start(profile: Path) -> Any:
    """Start Chromium with an empty profile."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One session for the tests of a file."""
    if why_not() is not None:
        pytest.skip(why_not() or "")
    with live(tmp_path_factory.mktemp("desk"), tracker=None) as made:
        yield made


@pytest.fixture
def keep_shot() -> Callable[[Any, str], None]:
    """Keep a screenshot where $FACEANIME_SHOTS says."""

    def keep(browser: Any, name: str) -> None:
        folder = os.environ.get("FACEANIME_SHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            browser.save_screenshot(str(Path(folder) / f"{name}.png"))

    return keep
