"""What every peer runner shares: JSON lines that resume, start points, versions.

A run is one line of a .jsonl file, appended when the run has ended, so that stopping loses nothing but the run at hand, and a second
start skips the lines that exist. The fields are described in bench/search/README.md.
"""

import importlib.metadata
import json
import os
import time
from pathlib import Path

import numpy as np
from cma.bbobbenchmarks import unif

RESULTS = Path(__file__).resolve().parent.parent / "results" / "search"


def version(package):
    return importlib.metadata.version(package)


def key(line):
    return (line["problem"], line["d"], line.get("m"), line["instance"], line["seed"], line.get("budget"), line.get("tells"))


class Lines:
    """One file of runs: bench/results/search/<proof>/<solver>.jsonl."""

    def __init__(self, proof, solver):
        self.path = RESULTS / proof / f"{solver}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.seen = set()
        if self.path.exists():
            with open(self.path) as file:
                self.seen = {key(json.loads(line)) for line in file if line.strip()}

    def run(self, head, function):
        """Runs `function()` -> dict of results, unless a line with this head exists."""
        if key(head) in self.seen:
            return
        start = time.perf_counter()
        cpu = time.process_time()
        results = function()
        seconds = {"seconds": round(time.perf_counter() - start, 3), "cpu": round(time.process_time() - cpu, 3)}
        with open(self.path, "a") as file:
            file.write(json.dumps({**head, **results, **seconds}, separators=(",", ":")) + "\n")
        self.seen.add(key(head))


def seeds(text):
    """'3' or '0:21' -> range."""
    first, _, end = text.partition(":")
    return range(int(first), int(end) if end else int(first) + 1)


def uniforms(n, seed):
    """n numbers in (0, 1), the same in bench/search/lib/uniforms.mjs: the generator of the BBOB functions."""
    return unif(n, seed)


def short(value):
    """Six significant digits are enough for a plot."""
    return float(f"{value:.6g}")


class Improvements:
    """A loss with its best-so-far trace: [evaluation, best] wherever the best improves. The first evaluation is 1."""

    def __init__(self, loss):
        self.loss = loss
        self.evaluations = 0
        self.best = np.inf
        self.trace = []

    def __call__(self, x):
        self.evaluations += 1
        value = float(self.loss(x))
        if value < self.best:
            self.best = value
            self.trace.append([self.evaluations, short(value)])
        return value


def threads_one():
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
