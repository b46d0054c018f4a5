"""The ten problems of the Bayesian-optimisation proof; bench/search/lib/bo-problems.mjs is the same in JavaScript.

A problem is (low, high, loss, minimum): bounds of shape (d,), a loss of a vector of shape (d,), and the least value. Ackley's optimum lies
in the middle of its usual box, where several methods start: per seed it is moved, by up to a quarter of the range in every coordinate.
"""

import numpy as np
from common import uniforms

HARTMANN6_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
HARTMANN6_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
HARTMANN6_C = np.array([1.0, 1.2, 3.0, 3.2])


def branin(x):
    inner = x[1] - 5.1 / (4 * np.pi**2) * x[0] ** 2 + 5 / np.pi * x[0] - 6
    return inner**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x[0]) + 10


def hartmann6(x):
    return -np.sum(HARTMANN6_C * np.exp(-np.sum(HARTMANN6_A * (x - HARTMANN6_P) ** 2, axis=1)))


def ackley(x):
    d = len(x)
    return (
        -20 * np.exp(-0.2 * np.sqrt(np.sum(x**2) / d)) - np.exp(np.sum(np.cos(2 * np.pi * x)) / d) + 20 + np.e
    )


def levy(x):
    w = 1 + (x - 1) / 4
    middle = np.sum((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2))
    return np.sin(np.pi * w[0]) ** 2 + middle + (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2)


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def michalewicz(x):
    return -np.sum(np.sin(x) * np.sin(np.arange(1, len(x) + 1) * x**2 / np.pi) ** 20)


def styblinski_tang(x):
    return 0.5 * np.sum(x**4 - 16 * x**2 + 5 * x)


BRANIN_MINIMUM = 0.39788735772973816
HARTMANN6_MINIMUM = -3.322368011415515


def _box(d, low, high):
    return np.full(d, float(low)), np.full(d, float(high))


def _shifted_ackley(d, seed):
    shift = 32.768 * (uniforms(d, 5000 + seed) - 0.5)
    return (*_box(d, -32.768, 32.768), lambda x: ackley(x - shift), 0.0)


def _embedded(loss, low, high, minimum):
    """The genes that matter among 100 in [0, 1]: the middle of each of k equal stretches."""
    k = len(low)
    active = [int((i + 0.5) * 100 / k) for i in range(k)]
    return (*_box(100, 0, 1), lambda x: loss(low + (high - low) * x[active]), minimum)


BRANIN_BOX = (np.array([-5.0, 0.0]), np.array([10.0, 15.0]))

PROBLEMS = {
    "branin": lambda seed: (*BRANIN_BOX, branin, BRANIN_MINIMUM),
    "hartmann6": lambda seed: (*_box(6, 0, 1), hartmann6, HARTMANN6_MINIMUM),
    "ackley5": lambda seed: _shifted_ackley(5, seed),
    "ackley10": lambda seed: _shifted_ackley(10, seed),
    "levy10": lambda seed: (*_box(10, -10, 10), levy, 0.0),
    "rosenbrock5": lambda seed: (*_box(5, -5, 10), rosenbrock, 0.0),
    "michalewicz5": lambda seed: (*_box(5, 0, np.pi), michalewicz, -4.687658179088148),
    "styblinski-tang8": lambda seed: (*_box(8, -5, 5), styblinski_tang, 8 * -39.16616570377142),
    "branin-in-100": lambda seed: _embedded(branin, *BRANIN_BOX, BRANIN_MINIMUM),
    "hartmann6-in-100": lambda seed: _embedded(hartmann6, *_box(6, 0, 1), HARTMANN6_MINIMUM),
}
