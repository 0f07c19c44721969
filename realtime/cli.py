"""The command line, made from the fields of `Config`: no default and no help text lives here."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields
from typing import Any, NoReturn

from realtime.config import HELP_COMMAND, Config
from realtime.errors import ConfigError

_DESCRIPTION = "A webcam drives a photo."
_EPILOG = """examples:
  python run_live.py                                              camera (or imagined motion) to virtual camera or page
  python run_live.py --source face.jpg --output preview           your picture on the preview page
  python run_live.py --driver clip.mp4 --source face.jpg --output out.mp4 --pace offline
  python run_live.py --driver imagine --seconds 10 --output idle.mp4 --pace offline
also:
  python run_live.py doctor      what works on this machine, and what to do about the rest
  python run_live.py devices     cameras, outputs and inference devices
"""


class _Parser(argparse.ArgumentParser):
    """An argparse parser whose complaints are our one-line errors."""

    def error(self, message: str) -> NoReturn:
        """Raise `ConfigError` instead of printing the usage."""
        argument, _, why = message.partition(": ")
        if not why:
            argument, why = "command line", message
        raise ConfigError(argument.removeprefix("argument "), why, HELP_COMMAND)


def build_parser() -> argparse.ArgumentParser:
    """Return a parser with one flag for each flag field of `Config`."""
    parser = _Parser(prog="run_live.py", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False,
                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    for spec in fields(Config):
        meta = spec.metadata
        if not meta.get("flag"):
            continue
        name, text, default = "--" + spec.name.replace("_", "-"), str(meta["help"]), spec.default
        if isinstance(default, bool):
            parser.add_argument(name, action="store_true", help=text, default=default)
            continue
        options: dict[str, Any] = {"default": default, "metavar": meta.get("metavar")}
        if meta.get("repeat"):
            options |= {"action": "append", "default": None, "dest": spec.name}
        elif meta.get("choices"):
            options |= {"choices": meta["choices"], "metavar": "|".join(meta["choices"])}
        else:
            options["type"] = _reader(spec.name, str(spec.type))
        shown = " ".join(default) if isinstance(default, tuple) else default
        if shown not in (None, "") and "default" not in text:
            text += f" (default: {shown})"
        parser.add_argument(name, help=text.replace("%", "%%"), **options)
    return parser


def parse(arguments: list[str]) -> Config:
    """Return the `Config` that the command line asks for; raises `ConfigError` for one that makes no sense."""
    chosen = vars(build_parser().parse_args(arguments))
    repeated = chosen.pop("output")
    named = {word.partition("=")[0].removeprefix("--").replace("-", "_") for word in arguments if word.startswith("--")}
    return Config(**chosen, output=tuple(repeated) if repeated else Config.output, given=frozenset(named))


def _reader(name: str, annotation: str) -> Any:
    """Return the function that reads one flag's text."""
    if name == "lookahead":
        return _lookahead
    if name == "audio_delay":
        return _audio_delay
    if name == "canvas":
        return _canvas
    kind = annotation.split("|")[0].strip()
    return {"int": int, "float": float, "str": str}[kind]


def _lookahead(text: str) -> float | str:
    """Read `auto` or a number of ms."""
    return "auto" if text == "auto" else float(text)


def _audio_delay(text: str) -> float | str:
    """Read `auto`, `off` or a number of ms."""
    return text if text in ("auto", "off") else float(text)


def _canvas(text: str) -> tuple[int, int]:
    """Read `1280x720`."""
    match = re.fullmatch(r"(\d+)\s*[xX×]\s*(\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"`{text}` is not of the form 1280x720")
    return int(match[1]), int(match[2])
