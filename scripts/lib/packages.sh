# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The Debian packages that the commands need, by purpose, and need_packages, which installs what is
# missing. With everything there it only asks dpkg, so it is quick and works offline.

declare -A packages=(
    [build]="g++ cmake ninja-build libboost-dev libcereal-dev libxxhash-dev libcli11-dev nlohmann-json3-dev
        libncurses-dev"
    [test]="doctest-dev pkg-config tmux"
    [demo]="wordnet-base"
    [clang]="clang"
    [fuzz]="clang llvm"
    [format]="clang-format"
    [models]="spin gcc"
    [bench]="libbenchmark-dev python3"
    [bench_peers]="liblmdb-dev libabsl-dev libsqlite3-dev redis-server libhiredis-dev iceoryx
        libiceoryx-posh-dev libiceoryx-hoofs-dev libtkrzw-dev"
    [bench_instructions]="valgrind"
    [lint]="clang-tidy cppcheck shellcheck"
)

# need_packages PURPOSE...
need_packages() {
    local purpose package wanted=() missing=()
    for purpose in "$@"; do
        read -ra wanted <<<"${packages[$purpose]}"
        for package in "${wanted[@]}"; do
            package_installed "$package" || missing+=("$package")
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
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq)
    "${apt[@]}" update </dev/null &&
        "${apt[@]}" install -y --no-install-recommends "$@" </dev/null >/dev/null
}
