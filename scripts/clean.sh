#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: remove everything that was built (the folder build/)
set -euo pipefail
rm -rf build
