#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [--sanitizer address|thread] [--clang] [ctest arguments] build and run the tests
set -euo pipefail
source scripts/lib/common.sh

# selected_programs ARRAY BUILD [ctest arguments]: what the selected tests run, as targets of the
# build. Nothing, which is to say everything, if one of them runs something that is not a test's own
# program, and so needs who knows what.
selected_programs() {
    local -n found=$1
    local build=$2 name path
    local -A path_of=()
    while IFS=$'\t' read -r name path; do
        path_of[$name]=$path
    done < <(find "$build" -name CTestTestfile.cmake -exec \
        sed -nE 's/^add_test\(\[=\[(.*)\]=\] "([^"]*)".*/\1\t\2/p' {} +)
    while read -r name; do
        path=${path_of[$name]-}
        if [[ $path != "$PWD/$build/"* ]]; then
            found=()
            return
        fi
        found+=("${path#"$PWD/$build/"}")
    done < <(ctest --test-dir "$build" -N "${@:3}" | sed -nE 's/^ *Test +#[0-9]+: //p')
}

preset="test"
while (($#)); do
    case $1 in
        --sanitizer=*) set -- --sanitizer "${1#*=}" "${@:2}" ;;
        --sanitizer)
            case ${2-} in
                address) preset=asan ;;
                thread) preset=tsan ;;
                *) usage_error "./dev test --sanitizer address|thread" ;;
            esac
            shift 2
            ;;
        --clang)
            preset=clang
            shift
            ;;
        -h | --help) usage_error "./dev test [--sanitizer address|thread] [--clang] [ctest arguments]" ;;
        *) break ;;
    esac
done

need_packages build test
[[ ! $preset =~ ^(clang|asan)$ ]] || need_packages "$preset"
((EUID != 0)) || need_packages disks  # else what needs them is skipped
configure "$preset"
programs=()
if (($#)); then
    selected_programs programs "build/$preset" "$@"
fi
build "$preset" ${programs[0]+--target "${programs[@]}"}

# The sanitizer runtimes of GCC 12 know fewer bits of address randomisation than new kernels use.
run=()
if [[ $preset == [at]san ]] && setarch -R true 2>/dev/null; then
    run=(setarch -R)
fi
export ASAN_OPTIONS=${ASAN_OPTIONS-detect_stack_use_after_return=1:strict_init_order=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS-halt_on_error=1:second_deadlock_stack=1}
"${run[@]}" ctest --test-dir "build/$preset" --output-on-failure --no-tests=error \
    -j "$(jobs_count)" "$@" </dev/null || fail "tests failed (preset '$preset')"
