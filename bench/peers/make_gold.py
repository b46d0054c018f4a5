"""Gold vectors: function values of the Python side at 20 points per function, for `node bench/search/check.mjs`.

BBOB from cma.bbobbenchmarks, ZDT, DTLZ and WFG from pymoo, the BO and CMA functions from this folder (which the peers run on).
Points are uniforms(d, seed) scaled into the box, so only seeds are stored.

  python bench/peers/make_gold.py
"""

import json
from pathlib import Path

import numpy as np
from bo_problems import PROBLEMS
from cma import bbobbenchmarks
from common import uniforms
from quadratics import QUADRATICS, quadratic
from run_mo import DTLZ, WFG, ZDT, problem_of

POINTS = 20
GOLD = Path(__file__).resolve().parent.parent / "search" / "gold"


def points(low, high):
    return [low + (high - low) * uniforms(len(low), 10_000 + k) for k in range(POINTS)]


def box(d, low, high):
    return np.full(d, low), np.full(d, high)


def write(name, rows):
    GOLD.mkdir(exist_ok=True)
    with open(GOLD / f"{name}.json", "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n")


def main():
    rows = []
    for d in (5, 10, 20, 40):
        for name in QUADRATICS:
            loss = quadratic(name, d)
            rows.append({"problem": name, "d": d, "values": [float(loss(x)) for x in points(*box(d, -4.0, 4.0))]})
    write("cma", rows)

    rows = []
    for f in range(1, 25):
        for d, instance in ((2, 1), (5, 2), (10, 7), (20, 15), (40, 3)):
            function, minimum = bbobbenchmarks.instantiate(f, instance)
            values = [float(function(x)) for x in points(*box(d, -5.5, 5.5))]
            rows.append({"f": f, "d": d, "instance": instance, "minimum": float(minimum), "values": values})
    write("bbob", rows)

    rows = []
    for name, problem in PROBLEMS.items():
        for seed in (0, 1):
            low, high, loss, minimum = problem(seed)
            rows.append({"problem": name, "seed": seed, "minimum": minimum, "values": [float(loss(x)) for x in points(low, high)]})
    write("bo", rows)

    rows = []
    for name in (*ZDT, *DTLZ, *WFG):
        problem, reference = problem_of(name)
        values = problem.evaluate(np.array(points(problem.xl, problem.xu)), return_values_of=["F"])
        rows.append({"problem": name, "reference": reference.tolist(), "values": values.tolist()})
    write("mo", rows)


if __name__ == "__main__":
    main()
