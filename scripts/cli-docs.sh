#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: run the commands that docs/cli.md shows and write their output there
set -euo pipefail
source scripts/lib/common.sh

[[ $# -eq 0 ]] || usage_error "./dev cli-docs"
need_packages build test
configure test
cmake --build build/test --target strata_test_cli_docs
STRATA_WRITE_DOCS=1 build/test/tests/bin/cli_docs_test >/dev/null || true # it names what was out of date
build/test/tests/bin/cli_docs_test >/dev/null || fail "the sessions differ from run to run: see build/test/tests/bin/cli_docs_test"
