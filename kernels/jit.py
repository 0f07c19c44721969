"""How kernels are compiled: two named arithmetic policies, serial or parallel, always cached and without the GIL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

FASTMATH = frozenset({"contract", "nsz", "reassoc"})
"""The one relaxed-arithmetic policy: no `nnan`, no `ninf`, because vertices may be NaN and depth starts at -inf."""

_SOURCES = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()[:8]

F = TypeVar("F", bound=Callable[..., Any])


def exact(function: F) -> F:
    """Compile with IEEE arithmetic, for decisions that must not depend on the compiler."""
    return _compiled(function, fastmath=False)


def interpolating(function: F) -> F:
    """Compile with `FASTMATH`, for values that have a tolerance."""
    return _compiled(function, fastmath=set(FASTMATH))


def parallel(function: F) -> F:
    """Compile a loop over workers; the work itself belongs in a function compiled by the other two."""
    return _compiled(function, fastmath=False, parallel=True)


def _compiled(function: F, **options: Any) -> F:
    # Numba's cache looks at the function's own file only, and a caller holds its callees' code: the name carries every
    # source of this package, so that an edited kernel is never found in an old caller
    function.__qualname__ = f"{function.__qualname__}_{_SOURCES}"
    return cast(F, njit(nogil=True, cache=True, error_model="numpy", **options)(function))
