#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [--all] [--runs N] [--seed S] [--scenario NAME] [--only PLAN] refuse the library's system calls
set -euo pipefail
source scripts/lib/common.sh

need_packages build test
configure test
build test --target faults
exec build/test/tests/bin/faults --jobs "$(jobs_count)" "$@"
