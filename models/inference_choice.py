"""What an opened network is and says about itself, whichever runtime it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Choice:
    """What was asked for and what runs."""

    asked: str
    runtime: str  # openvino or onnxruntime
    device: str  # cpu or cuda
    precision: str  # f32, bf16 or f16
    threads: int
    why: str = ""  # why it is not what was asked, empty when it is
    provider: str = ""  # of ONNX Runtime: tensorrt, cuda or cpu


class Network(Protocol):
    """An opened network with fixed shapes."""

    @property
    def inputs(self) -> Mapping[str, Array]:
        """Arrays to write into, by name."""

    @property
    def outputs(self) -> Mapping[str, Array]:
        """Arrays to read after `run`, by name."""

    @property
    def choice(self) -> Choice:
        """What was asked for and what runs."""

    def run(self) -> None:
        """Compute the outputs from the inputs."""
