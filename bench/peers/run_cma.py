"""CMA-ES peers on six functions: evaluations until the loss is <= 1e-8.

Protocol: x0 uniform in [-4, 4]^d, the same for every solver (uniforms(d, 1000 + seed)), sigma0 = 2, no bounds, default settings, one run
without restarts: it ends at the target, or when the solver's own criteria say so, or after 1e6 evaluations. Evaluations are counted one by
one, within a generation in the order asked.

  python bench/peers/run_cma.py pycma|cmaes [--seeds 0:21] [--dimensions 5,10,20,40] [--problems sphere,...]
"""

import argparse

from common import Lines, seeds, threads_one, uniforms, version

threads_one()

import cma  # noqa: E402
import cmaes  # noqa: E402
import numpy as np  # noqa: E402
from quadratics import QUADRATICS, quadratic  # noqa: E402

TARGET = 1e-8
BUDGET = 1_000_000


def pycma(loss, x0, seed):
    es = cma.CMAEvolutionStrategy(x0, 2.0, {"seed": seed + 1, "verbose": -9, "verb_disp": 0, "verb_log": 0})
    evaluations, best = 0, np.inf
    while not es.stop() and evaluations < BUDGET:
        points = es.ask()
        values = []
        for x in points:
            evaluations += 1
            value = float(loss(x))
            best = min(best, value)
            if value <= TARGET:
                return evaluations, best, "target"
            values.append(value)
        es.tell(points, values)
    return evaluations, best, ",".join(es.stop())


def cyberagent(loss, x0, seed):
    optimizer = cmaes.CMA(mean=np.asarray(x0), sigma=2.0, seed=seed)
    evaluations, best = 0, np.inf
    while not optimizer.should_stop() and evaluations < BUDGET:
        told = []
        for _ in range(optimizer.population_size):
            x = optimizer.ask()
            evaluations += 1
            value = float(loss(x))
            best = min(best, value)
            if value <= TARGET:
                return evaluations, best, "target"
            told.append((x, value))
        optimizer.tell(told)
    return evaluations, best, "should_stop"


SOLVERS = {"pycma": (pycma, "cma"), "cmaes": (cyberagent, "cmaes")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("solver", choices=SOLVERS)
    parser.add_argument("--seeds", type=seeds, default=range(21))
    parser.add_argument("--dimensions", default="5,10,20,40")
    parser.add_argument("--problems", default=",".join(QUADRATICS))
    arguments = parser.parse_args()
    solve, package = SOLVERS[arguments.solver]
    lines = Lines("cma", arguments.solver)
    for d in map(int, arguments.dimensions.split(",")):
        for seed in arguments.seeds:
            x0 = 8 * uniforms(d, 1000 + seed) - 4
            for problem in arguments.problems.split(","):
                head = {
                    "solver": arguments.solver,
                    "version": version(package),
                    "settings": "defaults, sigma0 2, no bounds, no restarts",
                    "problem": problem,
                    "d": d,
                    "instance": 0,
                    "seed": seed,
                }

                def run():
                    evaluations, best, stop = solve(quadratic(problem, d), x0, seed)
                    hit = evaluations if stop == "target" else None
                    return {"evaluations": evaluations, "hit": hit, "best": float(f"{best:.6g}"), "stop": stop}

                lines.run(head, run)


if __name__ == "__main__":
    main()
