// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/refuser.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include "tests/faults/call_table.hpp"

namespace strata::test {

namespace {

// An interruption or a conflict for ever is no fault but a livelock of its own; a storm is enough.
constexpr std::uint64_t storm = 100;

sock_filter load(std::size_t offset) {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
sock_filter end(std::uint32_t verdict) { return BPF_STMT(BPF_RET | BPF_K, verdict); }
sock_filter skip_unless_equal(std::uint32_t value) {
    return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
}

std::vector<sock_filter> made_filter(std::optional<long> number) {
    constexpr std::uint32_t futex_operation =
        offsetof(seccomp_data, args) + sizeof(std::uint64_t);  // low half: little endian
    std::vector<sock_filter> filter{load(offsetof(seccomp_data, nr))};
    if (number) {
        filter.insert(filter.end(), {skip_unless_equal(static_cast<std::uint32_t>(*number)),
                                     BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), end(SECCOMP_RET_ALLOW)});
    } else {
        for (const long exempt : exempt_calls()) {
            filter.insert(filter.end(), {skip_unless_equal(static_cast<std::uint32_t>(exempt)),
                                         end(SECCOMP_RET_ALLOW)});
        }
    }
    filter.insert(filter.end(),
                  {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 3), load(futex_operation),
                   BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, exempt_futex_bits, 0, 1),
                   end(SECCOMP_RET_ALLOW), end(SECCOMP_RET_USER_NOTIF)});
    return filter;
}

int install(std::vector<sock_filter>& filter, unsigned flags) {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

// A message of one byte, with room for a descriptor.
struct Parcel {
    char byte = 0;
    iovec part{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
    msghdr header{};

    Parcel() {
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof(control);
    }
};

void send_descriptor(int channel, int descriptor) {
    Parcel parcel;
    cmsghdr* const item = CMSG_FIRSTHDR(&parcel.header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(item), &descriptor, sizeof(int));
    if (::sendmsg(channel, &parcel.header, MSG_NOSIGNAL) != 1) {
        fail_errno("send the filter's descriptor");
    }
}

int receive_descriptor(int channel) {
    Parcel parcel;
    if (::recvmsg(channel, &parcel.header, MSG_CMSG_CLOEXEC) != 1) {
        fail_errno("receive the filter's descriptor");
    }
    const cmsghdr* const item = CMSG_FIRSTHDR(&parcel.header);
    if (item == nullptr || item->cmsg_type != SCM_RIGHTS) {
        throw Failure("the subject sent no descriptor");
    }
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(item), sizeof(int));
    return descriptor;
}

pid_t process_of(pid_t thread) {
    std::ifstream status("/proc/" + std::to_string(thread) + "/status");
    for (std::string word; status >> word;) {
        if (word == "Tgid:") {
            pid_t process = -1;
            status >> process;
            return process;
        }
    }
    return -1;
}

}  // namespace

std::string refusing_impossible() {
    if constexpr (sanitized) {
        return "a sanitizer's runtime makes calls of its own";
    }
    std::vector<sock_filter> filter = made_filter(SYS_getppid);
    Child probe = Child::start([&](const Channel&) {
        if (install(filter, SECCOMP_FILTER_FLAG_NEW_LISTENER) < 0) {
            fail_errno("no user notification of system calls (seccomp)");
        }
    });
    return probe.join();
}

void install_filter(std::optional<long> number, int channel) {
    std::vector<sock_filter> filter = made_filter(number);
    const int listener = install(filter, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    if (listener < 0) {
        fail_errno("install the filter");
    }
    send_descriptor(channel, listener);
    ::close(listener);
}

Refuser::Refuser(pid_t subject, int channel, const std::optional<Plan>& plan, Stage& stage)
    : subject_(subject), plan_(plan), stage_(stage), listener_(receive_descriptor(channel)) {}

Refuser::~Refuser() { ::close(listener_); }

ThreadClass Refuser::class_of(pid_t thread) {
    if (thread == subject_) {
        return ThreadClass::main;
    }
    const auto known = threads_.find(thread);
    if (known != threads_.end()) {
        return known->second;
    }
    const ThreadClass which =
        process_of(thread) == subject_ ? ThreadClass::background : ThreadClass::child;
    threads_.emplace(thread, which);
    return which;
}

bool Refuser::refuses(const CallSite& site) {
    const std::uint64_t count = ++counts_[site];
    if (!plan_ || site.kind != plan_->site.kind) {
        return false;
    }
    if (refused_ == 0) {
        return site == plan_->site && count == plan_->nth;
    }
    const bool transient = plan_->error == EINTR || plan_->error == EAGAIN;
    return plan_->sticky && (!transient || refused_ < storm);
}

// close(2) gives the descriptor back even if it fails; here its number stays taken, but by another
// file.
void Refuser::close_anyway(std::uint64_t call, int descriptor) const {
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    seccomp_notif_addfd addition{};
    addition.id = call;
    addition.flags = SECCOMP_ADDFD_FLAG_SETFD;
    addition.srcfd = static_cast<std::uint32_t>(nothing);
    addition.newfd = static_cast<std::uint32_t>(descriptor);
    addition.newfd_flags = O_CLOEXEC;
    ::ioctl(listener_, SECCOMP_IOCTL_NOTIF_ADDFD, &addition);
    ::close(nothing);
}

bool Refuser::answer() {
    seccomp_notif call{};
    if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) {
        return false;  // a signal took the caller away in the meantime
    }
    seccomp_notif_resp reply{};
    reply.id = call.id;
    reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    const ThreadClass which = class_of(static_cast<pid_t>(call.pid));
    if (stage_.armed && !(which == ThreadClass::main && stage_.own_work)) {
        std::uint64_t arguments[6];
        std::memcpy(arguments, call.data.args, sizeof(arguments));
        const CallKind* const kind = kind_of(call.data.nr, arguments);
        if (kind == nullptr) {
            unknown_.insert(call.data.nr);
        } else if (refuses({std::string(kind->name), which})) {
            if (refused_++ == 0) {
                Stage::copy(stage_.step, stage_.refused_in);
            }
            stage_.refused.store(static_cast<std::uint32_t>(refused_));
            reply.flags = 0;
            reply.error = -plan_->error;
            if (call.data.nr == SYS_close) {
                close_anyway(call.id, static_cast<int>(call.data.args[0]));
            }
        }
    }
    return ::ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &reply) == 0;
}

}  // namespace strata::test
