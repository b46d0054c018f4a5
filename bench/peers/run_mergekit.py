"""Merges by mergekit, many in one process: run_mergekit.py JOBS.json

JOBS.json is a list of {"config": path, "out": path, "seed": int}. Each configuration is merged on the CPU as mergekit-yaml would do it,
with default options besides the seed and lazy unpickling; the time of each merge, without Python's start, goes to OUT.json beside
the output. A merge that mergekit refuses is recorded with its message.
"""

import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")

import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import MergeOptions, run_merge


def main() -> None:
    for job in json.load(open(sys.argv[1])):
        started = time.perf_counter()
        result = {}
        try:
            text = open(job["config"]).read()
            config = MergeConfiguration.model_validate(yaml.safe_load(text))
            options = MergeOptions(random_seed=job["seed"], quiet=True, **job.get("options", {}))
            run_merge(config, job["out"], options, config_source=text)
        except Exception as error:  # what mergekit refuses is a result too
            result["error"] = f"{type(error).__name__}: {error}"[:300]
        result["seconds"] = time.perf_counter() - started
        json.dump(result, open(job["out"] + ".json", "w"))


if __name__ == "__main__":
    main()
