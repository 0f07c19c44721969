"""The loss that asks for fineness: blind to where it lies, not to how much there is."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")

from models.training import losses  # noqa: E402


def crops() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    masks = torch.zeros(2, 2, 64, 64)
    masks[:, :, 24:40, 16:48] = 1
    return torch.rand(2, 3, 64, 64), masks


def test_detail_is_nothing_for_the_truth_itself() -> None:
    true, masks = crops()
    assert float(losses.detail(true, true, masks, 1.0)) == 0
    assert float(losses.detail(true, true, masks, 1.2)) > 0


def test_detail_forgives_a_shift_and_not_a_blur() -> None:
    true, masks = crops()
    shifted = true.roll(1, 3)
    blurred = torch.nn.functional.avg_pool2d(true, 3, 1, 1)
    shift, blur = (float(losses.detail(x, true, masks, 1.0)) for x in (shifted, blurred))
    assert shift < 0.2 * blur
    assert (shifted - true).abs().mean() > (blurred - true).abs().mean()  # a pixel loss says the opposite


def test_detail_looks_at_the_opening_only() -> None:
    true, masks = crops()
    away = true.clone()
    away[..., :6] = 0.5
    assert float(losses.detail(away, true, masks, 1.0)) == 0


def test_detail_pulls_a_blurred_picture_towards_fineness() -> None:
    true, masks = crops()
    x = torch.nn.functional.avg_pool2d(true, 3, 1, 1).requires_grad_(True)
    before = losses.detail(x, true, masks, 1.0)
    before.backward()
    with torch.no_grad():
        after = losses.detail(x - 0.02 * x.grad / x.grad.abs().max(), true, masks, 1.0)
    assert float(after) < float(before.detach())
