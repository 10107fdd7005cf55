#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: the API reference and all pages as HTML, in build/docs/html; a warning is an error
set -euo pipefail
source scripts/lib/common.sh

[[ $# -eq 0 ]] || usage_error "./dev docs"
need_packages docs
STRATA_VERSION=$(sed -nE 's/^ *VERSION ([0-9.]+)$/\1/p' CMakeLists.txt)
export STRATA_VERSION
rm -rf build/docs
mkdir -p build/docs
if ! doxygen docs/api/Doxyfile >build/docs/log.txt 2>&1; then
    cat build/docs/log.txt build/docs/warnings.txt >&2
    fail "doxygen is not content"
fi
cp -r docs/*.svg build/docs/html/
echo "build/docs/html/index.html"
