#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [--states N] [--seed S] cut the power at moments of commits and checkpoints, open what is left
set -euo pipefail
source scripts/lib/common.sh

while (($# > 0)); do
    [[ ${2-} =~ ^[0-9]+$ ]] || usage_error "./dev powercut [--states N] [--seed S]"
    case $1 in
        --states) export STRATA_POWERCUT_STATES=$2 ;;
        --seed) export STRATA_POWERCUT_SEED=$2 ;;
        *) usage_error "./dev powercut [--states N] [--seed S]" ;;
    esac
    shift 2
done
need_packages build test
configure test
build test --target strata_test_powercut
exec build/test/tests/bin/powercut_test
