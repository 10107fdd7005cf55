// SPDX-License-Identifier: Apache-2.0
// An open file that forked children do not share: for locks that say that this process lives, which
// the kernel would keep as long as a child has the description.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "ipc/fork_hooks.hpp"
#include "ipc/os.hpp"

namespace strata::ipc {

class UnsharedFile {
public:
    UnsharedFile() = default;
    /// What `open()` gives. No fork comes between its call and the moment from which on children
    /// close it. Throws what `open` throws, std::bad_alloc.
    template <class Open>
    static os::Result<UnsharedFile> open(Open open) {
        UnsharedFile made(std::make_unique<Holder>());
        const std::lock_guard no_fork(process_mutex(ProcessLock::fork_hooks));
        os::Result<FileDescriptor> opened = open();
        made.holder_->file = std::move(opened.value);
        return {std::move(made), opened.error};
    }

    /// None if it is closed, or this is a forked child.
    const FileDescriptor& descriptor() const noexcept { return holder_ ? holder_->file : none; }
    explicit operator bool() const noexcept { return static_cast<bool>(descriptor()); }
    void close() noexcept { holder_.reset(); }

private:
    class Holder final : public ForkHook {
    public:
        Holder() { register_hook(); }
        ~Holder();
        FileDescriptor file;

    private:
        void child_after_fork() noexcept override;
    };
    explicit UnsharedFile(std::unique_ptr<Holder> holder) noexcept : holder_(std::move(holder)) {}

    static const FileDescriptor none;
    std::unique_ptr<Holder> holder_;
};

}  // namespace strata::ipc
