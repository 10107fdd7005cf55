#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [--minutes M] [--kills N] [--seed S] [--keep] kill producers and consumers, compare all they leave
set -euo pipefail
source scripts/lib/common.sh

need_packages build test
configure torture
build torture --target torture
exec build/torture/tests/bin/torture "$@"
