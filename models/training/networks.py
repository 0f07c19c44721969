"""The `live` networks: a source branch that runs once a photo, a small U-Net that runs every frame, a patch critic."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


@dataclass(frozen=True)
class Shape:
    """Widths of one network; `pixels` is the side of its crop."""

    pixels: int
    masks: int
    wide: tuple[int, int, int]  # channels at 1/2, 1/4 and 1/8 of the crop
    source: tuple[int, int]  # source features at 1/4 and 1/8


MOUTH_SHAPE = Shape(112, 2, (32, 64, 112), (24, 64))
EYE_SHAPE = Shape(64, 1, (24, 40, 64), (16, 32))
SHAPES = {"mouth": MOUTH_SHAPE, "eye": EYE_SHAPE}


def _conv(i: int, o: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.LeakyReLU(0.1))


class _Residual(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.a, self.b = _conv(c, c), nn.Conv2d(c, c, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.b(self.a(x)), 0.1)


class SourceBranch(nn.Module):
    """Source crop (B, 3, S, S) 0..1 to features at a quarter and an eighth of its size."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c = shape.wide
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), _conv(12, a), _conv(a, b, 2), _conv(b, b))
        self.deep = nn.Sequential(_conv(b, c, 2), _Residual(c))
        self.fine, self.code = nn.Conv2d(b, shape.source[0], 1), nn.Conv2d(c, shape.source[1], 1)

    def forward(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two feature maps."""
        f = self.stem(source * 2 - 1)
        return self.fine(f), self.code(self.deep(f))


class LiveNet(nn.Module):
    """Crop (B, 3 + masks, S, S) 0..1, turn (B, 2) and source features to premultiplied colour and cover (B, 4, S, S).

    finished crop = warped * (1 - cover) + colour. Both are exactly 0 outside the window, and where the network wants
    to change less than it takes to be seen.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c = shape.wide
        self.head = _conv((3 + shape.masks) * 4 + 2, a)
        self.down = nn.Sequential(_conv(a, b, 2), _conv(b, b))
        self.deep = _conv(b + shape.source[0], c, 2)
        self.join = _conv(c + shape.source[1], c)
        self.body = nn.Sequential(_Residual(c), _Residual(c))
        self.up1, self.mix1 = nn.Conv2d(c, b * 4, 1), _conv(2 * b + shape.source[0], b)
        self.up0, self.mix0 = nn.Conv2d(b, a * 4, 1), nn.Sequential(_conv(2 * a, a), _conv(a, a))
        self.out = nn.Conv2d(a, 7 * 4, 3, 1, 1)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.out.weight.mul_(0.3)
        self.register_buffer("window", window(shape.pixels))

    def parts(self, x: Tensor, turn: Tensor, fine: Tensor, code: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return painted colour, mask and shift of the warped colour, each within the window."""
        z = F.pixel_unshuffle(x * 2 - 1, 2)
        t = turn[:, :, None, None].expand(-1, -1, z.shape[2], z.shape[3])
        f0 = self.head(torch.cat([z, t], 1))
        f1 = torch.cat([self.down(f0), fine], 1)
        f2 = self.body(self.join(torch.cat([self.deep(f1), code], 1)))
        g1 = self.mix1(torch.cat([F.pixel_shuffle(self.up1(f2), 2), f1], 1))
        g0 = self.mix0(torch.cat([F.pixel_shuffle(self.up0(g1), 2), f0], 1))
        y = F.pixel_shuffle(self.out(g0), 2)
        rgb = torch.sigmoid(y[:, :3])
        mask = (torch.sigmoid(y[:, 3:4] - 1.0) * 1.08 - 0.04).clamp(0, 1) * self.window
        raw = torch.tanh(y[:, 4:]) * 0.5
        shift = (raw - raw.clamp(-0.006, 0.006)) * self.window
        return rgb, mask, shift

    def forward(self, x: Tensor, turn: Tensor, fine: Tensor, code: Tensor) -> Tensor:
        """Return premultiplied colour and cover."""
        rgb, mask, shift = self.parts(x, turn, fine, code)
        return torch.cat([rgb * mask + shift * (1 - mask), mask], 1)


class Critic(nn.Module):
    """Patch critic of a finished crop with its masks (B, 3 + masks, S, S); returns scores and features."""

    def __init__(self, shape: Shape, width: int = 32) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.spectral_norm
        sizes = [3 + shape.masks, width, 2 * width, 4 * width]
        self.layers = nn.ModuleList(norm(nn.Conv2d(i, o, 4, 2, 1)) for i, o in pairwise(sizes))
        self.last = norm(nn.Conv2d(sizes[-1], 1, 3, 1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return patch scores and the feature maps below them."""
        features, x = [], x * 2 - 1
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.last(x), features


def window(pixels: int, free: float = 0.72) -> Tensor:
    """Square window (1, 1, S, S): 1 in the middle, exactly 0 on the border."""
    r = ((torch.arange(pixels) - (pixels - 1) / 2).abs() / ((pixels - 3) / 2)).clamp(0, 1)
    k = ((1 - r) / (1 - free)).clamp(0, 1)
    w = k * k * (3 - 2 * k)
    return (w[:, None] * w[None])[None, None]


def finish(warped: Tensor, painted: Tensor) -> Tensor:
    """Lay the network's output (B, 4, S, S) over the warped crop (B, 3, S, S)."""
    return warped * (1 - painted[:, 3:]) + painted[:, :3]
