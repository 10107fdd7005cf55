// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <limits>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <memory>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/failure.hpp"
#include "ipc/os.hpp"

namespace strata::ipc {

void FileDescriptor::reset() noexcept {
    if (fd_ >= 0) {
        ::close(fd_);
        fd_ = -1;
    }
}

namespace os {

namespace {

// Repeats a call that a signal interrupted.
template <class Call>
auto retry(Call call) {
    decltype(call()) result{};
    do {
        result = call();
    } while (result < 0 && errno == EINTR);
    return result;
}

// In a process whose standard streams are closed the kernel gives their numbers away. A store's
// file must not have one: the next message of anybody would be written into it.
Result<FileDescriptor> opened(int fd) {
    if (fd < 0) {
        return {{}, errno};
    }
    FileDescriptor file(fd);
    if (fd <= STDERR_FILENO) {
        const int other = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (other < 0) {
            return {{}, errno};
        }
        file = FileDescriptor(other);
    }
    return {std::move(file)};
}

Result<FileStatus> converted(int result, const struct stat& st) {
    if (result != 0) {
        return {{}, errno};
    }
    return {{.device = st.st_dev,
             .inode = st.st_ino,
             .links = st.st_nlink,
             .size_bytes = static_cast<std::uint64_t>(st.st_size),
             .allocated_bytes = static_cast<std::uint64_t>(st.st_blocks) * 512,
             .owner = st.st_uid,
             .group = st.st_gid,
             .mode = st.st_mode & 07777U,
             .is_regular = S_ISREG(st.st_mode),
             .is_directory = S_ISDIR(st.st_mode)}};
}

struct flock lock_of(short type, std::uint64_t start, std::uint64_t length) noexcept {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(start);
    lock.l_len = static_cast<off_t>(length);
    return lock;  // l_pid stays 0, as OFD locks require
}

short type_of(LockType type) noexcept {
    switch (type) {
        case LockType::shared: return F_RDLCK;
        case LockType::exclusive: return F_WRLCK;
        case LockType::unlock: break;
    }
    return F_UNLCK;
}

// The library may be unloaded while threads go on that `act`, its code, waits for.
pthread_key_t thread_end_key;
std::atomic<bool> have_thread_end_key{false};
[[gnu::destructor]] void forget_thread_ends() noexcept {
    if (have_thread_end_key.exchange(false)) {
        ::pthread_key_delete(thread_end_key);
    }
}

}  // namespace

Result<FileDescriptor> open_directory(const std::string& path) {
    return opened(retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
}

Result<FileDescriptor> open_directory_at(int directory, const std::string& name) {
    return opened(retry([&] {
        return ::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }));
}

// O_NONBLOCK: a fifo planted under the name must not make the open hang.
Result<FileDescriptor> open_read(int directory, const std::string& name) {
    return opened(retry([&] {
        return ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    }));
}

Result<FileDescriptor> open_write(int directory, const std::string& name) {
    return opened(retry([&] {
        return ::openat(directory, name.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    }));
}

Result<FileDescriptor> create_file(int directory, const std::string& name, std::uint32_t mode,
                                   std::optional<std::uint32_t> group) {
    auto file = opened(retry([&] {
        return ::openat(directory, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        mode & 0600U);
    }));
    constexpr auto same_owner = static_cast<uid_t>(-1);
    if (file && ((group && ::fchown(file.value.get(), same_owner, *group) != 0) ||
                 ::fchmod(file.value.get(), mode) != 0)) {
        const int error = errno;
        ::unlinkat(directory, name.c_str(), 0);
        return {{}, error};
    }
    return file;
}

int create_directory(const std::string& path, std::uint32_t mode) {
    return create_directory_at(AT_FDCWD, path, mode);
}

int create_directory_at(int directory, const std::string& name, std::uint32_t mode,
                        std::optional<std::uint32_t> group) {
    if (::mkdirat(directory, name.c_str(), mode & 0700U) != 0) {
        return errno;
    }
    // mkdir applies the umask; chmod does not. We just made it, so it is no link.
    constexpr auto same_owner = static_cast<uid_t>(-1);
    if ((group &&
         ::fchownat(directory, name.c_str(), same_owner, *group, AT_SYMLINK_NOFOLLOW) != 0) ||
        ::fchmodat(directory, name.c_str(), mode, 0) != 0) {
        const int error = errno;
        ::unlinkat(directory, name.c_str(), AT_REMOVEDIR);
        return error;
    }
    return 0;
}

int remove_file(int directory, const std::string& name) {
    return ::unlinkat(directory, name.c_str(), 0) == 0 ? 0 : errno;
}

int remove_directory(int directory, const std::string& name) {
    return ::unlinkat(directory, name.c_str(), AT_REMOVEDIR) == 0 ? 0 : errno;
}

int rename_at(int directory, const std::string& from, const std::string& to, RenameMode mode) {
    const unsigned flags = mode == RenameMode::no_replace ? RENAME_NOREPLACE : RENAME_EXCHANGE;
    return ::renameat2(directory, from.c_str(), directory, to.c_str(), flags) == 0 ? 0 : errno;
}

Result<std::vector<std::string>> list_directory(int directory) {
    const int copy =
        retry([&] { return ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (copy < 0) {
        return {{}, errno};
    }
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy), ::closedir);
    if (!stream) {
        const int error = errno;
        ::close(copy);
        return {{}, error};
    }
    Result<std::vector<std::string>> result;
    errno = 0;
    while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT: own stream, own thread
        const std::string name = entry->d_name;
        if (name != "." && name != "..") {
            result.value.push_back(name);
        }
        errno = 0;
    }
    result.error = errno;
    return result;
}

namespace {
std::array<char, 32> descriptor_path(int fd) noexcept {
    std::array<char, 32> path{};
    std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", fd);
    return path;
}
}  // namespace

int reopen_read(int fd) noexcept {
    const auto path = descriptor_path(fd);
    return retry([&] { return ::open(path.data(), O_RDONLY | O_CLOEXEC); });
}

int read_at(int fd, void* out, std::size_t size, std::uint64_t offset) {
    const ssize_t got = retry([&] { return ::pread(fd, out, size, static_cast<off_t>(offset)); });
    if (got < 0) {
        return errno;
    }
    return static_cast<std::size_t>(got) == size ? 0 : EIO;
}

void replace_descriptor(int source, int target) noexcept {
    ::dup3(source, target, O_CLOEXEC);
    ::close(source);
}

Result<FileStatus> status(int fd) {
    struct stat st {};
    return converted(::fstat(fd, &st), st);
}

Result<FileStatus> status_at(int directory, const std::string& name) {
    struct stat st {};
    return converted(::fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW), st);
}

int commit_range(int fd, std::uint64_t offset, std::uint64_t bytes) {
    if (offset + bytes > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) {
        return EFBIG;
    }
    int error = 0;
    do {  // returns the error instead of setting errno
        error = ::posix_fallocate(fd, static_cast<off_t>(offset), static_cast<off_t>(bytes));
    } while (error == EINTR);
    return error;
}

int punch_hole(int fd, std::uint64_t offset, std::uint64_t bytes) {
    return retry([&] {
               return ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                  static_cast<off_t>(offset), static_cast<off_t>(bytes));
           }) == 0
               ? 0
               : errno;
}

int truncate_file(int fd, std::uint64_t bytes) {
    return retry([&] { return ::ftruncate(fd, static_cast<off_t>(bytes)); }) == 0 ? 0 : errno;
}

int replace_file(const std::string& path, const std::string& content, std::uint32_t mode) {
    std::string temporary = path + ".XXXXXX";
    const FileDescriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!file) {
        return errno;
    }
    int error = 0;
    for (std::size_t done = 0; error == 0 && done < content.size();) {
        const ssize_t n = retry(
            [&] { return ::write(file.get(), content.data() + done, content.size() - done); });
        error = n < 0 ? errno : 0;
        done += n < 0 ? 0 : static_cast<std::size_t>(n);
    }
    if (error == 0 && (::fchmod(file.get(), mode) != 0 || ::fsync(file.get()) != 0 ||
                       ::rename(temporary.c_str(), path.c_str()) != 0)) {
        error = errno;
    }
    if (error != 0) {
        ::unlink(temporary.c_str());
    }
    return error;
}

std::pair<std::uint64_t, std::uint64_t> next_data(int fd, std::uint64_t offset,
                                                  std::uint64_t size) {
    const off_t data = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0) {
        // ENXIO: only a hole is left. Anything else: the file system cannot tell, so all is data.
        return errno == ENXIO ? std::pair{size, size} : std::pair{offset, size};
    }
    const off_t hole = ::lseek(fd, data, SEEK_HOLE);
    return {static_cast<std::uint64_t>(data), hole < 0 ? size : static_cast<std::uint64_t>(hole)};
}

int set_lock(int fd, LockType type, std::uint64_t start, std::uint64_t length) noexcept {
    struct flock lock = lock_of(type_of(type), start, length);
    if (retry([&] { return ::fcntl(fd, F_OFD_SETLK, &lock); }) == 0) {
        return 0;
    }
    return errno == EACCES ? EAGAIN : errno;
}

int wait_lock(int fd, LockType type, std::uint64_t start, std::uint64_t length) noexcept {
    struct flock lock = lock_of(type_of(type), start, length);
    return retry([&] { return ::fcntl(fd, F_OFD_SETLKW, &lock); }) == 0 ? 0 : errno;
}

std::optional<LockRange> find_lock(int fd, LockType type, std::uint64_t start,
                                   std::uint64_t length) {
    struct flock lock = lock_of(type_of(type), start, length);
    if (::fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) {
        return std::nullopt;
    }
    return LockRange{static_cast<std::uint64_t>(lock.l_start),
                     lock.l_len == 0 ? std::uint64_t{std::numeric_limits<off_t>::max()}
                                     : static_cast<std::uint64_t>(lock.l_len),
                     lock.l_type == F_WRLCK};
}

std::optional<bool> opened_elsewhere(int fd) noexcept {
    // Whoever opens the file while the lease stands makes the kernel send us this signal; the
    // default one would end the process, this one is ignored unless somebody asks for it.
    if (::fcntl(fd, F_SETSIG, SIGURG) != 0) {
        return std::nullopt;
    }
    if (::fcntl(fd, F_SETLEASE, F_WRLCK) == 0) {
        ::fcntl(fd, F_SETLEASE, F_UNLCK);
        return false;
    }
    return errno == EAGAIN ? std::optional(true) : std::nullopt;
}

bool futex_wait(const std::uint32_t* word, std::uint32_t expected,
                std::optional<std::chrono::steady_clock::time_point> deadline,
                std::uint32_t mask) noexcept {
    timespec until{};
    if (deadline) {
        const auto ns =
            std::chrono::duration_cast<std::chrono::nanoseconds>(deadline->time_since_epoch())
                .count();
        until.tv_sec = static_cast<time_t>(ns / 1'000'000'000);
        until.tv_nsec = static_cast<long>(ns % 1'000'000'000);
    }
    // FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time: no drift over repeated waits. Not
    // FUTEX_PRIVATE: the key must be the file's page, shared by all processes.
    const long result = ::syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected,
                                  deadline ? &until : nullptr, nullptr, mask);
    return !(result != 0 && errno == ETIMEDOUT);
}

void futex_wake(const std::uint32_t* word, std::uint32_t mask) noexcept {
    ::syscall(SYS_futex, word, FUTEX_WAKE_BITSET, INT_MAX, nullptr, nullptr, mask);
}

Result<FileDescriptor> create_event() { return opened(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

void signal_event(int fd) noexcept {
    const std::uint64_t one = 1;
    // A full counter (EAGAIN) is readable already, which is all that a signal means.
    [[maybe_unused]] const ssize_t written = ::write(fd, &one, sizeof(one));
}

void clear_event(int fd) noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(fd, &count, sizeof(count));
}

namespace {
Result<FileDescriptor> watch(const char* path, std::uint32_t events) {
    auto made = opened(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (made && ::inotify_add_watch(made.value.get(), path, events) < 0) {
        return {{}, errno};
    }
    return made;
}
}  // namespace

Result<FileDescriptor> watch_directory(const std::string& path) {
    return watch(path.c_str(), IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF);
}

Result<FileDescriptor> watch_reads(int fd) {
    // Not by its path: another store may have that by now.
    return watch(descriptor_path(fd).data(), IN_ACCESS | IN_CLOSE_NOWRITE);
}

bool wait_readable(int fd, std::chrono::steady_clock::time_point deadline) {
    return wait_either_readable(fd, -1, deadline);  // poll(2) skips negative descriptors
}

bool wait_either_readable(int first, int second, std::chrono::steady_clock::time_point deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        std::array<pollfd, 2> items{{{.fd = first, .events = POLLIN, .revents = 0},
                                     {.fd = second, .events = POLLIN, .revents = 0}}};
        const auto timeout = std::min<long long>(left.count(), INT_MAX);
        const int ready =
            ::poll(items.data(), items.size(), timeout < 0 ? 0 : static_cast<int>(timeout));
        if (ready > 0) {
            return true;
        }
        if (ready == 0 && std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
    }
}

void drain(int fd) noexcept {
    char buffer[4096];
    while (::read(fd, buffer, sizeof(buffer)) > 0) {
    }
}

bool register_barriers() noexcept {
    return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void barrier_all_threads() noexcept {
    if (::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0) {
        bug("membarrier was granted and then refused");
    }
}

void random_bytes(void* out, std::size_t size) {
    if (::getrandom(out, size, 0) != static_cast<ssize_t>(size)) {
        bug("getrandom failed for a small request");
    }
}

std::int64_t realtime_ns() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::int64_t process_id() noexcept { return ::getpid(); }

// Not a thread_local object with a destructor: the first one of a process makes it touch so many
// pages of the C++ runtime and the loader that a tenth of an attachment's time went there.
bool at_thread_end(void (*act)(void*), void* value) noexcept {
    static const bool made = [&] {
        const bool done = ::pthread_key_create(&thread_end_key, act) == 0;
        have_thread_end_key.store(done);
        return done;
    }();
    return made && have_thread_end_key.load(std::memory_order_relaxed) &&
           ::pthread_setspecific(thread_end_key, value) == 0;
}

BlockedSignals::BlockedSignals() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
}

BlockedSignals::~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

std::uint32_t effective_user() noexcept { return ::geteuid(); }

void dont_fork(void* address, std::size_t size) noexcept {
    // Failure only means that a child inherits the mapping; it has no business to use it anyway.
    ::madvise(address, size, MADV_DONTFORK);
}

}  // namespace os
}  // namespace strata::ipc
