// SPDX-License-Identifier: Apache-2.0
// Opening a file: it is found among those that are open, or made: mapped, grouped or, which is
// reported, read through a buffer.
#include <cstdio>
#include <utility>

#include "directory/directory_state.hpp"
#include "directory/failures.hpp"
#include "ipc/failure.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

namespace os = ipc::os;

ipc::FileDescriptor DirectoryState::open_to_read(std::string_view operation,
                                                 const std::string& name,
                                                 os::FileIdentity& identity) const {
    check_file_name(operation, name);
    const auto expect_regular = [&](const os::Result<os::FileIdentity>& found) {
        if (!found) {
            fail_file(found.error, operation, path_of(name), "cannot be opened");
        }
        if (!found.value.status.is_regular) {
            ipc::fail(Errc::invalid_argument, operation, path_of(name), "is no regular file");
        }
        return found.value;
    };
    expect_regular(identity_of(name));  // opening a device may have effects
    auto file = os::open_file(directory_.get(), name, os::FileMode::read);
    if (!file) {
        fail_file(file.error, operation, path_of(name), "cannot be opened");
    }
    identity = expect_regular(os::identity(file.value.get()));
    return std::move(file.value);
}

MappedInput DirectoryState::open(std::string_view name, const OpenOptions& options) {
    const std::string own_name(name);
    os::FileIdentity identity;
    ipc::FileDescriptor descriptor = open_to_read("open", own_name, identity);
    const ReadAdvice advice = mapped_ && mapped_->advice ? mapped_->advice(name, options.context)
                                                         : advice_of(options.context);
    const FileKey key = key_of(own_name, identity, advice);
    FilePointer made;  // before the lock: it may go again, after that
    OpenFile* file = nullptr;
    {
        const std::lock_guard lock(mutex_);
        file = find(key);
    }
    if (file == nullptr) {
        std::optional<MappingFallback> fallback;
        made = make(key, identity.status.owner, std::move(descriptor), fallback);
        if (fallback) {
            tell(*fallback);
        }
        const std::lock_guard lock(mutex_);
        file = made->shareable() ? find(key) : nullptr;  // another thread may have been quicker
        if (file == nullptr) {
            // What is there under this key has lost bytes: from now on this one is found.
            if (made->shareable()) {
                files_.insert_or_assign(key, made.get());
            }
            statistics_.opened += 1;
            statistics_.fallbacks += fallback ? 1 : 0;
            statistics_.open_files += 1;
            statistics_.mappings += made->chunks().count();
            statistics_.mapped_bytes += made->backing() == Backing::mapped ? made->size() : 0;
            file = made.release();
        }
    }
    MappedInput input = OpenFile::input_of(file);
    if (options.preload) {
        input.preload();
    }
    return input;
}

void DirectoryState::tell(const MappingFallback& fallback) const {
    if (mapped_->on_fallback) {
        mapped_->on_fallback(fallback);
    } else {
        std::fprintf(stderr, "strata: read through a buffer: %s\n", fallback.reason.what());
    }
}

// ---- making
// ------------------------------------------------------------------------------------

template <class Attempt>
bool DirectoryState::succeeds(Attempt attempt) {
    if (attempt()) {
        return true;
    }
    if (mapped_->idle_files == 0) {
        return false;
    }
    trim();  // whatever it finds: another thread may have trimmed just now
    return attempt();
}

DirectoryState::FilePointer DirectoryState::make(const FileKey& key, std::uint32_t owner,
                                                 ipc::FileDescriptor descriptor,
                                                 std::optional<MappingFallback>& fallback) {
    auto file = std::make_unique<OpenFile>(shared_from_this(), key, owner);
    if (!mapped_) {
        file->keep_descriptor(std::move(descriptor));
        return file;
    }
    const bool grouped = key.size <= mapped_->group_files_up_to;
    if (auto failure = grouped ? group(*file, descriptor) : map(*file, descriptor)) {
        if (!mapped_->fall_back) {
            throw Error(std::move(*failure));
        }
        fallback.emplace(MappingFallback{file->path(), key.size, std::move(*failure)});
        file->keep_descriptor(std::move(descriptor));
    }
    return file;
}

std::optional<Error> DirectoryState::group(OpenFile& file, const ipc::FileDescriptor& source) {
    if (!succeeds([&] { return file.take_place(); })) {
        return group_failure(file.path(), file.size());
    }
    if (const auto failure = file.load(source)) {
        file.fail("open", file.path(), *failure);
    }
    return std::nullopt;
}

std::optional<Error> DirectoryState::map(OpenFile& file, const ipc::FileDescriptor& source) {
    std::optional<MapFailure> failure;
    const auto attempt = [&] {
        failure =
            file.map(source, mapped_->chunk_power, most_mappings_, mapped_->survive_lost_bytes);
        return !failure;
    };
    if (succeeds(attempt)) {
        return std::nullopt;
    }
    return map_failure(*failure, file.path(),
                       {.size = file.size(),
                        .chunk_power = mapped_->chunk_power,
                        .most_mappings = most_mappings_});
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail
