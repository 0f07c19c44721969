"""Nearly shut eyes open on an eyeball, mouths that show teeth do not open on a black line; photos at rest stay."""

from __future__ import annotations

import cv2
import numpy as np
from faces import CAMERA, NEUTRAL, posed, synthetic_source, units

from models.eyeball import NARROW, doubt, made_eyeball
from models.lids import eye_openness
from models.morphable import EYES, load_morphable
from models.puppet import Puppet
from models.source import SourceFace

MODEL = load_morphable()
SKIN = np.array([200, 150, 130], np.uint8)


def laughing() -> SourceFace:
    """A plain face with eyes at a tenth of their width, which are a dark line in its photo."""
    closed = NEUTRAL.with_(
        expression=np.concatenate([units(eyeBlinkLeft=0.7, eyeBlinkRight=0.7)[:52], np.zeros(40)]).astype(np.float32)
    )
    source = synthetic_source(closed)
    image = source.image.copy()
    image[source.matte > 0.5] = SKIN
    for eye in EYES:
        contour = np.rint(source.points[list(eye.contour), :2] * 16).astype(np.int32)
        cv2.fillPoly(image, [contour], (45, 30, 25), shift=4)
    return SourceFace(image, source.points, source.head, closed, source.lid_gap, source.matte, source.plate)


def test_an_eye_that_shows_its_eyeball_is_trusted_and_a_slit_is_not() -> None:
    wide, slit = synthetic_source(), laughing()
    for eye in EYES:
        assert eye_openness(wide.points[:, :2], eye) > NARROW[1]
        assert doubt(wide.points, eye) == 0.0
        assert doubt(slit.points, eye) > 0.3
    assert all(p.opened is None for p in Puppet(wide)._sheet.patches[:2])


def test_a_made_eyeball_has_a_white_an_iris_and_a_pupil() -> None:
    source = laughing()
    eye = EYES[0]
    x, y = np.rint(source.points[eye.iris, :2]).astype(int)
    half = round(0.6 * float(np.ptp(source.points[list(eye.contour), 0])))
    ball = made_eyeball(source.image, (x - half, y - half, x + half + 1, y + half + 1), source.points, source.params,
                        CAMERA, eye)  # fmt: skip
    grey = ball.mean(2)
    radius = round(5.9 * CAMERA.focal_px / source.params.translation[2])
    white, iris, pupil = grey[half, half + radius + 4], grey[half, half + round(0.7 * radius)], grey[half, half]
    assert pupil < 0.6 * iris < iris < 0.75 * white
    assert white < SKIN.mean() * 1.3


def test_laughing_eyes_open_on_eyes_and_the_photo_stays_at_rest() -> None:
    source = laughing()
    puppet = Puppet(source)
    rest = puppet.warp(source.params)[0].copy()
    driver = posed((0, 0, 0), expression=units())
    sleepy = posed((0, 0, 0), expression=units(eyeBlinkLeft=0.8, eyeBlinkRight=0.8))
    target = puppet.retarget(driver, sleepy)
    frame, v = puppet.warp(target)
    for eye in EYES:
        contour = v[list(eye.contour), :2]
        hole = np.zeros(frame.shape[:2], np.uint8)
        cv2.fillPoly(hole, [np.rint(contour).astype(np.int32)], 1)
        inside = frame[cv2.erode(hole, np.ones((3, 3), np.uint8)) > 0].mean(1)
        assert np.percentile(inside, 85) > 100, "a dark hole"
        assert np.percentile(inside, 3) < 60, "no pupil"
    assert np.array_equal(puppet.warp(source.params)[0], rest)  # and nothing of it is left behind


def test_a_mouth_that_shows_teeth_opens_a_little_without_a_black_line() -> None:
    spoken = NEUTRAL.with_(expression=np.concatenate([units(jawOpen=0.25)[:52], np.zeros(40)]).astype(np.float32))
    source = synthetic_source(spoken)
    image = source.image.copy()
    image[source.matte > 0.5] = SKIN
    lips = source.points[
        [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95], :2
    ]
    cv2.fillPoly(image, [np.rint(lips * 16).astype(np.int32)], (225, 220, 210), shift=4)
    source = SourceFace(image, source.points, source.head, spoken, source.lid_gap, source.matte, source.plate)
    puppet = Puppet(source)
    assert puppet._sheet.patches[2].opened is not None
    frame, v = puppet.warp(puppet.retarget(posed((0, 0, 0), expression=units(jawOpen=0.04)), NEUTRAL))
    x = np.rint(v[13, 0]).astype(int)
    y0, y1 = np.rint(v[[13, 14], 1]).astype(int)
    assert y1 - y0 > 6
    assert frame[y0 + 2 : y1 - 1, x - 8 : x + 9].mean(2).min() > 120
    wide, v = puppet.warp(puppet.retarget(posed((0, 0, 0), expression=units(jawOpen=0.6)), NEUTRAL))
    y0, y1 = np.rint(v[[13, 14], 1]).astype(int)
    middle = wide[y0 + round(0.35 * (y1 - y0)) : y1 - round(0.35 * (y1 - y0)), x]
    assert middle.mean(1).min() < 110, "a wide open mouth is dark inside"
