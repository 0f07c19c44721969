"""What a finished crop is judged by; every function takes images (B, C, S, S) 0..1 and returns a scalar."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def region(masks: Tensor) -> Tensor:
    """Weight of every pixel (B, 1, S, S): 1 everywhere, 6 in and around the opening."""
    return 1 + 5 * _widened(masks, 3)


def _widened(masks: Tensor, side: int) -> Tensor:
    """The outer mask, wider by `side` // 2 times four pixels and soft; pooled small, which is ten times as fast."""
    small = F.max_pool2d(masks[:, -1:].contiguous(), 4)
    small = F.max_pool2d(small, side, 1, side // 2)
    return F.interpolate(small, masks.shape[-2:], mode="bilinear", align_corners=False)


def weighted_l1(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute error under a weight."""
    return ((a - b).abs() * weight).mean() / weight.mean()


def edges(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute error of neighbouring differences, both ways."""
    e = a - b
    x = (e[..., 1:] - e[..., :-1]).abs() * weight[..., 1:]
    y = (e[..., 1:, :] - e[..., :-1, :]).abs() * weight[..., 1:, :]
    return (x.mean() + y.mean()) / weight.mean()


def features(fake: list[Tensor], real: list[Tensor]) -> Tensor:
    """Distance of the critic's features."""
    return torch.stack([(f - r.detach()).abs().mean() for f, r in zip(fake, real, strict=True)]).mean()


def over(score: Tensor, seen: Tensor) -> Tensor:
    """Mean of patch scores over the patches that see the opening, both (B, 1, H, W)."""
    return (score * seen).sum() / seen.sum().clamp(min=1)


def critic_hinge(real: Tensor, fake: Tensor, seen: Tensor) -> Tensor:
    """Hinge loss of the critic over the patches that see the opening: 2 is guessing, 0 is knowing."""
    return over(F.relu(1 - real) + F.relu(1 + fake), seen)


def slope(score: Tensor, x: Tensor, seen: Tensor) -> Tensor:
    """How steep the critic is on real crops, R1 of Mescheder et al. 2018; x requires a gradient."""
    (g,) = torch.autograd.grad((score * seen).sum(), x, create_graph=True)
    return g.square().sum((1, 2, 3)).mean() / seen.sum((1, 2, 3)).mean().clamp(min=1)


def steadiness(a: Tensor, b: Tensor, weight: Tensor, pairs: int) -> Tensor:
    """Change between neighbouring frames against the true change; rows 2k and 2k + 1 are neighbours, k < pairs."""
    a, b, weight = a[: 2 * pairs], b[: 2 * pairs], weight[: 2 * pairs]
    return weighted_l1(a[1::2] - a[::2], b[1::2] - b[::2], weight[::2])


def coarse_l1(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute error at a half and a quarter of the size: forgives a tooth that stands a pixel aside."""
    total = a.new_zeros(())
    e = a - b
    for _ in range(2):
        e, weight = (_halved(x) for x in (e, weight))
        total = total + (e.abs() * weight).mean() / weight.mean()
    return total / 2


def _halved(x: Tensor) -> Tensor:
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def within(masks: Tensor) -> Tensor:
    """Soft blob (B, 1, S, S) around the opening: what lies outside it the critic sees as the camera saw it."""
    return _widened(masks, 5)


def restraint(painted: Tensor, masks: Tensor) -> Tensor:
    """Size of what the network paints away from the opening."""
    away = 1 - _widened(masks, 1)
    return (painted[:, 3:] * away).mean() + (painted[:, :3].abs() * away).mean()


def lips_kept(painted: Tensor, masks: Tensor) -> Tensor:
    """Cover of the skin between the opening and the outer line: there a shift keeps the photo's own fine detail.

    masks (B, 2, S, S): opening, whole mouth. With one mask only (eyes) there is no such skin, and the answer is 0.
    """
    if masks.shape[1] < 2:
        return painted.new_zeros(())
    opening = F.max_pool2d(masks[:, :1].contiguous(), 5, 1, 2)  # the rim of the opening may be replaced: double edges
    return (painted[:, 3:] * (masks[:, 1:] - opening).clamp(min=0)).mean()


def detail(a: Tensor, b: Tensor, masks: Tensor, gain: float) -> Tensor:
    """Difference of local fineness (mean absolute Laplacian of 8 px patches) from `gain` times the truth's, where open.

    Fineness without its place: a pixel loss pays for every tooth that stands a pixel aside and so paints none. A
    gain above 1 makes up for what enlarging the crop to the picture softens.
    """
    weight = F.avg_pool2d(_widened(masks, 1), 8)
    fine = [F.avg_pool2d(_laplacian(x), 8) for x in (a, b)]
    return ((fine[0] - gain * fine[1]).abs() * weight).sum() / weight.sum().clamp(min=1)


def _laplacian(image: Tensor) -> Tensor:
    grey = image.mean(1, keepdim=True)
    lap = (4 * grey[..., 1:-1, 1:-1] - grey[..., :-2, 1:-1] - grey[..., 2:, 1:-1] - grey[..., 1:-1, :-2]
           - grey[..., 1:-1, 2:]).abs()  # fmt: skip
    return F.pad(lap, (1, 1, 1, 1))


def sharpness(image: Tensor, masks: Tensor) -> Tensor:
    """Mean absolute Laplacian of the grey picture inside the outer mask, for reports."""
    m = masks[..., 1:-1, 1:-1][:, -1:]
    return (_laplacian(image)[..., 1:-1, 1:-1] * m).sum() / m.sum().clamp(min=1)
