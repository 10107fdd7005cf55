#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# go.sh GO: formatted, vetted, and tested under Go's race detector, which checks uses of unsafe as
# well. In the module's directory; the environment is that of CMakeLists.txt.
set -euo pipefail
go=$1

unformatted=$("$("$go" env GOROOT)/bin/gofmt" -l .)
[[ -z $unformatted ]] || { echo "gofmt: $unformatted" >&2 && exit 1; }
"$go" vet ./...
# -count=1: Go does not know of the library, so a result kept from another run is worth nothing.
"$go" test -count=1 -race ./...
