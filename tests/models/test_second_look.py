"""The second look: it corrects what one look gets wrong, also between looks, and less where the face has changed."""

from __future__ import annotations

import numpy as np
import pytest
from faces import CAMERA, posed
from hypothesis import given
from hypothesis import strategies as st

from models.face import N_UNITS
from models.landmarks import FaceNetworks, Landmarks, Roi, roi_from_points
from models.morphable import load_morphable
from models.second_look import SecondLook, _into, _out_of, look_again
from models.tracking import find_face

BLANK = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
ERROR = 4.0  # px


class Partial:
    """A network that reads every face to the right of where it is, seen as it is or mirrored."""

    def __init__(self, points: np.ndarray) -> None:
        self.points, self.looks, self.error = points, 0, ERROR
        self.regions: list[tuple[Roi, bool]] = []

    def plain(self) -> Landmarks:
        return Landmarks(self.points + np.float32([self.error, 0, 0]), np.zeros(N_UNITS, np.float32), 0.9)

    def look(self, rgb: np.ndarray, roi: Roi, mirror: np.ndarray | None = None) -> tuple[np.ndarray, float]:
        self.looks += 1
        self.regions.append((roi, mirror is not None))
        return self.points + np.float32([-self.error if mirror is not None else self.error, 0, 0]), 0.9

    def scores(self, points: np.ndarray) -> np.ndarray:
        return np.full(N_UNITS, points[0, 0], np.float32)


def seen(translation: tuple[float, float, float] = (0.0, -20.0, 420.0), turn: float = 0.0) -> np.ndarray:
    return CAMERA.project(load_morphable().mean, posed((0, 0, turn), translation=np.array(translation)))


def test_the_errors_of_both_looks_cancel() -> None:
    nets = Partial(seen())
    second = SecondLook(nets)  # type: ignore[arg-type]
    assert second.correct(points := nets.plain().points) is points  # nothing is known yet
    second.look(BLANK, nets.plain().points)
    got = second.correct(nets.plain().points)
    assert np.allclose(got, nets.points, atol=1e-3)


def test_between_looks_the_correction_goes_with_the_face() -> None:
    nets = Partial(seen())
    second = SecondLook(nets)  # type: ignore[arg-type]
    second.look(BLANK, nets.plain().points)
    nets.points = seen((30.0, -10.0, 380.0))  # elsewhere and nearer: the same face in its region
    got = second.correct(nets.plain().points)
    assert nets.looks == 1
    assert np.abs(got - nets.points)[:, :2].max() < 0.2 * ERROR


def test_a_point_that_has_moved_takes_less_of_it_and_the_others_all_of_it() -> None:
    nets = Partial(seen())
    second = SecondLook(nets)  # type: ignore[arg-type]
    second.look(BLANK, nets.plain().points)
    unit = float(np.linalg.norm(nets.points[33, :2] - nets.points[263, :2]))
    left = []
    for share in (0.0, 0.04, 0.4):
        moved = nets.plain().points
        moved[13, 1] += share * unit
        got = second.correct(moved)
        left.append(float(got[13, 0] - nets.points[13, 0]) / ERROR)
        assert abs(got[61, 0] - nets.points[61, 0]) < 0.05 * ERROR
    assert left[0] == pytest.approx(0.0, abs=0.01)
    assert left[1] == pytest.approx(0.5, abs=0.05)
    assert left[2] > 0.95


def test_looks_at_a_still_face_are_averaged_and_one_at_a_changed_face_counts_alone() -> None:
    nets = Partial(seen())
    second = SecondLook(nets)  # type: ignore[arg-type]
    rng, got = np.random.default_rng(0), []
    for _ in range(60):
        nets.error = ERROR + float(rng.normal(0, 1))
        second.look(BLANK, nets.plain().points)
        got.append(float(second.correct(nets.points)[0, 0]))
    assert np.std(got[20:]) < 0.75  # of 1 px of noise
    nets.error = 3 * ERROR
    low = nets.points[:, 1] > nets.points[17, 1]
    nets.points = nets.points + np.float32([0, 90, 0]) * low[:, None]  # the chin drops far
    second.look(BLANK, nets.plain().points)
    left = np.abs(second.correct(nets.plain().points) - nets.points)[low, 0]
    assert np.median(left) < 0.1 * ERROR  # what was found before would leave twice the error


def test_after_forgetting_nothing_is_corrected() -> None:
    nets = Partial(seen())
    second = SecondLook(nets)  # type: ignore[arg-type]
    second.look(BLANK, nets.plain().points)
    second.forget()
    assert second.correct(points := nets.plain().points) is points


def test_a_photo_is_read_eighteen_times_in_nine_regions_each_mirrored_too() -> None:
    nets = Partial(seen())
    got = look_again(nets, BLANK, nets.plain())  # type: ignore[arg-type]
    assert nets.looks == 18
    regions = {(round(r.side, 2), round(r.angle, 3)) for r, _ in nets.regions}
    assert len(regions) == 9
    assert sum(m for _, m in nets.regions) == 9
    assert np.allclose(got.points, nets.points, atol=1e-3)
    assert got.presence == 0.9
    assert got.scores[0] == pytest.approx(got.points[0, 0])


@given(st.floats(-200, 900), st.floats(-200, 900), st.floats(20, 2000), st.floats(-3.1, 3.1))
def test_a_regions_frame_and_back_changes_nothing(cx: float, cy: float, side: float, angle: float) -> None:
    points = seen(turn=10.0)
    back = _out_of(_into(points, Roi(cx, cy, side, angle)), Roi(cx, cy, side, angle))
    assert np.allclose(back, points, atol=1e-2)


def test_looking_at_a_mirrored_region_is_looking_at_the_mirrored_picture(
    networks: FaceNetworks, portrait: np.ndarray
) -> None:
    face = find_face(networks, portrait)
    assert face is not None
    roi, width, mirror = roi_from_points(face.points), portrait.shape[1], load_morphable().mirror
    got, presence = networks.look(portrait, roi, mirror)
    other = Roi(width - 1 - roi.cx, roi.cy, roi.side, -roi.angle)
    want, _ = networks.look(np.ascontiguousarray(portrait[:, ::-1]), other)
    want = want[mirror]
    want[:, 0] = width - 1 - want[:, 0]
    assert presence > 0.9
    assert np.abs(got - want)[:, :2].max() < 0.3  # pixels at the middle of two are rounded up in both
    assert np.abs(got - want)[:, :2].mean() < 0.05
    unit = float(np.linalg.norm(face.points[33, :2] - face.points[263, :2]))
    assert np.abs(got - face.points)[:, :2].max() < 0.1 * unit  # and it sees the same face
