"""Samples that are made into other people: all pictures of one sample change alike, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training tests need the `train` extra (torch)")

from models.training.variation import varied  # noqa: E402

NAMES = ("src", "warp", "true", "mask")


def batch(side: int = 32) -> dict[str, torch.Tensor]:
    """Three samples, the first with two frames; every picture of a sample shows the same smooth pattern."""
    y, x = torch.meshgrid(torch.linspace(0, 6, side), torch.linspace(0, 6, side), indexing="ij")
    pattern = torch.stack([0.5 + 0.3 * torch.sin(x + k) * torch.cos(y - k) for k in range(3)])
    owner = torch.tensor([0, 0, 1, 2])
    return {
        "src": pattern[None].repeat(3, 1, 1, 1), "warp": pattern[None].repeat(4, 1, 1, 1),
        "true": pattern[None].repeat(4, 1, 1, 1), "mask": pattern[None, :2].repeat(4, 1, 1, 1),
        "turn": torch.ones(4, 2), "owner": owner,
    }  # fmt: skip


def test_nothing_changes_without_strength() -> None:
    b = batch()
    assert varied(b, np.random.default_rng(1), 0.0, NAMES, NAMES[:3]) is b


def test_pictures_of_one_sample_bend_alike_and_samples_differ() -> None:
    b = batch()
    out = varied(b, np.random.default_rng(3), 1.0, NAMES, ())
    for row, sample in enumerate(b["owner"].tolist()):
        for name in ("warp", "true"):
            assert torch.allclose(out[name][row], out["src"][sample], atol=1e-6)
        assert torch.allclose(out["mask"][row], out["src"][sample, :2], atol=1e-6)
    changed = [bool((out["src"][k] != b["src"][k]).any()) for k in range(3)]
    assert any(changed)
    assert not torch.equal(out["src"][0], out["src"][1]) or changed == [False, False, True]
    assert torch.equal(out["turn"], b["turn"])


def test_reshaping_bends_as_an_obvious_loop_does() -> None:
    """A pure shift of the grid moves the pattern by that much: compare with plain indexing."""
    from models.training import variation

    side = 33
    picture = torch.arange(side, dtype=torch.float32).repeat(side, 1)[None, None] / side
    rng = _Fixed({(1, 2): np.array([[2 / (side - 1) / (2 * variation._SHIFT) * 3, 0.0]])})
    part = {"src": picture.clone()}
    variation.reshape(part, {"src": torch.zeros(1, dtype=torch.long)}, rng, 1.0)  # type: ignore[arg-type]
    assert torch.allclose(part["src"][..., 2:-5], picture[..., 5:-2], atol=1e-4)


class _Fixed:
    """Random numbers that are all 0 but for one shape."""

    def __init__(self, values: dict[tuple[int, ...], np.ndarray]) -> None:
        self._values = values

    def random(self, count: int) -> np.ndarray:
        return np.zeros(count)

    def normal(self, mean: float, deviation: float, shape: tuple[int, ...]) -> np.ndarray:
        return self._values.get(shape, np.zeros(shape))


def test_light_and_tint_are_those_of_the_sample() -> None:
    b = batch()
    out = varied(b, np.random.default_rng(5), 1.0, (), NAMES[:3])
    assert torch.equal(out["mask"], b["mask"])
    for row, sample in enumerate(b["owner"].tolist()):
        assert torch.allclose(out["warp"][row], out["src"][sample], atol=1e-6)
        assert torch.allclose(out["true"][row], out["src"][sample], atol=1e-6)
    assert not torch.allclose(out["src"][0], out["src"][1], atol=1e-3)
    assert float(out["src"].min()) >= 0
    assert float(out["src"].max()) <= 1
