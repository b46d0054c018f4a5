"""Weights of a resident model, overwritten in place from a candidate's safetensors file."""
import os

import torch
from safetensors import safe_open


class ResidentWeights:
    """The parameters and buffers of a model by name. Loading a candidate copies into them: no module is built, no memory allocated."""

    def __init__(self, model):
        self._model = model
        self._targets = dict(model.named_parameters(remove_duplicate=False))
        self._targets.update({name: b for name, b in model.named_buffers(remove_duplicate=False)})
        # Persistent names are what a checkpoint has to bring; tied ones may come once.
        self._needed = {}
        for name, tensor in model.state_dict(keep_vars=True).items():
            self._needed.setdefault(tensor.data_ptr(), []).append(name)

    @torch.no_grad()
    def load(self, folder):
        """Raises KeyError on a tensor that the model lacks, or lacks itself in the file; ValueError on another shape."""
        path = os.path.join(folder, "model.safetensors")
        seen = set()
        with safe_open(path, framework="pt") as file:  # memory-mapped: read once, straight into place
            names = self._names(file.keys())
            for stored, name in names.items():
                target = self._targets.get(name)
                if target is None:
                    raise KeyError(f"the candidate has a tensor {stored!r}, and the model has none of that name")
                source = file.get_tensor(stored)
                if source.shape != target.shape:
                    raise ValueError(f"tensor {stored!r} is {tuple(source.shape)}, and the model has {tuple(target.shape)}")
                target.copy_(source)
                seen.add(name)
        for tied in self._needed.values():
            if not seen.intersection(tied):
                raise KeyError(f"the candidate lacks the tensor {tied[0]!r}")

    def _names(self, stored):
        """Stored name -> name in the model. Checkpoints of a bare backbone lack the prefix of the model around it, and the reverse."""
        prefix = getattr(self._model, "base_model_prefix", "")
        names = {}
        for name in stored:
            candidates = (name, f"{prefix}.{name}", name.removeprefix(f"{prefix}."))
            names[name] = next((c for c in candidates if c in self._targets), name)
        return names
