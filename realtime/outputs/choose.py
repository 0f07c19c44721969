"""From the words after `--output` to outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from realtime.config import Config
from realtime.errors import OutputError
from realtime.notices import Notice, Notices
from realtime.outputs.base import Output
from realtime.outputs.null import NullOutput
from realtime.outputs.udp import UdpOutput
from realtime.outputs.vcam import VcamOutput, why_unusable
from realtime.outputs.video import VideoOutput
from realtime.preview.server import PreviewOutput
from realtime.protocols.vmc_output import VmcOutput


def choose_outputs(config: Config, notices: Notices, stats: Callable[[], dict[str, Any]],
                   recalibrate: Callable[[], None]) -> list[Output]:  # fmt: skip
    """Return the outputs that `config.output` names, unopened; raises `OutputError` for a word that names none."""
    if len(set(config.output)) < len(config.output):
        raise OutputError("--output", "the same output is given twice", "Leave one out")
    outputs: list[Output] = []
    for word in config.output:
        if word == "auto":
            outputs.append(_automatic(config, notices, stats, recalibrate))
        elif word == "null":
            outputs.append(NullOutput())
        elif word == "preview":
            outputs.append(PreviewOutput(config, stats, recalibrate))
        elif word == "vcam":
            outputs.append(VcamOutput(config))
        elif word.startswith("udp://"):
            outputs.append(UdpOutput(word, config))
        elif word.startswith("vmc://"):
            outputs.append(VmcOutput(word))
        elif "://" in word:
            raise OutputError(f"output {word}", "only udp:// and vmc:// addresses are served",
                              "Use e.g. udp://127.0.0.1:9000")  # fmt: skip
        else:
            video = VideoOutput(Path(word).expanduser(), config, notices)
            video.check()
            outputs.append(video)
    return outputs


def _automatic(config: Config, notices: Notices, stats: Callable[[], dict[str, Any]],
               recalibrate: Callable[[], None]) -> Output:  # fmt: skip
    """Return the virtual camera if there is one, else the preview page, and say which and why."""
    if config.pace == "offline":
        raise OutputError("--output auto", "--pace offline makes files", "Add e.g. --output out.mp4")
    why = why_unusable()
    if why is None:
        notices(Notice("chose", "output: virtual camera (choose with --output)"))
        return VcamOutput(config)
    notices(Notice("chose", f"output: preview page, because there is no virtual camera ({why})"))
    return PreviewOutput(config, stats, recalibrate)
