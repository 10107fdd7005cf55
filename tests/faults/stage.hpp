// SPDX-License-Identifier: Apache-2.0
// What the process whose calls are refused and the one that refuses them share: a page of memory
// that says whether a call may be refused now, and what was found wrong.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <sys/mman.h>

#include "tests/support/process.hpp"

namespace strata::test {

/// Flags and counts are set by one side and looked at by the other after a system call or its
/// answer, which order them; they are atomic because several threads of the subject may look.
struct Stage {
    std::atomic<bool> armed{false};     ///< calls may be refused
    std::atomic<bool> own_work{false};  ///< the subject's main thread does work of the harness
    std::atomic<bool> finished{false};  ///< the subject came to its end
    std::atomic<std::uint32_t> refused{0};
    std::atomic<std::uint32_t> complaints{0};
    std::array<std::atomic<std::uint64_t>, 2> allocations{};  ///< of the main thread, of others
    char step[96]{};                                          ///< where the subject is
    char refused_in[96]{};                                    ///< where it was at the first refusal
    char complaint_text[6000]{};

    void set_step(std::string_view name) noexcept { copy(name, step); }

    /// Notes something that is wrong; the first few are kept in full. Threads of the subject and
    /// its children may complain, one at a time.
    void complain(const std::string& what) noexcept {
        complaints.fetch_add(1);
        const std::size_t used = std::strlen(complaint_text);
        const std::string line = "[" + std::string(step) + "] " + what + "\n";
        const std::size_t room = sizeof(complaint_text) - used - 1;
        std::memcpy(complaint_text + used, line.data(), std::min(room, line.size()));
    }

    template <std::size_t size>
    static void copy(std::string_view from, char (&to)[size]) noexcept {
        const std::size_t length = std::min(from.size(), size - 1);
        std::memcpy(to, from.data(), length);
        to[length] = '\0';
    }
};

/// Owns a stage in memory that forked children share.
class SharedStage {
public:
    SharedStage() {
        void* const page = ::mmap(nullptr, sizeof(Stage), PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) {
            fail_errno("map the stage");
        }
        stage_ = new (page) Stage;
    }
    SharedStage(const SharedStage&) = delete;
    SharedStage& operator=(const SharedStage&) = delete;
    ~SharedStage() { ::munmap(stage_, sizeof(Stage)); }

    Stage& operator*() const noexcept { return *stage_; }
    Stage* operator->() const noexcept { return stage_; }

private:
    Stage* stage_;
};

}  // namespace strata::test
