// SPDX-License-Identifier: Apache-2.0
// An archive that is not written yet: its index, with all checksums, so that its files can be
// streamed afterwards in any order without looking back.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/layer.hpp"
#include "volume/archive_header.hpp"
#include "volume/sha256.hpp"

namespace strata::volume_impl {

/// What an index says of a layer before its place is known.
ArchivedLayer description_of(const Layer& layer);

/// One thread at a time. The layers' bytes must stay.
class ArchiveDraft {
public:
    ArchiveDraft(Dimension dimension, std::string_view dimension_name);

    /// The next one, ascending by number. Throws limit_exceeded, corrupt (damaged metadata).
    void add(const Layer& layer, std::string_view operation);
    /// No layer can be added then.
    void complete();

    const ArchiveHeader& header() const noexcept { return header_; }
    /// Of index.json; it is worked out anew each time. Throws limit_exceeded.
    std::string index_text(std::string_view operation) const;
    /// The bytes of region.mmap.
    void write_region(const std::function<void(std::span<const std::byte>)>& write,
                      const std::function<void(const Layer&)>& written) const;

private:
    ArchiveIndex index_;
    ArchiveHeader header_;
    std::vector<Layer> layers_;
    Sha256 sha_;
};

}  // namespace strata::volume_impl
