from pathlib import Path

import cv2
import numpy as np
import pytest
from generator_faces import face_points, picture

import models.generator as module
from models.errors import UserError
from models.face import InnerLight
from models.generator import Generator
from models.generator_crop import EYE, MOUTH, crop_matrix, to_crop, to_picture
from models.inference import Choice
from models.morphable import INNER_LIPS


class Painter:
    """A network whose answer is a constant: colour and cover in the middle of the crop."""

    def __init__(self, path: Path, colour: tuple[float, float, float] = (0, 0, 0), cover: float = 0.0) -> None:
        eye = "eye" in path.name
        n, s, m = (2, EYE.pixels, 1) if eye else (1, MOUTH.pixels, 2)
        feature = {"fine": np.zeros((n, 1), np.float32), "code": np.zeros((n, 1), np.float32)}
        self.runs = 0
        self.choice = Choice("cpu", "fake", "cpu", "f32", 1)
        if "source" in path.name:
            self.inputs, self.outputs = {"source": np.zeros((n, s, s, 3), np.uint8)}, feature
            return
        self.inputs = {"picture": np.zeros((n, s, s, 3 + m), np.uint8), "turn": np.zeros((n, 2), np.float32)} | feature
        painted = np.zeros((n, s, s, 4), np.float32)
        painted[:, 20:-20, 20:-20, :3] = colour
        painted[:, 20:-20, 20:-20, 3] = cover
        self.outputs, self._answer = {"painted": painted}, painted.copy()

    def run(self) -> None:
        self.runs += 1
        if "painted" in self.outputs:
            self.outputs["painted"][...] = self._answer


def fake(monkeypatch: pytest.MonkeyPatch, **answer: object) -> Generator:
    monkeypatch.setattr(module, "open_network", lambda path, *_: Painter(path, **answer))
    monkeypatch.setattr(module, "TEETH_PX", 0)  # as if the photo showed teeth: no hue is changed
    return Generator(picture(), face_points())


def test_a_network_that_paints_nothing_changes_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    g, frame = fake(monkeypatch), picture(seed=1)
    want = frame.copy()
    g.paint(frame, face_points())
    np.testing.assert_array_equal(frame, want)


def test_full_cover_replaces_and_outside_is_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    g, frame, p = fake(monkeypatch, colour=(10, 200, 30), cover=1.0), picture(seed=1), face_points()
    before = frame.copy()
    g.paint(frame, p)
    x, y = np.rint(p[list(INNER_LIPS), :2].mean(0)).astype(int)
    assert frame[y, x].tolist() == [10, 200, 30]
    yy, xx = np.mgrid[:256, :256]
    grid = np.column_stack([xx.ravel(), yy.ravel()]).astype(np.float32)
    outside = np.ones(256 * 256, bool)
    for m, spec in [(crop_matrix(p, MOUTH), MOUTH), *((crop_matrix(p, EYE, e), EYE) for e in module.EYES)]:
        q = to_crop(grid, m)
        outside &= ~((q > 16) & (q < spec.pixels - 17)).all(1)
    same = (frame == before).all(2).ravel()
    assert same[outside].all()
    assert not same[~outside].all()


def test_shift_adds_to_the_frames_own_detail(monkeypatch: pytest.MonkeyPatch) -> None:
    g, p = fake(monkeypatch, colour=(7, 7, 7), cover=0.0), face_points()
    frame = (picture(seed=2) // 2 + 20).astype(np.uint8)
    x, y = np.rint(p[list(INNER_LIPS), :2].mean(0)).astype(int)
    want = frame[y, x].astype(int) + 7
    g.paint(frame, p)
    np.testing.assert_array_equal(frame[y, x], want)


@pytest.mark.parametrize("shift", [(-128, 0), (128, 0), (0, -128), (0, 140), (-4000, 0), (0, 9000)])
def test_faces_at_and_beyond_the_border_are_safe(monkeypatch: pytest.MonkeyPatch, shift: tuple[int, int]) -> None:
    g, frame, p = fake(monkeypatch, colour=(9, 9, 9), cover=1.0), picture(seed=1), face_points()
    before = frame.copy()
    p[:, :2] += np.array(shift, np.float32)
    g.paint(frame, p)
    m = crop_matrix(p, MOUTH)
    seen = to_picture(MOUTH.pixels, m)
    far = seen.max() < 0 or seen.min() > 256 or abs(shift[0]) + abs(shift[1]) > 1000
    assert np.array_equal(frame, before) == far


def test_nonsense_vertices_leave_the_frame_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    g, frame = fake(monkeypatch, colour=(9, 9, 9), cover=1.0), picture(seed=1)
    before = frame.copy()
    broken = face_points()
    broken[5] = np.nan
    g.paint(frame, broken)
    g.paint(frame, face_points(iod=4.0))
    np.testing.assert_array_equal(frame, before)


def test_missing_weights_name_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--generator off"):
        Generator(picture(), face_points(), data=tmp_path)


@pytest.fixture(scope="module")
def real() -> Generator:
    return Generator(picture(), face_points(), "cpu", 2)


def test_real_weights_repeat_themselves_and_stay_inside_the_crops(real: Generator) -> None:
    p = face_points()
    p[[14, 87, 317, 178, 402], 1] += 14
    frames = [picture(seed=4) for _ in range(2)]
    for f in frames:
        real.paint(f, p)
    np.testing.assert_array_equal(frames[0], frames[1])
    changed = np.argwhere((frames[0] != picture(seed=4)).any(2))[:, ::-1].astype(np.float32)
    assert len(changed) > 0
    inside = np.zeros(len(changed), bool)
    for m, spec in [(crop_matrix(p, MOUTH), MOUTH), *((crop_matrix(p, EYE, e), EYE) for e in module.EYES)]:
        q = to_crop(changed, m)
        inside |= ((q > -1) & (q < spec.pixels)).all(1)
    assert inside.all()


def test_the_photo_counts(real: Generator) -> None:
    p, flat = face_points(), np.full((256, 256, 3), (200, 120, 90), np.uint8)
    p[[14, 87, 317, 178, 402], 1] += 14
    out = []
    for source in (flat, picture(seed=9)):
        real.set_source(source, face_points())
        frame = flat.copy()
        real.paint(frame, p)
        out.append(frame)
    assert (out[0] != out[1]).any()


def shown_with(real: Generator, light: InnerLight | None) -> np.ndarray:
    flat, p = np.full((256, 256, 3), (200, 120, 90), np.uint8), face_points()
    real.set_source(flat, p)
    p[[14, 87, 317, 178, 402], 1] += 14
    real.paint(flat, p, light)
    return flat.astype(int)


def test_what_the_drivers_openings_show_changes_them_and_nothing_else(real: Generator) -> None:
    known = np.ones(3, np.float32)
    none = shown_with(real, None)
    dark, bright = (shown_with(real, InnerLight(np.full((3, 8, 8), x, np.float32), known)) for x in (0.15, 1.2))
    p = face_points()
    p[[14, 87, 317, 178, 402], 1] += 14
    for loop in (INNER_LIPS, *(e.contour for e in module.EYES)):
        x, y = np.rint(p[list(loop), :2].mean(0)).astype(int)
        here = np.s_[y - 1 : y + 2, x - 3 : x + 4]
        assert bright[here].mean() > dark[here].mean() + 30
    openings = np.zeros((256, 256), np.uint8)
    for loop in (INNER_LIPS, *(e.contour for e in module.EYES)):
        cv2.fillPoly(openings, [np.rint(p[list(loop), :2]).astype(np.int32)], 1)
    away = cv2.dilate(openings, np.ones((11, 11))) == 0
    np.testing.assert_array_equal(dark[away], bright[away])
    np.testing.assert_array_equal(dark[away], none[away])
    np.testing.assert_array_equal(none, shown_with(real, InnerLight(np.ones((3, 8, 8), np.float32), 0 * known)))


def test_the_photo_at_rest_is_not_painted_and_another_photo_is_no_longer_it(monkeypatch: pytest.MonkeyPatch) -> None:
    g, frame, p = fake(monkeypatch, colour=(10, 200, 30), cover=1.0), picture(seed=1), face_points()
    before = frame.copy()
    g.rest_on(frame, p)
    np.testing.assert_array_equal(frame, before)
    g.paint(frame, p)
    np.testing.assert_array_equal(frame, before)
    moved = p.copy()
    moved[[14, 87, 317, 178, 402], 1] += 14  # the mouth opens, the eyes rest
    g.paint(frame, moved)
    x, y = np.rint(p[list(INNER_LIPS), :2].mean(0)).astype(int)
    assert frame[y, x].tolist() == [10, 200, 30]
    eye = np.rint(p[[33, 133], :2].mean(0)).astype(int)
    assert (frame[eye[1], eye[0]] == before[eye[1], eye[0]]).all()
    g.set_source(picture(seed=2), p)
    again = before.copy()
    g.paint(again, p)
    assert again[y, x].tolist() == [10, 200, 30]


def test_report_names_runtime_and_device(real: Generator) -> None:
    assert real.report["runtime"] in ("openvino", "onnxruntime")
    assert real.report["device"] == "cpu"
