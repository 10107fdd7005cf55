#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [--cuts N] [--seed S] shut down ext4 and xfs on loop devices under a store, open what is left; as root
set -euo pipefail
source scripts/lib/common.sh

export STRATA_REALDISKS_CUTS=100
while (($# > 0)); do
    [[ ${2-} =~ ^[0-9]+$ ]] || usage_error "./dev realdisks [--cuts N] [--seed S]"
    case $1 in
        --cuts) STRATA_REALDISKS_CUTS=$2 ;;
        --seed) export STRATA_REALDISKS_SEED=$2 ;;
        *) usage_error "./dev realdisks [--cuts N] [--seed S]" ;;
    esac
    shift 2
done
((EUID == 0)) || fail "loop devices and file systems of one's own need root"
need_packages build test disks
configure test
build test --target strata_test_real_disk --target strata_test_failing_flush
build/test/tests/bin/real_disk_test
exec build/test/tests/bin/failing_flush_test
