import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from models import inference
from models.errors import UserError
from models.generator import DATA
from models.inference import open_network

FILES = ("generator_mouth.onnx", "generator_mouth_source.onnx", "generator_eye.onnx", "generator_eye_source.onnx")
PUBLISHED = ("published_source.onnx", "published.onnx")
RUNTIMES = ("openvino", "onnxruntime")


def fill(network: object, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for a in network.inputs.values():
        a[...] = rng.integers(0, 256, a.shape) if a.dtype == np.uint8 else rng.normal(0, 0.5, a.shape)


@pytest.mark.parametrize("name", FILES + PUBLISHED)
def test_runtimes_agree(name: str) -> None:
    pytest.importorskip("openvino")
    nets = [open_network(DATA / name, "cpu", 2, r, "f32") for r in RUNTIMES]
    for n in nets:
        fill(n, 3)
        n.run()
    for key, a in nets[0].outputs.items():
        assert np.abs(a).max() > 0
        np.testing.assert_allclose(a, nets[1].outputs[key], rtol=2e-3, atol=2e-3 * np.abs(a).max())


def test_half_precision_stays_close_in_what_is_painted() -> None:
    pytest.importorskip("openvino")
    for name in FILES[::2]:
        full, half = (open_network(DATA / name, "cpu", 2, "openvino", p) for p in ("f32", "bf16"))
        for n in (full, half):
            fill(n, 3)
            n.run()
        if half.choice.precision == "f32":
            assert "bf16" in half.choice.why
        error = np.abs(full.outputs["painted"] - half.outputs["painted"])
        assert np.percentile(error[..., :3], 99) < 6.0  # grey levels, on noise: far outside what it was trained for
        assert np.percentile(error[..., 3], 99) < 0.04


def test_precision_is_settled_by_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    cost = {"f32": 200, "bf16": 100}
    now = [0]

    class Timed:
        def __init__(self, path: Path, asked: str, threads: int, why: str, precision: str) -> None:
            self.precision, self.why = precision, why

        def run(self) -> None:
            now[0] += cost[self.precision]

    monkeypatch.setattr(inference, "OpenVinoNetwork", Timed)
    able = pytest.MonkeyPatch()
    import openvino

    for has, times, want in (("BF16", (200, 100), "bf16"), ("BF16", (100, 95), "f32"), ("", (200, 100), "f32")):
        able.setattr(openvino.Core, "get_property", lambda *_, has=has: ["FP32", has])
        cost["f32"], cost["bf16"] = times
        assert inference._fastest(Path("n"), "cpu", 2, "auto", "", lambda: now[0]).precision == want
    able.setattr(openvino.Core, "get_property", lambda *_: ["BF16"])
    assert inference._fastest(Path("n"), "cpu", 2, "auto", "", None).precision == "f32"  # nothing to measure by
    able.setattr(openvino.Core, "get_property", lambda *_: ["FP32"])
    asked = inference._fastest(Path("n"), "cpu", 2, "bf16", "", None)
    assert (asked.precision, asked.why) == ("f32", "bf16: this CPU does not have it")
    able.undo()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_arrays_are_bound_once_and_follow_the_input(runtime: str) -> None:
    pytest.importorskip(runtime)
    n = open_network(DATA / "generator_eye_source.onnx", "cpu", 1, runtime)
    out = n.outputs["code"]
    where = out.ctypes.data
    results = []
    for seed in (1, 2, 1):
        fill(n, seed)
        n.run()
        assert n.outputs["code"].ctypes.data == where
        results.append(out.copy())
    assert not np.allclose(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_run_allocates_nothing_that_grows_with_the_picture(runtime: str) -> None:
    pytest.importorskip(runtime)
    n = open_network(DATA / "generator_mouth.onnx", "cpu", 1, runtime, "f32")
    tracemalloc.start()
    try:
        n.run()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10):
            n.run()
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n.outputs["painted"].nbytes > 100_000
    assert peak - before < 20_000  # views and Python objects; a copy of the output would be ten times that
    assert now - before < 20_000


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_choice_says_what_runs(runtime: str) -> None:
    pytest.importorskip(runtime)
    c = open_network(DATA / "generator_eye_source.onnx", "auto", 1, runtime).choice
    assert (c.asked, c.runtime, c.threads) == ("auto", runtime, 1)
    if runtime == "onnxruntime" and c.device == "cpu":
        assert "cuda" in c.why.lower()


def test_missing_file_is_told_to_the_user() -> None:
    with pytest.raises(UserError, match=r"nowhere\.onnx.*--generator off"):
        open_network(Path("/nowhere.onnx"))


@pytest.mark.parametrize(("device", "runtime"), [("tpu", "auto"), ("cpu", "tvm")])
def test_unknown_names_are_refused(device: str, runtime: str) -> None:
    with pytest.raises(ValueError, match=r"tpu|tvm"):
        open_network(DATA / FILES[0], device, 1, runtime)


def test_auto_falls_back_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    ov = pytest.importorskip("openvino")

    def broken() -> None:
        raise RuntimeError("no plugin here")

    monkeypatch.setattr(ov, "Core", broken)
    c = open_network(DATA / FILES[3], "auto", 1).choice
    assert c.runtime == "onnxruntime"
    if c.device == "cpu":
        assert "no plugin here" in c.why


def test_committed_weights_are_small() -> None:
    for name in FILES + PUBLISHED:
        assert (DATA / name).stat().st_size <= 10_000_000


def test_openvino_reports_no_usage() -> None:
    """Its reports are sent from a fork that can meet a BLAS thread at work and never return."""
    code = """
import sys
from models.inference import _openvino
_openvino().Core()
from openvino.tools.ovc import telemetry_utils
print(telemetry_utils.tm.__name__, sys.modules["openvino_telemetry"])
"""
    pytest.importorskip("openvino")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          cwd=Path(__file__).parents[2])  # fmt: skip
    assert done.stdout.split() == ["openvino.tools.ovc.telemetry_stub", "None"]
