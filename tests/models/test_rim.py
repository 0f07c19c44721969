"""The rim: at rest the photo's own, uncovered by a turn it shows skin and not the wall behind."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from faces import NEUTRAL, posed, synthetic_source

from models.morphable import N_MESH
from models.puppet import Puppet
from models.rim import build_rim, rim_shift
from models.source import SourceFace

WALL = np.array([20, 250, 30], np.float32)


def bare_face(yaw: float) -> SourceFace:
    """A face without hair or neck, half turned away before a green wall, with a soft outline."""
    source = synthetic_source(posed((0, yaw, 0)))
    mask = np.zeros(source.matte.shape, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(source.points[:N_MESH, :2]).astype(np.int32)), 255)
    matte = cv2.GaussianBlur(mask, (0, 0), 1.5).astype(np.float32)[..., None] / 255
    skin = np.full_like(source.image, (190, 130, 110))
    image = np.rint(matte * skin + (1 - matte) * WALL).astype(np.uint8)
    return replace(source, image=image, matte=matte[..., 0], plate=np.full_like(image, WALL))


def green_in_the_face(puppet: Puppet, yaw: float) -> int:
    """Pixels well inside the face that show the wall."""
    frame, v = puppet.warp(posed((0, yaw, 0)))
    hull = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.rint(v[:N_MESH, :2]).astype(np.int32)), 1)
    inside = cv2.erode(hull, np.ones((7, 7), np.uint8)) > 0
    return int((frame[inside].astype(int)[:, 1] - frame[inside][:, 0] > 0).sum())


@pytest.mark.parametrize("yaw", [-30, 30])
def test_a_cheek_that_turns_into_view_is_skin(yaw: float) -> None:
    source = bare_face(yaw)
    puppet = Puppet(source)
    assert len(puppet._sheet.rim.ids) > 10
    assert green_in_the_face(puppet, 0.0) == 0
    puppet._sheet.rim.pull[:] = 0.0
    assert green_in_the_face(puppet, 0.0) > 20  # as it was: the rim pulled out to a veil


def test_at_rest_and_nearer_nothing_moves() -> None:
    source = bare_face(20)
    rim = build_rim(source.points, source.matte, 60.0)
    assert len(rim.ids) > 10
    assert not rim_shift(rim, source.points, 1.0).any()
    assert not rim_shift(rim, source.points * 1.5, 1.5).any()


def test_a_face_amid_hair_has_no_rim() -> None:
    source = synthetic_source(NEUTRAL)
    rim = build_rim(source.points, np.ones_like(source.matte), 60.0)
    assert len(rim.ids) == 0
    assert rim_shift(rim, source.points, 1.0).shape == (0, 2)
