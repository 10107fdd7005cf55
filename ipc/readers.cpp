// SPDX-License-Identifier: Apache-2.0
#include "strata/readers.hpp"

#include "ipc/files/control_file.hpp"
#include "ipc/format/atomic_word.hpp"
#include "ipc/reader_list.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace {

constexpr ipc::Trust anybody{.any_owner = true, .owner = 0};

ipc::ControlFile open_control(std::string_view name, const std::filesystem::path& base,
                              std::string_view operation) {
    const ipc::StoreDirectory store = ipc::open_store_directory(base, name, anybody, operation);
    return ipc::ControlFile(store, anybody, operation);
}

}  // namespace

std::vector<ReaderInfo> readers(std::string_view name, const std::filesystem::path& base) {
    const std::string operation = ipc::operation_on("list readers of", name);
    const auto control = open_control(name, base, operation);
    return ipc::list_readers(control.file(), ipc::load_acquire(control.cells().epoch), operation,
                             control.path());
}

void find_reader_processes(std::vector<ReaderInfo>& readers, std::string_view name,
                           const std::filesystem::path& base) {
    const auto control = open_control(name, base, ipc::operation_on("find readers of", name));
    ipc::find_processes(control.file(), readers);
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
