#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [--sample N] [ROW...] static checks: tree format scripts docs cppcheck tidy; all if none is named
# --sample N: clang-tidy looks at N of the library's sources, others each time.
set -euo pipefail
source scripts/lib/common.sh

all_rows=(tree format scripts docs cppcheck tidy)
library=(include ipc producer consumer directory volume)

# What every text of the tree must keep to.
lint_tree() {
    local status=0 texts=() sources=()
    mapfile -d '' texts < <(project_files '*' ':!LICENSE' ':!tests/fuzz/corpus' ':!tests/fuzz/images')
    mapfile -d '' sources < <(project_files '*.cpp' '*.hpp' '*.h' '*.c' '*.cmake' \
        '*CMakeLists.txt' '*.sh' dev .ci/run)

    complain() { # reason, command that prints offenders
        local offenders
        offenders=$("${@:2}" || true)
        [[ -n $offenders ]] || return 0
        printf '%s:\n%s\n' "$1" "$offenders"
        status=1
    }
    complain "unfinished business: finish it, or open an issue" \
        grep -nIE '\b(TO''DO|FIX''ME|X''XX|HA''CK)\b' "${texts[@]}"
    complain "path of somebody's machine" \
        grep -nIE '(^|[^A-Za-z0-9_.}/])/(home|work|Users|root)/[a-z]' "${texts[@]}"
    complain "white space at the end of a line" grep -nIE '[[:blank:]]+$' "${texts[@]}"
    complain "no licence line" grep -L 'SPDX-License-Identifier: Apache-2.0' "${sources[@]}"
    cmake -DROOT="$PWD" -P tests/layering.cmake || status=1
    return $status
}

lint_format() { bash scripts/format.sh --check; }

lint_scripts() {
    shellcheck -x dev .ci/run scripts/*.sh scripts/lib/*.sh packaging/debian/*.sh tests/*.sh \
        packaging/debian/*/{postinst,prerm}
}

# Doxygen warns of links to nowhere and of what documents something else than there is.
lint_docs() { bash scripts/docs.sh; }

# Suppressed: readdir on a stream of one's own is safe (and readdir_r deprecated); cppcheck 2.10 cannot
# parse some C++20.
lint_cppcheck() {
    cppcheck --quiet --std=c++20 --language=c++ --library=posix -j "$(jobs_count)" \
        --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
        --suppress=missingIncludeSystem --suppress=readdirCalled --suppress=internalAstError \
        -I include -I . "${library[@]}"
}

# The compile commands come from the Clang preset.
lint_tidy() {
    local pattern sources=()
    configure clang
    pattern="$PWD/($(IFS='|' && echo "${library[*]}"))/[^\"]*"
    mapfile -t sources < <(grep -oE "\"file\": \"$pattern" build/clang/compile_commands.json |
        cut -d'"' -f4 | sort -u)
    if ((${#sources[@]} == 0)); then
        echo "no library source among the compile commands"
        return 1
    fi
    if ((sample > 0)); then
        mapfile -t sources < <(shuf -n "$sample" -e "${sources[@]}")
        echo "sample of ${#sources[@]}: ${sources[*]#"$PWD"/}"
    fi
    run-clang-tidy -quiet -j "$(jobs_count)" -p build/clang "${sources[@]/#/^}" 2>/dev/null |
        sed 's/\x1b\[[0-9;]*m//g; /^clang-tidy/d'
}

sample=0
if [[ ${1-} == --sample ]]; then
    [[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage_error "./dev lint [--sample N] [${all_rows[*]}]"
    sample=$2
    shift 2
fi
for row in "$@"; do
    [[ " ${all_rows[*]} " == *" $row "* ]] || usage_error "./dev lint [--sample N] [${all_rows[*]}]"
done
(($#)) || set -- "${all_rows[@]}"

need_packages build test clang format lint
failed=()
for row in "$@"; do
    echo "== lint: $row"
    "lint_$row" || failed+=("$row")
done
((${#failed[@]} == 0)) || fail "lint: ${failed[*]}"
echo "lint: clean"
