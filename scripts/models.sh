#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [MODEL...] check the models of the protocol with Spin, and that it rejects their mutants
set -euo pipefail
source scripts/lib/common.sh

need_packages models
exec docs/models/run.sh "$@"
