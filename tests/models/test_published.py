"""The paper's network in the engine: the square, the sparse renders, what is laid into the frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from generator_faces import face_points, picture

import models.published as module
from kernels import map_texture
from models.errors import UserError
from models.inference import Choice
from models.morphable import N_MESH, load_morphable
from models.published import PIXELS, Published, fade, square, to_square


class Net:
    """A network whose answer is a constant inside the fading border."""

    def __init__(self, path: Path, colour: float = 0.0, mask: float = 0.0) -> None:
        self.choice, self.runs = Choice("cpu", "fake", "cpu", "f32", 1), 0
        shape = (1, PIXELS, PIXELS, 3)
        self.inputs = {"render": np.zeros(shape, np.uint8)}
        if "source" in path.name:
            self.inputs["image"] = np.zeros(shape, np.uint8)
            self.outputs = {"code": np.zeros((1, 2), np.float32)}
            return
        self.inputs["code"] = np.ones((1, 2), np.float32)
        w = fade(np.abs(np.arange(PIXELS, dtype=np.float32) - (PIXELS - 1) / 2), PIXELS)
        w = mask * w[:, None] * w
        self.outputs = {"painted": np.stack([colour * w] * 3 + [w], 2)[None].astype(np.float32)}

    def run(self) -> None:
        self.runs += 1
        if "image" in self.inputs:
            self.outputs["code"][...] = self.inputs["image"].mean()


def landmarks(size: int = 256, iod: float = 50.0) -> np.ndarray:
    """Points as a tracker gives them: depth counts away from the camera."""
    return face_points(size, iod) * np.array([1, 1, -1], np.float32)


def fake(monkeypatch: pytest.MonkeyPatch, photo: np.ndarray, **answer: float) -> Published:
    monkeypatch.setattr(module, "open_network", lambda path, *_: Net(path, **answer))
    return Published(photo, landmarks())


def test_the_square_holds_the_head_and_room() -> None:
    p = landmarks()
    m = square(p)
    q = to_square(p[:N_MESH], m)
    assert m[0, 1] == m[1, 0] == 0
    assert (q[:, :2] > 15).all()
    assert (q[:, :2] < PIXELS - 16).all()
    centre = q[:, 1].min() / 2 + q[:, 1].max() / 2
    assert centre > PIXELS / 2  # more room above, for the hair
    np.testing.assert_allclose((p[:N_MESH, :2] - m[:, 2]) / m[0, 0], q[:, :2], atol=1e-3)
    np.testing.assert_allclose(p[:N_MESH, 2] / m[0, 0], q[:, 2], atol=1e-4)


def test_the_network_is_shown_the_published_renders(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = picture()
    g = fake(monkeypatch, photo)
    rest = to_square(face_points(iod=50.0)[:N_MESH], square(landmarks()))
    turned = face_points(iod=50.0, roll=0.2)
    target = to_square(turned[:N_MESH], square(landmarks()))
    crop = g._source.inputs["image"][0]
    triangles = load_morphable().triangles
    want = map_texture(crop, rest, target, triangles, "flat")
    g.paint(photo.copy(), turned)
    np.testing.assert_array_equal(g._source.inputs["render"][0], want[0])
    np.testing.assert_array_equal(g._net.inputs["render"][0], want[1])
    assert (want[1] > 0).any()
    assert g._net.inputs["code"] == pytest.approx(g._source.outputs["code"])


def test_without_mask_the_frame_is_the_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = picture()
    g = fake(monkeypatch, photo)
    frame = picture(seed=5)
    g.paint(frame, face_points(iod=50.0))
    np.testing.assert_array_equal(frame, photo)


def test_the_mask_replaces_and_the_border_fades(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = np.full((256, 256, 3), 90, np.uint8)
    g = fake(monkeypatch, photo, colour=200.0, mask=1.0)
    frame = photo.copy()
    g.paint(frame, face_points(iod=50.0))
    m = square(landmarks())
    centre = (m[:, 2] + m[0, 0] * (PIXELS - 1) / 2).astype(int)
    assert frame[centre[1], centre[0]].tolist() == [200] * 3
    row = frame[centre[1], :, 0].astype(int)
    assert np.abs(np.diff(row)).max() < 25  # no edge at the border of the square
    assert row[0] == row[-1] == 90


@pytest.mark.parametrize("shift", [(-150, 0), (0, 140), (400, 400)])
def test_squares_beyond_the_picture_are_clipped(monkeypatch: pytest.MonkeyPatch, shift: tuple[int, int]) -> None:
    monkeypatch.setattr(module, "open_network", lambda path, *_: Net(path, 200.0, 1.0))
    p = landmarks()
    p[:, :2] += np.array(shift, np.float32)
    g = Published(picture(), p)
    frame = picture(seed=2)
    g.paint(frame, p * np.array([1, 1, -1], np.float32))
    assert np.array_equal(frame, picture()) == (shift == (400, 400))


def test_nonsense_leaves_the_photo_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    g = fake(monkeypatch, picture(), colour=200.0, mask=1.0)
    broken = face_points(iod=50.0)
    broken[7] = np.nan
    for points in (broken, face_points(iod=4.0)):
        frame = picture(seed=3)
        g.paint(frame, points)
        np.testing.assert_array_equal(frame, picture())


def test_another_photo_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    g = fake(monkeypatch, picture())
    runs, code = g._source.runs, g._net.inputs["code"].copy()
    g.set_source(np.full((256, 256, 3), 30, np.uint8), landmarks())
    assert g._source.runs == runs + 1
    assert not np.allclose(code, g._net.inputs["code"])


def test_missing_weights_name_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"published.*--generator off"):
        Published(picture(), landmarks(), data=tmp_path)


def test_the_real_weights_move_the_face_and_repeat_themselves() -> None:
    photo = np.full((256, 256, 3), (200, 150, 120), np.uint8)
    photo[::4] = 160
    g = Published(photo, landmarks(), "cpu", 1, precision="f32")
    assert g.report["runtime"] in ("openvino", "onnxruntime")
    target = face_points(iod=50.0)
    frames = [picture(seed=i) for i in range(3)]
    for f, p in zip(frames, (target, target, target + np.array([6, 4, 0], np.float32)), strict=True):
        g.paint(f, p)
    np.testing.assert_array_equal(frames[0], frames[1])
    assert (frames[0] != frames[2]).any()
    m = square(landmarks())
    outside = np.ones((256, 256), bool)
    x0, y0 = np.floor(m[:, 2]).astype(int)
    side = int(PIXELS * m[0, 0]) + 1
    outside[max(0, y0) : y0 + side, max(0, x0) : x0 + side] = False
    np.testing.assert_array_equal(frames[2][outside], photo[outside])
