#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [PRESET] build into build/PRESET; release if none is named (debug, test, asan, tsan, clang)
set -euo pipefail
source scripts/lib/common.sh

preset=${1-release}
[[ $# -le 1 && $preset =~ ^(release|debug|test|asan|tsan|clang)$ ]] ||
    usage_error "./dev build [release|debug|test|asan|tsan|clang]"

purposes=(build)
[[ $preset == release ]] || purposes+=(test)
[[ ! $preset =~ ^(clang|asan)$ ]] || purposes+=("$preset")
need_packages "${purposes[@]}"
configure "$preset"
build "$preset"
