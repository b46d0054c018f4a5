"""A warm evaluator around lm-evaluation-harness: model and tasks stay in memory, each candidate's weights are written into the model.

    python warm.py --base FOLDER --objective acc=facts_@split:acc [--objective ...]
        [--include-path FOLDER] [--device cpu] [--dtype float32] [--batch-size 8] [--num-fewshot N]

Started by the `command` evaluator with `mode: warm`; evaluators/lm-eval/README.md shows the file. An objective is TASK:METRIC or
TASK:METRIC,FILTER; @split in it stands for the split. Documents are taken in the order that the task has them.
"""
import argparse
import json
import math
import os
import sys
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "transformers"))
from lines import Lines  # noqa: E402
from weights import ResidentWeights  # noqa: E402

SPLITS = ("search", "select", "holdout")
# Per document the harness keeps (log-likelihood in nats, words or bytes) for these. Perplexities stay in nats, which cannot overflow.
PER_DOCUMENT = {"word_perplexity": float, "byte_perplexity": float, "bits_per_byte": lambda nats: nats / math.log(2)}


def document_score(metric, value):
    if isinstance(value, (list, tuple)):
        log_likelihood, length = value
        return PER_DOCUMENT[metric](-log_likelihood / length)
    return float(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True, help="model folder: architecture and tokenizer")
    parser.add_argument("--objective", action="append", required=True, help="NAME=TASK:METRIC[,FILTER]; may hold @split")
    parser.add_argument("--include-path", help="folder with tasks of your own")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--num-fewshot", type=int)
    parser.add_argument("--threads", type=int, default=1, help="of a processor; more may change the last bits")
    options = parser.parse_args()
    lines = Lines()

    import torch
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    torch.set_num_threads(options.threads)
    objectives = {}
    for text in options.objective:
        name, _, rest = text.partition("=")
        task, _, metric = rest.rpartition(":")
        metric, _, chosen = metric.partition(",")
        objectives[name] = (task, metric, chosen or "none")

    model = HFLM(pretrained=options.base, dtype=options.dtype, device=options.device, batch_size=options.batch_size)
    weights = ResidentWeights(model.model)
    manager = TaskManager(include_path=options.include_path)

    def evaluate(split, documents):
        """Runs the tasks of a split on the named documents (task -> numbers); `documents` None: on all."""
        tasks = sorted({task.replace("@split", split) for task, _, _ in objectives.values()})
        if documents is not None:
            tasks = [task for task in tasks if documents.get(task)]
        if not tasks:
            return {"samples": {}, "results": {}}
        return simple_evaluate(
            model=model, tasks=tasks, task_manager=manager, num_fewshot=options.num_fewshot, log_samples=True, bootstrap_iters=0,
            samples=None if documents is None else {task: documents[task] for task in tasks},
        )

    def count(split):
        found = {}
        loaded = manager.load(sorted({task.replace("@split", split) for task, _, _ in objectives.values()}))
        for name, (task, _, _) in objectives.items():
            found[name] = len(loaded["tasks"][task.replace("@split", split)].eval_docs)
        return found

    counts = {split: count(split) for split in SPLITS}

    def answer(request):
        weights.load(request["model"])
        split = request["split"]
        documents, asked = {}, {}
        for name, (task, _, _) in objectives.items():
            wanted = request["examples"].get(name, {"begin": 0, "end": 0})
            if isinstance(wanted, list):
                raise ValueError("the documents are the harness's own: leave out the option examples")
            asked[name] = range(wanted["begin"], wanted["end"])
            documents.setdefault(task.replace("@split", split), set()).update(asked[name])
        everything = all(len(asked[name]) == counts[split][name] for name in objectives)
        output = evaluate(split, None if everything else {task: sorted(own) for task, own in documents.items()})
        scores, values = {}, {}
        for name, (task, metric, chosen) in objectives.items():
            task = task.replace("@split", split)
            rows = {row["doc_id"]: row for row in output["samples"].get(task, []) if row.get("filter", "none") == chosen}
            scores[name] = [document_score(metric, rows[i][metric]) for i in asked[name]]
            # The harness's own aggregate is over these documents where the task has no others.
            if len(rows) == len(asked[name]) and rows:
                values[name] = float(output["results"][task][f"{metric},{chosen}"])
        return {"values": values, "scores": scores}

    lines.serve(answer, {"objectives": list(objectives), "examples": counts})


if __name__ == "__main__":
    main()
