#!/bin/sh
# Makes bench/peers/.venv with the peers in pinned versions. Needs Python 3.11 or newer and about 2 GB of disk.
#   sh bench/peers/setup.sh
# The runners take their interpreter from $AMALGAM_PEERS_PYTHON, or from this environment.
set -eu
cd "$(dirname "$0")"
python3 -m venv .venv
.venv/bin/python -m pip install --quiet --upgrade pip
.venv/bin/python -m pip install --quiet -r requirements.txt
.venv/bin/python -c "import cma, cmaes, optuna, pymoo, botorch, smac; print('peers are installed')"
