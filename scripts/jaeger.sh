#!/bin/sh
# jaeger.sh: builds Jaeger's all-in-one server in the user's cache, once (4 minutes), and prints where it lies. Where
# its modules cannot be had it says so and prints no path.
#	INFER_TEST_JAEGER=$(scripts/jaeger.sh) go test -run TestJaeger -v ./serve/observe
set -eu
version=1.76.0
folder=${XDG_CACHE_HOME:-$HOME/.cache}/infer/jaeger-$version
if [ ! -x "$folder/all-in-one" ]; then
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	cd "$work"
	# A module of its own: what Jaeger needs is none of this program's business.
	printf 'module jaeger\n\ngo 1.24\n\nrequire github.com/jaegertracing/jaeger v%s\n' "$version" >go.mod
	printf '//go:build tools\n\npackage jaeger\n\nimport _ "github.com/jaegertracing/jaeger/cmd/all-in-one"\n' >tools.go
	if ! CGO_ENABLED=0 nice go build -mod=mod -o all-in-one github.com/jaegertracing/jaeger/cmd/all-in-one >&2; then
		echo "skipped: Jaeger $version cannot be built here" >&2
		exit 0
	fi
	mkdir -p "$folder"
	mv all-in-one "$folder/"
fi
echo "$folder/all-in-one"
