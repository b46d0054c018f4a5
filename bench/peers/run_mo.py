"""pymoo's evolutionary algorithms on ZDT, DTLZ and WFG: hypervolume of everything evaluated so far.

Problems: ZDT1-3 with 30 variables, ZDT4 and ZDT6 with 10; DTLZ1-7 with three objectives and 7 (DTLZ1), 12 (DTLZ2-6) or 22 (DTLZ7) variables;
WFG1-9 with two objectives, 4 position and 20 distance variables. Reference points: 1.1 for ZDT, 0.55 for DTLZ1, 1.1 for DTLZ2-6, (1.1, 1.1, 6.6) for DTLZ7,
(3, 5) for WFG.

Algorithms: NSGA-II, SMS-EMOA with a population of 100; NSGA-III with 100 (two objectives) or 91 (three) reference directions of Das and Dennis. Else defaults.
25,000 evaluations. `hv` is the hypervolume of all points among the first 5,000, 10,000 and 25,000 evaluated; `hvPopulation` that of the last population.

  python bench/peers/run_mo.py nsga2|nsga3|sms-emoa [--seeds 0:5] [--problems zdt1,...]
"""

import argparse

from common import Lines, seeds, threads_one, version

threads_one()

import moocore  # noqa: E402
import numpy as np  # noqa: E402
from pymoo.algorithms.moo.nsga2 import NSGA2  # noqa: E402
from pymoo.algorithms.moo.nsga3 import NSGA3  # noqa: E402
from pymoo.algorithms.moo.sms import SMSEMOA  # noqa: E402
from pymoo.optimize import minimize  # noqa: E402
from pymoo.problems import get_problem  # noqa: E402
from pymoo.util.ref_dirs import get_reference_directions  # noqa: E402

BUDGET = 25_000
CHECKPOINTS = (5_000, 10_000, 25_000)

ZDT = ("zdt1", "zdt2", "zdt3", "zdt4", "zdt6")
DTLZ = tuple(f"dtlz{i}" for i in range(1, 8))
WFG = tuple(f"wfg{i}" for i in range(1, 10))


def problem_of(name):
    """name -> (problem, reference point of shape (m,))"""
    if name in ZDT:
        return get_problem(name), np.full(2, 1.1)
    if name in DTLZ:
        variables = {"dtlz1": 7, "dtlz7": 22}.get(name, 12)
        reference = {"dtlz1": [0.55] * 3, "dtlz7": [1.1, 1.1, 6.6]}.get(name, [1.1] * 3)
        return get_problem(name, n_var=variables, n_obj=3), np.array(reference)
    return get_problem(name, n_var=24, n_obj=2, k=4, l=20), np.array([3.0, 5.0])


def algorithm_of(solver, m):
    if solver == "nsga2":
        return NSGA2(pop_size=100)
    if solver == "sms-emoa":
        return SMSEMOA(pop_size=100)
    return NSGA3(get_reference_directions("das-dennis", m, n_partitions=99 if m == 2 else 12))


def hypervolume(points, reference):
    inside = points[np.all(points < reference, axis=1)]
    if len(inside) == 0:
        return 0.0
    return float(moocore.hypervolume(inside[moocore.is_nondominated(inside)], ref=reference))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("solver", choices=("nsga2", "nsga3", "sms-emoa"))
    parser.add_argument("--seeds", type=seeds, default=range(5))
    parser.add_argument("--problems", default=",".join((*ZDT, *DTLZ, *WFG)))
    arguments = parser.parse_args()
    lines = Lines("mo", f"pymoo-{arguments.solver}")
    for seed in arguments.seeds:
        for name in arguments.problems.split(","):
            problem, reference = problem_of(name)
            head = {
                "solver": f"pymoo-{arguments.solver}",
                "version": version("pymoo"),
                "settings": "91 reference directions" if arguments.solver == "nsga3" and len(reference) == 3 else "population 100",
                "problem": name,
                "d": problem.n_var,
                "m": len(reference),
                "instance": 0,
                "seed": seed,
                "budget": BUDGET,
            }

            def run():
                seen = []
                evaluate = problem._evaluate

                def recorded(x, out, *args, **kwargs):
                    evaluate(x, out, *args, **kwargs)
                    seen.append(np.array(out["F"]))

                problem._evaluate = recorded
                algorithm = algorithm_of(arguments.solver, len(reference))
                result = minimize(problem, algorithm, ("n_eval", BUDGET), seed=seed)
                points = np.vstack(seen)
                return {
                    "evaluations": len(points),
                    "hv": {str(n): float(f"{hypervolume(points[:n], reference):.8g}") for n in CHECKPOINTS},
                    "hvPopulation": float(f"{hypervolume(result.pop.get('F'), reference):.8g}"),
                }

            lines.run(head, run)


if __name__ == "__main__":
    main()
