"""VMC and iFacialMocap packets: there and back, fragments, rubbish."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packets import face, phone_packet, random_face
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

from models import rotation
from models.face import N_UNITS, UNIT, FaceParams
from realtime.protocols import ifacialmocap, vmc
from realtime.protocols.frames import expression_of

MS = 1_000_000


def message(address: str, *arguments: object) -> bytes:
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)  # type: ignore[arg-type]
    return builder.build().dgram


def feed(
    decoder: vmc.Decoder | ifacialmocap.Decoder, datagrams: list[bytes], at_ns: int = 0
) -> list[FaceParams | None]:
    return [frame for datagram in datagrams for frame in decoder.feed(datagram, at_ns)]


def close(a: FaceParams, b: FaceParams) -> None:
    assert np.linalg.norm(rotation.log(rotation.multiply(a.rotation, rotation.inverse(b.rotation)))) < 1e-5
    assert np.allclose(a.translation, b.translation, atol=1e-3)  # mm
    assert np.allclose(a.expression[:N_UNITS], b.expression[:N_UNITS], atol=1e-6)
    assert np.allclose(a.gaze, b.gaze, atol=1e-5)


def test_params_go_out_as_vmc_and_come_back_the_same() -> None:
    for seed in range(30):
        p = random_face(np.random.default_rng(seed))
        datagrams = vmc.encode(p, 1.5)
        assert max(map(len, datagrams)) <= 1472  # fits an Ethernet frame with its headers
        frames = feed(vmc.Decoder(), datagrams)
        assert len(frames) == 1
        assert frames[0] is not None
        close(frames[0], p)


def test_a_frame_says_what_the_protocol_wants() -> None:
    p = face(0.5, turn=(0.0, 0.4, 0.0), mouthPucker=0.25)
    got = [(m.message.address, list(m.message.params)) for d in vmc.encode(p, 2.0) for m in OscPacket(d).messages]
    assert got[0] == ("/VMC/Ext/OK", [1, 3, 0, 1])
    assert got[1] == ("/VMC/Ext/T", [2.0])
    assert got[-1] == ("/VMC/Ext/Blend/Apply", [])
    values = {a[0]: a[1] for address, a in got if address == "/VMC/Ext/Blend/Val"}
    assert len(values) == N_UNITS
    assert values["jawOpen"] == pytest.approx(0.5)
    assert values["mouthPucker"] == pytest.approx(0.25)
    bones = {a[0]: a[4:] for address, a in got if address == "/VMC/Ext/Bone/Pos"}
    assert set(bones) == {"Neck", "Head", "LeftEye", "RightEye"}
    # The head turns about y by 0.4 in all; neck and head share it; x, y, z, w as Unity has them.
    turns = [rotation.log(np.array([q[3], *q[:3]])) for q in (bones["Neck"], bones["Head"])]
    assert np.allclose(sum(turns), [0, 0.4, 0], atol=1e-6)
    assert turns[0][1] > 0.1
    lost = [m.message.params for d in vmc.encode(None, 2.0) for m in OscPacket(d).messages]
    assert list(lost[0]) == [1, 3, 0, 0]
    assert len(lost) == 2


def test_blend_values_count_from_apply_on() -> None:
    decoder = vmc.Decoder()
    assert feed(decoder, [message("/VMC/Ext/Blend/Val", "JawOpen", 0.8)]) == []
    frames = feed(decoder, [message("/VMC/Ext/Blend/Apply")])
    assert frames[0] is not None
    assert frames[0].expression[UNIT["jawOpen"]] == np.float32(0.8)
    # A later Apply without the name keeps its value; a value above 1 is clipped.
    frames = feed(decoder, [message("/VMC/Ext/Blend/Val", "browInnerUp", 7.0), message("/VMC/Ext/Blend/Apply")])
    assert frames[0] is not None
    assert frames[0].expression[UNIT["jawOpen"]] == np.float32(0.8)
    assert frames[0].expression[UNIT["browInnerUp"]] == 1.0


def test_a_skeleton_is_chained_up_to_the_head() -> None:
    decoder, half = vmc.Decoder(), rotation.exp(np.array([0.0, 0.15, 0.0]))
    w, x, y, z = half
    for name in ("Hips", "Neck"):
        feed(decoder, [message("/VMC/Ext/Bone/Pos", name, 0.0, 0.5, 0.0, x, y, z, w)])
    frames = feed(decoder, [message("/VMC/Ext/Bone/Pos", "Head", 0.0, 0.1, 0.0, 0.0, 0.0, 0.0, 1.0)])
    assert frames[0] is not None  # a sender of bones alone needs no Apply
    assert np.allclose(rotation.log(frames[0].rotation), [0, 0.3, 0], atol=1e-6)


def test_shapes_of_simple_avatars_open_the_mouth_until_a_unit_comes() -> None:
    decoder = vmc.Decoder()
    frames = feed(decoder, [message("/VMC/Ext/Blend/Val", "A", 1.0), message("/VMC/Ext/Blend/Apply")])
    assert frames[0] is not None
    assert frames[0].expression[UNIT["jawOpen"]] > 0.5
    frames = feed(decoder, [message("/VMC/Ext/Blend/Val", "jawOpen", 0.1), message("/VMC/Ext/Blend/Apply")])
    assert frames[0] is not None
    assert frames[0].expression[UNIT["jawOpen"]] == np.float32(0.1)


def test_a_lost_face_is_told_only_by_senders_that_know() -> None:
    decoder = vmc.Decoder()
    zero, one = message("/VMC/Ext/OK", 1, 3, 0, 0), message("/VMC/Ext/OK", 1, 3, 0, 1)
    assert feed(decoder, [zero]) == []  # never said 1: the flag means nothing
    feed(decoder, [one])
    assert feed(decoder, [zero, *vmc.encode(None, 0)]) == [None, None]
    assert feed(decoder, vmc.encode(face(0.2), 0))[0] is not None


@pytest.mark.parametrize("mark", ["-", "&"])
def test_a_phones_packet_is_read(mark: str) -> None:
    packet = phone_packet({"jawOpen": 0.6, "eyeBlinkLeft": 0.3, "mouthLeft": 0.2}, (10, -20, 5, 0.03, 0.1, -0.5),
                          right=(1, 2, 0), left=(3, 4, 0), mark=mark)  # fmt: skip
    p = ifacialmocap.Decoder().feed(packet, 0)[0]
    assert p is not None
    assert p.expression[UNIT["jawOpen"]] == np.float32(0.6)
    assert p.expression[UNIT["eyeBlinkLeft"]] == np.float32(0.3)
    assert p.expression[UNIT["eyeBlinkRight"]] == 0.0
    assert p.expression[UNIT["mouthLeft"]] == np.float32(0.2)
    assert np.allclose(np.degrees(p.gaze), [[4, 3], [2, 1]], atol=1e-4)
    assert p.expression[N_UNITS:].max() == 0.0


def test_a_missing_unit_keeps_its_value_and_unknown_words_do_no_harm() -> None:
    decoder = ifacialmocap.Decoder()
    decoder.feed(b"jawOpen-40|=head#0,0,0,0,0,0|", 0)
    p = decoder.feed(b"browInnerUp-10|hapihapi-0|1|34903,-1.6|=head#1,2,3|leftEye#0,0,0|rightEye#0,0,0|___x|", 1)[0]
    assert p is not None
    assert p.expression[UNIT["jawOpen"]] == np.float32(0.4)
    negative = decoder.feed(b"jawOpen&-5|=head#1,2,3|", 2)[0]
    assert negative is not None
    assert negative.expression[UNIT["jawOpen"]] == 0.0


def test_a_phone_that_repeats_itself_or_says_so_has_lost_the_face() -> None:
    decoder, packet = ifacialmocap.Decoder(), phone_packet({"jawOpen": 0.5})
    assert decoder.feed(packet, 0)[0] is not None
    assert decoder.feed(packet, 500 * MS)[0] is not None
    assert decoder.feed(packet, 1100 * MS) == [None]
    assert decoder.feed(phone_packet({"jawOpen": 0.51}), 1200 * MS)[0] is not None
    assert decoder.feed(phone_packet({"jawOpen": 0.5}, extra="trackingStatus-0|"), 1300 * MS) == [None]
    assert decoder.feed(phone_packet({"jawOpen": 0.5}, extra="trackingStatus-1|"), 1400 * MS)[0] is not None


MALFORMED_PHONE = [b"", b"\xff\xfe", b"hello", b"jawOpen-", b"jawOpen-nan|", b"jawOpen-inf|=head#0,0,0,0,0,0|",
                   b"jawOpen-5|=head#1,2|", b"=head#0,0,0,0,0,0|",
                   b"jawOpen-5|leftEye#a,b,c|", b"jawOpen-9" * 3000]  # fmt: skip


@pytest.mark.parametrize("packet", MALFORMED_PHONE)
def test_malformed_phone_packets_are_refused(packet: bytes) -> None:
    with pytest.raises(vmc.MalformedError):
        ifacialmocap.Decoder().feed(packet, 0)


MALFORMED_VMC = [b"", b"/VMC", b"#bundle\0", message("/VMC/Ext/Blend/Val", "jawOpen"),
                 message("/VMC/Ext/Blend/Val", "jawOpen", "wide"),
                 message("/VMC/Ext/Blend/Val", "jawOpen", float("nan")),
                 message("/VMC/Ext/Bone/Pos", "Head", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
                 message("/VMC/Ext/Bone/Pos", "Head", 1e9, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)]  # fmt: skip


@pytest.mark.parametrize("datagram", MALFORMED_VMC)
def test_malformed_vmc_is_refused(datagram: bytes) -> None:
    with pytest.raises(vmc.MalformedError):
        vmc.Decoder().feed(datagram, 0)


def check(decoder: vmc.Decoder | ifacialmocap.Decoder, datagrams: list[bytes]) -> None:
    """Whatever comes: a refusal, or params that are sound."""
    for i, datagram in enumerate(datagrams):
        try:
            frames = decoder.feed(datagram, i * 16 * MS)
        except vmc.MalformedError:
            continue
        for p in frames:
            if p is None:
                continue
            assert p.rotation.shape == (4,)
            assert abs(np.linalg.norm(p.rotation) - 1) < 1e-6
            assert np.isfinite(p.translation).all()
            assert np.isfinite(p.gaze).all()
            assert p.expression.shape == expression_of(np.zeros(N_UNITS, np.float32)).shape
            assert ((p.expression >= 0) & (p.expression <= 1)).all()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good packet with a part cut out, replaced or repeated."""
    good = bytearray(draw(st.sampled_from([*vmc.encode(face(0.3), 1.0), phone_packet({"jawOpen": 0.2})])))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(good)))
        good[at : at + draw(st.integers(0, 12))] = draw(st.binary(max_size=12))
    return bytes(good)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=200), damaged()), max_size=4))
def test_nothing_that_comes_in_breaks_the_decoders(datagrams: list[bytes]) -> None:
    check(vmc.Decoder(), datagrams)
    check(ifacialmocap.Decoder(), datagrams)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="jawOpen-&|=#,.0123456789eE+headrightEyeleftnifNaN ", max_size=120))
def test_nothing_that_looks_like_a_phone_breaks_the_decoder(text: str) -> None:
    check(ifacialmocap.Decoder(), [text.encode()])
