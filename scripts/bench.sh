#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [--quick] [NAME...] benchmarks beside the alternatives; a full run writes docs/benchmarks.md
# usage: ./dev bench [--quick] [--rounds N] [--write] [--list] [NAME...]
#   NAME      rows to run, by name or prefix: reads, reads/uniform/280, commit, latency ...
#             also: micro (Google Benchmark), instructions (callgrind), ingest (queues, allocation),
#             memory (bytes a layer of WordNet's files, beside LMDB)
#   --quick   shorter rounds, fewer points: under three minutes
#   --write   write docs/benchmarks.md and its plots even if the run was quick
# Exit codes: 0 done (a missed budget is reported, not an error), 1 failed or a wrong answer, 2 usage.
set -euo pipefail
source scripts/lib/common.sh

quick=0 write=0 list=0 names=() options=() command="./dev bench $*"
while (($#)); do
    case $1 in
        --quick) quick=1 options+=(--quick) ;;
        --write) write=1 ;;
        --list) list=1 ;;
        --rounds)
            [[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage_error "--rounds needs a number"
            options+=(--rounds "$2")
            shift
            ;;
        -*) usage_error "./dev bench [--quick] [--rounds N] [--write] [--list] [NAME...]" ;;
        *) names+=("$1") ;;
    esac
    shift
done

need_packages build bench
# A peer that cannot be installed is reported as not run; it does not stop the others.
for package in ${packages[bench_peers]}; do
    package_installed "$package" || (install_packages "$package") ||
        echo "note: no $package: its rows will say so" >&2
done
configure bench
build bench
bin=build/bench/bin
if ((list)); then
    exec "$bin/strata_bench" --list
fi

# Everything lives below one directory that is gone in the end, whatever happens.
base=$(mktemp -d /dev/shm/strata-bench.XXXXXX)
trap 'rm -rf "$base"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Instructions of one operation: two runs of different length, subtracted, so that set-up drops out.
count_instructions() {
    local operation layers directory collected
    need_packages bench_instructions
    echo "instructions of one operation (callgrind), the loop around it included:"
    for operation in find:280 find:10000 find:1000000 snapshot:280 commit:10000 commit:1000000 \
        batch:10000 batch:1000000; do
        layers=${operation#*:} directory=$base/instructions
        mkdir "$directory"
        collected=$(valgrind --tool=callgrind --toggle-collect='measured*' \
            --callgrind-out-file="$base/callgrind.out" \
            "$bin/strata_instructions" "${operation%:*}" "$layers" 10000 "$directory" 2>&1 |
            sed -n 's/.*Collected : //p')
        rm -rf "$directory"
        printf '  %-10s %9s layers %9d\n' "${operation%:*}" "$layers" $((collected / 10000))
    done
}

# Real data: words, word senses with counts, definitions.
count_memory() {
    need_packages demo
    local wordnet=/usr/share/wordnet
    "$bin/strata_memory" --payload 7 "$wordnet/index.noun"
    "$bin/strata_memory" "$wordnet"/{cntlist.rev,index.noun,data.verb,data.noun}
}

rows=()
for name in "${names[@]}"; do
    case $name in
        micro) "$bin/strata_micro" ;;
        instructions) count_instructions ;;
        ingest) "$bin/strata_ingest_bench" ;;
        memory) count_memory ;;
        *) rows+=("$name") ;;
    esac
done
[[ ${#names[@]} -eq 0 || ${#rows[@]} -gt 0 ]] || exit 0

# The versions that the table speaks of.
software="strata $(git describe --always --dirty 2>/dev/null || echo release)"
if [[ -n $(command -v dpkg-query) ]]; then
    read -ra peers <<<"${packages[bench_peers]//$'\n'/ } libboost-dev"
    software+=$(dpkg-query -W -f ', ${Package} ${Version}' "${peers[@]}" 2>/dev/null || true)
fi

json=build/bench/results.json
"$bin/strata_bench" "${options[@]}" --base "$base" --json "$json" --command "${command% }" \
    --software "$software" "${rows[@]}"
python3 bench/render.py "$json" --summary
if ((write || (quick == 0 && ${#names[@]} == 0))); then
    # The last two full runs stand side by side.
    last=build/bench/last.json beside=()
    [[ ! -f $last ]] || beside=(--before "$last")
    python3 bench/render.py "$json" --write docs "${beside[@]}"
    cp "$json" "$last"
fi
