#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The life of a volume, from its making to the day on which it is needed: a producer and two
# consumers, a producer that is killed and its successor, backups (whole, then what has changed), a
# damaged archive and what can be salvaged of it, a damaged store and its restore. Every layer that
# somebody reads is compared with what it has to be; the last line is
#   0 mismatches
#   examples/volume/run.sh BUILD_DIRECTORY [DIRECTORY]    with strata and the examples built in it
# The volume is made in DIRECTORY and stays there; without one, in a temporary directory that goes.
set -euo pipefail

[[ $# -ge 1 && $# -le 2 && -d $1/bin ]] || {
    echo "usage: run.sh BUILD_DIRECTORY [DIRECTORY]" >&2
    exit 2
}
bin=$(cd "$1/bin" && pwd)
for program in strata volume_producer volume_consumer; do
    [[ -x $bin/$program ]] || {
        echo "run.sh: $bin/$program is missing: build it first" >&2
        exit 2
    }
done

pids=()
if [[ $# -eq 2 ]]; then
    mkdir -p "$2"
    work=$(cd "$2" && pwd)
    finish() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; }
else
    work=$(mktemp -d)
    finish() {
        for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
        rm -rf "$work"
    }
fi
trap finish EXIT

export MMAP_BASE_PATH=$work/volume
unset MMAP_INITIAL_SIZE MMAP_MAX_SIZE
live=$MMAP_BASE_PATH/live store=consciousness
volume() { "$bin/strata" volume "$@"; }
say() { printf '\n== %s\n' "$*"; }
fail() {
    echo "run.sh: $*" >&2
    exit 1
}
# damage FILE OFFSET: one byte is another one.
damage() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf '%b' "\\x$(printf %x $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
# damaged COMMAND...: it must find damage, and say so by its exit code.
damaged() {
    local code=0
    "$@" || code=$?
    ((code == 4)) || fail "damage was to be found, but the exit code was $code"
}
ended_well() { wait "$1" || fail "a consumer ended badly"; }

say "A volume is made, and this user may produce and consume in it"
volume init | tail -n 1
volume access | tail -n 1

say "A producer, and two consumers that compare every layer"
"$bin/volume_consumer" "$live" "$store" 30 & # waits for the store before there is one
pids+=($!) && first=$!
"$bin/volume_consumer" "$live" "$store" 60 &
pids+=($!) && second=$!
"$bin/volume_producer" "$live" "$store" &
pids+=($!) && producer=$!
ended_well "$first"

say "The producer is killed; its successor goes on, and the second consumer saw nothing of it"
kill -KILL "$producer"
wait "$producer" 2>/dev/null || true
volume info | sed -n 1,2p
"$bin/volume_producer" "$live" "$store" 100
ended_well "$second"
pids=()

say "A whole backup, then one of what has changed since"
volume backup "$work/backups"
"$bin/volume_producer" "$live" "$store" 7
volume backup "$work/backups"
volume backups "$work/backups" --verify
newest=$("$bin/volume_consumer" "$live" "$store" 0)

say "Archives; one is damaged, verify names it, and what is sound is salvaged"
volume export
damage "$MMAP_BASE_PATH/consciousness/D02/region.mmap" $((256 + 3 * 4096 + 17))
damaged volume verify
damaged volume verify --salvage "$work/salvaged"
volume --volume "$work/salvaged" verify
volume --volume "$work/salvaged" import
salvaged=$("$bin/volume_consumer" "$work/salvaged/live" "$store" 0) || true
[[ $salvaged == "${newest%,*}, 1 mismatches" ]] || fail "one layer was to be lost, but: $salvaged"
echo "as it was, but for one layer"

say "The dimension comes back out of a backup"
volume --volume "$work/salvaged" restore "$work/backups" D02 --store "$store" \
    --base "$work/salvaged/live"
"$bin/volume_consumer" "$work/salvaged/live" "$store" 0

say "The live store itself is damaged, and replaced by its newest backup"
regions=("$live/$store"/region-*.mmap)
size=$(stat -c %s "${regions[0]}")
truncate -s $((size / 2)) "${regions[0]}"
damaged volume verify
volume restore "$work/backups" --replace
restored=$("$bin/volume_consumer" "$live" "$store" 0)
[[ $restored == "$newest" ]] || fail "restored was $restored, backed up $newest"
say "${restored%,*} is back, every layer of it:"
echo "${restored#*, }"
