# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The Debian packages that the commands need, by purpose, and need_packages, which installs what is
# missing. With everything there it only asks dpkg, so it is quick and works offline.

declare -A packages=(
    [build]="g++ cmake ninja-build libboost-dev libcereal-dev libxxhash-dev libcli11-dev nlohmann-json3-dev
        libncurses-dev libcpp-httplib-dev libssl-dev libarchive-dev pkg-config"
    [test]="doctest-dev pkg-config python3 tmux zsh fish groff-base python3-dev python3-numpy
        python3-pytest python3-yaml"
    [disks]="e2fsprogs xfsprogs"
    [package]="python3 python3-dev dpkg-dev lintian file"
    [docs]="doxygen"
    [demo]="wordnet-base"
    [clang]="clang"
    [asan]="clang libclang-rt-dev llvm"
    [fuzz]="clang libclang-rt-dev llvm"
    [format]="clang-format"
    [mutate]="clang llvm lld python3 util-linux binutils"
    [models]="spin gcc"
    [bench]="libbenchmark-dev python3"
    [bench_peers]="liblmdb-dev libabsl-dev libsqlite3-dev redis-server libhiredis-dev iceoryx
        libiceoryx-posh-dev libiceoryx-hoofs-dev libtkrzw-dev"
    [bench_instructions]="valgrind"
    [lint]="clang-tidy cppcheck shellcheck"
)

# What a package is wanted for. Where that is there, however it came (another Boost of Debian's, a
# CMake of one's own), the package is not asked for.
declare -A evidence=(
    [g++]="command g++"
    [cmake]="command cmake"
    [ninja-build]="command ninja"
    [pkg-config]="command pkg-config"
    [clang]="command clang++"
    [libboost-dev]="header boost/version.hpp"
    [libcereal-dev]="header cereal/cereal.hpp"
    [libxxhash-dev]="header xxhash.h"
    [libcli11-dev]="header CLI/CLI.hpp"
    [nlohmann-json3-dev]="header nlohmann/json.hpp"
    [doctest-dev]="header doctest/doctest.h"
)

# need_packages PURPOSE...
need_packages() {
    local purpose package wanted=() missing=()
    for purpose in "$@"; do
        read -rd '' -a wanted <<<"${packages[$purpose]}" || true  # to the end: of more than a line
        for package in "${wanted[@]}"; do
            package_installed "$package" || has_evidence "$package" || missing+=("$package")
        done
    done
    ((${#missing[@]})) || return 0
    if [[ -z $(command -v apt-get) ]]; then
        echo "note: this is no Debian; make sure that you have the likes of: ${missing[*]}" >&2
        return 0
    fi
    install_packages "${missing[@]}"
}

package_installed() {
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

has_evidence() {
    local kind what
    read -r kind what <<<"${evidence[$1]-}"
    case $kind in
        command) [[ -n $(command -v "$what") ]] ;;
        header) [[ -e /usr/include/$what || -e /usr/local/include/$what ]] ;;
        *) return 1 ;;
    esac
}

# apt_get ARGUMENT...: waits up to ten minutes for another apt or dpkg, which apt itself does only for
# some of its locks.
apt_get() {
    local log status=0 told='' until=$((SECONDS + 600))
    log=$(mktemp)
    while true; do
        status=0
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -qq "$@" \
            </dev/null >/dev/null 2>"$log" || status=$?
        if ((status == 0 || SECONDS >= until)) ||
            ! grep -qE 'Could not get lock|is locked by|Unable to lock' "$log"; then
            break
        fi
        [[ -n $told ]] || echo "waiting for another apt or dpkg to end" >&2
        told=1
        sleep 1
    done
    ((status == 0)) || cat "$log" >&2
    rm -f "$log"
    return "$status"
}

install_packages() {
    local as_root=()
    if ((EUID != 0)); then
        if [[ -n $(command -v sudo) ]] && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; then
            as_root=(sudo)
        else
            echo "missing packages: $*" >&2
            echo "Neither root nor sudo is at hand to install them; as root, run:" >&2
            echo "    apt-get update && apt-get install --no-install-recommends $*" >&2
            return 1
        fi
    fi
    echo "installing: $*"
    apt_get update && apt_get install -y --no-install-recommends "$@"
}
