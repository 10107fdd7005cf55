#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One live producer in C++, a consumer in each language: builds what is not built, publishes ten
# generations and compares, line by line, what each language reads with what was published.
#   examples/languages/run.sh BUILD_DIRECTORY      with libstrata.so and languages_producer in it
# A language whose tools are not there is left out, and named. GO, CARGO, NODE and PYTHON say which to
# take.
set -euo pipefail

patience=60 # seconds without a line: somebody hangs
rounds=10
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[[ $# -eq 1 && -d $1 ]] || { echo "usage: run.sh BUILD_DIRECTORY" >&2 && exit 2; }
build=$(cd "$1" && pwd)
made=$build/languages
mkdir -p "$made"
export PKG_CONFIG_PATH=$made/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export LD_LIBRARY_PATH=$build/bindings/c${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

work=$(mktemp -d /dev/shm/strata-languages.XXXXXX)
declare -A pids=() outputs=()
finish() {
    for name in "${!pids[@]}"; do kill "${pids[$name]}" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "error: $*" >&2
    exit 1
}

left_out() { echo "left out: $1"; }

# ---- What there is ------------------------------------------------------------------------------
declare -A consumers=([c]="$build/bin/languages_consumer_c")
[[ -x ${consumers[c]} && -x $build/bin/languages_producer ]] ||
    fail "$build has no languages_producer and languages_consumer_c: build them first"
python=${PYTHON-$(command -v python3 || true)}
if [[ -d $build/python ]] && [[ -n $python ]] &&
    PYTHONPATH=$build/python "$python" -c 'import numpy, strata' 2>/dev/null; then
    export PYTHONPATH=$build/python PYTHONDONTWRITEBYTECODE=1
    consumers[python]="$python $here/consumer.py"
else
    left_out "Python: no package in $build, or no numpy"
fi
go=${GO-$(command -v go || true)}
if [[ -n $go && -n $(command -v pkg-config) ]]; then
    (cd "$here/go" && GOCACHE=$made/go GOPATH=$made/gopath GOFLAGS=-mod=mod GOPROXY=off \
        GOTOOLCHAIN=local "$go" build -o "$made/consumer_go" .)
    consumers[go]=$made/consumer_go
else
    left_out "Go: no go or no pkg-config"
fi
cargo=${CARGO-$(command -v cargo || true)}
if [[ -n $cargo && -n $(command -v pkg-config) ]]; then
    [[ ! -x ${cargo%/*}/rustc ]] || export RUSTC=${cargo%/*}/rustc # not another cargo's
    (cd "$here/rust" && CARGO_HOME=$made/cargo CARGO_TARGET_DIR=$made/rust \
        "$cargo" build --quiet --offline --locked)
    consumers[rust]=$made/rust/debug/consumer
else
    left_out "Rust: no cargo or no pkg-config"
fi
node=${NODE-$(command -v node || true)}
if [[ -n $node && -e $build/node/strata/strata.node ]]; then
    export NODE_PATH=$build/node
    consumers[node]="$node $here/node/consumer.js"
else
    left_out "Node.js: no node, or no package in $build"
fi

# ---- The consumers wait for the store before there is one ----------------------------------------
for name in "${!consumers[@]}"; do
    mkfifo "$work/$name"
    exec {fd}<>"$work/$name" # for both ends, so that opening waits for nobody
    outputs[$name]=$fd
    read -ra command <<<"${consumers[$name]}"
    "${command[@]}" live "$work/store" >"$work/$name" 2>"$work/$name.err" &
    pids[$name]=$!
done
mkfifo "$work/in" "$work/out"
exec {input}<>"$work/in" {output}<>"$work/out"
"$build/bin/languages_producer" live "$work/store" <"$work/in" >"$work/out" {input}>&- &
pids[producer]=$!

# ---- Generation by generation --------------------------------------------------------------------
for ((round = 1; round <= rounds; round++)); do
    IFS= read -r -t "$patience" expected <&"$output" || fail "the producer published nothing"
    for name in "${!consumers[@]}"; do
        IFS= read -r -t "$patience" line <&"${outputs[$name]}" ||
            fail "$name printed nothing of generation ${expected%%:*}: $(<"$work/$name.err")"
        [[ $line == "$expected" ]] || fail "$name reads  $line
       but published is $expected"
    done
    ((round == rounds)) || echo >&"$input"
done

# ---- Its end is theirs ---------------------------------------------------------------------------
exec {input}>&-
status=0
for name in producer "${!consumers[@]}"; do
    wait "${pids[$name]}" || status=$?
    unset "pids[$name]"
    ((status == 0)) || fail "$name ended with $status"
done
echo "$rounds generations, the same in: ${!consumers[*]}"
