#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Verifies the models and checks that Spin rejects every mutant of them.
#   run.sh [MODEL...]                all, or some of: publish threads restart fork history bookmark idle slots
#                                    wake
#   run.sh trace MODEL [MACRO...]    a short run that breaks a mutant, step by step
# Needs spin and a C compiler. JOBS rows at a time (default: as many as there are cores, at most
# four); each uses one core and less than 2 GB of memory.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly compiler=${CC:-gcc}
readonly limit_seconds=${LIMIT_SECONDS:-300}
cores=$(nproc)
readonly jobs=${JOBS:-$((cores < 4 ? cores : 4))}

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
restart  CRASHES=2,RECLAIMS=1               holds
restart  REUSE_AT_ONCE                      assertion
restart  CLOSING_ROOT_ONLY                  assertion
restart  FIRST_HOLDER_ONLY                  assertion
restart  LIVE_BIRTH_NOW                     assertion
restart  LOOK_FIRST                         assertion
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
fork     LEAVE_FIRST                        assertion
fork     ONE_LOCK_TAKEN_ALONG               assertion
fork     SHARED_FOR_GOOD                    assertion
history  -                                  holds
history  CLEAR_AFTER_RETIRE                 assertion
history  NO_CLEAR                           assertion
history  TOO_FEW_SLOTS                      assertion
history  NO_REREAD                          assertion
history  NO_CHECK                           assertion
history  SLOT_BEFORE_ROOT                   assertion
history  RETIRE_AT_ONCE                     assertion
history  KEEP_SLOTS                         assertion
bookmark -                                  holds
bookmark NOT_PINNED                         assertion
bookmark DROP_AT_ONCE                       assertion
bookmark REMOVED_AS_SET                     assertion
bookmark NO_COMPARE                         assertion
bookmark READ_BEFORE_PIN                    assertion
bookmark MEMORY_FIRST                       holds
bookmark NOT_TRACED                         assertion
bookmark FORGET_REMOVED                     assertion
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
idle     REFUSED,HOLDS=2,COUNTS=0            holds
idle     REFUSED,HOLDS=2,COUNTS=0,NO_GRACE  assertion
idle     REFUSED,HOLDS=2,COUNTS=0,GRACE_FIRST assertion
idle     REFUSED,HOLDS=2,COUNTS=0,TAKER_UNFENCED assertion
idle     REFUSED,HOLDS=2,COUNTS=0,DROPPER_UNFENCED assertion
idle     REFUSED,HOLDS=2,COUNTS=0,NEW_VIEW_UNMARKED assertion
slots    -                                  holds
slots    SPLIT_END                          assertion
slots    NUMBER_REUSED                      assertion
slots    HELD_FIRST                         assertion
slots    RECYCLE_HELD                       assertion
slots    END_HELD                           assertion
wake     -                                  holds
wake     WAKE_BEFORE_STORE                  deadlock
wake     EXPECT_RELOADED                    deadlock
wake     QUEUE_AFTER_COMPARE                deadlock
wake     WAKE_WITHOUT_BARRIER               deadlock
wake     WAKE_ONLY_REPAIR                   deadlock
wake     NO_REPAIR                          deadlock
wake     PRESENT_BEFORE_STORE               deadlock
wake     NO_FINDERS_BARRIER                 deadlock
wake     NO_FINDERS_WAKE                    deadlock
wake     READ_BEFORE_LOCK                   deadlock
wake     LOOK_BEFORE_DRAIN                  deadlock
wake     NO_HANDOVER                        deadlock
wake     BELL_BEFORE_FLAG                   deadlock
wake     FLAG_BEFORE_BELL                   deadlock
wake     REFUSED                            holds
wake     REFUSED,FLAG_KEPT_UP               deadlock
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

# check MODEL MACROS EXPECTED: in a directory of its own; prints the row, fails if it is not as expected
check() {
    local model=$1 macros=$2 expected=$3 optimise=-O1 got=failed states=- seconds=- mark=''
    if [[ $expected == holds ]]; then
        optimise=-O2
    fi
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
    [[ $got == "$expected" ]] || mark=' !'
    printf '%-8s %-36s %-10s %-10s %10s %8s\n' "$model" "$macros" "$expected" "$got$mark" "$states" "$seconds"
    [[ -z $mark ]]
}

running=0
started=()
wanted=" ${*:-publish threads restart fork history bookmark idle slots wake} "
printf '%-8s %-36s %-10s %-10s %10s %8s\n' model variant expected got states seconds
while read -r model macros expected; do
    if [[ -z $model || $wanted != *" $model "* ]]; then
        continue
    fi
    if ((running == jobs)); then
        wait -n || true # the rows' verdicts are gathered below
        running=$((running - 1))
    fi
    row=$work/row${#started[@]}
    mkdir "$row"
    (
        cd "$row"
        cp "$here"/*.pml .
        check "$model" "$macros" "$expected" >"$row.out" 2>&1 && touch "$row.passed"
        rm -rf "$row"
        cat "$row.out"
    ) &
    running=$((running + 1))
    started+=("$row")
done <<<"$table"
wait

passed=0
failed=0
for row in "${started[@]}"; do
    if [[ -e $row.passed ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[[ $failed -eq 0 && $passed -gt 0 ]]
