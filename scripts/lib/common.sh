# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by every command: packages, the number of jobs, configuring and building a preset.
# shellcheck source=scripts/lib/packages.sh
source "${BASH_SOURCE[0]%/*}/packages.sh"

fail() {
    echo "error: $*" >&2
    exit 1
}

usage_error() {
    echo "usage: $*" >&2
    exit 2
}

# One job per core, but not more than one per 2 GiB. STRATA_JOBS overrides.
jobs_count() {
    if [[ -n ${STRATA_JOBS-} ]]; then
        echo "$STRATA_JOBS"
        return
    fi
    local cores memory_kib jobs
    cores=$(nproc)
    memory_kib=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo 2>/dev/null || true)
    jobs=$((${memory_kib:-8388608} / 2097152))
    ((jobs >= 1)) || jobs=1
    echo $((jobs < cores ? jobs : cores))
}

# configure PRESET [cmake argument...]
configure() {
    local preset=$1 log
    shift
    if [[ -z ${CMAKE_CXX_COMPILER_LAUNCHER-} && -n $(command -v ccache) ]]; then
        export CMAKE_CXX_COMPILER_LAUNCHER=ccache
    fi
    mkdir -p "build/$preset"
    log=build/$preset/configure.log
    if ! cmake --preset "$preset" "$@" >"$log" 2>&1; then
        cat "$log" >&2
        fail "cmake could not configure preset '$preset'"
    fi
}

# build PRESET [argument of cmake --build...]
build() {
    local preset=$1
    shift
    cmake --build "build/$preset" -j "$(jobs_count)" "$@" || fail "the build of '$preset' failed"
}

# Every file of the project, NUL-terminated: what git tracks or would track, in a tarball all.
project_files() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files -z --cached --others --exclude-standard -- "$@" |
            while IFS= read -r -d '' file; do [[ ! -f $file ]] || printf '%s\0' "$file"; done
    else
        local arguments=() pattern
        for pattern in "$@"; do arguments+=(-o -path "./$pattern"); done
        find . -path ./build -prune -o -type f \( "${arguments[@]:1}" \) -printf '%P\0'
    fi
}
