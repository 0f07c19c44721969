"""The mouth network: a small U-Net that paints what geometry cannot show, and the patch critic that judges it."""

from __future__ import annotations

import torch
from torch import nn

IN_CHANNELS = 9  # warped rgb, source rgb, inner mouth and lips at the target, inner mouth of the source


def _block(i: int, o: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.LeakyReLU(0.2, inplace=True))


class MouthNet(nn.Module):
    """U-Net: (N, 9, 96, 96) 0..1 to colour (N, 3, ..) 0..1 and blend mask (N, 1, ..) 0..1, concatenated."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        c = width
        self.a, self.b, self.c = _block(IN_CHANNELS, c), _block(c, 2 * c, 2), _block(2 * c, 4 * c, 2)
        self.d = _block(4 * c, 6 * c, 2)
        self.m1, self.m2 = _block(6 * c, 6 * c), _block(6 * c, 6 * c)
        self.u3, self.u2, self.u1 = _block(10 * c, 4 * c), _block(6 * c, 2 * c), _block(3 * c, c)
        self.out = nn.Conv2d(c, 4, 3, 1, 1)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Paint; see the class."""
        a = self.a(x)
        b = self.b(a)
        c = self.c(b)
        d = self.d(c)
        d = d + self.m2(self.m1(d))
        y = self.u3(torch.cat([self.up(d), c], 1))
        y = self.u2(torch.cat([self.up(y), b], 1))
        y = self.u1(torch.cat([self.up(y), a], 1))
        # The first logit starts near "leave it as it is".
        y = self.out(y)
        colour = torch.clamp(x[:, :3] + torch.tanh(y[:, :3]), 0.0, 1.0)
        return torch.cat([colour, torch.sigmoid(y[:, 3:])], 1)


class Critic(nn.Module):
    """Patch critic on (picture, masks) (N, 5, 96, 96); returns its features, the last of them the scores."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        c, sn = width, nn.utils.parametrizations.spectral_norm
        self.layers = nn.ModuleList([
            nn.Conv2d(5, c, 4, 2, 1), sn(nn.Conv2d(c, 2 * c, 4, 2, 1)), sn(nn.Conv2d(2 * c, 3 * c, 4, 2, 1)),
            sn(nn.Conv2d(3 * c, 1, 3, 1, 1)),
        ])  # fmt: skip

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Judge; see the class."""
        out = []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i < len(self.layers) - 1:
                x = nn.functional.leaky_relu(x, 0.2)
            out.append(x)
        return out
