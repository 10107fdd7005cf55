#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Verifies the models and checks that Spin rejects every mutant of them.
#   run.sh [MODEL...]                all, or some of: publish threads restart fork history idle wake
#   run.sh trace MODEL [MACRO...]    a short run that breaks a mutant, step by step
# Needs spin and a C compiler. Uses one core and less than 2 GB of memory.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly compiler=${CC:-gcc}
readonly limit_seconds=${LIMIT_SECONDS:-300}

# model | macros | what Spin has to say: "holds", or the kind of error.
# "holds" without macros also demands that every statement is reached: a model that cannot get
# somewhere proves nothing about it.
readonly table='
publish  -                                  holds
publish  NO_REREAD                          assertion
publish  NO_REREAD_AFTER_ROOT               assertion
publish  REREAD_AFTER_USE                   assertion
publish  UNLOCKED_CHECK                     assertion
publish  RETIRE_BEFORE_ROOT                 assertion
publish  TAG_LOW                            assertion
publish  BIRTH_HIGH                         assertion
publish  BIRTH_AT_RETIRE                    assertion
publish  NO_REREAD_AFTER_LOCK,GMAX=3        holds
publish  BIRTH_ZERO,GMAX=3                  holds
publish  BIRTH_ZERO,NO_REREAD_AFTER_ROOT,GMAX=3 holds
threads  -                                  holds
threads  TAG_EARLY                          assertion
threads  TAG_LATE                           assertion
threads  EPOCH_AFTER_CHECK                  assertion
threads  LIMIT_LATE                         assertion
restart  -                                  holds
restart  REUSE_AT_ONCE                      assertion
restart  LIVE_BIRTH_NOW                     assertion
restart  LOST_BIRTH_NOW                     assertion
restart  TAG_LOW                            assertion
restart  EPOCH_RESET                        assertion
restart  NO_REPAIR                          assertion
fork     -                                  holds
fork     NO_LOCK_IN_PREPARE                 assertion
fork     LOCK_IN_CHILD                      assertion
fork     ONE_LOCK                           assertion
fork     IDLE_NOT_HANDED                    assertion
fork     RELOCK_GAP                         assertion
fork     CHILD_KEEPS_OLD                    assertion
fork     UNLOCK_SHARED                      assertion
history  -                                  holds
history  CLEAR_AFTER_RETIRE                 assertion
history  NO_CLEAR                           assertion
history  TOO_FEW_SLOTS                      assertion
history  NO_REREAD                          assertion
history  NO_CHECK                           assertion
history  SLOT_BEFORE_ROOT                   assertion
history  RETIRE_AT_ONCE                     assertion
history  KEEP_SLOTS                         assertion
idle     -                                  holds
idle     HOLDS=2,COUNTS=0,GMAX=3            holds
idle     NO_BARRIER                         assertion
idle     NO_SECOND_BARRIER                  assertion
idle     LOOK_BEFORE_FLAG                   assertion
idle     NO_NUDGE                           assertion
idle     FLAGS_IGNORED                      assertion
idle     KEEPER_LOADS_LATE                  assertion
idle     LAST_USER_LEAVES                   assertion
idle     RETIRE_SELF                        assertion
idle     NO_RECOUNT                         assertion
idle     UNCOUNTED_PIN                      assertion
wake     -                                  holds
wake     WAKE_BEFORE_STORE                  deadlock
wake     EXPECT_RELOADED                    deadlock
wake     QUEUE_AFTER_COMPARE                deadlock
wake     WAKE_WITHOUT_BARRIER               deadlock
wake     WAKE_ONLY_REPAIR                   deadlock
wake     NO_REPAIR                          deadlock
wake     BELIEF_BEFORE_STORE                deadlock
wake     NO_LOOKERS_BARRIER                 deadlock
wake     NO_LOOKERS_WAKE                    deadlock
wake     READ_BEFORE_LOCK                   deadlock
wake     LOOK_BEFORE_DRAIN                  deadlock
'

for tool in spin "$compiler"; do
    if ! command -v "$tool" >/dev/null; then
        echo "run.sh: $tool not found" >&2
        exit 2
    fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cp "$here"/*.pml .

# build MODEL MACROS OPTIMISATION: makes ./pan; MACROS is comma-separated or "-"
build() {
    local -a defines=()
    local macro
    if [[ $2 != - ]]; then
        for macro in ${2//,/ }; do
            defines+=("-D$macro")
        done
    fi
    rm -f pan pan.*
    # Spin may exit 0 after a syntax error: what counts is that pan.c is there and compiles.
    spin -a "${defines[@]}" "$1.pml" >spin.log 2>&1 || true
    if [[ ! -s pan.c ]] || grep -q 'Error' spin.log; then
        cat spin.log >&2
        return 1
    fi
    "$compiler" "$3" -w -DSAFETY -DCOLLAPSE -DMEMLIM=2000 -o pan pan.c
}

# verdict FILE: what pan's output says
verdict() {
    if grep -q '^pan:.*assertion violated' "$1"; then
        echo assertion
    elif grep -q '^pan:.*invalid end state' "$1"; then
        echo deadlock
    elif grep -q 'error: max search depth too small\|Search not completed\|^pan: reached' "$1"; then
        echo incomplete
    elif grep -q 'errors: 0' "$1"; then
        echo holds
    else
        echo failed
    fi
}

if [[ ${1:-} == trace ]]; then
    model=${2:?model}
    shift 2
    macros=$(IFS=,; echo "${*:--}")
    build "$model" "$macros" -O1
    ./pan -m200000 >pan.log 2>&1 || true # a first error, to have something to shorten
    if [[ $(verdict pan.log) == holds ]]; then
        echo "no error"
        exit 0
    fi
    timeout 60 ./pan -m200000 -i >pan.log 2>&1 || true
    defines=()
    if [[ $macros != - ]]; then
        for macro in ${macros//,/ }; do
            defines+=("-D$macro")
        done
    fi
    spin -t -p -g -l "${defines[@]}" "$model.pml"
    exit 0
fi

TIMEFORMAT=%U # processor time, the same on a busy machine
passed=0
failed=0
wanted=" ${*:-publish threads restart fork history idle wake} "
printf '%-8s %-36s %-10s %-10s %10s %8s\n' model variant expected got states seconds
while read -r model macros expected; do
    if [[ -z $model || $wanted != *" $model "* ]]; then
        continue
    fi
    optimise=-O1
    if [[ $expected == holds ]]; then
        optimise=-O2
    fi
    got=failed
    states=-
    seconds=-
    if build "$model" "$macros" "$optimise"; then
        { time timeout "$limit_seconds" ./pan -m200000 >pan.log 2>&1 || true; } 2>seconds
        seconds=$(<seconds)
        got=$(verdict pan.log)
        states=$(awk '/states, stored/ {print $1}' pan.log)
        states=${states:--}
        if [[ $got == holds && $macros == - ]]; then
            # "-end-" of a process that serves for ever is the only thing that may stay unreached
            if grep -A9999 '^unreached in' pan.log | grep ', state ' | grep -v '"-end-"' >unreached; then
                got=unreached
                cat unreached
            fi
        fi
    fi
    if [[ $got == "$expected" ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        got="$got !"
    fi
    printf '%-8s %-36s %-10s %-10s %10s %8s\n' "$model" "$macros" "$expected" "$got" "$states" "$seconds"
done <<<"$table"
echo "$passed passed, $failed failed"
[[ $failed -eq 0 && $passed -gt 0 ]]
