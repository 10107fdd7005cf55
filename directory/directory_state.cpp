// SPDX-License-Identifier: Apache-2.0
#include "directory/directory_state.hpp"

#include <utility>

#include "directory/failures.hpp"
#include "directory/mapping_budget.hpp"
#include "ipc/failure.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

namespace os = ipc::os;

namespace {

constexpr std::uint64_t most_memory = std::uint64_t{1} << 30;  // 1 GiB

ipc::FileDescriptor open_path(const std::filesystem::path& path) {
    auto opened = os::open_search_directory(path.string());
    if (!opened) {
        fail_file(opened.error, "open directory", path.string(), "cannot be opened");
    }
    return std::move(opened.value);
}

void check(const MappedDirectoryOptions& options, const std::filesystem::path& path) {
    if (options.chunk_power < min_chunk_power || options.chunk_power > max_chunk_power) {
        ipc::fail(Errc::invalid_argument, "open directory", path.string(),
                  "chunk_power is " + std::to_string(options.chunk_power),
                  "it may be 20 (1 MiB) to 40 (1 TiB)");
    }
    if (options.group_files_up_to > most_memory) {
        ipc::fail(Errc::invalid_argument, "open directory", path.string(),
                  "group_files_up_to is " + std::to_string(options.group_files_up_to) + " bytes",
                  "what is grouped is copied into memory; 1 GiB is the most");
    }
}

}  // namespace

DirectoryState::DirectoryState(std::filesystem::path path,
                               std::optional<MappedDirectoryOptions> mapped,
                               std::size_t buffer_bytes)
    : path_(std::move(path)),
      directory_(open_path(path_)),
      mapped_(std::move(mapped)),
      buffer_bytes_(buffer_bytes),
      most_mappings_(mapped_ && mapped_->most_mappings != 0
                         ? mapped_->most_mappings
                         : MappingBudget::most_of(os::mapping_limit())) {
    if (mapped_) {
        check(*mapped_, path_);
        if (mapped_->survive_lost_bytes) {
            fault_handler_.emplace();
        }
    }
    if (buffer_bytes_ == 0 || buffer_bytes_ > most_memory) {
        ipc::fail(Errc::invalid_argument, "open directory", path_.string(),
                  "buffer_bytes is " + std::to_string(buffer_bytes_), "it may be 1 byte to 1 GiB");
    }
    register_hook();
}

DirectoryState::~DirectoryState() {
    unregister_hook();
    trim();
}

std::string DirectoryState::path_of(std::string_view name) const { return (path_ / name).string(); }

os::Result<os::FileIdentity> DirectoryState::identity_of(const std::string& name) const {
    return os::identity_at(directory_.get(), name);
}

OpenFile* DirectoryState::find(const FileKey& key) {
    const auto at = files_.find(key);
    if (at == files_.end()) {
        return nullptr;
    }
    OpenFile* const file = at->second;
    if (file->lost.load(std::memory_order_relaxed) != 0) {
        return nullptr;  // it was cut and grew within one tick of the clock
    }
    // Under the mutex the count does not become 0 (release_last).
    if (file->references.fetch_add(1, std::memory_order_relaxed) == 0) {
        file->exchange_owner(shared_from_this());
        file->own_list().splice(file->own_list().begin(), idle_, file->list_place());
        statistics_.idle_files -= 1;
        statistics_.open_files += 1;
    }
    statistics_.opened += 1;
    statistics_.shared += 1;
    return file;
}

void DirectoryState::count_off(const OpenFile& file) noexcept {
    statistics_.mappings -= file.chunks().count();
    statistics_.mapped_bytes -= file.backing() == Backing::mapped ? file.size() : 0;
    const auto at = files_.find(file.key());
    if (at != files_.end() && at->second == &file) {
        files_.erase(at);
    }
}

void DirectoryState::release_last(OpenFile* file) noexcept {
    std::shared_ptr<DirectoryState> self;  // its end may be the end of this object
    FilePointer gone;
    {
        const std::lock_guard lock(mutex_);
        // Acquire: what other inputs have read was read before it is unmapped; partner: the
        // release in MappedInput::release.
        if (file->references.fetch_sub(1, std::memory_order_acq_rel) != 1) {
            return;  // opened again meanwhile
        }
        self = file->exchange_owner(nullptr);
        statistics_.open_files -= 1;
        const auto at = files_.find(file->key());
        const bool keep = mapped_ && mapped_->idle_files > 0 &&
                          file->backing() == Backing::mapped && at != files_.end() &&
                          at->second == file && file->lost.load(std::memory_order_relaxed) == 0;
        OpenFile* victim = file;
        if (keep) {
            idle_.splice(idle_.end(), file->own_list());
            statistics_.idle_files += 1;
            victim = nullptr;
            if (idle_.size() > mapped_->idle_files) {
                victim = idle_.front();
                victim->own_list().splice(victim->own_list().begin(), idle_, idle_.begin());
                statistics_.idle_files -= 1;
            }
        }
        if (victim != nullptr) {
            count_off(*victim);
            gone.reset(victim);
        }
    }
    if (gone) {
        prefetcher_.forget(*gone);
    }
}

std::size_t DirectoryState::trim() noexcept {
    const std::lock_guard trimming(trim_mutex_);
    std::list<OpenFile*> gone;
    {
        const std::lock_guard lock(mutex_);
        gone.swap(idle_);
        for (const OpenFile* file : gone) {
            count_off(*file);
        }
        statistics_.idle_files = 0;
    }
    for (OpenFile* file : gone) {
        prefetcher_.forget(*file);
        delete file;
    }
    return gone.size();
}

MappedDirectoryStatistics DirectoryState::statistics() const {
    const std::lock_guard lock(mutex_);
    MappedDirectoryStatistics result = statistics_;
    result.grouped_bytes = arena_.allocated_bytes();
    result.prefetches = prefetches_.load(std::memory_order_relaxed);
    result.prefetches_dropped = prefetches_dropped_.load(std::memory_order_relaxed);
    return result;
}

std::optional<FileArena::Place> DirectoryState::take(std::size_t size) noexcept {
    const std::lock_guard lock(mutex_);
    return arena_.take(size);
}

void DirectoryState::give_back(FileArena::Block* block) noexcept {
    const std::lock_guard lock(mutex_);
    arena_.give_back(block);
}

void DirectoryState::prepare_fork() noexcept {
    trim_mutex_.lock();
    mutex_.lock();
    prefetcher_.prepare_fork();
}
void DirectoryState::parent_after_fork() noexcept {
    prefetcher_.parent_after_fork();
    mutex_.unlock();
    trim_mutex_.unlock();
}
void DirectoryState::child_after_fork() noexcept {
    prefetcher_.child_after_fork();
    mutex_.unlock();
    trim_mutex_.unlock();
}

void release_last(FileCore* core) noexcept {
    auto* const file = static_cast<OpenFile*>(core);
    file->directory().release_last(file);
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail
