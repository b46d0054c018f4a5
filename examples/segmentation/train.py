"""Trains the segmentation models: python train.py OUT_FOLDER

Small U-Nets that find discs and squares in generated images of 32 x 32 pixels. Three domains show the same shapes in another way, as
scanners do: bright on dark, dark on bright, and stripes of the background's own brightness. One base model learns a little of all
domains, and one expert per domain is fine-tuned from it. OUT_FOLDER receives base.safetensors, one <domain>.safetensors each, and
<domain>.npz: uint8 images [n, 32, 32], masks [n, 32, 32] (0 background, 1 disc, 2 square) and splits [n] (0 search, 1 select, 2 holdout).

Needs PyTorch and numpy; made with torch 2.15.0 on one thread of a CPU, in about three minutes.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

SIZE = 32
DOMAINS = ("bright", "dark", "striped")
SPLITS = {"search": 60, "select": 30, "holdout": 120}


def make_image(rng, domain):
    """One image and its mask: one to three shapes that may touch, on a background that is not even."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for _ in range(rng.integers(1, 4)):
        kind = rng.integers(1, 3)
        cy, cx = rng.uniform(5, SIZE - 5, 2)
        r = rng.uniform(3, 7)
        inside = (y - cy) ** 2 + (x - cx) ** 2 < r * r if kind == 1 else np.maximum(abs(y - cy), abs(x - cx)) < r * 0.9
        mask[inside] = kind
    angle = rng.uniform(0, 2 * np.pi)
    slope = (np.cos(angle) * (x - SIZE / 2) + np.sin(angle) * (y - SIZE / 2)) / SIZE * rng.uniform(0, 0.3)
    shape = (mask > 0).astype(np.float32)
    contrast = rng.uniform(0.15, 0.4)
    if domain == "bright":
        image = 0.3 + slope + contrast * shape
    elif domain == "dark":
        image = 0.7 + slope - contrast * shape
    else:
        stripes = np.sin((np.cos(angle) * x + np.sin(angle) * y) * rng.uniform(1.5, 2.2))
        image = 0.5 + slope + contrast * stripes * shape
    image += rng.normal(0, 0.12, image.shape)
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8), mask


def make_images(seed, domain, count):
    rng = np.random.default_rng(seed)
    made = [make_image(rng, domain) for _ in range(count)]
    return np.stack([image for image, _ in made]), np.stack([mask for _, mask in made])


def conv(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.first = conv(inputs, outputs)
        self.second = conv(outputs, outputs)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))))


class UNet(nn.Module):
    """Blocks 0 and 1 go down, 2 is the bottom, 3 and 4 go up again; each way up sees what the way down saw at its size."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(1, 12), Block(12, 24), Block(24, 48), Block(72, 24), Block(36, 12)])
        self.head = nn.Conv2d(12, 3, 1)

    def forward(self, x):
        a = self.blocks[0](x)
        b = self.blocks[1](F.max_pool2d(a, 2))
        c = self.blocks[2](F.max_pool2d(b, 2))
        d = self.blocks[3](torch.cat([F.interpolate(c, scale_factor=2, mode="nearest"), b], 1))
        e = self.blocks[4](torch.cat([F.interpolate(d, scale_factor=2, mode="nearest"), a], 1))
        return self.head(e)


def dice(model, images, masks):
    """Mean over images of the mean Dice of the shapes that an image has or is said to have."""
    with torch.no_grad():
        found = model(to_input(images)).argmax(1).numpy()
    scores = []
    for truth, guess in zip(masks, found):
        own = []
        for kind in (1, 2):
            t, g = truth == kind, guess == kind
            if t.any() or g.any():
                own.append(2 * (t & g).sum() / (t.sum() + g.sum()))
        scores.append(np.mean(own))
    return float(np.mean(scores))


def to_input(images):
    return torch.from_numpy(images.astype(np.float32)[:, None] / 255)


def train(model, sets, steps, rate, seed):
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    images = torch.cat([to_input(images) for images, _ in sets])
    masks = torch.cat([torch.from_numpy(masks.astype(np.int64)) for _, masks in sets])
    for _ in range(steps):
        batch = torch.randint(len(images), (24,), generator=generator)
        loss = F.cross_entropy(model(images[batch]), masks[batch], weight=torch.tensor([0.5, 1.0, 1.0]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


def save(path, model):
    """safetensors: a length, a JSON header, the elements."""
    header, offset, parts = {}, 0, []
    for name, tensor in sorted(model.state_dict().items()):
        data = tensor.detach().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        parts.append(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    training = {domain: make_images(10 + i, domain, 1500) for i, domain in enumerate(DOMAINS)}
    held_out = {domain: make_images(20 + i, domain, sum(SPLITS.values())) for i, domain in enumerate(DOMAINS)}
    splits = np.repeat(np.arange(len(SPLITS), dtype=np.uint8), list(SPLITS.values()))
    for domain, (images, masks) in held_out.items():
        np.savez_compressed(out / f"{domain}.npz", images=images, masks=masks, splits=splits)

    base = train(UNet(), list(training.values()), 500, 3e-3, 2)
    models = {"base": base}
    for i, domain in enumerate(DOMAINS):
        expert = UNet()
        expert.load_state_dict(base.state_dict())
        models[domain] = train(expert, [training[domain]], 1100, 2e-3, 3 + i)
    for name, model in models.items():
        save(out / f"{name}.safetensors", model)
        print(name, *(f"{domain} {dice(model, *held_out[domain]):.3f}" for domain in DOMAINS), flush=True)


if __name__ == "__main__":
    main()
