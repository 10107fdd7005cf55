// SPDX-License-Identifier: Apache-2.0
// Hidden names under which archives, backups and restored stores are built next to their final
// place. Their builders hold locks that tell them from what a crash left
// (volume/staged_directory.hpp).
#pragma once

#include <string_view>

namespace strata::ipc {

inline constexpr std::string_view stage_prefix = ".strata-new-";

/// NAME of `.strata-new-NAME-NUMBER`; empty: that is not how it is called.
constexpr std::string_view stage_name_of(std::string_view hidden) noexcept {
    const std::size_t end = hidden.rfind('-');
    return hidden.starts_with(stage_prefix) && end >= stage_prefix.size()
               ? hidden.substr(stage_prefix.size(), end - stage_prefix.size())
               : std::string_view();
}

}  // namespace strata::ipc
