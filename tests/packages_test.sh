#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# On a machine that has nothing, the commands ask for every package of the purposes that they name;
# on one that has everything, for none. Installs nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib/packages.sh

fail() {
    echo "FAILED: $1" >&2
    exit 1
}

asked=''
install_packages() { asked=$*; }
has_evidence() { false; }

package_installed() { false; }
for purpose in "${!packages[@]}"; do
    asked=''
    need_packages "$purpose"
    [[ "$asked " == "$(tr -s ' \n' ' ' <<<"${packages[$purpose]}")" ]] ||
        fail "for '$purpose' asked for '$asked' of '${packages[$purpose]}'"
done
asked=''
need_packages build test
[[ " $asked " == *' ninja-build '* && " $asked " == *' doctest-dev '* ]] ||
    fail "of two purposes, asked for '$asked'"

package_installed() { true; }
asked=''
need_packages "${!packages[@]}"
[[ -z $asked ]] || fail "with everything there, asked for '$asked'"

package_installed() { [[ $1 != cmake ]]; }
need_packages build
[[ $asked == cmake ]] || fail "with all but cmake there, asked for '$asked'"
