#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [--sanitizer address|thread] [--clang] [ctest arguments] build and run the tests
set -euo pipefail
source scripts/lib/common.sh

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
[[ $preset != clang ]] || need_packages clang
configure "$preset"
build "$preset"

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
