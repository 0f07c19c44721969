"""The network of the FaceAnime paper at any width: an analogy of latent codes, a decoder with skips, colour and mask.

code = code(image) + code(render at the target pose) - code(render at the source pose); the decoder sees the maps of all
three encoders at every level, and everything it has decoded so far. finished = colour * mask + image * (1 - mask).
Source: X. Tu et al., Image-to-Video Generation via 3D Facial Dynamics, arXiv 2105.14678; layers and counts as its
authors' training program names them (decoder with batch norm, encoders and critic without). Pictures are (B, 3, S, S),
-1..1.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

PUBLISHED_WIDTH = (64, 512)  # channels of the finest level, and at most


@dataclass(frozen=True)
class PublishedShape:
    """Side of the pictures in px (a power of two, at least 16), channels at full size and at most, code length."""

    pixels: int = 128
    narrow: int = PUBLISHED_WIDTH[0]
    wide: int = PUBLISHED_WIDTH[1]
    code: int = 128

    @property
    def levels(self) -> list[int]:
        """Channels at full size, half, quarter, ... down to 4 px."""
        n = (self.pixels // 4).bit_length()
        return [min(self.narrow << i, self.wide) for i in range(n)]


TRAINED_SHAPE = PublishedShape(128, 8, 64, 128)  # what is shipped: 2.1 M weights instead of 114.6 M


def _conv(i: int, o: int) -> nn.Conv2d:
    return nn.Conv2d(i, o, 3, 1, 1)


class _Down(nn.Module):
    """Residual block to half the size."""

    def __init__(self, i: int, o: int, leak: float = 0.0) -> None:
        super().__init__()
        self.leak, self.skip, self.a, self.b = leak, _conv(i, o), _conv(i, o), _conv(o, o)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(F.leaky_relu(x, self.leak))
        y = F.avg_pool2d(self.b(F.leaky_relu(y, self.leak)), 2)
        return self.skip(F.avg_pool2d(x, 2)) + y


class _UpConv(nn.Conv2d):
    """3x3 convolution of the picture at twice the size, each pixel doubled, computed at the small size.

    A 3x3 window of doubled pixels sees a 3x3 window of the small ones with some weights added up, another one for each
    of the four places in a pixel: the same result, without the large picture of many channels.
    """

    def __init__(self, i: int, o: int) -> None:
        super().__init__(i, o, 3, 1, 1)
        self.register_buffer("sums", torch.tensor([[[1.0, 0, 0], [0, 1, 1], [0, 0, 0]],
                                                   [[0, 0, 0], [1, 1, 0], [0, 0, 1]]]), persistent=False)  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        w = torch.einsum("pak,qbl,oikl->opqiab", self.sums, self.sums, self.weight).reshape(-1, self.in_channels, 3, 3)
        return F.pixel_shuffle(F.conv2d(x, w, self.bias.repeat_interleave(4), padding=1), 2)


class _Up(nn.Module):
    """Residual block to twice the size."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.skip, self.a, self.b = _UpConv(i, o), _UpConv(i, o), _conv(o, o)
        self.norm_a, self.norm_b = nn.BatchNorm2d(i), nn.BatchNorm2d(o)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(F.relu(self.norm_a(x)))
        return self.skip(x) + self.b(F.relu(self.norm_b(y)))


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


class Encoder(nn.Module):
    """Picture to a code (B, C) and to one map for each level, the finest first."""

    def __init__(self, shape: PublishedShape) -> None:
        super().__init__()
        c = shape.levels
        self.stem = _conv(3, c[0])
        self.down = nn.ModuleList(_Down(i, o) for i, o in itertools.pairwise(c))
        self.code = nn.Linear(c[-1] * 16, shape.code)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the code and the maps."""
        maps = [self.stem(x)]
        for down in self.down:
            maps.append(down(maps[-1]))
        return self.code(maps[-1].flatten(1)), maps


class Decoder(nn.Module):
    """Code and three encoders' maps to colour (B, 3, S, S) in -1..1 and mask (B, 1, S, S) in 0..1."""

    def __init__(self, shape: PublishedShape) -> None:
        super().__init__()
        c = shape.levels[::-1]  # coarsest first
        self.coarsest = c[0]
        self.code = nn.Linear(shape.code, c[0] * 16)
        decoded, ups = [c[0]], []
        for i, o in itertools.pairwise(c):
            ups.append(_Up(3 * i + sum(decoded), o))
            decoded.append(o)
        self.up = nn.ModuleList(ups)
        self.norm = nn.BatchNorm2d(c[-1])
        self.colour, self.mask = _conv(4 * c[-1], 3), _conv(4 * c[-1], 1)

    def forward(self, code: Tensor, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """`maps` holds the three encoders' maps of each level side by side, the finest first."""
        decoded = [self.code(code).view(-1, self.coarsest, 4, 4)]
        for up, skip in zip(self.up, maps[:0:-1], strict=True):
            x = up(torch.cat([skip, *decoded], 1))
            decoded = [*(_twice(d) for d in decoded), x]
        x = torch.cat([maps[0], F.relu(self.norm(decoded[-1]))], 1)
        return torch.tanh(self.colour(x)), torch.sigmoid(self.mask(x))


class PublishedNet(nn.Module):
    """Generator of the paper; what depends on the photo alone comes out of `of_source`, once."""

    def __init__(self, shape: PublishedShape) -> None:
        super().__init__()
        self.image, self.render, self.decoder = Encoder(shape), Encoder(shape), Decoder(shape)

    def of_source(self, image: Tensor, source_render: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return code(image) - code(source render), and the maps of both side by side, the finest first."""
        a, of_image = self.image(image)
        b, of_render = self.render(source_render)
        return a - b, [torch.cat(m, 1) for m in zip(of_image, of_render, strict=True)]

    def finish(self, code: Tensor, maps: list[Tensor], target_render: Tensor) -> tuple[Tensor, Tensor]:
        """Return colour and mask at the target pose."""
        c, of_target = self.render(target_render)
        return self.decoder(code + c, [torch.cat(m, 1) for m in zip(maps, of_target, strict=True)])

    def forward(self, image: Tensor, source_render: Tensor, target_render: Tensor) -> tuple[Tensor, Tensor]:
        """Return the finished picture and the mask."""
        colour, mask = self.finish(*self.of_source(image, source_render), target_render)
        return colour * mask + image * (1 - mask), mask


class PublishedCritic(nn.Module):
    """Wasserstein critic of a picture beside the render at the target pose, (B, 6, S, S) to (B,)."""

    def __init__(self, shape: PublishedShape) -> None:
        super().__init__()
        c = shape.levels
        self.stem = _conv(6, c[0])
        self.down = nn.ModuleList(_Down(i, o, 0.01) for i, o in itertools.pairwise(c))
        self.score = nn.Linear(c[-1] * 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return one score a picture; larger is more real."""
        x = self.stem(x)
        for down in self.down:
            x = down(x)
        return self.score(x.flatten(1))[:, 0]


class IdentityNet(nn.Module):
    """Small embedding (B, 64) of length 1 that tells people apart; stands in for the recogniser that the paper uses."""

    def __init__(self, people: int, width: int = 24) -> None:
        super().__init__()
        sizes = [3, width, 2 * width, 4 * width, 4 * width]
        self.layers = nn.ModuleList(nn.Conv2d(i, o, 3, 2, 1) for i, o in itertools.pairwise(sizes))
        self.embed = nn.Linear(sizes[-1], 64)
        self.people = nn.Parameter(torch.randn(people, 64))

    def forward(self, x: Tensor) -> Tensor:
        """Return the embedding of pictures (B, 3, S, S)."""
        x = F.avg_pool2d(x, 2)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.1)
        return F.normalize(self.embed(x.mean((2, 3))), dim=1)

    def scores(self, x: Tensor) -> Tensor:
        """Return how much like each person of the training the pictures are, (B, people), for cross entropy."""
        return 12 * self(x) @ F.normalize(self.people, dim=1).T
