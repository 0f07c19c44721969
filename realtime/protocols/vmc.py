"""The VMC protocol (Virtual Motion Capture, protocol.vmc.info): params to OSC packets and back.

Python-osc is the wire; what stands here is the meaning. A frame out is OK, T, Root, Neck, Head, both eyes, the 52 ARKit
names and Apply, in bundles that fit an Ethernet frame. A frame in is whatever of that a sender sends: bones count at
once, blend values from Apply on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from models import rotation
from models.face import F32, F64, N_UNITS, UNIT, UNITS, FaceParams
from realtime.errors import UserError
from realtime.protocols.frames import (
    expression_of,
    gaze_of_units,
    gaze_of_unity,
    pivot_metres,
    translation_of_pivot,
    unit_index,
    unity_gaze,
)

PORT_OUT = 39539  # where marionettes (apps that show an avatar) listen
PORT_IN = 39540  # where performers listen to senders such as phones
_BUNDLE_BYTES = 1400
_NECK_SHARE = 0.4  # of the head's turn is the neck's, as in a human neck's upper part
_REST_M = {"Neck": np.array([0.0, 0.12, 0.0]), "Head": np.array([0.0, 0.09, 0.0])}  # of an adult avatar, Unity
_CHAIN = ("Hips", "Spine", "Chest", "UpperChest", "Neck", "Head")
_EYES = ("LeftEye", "RightEye")
_APPLY_NS = 200_000_000  # a sender that has sent Apply this recently frames its packets by it
_FAR_M = 100.0
# What the blend shapes of avatars without the 52 mean; VRM 0 and VRM 1 names in lower case.
_PRESETS: dict[str, dict[str, float]] = {
    "a": {"jawOpen": 0.6}, "i": {"jawOpen": 0.15, "mouthStretchLeft": 0.5, "mouthStretchRight": 0.5},
    "u": {"jawOpen": 0.12, "mouthPucker": 0.7},
    "e": {"jawOpen": 0.3, "mouthStretchLeft": 0.3, "mouthStretchRight": 0.3},
    "o": {"jawOpen": 0.4, "mouthFunnel": 0.6}, "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "blink_l": {"eyeBlinkLeft": 1.0}, "blink_r": {"eyeBlinkRight": 1.0},
    "joy": {"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7},
}  # fmt: skip
_PRESETS |= {new: _PRESETS[old] for new, old in (("aa", "a"), ("ih", "i"), ("ou", "u"), ("ee", "e"), ("oh", "o"),
             ("blinkleft", "blink_l"), ("blinkright", "blink_r"), ("happy", "joy"))}  # fmt: skip


class MalformedError(Exception):
    """A packet that is not what its protocol says."""


def require_osc() -> None:
    """Raise `UserError` when python-osc is missing."""
    try:
        import pythonosc  # noqa: F401
    except ImportError:
        raise UserError("vmc://", "python-osc is not installed", "Run `.venv/bin/pip install python-osc`") from None


def encode(params: FaceParams | None, seconds: float, *, calibrated: bool = True) -> list[bytes]:
    """Return the datagrams of one frame: a head near `NOMINAL_MM`, or None when no face is seen (state alone)."""
    tracked = params is not None
    messages: list[tuple[str, tuple[Any, ...]]] = [
        ("/VMC/Ext/OK", (1, 3 if calibrated else 2, 0, int(tracked))),
        ("/VMC/Ext/T", (float(seconds),)),
    ]
    if params is not None:
        neck = rotation.slerp(rotation.identity(), params.rotation, _NECK_SHARE)
        head = rotation.multiply(rotation.inverse(neck), params.rotation)
        root = pivot_metres(params) - _REST_M["Neck"] - rotation.matrix(neck) @ _REST_M["Head"]
        root += _REST_M["Neck"] + _REST_M["Head"]  # an avatar at rest stands at its own place
        messages.append(("/VMC/Ext/Root/Pos", ("root", *_pose(root, rotation.identity()))))
        for name, q in (("Neck", neck), ("Head", head)):
            messages.append(("/VMC/Ext/Bone/Pos", (name, *_pose(_REST_M[name], q))))
        for name, q in zip(_EYES, unity_gaze(params.gaze), strict=True):
            messages.append(("/VMC/Ext/Bone/Pos", (name, *_pose(np.zeros(3), q))))
        for name, value in zip(UNITS, params.expression[:N_UNITS], strict=True):
            messages.append(("/VMC/Ext/Blend/Val", (name, float(np.clip(value, 0.0, 1.0)))))
        messages.append(("/VMC/Ext/Blend/Apply", ()))
    return _bundles(messages)


def _pose(metres: F64, q: F64) -> tuple[float, ...]:
    w, x, y, z = (float(c) for c in q)
    return (*(float(c) for c in metres), x, y, z, w)


def _bundles(messages: Sequence[tuple[str, tuple[Any, ...]]]) -> list[bytes]:
    """Pack messages into bundles that no router has to split."""
    from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
    from pythonosc.osc_message_builder import OscMessageBuilder

    datagrams, bundle, size = [], OscBundleBuilder(IMMEDIATELY), 16
    for address, arguments in messages:
        builder = OscMessageBuilder(address)
        for argument in arguments:
            builder.add_arg(argument)
        message = builder.build()
        if size + message.size + 4 > _BUNDLE_BYTES:
            datagrams.append(bundle.build().dgram)
            bundle, size = OscBundleBuilder(IMMEDIATELY), 16
        bundle.add_content(message)
        size += message.size + 4
    datagrams.append(bundle.build().dgram)
    return datagrams


class Decoder:
    """Gathers the packets of one VMC sender into params."""

    def __init__(self) -> None:
        self._root = (np.zeros(3), rotation.identity())
        self._bones: dict[str, tuple[F64, F64]] = {}
        self._staged: dict[str, float] = {}
        self._units: F32 = np.zeros(N_UNITS, np.float32)
        self._presets: dict[str, float] = {}
        self._has_units = False
        self._tells_status = self._lost = self._posed = self._applied = False
        self._apply_ns: int | None = None

    def feed(self, datagram: bytes, at_ns: int) -> list[FaceParams | None]:
        """Return the frames that this datagram completes, None for one in which the sender sees no face.

        Raises `MalformedError` for a datagram that is not OSC, or a VMC message with arguments of the wrong kind.
        """
        messages = _parse(datagram)
        self._posed = self._applied = False
        out: list[FaceParams | None] = []
        for address, arguments in messages:
            self._take(address, arguments)
            if self._applied:
                self._applied = self._posed = False
                self._apply_ns = at_ns
                out.append(self._frame())
        framed = self._apply_ns is not None and at_ns - self._apply_ns < _APPLY_NS
        if self._posed and not framed and not self._staged:
            out.append(self._frame())
        if not out and self._lost:
            out.append(None)
        return out

    def _take(self, address: str, arguments: list[Any]) -> None:
        if address == "/VMC/Ext/OK":
            if len(arguments) >= 4:
                # The flag is an addition that not every sender fills in: a 0 counts after a 1 was seen.
                status = _number(arguments[3]) > 0.5
                self._tells_status |= status
                self._lost = self._tells_status and not status
        elif address in ("/VMC/Ext/Bone/Pos", "/VMC/Ext/Root/Pos"):
            name, metres, q = _bone(arguments)
            if address.endswith("Root/Pos"):
                self._root = (metres, q)
            elif name in _CHAIN or name in _EYES:
                self._bones[name] = (metres, q)
            self._posed |= name == "Head"
        elif address == "/VMC/Ext/Blend/Val":
            if len(arguments) < 2 or not isinstance(arguments[0], str):
                raise MalformedError("Blend/Val without a name and a value")
            self._staged[arguments[0]] = _number(arguments[1])
        elif address == "/VMC/Ext/Blend/Apply":
            self._apply()

    def _apply(self) -> None:
        for name, value in self._staged.items():
            index = unit_index(name)
            if index is not None:
                self._units[index] = min(max(value, 0.0), 1.0)
                self._has_units = True
            elif name.lower() in _PRESETS:
                self._presets[name.lower()] = min(max(value, 0.0), 1.0)
        self._staged.clear()
        self._applied = True

    def _frame(self) -> FaceParams | None:
        if self._lost:
            return None
        units = self._units if self._has_units else self._from_presets()
        metres, q = self._root
        for name in _CHAIN:
            if name in self._bones:
                p, turn = self._bones[name]
                metres, q = metres + rotation.matrix(q) @ p, rotation.multiply(q, turn)
        # The rest pose of a skeleton is its sender's own; calibration takes what is left over out again.
        metres = metres - _REST_M["Neck"] - _REST_M["Head"] if self._bones else metres
        gaze = gaze_of_units(units)
        eyes = [self._bones.get(name) for name in _EYES]
        if all(eye is not None and abs(eye[1][0]) < 1.0 - 1e-9 for eye in eyes):
            gaze = np.array([gaze_of_unity(eye[1]) for eye in eyes if eye is not None], np.float32)
        q = q / np.linalg.norm(q)
        return FaceParams(q, translation_of_pivot(metres, q), expression_of(units), gaze)

    def _from_presets(self) -> F32:
        units = np.zeros(N_UNITS, np.float32)
        for name, value in self._presets.items():
            for unit, share in _PRESETS[name].items():
                units[UNIT[unit]] += np.float32(share * value)
        return units


def _parse(datagram: bytes) -> list[tuple[str, list[Any]]]:
    """Return address and arguments of every OSC message in a datagram."""
    from pythonosc.osc_packet import OscPacket

    try:
        return [(timed.message.address, list(timed.message.params)) for timed in OscPacket(datagram).messages]
    except Exception as error:  # the parser meets bytes from the network: whatever it trips over, they are malformed
        raise MalformedError(repr(error)) from None


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise MalformedError(f"not a number: {value!r}")
    return float(value)


def _bone(arguments: list[Any]) -> tuple[str, F64, F64]:
    """Return name, position (m) and quaternion (wxyz) of a bone message."""
    if len(arguments) < 8 or not isinstance(arguments[0], str):
        raise MalformedError("a bone needs a name and seven numbers")
    px, py, pz, x, y, z, w = (_number(a) for a in arguments[1:8])
    metres, q = np.array([px, py, pz]), np.array([w, x, y, z])
    length = float(np.linalg.norm(q))
    if not 0.5 < length < 2.0 or np.abs(metres).max() > _FAR_M:
        raise MalformedError(f"bone {arguments[0]} is not a pose")
    return arguments[0], metres, q / length
