"""Preparing a source: what cannot be used is said in one line, what was worked out is kept and checked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from faces import NEUTRAL, PORTRAIT, FakeNetworks, synthetic_source
from PIL import Image

from models import source as module
from models.asset_table import ASSETS
from models.assets import asset_path
from models.errors import UserError
from models.face import F32, U8
from models.landmarks import FaceNetworks
from models.source import SourceFace, analyse, prepare_source


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for the sources that still has the assets this machine has."""
    folder = tmp_path / "cache"
    folder.mkdir()
    for name in ASSETS:
        try:
            real = asset_path(name, offline=True)
        except UserError:
            continue
        try:
            (folder / name).symlink_to(real)
        except OSError:  # systems where links need a privilege
            shutil.copy(real, folder / name)
    monkeypatch.setenv("FACEANIME_CACHE", str(folder))
    return folder


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the analysis by one that costs nothing; the list grows with every call."""
    calls: list[str] = []

    def fake(rgb: U8, name: str, networks: object = None, alpha: F32 | None = None) -> SourceFace:
        calls.append(name)
        made = synthetic_source()
        return SourceFace(rgb, made.points, made.head, made.params, made.lid_gap, made.matte, made.plate)

    monkeypatch.setattr(module, "analyse", fake)
    return calls


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    file = tmp_path / "picture.png"
    Image.fromarray(synthetic_source().image).save(file)
    return file


def same(a: SourceFace, b: SourceFace) -> None:
    for name in ("image", "points", "head", "lid_gap", "plate"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name
    for name in ("rotation", "translation", "expression", "gaze"):
        assert np.array_equal(getattr(a.params, name), getattr(b.params, name)), name
    assert a.points.dtype == b.points.dtype
    assert a.params.expression.dtype == b.params.expression.dtype
    assert np.abs(a.matte - b.matte).max() <= 0.5 / 255 + 1e-6


def test_the_second_call_takes_what_the_first_worked_out(cache: Path, counted: list[str], picture: Path) -> None:
    first = prepare_source(picture, 360)
    again = prepare_source(picture, 360)
    assert len(counted) == 1
    same(first, again)
    assert again.matte.dtype == np.float32
    assert again.image.shape == (360, 320, 3)
    prepare_source(picture, 180)
    assert len(counted) == 2  # another size is another source
    assert not list((cache / "sources").glob("*.part"))


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def empty(data: bytes) -> bytes:
    return b""


def rubbish(data: bytes) -> bytes:
    return b"not a cache file at all" * 9


def only_a_signature(data: bytes) -> bytes:
    return data[:40]


def flipped(data: bytes) -> bytes:
    middle = bytearray(data)
    for at in range(len(data) // 3, len(data) // 3 + 64):
        middle[at] ^= 0xFF
    return bytes(middle)


def older(data: bytes) -> bytes:
    import io

    kept = io.BytesIO()
    with np.load(io.BytesIO(data)) as z:
        np.savez(kept, **{k: z[k] for k in z.files if k != "lid_gap"})
    return kept.getvalue()


@pytest.mark.parametrize("damage", [cut, empty, rubbish, only_a_signature, flipped, older])
def test_a_damaged_cache_file_is_worked_out_again(
    cache: Path, counted: list[str], picture: Path, damage: Callable[[bytes], bytes]
) -> None:
    first = prepare_source(picture, 360)
    (file,) = (cache / "sources").glob("*.npz")
    file.write_bytes(damage(file.read_bytes()))
    same(first, prepare_source(picture, 360))
    assert len(counted) == 2
    prepare_source(picture, 360)
    assert len(counted) == 2  # and the file is whole again


def test_no_random_damage_gets_through(cache: Path, counted: list[str], picture: Path) -> None:
    first = prepare_source(picture, 90)
    (file,) = (cache / "sources").glob("*.npz")
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(whole)
        for at in rng.integers(0, len(whole), 4):
            broken[at] ^= int(rng.integers(1, 256))
        file.write_bytes(bytes(broken[: int(rng.integers(len(whole) // 2, len(whole) + 1))]))
        same(first, prepare_source(picture, 90))


def test_another_transparency_is_another_source(cache: Path, counted: list[str], tmp_path: Path) -> None:
    rgb = synthetic_source().image
    rgb[:] = 128  # what shows through is grey, so both files look alike once they are laid over it
    for name, edge in (("a", 100), ("b", 200)):
        alpha = np.full((*rgb.shape[:2], 1), 255, np.uint8)
        alpha[:edge] = 0
        Image.fromarray(np.concatenate([rgb, alpha], 2)).save(tmp_path / f"{name}.png")
        prepare_source(tmp_path / f"{name}.png", 360)
    assert len(counted) == 2


@pytest.mark.parametrize("blocked", ["a file stands where the folder should be"])
def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(
    cache: Path, counted: list[str], picture: Path, blocked: str
) -> None:
    (cache / "sources").write_text(blocked)
    prepare_source(picture, 90)
    prepare_source(picture, 90)
    assert len(counted) == 2


def test_missing_files_are_said_in_one_line(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file") as caught:
        prepare_source(tmp_path / "nobody.png")
    assert "\n" not in str(caught.value)


def test_a_picture_without_a_face_is_refused(cache: Path, picture: Path) -> None:
    nobody = FakeNetworks()
    nobody.params = None
    with pytest.raises(UserError, match="no face found") as caught:
        prepare_source(picture, 360, nobody)  # type: ignore[arg-type]
    assert str(picture) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tiny_face_is_refused() -> None:
    far = FakeNetworks()
    far.params = NEUTRAL.with_(translation=np.array([0.0, 0.0, 3000.0]))
    with pytest.raises(UserError, match="too small"):
        analyse(synthetic_source().image, networks=far)  # type: ignore[arg-type]


def test_a_picture_that_brings_its_own_transparency_keeps_it() -> None:
    made = synthetic_source()
    found = analyse(made.image, networks=FakeNetworks(), alpha=made.matte)  # type: ignore[arg-type]
    assert np.abs(found.matte - made.matte).max() <= 0.5 / 255 + 1e-6
    again = found.camera.project(found.head + 0.0, found.params)
    assert np.isfinite(again).all()


def test_noise_and_far_faces_are_refused_by_the_real_networks(
    cache: Path, networks: FaceNetworks, portrait: np.ndarray, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    far = np.full((1000, 1000, 3), 90, np.uint8)
    far[480:525, 480:518] = cv2.resize(portrait, (38, 45), interpolation=cv2.INTER_AREA)
    Image.fromarray(far).save(tmp_path / "far.png")
    for name in ("noise.png", "far.png"):
        with pytest.raises(UserError, match=r"no face found|too small"):
            prepare_source(tmp_path / name, networks=networks)


def test_the_default_portrait_is_prepared_and_kept(cache: Path, portrait_source: SourceFace, networks: FaceNetworks,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(module, "analyse", lambda *_: portrait_source)
    first = prepare_source(PORTRAIT, 320, networks)
    monkeypatch.setattr(module, "analyse", None)
    again = prepare_source(PORTRAIT, 320, networks)
    same(first, again)
    assert np.array_equal(first.matte, again.matte)  # the first run draws what later runs draw
    assert again.image.shape == (320, 273, 3)
    from models.morphable import load_morphable

    head = again.head + load_morphable().offsets(again.params.expression)
    assert np.abs(again.camera.project(head, again.params)[:, :2] - again.points[:, :2]).max() < 0.01
    middle = again.matte[70:120, 110:160]
    assert middle.min() > 0.95
    assert again.matte[:20, -20:].max() < 0.05
