"""Reads files back with the libraries that everybody else reads them with: read_back.py JOBS.json > RESULTS.json

JOBS.json is a list of {"kind", "path", ...}:
  safetensors  every tensor's bytes are those that "sha256" lists by name
  folder       loads with the auto class of "class", nothing missing or left over, weights in memory are the bytes that "sha256" lists, and a
               forward pass is finite
  adapter      applied to the model at "base" by PEFT, every weight is that of the folder "merged" within 1e-6 of its largest
  onnx         passes the checker, loads with its external data, initializers are the bytes that "sha256" lists, "external" says whether they are
               in a file of their own, runs, gives "outputs" within 1e-5 and exactly what the model at "like" gives, where these are named
RESULTS.json: {"versions": name → version of the libraries, "results": per job {"ok": bool, "detail": str}}.
"""

import hashlib
import json
import sys
import warnings
from importlib.metadata import version

warnings.filterwarnings("ignore")

import torch
from safetensors import safe_open


def plain_bytes(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().view(torch.uint8).numpy().tobytes() if tensor.dim() else tensor.reshape(1).view(torch.uint8).numpy().tobytes()


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def same(found: dict, expected: dict) -> None:
    differing = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    assert not differing, f"{len(differing)} tensors differ or are missing: {differing[:3]}"


def read_safetensors(job: dict) -> str:
    found = {}
    for path in job["files"]:
        with safe_open(path, "pt") as file:
            for name in file.keys():
                found[name] = hashlib.sha256(plain_bytes(file.get_tensor(name))).hexdigest()
    same(found, job["sha256"])
    return f"{len(found)} tensors in {counted(len(job['files']), 'file')}, bytes equal"


def read_folder(job: dict) -> str:
    import transformers

    model, info = getattr(transformers, job["class"]).from_pretrained(job["path"], output_loading_info=True, dtype="auto")
    left = {key: sorted(info[key])[:3] for key in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[key]}
    assert not left, f"loading left {left}"
    same({name: hashlib.sha256(plain_bytes(tensor)).hexdigest() for name, tensor in model.state_dict().items()}, job["sha256"])
    model.eval()
    with torch.no_grad():
        if "Image" in job["class"]:
            size, channels = model.config.image_size, model.config.num_channels
            logits = model(pixel_values=torch.ones(1, channels, size, size, dtype=model.dtype)).logits
        else:
            logits = model(input_ids=torch.arange(8).reshape(1, 8)).logits
    assert torch.isfinite(logits).all(), "the forward pass is not finite"
    return f"{type(model).__name__}, {model.dtype}, {len(job['sha256'])} tensors, bytes equal; logits {list(logits.shape)} finite"


def read_adapter(job: dict) -> str:
    import peft
    import transformers

    load = transformers.AutoModelForCausalLM.from_pretrained
    adapted = peft.PeftModel.from_pretrained(load(job["base"], dtype=torch.float32), job["path"]).merge_and_unload()
    merged = load(job["merged"], dtype=torch.float32).state_dict()
    worst = 0.0
    for name, tensor in adapted.state_dict().items():
        worst = max(worst, float((tensor - merged[name]).abs().max() / merged[name].abs().max().clamp_min(1e-30)))
    assert worst <= 1e-6, f"worst relative difference {worst:.2e}"
    return f"worst relative difference {worst:.1e} to the merge as a whole model"


def read_onnx(job: dict) -> str:
    import numpy
    import onnx
    import onnxruntime

    onnx.checker.check_model(job["path"])
    outside = [entry for entry in onnx.load(job["path"], load_external_data=False).graph.initializer if onnx.external_data_helper.uses_external_data(entry)]
    assert (len(outside) > 0) == job["external"], f"{len(outside)} initializers are in a file of their own"
    loaded = onnx.load(job["path"], load_external_data=True)
    arrays = {entry.name: onnx.numpy_helper.to_array(entry) for entry in loaded.graph.initializer}
    same({name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}, job["sha256"])

    def run(path: str):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        feeds = {
            entry.name: numpy.linspace(-1, 1, int(numpy.prod([d if isinstance(d, int) else 2 for d in entry.shape])), dtype=numpy.float32).reshape(
                [d if isinstance(d, int) else 2 for d in entry.shape]
            )
            for entry in session.get_inputs()
        }
        return session.run(None, feeds)

    outputs = run(job["path"])
    assert all(numpy.isfinite(output).all() for output in outputs), "outputs are not finite"
    detail = f"{len(arrays)} initializers ({len(outside)} external), bytes equal"
    if "outputs" in job:
        off = float(numpy.abs(outputs[0].ravel() - numpy.array(job["outputs"])).max())
        assert off <= 1e-5, f"the output is {off} from the expected one"
        detail += f"; logits {list(outputs[0].shape)} within {off:.1e}"
    if "like" in job:
        off = max(float(numpy.abs(a - b).max()) for a, b in zip(outputs, run(job["like"])))
        assert off == 0, f"outputs differ by {off}"
        detail += ", equal to those of the file with its weights inside"
    return detail


LIBRARIES = ("safetensors", "transformers", "peft", "onnx", "onnxruntime", "torch")
READERS = {"safetensors": read_safetensors, "folder": read_folder, "adapter": read_adapter, "onnx": read_onnx}


def main() -> None:
    results = []
    for job in json.load(open(sys.argv[1])):
        try:
            results.append({"ok": True, "detail": READERS[job["kind"]](job)})
        except Exception as error:  # a file that cannot be read is a result
            results.append({"ok": False, "detail": f"{type(error).__name__}: {error}"[:300]})
    json.dump({"versions": {name: version(name) for name in LIBRARIES}, "results": results}, sys.stdout)


if __name__ == "__main__":
    main()
