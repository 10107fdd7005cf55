// SPDX-License-Identifier: Apache-2.0
#include "strata/store.hpp"

#include <atomic>
#include <memory>

#include "ipc/failure.hpp"
#include "ipc/files/store_files.hpp"
#include "ipc/os.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

// Not a static local: a fork while a thread makes it would leave its guard locked in the child.
const std::filesystem::path& default_base_path() {
    static constinit std::atomic<const std::filesystem::path*> known{nullptr};
    const std::filesystem::path* path = known.load(std::memory_order_acquire);
    if (path == nullptr) {
        const char* const chosen = ipc::os::environment("STRATA_BASE_PATH");
        auto made = std::make_unique<const std::filesystem::path>(
            chosen != nullptr && *chosen != '\0' ? chosen : ipc::os::shared_base_path);
        // Release, with the acquires here: the path is complete. It outlives static objects.
        if (known.compare_exchange_strong(path, made.get(), std::memory_order_acq_rel)) {
            path = made.release();
        }
    }
    return *path;
}

void check_store_name(std::string_view name) {
    const auto refuse = [&](const std::string& why) {
        ipc::fail(Errc::invalid_name, "store name " + ipc::quoted(name), "", why,
                  "use 1 to " + std::to_string(max_store_name_bytes) +
                      " bytes without '/', control characters or a leading '.'");
    };
    if (name.empty()) {
        refuse("the name is empty");
    }
    if (name.size() > max_store_name_bytes) {
        refuse("the name has " + std::to_string(name.size()) + " bytes");
    }
    if (name.front() == '.') {
        refuse("the name starts with '.'");
    }
    for (const char c : name) {
        if (c == '/') {
            refuse("the name contains '/'");
        }
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
            refuse("the name contains a control character");
        }
    }
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
