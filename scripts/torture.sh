#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [--minutes M] [--kills N] [--seed S] [--keep] kill producers and consumers, compare all they leave
# Or: --restarts N [--reader KIND]: a new producer for each commit, N times beside readers of each kind.
set -euo pipefail
source scripts/lib/common.sh

need_packages build test
configure torture
if [[ ${1-} == --restarts ]]; then
    build torture --target restarts
    exec build/torture/tests/bin/restarts --all "$@"
fi
build torture --target torture
exec build/torture/tests/bin/torture "$@"
