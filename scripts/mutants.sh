#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [--sample N] [--seed S] [NAME...] put one bug at a time into a copy: its test must turn red
# --check only looks whether the list fits the tree; --table prints what its README has to say.
set -euo pipefail
source scripts/lib/common.sh

readonly usage="./dev mutants [--sample N] [--seed S] [NAME...]"
readonly list=tests/mutants
readonly copy=build/mutants/tree
readonly binaries=build/mutants/build
readonly patience_seconds=120 # without a bug; with one: ten times what it took then, and ten more

sample=0
seed=$((RANDOM * 32768 + RANDOM))
action=run
names=()
while (($#)); do
    case $1 in
        --sample | --seed)
            [[ ${2-} =~ ^[0-9]+$ ]] || usage_error "$usage"
            if [[ $1 == --sample ]]; then sample=$2; else seed=$2; fi
            shift 2
            ;;
        --table | --check)
            action=$1
            shift
            ;;
        -*) usage_error "$usage" ;;
        *)
            [[ -f $list/$1.mutant ]] || fail "there is no $list/$1.mutant"
            names+=("$1")
            shift
            ;;
    esac
done
if ((${#names[@]} == 0)); then
    for file in "$list"/*.mutant; do names+=("$(basename "$file" .mutant)"); done
fi
if ((sample > 0)); then
    echo "sample of $sample, seed $seed"
    mapfile -t names < <(printf '%s\n' "${names[@]}" |
        awk -v seed="$seed" 'BEGIN { srand(seed) } { print rand(), $0 }' |
        sort -n | head -n "$sample" | cut -d' ' -f2 | sort)
fi

# read_mutant NAME: sets invariant, file, test_name, test_case, find_text, replace_text
read_mutant() {
    local part='' line
    invariant='' file='' test_name='' test_case='' find_text='' replace_text=''
    while IFS= read -r line; do
        case $line in
            '--- find' | '--- replace' | '--- end') part=${line#--- } ;;
            *)
                case $part in
                    find) find_text+=$line$'\n' ;;
                    replace) replace_text+=$line$'\n' ;;
                    '')
                        case $line in
                            'invariant: '*) invariant=${line#invariant: } ;;
                            'file: '*) file=${line#file: } ;;
                            'test: '*) test_name=${line#test: } ;;
                            'case: '*) test_case=${line#case: } ;;
                        esac
                        ;;
                esac
                ;;
        esac
    done <"$list/$1.mutant"
    find_text=${find_text%$'\n'}
    replace_text=${replace_text%$'\n'}
    [[ $part == end && -n $invariant && -n $file && -n $test_name && -n $test_case && -n $find_text ]] ||
        fail "$list/$1.mutant is incomplete"
}

# Puts the tree's own text back wherever the copy differs; what changed gets a new time stamp.
refresh_copy() {
    local path
    while IFS= read -r -d '' path; do
        if ! cmp -s "$path" "$copy/$path"; then
            mkdir -p "$copy/$(dirname "$path")"
            cp "$path" "$copy/$path"
        fi
    done < <(project_files '*')
}

# mutated: prints the file with the bug. The text has to be there exactly once, else the list is out
# of date.
mutated() {
    local text without
    [[ -f $file ]] || return 1
    text=$(cat "$file" && printf x)
    without=${text//"$find_text"/}
    ((${#text} - ${#without} == ${#find_text})) || return 1
    text=${text/"$find_text"/"$replace_text"}
    printf '%s' "${text%x}"
}

build_test() {
    cmake --build "$binaries" -j "$(jobs_count)" --target "strata_test_$1" >"$binaries/log" 2>&1
}

# run_test NAME CASES SECONDS: green, red (also if it hangs), or none (no such case, or skipped).
run_test() {
    local code=0
    timeout -k 5 "$3" "$binaries/tests/bin/$1_test" "-tc=$2" </dev/null \
        >"$binaries/output" 2>&1 || code=$?
    case $code in
        0) echo green ;;
        2 | 77 | 126 | 127) echo none ;;
        *) echo red ;;
    esac
}

# table: what tests/mutants/README.md has to say.
table() {
    local path
    echo "| mutant | what it breaks | red: test, cases |"
    echo "|---|---|---|"
    for path in "$list"/*.mutant; do
        read_mutant "$(basename "$path" .mutant)"
        echo "| \`$(basename "$path" .mutant)\` | $invariant | \`$test_name\`: $test_case |"
    done
}

if [[ $action == --table ]]; then
    table
    exit
fi
table | cmp -s - <(grep '^|' "$list/README.md") ||
    fail "the table in $list/README.md is out of date: put the output of ./dev mutants --table there"
for name in "${names[@]}"; do
    read_mutant "$name"
    mutated >/dev/null || fail "$list/$name.mutant does not fit $file: its text has to be there exactly once"
done
[[ $action != --check ]] || exit 0

need_packages build test
mkdir -p "$copy" "$binaries"
# The mutant goes away even if somebody interrupts this.
trap refresh_copy EXIT
refresh_copy
if [[ -z ${CMAKE_CXX_COMPILER_LAUNCHER-} && -n $(command -v ccache) ]]; then
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi
cmake -S "$copy" -B "$binaries" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O1 \
    -DSTRATA_PRECOMPILE_HEADERS=ON -DSTRATA_TEST_OPTIMIZATION=-O0 \
    -DSTRATA_BUILD_TOOLS=OFF -DSTRATA_BUILD_EXAMPLES=OFF -DSTRATA_BUILD_VOLUME=ON \
    -DSTRATA_INSTALL=OFF >"$binaries/log" 2>&1 ||
    fail "cannot configure the copy: see $binaries/log"

# Without a bug everything has to be green: a test that is always red proves nothing.
declare -A seen=()
for name in "${names[@]}"; do
    read_mutant "$name"
    [[ -z ${seen["$test_name|$test_case"]-} ]] || continue
    build_test "$test_name" || { cat "$binaries/log"; fail "$test_name does not build"; }
    start=$SECONDS
    verdict=$(run_test "$test_name" "$test_case" "$patience_seconds")
    seen["$test_name|$test_case"]=$((10 + 10 * (SECONDS - start)))
    [[ $verdict == green ]] || { cat "$binaries/output"; fail "without a bug $test_name is $verdict"; }
done

caught=0
survivors=()
for name in "${names[@]}"; do
    read_mutant "$name"
    start=$SECONDS
    if ! mutated >"$copy/$file"; then
        verdict="out of date"
    elif ! build_test "$test_name"; then
        verdict="does not compile"
        tail -n 20 "$binaries/log"
    else
        verdict=$(run_test "$test_name" "$test_case" "${seen["$test_name|$test_case"]}")
    fi
    cp "$file" "$copy/$file"
    printf '%-34s %-16s %-16s %4d s\n' "$name" "$test_name" "$verdict" $((SECONDS - start))
    if [[ $verdict == red ]]; then
        caught=$((caught + 1))
    else
        survivors+=("$name ($verdict)")
    fi
done
echo "$caught of ${#names[@]} mutants caught in $SECONDS s"
((${#survivors[@]} == 0)) || fail "not caught: ${survivors[*]}"
