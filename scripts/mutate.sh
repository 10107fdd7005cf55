#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [--sample N] [--seed S] [--error-paths] [--only PATH] random small bugs: do tests notice?
# usage: ./dev mutate [--sample N] [--seed S] [--error-paths] [--only PATH[:LINE]]... [--list]
# Mutants of the libraries, the C ABI included (docs/testing.md). Exit codes: 0 at least 95 %
# are caught, 1 fewer, 2 wrong usage.
set -euo pipefail
source scripts/lib/common.sh

export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=scripts/lib
if [[ " $* " != *" --list "* ]]; then
    need_packages build test mutate
    mkdir -p build/mutate
    # One at a time: a second one would change the tree under the first.
    exec 9>build/mutate/lock
    flock --nonblock 9 || fail "there is another ./dev mutate at work"
fi
exec python3 -m mutation --jobs "$(jobs_count)" "$@"
