#!/bin/sh
# Makes bench/peers/.venv-lm-eval: lm-evaluation-harness, transformers and its server. Needs Python 3.11 or newer and about 7 GB of disk.
#   sh bench/peers/setup-lm-eval.sh
# The scripts of bench/evaluators/ take their interpreter from $AMALGAM_LM_EVAL_PYTHON, or from this environment.
set -eu
cd "$(dirname "$0")"
python3 -m venv .venv-lm-eval
.venv-lm-eval/bin/python -m pip install --quiet --upgrade pip
.venv-lm-eval/bin/python -m pip install --quiet -r requirements-lm-eval.txt
.venv-lm-eval/bin/python -c "import lm_eval, transformers; print('lm-evaluation-harness is installed')"
