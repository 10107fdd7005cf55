#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dev: [--test] make Debian packages in build/package/packages, check them with lintian
# --test: also installs, uses and removes them in a clean root (packaging/debian/test.sh).
set -euo pipefail
source scripts/lib/common.sh

case ${1-} in
    '') try= ;;
    --test) try=1 ;;
    *) usage_error "./dev package [--test]" ;;
esac
(($# <= 1)) || usage_error "./dev package [--test]"

need_packages build package
# Debian's flags, hardening included. No debugging information: there are no -dbgsym packages.
export DEB_BUILD_MAINT_OPTIONS=hardening=+all DEB_CXXFLAGS_STRIP=-g DEB_CFLAGS_STRIP=-g
flags() { dpkg-buildflags --get "$1"; }
configure package -DSTRATA_PYTHON=/usr/bin/python3 \
    -DCMAKE_CXX_FLAGS="$(flags CPPFLAGS) $(flags CXXFLAGS)" \
    -DCMAKE_C_FLAGS="$(flags CPPFLAGS) $(flags CFLAGS)" \
    -DCMAKE_EXE_LINKER_FLAGS="$(flags LDFLAGS)" \
    -DCMAKE_SHARED_LINKER_FLAGS="$(flags LDFLAGS)" \
    -DCMAKE_MODULE_LINKER_FLAGS="$(flags LDFLAGS)"
build package

out=build/package/packages
rm -rf "$out"
(umask 022 && cd build/package && cpack --config CPackConfig.cmake >cpack.log 2>&1) || {
    cat build/package/cpack.log >&2
    fail "cpack failed"
}
debs=("$out"/*.deb)
ls -l "${debs[@]}"
echo "lintian:"
lintian --fail-on error,warning --tag-display-limit 0 --info "${debs[@]}" || fail "lintian is not content"
[[ -z $try ]] || bash packaging/debian/test.sh "${debs[@]}"
