// SPDX-License-Identifier: Apache-2.0
#include "strata/read_guard.hpp"

#include "ipc/failure.hpp"
#include "ipc/os/fault.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

struct ReadGuard::State {
    ipc::FaultGuard guard;
};

ReadGuard::ReadGuard() : state_(std::make_unique<State>()) {}
ReadGuard::~ReadGuard() = default;

bool ReadGuard::faulted() const noexcept { return state_->guard.disturbed(); }

void ReadGuard::check(std::string_view operation) const {
    if (state_->guard.faulted()) {
        ipc::fail(Errc::truncated, operation, ipc::FaultGuard::path(),
                  "cannot be read at offset " + std::to_string(ipc::FaultGuard::offset()) +
                      ": the file was cut short, or its disk fails",
                  "find out who did it, remove the store and publish it anew");
    }
    if (state_->guard.disturbed()) {
        ipc::fail(Errc::truncated, operation, ipc::FaultGuard::path_of_last_cut(),
                  "has lost pages, which another thread met: zeros may have been read meanwhile",
                  "find out who cut the file short, and read once more");
    }
}

std::vector<std::byte> copy_layer(const Snapshot& snapshot, LayerId id) {
    const ReadGuard guard;
    const auto read = [&] {
        const Layer layer = snapshot.get(id);
        return std::vector<std::byte>(layer.bytes().begin(), layer.bytes().end());
    };
    try {
        std::vector<std::byte> copy = read();
        guard.check("copy layer");
        return copy;
    } catch (const Error&) {
        guard.check("copy layer");  // a layer that is not there because its index reads as zeros
        throw;
    }
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
