#!/bin/sh
# The built-in page, the pages of reports and the OpenAPI document, judged by others: axe-core (npm) looks for barriers in
# Chromium, wide and narrow, light and dark, and openapi-spec-validator (pip) reads the document. Both go into the user's cache. A part that
# is not to be had is skipped by name. INFER_TEST_SHOTS=DIR keeps the pictures.
set -eu
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/infer

axe=$cache/axe-core-4.14.1
if [ ! -f "$axe/node_modules/axe-core/axe.min.js" ]; then
	rm -rf "$axe"
	mkdir -p "$axe"
	npm install --silent --no-audit --no-fund --prefix "$axe" axe-core@4.14.1 >/dev/null 2>&1 || { rm -rf "$axe"; echo "skipped: axe-core: npm has none"; }
fi
if [ -d "$axe" ]; then
	INFER_TEST_AXE=$axe/node_modules/axe-core/axe.min.js
	export INFER_TEST_AXE
fi

venv=$cache/openapi-check-0.9.0
if ! "$venv/bin/python" -c 'import openapi_spec_validator' 2>/dev/null; then
	rm -rf "$venv"
	{ python3 -m venv "$venv" && "$venv/bin/pip" install --quiet openapi-spec-validator==0.9.0; } >/dev/null 2>&1 || { rm -rf "$venv"; echo "skipped: openapi-spec-validator: pip has none"; }
fi
if [ -d "$venv" ]; then
	INFER_TEST_OPENAPI_PYTHON=$venv/bin/python
	export INFER_TEST_OPENAPI_PYTHON
fi

go test -count=1 -run 'TestLooks|TestOpenAPIIsValid' -v ./serve/page
go test -count=1 -run 'Looks$' -v ./report/render
