#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [TARGET...] [--minutes N] fuzz hostile bytes; --list, --coverage, --minimize
# usage: ./dev fuzz [TARGET...] [--minutes N] [--jobs N]
#        ./dev fuzz --list | --coverage | --minimize [TARGET...]
#   TARGET      all of them if none is named, one after the other
#   --minutes   for each target; 1 if not given
#   --jobs      processes at once; 1 if not given
#   --coverage  replay the committed corpus and tell which lines it reaches
#   --minimize  replace the committed corpus by the smallest set of inputs, found ones included, that
#               reaches the same edges
# What is found is kept in build/fuzz-corpus/TARGET and used again; an input that crashes, hangs or
# takes too much memory goes to build/fuzz-findings. Exit codes: 0 nothing found, 1 something, 2 usage.
set -euo pipefail
source scripts/lib/common.sh

usage() { usage_error "./dev fuzz [TARGET...] [--minutes N] [--jobs N] | --list | --coverage | --minimize"; }

mode=run minutes=1 jobs=1 names=()
while (($#)); do
    case $1 in
        --minutes | --jobs)
            [[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage
            declare "${1#--}=$2"
            shift
            ;;
        --list | --coverage | --minimize) mode=${1#--} ;;
        -*) usage ;;
        *) names+=("$1") ;;
    esac
    shift
done

mapfile -t targets < <(find tests/fuzz/corpus -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort)
if [[ $mode == list ]]; then
    printf '%s\n' "${targets[@]}"
    exit
fi
for name in "${names[@]}"; do
    [[ " ${targets[*]} " == *" $name "* ]] || fail "there is no target $name; ./dev fuzz --list"
done
((${#names[@]})) || names=("${targets[@]}")

# Stores of inputs live below one directory that is gone in the end, however a fuzzer ends.
STRATA_FUZZ_BASE=$(mktemp -d /dev/shm/strata-fuzz.XXXXXX)
export STRATA_FUZZ_BASE
trap 'rm -rf "$STRATA_FUZZ_BASE"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

coverage() {
    need_packages build test fuzz
    configure coverage
    build coverage --target fuzz_replay
    local name bin=build/coverage/tests/bin/fuzz_replay work=build/coverage/profiles
    rm -rf "$work"
    mkdir -p "$work"
    for name in "${names[@]}"; do
        LLVM_PROFILE_FILE="$work/$name" "$bin" "$name" "tests/fuzz/corpus/$name" | tail -n 1
    done
    llvm-profdata merge -o "$work/all" "$work"/*
    llvm-cov report "$bin" -instr-profile "$work/all" include ipc consumer producer directory \
        examples/wordnet/source.cpp tools/text.cpp | cut -c1-200
}

# Memory: a store of 200 KiB must not make a reader ask for more than 600 MiB at once.
limits=(-timeout=20 -rss_limit_mb=2500 -malloc_limit_mb=600 -max_len=240 -len_control=10)

build_fuzzers() {
    need_packages build test fuzz
    configure fuzz
    build fuzz --target "${names[@]/#/fuzz_}"
}

run() {
    build_fuzzers
    local name status=0 findings=build/fuzz-findings log extra
    mkdir -p "$findings"
    for name in "${names[@]}"; do
        mkdir -p "build/fuzz-corpus/$name"
        log=build/fuzz-corpus/$name.log
        extra=()
        [[ $name != bytes && $name != wordnet ]] || extra=(-max_len=5000)
        ((jobs == 1)) || extra+=("-fork=$jobs")
        if "build/fuzz/tests/bin/fuzz_$name" "${limits[@]}" "${extra[@]}" \
            -max_total_time=$((60 * minutes)) -print_final_stats=1 -artifact_prefix="$findings/$name-" \
            "build/fuzz-corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
            printf '%-10s %s\n' "$name" "$(summary_of "$log")"
        else
            status=1
            printf '%-10s FOUND SOMETHING, see %s:\n' "$name" "$log"
            grep -E 'does not hold|ERROR|SUMMARY|Test unit written' "$log" || tail -n 5 "$log"
        fi
    done
    return $status
}

summary_of() {
    local runs
    runs=$(grep -oE '^Done [0-9]+ runs in [0-9]+ second' "$1" | tail -n 1 || true)
    echo "${runs:-see $1}, $(grep -oE 'cov: [0-9]+ (ft: [0-9]+ )?corp: [0-9]+' "$1" | tail -n 1 || true)"
}

minimize() {
    build_fuzzers
    local name merged
    for name in "${names[@]}"; do
        merged=build/fuzz-corpus/$name.merged
        rm -rf "$merged"
        mkdir -p "$merged" "build/fuzz-corpus/$name"
        # The fewest inputs that reach all edges, however often each.
        "build/fuzz/tests/bin/fuzz_$name" "${limits[@]}" -max_len=10000 -use_counters=0 \
            -set_cover_merge=1 "$merged" \
            "tests/fuzz/corpus/$name" "build/fuzz-corpus/$name" >"build/fuzz-corpus/$name.log" 2>&1 ||
            fail "see build/fuzz-corpus/$name.log"
        # Inputs with a name of their own (seeds, regressions) stay, whatever they reach.
        find "tests/fuzz/corpus/$name" -type f -regextype posix-extended -regex '.*/[0-9a-f]{40}' -delete
        cp -n "$merged"/* "tests/fuzz/corpus/$name/"
        printf '%-10s %s inputs, %s\n' "$name" "$(find "tests/fuzz/corpus/$name" -type f | wc -l)" \
            "$(du -sh --apparent-size "tests/fuzz/corpus/$name" | cut -f1)"
    done
}

"$mode"
