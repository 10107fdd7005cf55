// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/call_table.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>

namespace strata::test {

namespace {

constexpr auto futex_operations = static_cast<std::uint32_t>(FUTEX_CMD_MASK);
constexpr std::uint64_t whole = 0xFFFF'FFFF;
constexpr Command any{};
constexpr long futex_waitv_number = 449;  // Debian 12's headers do not have it

// What any call may get from a filter, a container or a kernel that lacks it.
constexpr std::array foreign{EIO, ENOMEM, EPERM, ENOSYS, EINTR};

// The first row that fits is the kind: special ones stand before the general one.
std::vector<CallKind> made_table() {
    std::vector<CallKind> table{
        // No call, but counted as one: see allocations.hpp.
        {"new", SYS_getppid, any, {}},
        {"openat.CREAT",
         SYS_openat,
         {2, O_CREAT, O_CREAT},
         {EACCES, EBUSY, EDQUOT, EEXIST, EINVAL, EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENFILE,
          ENODEV, ENOENT, ENOSPC, ENOTDIR, EOVERFLOW, EROFS, ETXTBSY}},
        {"openat",
         SYS_openat,
         any,
         {EACCES, EBUSY, EINVAL, EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENFILE, ENODEV, ENOENT,
          ENOTDIR, ENXIO, EOVERFLOW, EROFS, ETXTBSY, EWOULDBLOCK}},
        {"close", SYS_close, any, {EDQUOT, ENOSPC}},
        {"fstat", SYS_newfstatat, {3, AT_EMPTY_PATH, AT_EMPTY_PATH}, {EOVERFLOW}},
        {"fstatat", SYS_newfstatat, any, {EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EOVERFLOW}},
        {"statx", SYS_statx, any, {EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR}},
        {"statfs", SYS_statfs, any, {EACCES, ELOOP, ENOENT, ENOTDIR, EOVERFLOW}},
        {"fstatfs", SYS_fstatfs, any, {EOVERFLOW}},
        {"faccessat", SYS_faccessat, any, {EACCES, ELOOP, ENOENT, ENOTDIR, EROFS}},
        {"readlinkat", SYS_readlinkat, any, {EACCES, EINVAL, ELOOP, ENOENT, ENOTDIR}},
        {"getcwd", SYS_getcwd, any, {EACCES, ENOENT, ERANGE}},
        {"pread", SYS_pread64, any, {EAGAIN, EINVAL, EISDIR, ENXIO, EOVERFLOW}},
        {"pwrite", SYS_pwrite64, any, {EAGAIN, EDQUOT, EFBIG, EINVAL, ENOSPC}},
        {"read", SYS_read, any, {EAGAIN, EINVAL, EISDIR}},
        {"write", SYS_write, any, {EAGAIN, EDQUOT, EFBIG, EINVAL, ENOSPC, EPIPE}},
        {"lseek.DATA", SYS_lseek, {2, whole, SEEK_DATA}, {EINVAL, ENXIO, EOVERFLOW}},
        {"lseek.HOLE", SYS_lseek, {2, whole, SEEK_HOLE}, {EINVAL, ENXIO, EOVERFLOW}},
        {"lseek", SYS_lseek, any, {EINVAL, ENXIO, EOVERFLOW, ESPIPE}},
        {"fsync", SYS_fsync, any, {EDQUOT, EINVAL, ENOSPC, EROFS}},
        {"fdatasync", SYS_fdatasync, any, {EDQUOT, EINVAL, ENOSPC, EROFS}},
        {"sync_file_range", SYS_sync_file_range, any, {EINVAL, ENOSPC, ESPIPE}},
        {"ftruncate", SYS_ftruncate, any, {EFBIG, EINVAL, ETXTBSY}},
        {"fallocate.PUNCH_HOLE",
         SYS_fallocate,
         {1, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_PUNCH_HOLE},
         {EFBIG, EINVAL, ENODEV, ENOSPC, EOPNOTSUPP, ETXTBSY}},
        {"fallocate",
         SYS_fallocate,
         any,
         {EDQUOT, EFBIG, EINVAL, ENODEV, ENOSPC, EOPNOTSUPP, ETXTBSY}},
        {"fchmod", SYS_fchmod, any, {EROFS}},
        {"fchmodat", SYS_fchmodat, any, {EACCES, ELOOP, ENOENT, ENOTDIR, EROFS}},
        {"fchown", SYS_fchown, any, {EROFS}},
        {"fchownat", SYS_fchownat, any, {EACCES, ELOOP, ENOENT, ENOTDIR, EROFS}},
        {"mkdirat",
         SYS_mkdirat,
         any,
         {EACCES, EDQUOT, EEXIST, ELOOP, EMLINK, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EROFS}},
        {"unlinkat.REMOVEDIR",
         SYS_unlinkat,
         {2, AT_REMOVEDIR, AT_REMOVEDIR},
         {EACCES, EBUSY, EINVAL, ELOOP, ENOENT, ENOTDIR, ENOTEMPTY, EROFS}},
        {"unlinkat", SYS_unlinkat, any, {EACCES, EBUSY, EISDIR, ELOOP, ENOENT, ENOTDIR, EROFS}},
        {"renameat2",
         SYS_renameat2,
         any,
         {EACCES, EBUSY, EDQUOT, EEXIST, EINVAL, EISDIR, ELOOP, EMLINK, ENOENT, ENOSPC, ENOTDIR,
          ENOTEMPTY, EROFS, EXDEV}},
        {"renameat", SYS_renameat, any, {EACCES, EBUSY, EDQUOT, ENOENT, ENOSPC, EROFS}},
        {"linkat", SYS_linkat, any, {EACCES, EDQUOT, EEXIST, EMLINK, ENOENT, ENOSPC, EROFS}},
        {"getdents64", SYS_getdents64, any, {EINVAL, ENOTDIR}},  // ENOENT: to readdir(3) an end
        {"fcntl.OFD_SETLK",
         SYS_fcntl,
         {1, whole, F_OFD_SETLK},
         {EACCES, EAGAIN, EDEADLK, EINVAL, ENOLCK}},
        {"fcntl.OFD_SETLKW", SYS_fcntl, {1, whole, F_OFD_SETLKW}, {EDEADLK, EINVAL, ENOLCK}},
        {"fcntl.OFD_GETLK", SYS_fcntl, {1, whole, F_OFD_GETLK}, {EINVAL, ENOLCK}},
        {"fcntl.SETLEASE", SYS_fcntl, {1, whole, F_SETLEASE}, {EACCES, EAGAIN, EINVAL}},
        {"fcntl.SETSIG", SYS_fcntl, {1, whole, F_SETSIG}, {EINVAL}},
        {"fcntl.GETFL", SYS_fcntl, {1, whole, F_GETFL}, {EINVAL}},
        {"fcntl.GETFD", SYS_fcntl, {1, whole, F_GETFD}, {EINVAL}},
        {"fcntl.SETFD", SYS_fcntl, {1, whole, F_SETFD}, {EINVAL}},
        {"fcntl.DUPFD_CLOEXEC", SYS_fcntl, {1, whole, F_DUPFD_CLOEXEC}, {EINVAL, EMFILE}},
        {"dup3", SYS_dup3, any, {EBUSY, EINVAL, EMFILE}},
        {"flock", SYS_flock, any, {EINVAL, ENOLCK, EWOULDBLOCK}},
        {"mmap.ANONYMOUS",
         SYS_mmap,
         {3, MAP_ANONYMOUS, MAP_ANONYMOUS},
         {EAGAIN, EEXIST, EINVAL, EOVERFLOW}},
        {"mmap",
         SYS_mmap,
         any,
         {EACCES, EAGAIN, EEXIST, EINVAL, ENFILE, ENODEV, EOVERFLOW, ETXTBSY}},
        {"mremap", SYS_mremap, any, {EAGAIN, EINVAL}},
        {"munmap", SYS_munmap, any, {EINVAL}},
        {"mprotect", SYS_mprotect, any, {EACCES, EINVAL}},
        {"msync", SYS_msync, any, {EBUSY, EINVAL}},
        {"madvise.DONTFORK", SYS_madvise, {2, whole, MADV_DONTFORK}, {EACCES, EAGAIN, EINVAL}},
        {"madvise", SYS_madvise, any, {EACCES, EAGAIN, EINVAL}},
        {"futex.WAIT_BITSET",
         SYS_futex,
         {1, futex_operations, FUTEX_WAIT_BITSET},
         {EAGAIN, EACCES, EINVAL, ETIMEDOUT}},
        {"futex.WAKE_BITSET",
         SYS_futex,
         {1, futex_operations, FUTEX_WAKE_BITSET},
         {EACCES, EINVAL}},
        {"futex.WAIT",
         SYS_futex,
         {1, futex_operations, FUTEX_WAIT},
         {EAGAIN, EACCES, EINVAL, ETIMEDOUT}},
        {"futex_waitv", futex_waitv_number, any, {EAGAIN, EINVAL, ETIMEDOUT}},
        {"futex.WAKE", SYS_futex, {1, futex_operations, FUTEX_WAKE}, {EACCES, EINVAL}},
        {"membarrier.REGISTER",
         SYS_membarrier,
         {0, whole, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED},
         {EINVAL}},
        {"membarrier", SYS_membarrier, any, {EINVAL}},
        {"eventfd2", SYS_eventfd2, any, {EINVAL, EMFILE, ENFILE, ENODEV}},
        {"inotify_init1", SYS_inotify_init1, any, {EINVAL, EMFILE, ENFILE}},
        {"inotify_add_watch",
         SYS_inotify_add_watch,
         any,
         {EACCES, EEXIST, EINVAL, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR}},
        {"inotify_rm_watch", SYS_inotify_rm_watch, any, {EINVAL}},
        {"ppoll", SYS_ppoll, any, {EINVAL}},
        {"clock_nanosleep", SYS_clock_nanosleep, any, {EINVAL}},
        {"getrandom", SYS_getrandom, any, {EAGAIN, EINVAL}},
        {"clone3", SYS_clone3, any, {EAGAIN, EINVAL, ENOSPC}},
        {"clone", SYS_clone, any, {EAGAIN, EINVAL, ENOSPC}},
        {"rt_sigaction", SYS_rt_sigaction, any, {EINVAL}},
        {"rt_sigprocmask", SYS_rt_sigprocmask, any, {EINVAL}},
        {"prctl", SYS_prctl, any, {EACCES, EINVAL}},
        {"prlimit64", SYS_prlimit64, any, {EINVAL}},
        {"sched_getaffinity", SYS_sched_getaffinity, any, {EINVAL}},
        {"ioctl", SYS_ioctl, any, {EINVAL, ENOTTY}},
#ifdef SYS_open
        {"open.CREAT", SYS_open, {1, O_CREAT, O_CREAT}, {EACCES, EDQUOT, EEXIST, EMFILE, ENOSPC}},
        {"open", SYS_open, any, {EACCES, ELOOP, EMFILE, ENFILE, ENOENT, ENOTDIR}},
        {"mkdir", SYS_mkdir, any, {EACCES, EDQUOT, EEXIST, ENOENT, ENOSPC, EROFS}},
        {"rmdir", SYS_rmdir, any, {EACCES, EBUSY, ENOENT, ENOTEMPTY, EROFS}},
        {"unlink", SYS_unlink, any, {EACCES, EBUSY, EISDIR, ENOENT, EROFS}},
        {"rename", SYS_rename, any, {EACCES, EBUSY, EDQUOT, ENOENT, ENOSPC, EROFS}},
        {"readlink", SYS_readlink, any, {EACCES, EINVAL, ELOOP, ENOENT}},
        {"access", SYS_access, any, {EACCES, ELOOP, ENOENT, ENOTDIR, EROFS}},
        {"poll", SYS_poll, any, {EINVAL}},
#endif
    };
    table.front().errors = {ENOMEM};
    for (CallKind& kind : std::span(table).subspan(1)) {
        kind.errors.insert(kind.errors.end(), foreign.begin(), foreign.end());
    }
    return table;
}

const std::vector<CallKind>& table() {
    static const std::vector<CallKind> kinds = made_table();
    return kinds;
}

// SYS_brk answers with the old break, not with an errno. The next eight cannot fail for the
// arguments that the C library gives them. The rest begins or ends threads and processes from
// within the C library, which has no way out, or belongs to the harness.
constexpr long exempt[] = {
    SYS_brk,
    SYS_getpid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_sched_yield,
    SYS_clock_gettime,
    SYS_exit,
    SYS_exit_group,
    SYS_rt_sigreturn,
    SYS_tgkill,
    SYS_restart_syscall,
    SYS_set_robust_list,
    SYS_set_tid_address,
    SYS_rseq,
    SYS_sendmsg,
    SYS_wait4,
    SYS_sigaltstack,
};

}  // namespace

const CallKind* kind_of(long number, std::span<const std::uint64_t> arguments) {
    const auto found = std::find_if(table().begin(), table().end(), [&](const CallKind& kind) {
        return kind.number == number &&
               (arguments[kind.command.argument] & kind.command.mask) == kind.command.value;
    });
    return found == table().end() ? nullptr : &*found;
}

const CallKind* kind_named(std::string_view name) {
    const auto found = std::find_if(table().begin(), table().end(),
                                    [&](const CallKind& kind) { return kind.name == name; });
    return found == table().end() ? nullptr : &*found;
}

std::span<const long> exempt_calls() { return exempt; }

std::string errno_name(int value) {
    const char* const name = ::strerrorname_np(value);
    return name != nullptr ? name : std::to_string(value);
}

int errno_named(std::string_view name) {
    for (int value = 1; value < 134; ++value) {
        if (errno_name(value) == name) {
            return value;
        }
    }
    return 0;
}

}  // namespace strata::test
