// SPDX-License-Identifier: Apache-2.0
// What libarchive says when it gets no memory: not that a stream is damaged.
#pragma once

#include <archive.h>
#include <cerrno>
#include <cstring>
#include <new>

namespace strata::volume_impl {

/// Throws std::bad_alloc if that is why the last call failed. Some calls give no reason at all
/// then, and zstd's own failure has no number, only a text ("Allocation error : not enough
/// memory"). That of zlib cannot be told from damage. Where a short string gets none libarchive
/// ends the process.
inline void fail_without_memory(archive* tar) {
    const char* const why = archive_error_string(tar);
    if (archive_errno(tar) == ENOMEM || why == nullptr ||
        std::strstr(why, "not enough memory") != nullptr) {
        throw std::bad_alloc();
    }
}

}  // namespace strata::volume_impl
