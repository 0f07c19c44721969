"""Source photos: every common kind becomes upright RGB; everything else becomes one line that says what to do."""

from __future__ import annotations

import io
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from models.errors import UserError
from models.picture import LONGEST_SIDE_PX, fit_size, load_picture

H, W = 48, 64


@pytest.fixture
def scene() -> np.ndarray:
    y, x = np.mgrid[:H, :W]
    return np.stack([x * 4, y * 5, 255 - x * 2], -1).astype(np.uint8)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_plain_rgb_is_unchanged(tmp_path: Path, scene: np.ndarray) -> None:
    picture = load_picture(saved(tmp_path / "a.png", Image.fromarray(scene)))
    assert picture.alpha is None
    assert picture.rgb.dtype == np.uint8
    assert picture.rgb.flags.c_contiguous
    np.testing.assert_array_equal(picture.rgb, scene)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_exif_orientation_as_pillow_applies_it(
    tmp_path: Path, scene: np.ndarray, orientation: int, suffix: str
) -> None:
    image = Image.fromarray(scene)
    exif = image.getexif()
    exif[0x0112] = orientation
    path = saved(tmp_path / f"a.{suffix}", image, exif=exif)
    with Image.open(path) as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    np.testing.assert_array_equal(load_picture(path).rgb, upright)
    assert load_picture(path).rgb.shape[:2] == ((H, W) if orientation < 5 else (W, H))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK", "YCbCr"])
def test_other_modes_become_rgb(tmp_path: Path, scene: np.ndarray, mode: str) -> None:
    image = Image.fromarray(scene)
    image = image.convert("L").convert(mode) if mode == "LA" else image.convert(mode)
    suffix = {"CMYK": "tif", "YCbCr": "jpg"}.get(mode, "png")
    rgb = load_picture(saved(tmp_path / f"a.{suffix}", image)).rgb
    assert rgb.shape == (H, W, 3)
    wanted = np.asarray(image.convert("RGB"), np.int16)
    assert np.abs(rgb.astype(np.int16) - wanted).mean() < (4 if mode == "YCbCr" else 0.5)


def test_sixteen_bits_keep_their_range(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, W, dtype=np.uint16)[None].repeat(H, 0)
    rgb = load_picture(saved(tmp_path / "a.png", Image.fromarray(ramp))).rgb
    np.testing.assert_allclose(rgb[0, :, 0], ramp[0] / 257.0, atol=0.6)


def test_float_tiff(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, W, dtype=np.float32)[None].repeat(H, 0)
    rgb = load_picture(saved(tmp_path / "a.tif", Image.fromarray(ramp))).rgb
    np.testing.assert_allclose(rgb[0, :, 1], ramp[0] * 255, atol=0.6)


@pytest.mark.parametrize("palette", [False, True])
def test_alpha_is_kept_and_laid_over_grey(tmp_path: Path, scene: np.ndarray, palette: bool) -> None:
    alpha = np.zeros((H, W), np.uint8)
    alpha[:, W // 2 :] = 255
    image = Image.fromarray(np.dstack([scene, alpha]))
    picture = load_picture(saved(tmp_path / "a.png", image.quantize(64) if palette else image))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, alpha / np.float32(255))
    assert (picture.rgb[:, : W // 2] == 128).all()
    tolerance = 40 if palette else 0
    assert np.abs(picture.rgb[:, W // 2 :].astype(int) - scene[:, W // 2 :]).max() <= tolerance


def test_an_opaque_alpha_channel_is_no_alpha(tmp_path: Path, scene: np.ndarray) -> None:
    opaque = np.full((H, W), 255, np.uint8)
    picture = load_picture(saved(tmp_path / "a.png", Image.fromarray(np.dstack([scene, opaque]))))
    assert picture.alpha is None
    np.testing.assert_array_equal(picture.rgb, scene)


def test_an_embedded_profile_is_applied_and_a_broken_one_ignored(tmp_path: Path, scene: np.ndarray) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = load_picture(saved(tmp_path / "a.png", Image.fromarray(scene), icc_profile=profile)).rgb
    np.testing.assert_array_equal(same, scene)
    # The red and the blue primary exchanged: what such a file calls red is blue.
    swapped = profile.replace(b"rXYZ", b"tmpZ").replace(b"bXYZ", b"rXYZ").replace(b"tmpZ", b"bXYZ")
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    red = Image.new("RGB", (W, H), (255, 0, 0))
    got = load_picture(saved(tmp_path / "s.png", red, icc_profile=swapped)).rgb
    assert np.abs(got.astype(int) - (0, 0, 255)).max() < 10
    broken = load_picture(saved(tmp_path / "b.png", Image.fromarray(scene), icc_profile=b"not a profile")).rgb
    np.testing.assert_array_equal(broken, scene)


def test_a_huge_photo_is_reduced_while_loading(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Image.new("RGB", (12000, 9000), (200, 100, 50)))
    start = time.perf_counter()
    rgb = load_picture(path).rgb
    assert rgb.shape == (LONGEST_SIDE_PX * 3 // 4, LONGEST_SIDE_PX, 3)
    assert np.abs(rgb.astype(int) - (200, 100, 50)).max() <= 2
    assert time.perf_counter() - start < 20
    assert load_picture(path, longest_side=512).rgb.shape == (384, 512, 3)


def png_of(width: int, height: int) -> bytes:
    """A tiny PNG that claims to be of any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def jpeg(scene: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(scene).save(buffer, "JPEG")
    return buffer.getvalue()


def test_bad_files_get_one_line_that_ends_with_what_to_do(tmp_path: Path, scene: np.ndarray) -> None:
    whole = jpeg(scene)
    cases = {
        "cut.jpg": (whole[: len(whole) // 2], "damaged or cut short"),
        "paper.jpg": (b"%PDF-1.7\n%blah", "PDF"),
        "page.jpg": (b"<!DOCTYPE html><html></html>", "web page"),
        "office.png": (b"PK\x03\x04" + bytes(60), "ZIP"),
        "phone.jpg": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40), "HEIC"),
        "clip.png": (b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + bytes(40), "video"),
        "empty.png": (b"", "empty"),
        "noise.png": (bytes(range(7, 200)) * 9, "not a picture"),
        "bomb.png": (png_of(60000, 60000), "too many pixels"),
        "map.png": (png_of(25000, 17000), "too many pixels"),
        "dot.png": (png_of(3, 3), "too small"),
    }
    for name, (data, why) in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(UserError) as caught:
            load_picture(path)
        text = str(caught.value)
        assert why in text, name
        assert name in text
        assert "\n" not in text
        assert caught.value.hint, name


def test_a_folder_and_a_missing_file(tmp_path: Path, scene: np.ndarray) -> None:
    saved(tmp_path / "Face.png", Image.fromarray(scene))
    with pytest.raises(UserError, match="it is a folder"):
        load_picture(tmp_path)
    with pytest.raises(UserError, match=r"no such file.*Face\.png"):
        load_picture(tmp_path / "face.jpg")
    with pytest.raises(UserError, match="no such file"):
        load_picture(tmp_path / "nowhere" / "at-all.jpg")


@pytest.mark.parametrize("longer", [16, 64, 100])
def test_fit_size_keeps_the_aspect(scene: np.ndarray, longer: int) -> None:
    for rgb in (scene, np.ascontiguousarray(scene.swapaxes(0, 1))):
        out = fit_size(rgb, longer)
        assert max(out.shape[:2]) == longer
        assert abs(min(out.shape[:2]) - longer * 0.75) <= 0.5
    assert fit_size(scene, 64) is scene


def test_fit_size_averages_rather_than_samples() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (fit_size(stripes, 16) == 100).all()
