"""Peers of the Bayesian-optimisation proof: ten problems, one evaluation after another, without noise.

  botorch        SingleTaskGP (its defaults: Matern/RBF kernel with dimension-scaled priors, standardised values), LogExpectedImprovement,
                 optimize_acqf with 4 restarts from 128 raw samples; inputs in the unit cube; starts from a scrambled Sobol design
                 of min(max(10, 2 (d + 1)), 30) points
  optuna-gp      optuna.samplers.GPSampler, defaults (10 random trials first)
  optuna-tpe     optuna.samplers.TPESampler, defaults (multivariate since version 5)
  optuna-utpe    optuna.samplers.TPESampler(multivariate=False)
  random         uniform points of numpy's generator
  smac           smac.HyperparameterOptimizationFacade (random forest), deterministic, defaults
  smac-bb        smac.BlackBoxFacade (Gaussian process), deterministic, defaults

Budgets: 200 evaluations; 100 for botorch, optuna-gp, smac and smac-bb, which take seconds per proposal (50 where --budget said so: see the lines). `best` holds the best loss minus
the known minimum after 50, 100 and 200 evaluations, `trace` every improvement.

  python bench/peers/run_bo.py SOLVER [--seeds 0:1] [--problems branin,...] [--budget N]
"""

import argparse
import logging
import warnings

from common import Improvements, Lines, seeds, short, threads_one, version

threads_one()

import numpy as np  # noqa: E402
from bo_problems import PROBLEMS  # noqa: E402


def random(loss, low, high, budget, seed):
    rng = np.random.default_rng(seed)
    for _ in range(budget):
        loss(low + (high - low) * rng.random(len(low)))


def with_optuna(make_sampler):
    def solve(loss, low, high, budget, seed):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(sampler=make_sampler(optuna.samplers, seed))
        study.optimize(
            lambda trial: loss(np.array([trial.suggest_float(f"x{i}", low[i], high[i]) for i in range(len(low))])),
            n_trials=budget,
        )

    return solve


def botorch(loss, low, high, budget, seed):
    import torch
    from botorch.acquisition import LogExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    d = len(low)
    initial = min(max(10, 2 * (d + 1)), 30)
    cube = torch.stack([torch.zeros(d), torch.ones(d)]).double()
    x = torch.quasirandom.SobolEngine(d, scramble=True, seed=seed).draw(initial).double()

    def value(point):
        return -loss(low + (high - low) * point.numpy())

    y = torch.tensor([[value(point)] for point in x], dtype=torch.double)
    while len(x) < budget:
        model = SingleTaskGP(x, y)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        point, _ = optimize_acqf(
            LogExpectedImprovement(model, best_f=y.max()), bounds=cube, q=1, num_restarts=4, raw_samples=128
        )
        x = torch.cat([x, point])
        y = torch.cat([y, torch.tensor([[value(point[0])]], dtype=torch.double)])


def with_smac(facade):
    def solve(loss, low, high, budget, seed):
        import tempfile

        import smac
        from ConfigSpace import ConfigurationSpace, Float

        space = ConfigurationSpace(seed=seed)
        names = [f"x{i:03d}" for i in range(len(low))]
        space.add([Float(name, (float(low[i]), float(high[i]))) for i, name in enumerate(names)])
        with tempfile.TemporaryDirectory() as folder:
            scenario = smac.Scenario(space, deterministic=True, n_trials=budget, seed=seed, output_directory=folder)
            target = lambda config, seed=0: loss(np.array([config[name] for name in names]))  # noqa: E731
            getattr(smac, facade)(scenario, target, overwrite=True, logging_level=logging.ERROR).optimize()

    return solve


SOLVERS = {
    "random": (random, "numpy", 200, "uniform"),
    "optuna-tpe": (with_optuna(lambda s, seed: s.TPESampler(seed=seed)), "optuna", 200, "defaults"),
    "optuna-utpe": (
        with_optuna(lambda s, seed: s.TPESampler(seed=seed, multivariate=False)),
        "optuna",
        200,
        "multivariate=False, else defaults",
    ),
    "optuna-gp": (with_optuna(lambda s, seed: s.GPSampler(seed=seed)), "optuna", 100, "defaults"),
    "botorch": (botorch, "botorch", 100, "SingleTaskGP, LogEI, 4 restarts of 128 raw samples, Sobol start"),
    "smac": (with_smac("HyperparameterOptimizationFacade"), "smac", 100, "HyperparameterOptimizationFacade defaults"),
    "smac-bb": (with_smac("BlackBoxFacade"), "smac", 100, "BlackBoxFacade defaults"),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("solver", choices=SOLVERS)
    parser.add_argument("--seeds", type=seeds, default=range(1))
    parser.add_argument("--problems", default=",".join(PROBLEMS))
    parser.add_argument("--budget", type=int)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    solve, package, usual, settings = SOLVERS[arguments.solver]
    budget = arguments.budget or usual
    lines = Lines("bo", arguments.solver)
    for seed in arguments.seeds:
        for problem in arguments.problems.split(","):
            low, high, function, minimum = PROBLEMS[problem](seed)
            head = {
                "solver": arguments.solver,
                "version": version(package),
                "settings": settings,
                "problem": problem,
                "d": len(low),
                "instance": seed if problem.startswith("ackley") else 0,
                "seed": seed,
                "budget": budget,
            }

            def run():
                loss = Improvements(lambda x: function(x) - minimum)
                solve(loss, low, high, budget, seed)
                best = {
                    str(n): min(value for evaluation, value in loss.trace if evaluation <= n)
                    for n in (50, 100, 200)
                    if n <= budget
                }
                return {"evaluations": loss.evaluations, "best": best, "trace": loss.trace}

            lines.run(head, run)


if __name__ == "__main__":
    main()
