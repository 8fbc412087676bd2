#!/bin/sh
# Tries infer loadtest on servers that others wrote: the real Triton, TorchServe, KServe's and Seldon's Python servers, a
# FastAPI app; and beside perf_analyzer and Locust on infer serve. The parts are installed in the user's cache; one that
# is not to be had is skipped by name. See scripts/loadtest-parts/run.py --help.
set -eu
exec python3 "$(dirname "$0")/loadtest-parts/run.py" "$@"
