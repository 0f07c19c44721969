"""From the words after `--output` to outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from realtime.config import Config
from realtime.errors import OutputError
from realtime.notices import Notice, Notices
from realtime.outputs.base import Output
from realtime.outputs.null import NullOutput
from realtime.outputs.udp import UdpOutput
from realtime.outputs.vcam import VcamOutput, why_unusable
from realtime.outputs.video import VideoOutput
from realtime.protocols.vmc_output import VmcOutput


def choose_outputs(config: Config, notices: Notices, page: Callable[[], Output]) -> list[Output]:
    """Return the outputs that `config.output` names, unopened; raises `OutputError` for a word that names none."""
    if len(set(config.output)) < len(config.output):
        raise OutputError("--output", "the same output is given twice", "Leave one out")
    outputs: list[Output] = []
    for word in config.output:
        if word == "auto":
            outputs += _automatic(config, notices, page)
        elif word == "null":
            outputs.append(NullOutput())
        elif word == "preview":
            outputs.append(page())
        elif word == "vcam" or word.startswith("vcam:"):
            vcam = VcamOutput(config, word[5:] or None)
            vcam.check()
            outputs.append(vcam)
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


def _automatic(config: Config, notices: Notices, page: Callable[[], Output]) -> list[Output]:
    """Return the virtual camera if there is one, and the control page in any case; say which and why."""
    if config.pace == "offline":
        raise OutputError("--output auto", "--pace offline makes files", "Add e.g. --output out.mp4")
    why = why_unusable()
    if why is None:
        notices(Notice("chose", "output: virtual camera and control page (choose with --output)"))
        return [VcamOutput(config), page()]
    notices(Notice("chose", f"output: preview page, because there is no virtual camera ({why})"))
    return [page()]
