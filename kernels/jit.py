"""How kernels are compiled: two named arithmetic policies, serial or parallel, always cached and without the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

FASTMATH = frozenset({"contract", "nsz", "reassoc"})
"""The one relaxed-arithmetic policy: no `nnan`, no `ninf`, because vertices may be NaN and depth starts at -inf."""

F = TypeVar("F", bound=Callable[..., Any])


def exact(function: F) -> F:
    """Compile with IEEE arithmetic, for decisions that must not depend on the compiler."""
    return cast(F, njit(nogil=True, cache=True, fastmath=False, error_model="numpy")(function))


def interpolating(function: F) -> F:
    """Compile with `FASTMATH`, for values that have a tolerance."""
    return cast(F, njit(nogil=True, cache=True, fastmath=set(FASTMATH), error_model="numpy")(function))


def parallel(function: F) -> F:
    """Compile a loop over workers; the work itself belongs in a function compiled by the other two."""
    return cast(F, njit(parallel=True, nogil=True, cache=True, fastmath=False, error_model="numpy")(function))
