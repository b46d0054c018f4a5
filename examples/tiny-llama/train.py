"""Trains the tiny language models: python train.py TEXT_FOLDER OUT_FOLDER

A Llama of 1.1 million parameters over bytes: one base model on all text, and one expert per domain, fine-tuned from it. TEXT_FOLDER is what
collect.ts makes. Each model becomes a Hugging Face folder in bfloat16. Needs PyTorch and safetensors; made with torch 2.15.0 on one thread of a CPU.

The forward pass is the published architecture, written out: RMSNorm, rotary position embeddings (halves rotated), SwiGLU, tied embeddings.
"""

import json
import math
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

SEED = 20260601
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 256,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "max_position_embeddings": 256,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "attention_bias": False,
    "mlp_bias": False,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "initializer_range": 0.02,
    "torch_dtype": "bfloat16",
    "use_cache": False,
}
CONTEXT = 256
BATCH = 24
BASE = {"steps": 420, "rate": 3e-3, "mix": {"english": 0.3, "javascript": 0.3, "declarations": 0.3, "json": 0.1}}
EXPERTS = {domain: {"steps": 150, "rate": 1.5e-3, "mix": {domain: 1.0}} for domain in ("english", "javascript", "declarations")}

H, LAYERS, HEADS, D = 128, 5, 4, 32


def parameters(generator):
    def normal(*shape, std=0.02):
        return (torch.randn(*shape, generator=generator) * std).requires_grad_()

    weights = {"model.embed_tokens.weight": normal(256, H)}
    for layer in range(LAYERS):
        name = f"model.layers.{layer}"
        for part in ("q_proj", "k_proj", "v_proj"):
            weights[f"{name}.self_attn.{part}.weight"] = normal(H, H, std=H**-0.5)
        weights[f"{name}.self_attn.o_proj.weight"] = normal(H, H, std=(H * 2 * LAYERS) ** -0.5)
        weights[f"{name}.mlp.gate_proj.weight"] = normal(384, H, std=H**-0.5)
        weights[f"{name}.mlp.up_proj.weight"] = normal(384, H, std=H**-0.5)
        weights[f"{name}.mlp.down_proj.weight"] = normal(H, 384, std=(384 * 2 * LAYERS) ** -0.5)
        weights[f"{name}.input_layernorm.weight"] = torch.ones(H, requires_grad=True)
        weights[f"{name}.post_attention_layernorm.weight"] = torch.ones(H, requires_grad=True)
    weights["model.norm.weight"] = torch.ones(H, requires_grad=True)
    return weights


def rms_norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * weight


def rotary(length):
    frequencies = 10000.0 ** (-torch.arange(0, D, 2) / D)
    angles = torch.outer(torch.arange(length), frequencies).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


def forward(weights, tokens):
    """tokens (batch, time) -> logits (batch, time, 256)"""
    batch, time_ = tokens.shape
    cos, sin = rotary(time_)
    x = weights["model.embed_tokens.weight"][tokens]
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        h = rms_norm(x, weights[f"{at}.input_layernorm.weight"])
        q, k, v = (
            (h @ weights[f"{at}.self_attn.{part}_proj.weight"].T).view(batch, time_, HEADS, D).transpose(1, 2) for part in "qkv"
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(batch, time_, H)
        x = x + attended @ weights[f"{at}.self_attn.o_proj.weight"].T
        h = rms_norm(x, weights[f"{at}.post_attention_layernorm.weight"])
        gate = F.silu(h @ weights[f"{at}.mlp.gate_proj.weight"].T) * (h @ weights[f"{at}.mlp.up_proj.weight"].T)
        x = x + gate @ weights[f"{at}.mlp.down_proj.weight"].T
    return rms_norm(x, weights["model.norm.weight"]) @ weights["model.embed_tokens.weight"].T


def train(weights, texts, plan, generator, label):
    decayed = [w for w in weights.values() if w.dim() == 2]
    other = [w for w in weights.values() if w.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": other, "weight_decay": 0.0}], lr=plan["rate"], betas=(0.9, 0.95)
    )
    names, shares = list(plan["mix"]), torch.tensor(list(plan["mix"].values()))
    started, steps = time.time(), plan["steps"]
    for step in range(steps):
        warm = min(1, (step + 1) / (0.05 * steps))
        for group in optimizer.param_groups:
            group["lr"] = plan["rate"] * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        rows = []
        for which in torch.multinomial(shares, BATCH, replacement=True, generator=generator).tolist():
            text = texts[names[which]]
            begin = int(torch.randint(len(text) - CONTEXT - 1, (1,), generator=generator))
            rows.append(text[begin : begin + CONTEXT + 1])
        batch = torch.stack(rows).long()
        loss = F.cross_entropy(forward(weights, batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        optimizer.step()
        if step % 20 == 0 or step == steps - 1:
            print(f"{label} {step:4d} {loss.item() / math.log(2):.3f} bits/byte {time.time() - started:.0f} s", flush=True)


def save(weights, folder):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: w.detach().to(torch.bfloat16).contiguous() for name, w in weights.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 0, "eos_token_id": 0}, indent=2) + "\n")


def main(texts_folder, out):
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    texts = {
        domain: torch.frombuffer(bytearray((texts_folder / f"{domain}.bin").read_bytes()), dtype=torch.uint8) for domain in BASE["mix"]
    }
    base = parameters(generator)
    print(sum(w.numel() for w in base.values()), "parameters")
    train(base, texts, BASE, generator, "base")
    save(base, out / "base")
    for domain, plan in EXPERTS.items():
        expert = {name: w.detach().to(torch.bfloat16).float().requires_grad_() for name, w in base.items()}
        train(expert, texts, plan, generator, domain)
        save(expert, out / domain)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
