"""Trains the segmentation models and writes their data: python train.py OUT_FOLDER

A U-Net of 65,773 parameters: a base model on all kinds of images, and an expert per kind, fine-tuned from it. Needs PyTorch, NumPy and
safetensors; made with torch 2.15.0 on one thread of a CPU. The network is written out, so that graph.ts can be compared with it.
"""

import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from images import KINDS, images

SEED = 20260701
WIDTHS = (12, 24, 48)
TRAINING = 2000  # images per kind
SPLITS = {"search": 32, "select": 32, "holdout": 128}  # examples per kind
BATCH = 16
BASE = {"steps": 110, "rate": 3e-3, "kinds": KINDS}
EXPERTS = {kind: {"steps": 250, "rate": 6e-4, "kinds": (kind,)} for kind in KINDS}


def shapes():
    """Name to shape. blocks.0 and 1 go down, 2 is the bottom, 3 and 4 go up; convolutions are (outputs, inputs, 3, 3)."""
    a, b, c = WIDTHS
    found = {}
    for block, (inputs, width) in enumerate([(1, a), (a, b), (b, c), (2 * b, b), (2 * a, a)]):
        if block > 2:
            found[f"blocks.{block}.up.weight"] = (2 * width, width, 2, 2)  # transposed: (inputs, outputs, 2, 2)
            found[f"blocks.{block}.up.bias"] = (width,)
        for part, of in ((1, inputs), (2, width)):
            found[f"blocks.{block}.conv{part}.weight"] = (width, of, 3, 3)
            found[f"blocks.{block}.conv{part}.bias"] = (width,)
    return found | {"head.weight": (1, a, 1, 1), "head.bias": (1,)}


def parameters(generator):
    """He initialisation; biases 0."""
    weights = {}
    for name, shape in shapes().items():
        if len(shape) == 1:
            weights[name] = torch.zeros(shape)
        else:
            fan_in = shape[0] if ".up." in name else math.prod(shape[1:])
            weights[name] = torch.randn(shape, generator=generator) * math.sqrt(2 / fan_in)
    return {name: w.requires_grad_() for name, w in weights.items()}


def forward(weights, x):
    """x (batch, 1, height, width), 0..1 -> logits (batch, 1, height, width) of the object"""

    def block(number, x):
        for part in (1, 2):
            at = f"blocks.{number}.conv{part}"
            x = F.relu(F.conv2d(x, weights[f"{at}.weight"], weights[f"{at}.bias"], padding=1))
        return x

    def up(number, x):
        return F.conv_transpose2d(x, weights[f"blocks.{number}.up.weight"], weights[f"blocks.{number}.up.bias"], stride=2)

    first = block(0, x)
    second = block(1, F.max_pool2d(first, 2))
    bottom = block(2, F.max_pool2d(second, 2))
    x = block(3, torch.cat((up(3, bottom), second), 1))
    x = block(4, torch.cat((up(4, x), first), 1))
    return F.conv2d(x, weights["head.weight"], weights["head.bias"])


def loss_of(logits, masks):
    """Binary cross-entropy plus one minus soft Dice, means over the images."""
    p = torch.sigmoid(logits)
    dice = (2 * (p * masks).sum((1, 2, 3)) + 1) / (p.sum((1, 2, 3)) + masks.sum((1, 2, 3)) + 1)
    return F.binary_cross_entropy_with_logits(logits, masks) + (1 - dice).mean()


def dice_of(weights, pictures, masks):
    with torch.no_grad():
        said = torch.cat([forward(weights, x) for x in pictures.split(64)]) > 0
    both, sizes = (said * masks).sum((1, 2, 3)), said.sum((1, 2, 3)) + masks.sum((1, 2, 3))
    return (2 * both / sizes).mean().item()


def train(weights, data, plan, generator, label):
    optimizer = torch.optim.Adam(list(weights.values()), lr=plan["rate"])
    steps, started = plan["steps"], time.time()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = plan["rate"] * min(1, (step + 1) / 25) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        kinds = [plan["kinds"][i] for i in torch.randint(len(plan["kinds"]), (BATCH,), generator=generator)]
        at = torch.randint(TRAINING, (BATCH,), generator=generator).tolist()
        x, y = (torch.stack([data[kind][part][i] for kind, i in zip(kinds, at)]) for part in (0, 1))
        loss = loss_of(forward(weights, x), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        optimizer.step()
        if step % 50 == 0 or step == steps - 1:
            print(f"{label} {step:4d} loss {loss.item():.3f} {time.time() - started:.0f} s", flush=True)


def tensors(pictures, masks):
    return torch.from_numpy(pictures).float()[:, None] / 255, torch.from_numpy(masks).float()[:, None]


def write_data(rng, path):
    """The held-out images. Column `split` is for all kinds at once; `split_KIND` leaves the others out."""
    columns = {"image": [], "mask": [], "kind": [], "split": []} | {f"split_{kind}": [] for kind in KINDS}
    for kind in KINDS:
        for split, count in SPLITS.items():
            pictures, masks = images(kind, count, rng)
            columns["image"].append(pictures)
            columns["mask"].append(masks)
            columns["kind"] += [kind] * count
            columns["split"] += [split] * count
            for other in KINDS:
                columns[f"split_{other}"] += [split if other == kind else "none"] * count
    arrays = {name: np.concatenate(c) if name in ("image", "mask") else np.array(c) for name, c in columns.items()}
    np.savez_compressed(path, **arrays)
    return arrays


def main(out):
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(SEED)
    held, drawn = np.random.default_rng([SEED, 1]), np.random.default_rng([SEED, 2])
    (out / "data").mkdir(parents=True, exist_ok=True)
    arrays = write_data(held, out / "data" / "images.npz")
    data = {kind: tensors(*images(kind, TRAINING, drawn)) for kind in KINDS}
    holdout = {}
    for kind in KINDS:
        chosen = arrays[f"split_{kind}"] == "holdout"
        holdout[kind] = tensors(arrays["image"][chosen], arrays["mask"][chosen])

    def score(weights, label):
        values = [dice_of(weights, *holdout[kind]) for kind in KINDS]
        print(f"{label:12} {'  '.join(f'{kind} {v:.3f}' for kind, v in zip(KINDS, values))}  mean {sum(values) / 3:.3f}", flush=True)

    base = parameters(generator)
    print(sum(w.numel() for w in base.values()), "parameters")
    train(base, data, BASE, generator, "base")
    models = {"base": base}
    for kind, plan in EXPERTS.items():
        models[kind] = {name: w.detach().clone().requires_grad_() for name, w in base.items()}
        train(models[kind], data, plan, generator, kind)
    for name, weights in models.items():
        save_file({n: w.detach().contiguous() for n, w in weights.items()}, out / f"{name}.safetensors")
        score(weights, name)
    for scale in (0.2, 1 / 3, 0.5, 0.7, 1):
        merged = {n: w.detach() + scale * sum(models[k][n].detach() - w.detach() for k in KINDS) for n, w in base.items()}
        score(merged, f"scale {scale:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
