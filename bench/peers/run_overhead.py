"""Processor time of the peers per ask of one candidate and tell of it, by dimension and number of evaluations told before.

The protocol of bench/search/overhead.mjs: a sphere in the unit cube, two spheres for pymoo; 10, 100, 1000 variables; 100, 1000, 5000 tells before; the mean of up to
50 candidates. What works by generations is timed by generation and divided by its size. Models get the evaluations before as finished trials.

A cell gives up measuring after 3 s with one candidate at least, and its warm-up after 12 s; where a cell came to more than 5 s a candidate or to nothing, those with
more tells are left out. All of it takes at most `--seconds`; a second call goes on.

  python bench/peers/run_overhead.py [pycma,cmaes,optuna-tpe,optuna-gp,botorch,pymoo-nsga2,...] [--dimensions 10,100,1000] [--seconds 480]
"""

import argparse
import logging
import time
import warnings

from common import Lines, threads_one, version

threads_one()

import numpy as np  # noqa: E402

TELLS = (100, 1000, 5000)
REPEATS = 50
PATIENCE = 3.0
WARM_UP = 12.0
TOO_SLOW_MS = 5_000
MOST_VALUES = 1_000_000


def sphere(x):
    return float(np.sum((x - 0.3) ** 2))


def two_spheres(x):
    return [sphere(x), float(np.sum((x - 0.7) ** 2))]


class Evolving:
    """Warm-up by its own generations. `generation()` is a whole ask, evaluation and tell; returns the number of candidates."""

    def __init__(self, make):
        self.make = make

    def start(self, d, tells):
        generation = self.make(d)
        begun, told = time.process_time(), 0
        while told < tells:
            told += generation()
            if time.process_time() - begun > WARM_UP:
                return None, f"only {told} tells in {WARM_UP:.0f} s"
        return generation, None


class Modelling:
    """Gets the evaluations before as data, `most` at most: beyond, a single candidate would take longer than the whole measurement."""

    def __init__(self, make, most=5000):
        self.make = make
        self.most = most

    def start(self, d, tells):
        if tells > self.most or tells * d > MOST_VALUES:
            return None, f"not tried: {tells} trials of {d} variables"
        rng = np.random.default_rng(1)
        x = rng.random((tells, d))
        return self.make(d, x, np.array([sphere(point) for point in x])), None


def pycma(d):
    import cma

    options = {"seed": 1, "verbose": -9, "verb_log": 0, "verb_disp": 0, "bounds": [0, 1], "maxfevals": np.inf, "maxiter": np.inf}
    search = cma.CMAEvolutionStrategy(np.random.default_rng(1).random(d), 0.2, options)

    def generation():
        points = search.ask()
        search.tell(points, [sphere(x) for x in points])
        return len(points)

    return generation


def cmaes(d):
    from cmaes import CMA

    search = CMA(np.random.default_rng(1).random(d), 0.2, bounds=np.array([[0.0, 1.0]] * d), seed=1)

    def generation():
        points = [search.ask() for _ in range(search.population_size)]
        search.tell([(x, sphere(x)) for x in points])
        return len(points)

    return generation


def with_pymoo(make):
    def start(d):
        from pymoo.core.evaluator import Evaluator
        from pymoo.core.problem import Problem
        from pymoo.problems.static import StaticProblem

        problem = Problem(n_var=d, n_obj=2, xl=np.zeros(d), xu=np.ones(d))
        search = make()
        search.setup(problem, termination=("n_gen", 10**9), seed=1, verbose=False)

        def generation():
            points = search.ask()
            losses = np.array([two_spheres(x) for x in points.get("X")])
            Evaluator().eval(StaticProblem(problem, F=losses), points)
            search.tell(infills=points)
            return len(points)

        return generation

    return start


def nsga2():
    from pymoo.algorithms.moo.nsga2 import NSGA2

    return NSGA2(pop_size=100)


def nsga3():
    from pymoo.algorithms.moo.nsga3 import NSGA3
    from pymoo.util.ref_dirs import get_reference_directions

    return NSGA3(get_reference_directions("das-dennis", 2, n_partitions=99), pop_size=100)


def sms_emoa():
    from pymoo.algorithms.moo.sms import SMSEMOA

    return SMSEMOA(pop_size=100)


def with_optuna(make_sampler):
    def start(d, x, y):
        import optuna
        from optuna.distributions import FloatDistribution

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        names = [f"x{i}" for i in range(d)]
        space = {name: FloatDistribution(0, 1) for name in names}
        study = optuna.create_study(sampler=make_sampler(optuna.samplers))
        study.add_trials(
            [
                optuna.trial.create_trial(params=dict(zip(names, map(float, point))), distributions=space, value=float(value))
                for point, value in zip(x, y)
            ]
        )

        def one():
            trial = study.ask(space)
            study.tell(trial, sphere(np.array([trial.params[name] for name in names])))
            return 1

        return one

    return start


def botorch(d, x, y):
    import torch
    from botorch.acquisition import LogExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood

    torch.set_num_threads(1)
    torch.manual_seed(1)
    cube = torch.stack([torch.zeros(d), torch.ones(d)]).double()
    state = {"x": torch.tensor(x), "y": -torch.tensor(y).unsqueeze(1)}

    def one():
        model = SingleTaskGP(state["x"], state["y"])
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        point, _ = optimize_acqf(
            LogExpectedImprovement(model, best_f=state["y"].max()), bounds=cube, q=1, num_restarts=4, raw_samples=128
        )
        value = torch.tensor([[-sphere(point[0].numpy())]], dtype=torch.double)
        state["x"], state["y"] = torch.cat([state["x"], point]), torch.cat([state["y"], value])
        return 1

    return one


SOLVERS = {
    "pycma": ("cma", Evolving(pycma)),
    "cmaes": ("cmaes", Evolving(cmaes)),
    "pymoo-nsga2": ("pymoo", Evolving(with_pymoo(nsga2))),
    "pymoo-nsga3": ("pymoo", Evolving(with_pymoo(nsga3))),
    "pymoo-sms-emoa": ("pymoo", Evolving(with_pymoo(sms_emoa))),
    "optuna-tpe": ("optuna", Modelling(with_optuna(lambda s: s.TPESampler(seed=1)))),
    "optuna-gp": ("optuna", Modelling(with_optuna(lambda s: s.GPSampler(seed=1)), 1000)),
    "botorch": ("botorch", Modelling(botorch, 1000)),
}


def measure(solver, d, tells):
    step, reason = solver.start(d, tells)
    if step is None:
        return {"milliseconds": None, "reason": reason}
    times, begun = [], time.process_time()
    while len(times) < REPEATS and (not times or time.process_time() - begun < PATIENCE):
        start = time.process_time()
        candidates = step()
        times += [1000 * (time.process_time() - start) / candidates] * candidates
    short = lambda value: float(f"{value:.3g}")  # noqa: E731
    return {
        "milliseconds": short(np.mean(times)),
        "median": short(np.median(times)),
        "most": short(np.max(times)),
        "repeats": len(times),
        "prior": isinstance(solver, Modelling),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("solvers", nargs="?", default=",".join(SOLVERS))
    parser.add_argument("--dimensions", default="10,100,1000")
    parser.add_argument("--seconds", type=float, default=480)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    end = time.perf_counter() + arguments.seconds
    for name in arguments.solvers.split(","):
        package, solver = SOLVERS[name]
        lines = Lines("overhead", name)
        for d in map(int, arguments.dimensions.split(",")):
            for tells in TELLS:
                if time.perf_counter() > end:
                    return
                head = {
                    "solver": name,
                    "version": version(package),
                    "settings": "defaults",
                    "problem": "two spheres" if name.startswith("pymoo") else "sphere",
                    "d": d,
                    "instance": 0,
                    "seed": 0,
                    "tells": tells,
                }
                found = {}

                def run():
                    found.update(measure(solver, d, tells))
                    return found

                lines.run(head, run)
                if found and (found["milliseconds"] is None or found["milliseconds"] > TOO_SLOW_MS):
                    break


if __name__ == "__main__":
    main()
