"""The product that BLAS would share between threads."""

from __future__ import annotations

import numpy as np
import pytest

from kernels.linear import products


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (92, 1404)])
def test_products_equal_a_matrix_product(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    basis, columns = random.normal(size=shape), random.normal(size=(8, shape[1]))
    wanted = basis @ columns.T
    np.testing.assert_allclose(products(basis, columns), wanted, rtol=0, atol=1e-12 * shape[1])
    np.testing.assert_array_equal(products(basis, columns), products(basis, columns))


def test_nothing_to_add_gives_zeros_and_wrong_arrays_are_named() -> None:
    assert not products(np.empty((2, 0)), np.empty((8, 0))).any()
    with pytest.raises(ValueError, match="columns"):
        products(np.zeros((2, 5)), np.zeros((8, 4)))
    with pytest.raises(TypeError, match="basis"):
        products(np.zeros((2, 5), np.float32), np.zeros((8, 5)))  # type: ignore[arg-type]
