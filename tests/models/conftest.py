"""What the face model tests share: assets, or a reason to skip, and one prepared portrait."""

from __future__ import annotations

import numpy as np
import pytest
from faces import PORTRAIT, synthetic_source

from models.asset_table import ASSETS
from models.assets import asset_path
from models.errors import UserError
from models.landmarks import FaceNetworks
from models.picture import fit_size, load_picture
from models.puppet import Puppet
from models.source import SourceFace, analyse


@pytest.fixture(scope="session")
def networks() -> FaceNetworks:
    """MediaPipe's networks on LiteRT."""
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert has no wheel for this machine")
    try:
        return FaceNetworks(asset_path("face_landmarker.task"))
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """The default source, (600, 512, 3)."""
    if not PORTRAIT.exists():
        pytest.skip("this matplotlib does not ship grace_hopper.jpg")
    return load_picture(PORTRAIT).rgb


@pytest.fixture(scope="session")
def portrait_source(networks: FaceNetworks, portrait: np.ndarray) -> SourceFace:
    """The default source prepared at 320 px, without the cache."""
    try:
        for name in ASSETS:
            asset_path(name)
    except UserError as error:
        pytest.skip(str(error))
    return analyse(fit_size(portrait, 320), networks=networks)


@pytest.fixture(scope="session", params=["synthetic", "portrait"])
def puppet(request: pytest.FixtureRequest) -> Puppet:
    """A puppet of a source that is known exactly, and one of a real photo."""
    source = synthetic_source() if request.param == "synthetic" else request.getfixturevalue("portrait_source")
    return Puppet(source)
