#!/bin/sh
# Makes bench/peers/.venv-read-back: the readers of model files in pinned versions. Needs Python 3.11 or newer and about 6 GB of disk; a
# processor is enough. The environment of setup-mergekit.sh has them too.
#   sh bench/peers/setup-read-back.sh
# bench/merge/interoperability.mjs takes its interpreter from $AMALGAM_READ_BACK_PYTHON, or from this environment.
set -eu
cd "$(dirname "$0")"
python3 -m venv .venv-read-back
.venv-read-back/bin/python -m pip install --quiet --upgrade pip
.venv-read-back/bin/python -m pip install --quiet -r requirements-read-back.txt
.venv-read-back/bin/python -c "import onnx, onnxruntime, peft, safetensors, transformers; print('the readers are installed')"
