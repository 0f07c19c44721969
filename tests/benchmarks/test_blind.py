"""The blind page: seeded order, nothing given away, choices counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks import blind


def test_order_repeats_with_its_seed_and_uses_both_sides() -> None:
    assert blind.order(20, 3) == blind.order(20, 3)
    assert blind.order(20, 3) != blind.order(20, 4)
    assert {left for left, _ in blind.order(20, 3)} == {"engine", "warp"}
    assert all(sorted(sides) == ["engine", "warp"] for sides in blind.order(20, 3))


def test_the_page_gives_nothing_away() -> None:
    text = blind.page(["trial_00", "trial_01"])
    assert "engine" not in text
    assert "warp" not in text
    assert text.count("<video") == 4
    assert "{{" not in text


def test_choices_are_counted_by_method() -> None:
    answers = {"a": ("engine", "warp"), "b": ("warp", "engine"), "c": ("warp", "engine")}
    choices = {"a": "left", "b": "left", "c": "same", "unknown": "left"}
    assert blind.count(answers, choices) == {"engine": 1, "warp": 1, "same": 1}


def test_video_holds_its_frames(tmp_path: Path) -> None:
    import av

    frames = [np.full((33, 48, 3), v, np.uint8) for v in (40, 120, 200)]
    blind.write_video(tmp_path / "x.mp4", frames, 25.0)
    with av.open(str(tmp_path / "x.mp4")) as box:
        got = [f.to_ndarray(format="rgb24") for f in box.decode(video=0)]
    assert [g.shape for g in got] == [(32, 48, 3)] * 3
    assert [abs(float(g.mean()) - v) < 6 for g, v in zip(got, (40, 120, 200), strict=True)] == [True] * 3
