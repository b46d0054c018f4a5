"""The six functions of the CMA-ES proof; bench/search/lib/quadratics.mjs is the same in JavaScript."""

import numpy as np
from cma.bbobbenchmarks import compute_rotation

ROTATION_SEED = 7


def quadratic(name, d):
    """name, d -> loss of a vector of shape (d,). Condition 1e6 and one rotation for all but the sphere and Rosenbrock."""
    exponent = np.arange(d) / max(d - 1, 1)
    rotation = compute_rotation(ROTATION_SEED, d)
    if name == "sphere":
        return lambda x: np.sum(x**2)
    if name == "ellipsoid":
        return lambda x: np.sum(1e6**exponent * (rotation @ x) ** 2)
    if name == "cigar":
        return lambda x: _weighted(rotation @ x, 1, 1e6)
    if name == "discus":
        return lambda x: _weighted(rotation @ x, 1e6, 1)
    if name == "diffpow":
        return lambda x: np.sqrt(np.sum(np.abs(rotation @ x) ** (2 + 4 * exponent)))
    if name == "rosenbrock":
        return lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    raise ValueError(name)


def _weighted(y, first, others):
    return first * y[0] ** 2 + others * np.sum(y[1:] ** 2)


QUADRATICS = ("sphere", "ellipsoid", "cigar", "discus", "diffpow", "rosenbrock")
