// SPDX-License-Identifier: Apache-2.0
#include "ipc/fork_hooks.hpp"

#include <mutex>
#include <pthread.h>

#include "ipc/failure.hpp"

namespace strata::ipc {

struct ForkHookList {
    std::mutex mutex;
    ForkHook* first = nullptr;

    // Never destroyed: a fork may come during the destruction of static objects.
    static ForkHookList& instance() {
        static auto* const list = [] {
            auto* const made = new ForkHookList;
            if (::pthread_atfork(&prepare, &parent, &child) != 0) {
                bug("pthread_atfork has no memory");
            }
            return made;
        }();
        return *list;
    }

    static void prepare() {
        ForkHookList& list = instance();
        list.mutex.lock();  // held across the fork: the child's copy is consistent
        for (ForkHook* hook = list.first; hook != nullptr; hook = hook->next_) {
            hook->prepare_fork();
        }
    }
    static void parent() {
        ForkHookList& list = instance();
        for (ForkHook* hook = list.first; hook != nullptr; hook = hook->next_) {
            hook->parent_after_fork();
        }
        list.mutex.unlock();
    }
    static void child() {
        ForkHookList& list = instance();
        for (ForkHook* hook = list.first; hook != nullptr; hook = hook->next_) {
            hook->child_after_fork();
        }
        list.mutex.unlock();
    }
};

void ForkHook::register_hook() {
    ForkHookList& list = ForkHookList::instance();
    const std::lock_guard lock(list.mutex);
    next_ = list.first;
    if (next_ != nullptr) {
        next_->previous_ = this;
    }
    list.first = this;
    registered_ = true;
}

void ForkHook::unregister_hook() noexcept {
    ForkHookList& list = ForkHookList::instance();
    const std::lock_guard lock(list.mutex);
    if (!registered_) {
        return;
    }
    (previous_ != nullptr ? previous_->next_ : list.first) = next_;
    if (next_ != nullptr) {
        next_->previous_ = previous_;
    }
    registered_ = false;
}

}  // namespace strata::ipc
