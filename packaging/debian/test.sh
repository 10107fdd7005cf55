#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: packaging/debian/test.sh DEB...   (./dev package --test)
# Installs the packages in a clean root, where they are used as test_in_root.sh says, and removes
# them. The root is a copy of parts of the running system; name spaces keep it apart from it.
# Exit codes: 0 it works, or the reason why that cannot be tried was printed; 1 it does not.
set -euo pipefail

skip() {
    echo "packages not tried in a clean root: $*"
    exit 0
}

apart=(unshare --mount --pid --fork --kill-child)
((EUID == 0)) || apart+=(--map-root-user)
"${apart[@]}" true 2>/dev/null || skip "name spaces are not allowed here"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(mktemp -d "${TMPDIR:-/var/tmp}/strata-root.XXXXXX")
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

# The one package whose language may not be there: its headers alone make it.
debs=()
for deb in "$@"; do
    if [[ $(dpkg-deb -f "$deb" Package) == node-strata && -z $(command -v node) ]]; then
        echo "not tried in a clean root: node-strata, for there is no Node.js"
    else
        debs+=("$deb")
    fi
done

# What the packages need, as they say themselves, and what building a program takes.
mapfile -t needed < <(for deb in "${debs[@]}"; do dpkg-deb -f "$deb" Depends; done | tr ',' '\n' |
    sed 's/^ *//; s/[ (|].*//' | grep -v -e strata -e '^$' | sort -u)
status=0
/usr/bin/python3 "$here/clean_root.py" "$root" "${needed[@]}" g++ make cmake pkg-config libssl-dev libarchive-dev || status=$?
((status != 77)) || skip "see above"
((status == 0)) || exit 1

mkdir "$root/packages" "$root/project"
cp "${debs[@]}" "$root/packages/"
cp -r "$here/../../tests/consumer_projects/." "$root/project/"
cp "$here/test_in_root.sh" "$root/"
# shellcheck disable=SC2016 # the inner shell expands them
"${apart[@]}" bash -euc '
    mount -t proc proc "$1/proc" 2>/dev/null || mount --rbind /proc "$1/proc"
    mount -t tmpfs tmpfs "$1/dev"
    mkdir -m 1777 "$1/dev/shm"
    for device in null zero urandom; do
        touch "$1/dev/$device"
        mount --bind "/dev/$device" "$1/dev/$device"
    done
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C.UTF-8 \
        chroot "$1" bash /test_in_root.sh' - "$root"
