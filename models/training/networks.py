"""The `live` networks: a source branch that runs once a photo, a small U-Net that runs every frame, a patch critic.

Skips and source features are added, not concatenated, and channels are multiples of 16: half the work of a convolution
that reads a concatenation, and sums that runtimes fuse into the convolution before them.
"""

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
    wide: tuple[int, ...]  # channels at 1/2, 1/4, ... of the crop
    deep: int  # residual blocks at the coarsest level


MOUTH_SHAPE = Shape(112, 2, (32, 64, 128, 192), 2)
EYE_SHAPE = Shape(64, 1, (16, 48, 80), 2)
SHAPES = {"mouth": MOUTH_SHAPE, "eye": EYE_SHAPE}


def _conv(i: int, o: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.LeakyReLU(0.1))


class _Residual(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.a, self.b = _conv(c, c), nn.Conv2d(c, c, 3, 1, 1)
        with torch.no_grad():
            self.b.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.b(self.a(x)), 0.1)


class SourceBranch(nn.Module):
    """Source crop (B, 3, S, S) 0..1 to features at a quarter of its size and at the coarsest level."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, *rest = shape.wide
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), _conv(12, a), _conv(a, b, 2), _conv(b, b))
        self.deep = nn.Sequential(*(_conv(i, o, 2) for i, o in pairwise((b, *rest))), _Residual(rest[-1]))
        self.fine, self.code = nn.Conv2d(b, b, 1), nn.Conv2d(rest[-1], rest[-1], 1)

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
        wide = shape.wide
        self.head = _conv((3 + shape.masks) * 4, wide[0])
        self.down = nn.ModuleList(nn.Conv2d(i, o, 3, 2, 1) for i, o in pairwise(wide))
        self.body = nn.ModuleList(nn.Sequential() if len(wide) - 2 > i else _Residual(o)
                                  for i, o in enumerate(wide[1:-1]))  # fmt: skip
        self.turn = nn.Linear(2, wide[-1])
        self.deep = nn.Sequential(*(_Residual(wide[-1]) for _ in range(shape.deep)))
        self.up = nn.ModuleList(nn.Conv2d(i, o * 4, 1) for o, i in pairwise(wide))
        self.mix = nn.ModuleList(_conv(c, c) for c in wide[:-1])
        self.out = nn.Conv2d(wide[0], 7 * 4, 3, 1, 1)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.out.weight.mul_(0.3)
        self.register_buffer("window", window(shape.pixels))

    def trunk(self, x: Tensor, turn: Tensor, fine: Tensor, code: Tensor) -> Tensor:
        """Return what the last convolution reads, (B, C, S / 2, S / 2)."""
        levels = [self.head(F.pixel_unshuffle(x * 2 - 1, 2))]
        last = len(self.down) - 1
        for i, down in enumerate(self.down):
            f = down(levels[-1])
            if i == 0:
                f = f + fine
            if i == last:
                f = f + (code + self.turn(turn)[:, :, None, None])
            f = F.leaky_relu(f, 0.1)
            levels.append(f if i == last else self.body[i](f))
        g = self.deep(levels[-1])
        for i in range(last, -1, -1):
            g = self.mix[i](F.leaky_relu(F.pixel_shuffle(self.up[i](g), 2) + levels[i], 0.1))
        return g

    def parts(self, x: Tensor, turn: Tensor, fine: Tensor, code: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return painted colour, mask and shift of the warped colour, each within the window."""
        y = F.pixel_shuffle(self.out(self.trunk(x, turn, fine, code)), 2)
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
    """Patch critic of a finished crop with its masks (B, 3 + masks, S, S); returns scores and features.

    Without spectral norm: with it the critic never got past guessing in the steps there was time for.
    """

    def __init__(self, shape: Shape, width: int = 48) -> None:
        super().__init__()
        sizes = [3 + shape.masks, width, 2 * width, 4 * width]
        self.layers = nn.ModuleList(nn.Conv2d(i, o, 4, 2, 1) for i, o in pairwise(sizes))
        self.last = nn.Conv2d(sizes[-1], 1, 3, 1, 1)

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
