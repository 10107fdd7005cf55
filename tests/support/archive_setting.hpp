// SPDX-License-Identifier: Apache-2.0
// An archive of two layers whose files a test can change.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"
#include <strata/volume_archive.hpp>

namespace strata::test {

inline std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

/// An archive of dimension 1 with "joy" and 4097 times x.
class Joy {
public:
    Joy() {
        ArchiveWriter writer(base.path(), 1, {.created_at = "2025-01-31T12:00:05Z"});
        writer.add({.layer = 5, .frequency = 1.5, .keywords = {"emotion", "fe\"eling"}},
                   bytes_of("joy"));
        writer.add({.layer = 9}, bytes_of(std::string(4097, 'x')));
        index = writer.publish();
    }
    std::filesystem::path folder() const { return base.path() / "D01"; }
    std::filesystem::path region() const { return folder() / "region.mmap"; }
    std::filesystem::path json() const { return folder() / "index.json"; }
    /// Puts `with` in the place of `what` in the index.
    void edit(const std::string& what, const std::string& with) const {
        std::string text = content_of(json());
        const std::size_t at = text.find(what);
        REQUIRE(at != std::string::npos);
        write_contents(json(), text.replace(at, what.size(), with));
    }
    std::string open_error() const {
        return code_of([&] { ArchiveReader::open(folder()); });
    }

    TempBase base;
    ArchiveIndex index;
};

}  // namespace strata::test
