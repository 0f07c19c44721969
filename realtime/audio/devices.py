"""Sound devices through sounddevice (PortAudio): listed, and found by number or by a part of the name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from realtime.errors import UserError

PIP_LINE = ".venv/bin/pip install sounddevice"
_PORTAUDIO = "on Debian and Ubuntu also `apt install libportaudio2`"
_LIST = "Run `python run_live.py devices` for the list"
Kind = Literal["input", "output"]


class AudioError(UserError):
    """A sound device cannot be found or opened."""


@dataclass(frozen=True)
class SoundDevice:
    """One device of the machine."""

    index: int
    name: str
    inputs: int  # channels
    outputs: int
    rate: float  # Hz, its own choice


def sounddevice() -> Any:
    """Return the package; raises `AudioError` with the line that installs it."""
    try:
        import sounddevice as package
    except ImportError:
        raise AudioError("sound", "sounddevice is not installed", f"Run `{PIP_LINE}`; {_PORTAUDIO}") from None
    except OSError:
        raise AudioError("sound", "the PortAudio library is missing", f"Install it: {_PORTAUDIO}") from None
    return package


def why_unusable() -> str | None:
    """Return why there is no sound on this machine, None when there is."""
    try:
        return None if list_devices() else "no sound device was found"
    except AudioError as error:
        return str(error)


def list_devices() -> list[SoundDevice]:
    """Return every sound device; raises `AudioError` without the package."""
    package = sounddevice()
    return [
        SoundDevice(i, str(d["name"]), int(d["max_input_channels"]), int(d["max_output_channels"]),
                    float(d["default_samplerate"]))
        for i, d in enumerate(package.query_devices())
    ]  # fmt: skip


def find_device(word: str, kind: Kind, devices: list[SoundDevice] | None = None) -> SoundDevice:
    """Return the device that a number, a whole name or a part of a name means; raises `AudioError` otherwise."""
    flag = f"--audio-{'in' if kind == 'input' else 'out'} {word}"
    every = list_devices() if devices is None else devices
    able = [d for d in every if (d.inputs if kind == "input" else d.outputs) > 0]
    if not able:
        raise AudioError(flag, f"this machine has no sound {kind}", "Plug one in, or leave the flag out")
    if word.isdecimal():
        found = [d for d in able if d.index == int(word)]
    else:
        key = word.casefold()
        found = [d for d in able if d.name.casefold() == key] or [d for d in able if d.name.casefold().startswith(key)]
        found = found or [d for d in able if key in d.name.casefold()]
    if not found:
        names = ", ".join(f"{d.index} ({d.name})" for d in able)
        raise AudioError(flag, f"there is no such sound {kind}; there are: {names}", _LIST)
    if len(found) > 1 and len({d.name for d in found}) > 1:
        names = ", ".join(f"{d.index} ({d.name})" for d in found)
        raise AudioError(flag, f"it may mean {names}", "Give the number")
    return found[0]


def default_input() -> str:
    """Return the number of the machine's own choice of microphone, as a word for `find_device`."""
    index = int(sounddevice().default.device[0])
    if index < 0:
        raise AudioError("--audio-in", "this machine has no default microphone", _LIST)
    return str(index)


def device_lines() -> list[str]:
    """Return the lines of `run_live.py devices` about sound."""
    try:
        devices = list_devices()
    except AudioError as error:
        return [f"  none ({error})"]
    lines = [f"  --audio-in {d.index}    {d.name}" for d in devices if d.inputs]
    return lines + [f"  --audio-out {d.index}   {d.name}" for d in devices if d.outputs] or ["  none found"]
