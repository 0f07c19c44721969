"""A stand-in for CuPy whose RawModule runs the real `.cu` file on the host, in scrambled block order."""

from __future__ import annotations

import contextlib
import ctypes
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

HERE = Path(__file__).parent


def build(folder: Path, compiler: str, source: str) -> Any:
    (folder / "map_texture.cu").write_text(source)
    library = folder / "emulated.so"
    subprocess.run(
        [compiler, "-O1", "-std=c++17", "-ffp-contract=off", "-shared", "-fPIC", f"-I{folder}", str(HERE / "shim.cpp"),
         "-o", str(library)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return ctypes.CDLL(str(library))


class FakeCupy:
    """numpy with launches: records each one, refuses what a device would refuse, keeps buffers alive as CuPy does."""

    ndarray = np.ndarray

    def __init__(self, folder: Path, compiler: str) -> None:
        self.folder, self.compiler = folder, compiler
        self.launches: list[tuple[str, tuple[int, ...], tuple[int, ...], tuple[Any, ...], Any]] = []
        self.options: tuple[str, ...] = ()
        self.seed = 0
        now = SimpleNamespace(synchronize=lambda: None)
        self.cuda = SimpleNamespace(
            Stream=SimpleNamespace(null=contextlib.nullcontext()), get_current_stream=lambda: now
        )
        self._libraries: dict[str, Any] = {}

    empty = staticmethod(np.empty)
    full = staticmethod(np.full)
    asarray = staticmethod(np.asarray)
    asnumpy = staticmethod(np.asarray)

    def RawModule(self, code: str, options: tuple[str, ...]) -> Any:  # noqa: N802
        self.options = options
        if code not in self._libraries:
            self._libraries[code] = build(self.folder, self.compiler, code)
        library = self._libraries[code]

        def get_function(name: str) -> Any:
            def launch(grid: Any, block: Any, args: Any, stream: Any = None) -> None:
                assert all(isinstance(a, np.ndarray | np.int32 | np.float32) for a in args), (
                    "an argument without a size"
                )
                assert all(n >= 1 for n in (*grid, *block)), "CUDA refuses an empty grid"
                assert np.prod(block) <= 1024
                self.launches.append((name, grid, block, args, stream))
                self.seed += 1
                cells = [
                    ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray)
                    else (ctypes.c_int32(int(a)) if isinstance(a, np.int32) else ctypes.c_float(float(a)))
                    for a in args
                ]  # fmt: skip
                pointers = (ctypes.c_void_p * len(cells))(*[ctypes.addressof(c) for c in cells])
                assert library.launch(name.encode(), grid[0], block[0], pointers, self.seed) == 0

            return launch

        return SimpleNamespace(get_function=get_function)
