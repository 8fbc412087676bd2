#!/usr/bin/env bash
# workflow-check.sh: the pipelines that configs/ ships for users' repositories, judged by others and run for real: actionlint
# (from the Go module proxy, with shellcheck where that is installed) reads the workflows, and their shell steps run in a
# repository with two commits of a model: infer is built of a clone of this project's last commit, and the real gh speaks
# to a local server that keeps the comments. A part that is not to be had is skipped by name.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip() { echo "skipped: $*"; }

command -v shellcheck >/dev/null || skip "shellcheck: not installed, so actionlint does not read the scripts"
if GOBIN=$cache/infer/actionlint-1.7.12 go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 2>"$work/actionlint.log"; then
  "$cache/infer/actionlint-1.7.12/actionlint" -ignore 'label "infer" is unknown' configs/github/*.yml # a label of the user's
  echo "actionlint: clean"
else
  skip "actionlint: $(tail -1 "$work/actionlint.log")"
fi

command -v gh >/dev/null || skip "gh: not installed, so the comment is not tried"
git clone -q . "$work/source"
git -C "$work/source" checkout -q -B checked
go build -o "$work/infer" .
"$work/infer" runtime install --quiet >/dev/null
go run ./scripts/encoder -layers 1 -hidden 64 -o "$work/fast.onnx"
go run ./scripts/encoder -layers 2 -hidden 256 -o "$work/slow.onnx"
XDG_CACHE_HOME=$cache INFER_TEST_WORKFLOWS=$work go test -count=1 -v ./configs
