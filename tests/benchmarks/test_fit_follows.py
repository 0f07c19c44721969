"""The fit follows a head that jumps between two frames, as at a low frame rate or a cut."""

from __future__ import annotations

import numpy as np
import pytest

from models import rotation
from models.fitting import Camera, Fitter
from models.morphable import load_morphable
from models.motion import N_EXPRESSION, neutral_params


@pytest.mark.parametrize("turn", [(0, 30, 0), (25, 0, 0), (0, 0, 30), (-15, 20, 15)])
def test_two_steps_are_enough_after_a_jump(turn: tuple[float, float, float]) -> None:
    fitter, camera = Fitter(load_morphable()), Camera(640, 480)
    head = fitter.model.mean
    before = neutral_params().with_(translation=np.array([0.0, 0.0, 500.0]))
    after = before.with_(rotation=rotation.exp(np.radians(turn)), translation=np.array([90.0, -40.0, 420.0]))
    points = camera.project(head, after)
    points[:, 2] *= -1
    found = fitter.fit(points, camera, head, np.zeros(52, np.float32), before, 2)
    wrong = rotation.log(rotation.multiply(found.rotation, rotation.inverse(after.rotation)))
    assert np.degrees(np.linalg.norm(wrong)) < 0.1
    assert np.abs(found.translation - after.translation).max() < 0.5
    assert len(found.expression) == N_EXPRESSION
    assert float(found.rotation @ before.rotation) > 0  # the same sign of the quaternion as the frame before
