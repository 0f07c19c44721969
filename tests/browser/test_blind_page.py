"""The blind comparison in real Chromium: both videos play, a choice is made, the file that is saved can be counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from desk_fakes import wait_for

from benchmarks import blind


def test_a_judge_watches_chooses_and_saves(open_page: Callable[..., Any], tmp_path: Path, keep_shot: Any) -> None:
    names = ["trial_00", "trial_01", "trial_02"]
    for i, name in enumerate(names):
        for side, grey in (("left", 60), ("right", 200)):
            frames = [np.full((96, 128, 3), grey + 5 * i + k % 8, np.uint8) for k in range(20)]
            blind.write_video(tmp_path / f"{name}_{side}.mp4", frames, 25.0)
    (tmp_path / "index.html").write_text(blind.page(names), encoding="utf-8")
    browser = open_page((tmp_path / "index.html").as_uri())
    playing = """const f = [...document.querySelectorAll('fieldset')].find(f => f.innerText.startsWith(arguments[0]));
f.scrollIntoView();
return [...f.querySelectorAll('video')].filter(v => v.currentTime > 0 && v.videoWidth == 128).length"""
    for name in names:  # Chromium plays what is on the screen
        wait_for(lambda name=name: browser.execute_script(playing, name) == 2, 60.0)
    tops = "return [...document.querySelectorAll('video')].map(v => v.getBoundingClientRect().top)"
    top = browser.execute_script(tops)
    assert top[0] == top[1]  # side by side
    assert top[2] == top[3]
    for name, choice in (("trial_00", "left"), ("trial_01", "right"), ("trial_01", "left"), ("trial_02", "same")):
        browser.find_element("css selector", f"input[name={name}][value={choice}]").click()
    keep_shot(browser, "blind")
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    browser.find_element("css selector", "button").click()
    wait_for(lambda: (tmp_path / "choices.json").exists(), 60.0)
    choices = json.loads((tmp_path / "choices.json").read_text())
    assert choices == {"trial_00": "left", "trial_01": "left", "trial_02": "same"}
    answers = dict(zip(names, blind.order(3, 1), strict=True))
    assert sum(blind.count(answers, choices).values()) == 3
