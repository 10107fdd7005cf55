// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/writer.hpp"

#include <sys/stat.h>

#include "tests/support/temp_store.hpp"

namespace strata::test {

namespace {

// Of the bookmarks, which the memory limit does not count.
std::uint64_t uncounted_bytes(const TempStore& store) {
    std::uint64_t bytes = 0;
    for (const char* const name : {"bookmarks", "bookmarks.new"}) {
        struct stat status {};
        if (::lstat(store.file(name).c_str(), &status) == 0) {
            bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
        }
    }
    return bytes;
}

}  // namespace

// Dimensions below 10 are the partner's.
Writer::Writer(Subject& subject) : options(subject.store().producer_options()), self_(subject) {
    self_.after_steps([this] { look(); });
}

// In the same life as the refused call: a later opening would find and mend what is lost.
void Writer::look() {
    self_.request(Request::check);
    if (!producer_) {
        return;
    }
    const std::uint64_t counted = producer_->stats().committed_bytes;
    const std::uint64_t allocated =
        self_.store().allocated_bytes() - uncounted_bytes(self_.store());
    // What could not be made a hole counts on; never too little.
    const bool fits =
        self_.refuses("fallocate.PUNCH_HOLE") ? counted >= allocated : counted == allocated;
    self_.require(fits, "the producer counts " + std::to_string(counted) +
                            " bytes, its files have " + std::to_string(allocated));
}

void Writer::published(Generation generation) {
    self_.require(generation > generation_, "a commit gave no new generation");
    generation_ = generation;
}

void Writer::put(Dimension dimension, std::uint64_t layers, std::size_t bytes) {
    if (!active()) {
        return;
    }
    const std::string name = "put into " + std::to_string(dimension);
    std::optional<Batch> batch;
    if (!self_.stubborn_step("batch", [&] { batch.emplace(producer_->batch()); })) {
        return;
    }
    Contents changes;
    ++version_;
    for (std::uint64_t layer = 0; layer < layers; ++layer) {
        const std::string text = payload_of(layer, version_, bytes);
        if (self_.quiet_step(name,
                             [&] {
                                 batch->put({dimension, layer}, text);
                             }) ||
            self_.quiet_step(name, [&] {
                batch->put({dimension, layer}, text);
            })) {
            changes[{dimension, layer}] = text;
        }
    }
    if (commit(*batch, "commit of " + std::to_string(dimension))) {
        for (auto& [id, text] : changes) {
            contents_[id] = std::move(text);
        }
    }
    self_.step("end of a batch", [&] { batch.reset(); });
}

void Writer::erase(Dimension dimension, std::uint64_t layer) {
    if (!active()) {
        return;
    }
    Batch batch = producer_->batch();
    batch.erase({dimension, layer});
    if (commit(batch, "erase")) {
        contents_.erase({dimension, layer});
    }
}

void Writer::remove(Dimension dimension) {
    if (!active() || !contents_.contains({dimension, 0})) {  // it was refused
        return;
    }
    Batch batch = producer_->batch();
    batch.remove_dimension(dimension);
    if (commit(batch, "remove a dimension")) {
        std::erase_if(contents_, [&](const auto& entry) { return entry.first.first == dimension; });
    }
}

bool Writer::commit(Batch& batch, const std::string& name) {
    const std::size_t changes = batch.size();
    generation_ = producer_->generation();  // other steps publish as well
    for (int attempt = 0; attempt < 2 && changes > 0; ++attempt) {
        Generation made = 0;
        if (self_.step(name, [&] { made = batch.crystallize(); })) {
            published(made);
            return true;
        }
        self_.require(batch.size() == changes, "a commit that failed keeps its changes");
        self_.require(producer_->generation() == generation_,
                      "a commit that failed published something");
    }
    return false;
}

void Writer::prove() {
    self_.must("proof", [&] {
        if (!producer_) {
            producer_.emplace(Producer::open_or_create(self_.store().name(), options));
            self_.require(producer_->generation() >= generation_, "a generation is lost");
            generation_ = producer_->generation();
        }
        for (const Dimension dimension : {20U, 21U}) {
            Batch batch = producer_->batch();
            batch.put({dimension, 1}, std::string(70'000, 'p'));
            contents_[{dimension, 1}] = std::string(70'000, 'p');
            published(batch.crystallize());
        }
        look();
        const Snapshot snapshot = self_.store().attach().snapshot();
        for (const auto& [id, text] : contents_) {
            self_.require(snapshot.find({id.first, id.second}).text() == text,
                          "layer " + std::to_string(id.second) + " of dimension " +
                              std::to_string(id.first) + " is not what was published");
        }
        std::uint64_t own = 0;
        for (const DimensionInfo& info : snapshot.dimensions()) {
            own += info.dimension >= 10 ? info.layers : 0;
        }
        self_.require(own == contents_.size(), std::to_string(own) + " layers, " +
                                                   std::to_string(contents_.size()) +
                                                   " were published");
        self_.require(verify(snapshot).ok(), "the store does not verify");
    });
    self_.must("reclaim in the end", [&] {
        self_.request(Request::check);
        self_.request(Request::release);
        if (!producer_) {
            return;  // complained of before
        }
        producer_->trim();
        look();
        const ProducerStats stats = producer_->stats();
        self_.require(options.retain > 0 || stats.limbo_bytes == 0,
                      "blocks wait though nobody holds any");
        // A file that could not be deleted goes with the next producer.
        const bool deleted = !self_.refuses("unlinkat");
        const std::size_t regions = statistics(*producer_).regions.size();
        self_.require(!deleted || self_.store().region_files() == regions,
                      std::to_string(self_.store().region_files()) + " region files for " +
                          std::to_string(regions) + " regions");
        producer_.reset();
    });
}

}  // namespace strata::test
