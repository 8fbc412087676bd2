#!/bin/sh
# Generates internal/pb from its .proto files with pinned tools, which it installs in the user's cache: protoc from pip,
# the Go generators from the Go module proxy. --check changes nothing and fails where the files are not what they would
# be. Where the tools cannot be installed, it says so and exits 0.
set -eu
cd "$(dirname "$0")/.."
tools=${XDG_CACHE_HOME:-$HOME/.cache}/infer/proto-1.85.1-1.36.12-1.6.2
if ! [ -x "$tools/bin/protoc-gen-go-grpc" ]; then
	rm -rf "$tools"
	if ! {
		python3 -m venv "$tools" && "$tools/bin/pip" install --quiet grpcio-tools==1.85.1 &&
			GOBIN=$tools/bin go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12 &&
			GOBIN=$tools/bin go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
	} >/dev/null 2>&1; then
		rm -rf "$tools"
		echo "skipped: the generators cannot be installed"
		exit 0
	fi
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for folder in internal/pb internal/pb/tfs; do
	(cd "$folder" && PATH=$tools/bin:$PATH "$tools/bin/python" -m grpc_tools.protoc -I . \
		--go_out="$out" --go_opt=module=infer --go-grpc_out="$out" --go-grpc_opt=module=infer ./*.proto)
done
if [ "${1-}" = --check ]; then
	(cd "$out" && find . -name '*.go') | while read -r file; do cmp "$out/$file" "$file"; done
	exit
fi
cp -r "$out/internal" .
