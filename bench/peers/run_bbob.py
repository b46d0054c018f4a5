"""pycma with BIPOP restarts on the 24 noiseless BBOB functions of cma.bbobbenchmarks.

  pycma           without bounds, as usual for this test bed
  pycma-bounds    with the bounds [-5, 5]^d, pycma's default treatment of them (a smooth transformation of the variables)

Protocol: every run starts at a point uniform in [-4, 4]^d with sigma0 = 2,
the first one at uniforms(d, 2000 + 100 * instance + function), the same for every solver. Budget 1e4 d evaluations over all restarts. `hits` holds, for
each of 51 targets 10^2, 10^1.8, ..., 10^-8, the first evaluation at or below it, null if never; a run ends at the last target.

  python bench/peers/run_bbob.py [pycma|pycma-bounds] [--dimensions 5,10,20] [--instances 1:16] [--problems f1,...]
"""

import argparse
import warnings

from common import Lines, seeds, threads_one, uniforms, version

threads_one()

import cma  # noqa: E402
import numpy as np  # noqa: E402
from cma import bbobbenchmarks  # noqa: E402

TARGETS = 10.0 ** (2 - 0.2 * np.arange(51))


BOUNDS = {"pycma": None, "pycma-bounds": [-5, 5]}


class Done(Exception):
    pass


class Counted:
    def __init__(self, function, optimum, budget):
        self.function, self.optimum, self.budget = function, optimum, budget
        self.evaluations, self.best, self.hits = 0, np.inf, []

    def __call__(self, x):
        if self.evaluations == self.budget or len(self.hits) == len(TARGETS):
            raise Done
        self.evaluations += 1
        value = float(self.function(np.asarray(x)))
        if value - self.optimum < self.best:
            self.best = value - self.optimum
            while len(self.hits) < len(TARGETS) and self.best <= TARGETS[len(self.hits)]:
                self.hits.append(self.evaluations)
        return value


def solve(function, optimum, d, budget, x0, seed, bounds):
    loss = Counted(function, optimum, budget)
    starts = [x0]
    rng = np.random.default_rng(seed)

    def start():
        return starts.pop() if starts else 8 * rng.random(d) - 4

    options = {"seed": seed, "verbose": -9, "verb_disp": 0, "verb_log": 0, "maxfevals": budget, "bounds": bounds}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            while True:
                cma.fmin2(loss, start, 2.0, options, restarts=9, bipop=True)
                options["seed"] += 1
    except Done:
        pass
    return loss


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("solver", nargs="?", choices=BOUNDS, default="pycma")
    parser.add_argument("--dimensions", default="5,10,20")
    parser.add_argument("--instances", type=seeds, default=range(1, 16))
    parser.add_argument("--problems", default=",".join(f"f{f}" for f in range(1, 25)))
    arguments = parser.parse_args()
    bounds = BOUNDS[arguments.solver]
    lines = Lines("bbob", arguments.solver)
    for instance in arguments.instances:
        for d in map(int, arguments.dimensions.split(",")):
            for problem in arguments.problems.split(","):
                f = int(problem[1:])
                budget = 10_000 * d
                seed = 100 * instance + f
                x0 = 8 * uniforms(d, 2000 + seed) - 4
                head = {
                    "solver": arguments.solver,
                    "version": version("cma"),
                    "settings": f"fmin2, bipop, sigma0 2, {'no' if bounds is None else bounds} bounds",
                    "problem": problem,
                    "d": d,
                    "instance": instance,
                    "seed": seed,
                    "budget": budget,
                }

                def run():
                    function, optimum = bbobbenchmarks.instantiate(f, instance)
                    loss = solve(function, optimum, d, budget, x0, seed, bounds)
                    hits = [*loss.hits, *[None] * (len(TARGETS) - len(loss.hits))]
                    return {"evaluations": loss.evaluations, "best": float(f"{loss.best:.6g}"), "hits": hits}

                lines.run(head, run)


if __name__ == "__main__":
    main()
