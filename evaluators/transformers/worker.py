"""A warm evaluator for Hugging Face causal language models: the model stays in memory, each candidate's weights are written into it.

    python worker.py --base FOLDER --data examples.jsonl [--device cpu] [--dtype float32] [--batch-size 8] [--max-new-tokens 32]

Started by the `command` evaluator with `mode: warm`; evaluators/transformers/README.md shows the file. Each line of the data is an
example: {"id", "split", "kind", ...} with one of

    "kind": "text",    "text", optional "context"              -> nll (nats per token), bits_per_byte
    "kind": "choice",  "context", "choices", "answer" (index)  -> acc, acc_norm (by log-likelihood, and by that per character)
                       optional "delimiter" between context and choice, a space by default, as in lm-evaluation-harness
    "kind": "generate", "prompt", "answer" (text or list)      -> exact_match (greedy)

Objectives have the names of these scores; an objective is scored on the examples of its kind. Without ids in a request the worker's own
order is the order of the file.
"""
import argparse
import json
import math
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parent))
from lines import Lines  # noqa: E402
from weights import ResidentWeights  # noqa: E402

SPLITS = ("search", "select", "holdout")
SCORES = {"text": ("nll", "bits_per_byte"), "choice": ("acc", "acc_norm"), "generate": ("exact_match",)}


def read_examples(path):
    examples = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            example = json.loads(line)
            if example.get("kind") not in SCORES:
                raise SystemExit(f"{path}, line {number}: kind must be text, choice or generate, got {example.get('kind')!r}")
            example["id"] = str(example.get("id", number))
            examples.append(example)
    return examples


class Scorer:
    def __init__(self, options, examples):
        self.tokenizer = AutoTokenizer.from_pretrained(options.base)
        dtype = getattr(torch, options.dtype)
        self.model = AutoModelForCausalLM.from_pretrained(options.base, dtype=dtype).to(options.device).eval()
        self.weights = ResidentWeights(self.model)
        self.device = options.device
        self.batch_size = options.batch_size
        self.max_new_tokens = options.max_new_tokens
        self.length = getattr(self.model.config, "max_position_embeddings", 1 << 20)
        # The token before the first: the harness's convention, bos where there is one, else eos.
        bos = self.tokenizer.bos_token_id
        self.prefix = self.tokenizer.eos_token_id if bos is None else bos
        self.requests = {example["id"]: self._requests(example) for example in examples if example["kind"] != "generate"}

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False)

    def _requests(self, example):
        """The (context, continuation) pairs of an example, as token ids."""
        if example["kind"] == "text":
            return [self._pair(example.get("context", ""), example["text"])]
        delimiter = example.get("delimiter", " ")
        return [self._pair(example["context"], delimiter + choice) for choice in example["choices"]]

    def _pair(self, context, continuation):
        # Spaces at the end of the context belong to the continuation, and both are encoded together: the harness's rule.
        stripped = context.rstrip()
        continuation = context[len(stripped):] + continuation
        whole, first = self.encode(stripped + continuation), self.encode(stripped) if stripped else []
        if not first:
            return [self.prefix], whole
        return whole[: len(first)], whole[len(first):]

    @torch.inference_mode()
    def log_likelihoods(self, pairs):
        """Nats of each continuation. Rows of one batch have one length after padding on the right, which later tokens cannot see."""
        order = sorted(range(len(pairs)), key=lambda i: -len(pairs[i][0]) - len(pairs[i][1]))
        result = [0.0] * len(pairs)
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            rows = []
            for i in chosen:
                context, continuation = pairs[i]
                if len(continuation) > self.length:
                    raise ValueError(f"a continuation has {len(continuation)} tokens; the model sees {self.length}")
                rows.append((context + continuation)[-(self.length + 1):][:-1])
            width = max(map(len, rows))
            batch = torch.zeros((len(rows), width), dtype=torch.long)
            mask = torch.zeros((len(rows), width), dtype=torch.long)
            for k, row in enumerate(rows):
                batch[k, : len(row)] = torch.tensor(row)
                mask[k, : len(row)] = 1
            logits = self.model(input_ids=batch.to(self.device), attention_mask=mask.to(self.device)).logits
            for k, i in enumerate(chosen):
                continuation = torch.tensor(pairs[i][1])
                end = len(rows[k])
                own = torch.log_softmax(logits[k, end - len(continuation) : end].float(), dim=-1)
                result[i] = own.gather(1, continuation[:, None].to(own.device)).double().sum().item()
        return result

    def score(self, examples):
        """Example id -> its scores by name."""
        flat = [(example, k, pair) for example in examples if example["kind"] != "generate"
                for k, pair in enumerate(self.requests[example["id"]])]
        nats = self.log_likelihoods([pair for _, _, pair in flat])
        by_example = {}
        for (example, _, pair), value in zip(flat, nats):
            by_example.setdefault(example["id"], []).append((value, len(pair[1])))
        scores = {}
        for example in examples:
            own = by_example.get(example["id"])
            if example["kind"] == "text":
                value, tokens = own[0]
                size = len(example["text"].encode("utf-8"))
                scores[example["id"]] = {"nll": -value / tokens, "bits_per_byte": -value / size / math.log(2)}
            elif example["kind"] == "choice":
                plain = [value for value, _ in own]
                normed = [value / len(choice) for value, choice in zip(plain, example["choices"])]
                if any(math.isnan(value) for value in plain):
                    scores[example["id"]] = {"acc": math.nan, "acc_norm": math.nan}
                else:
                    scores[example["id"]] = {
                        "acc": float(plain.index(max(plain)) == example["answer"]),
                        "acc_norm": float(normed.index(max(normed)) == example["answer"]),
                    }
            else:
                scores[example["id"]] = {"exact_match": self.exact_match(example)}
        return scores

    @torch.inference_mode()
    def exact_match(self, example):
        ids = torch.tensor([[self.prefix] + self.encode(example["prompt"])]).to(self.device)
        made = self.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=self.max_new_tokens,
            pad_token_id=self.prefix,
        )
        text = self.tokenizer.decode(made[0, ids.shape[1]:], skip_special_tokens=True)
        for stop in example.get("stop", ["\n"]):
            text = text.split(stop)[0]
        answers = example["answer"] if isinstance(example["answer"], list) else [example["answer"]]
        return float(text.strip() in [answer.strip() for answer in answers])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True, help="model folder: architecture and tokenizer")
    parser.add_argument("--data", required=True, help="examples, JSON lines")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1, help="of a processor; more may change the last bits")
    options = parser.parse_args()
    lines = Lines()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    examples = read_examples(options.data)
    by_id = {example["id"]: example for example in examples}
    scorer = Scorer(options, examples)

    names = sorted({name for example in examples for name in SCORES[example["kind"]]})
    own = {
        split: {name: [e for e in examples if e.get("split") == split and name in SCORES[e["kind"]]] for name in names}
        for split in SPLITS
    }

    def answer(request):
        scorer.weights.load(request["model"])
        wanted = {}
        for name, asked in request["examples"].items():
            if isinstance(asked, list):
                wanted[name] = [by_id[identity] for identity in asked]
            else:
                wanted[name] = own[request["split"]].get(name, [])[asked["begin"] : asked["end"]]
            for example in wanted[name]:
                if name not in SCORES[example["kind"]]:
                    raise ValueError(f"example {example['id']} is of kind {example['kind']!r} and has no {name}")
        needed = {example["id"]: example for chosen in wanted.values() for example in chosen}
        scores = scorer.score(list(needed.values()))
        return {"scores": {name: [scores[example["id"]][name] for example in chosen] for name, chosen in wanted.items()}}

    counts = {split: {name: len(own[split][name]) for name in names} for split in SPLITS}
    lines.serve(answer, {"objectives": names, "examples": counts})


if __name__ == "__main__":
    main()
