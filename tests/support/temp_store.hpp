// SPDX-License-Identifier: Apache-2.0
// What every test of a store needs: a place of its own that is gone at the end, payloads that tell
// what they are, and a way to say which typed error is expected.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <strata/strata.hpp>

namespace strata::test {

/// A fresh base directory in shared memory, removed with everything in it when the object goes (in
/// the process that made it: a forked child leaves it alone).
class TempBase {
public:
    TempBase() {
        std::string pattern = "/dev/shm/strata-test.XXXXXX";
        if (::mkdtemp(pattern.data()) == nullptr) {
            throw std::system_error(errno, std::generic_category(), "mkdtemp");
        }
        path_ = pattern;
    }
    TempBase(const TempBase&) = delete;
    TempBase& operator=(const TempBase&) = delete;
    ~TempBase() {
        if (::getpid() == owner_) {
            std::error_code ignored;
            std::filesystem::remove_all(path_, ignored);
        }
    }

    const std::filesystem::path& path() const noexcept { return path_; }

private:
    pid_t owner_ = ::getpid();
    std::filesystem::path path_;
};

/// One store's name in a base directory of its own, and options for both ends. The regions are
/// small, so that the sanitizers can map many of them.
class TempStore {
public:
    static constexpr std::uint64_t region_max_bytes = 64_MiB;

    enum class Regions : bool { shared, own };

    explicit TempStore(std::string name = "store") : name_(std::move(name)) {}
    /// `own`: its dimensions have a region file each.
    explicit TempStore(Regions regions) : name_("store"), regions_(regions) {}

    const std::string& name() const noexcept { return name_; }
    const std::filesystem::path& base() const noexcept { return base_.path(); }
    std::filesystem::path path() const { return base_.path() / name_; }
    std::filesystem::path file(std::string_view name) const { return path() / name; }

    ProducerOptions producer_options() const {
        return {.base_path = base_.path(),
                .memory_limit = 64_MiB,
                .region_max_bytes = region_max_bytes,
                .own_regions = regions_ == Regions::own};
    }
    ConsumerOptions consumer_options() const { return {.base_path = base_.path()}; }

    Producer create() const { return Producer::create(name_, producer_options()); }
    Producer open() const { return Producer::open(name_, producer_options()); }
    Consumer attach() const { return Consumer::attach(name_, consumer_options()); }

    /// Memory that the store's files really hold, as the kernel counts it.
    std::uint64_t allocated_bytes() const {
        std::uint64_t bytes = 0;
        for (const auto& entry : std::filesystem::directory_iterator(path())) {
            struct stat status {};
            if (::lstat(entry.path().c_str(), &status) == 0) {
                bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
            }
        }
        return bytes;
    }
    /// Number of region files.
    std::size_t region_files() const {
        std::size_t count = 0;
        for (const auto& entry : std::filesystem::directory_iterator(path())) {
            count += entry.path().filename().string().starts_with("region-") ? 1 : 0;
        }
        return count;
    }

private:
    TempBase base_;
    std::string name_;
    Regions regions_ = Regions::shared;
};

/// The strata::Error that `action` throws; nothing if it throws none.
template <class Action>
std::optional<Error> error_of(Action&& action) {
    try {
        std::forward<Action>(action)();
    } catch (const Error& error) {
        return error;
    }
    return std::nullopt;
}

/// The code of it, as text, so that a failed CHECK prints both names; "no error" if none.
template <class Action>
std::string code_of(Action&& action) {
    const std::optional<Error> error = error_of(std::forward<Action>(action));
    return error ? std::string(to_string(error->code())) : "no error";
}

/// Printable text of `size` bytes that depends on every one of the arguments: a mixed-up or reused
/// block shows.
inline std::string payload_of(std::uint64_t seed, std::uint64_t version, std::size_t size) {
    std::string text(size, '\0');
    std::uint64_t state = seed * 0x9E3779B97F4A7C15ULL + version;
    for (char& c : text) {  // xorshift64*, one byte each
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        c = static_cast<char>('0' + ((state * 0x2545F4914F6CDD1DULL) >> 58));
        state += state == 0 ? 1 : 0;
    }
    return text;
}

/// Publishes one layer.
inline Generation publish(Producer& producer, LayerId id, std::string_view text) {
    Batch batch = producer.batch();
    batch.put(id, text);
    return batch.crystallize();
}

}  // namespace strata::test
