"""The authors' released program of natural niches (github.com/SakanaAI/natural_niches, commit 3b90342, Apache-2.0), run from a checkout of it.

One line of JSON per finished run: test accuracy of the member with the best training accuracy at each hundredth of the passes, as the program itself
reports it, and wall time. The program's own seeds are 42 ... 51. JAX runs on the CPU, with as many threads as it likes.

  python bench/peers/run_niches.py CHECKOUT run [--method natural_niches] [--start scratch|pretrained] [--seeds 42-51] [--passes 50000] [--out FILE]
  python bench/peers/run_niches.py CHECKOUT pair FILE      the program's two pre-trained networks as float32, for ours to start from
"""

import argparse
import contextlib
import io
import json
import os
import sys
import time

os.environ["JAX_PLATFORM_NAME"] = "cpu"

METHODS = {
    "natural_niches": {},
    "no_crossover": {"no_crossover": True},
    "no_splitpoint": {"no_splitpoint": True},
    "no_matchmaker": {"no_matchmaker": True},
    "ga": {"no_matchmaker": True, "alpha": 0.0},
}


def finished(path):
    if not os.path.exists(path):
        return []
    with open(path) as lines:
        return [json.loads(line) for line in lines if line.strip()]


def run_one(method, pretrained, seed, passes):
    import jax
    import natural_niches_fn as program

    # The program runs seeds 42, 43, ...; a run of its own for each seed needs another start of that count.
    original, pair = jax.random.PRNGKey, program.get_pre_trained_models() if pretrained else None
    program.get_pre_trained_models = lambda: pair
    jax.random.PRNGKey = lambda count: original(count - 42 + seed)
    options = {"no_matchmaker": False, "no_crossover": False, "no_splitpoint": False, **METHODS[method]}
    started = time.time()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            result = program.run_natural_niches(1, 20, passes, True, use_pre_trained=pretrained, **options)[0]
    finally:
        jax.random.PRNGKey = original
    seconds = time.time() - started
    at = [(k + 1) * passes // 100 for k in range(100)]
    pick = lambda name: [float(result[name][i - 1]) for i in at]
    return {
        "wall_s": seconds,
        "at": at,
        "train": pick("train_values"),
        "test": pick("test_values"),
        "version": f"3b90342, jax {jax.__version__}",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout")
    parser.add_argument("command", choices=["run", "pair"])
    parser.add_argument("file", nargs="?")
    parser.add_argument("--method", choices=METHODS, default="natural_niches")
    parser.add_argument("--start", choices=["scratch", "pretrained"], default="scratch")
    parser.add_argument("--seeds", default="42-51")
    parser.add_argument("--passes", type=int, default=50000)
    parser.add_argument("--out", default="bench/results/search/niches-peer.jsonl")
    arguments = parser.parse_args()
    sys.path.insert(0, arguments.checkout)
    if arguments.command == "pair":
        import numpy as np
        from helper_fn import get_pre_trained_models

        np.concatenate([np.asarray(network) for network in get_pre_trained_models()]).astype("<f4").tofile(arguments.file)
        return
    first, last = (arguments.seeds.split("-") * 2)[:2]
    for seed in range(int(first), int(last) + 1):
        key = {"method": arguments.method, "start": arguments.start, "passes": arguments.passes, "seed": seed}
        if any(all(line.get(name) == value for name, value in key.items()) for line in finished(arguments.out)):
            continue
        line = {**key, **run_one(arguments.method, arguments.start == "pretrained", seed, arguments.passes)}
        with open(arguments.out, "a") as out:
            out.write(json.dumps(line) + "\n")
        print(f"{arguments.method}, {arguments.start}, seed {seed}: test {line['test'][-1]:.4f}, {line['wall_s']:.1f} s", flush=True)


if __name__ == "__main__":
    main()
