"""What a finished crop is judged by; every function takes images (B, C, S, S) 0..1 and returns a scalar."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def region(masks: Tensor) -> Tensor:
    """Weight of every pixel (B, 1, S, S): 1 everywhere, 6 in and around the opening."""
    wide = F.max_pool2d(masks[:, -1:], 9, 1, 4)
    return 1 + 5 * F.avg_pool2d(wide, 9, 1, 4, count_include_pad=False)


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


def critic_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the critic."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def steadiness(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """Change between neighbouring frames against the true change; rows 2k and 2k + 1 are neighbours."""
    return weighted_l1(a[1::2] - a[::2], b[1::2] - b[::2], weight[::2])


def restraint(painted: Tensor, masks: Tensor) -> Tensor:
    """Size of what the network paints away from the opening."""
    away = 1 - F.max_pool2d(masks[:, -1:], 7, 1, 3)
    return (painted[:, 3:] * away).mean() + (painted[:, :3].abs() * away).mean()


def sharpness(image: Tensor, masks: Tensor) -> Tensor:
    """Mean absolute Laplacian of the grey picture inside the outer mask, for reports."""
    grey = image.mean(1, keepdim=True)
    lap = (4 * grey[..., 1:-1, 1:-1] - grey[..., :-2, 1:-1] - grey[..., 2:, 1:-1] - grey[..., 1:-1, :-2]
           - grey[..., 1:-1, 2:]).abs()  # fmt: skip
    m = masks[..., 1:-1, 1:-1][:, -1:]
    return (lap * m).sum() / m.sum().clamp(min=1)
