"""Reading back: a known error is found and taken back, the photo at rest is left alone, shut lids stay shut."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from faces import synthetic_source
from hypothesis import given, settings
from hypothesis import strategies as st

import models.readback as module
from models.face import F32, N_UNITS, U8, UNIT, InnerLight
from models.generator import Generator
from models.generator_crop import EYE, MOUTH, crop_matrix, to_picture
from models.landmarks import FaceNetworks
from models.morphable import EYES, IOD_MM, N_MESH, load_morphable
from models.motion import N_EXPRESSION
from models.puppet import Puppet
from models.readback import DATA, FAR_MM, LIDS, MOST_MM, SHARE, Readback, fit, load_readback, read_back
from models.source import SourceFace
from models.trajectories import HELD_OUT, load_takes

REST = np.zeros(N_EXPRESSION, np.float32)


class Painter:
    """A generator that paints nothing."""

    def __init__(self) -> None:
        self.report = {"runtime": "none", "device": "cpu", "precision": "f32"}
        self.stamp = "painter"

    def forget(self) -> None:
        """Nothing was kept."""

    def rest_on(self, frame: U8, target: F32) -> None:
        """The photo is as good as any other picture."""

    def paint(self, frame: U8, target: F32, light: InnerLight | None = None) -> None:
        """Leave the frame as it is."""


class Reader:
    """Networks that see the mesh itself, but for an error of some points in mm of the head; counts what it reads."""

    def __init__(self, puppet: Puppet, error: Any, presence: float = 1.0) -> None:
        self.error, self.presence, self.count = error, presence, 0
        draw = puppet.draw

        def remembered(params: Any) -> tuple[U8, F32]:
            self.params = params
            frame, self.v = draw(params)
            return frame, self.v

        puppet.draw = remembered  # type: ignore[method-assign]

    def landmarks(self, rgb: U8, roi: Any) -> Any:
        """The vertices, moved by the error, which is along the eyes."""
        self.count += 1
        p = np.zeros((478, 3), np.float32)
        p[:N_MESH] = self.v[:N_MESH]
        right = p[263, :2] - p[33, :2]
        mm = np.linalg.norm(right) / IOD_MM
        axes = np.stack([right, [-right[1], right[0]]]) / np.linalg.norm(right)
        p[:N_MESH, :2] += self.error(self.params) @ axes * mm
        return SimpleNamespace(points=p, presence=self.presence)


def synthetic() -> Puppet:
    return Puppet(synthetic_source(), generator=Painter())


def lids_low(params: Any) -> np.ndarray:
    off = np.zeros((N_MESH, 2))
    off[LIDS] = (0.2, 0.3)
    return off


def random_readback(seed: int, size: float) -> Readback:
    rng = np.random.default_rng(seed)
    return Readback(REST, rng.normal(0, size, (2 * len(LIDS) + 1, 2 * len(LIDS))).astype(np.float32))


def expression(**named: float) -> F32:
    e = REST.copy()
    for name, value in named.items():
        e[UNIT[name]] = value
    return e


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(3, 30), st.integers(1, 6))
def test_the_fit_is_the_ridge_solution(seed: int, rows: int, dims: int) -> None:
    rng = np.random.default_rng(seed)
    motion, errors = rng.normal(0, 3, (rows, dims)).astype(np.float32), rng.normal(0, 1, (rows, 4)).astype(np.float32)
    moved = np.sqrt((motion.astype(float) ** 2).sum(1))
    t = np.array([min(1.0, max(0.0, (m - 0.1) / 0.3)) for m in moved])
    ramp = 3 * t**2 - 2 * t**3
    x = np.array([[r, *(r * m)] for r, m in zip(ramp, motion, strict=True)])
    # slow and obvious: a ridge is least squares with a row of zeros aimed at for every unknown
    wanted = np.linalg.lstsq(np.vstack([x, np.eye(dims + 1)]), np.vstack([errors, np.zeros((dims + 1, 4))]), rcond=None)
    assert np.allclose(fit(motion, errors), wanted[0], atol=1e-4)


def test_a_constant_error_is_found_and_its_share_taken_back() -> None:
    puppet = synthetic()
    reader = Reader(puppet, lids_low)
    found = read_back(puppet, reader)  # type: ignore[arg-type]
    assert found is not None
    assert reader.count == len(np.load(DATA)["turn"])
    mean = load_morphable().mean
    head = mean.copy()
    found.aim(head, puppet.source.params.expression + expression(eyeWideLeft=0.6, eyeWideRight=0.6))
    wanted = -SHARE * np.array([0.2, 0.3])
    assert np.abs((head - mean)[LIDS, :2].mean(0) - wanted).max() < 0.05
    assert (head[:, 2] == mean[:, 2]).all()


def test_what_is_taken_back_makes_a_biased_reader_see_what_was_wanted() -> None:
    def open_less(params: Any) -> np.ndarray:
        off = np.zeros((N_MESH, 2))
        off[LIDS] = -0.12 * load_morphable().offsets(params.expression - source.params.expression)[LIDS, :2]
        return off

    puppet = synthetic()
    source = puppet.source
    found = read_back(puppet, Reader(puppet, open_less))  # type: ignore[arg-type]
    assert found is not None
    e = source.params.expression + expression(eyeSquintLeft=0.4, eyeSquintRight=0.4, eyeBlinkLeft=0.3)
    params = source.params.with_(expression=e)
    aimed, wrong = puppet.head(params)[LIDS, :2].copy(), open_less(params)[LIDS]
    puppet.readback = found
    left = puppet.head(params)[LIDS, :2] + wrong - aimed
    assert np.linalg.norm(left, axis=1).mean() < 0.7 * np.linalg.norm(wrong, axis=1).mean()


def test_the_photo_at_rest_keeps_its_pixels() -> None:
    puppet = synthetic()
    plain = puppet.render(puppet.source.params)
    puppet.readback = Readback(puppet.source.params.expression, random_readback(1, 1.0).error)
    assert (puppet.render(puppet.source.params) == plain).all()
    rng = np.random.default_rng(0)
    for _ in range(5):  # as a still driver's last noise moves it
        noise = np.clip(rng.normal(0, 0.01, N_EXPRESSION), 0, 0.02).astype(np.float32)
        p = puppet.source.params.with_(expression=puppet.source.params.expression + noise)
        assert (puppet.render(p) == Puppet(puppet.source).render(p)).all()
    moved = puppet.source.params.with_(expression=puppet.source.params.expression + expression(eyeWideLeft=0.5))
    assert (puppet.head(moved) != Puppet(puppet.source).head(moved)).any()


def test_without_a_generator_geometry_alone_is_untouched() -> None:
    puppet = synthetic()
    moved = puppet.source.params.with_(expression=expression(eyeBlinkLeft=0.6))
    puppet.readback = random_readback(2, 1.0)
    puppet.generator = None
    assert (puppet.vertices(moved) == Puppet(puppet.source).vertices(moved)).all()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.0, 20.0))
def test_no_point_goes_far_and_the_rest_of_the_face_not_at_all(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    e = np.concatenate([rng.uniform(0, 1, N_UNITS), rng.normal(0, 1, N_EXPRESSION - N_UNITS)]).astype(np.float32)
    head = load_morphable().mean.copy()
    random_readback(seed, size).aim(head, e)
    off = np.linalg.norm(head - load_morphable().mean, axis=1)
    assert off[LIDS].max() <= 2 * MOST_MM + 1e-4  # a half given up by one lid may be added to the other
    d = np.linalg.norm(load_morphable().mean[:N_MESH, None, :2] - load_morphable().mean[LIDS, :2], axis=2)
    assert not off[:N_MESH][d.min(1) > FAR_MM].any()
    assert not off[N_MESH:].any()


@pytest.mark.parametrize("seed", range(5))
def test_shut_lids_stay_together(seed: int) -> None:
    head = load_morphable().mean.copy()
    for eye in EYES:
        head[list(eye.upper)] = head[list(eye.lower)]
    random_readback(seed, 2.0).aim(head, expression(eyeBlinkLeft=1.0, eyeBlinkRight=1.0))
    for eye in EYES:
        assert np.abs(head[list(eye.upper)] - head[list(eye.lower)]).max() < 1e-4
    assert np.abs(head[LIDS] - load_morphable().mean[LIDS]).max() > 0.1


def test_a_drawing_that_is_not_seen_as_a_face_is_left_alone() -> None:
    puppet = synthetic()
    assert read_back(puppet, Reader(puppet, lids_low, presence=0.2)) is None  # type: ignore[arg-type]


def test_wild_readings_count_as_large_ones_only() -> None:
    def by(mm: float) -> Readback:
        off = np.zeros((N_MESH, 2))
        off[LIDS] = mm
        puppet = synthetic()
        found = read_back(puppet, Reader(puppet, lambda _: off))  # type: ignore[arg-type]
        assert found is not None
        return found

    assert np.allclose(by(500.0).error, by(2.71).error, atol=1e-5)  # 3 % of 90 mm


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "cache_dir", lambda: tmp_path)
    return tmp_path / "readback"


def test_what_was_read_once_is_kept(cache: Path) -> None:
    puppet = synthetic()
    reader = Reader(puppet, lids_low)
    first = load_readback(puppet, reader)  # type: ignore[arg-type]
    count = reader.count
    again = load_readback(puppet, reader)  # type: ignore[arg-type]
    assert reader.count == count > 0
    assert first is not None
    assert again is not None
    for name, value in vars(first).items():
        assert (getattr(again, name) == value).all()
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert load_readback(puppet, reader) is not None  # type: ignore[arg-type]
    assert reader.count == 2 * count


def test_another_precision_or_other_weights_are_read_anew(cache: Path) -> None:
    puppet = synthetic()
    reader = Reader(puppet, lids_low)
    load_readback(puppet, reader)  # type: ignore[arg-type]
    puppet.generator.report = {**puppet.generator.report, "precision": "bf16"}
    load_readback(puppet, reader)  # type: ignore[arg-type]
    puppet.generator.stamp = "other"
    load_readback(puppet, reader)  # type: ignore[arg-type]
    assert len(list(cache.iterdir())) == 3


def test_a_face_that_is_not_seen_is_not_looked_for_again(cache: Path) -> None:
    puppet = synthetic()
    reader = Reader(puppet, lids_low, presence=0.0)
    assert load_readback(puppet, reader) is None  # type: ignore[arg-type]
    count = reader.count
    assert load_readback(puppet, reader) is None  # type: ignore[arg-type]
    assert reader.count == count
    assert len(list(cache.iterdir())) == 1


def test_nothing_is_read_without_a_generator_that_paints_into_the_warp() -> None:
    puppet = synthetic()
    puppet.generator = SimpleNamespace(whole=True)
    assert load_readback(puppet) is None
    puppet.generator = None
    assert load_readback(puppet) is None


def test_a_cache_that_cannot_be_written_costs_time_only(cache: Path) -> None:
    cache.write_bytes(b"a file where the folder should be")
    puppet = synthetic()
    assert load_readback(puppet, Reader(puppet, lids_low)) is not None  # type: ignore[arg-type]


def test_the_default_portrait_is_read_nearer_to_where_it_is_aimed(
    portrait_source: SourceFace, networks: FaceNetworks
) -> None:
    puppet = Puppet(portrait_source, generator=Generator(portrait_source.image, portrait_source.points, "cpu", 2))
    found = read_back(puppet, networks)
    assert found is not None
    changes = []
    for take in load_takes():  # people whose expressions were not read
        if take.name in HELD_OUT:
            e = take.rows[:, 6 : 6 + N_EXPRESSION]
            changes += list((e - np.median(e, 0))[:: len(e) // 3][:3].astype(np.float32))
    off: dict[str, list[float]] = {"plain": [], "aimed": []}
    for change in changes:
        e = puppet.source.params.expression + change
        e[:N_UNITS] = np.clip(e[:N_UNITS], 0, 1)
        params = puppet.source.params.with_(expression=e)
        puppet.readback = None
        wanted = puppet.vertices(params)[LIDS, :2]
        for name, readback in (("plain", None), ("aimed", found)):
            puppet.readback = readback
            frame, v = puppet.draw(params)
            seen = networks.landmarks(frame, module.roi_from_points(v)).points
            off[name].append(float(np.linalg.norm(seen[LIDS, :2] - wanted, axis=1).mean()))
    assert np.mean(off["aimed"]) < 0.95 * np.mean(off["plain"]), off


def test_outside_the_crops_of_mouth_and_eyes_the_picture_is_that_of_geometry_alone(
    portrait_source: SourceFace, networks: FaceNetworks
) -> None:
    puppet = Puppet(portrait_source, generator=Generator(portrait_source.image, portrait_source.points, "cpu", 2))
    puppet.readback = read_back(puppet, networks)
    e = puppet.source.params.expression + expression(jawOpen=0.5, eyeBlinkLeft=0.4, browInnerUp=0.5)
    params = puppet.source.params.with_(expression=e)
    finished, v = puppet.draw(params)
    plain = Puppet(portrait_source).warp(params)[0]
    crops = np.zeros(plain.shape[:2], np.uint8)
    for matrix, spec in ((crop_matrix(v, MOUTH), MOUTH), *((crop_matrix(v, EYE, eye), EYE) for eye in EYES)):
        cv2.fillConvexPoly(crops, np.rint(to_picture(spec.pixels, matrix)).astype(int), 1)
    assert (finished != plain)[crops > 0].any()
    assert (finished == plain)[crops == 0].all()
