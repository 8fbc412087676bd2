#!/bin/sh
# Tries infer serve from outside: NVIDIA's, KServe's and TensorFlow Serving's clients, perf_analyzer, curl, and the same
# requests answered by the real Triton beside it. The parts are installed in the user's cache; one that is not to be
# had is skipped by name. See scripts/serve-parts/run.py --help.
set -eu
exec python3 "$(dirname "$0")/serve-parts/run.py" "$@"
