"""`doctor` and `devices`: what this machine has, and what to do about what it lacks."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import socket
import sys

from realtime.audio.devices import device_lines
from realtime.audio.devices import why_unusable as why_unusable_sound
from realtime.capture.camera import list_cameras
from realtime.config import Config
from realtime.machine import machine_card, usable_cores
from realtime.outputs.vcam import PIP_LINE, device_hint, why_unusable

_REQUIRED = ("numpy", "numba", "opencv-contrib-python", "ai-edge-litert", "av", "pillow", "platformdirs", "matplotlib",
             "fastapi", "uvicorn", "websockets",
             "python-osc")  # fmt: skip
_OPTIONAL = ("openvino", "onnxruntime", "pyvirtualcam", "sounddevice")
_ASSETS = ("face_landmarker.task",)


def doctor() -> tuple[list[str], int]:
    """Return one line for each thing looked at, and exit code 1 if something that is needed is missing."""
    lines, bad = [], 0

    def line(ok: bool, needed: bool, what: str, todo: str) -> None:
        nonlocal bad
        bad += needed and not ok
        word = "ok" if ok else "MISSING" if needed else "absent"
        lines.append(f"{word:8}{what}" + ("" if ok else f": {todo}"))

    line(sys.version_info >= (3, 11), True, f"Python {sys.version.split()[0]}", "install Python 3.11 or later")
    for package in _REQUIRED + _OPTIONAL:
        needed = package in _REQUIRED
        version = _version(package)
        line(version is not None, needed, f"package {package} {version or ''}".rstrip(),
             "run `make setup`" if needed else f"optional; `.venv/bin/pip install {package}`")  # fmt: skip
    if _version("opencv-python") is not None:
        line(False, True, "one OpenCV", "opencv-python is installed beside opencv-contrib-python; run `.venv/bin/pip "
             "uninstall opencv-python` and `make setup`")  # fmt: skip
    cores = usable_cores()
    line(cores >= 2, False, f"{cores} processor cores", "live pace wants two; use --size 384")
    for name in _ASSETS:
        line(
            _in_cache(name), False, f"model file {name}", "it is fetched at the first run, which needs a package index"
        )
    cameras = list_cameras()
    line(bool(cameras), False, "camera" + (f" {cameras[0][0]} ({cameras[0][1]})" if cameras else ""),
         "plug one in, or use --driver imagine or a video file")  # fmt: skip
    why = why_unusable()
    line(why is None, False, "virtual camera", f"{why}. {_vcam_todo()}; until then the preview page is used")
    silent = why_unusable_sound()
    line(silent is None, False, "sound devices", f"{silent}. Only --audio-out and --mouth mic need them")
    port = Config.port
    line(_port_free(port), False, f"port {port} for the preview page", f"taken; add --port {port + 1}")
    lines.append("everything needed is here" if not bad else f"{bad} needed things are missing")
    return lines, int(bad > 0)


def devices() -> tuple[list[str], int]:
    """Return the cameras, outputs and inference devices of this machine, and exit code 0."""
    cameras = [f"  --driver {index}    {name}" for index, name in list_cameras()] or ["  none found"]
    why = why_unusable()
    return [
        "cameras", *cameras, "  --driver imagine    motion without a camera",
        "  --driver vmc://:39540, ifacialmocap://PHONE    a phone or another program (docs/protocols.md)",
        "outputs",
        "  --output vcam       " + ("virtual camera" if why is None else f"not here ({why})"),
        f"  --output preview    http://127.0.0.1:{Config.port}",
        "  --output FILE.mp4, udp://host:port, vmc://host:39539, null",
        "sound", *device_lines(),
        "inference", f"  --device cpu        {machine_card()['processor']}, {usable_cores()} cores",
        f"  --device cuda       {_gpus()}",
    ], 0  # fmt: skip


def _gpus() -> str:
    """What ONNX Runtime was built with for NVIDIA GPUs; whether one is there shows when it is used."""
    if _version("onnxruntime") is None and _version("onnxruntime-gpu") is None:
        return "not here (onnxruntime is not installed)"
    import onnxruntime

    from models.inference_ort import gpu_providers

    found = gpu_providers(onnxruntime.get_available_providers())
    return ", then ".join(found) if found else "not here (this onnxruntime has no CUDA; onnxruntime-gpu has)"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _vcam_todo() -> str:
    return device_hint() if _version("pyvirtualcam") is not None else f"{PIP_LINE}, then {device_hint()}"


def _in_cache(name: str) -> bool:
    from models.assets import asset_path
    from models.errors import UserError

    try:
        asset_path(name, offline=True)
    except UserError:
        return False
    return True


def _port_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
