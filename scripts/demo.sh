#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: scripts/demo.sh BIN_DIR [--stay]
# The main job with several processes: one producer publishes WordNet and keeps changing it, four
# consumers compare every layer that they see with the WordNet files. One of them is another user
# behind a read-only mount, if root runs this; one is killed, and so is the producer. The last line is
#   demo: L layers in D dimensions, C consumers, G generations, M mismatches
# --stay: before the end all go on until Enter is pressed, to be looked at with strata top.
# Exit codes: 0 all of it happened and M is 0, 1 something did not, 2 wrong usage.
set -euo pipefail

wordnet=/usr/share/wordnet
other_uid=65534                          # nobody
patience_s=${STRATA_DEMO_PATIENCE_S:-60} # for any one step; all together take a few seconds

usage() {
    echo "demo: $*" >&2
    echo "usage: scripts/demo.sh BIN_DIR [--stay]    (./dev demo [--stay])" >&2
    exit 2
}

stay=
if [[ ${2-} == --stay ]]; then
    stay=1
    set -- "$1"
fi
[[ $# -eq 1 ]] || usage "one argument is needed: the folder of the built programs; and perhaps --stay"
bin=$(cd "$1" 2>/dev/null && pwd) || usage "$1 is no folder"
for program in wordnet_producer wordnet_consumer; do
    [[ -x $bin/$program ]] || usage "$bin/$program is missing: ./dev build makes it"
done
[[ -r $wordnet/data.noun ]] || usage "$wordnet/data.noun is missing: apt install wordnet-base"

work=$(mktemp -d /dev/shm/strata-demo.XXXXXX)
mkdir "$work/stores" "$work/view" "$work/bin" "$work/logs"
chmod 755 "$work" "$work"/*
declare -A pids=()

clean_up() {
    local name
    for name in "${!pids[@]}"; do kill -KILL "${pids[$name]}" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

started_us=${EPOCHREALTIME/[.,]/}
say() {
    local ms=$(((${EPOCHREALTIME/[.,]/} - started_us) / 1000))
    printf '%3d.%d s  %s\n' $((ms / 1000)) $((ms / 100 % 10)) "$*"
}

fail() {
    local log
    for log in "$work"/logs/*; do
        echo "---- the end of ${log##*/}:" >&2
        tail -n 5 "$log" >&2
    done
    echo "demo: failed: $*" >&2
    exit 1
}

# start NAME COMMAND...: in the background, with its output in logs/NAME.
start() {
    local name=$1
    shift
    "$@" >>"$work/logs/$name" 2>&1 &
    pids[$name]=$!
}

# await NAME PATTERN [COUNT]: sleeps until NAME has printed COUNT lines with PATTERN; $line is the last.
await() {
    local name=$1 pattern=$2 count=${3-1} lines
    lines=$(timeout "$patience_s" grep -m "$count" -e "$pattern" \
        < <(exec tail -n +1 -s 0.1 --pid="${pids[$name]}" -f "$work/logs/$name") || true)
    [[ -n $lines && $(wc -l <<<"$lines") -eq $count ]] ||
        fail "$name did not print \"$pattern\" ($count times)"
    line=${lines##*$'\n'}
}

count_lines() { grep -c -e "$2" "$work/logs/$1" || true; }

# The value of KEY in a line of KEY=VALUE pairs.
value() {
    [[ " $2 " =~ \ $1=([^ ]+)\  ]] || fail "there is no $1 in \"$2\""
    echo "${BASH_REMATCH[1]}"
}

# end NAME SIGNAL: ends a process and waits for that; $status is its exit code.
end() {
    status=0
    {
        kill "-$2" "${pids[$1]}"
        wait "${pids[$1]}" || status=$?
    } 2>/dev/null # bash would say "Killed"
    unset "pids[$1]"
}

whole='^whole store at'

# Each of the consumers has compared the whole store once more from now on.
await_another_comparison() {
    local name
    local -A counts=()
    for name in "$@"; do counts[$name]=$(count_lines "$name" "$whole"); done
    for name in "$@"; do await "$name" "$whole" $((counts[$name] + 1)); done
}

producer=("$bin/wordnet_producer" --base "$work/stores" --wordnet "$wordnet" --rhythm-ms 10)
consumer=(--wordnet "$wordnet" --verify --patience "$patience_s")

# Runs in a mount namespace of its own: the stores become read-only, the programs reachable.
# shellcheck disable=SC2016 # the inner shell expands them
behind_read_only_mount='
    set -e
    mount --bind "$1/stores" "$1/view"
    mount -o remount,bind,ro "$1/view"
    mount --bind "$2" "$1/bin"
    if touch "$1/view/probe" 2>/dev/null; then exit 99; fi
    cd "$1/view"
    exec setpriv --reuid="$3" --regid="$3" --clear-groups "$1/bin/wordnet_consumer" "${@:4}"'

start_other_user() {
    local private=(unshare --mount --propagation private bash -c "$behind_read_only_mount" -
        "$work" "$bin" "$other_uid")
    local as_other=(setpriv --reuid="$other_uid" --regid="$other_uid" --clear-groups)
    other_uid_now=$other_uid
    if ((EUID != 0)); then
        say "consumer other: not root, so it is the same user here"
        other_uid_now=$EUID
        start other "$bin/wordnet_consumer" --base "$work/stores" "${consumer[@]}"
    elif "${private[@]}" --help >/dev/null 2>&1; then
        say "consumer other: user $other_uid, through a read-only bind mount"
        start other "${private[@]}" --base "$work/view" "${consumer[@]}"
    else
        say "consumer other: user $other_uid, with read permission only (no mounts allowed here)"
        cp "$bin/wordnet_consumer" "$work/bin/" # $bin may be in a folder closed to others
        "${as_other[@]}" "$work/bin/wordnet_consumer" --help >/dev/null ||
            fail "user $other_uid cannot run a program in $work"
        start other "${as_other[@]}" "$work/bin/wordnet_consumer" --base "$work/stores" \
            "${consumer[@]}"
    fi
}

# The kernel's word for it: the process maps the store, never writable, and holds a pin.
check_attached() {
    local proc=/proc/${pids[$1]} maps locks
    maps=$(grep -E '/(control|region-[^/]*)\.mmap' "$proc/maps") || fail "$1 maps no store"
    ! grep -qE '^[^ ]+ .w' <<<"$maps" || fail "$1 maps the store writable"
    locks=$(cat "$proc"/fdinfo/* 2>/dev/null || true) # one may be closed meanwhile
    grep -q '^lock:.*OFDLCK.*READ' <<<"$locks" || fail "$1 holds no pin"
}

# ---- 1. Start order does not matter.
say "consumer early: waits for a store that is not there yet"
start early "$bin/wordnet_consumer" --base "$work/stores" --wait "$patience_s" --watch \
    "${consumer[@]}"
start producer "${producer[@]}"
await producer '^published:'
say "producer: ${line#published: }"

# ---- 2. More consumers, all at work.
start second "$bin/wordnet_consumer" --base "$work/stores" "${consumer[@]}"
start victim "$bin/wordnet_consumer" --base "$work/stores" "${consumer[@]}"
start_other_user
for name in early second victim other; do
    await "$name" "$whole"
    check_attached "$name"
    say "consumer $name: ${line#whole store }"
done
say "    (so long it takes to compare each byte of each layer, and all words, with WordNet's files)"
uid=$(awk '/^Uid:/ { print $2 }' "/proc/${pids[other]}/status")
[[ $uid == "$other_uid_now" ]] || fail "consumer other runs as user $uid"
await early '^generation .* updated'
say "consumer early: ${line:0:100}..."
if refusal=$("${producer[@]}" 2>&1); then fail "a second producer was let in"; fi
refusal=${refusal##*$'\n'}
[[ $refusal == *"${pids[producer]}"* ]] || fail "the refusal does not name the producer: $refusal"
say "a second producer is refused: ${refusal#wordnet_producer: }"

# ---- 3. A consumer dies: nobody notices.
check_attached victim
end victim KILL
((status == 137)) || fail "the killed consumer ended with $status"
say "consumer victim: killed while it held a pin; the others go on"
await_another_comparison early second other

# ---- 4. The producer dies and comes back: consumers read on, generations go on.
survivors=(early second other)
end producer KILL
((status == 137)) || fail "the killed producer ended with $status"
last=0
for name in "${survivors[@]}"; do
    await "$name" '^producer is gone at generation'
    [[ $line =~ generation\ ([0-9]+) ]] || fail "no generation in: $line"
    ((last >= BASH_REMATCH[1])) || last=${BASH_REMATCH[1]}
done
say "producer: killed at generation $last; every consumer knows"
found=$("$bin/wordnet_consumer" --base "$work/stores" --lookup dog) || fail "no lookup: $found"
[[ $found == *"noun.animal dog, domestic dog"* ]] || fail "there is no dog: $found"
say "nobody publishes, reading works: ${found%%$'\n'*}"
say "    (a new process, which compares that word with the keywords of all layers, one by one;" \
    "a look-up by number or name takes nanoseconds: ./dev bench)"
start producer "${producer[@]}"
await producer '^carrying on:'
continued=$(value generation "$line")
# The killed one may just have published a generation that nobody saw.
((continued == last || continued == last + 1)) ||
    fail "the new producer is at generation $continued, the old one was at $last"
for name in "${survivors[@]}"; do await "$name" '^producer is back'; done
say "producer: a new one carries on from generation $continued; every consumer follows"
await producer 'every synset has revision 2'
say "producer: ${line%%;*}"
await_another_comparison "${survivors[@]}"

if [[ -n $stay ]]; then
    say "all of them go on; in another terminal: $bin/strata top --base $work/stores"
    say "Enter ends it"
    read -r || true
fi

# ---- 5. An orderly end. Every consumer compares the whole store a last time.
end producer TERM
((status == 0)) || fail "the producer ended with $status"
line=$(tail -n 1 "$work/logs/producer")
generation=$(value generation "$line")
((generation > continued)) || fail "the new producer has published nothing"
say "$line"
layers=0 dimensions=0
mismatches=$(count_lines victim '^mismatch')
for name in "${survivors[@]}"; do
    end "$name" TERM
    line=$(tail -n 1 "$work/logs/$name")
    say "consumer $name: ${line#consumer: }"
    found=$(value mismatches "$line")
    mismatches=$((mismatches + found))
    ((status == 0 || mismatches > 0)) || fail "consumer $name ended with $status"
    found=$(value generation "$line")
    ((found == generation)) || fail "$name missed the last generation"
    found=$(value producers_lost "$line")
    ((found >= 1)) || fail "$name did not notice that its producer was killed"
    found="$(value layers "$line") $(value dimensions "$line")"
    [[ $layers -eq 0 || $found == "$layers $dimensions" ]] || fail "consumers disagree: $line"
    read -r layers dimensions <<<"$found"
done
((layers > 0 && dimensions == 45)) || fail "$layers layers in $dimensions dimensions"

echo "demo: $layers layers in $dimensions dimensions, $((${#survivors[@]} + 1)) consumers," \
    "$generation generations, $mismatches mismatches"
((mismatches == 0))
