"""The crown: a head that the upper border just cuts is completed above it, and only such a head."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces import CAMERA, NEUTRAL, posed, synthetic_source

from models.crown import TOUCH_IOD, complete_crown
from models.puppet import Puppet
from models.source import SourceFace

IOD = 90.0
RADIUS = 90.0


def head(cut: float, radius: float = RADIUS) -> tuple[np.ndarray, np.ndarray]:
    """A round grey head whose top lies `cut` px above a picture of 300x300."""
    y, x = np.mgrid[:300, :300].astype(np.float32)
    far = np.hypot(x - 150.0, y - (radius - cut))
    matte = np.clip(radius - far + 0.5, 0.0, 1.0).astype(np.float32)
    return np.concatenate([np.repeat(matte[..., None] * 120.0, 3, 2), matte[..., None]], 2), matte


@pytest.mark.parametrize("cut", [4.0, 12.0, 24.0])
def test_the_outline_is_closed_by_its_own_circle(cut: float) -> None:
    crown = complete_crown(*head(cut), 150.0, IOD)
    empty = 1 + round(TOUCH_IOD * IOD)
    assert crown[:empty].max() == 0.0
    assert abs(len(crown) - empty - cut) <= 4
    solid = crown[..., 3] > 0.5
    y, x = np.mgrid[: len(crown), :300].astype(np.float32)
    true = np.hypot(x - 150.0, y - len(crown) - (RADIUS - cut)) < RADIUS
    assert (solid ^ true).sum() < 0.15 * true.sum() + 60
    assert np.abs(crown[solid][:, :3] / crown[solid][:, 3:] - 120.0).max() < 2.0  # hair, not background


def test_hair_that_only_touches_the_border_is_not_taken_for_cut() -> None:
    person, matte = head(-1.5)
    crown = complete_crown(person, matte, 150.0, IOD)
    assert len(crown) > TOUCH_IOD * IOD
    assert not crown.any()


@pytest.mark.parametrize(("cut", "radius"), [(-6.0, RADIUS), (60.0, RADIUS), (20.0, 400.0)])
def test_a_whole_head_and_one_that_is_mostly_cut_are_left_alone(cut: float, radius: float) -> None:
    assert len(complete_crown(*head(cut, radius), 150.0, IOD)) == 0


def test_what_only_opacity_says_is_no_head() -> None:
    person, matte = head(12.0)
    person[:40, 240:290] = (200.0, 200.0, 0.0, 1.0)  # a wall that the plate could not explain
    crown = complete_crown(person, matte, 150.0, IOD)
    assert len(crown)
    assert crown[:, 250:, 3].max() < 0.05


def cut_source() -> SourceFace:
    """The synthetic person, moved up until the border cuts the head."""
    source = synthetic_source(NEUTRAL.with_(translation=NEUTRAL.translation + np.array([0.0, 0.0, 0.0])))
    rows = int(np.flatnonzero((source.matte > 0.5).any(1))[0]) + 6
    moved = {n: np.ascontiguousarray(np.concatenate([a[rows:], np.repeat(a[-1:], rows, 0)]))
             for n, a in (("image", source.image), ("matte", source.matte), ("plate", source.plate))}  # fmt: skip
    points = source.points - np.array([0.0, rows, 0.0], np.float32)
    z = source.params.translation[2]
    shift = np.array([0.0, rows * z / CAMERA.focal_px, 0.0])
    params = source.params.with_(translation=source.params.translation - shift)
    return SourceFace(moved["image"], points, source.head, params, source.lid_gap, moved["matte"], moved["plate"])


def test_a_head_that_moves_down_stays_round_and_leaves_the_border() -> None:
    source = cut_source()
    puppet = Puppet(source)
    assert np.abs(puppet.warp(source.params)[0].astype(int) - source.image)[:20].max() <= 1  # at rest the photo
    down = puppet.retarget(posed((0, 0, 0), translation=NEUTRAL.translation + np.array([0.0, 25.0, 0.0])), NEUTRAL)
    puppet.warp(down)
    matte = puppet.matte()
    assert (matte[:2] < 30).all(), "hair hangs on to the border"
    widths = (matte > 127).sum(1)
    top = int(np.flatnonzero(widths)[0])
    iod = float(np.linalg.norm(source.points[33, :2] - source.points[263, :2]))
    assert widths[top + round(0.1 * iod)] > 0.5 * iod, "the head ends in a cone"
    assert cv2.connectedComponents((matte > 127).astype(np.uint8))[0] == 2
