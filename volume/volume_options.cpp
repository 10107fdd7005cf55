// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "ipc/failure.hpp"
#include "strata/text_values.hpp"
#include "strata/volume.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace {

constexpr std::string_view operation = "read the environment";

const char* variable(const char* name) {
    const char* const value = std::getenv(name);
    return value != nullptr && *value != '\0' ? value : nullptr;
}

void read_size(const char* name, std::uint64_t& size) {
    const char* const text = variable(name);
    if (text == nullptr) {
        return;
    }
    const auto value = parse_size(text);
    constexpr std::uint64_t least = 64_KiB;
    if (!value || *value < least || *value > max_region_bytes) {
        ipc::fail(Errc::invalid_argument, operation, name,
                  ipc::quoted(text) + " is no size from 64 KiB to 1 TiB",
                  "a whole number of bytes, or of KiB, MiB, GiB or TiB: 1048576, 10MiB");
    }
    size = *value;
}

}  // namespace

VolumeOptions VolumeOptions::from_environment() {
    VolumeOptions options;
    if (const char* const path = variable("MMAP_BASE_PATH")) {
        options.base_path = path;
    }
    read_size("MMAP_INITIAL_SIZE", options.initial_size);
    read_size("MMAP_MAX_SIZE", options.max_size);
    if (options.initial_size > options.max_size) {
        ipc::fail(Errc::invalid_argument, operation, "MMAP_INITIAL_SIZE",
                  std::to_string(options.initial_size) + " bytes are more than MMAP_MAX_SIZE, " +
                      std::to_string(options.max_size));
    }
    return options;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
