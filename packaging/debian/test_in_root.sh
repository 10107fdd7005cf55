#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run by test.sh as root of a clean root that has the packages in /packages and programs in /project.
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1 # only what postinst compiles is compiled

step() { echo "-- $*"; }
fail() {
    echo "packages: $*" >&2
    exit 1
}
files() { find / -xdev \( -path /proc -o -path /dev -o -path /tmp -o -path /var -o -path /packages \) -prune \
    -o -print | sort; }

ldconfig # else its cache is what the packages leave behind
files >/tmp/before
# Not there yet; else nothing that follows would prove anything.
if command -v strata || pkg-config --exists strata || python3 -c 'import strata' 2>/dev/null; then
    fail "strata is here before it was installed"
fi

step "install"
dpkg -i /packages/*.deb >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail "dpkg -i"; }
packages=(libstrata0 libstrata-dev strata-tools python3-strata)
[[ -z $(compgen -G "/packages/node-strata_*.deb") ]] || packages+=(node-strata)
for package in "${packages[@]}"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package") == installed ]] || fail "$package is not installed"
    [[ -z $(dpkg --verify "$package") ]] || fail "$package: its files differ from its md5sums"
done
[[ $(ldconfig -p) == *'libstrata.so.0 '* ]] || fail "ldconfig was not triggered"

step "build and run programs: pkg-config, C++ and C; CMake, C++ and C"
cd /tmp
mkdir -p stores/{cpp,c,find_package,find_package_c}
read -ra flags <<<"$(pkg-config --cflags --libs strata)"
c++ -std=c++20 -O1 /project/main.cpp -o hello_cpp "${flags[@]}"
./hello_cpp /tmp/stores/cpp
read -ra flags <<<"$(pkg-config --cflags --libs strata-c)"
cc -std=c11 -Wall -Werror /project/main.c -o hello_c "${flags[@]}"
./hello_c /tmp/stores/c
for project in find_package find_package_c; do
    if ! { cmake -S "/project/$project" -B "/tmp/$project" &&
        cmake --build "/tmp/$project"; } >/tmp/cmake.log 2>&1; then
        cat /tmp/cmake.log
        fail "$project does not build"
    fi
    "/tmp/$project/hello" "/tmp/stores/$project"
done
[[ $(ldd hello_c) == *'libstrata.so.0 => /'* ]] || fail "the C program does not use libstrata.so.0"

step "Python publishes, the command reads, and the other way round"
export STRATA_BASE_PATH=/tmp/stores
python3 - <<'PYTHON'
import importlib.metadata, strata
with strata.Producer("packaged", memory_limit=1 << 20) as producer:
    with producer.batch() as batch:
        batch.put(1, 5, b"joy")
assert importlib.metadata.version("strata") == strata.__version__
PYTHON
[[ $(strata get packaged 1 5) == joy ]] || fail "strata get"
strata put packaged 1 6 -t calm >/dev/null
[[ $(python3 -c 'import strata; print(strata.Consumer("packaged").snapshot()[1, 6].text())') == calm ]] ||
    fail "what the command published is not what Python reads"
strata verify packaged >/dev/null
[[ $(strata --version) == *"$(dpkg-query -W -f '${source:Upstream-Version}' strata-tools)"* ]] || fail "its version"
[[ $(strata --help) == *verify* ]] || fail "its help"
[[ $(zcat /usr/share/man/man1/strata.1.gz) == *.TH* ]] || fail "its manual page"
[[ $(bash -c 'source "$0" && complete -p strata' /usr/share/bash-completion/completions/strata) == \
    complete* ]] || fail "its completion"
ls /usr/lib/python3/dist-packages/strata/__pycache__/*.pyc >/dev/null || fail "py3compile did not run"

if [[ " ${packages[*]} " == *" node-strata "* ]]; then
    step "Node.js reads what both published"
    # Debian's Node.js looks there by itself, others have to be told.
    NODE_PATH=/usr/lib/$(gcc -print-multiarch)/nodejs
    export NODE_PATH
    [[ $(node -p 'const { Consumer } = require("strata"), snapshot = new Consumer("packaged").snapshot();
        [5, 6].map((layer) => snapshot.get(1, layer)).join(" ")') == "joy calm" ]] || fail "Node.js"
fi

step "remove"
dpkg --purge "${packages[@]}" >/tmp/dpkg.log 2>&1 ||
    { cat /tmp/dpkg.log; fail "dpkg --purge"; }
files >/tmp/after
diff /tmp/before /tmp/after || fail "removing did not leave things as they were"
[[ $(ldconfig -p) != *libstrata* ]] || fail "ldconfig was not triggered when the library went"
echo "packages: installed, used and removed"
