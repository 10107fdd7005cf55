// SPDX-License-Identifier: Apache-2.0
// What init writes into a volume for people and for git.
#pragma once

#include <string_view>

namespace strata::volume_impl {

inline constexpr std::string_view readme_text = R"(# A volume of strata

| | |
|---|---|
| `consciousness/D01` ... | one archive for each dimension: `region.mmap`, `index.json`; `layers/` is yours |
| `live/` | live stores: `strata --base live ls` |
| `proto/` | proto-dimensions that outlive their producer, as archives |
| `temp/` | anything here may be deleted: `strata volume clean` |

`strata volume --help` lists what can be done with it. The producer mounts the volume read-write,
consumers need no more than a read-only mount. Archives are replaced as whole directories: do not keep
files of your own in them, except in `layers/`.
)";

inline constexpr std::string_view gitignore_text = R"(# Data, not sources.
*.mmap
index.json
/live/
/temp/
.strata-new-*
)";

}  // namespace strata::volume_impl
