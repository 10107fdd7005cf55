// SPDX-License-Identifier: Apache-2.0
#include "strata/audit_log.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "ipc/background_thread.hpp"
#include "ipc/failure.hpp"
#include "ipc/files/audit_file.hpp"
#include "ipc/fork_hooks.hpp"
#include "strata/printable.hpp"
#include "strata/text_values.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;

namespace {

constexpr std::uint32_t most_queued = 1 << 16;

/// A path as it waits in the queue: no memory is needed to put it there.
class CutPath {
public:
    CutPath() = default;
    // The end of a path says more than its beginning.
    explicit CutPath(std::string_view path) noexcept {
        if (path.size() > most) {
            path.remove_prefix(path.size() - most);
        }
        size_ = static_cast<std::uint8_t>(path.size());
        path.copy(text_.data(), path.size());  // also of none, which may have no address
    }
    std::string_view text() const noexcept { return {text_.data(), size_}; }

private:
    static constexpr std::size_t most = 255;
    std::uint8_t size_ = 0;
    std::array<char, most> text_{};
};

struct Queued {
    std::int64_t time_ns = 0;
    AuditEntry entry{};  // its paths are the two below
    CutPath store{};
    CutPath directory{};
};

std::string time_text(std::int64_t time_ns) {
    constexpr unsigned microseconds = 6;
    return rfc3339(std::chrono::system_clock::time_point(
                       std::chrono::duration_cast<std::chrono::system_clock::duration>(
                           std::chrono::nanoseconds(time_ns))),
                   microseconds);
}

/// In double quotes; valid JSON whatever it holds.
std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : printable(text)) {
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    return out + '"';
}

void add_text(std::string& line, const char* name, std::string_view text) {
    if (!text.empty()) {
        line += std::string(",\"") + name + "\":" + quoted(text);
    }
}

void add_number(std::string& line, const char* name, std::uint64_t number) {
    if (number != 0) {
        line += std::string(",\"") + name + "\":" + std::to_string(number);
    }
}

std::string beginning(std::int64_t time_ns) {
    return "{\"time\":\"" + time_text(time_ns) + "\",\"pid\":" + std::to_string(os::process_id()) +
           ",\"uid\":" + std::to_string(os::effective_user());
}

std::string line_of(const Queued& queued) {
    const AuditEntry& entry = queued.entry;
    std::string line = beginning(queued.time_ns);
    add_text(line, "operation", entry.operation);
    add_text(line, "store", queued.store.text());
    add_text(line, "directory", queued.directory.text());
    add_number(line, "generation", entry.generation);
    add_number(line, "dimensions", entry.dimensions);
    add_number(line, "layers", entry.layers);
    add_number(line, "files", entry.files);
    add_number(line, "bytes", entry.bytes);
    add_text(line, "result", entry.result);
    return line + "}\n";
}

std::string dropped_line(std::uint64_t entries) {
    std::string line = beginning(os::realtime_ns());
    add_text(line, "operation", "dropped");
    add_number(line, "entries", entries);
    return line + "}\n";
}

}  // namespace

struct AuditLog::State {
    const AuditOptions options;
    const ipc::ProcessMark owner{};
    ipc::AuditFile file;

    mutable std::mutex mutex;  // guards all down to `stopping`; held for a copy or a swap
    std::condition_variable arrived;
    std::condition_variable handled_more;
    std::vector<Queued> waiting;
    AuditStatistics statistics;
    std::uint64_t recorded = 0;  // entries that are in the queue, or were
    std::uint64_t handled = 0;   // of these, those that are written or dropped
    bool asleep = false;
    bool stopping = false;

    // The writing thread's.
    std::vector<Queued> writing;
    std::uint64_t told = 0;  // dropped entries that the log knows of
    ipc::BackgroundThread thread;

    explicit State(const AuditOptions& wanted) : options(wanted), file(wanted) {
        waiting.reserve(options.queue_entries);
        writing.reserve(options.queue_entries);
    }

    void run() noexcept;
    bool fetch() noexcept;
    void write_all() noexcept;
    void append(const std::string& lines, std::uint64_t entries) noexcept;
    void drop(std::uint64_t entries, int error) noexcept;
};

void AuditLog::State::drop(std::uint64_t entries, int error) noexcept {
    const std::lock_guard lock(mutex);
    statistics.dropped += entries;
    statistics.last_errno = error;
    handled += entries;
    handled_more.notify_all();
}

// The note of dropped entries comes before the entries that followed them.
void AuditLog::State::append(const std::string& lines, std::uint64_t entries) noexcept {
    std::uint64_t known = 0;
    {
        const std::lock_guard lock(mutex);
        known = statistics.dropped;
    }
    int error = 0;
    try {
        error = file.append((known > told ? dropped_line(known - told) : std::string()) + lines);
    } catch (const std::bad_alloc&) {
        error = ENOMEM;
    }
    if (error != 0) {
        drop(entries, error);
        return;
    }
    told = known;
    const std::lock_guard lock(mutex);
    statistics.written += entries;
    statistics.rotations = file.rotations();
    handled += entries;
    handled_more.notify_all();
}

// Bounded: one write, and a rotation between two of them.
void AuditLog::State::write_all() noexcept {
    const std::size_t most = std::min<std::uint64_t>(64 << 10, options.max_bytes / 2);
    std::string lines;
    std::uint64_t entries = 0;
    for (const Queued& queued : writing) {
        try {
            const std::string line = line_of(queued);
            if (entries != 0 && lines.size() + line.size() > most) {
                append(lines, std::exchange(entries, 0));
                lines.clear();
            }
            lines += line;
            ++entries;
        } catch (const std::bad_alloc&) {
            drop(1, ENOMEM);
        }
    }
    append(lines, entries);
    writing.clear();
}

// False: it is over, and nothing is left.
bool AuditLog::State::fetch() noexcept {
    std::unique_lock lock(mutex);
    while (waiting.empty() && !stopping) {
        asleep = true;
        arrived.wait(lock);
        asleep = false;
    }
    writing.swap(waiting);
    return !writing.empty();
}

void AuditLog::State::run() noexcept {
    while (fetch()) {
        write_all();
    }
    bool untold = false;
    {
        const std::lock_guard lock(mutex);
        untold = statistics.dropped > told;
    }
    if (untold) {
        append({}, 0);
    }
}

AuditLog::AuditLog(const AuditOptions& options) {
    constexpr std::string_view operation = "open audit log";
    if (options.queue_entries == 0 || options.queue_entries > most_queued) {
        ipc::fail(Errc::invalid_argument, operation, options.path.string(),
                  "queue_entries is " + std::to_string(options.queue_entries) +
                      ": it has to be from 1 to " + std::to_string(most_queued));
    }
    state_ = std::make_unique<State>(options);
    if (!state_->thread.start([state = state_.get()] { state->run(); })) {
        ipc::fail_errno(EAGAIN, operation, options.path.string(),
                        "cannot start the thread that writes it");
    }
}

AuditLog::~AuditLog() {
    if (!state_->owner.of_this_process()) {
        // Another thread of the parent may have held the lock: what is there stays as it is.
        static_cast<void>(state_.release());
        return;
    }
    {
        const std::lock_guard lock(state_->mutex);
        state_->stopping = true;
    }
    state_->arrived.notify_one();
    state_->thread.join();
}

bool AuditLog::record(const AuditEntry& entry) noexcept {
    State& state = *state_;
    if (!state.owner.of_this_process()) {
        return false;
    }
    const Queued queued{.time_ns = os::realtime_ns(),
                        .entry = entry,
                        .store = CutPath(entry.store),
                        .directory = CutPath(entry.directory)};
    bool wake = false;
    {
        const std::lock_guard lock(state.mutex);
        if (state.waiting.size() >= state.options.queue_entries) {
            ++state.statistics.dropped;
            return false;
        }
        state.waiting.push_back(queued);
        ++state.recorded;
        wake = std::exchange(state.asleep, false);
    }
    if (wake) {
        state.arrived.notify_one();
    }
    return true;
}

bool AuditLog::wants_commits() const noexcept { return state_->options.commits; }

void AuditLog::flush() {
    State& state = *state_;
    if (!state.owner.of_this_process()) {
        return;
    }
    std::unique_lock lock(state.mutex);
    state.handled_more.wait(lock, [&, all = state.recorded] { return state.handled >= all; });
}

AuditStatistics AuditLog::statistics() const noexcept {
    if (!state_->owner.of_this_process()) {
        return {};
    }
    const std::lock_guard lock(state_->mutex);
    return state_->statistics;
}

const std::filesystem::path& AuditLog::path() const noexcept { return state_->options.path; }

}  // namespace strata::inline STRATA_ABI_NAMESPACE
