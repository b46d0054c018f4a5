#!/bin/sh
# Makes bench/peers/.venv-mergekit with mergekit and the readers of checkpoints in pinned versions. Needs Python 3.11 or newer and about
# 6 GB of disk; a processor is enough.
#   sh bench/peers/setup-mergekit.sh
# bench/merge/ takes its interpreter from $AMALGAM_MERGEKIT_PYTHON, or from this environment.
set -eu
cd "$(dirname "$0")"
python3 -m venv .venv-mergekit
.venv-mergekit/bin/python -m pip install --quiet --upgrade pip
.venv-mergekit/bin/python -m pip install --quiet -r requirements-mergekit.txt
.venv-mergekit/bin/python -c "import mergekit, onnx, onnxruntime, peft, transformers; print('mergekit is installed')"
