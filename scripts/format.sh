#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [--check] format the C++ sources; with --check only say which are not formatted
set -euo pipefail
source scripts/lib/common.sh

mode=(-i)
case ${1-} in
    '') ;;
    --check) mode=(--dry-run --Werror --ferror-limit=3) ;;
    *) usage_error "./dev format [--check]" ;;
esac

need_packages format
project_files '*.cpp' '*.hpp' '*.h' '*.c' | xargs -0 -r clang-format "${mode[@]}" ||
    fail "run ./dev format"
