// SPDX-License-Identifier: Apache-2.0
// wordnet_producer: publishes WordNet, then keeps crystallizing updates in a stated rhythm.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "wordnet/arguments.hpp"
#include "wordnet/events.hpp"
#include "wordnet/lexicographer_files.hpp"
#include "wordnet/rhythm.hpp"
#include "wordnet/source.hpp"
#include <strata/strata.hpp>

namespace {

using Clock = std::chrono::steady_clock;
using wordnet::Rhythm;
using strata::operator""_GiB;

constexpr std::string_view help = R"(usage: wordnet_producer [OPTION...]

Publishes the 117,659 synsets of WordNet 3.0 (Debian: wordnet-base) and then keeps changing them:
  dimension  one per lexicographer file: 100 + its number in lexnames(5WN), e.g. 105 noun.animal
  layer      part of speech (1 n, 2 v, 3 adj, 4 adv) and 8 digits of offset, e.g. 102084071
  content    the gloss
  keywords   the words, with spaces for underscores
  frequency  how often the words were tagged with this sense in the semantic concordances
             (the sum of their counts in cntlist.rev)

Each beat is one generation. It rewrites one of 241 groups of synsets (about 488), erases a few and
puts back those that the beat before erased; examples/wordnet/rhythm.hpp has the rule. Layer 0 of
dimension 99 says which beat it is, so that a consumer can check every layer. If the store is there
already, it carries on from the published state. SIGTERM and SIGINT end it, at a beat after which
nothing is erased.

  --store NAME         name of the store (wordnet)
  --base DIR           where stores live (/dev/shm/strata)
  --wordnet DIR        where the WordNet files are (/usr/share/wordnet)
  --rhythm-ms N        milliseconds between beats; 0: no pause (20)
  --generations N      stop after N beats; 0: publish only (one more if the last one erased something)
  --limit MIB          memory limit of the store in MiB (280)
  --help

Exit codes: 0 done, 1 failed, 2 wrong usage.
)";

struct Options {
    std::string store = "wordnet";
    std::filesystem::path base = strata::default_base_path();
    std::filesystem::path source = "/usr/share/wordnet";
    std::chrono::milliseconds rhythm{20};
    std::uint64_t beats = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t limit_mib = 280;
};

std::optional<Options> read_options(int argc, char** argv) {
    Options options;
    wordnet::Arguments arguments(argc, argv);
    while (arguments.next()) {
        const std::string_view option = arguments.option();
        if (option == "--help") {
            std::cout << help;
            return std::nullopt;
        } else if (option == "--store") {
            options.store = arguments.text();
        } else if (option == "--base") {
            options.base = arguments.text();
        } else if (option == "--wordnet") {
            options.source = arguments.text();
        } else if (option == "--rhythm-ms") {
            options.rhythm = std::chrono::milliseconds(arguments.number<int>(0, 3'600'000));
        } else if (option == "--generations") {
            options.beats = arguments.number<std::uint64_t>(0, options.beats);
        } else if (option == "--limit") {
            options.limit_mib = arguments.number<std::uint64_t>(1, std::uint64_t{1} << 20);
        } else {
            arguments.refuse();
        }
    }
    return options;
}

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The publishing side: one Rhythm after the other.
class Publisher {
public:
    Publisher(const Options& options, const wordnet::Source& source)
        : source_(source),
          // 1 GiB of address space for each region is plenty for 46 of them.
          producer_(strata::Producer::open_or_create(options.store,
                                                     {.base_path = options.base,
                                                      .memory_limit = options.limit_mib << 20,
                                                      .region_max_bytes = 1_GiB})),
          batch_(producer_.batch()) {
        // A producer that carries on reads what was published as anybody else does.
        auto consumer = strata::Consumer::attach(options.store, {.base_path = options.base});
        const strata::Snapshot newest = consumer.snapshot();
        const strata::Layer record = newest.find(wordnet::rhythm_id);
        if (record) {
            found_ = true;
            now_ = record->as<Rhythm>();
            if (now_.source != source.fingerprint()) {
                throw std::runtime_error("store \"" + options.store +
                                         "\" was published from other WordNet files; remove " +
                                         producer_.path().string() + " first");
            }
        }
        now_.source = source.fingerprint();
    }

    /// True if a store was there already.
    bool found() const noexcept { return found_; }
    const Rhythm& now() const noexcept { return now_; }
    const strata::Producer& producer() const noexcept { return producer_; }
    bool loaded() const noexcept { return now_.loaded == source_.synsets().size(); }

    /// Publishes the next few thousand synsets.
    void load_more() {
        constexpr std::uint64_t batch_size = 8192;
        for (std::size_t number = 0; now_.loaded == 0 && number < 45; ++number) {
            batch_.add_dimension(wordnet::dimension_of(number),
                                 wordnet::lexicographer_files[number]);
        }
        if (now_.loaded == 0) {
            batch_.add_dimension(wordnet::rhythm_id.dimension, wordnet::rhythm_dimension_name);
        }
        Rhythm next = now_;
        next.loaded = std::min<std::uint64_t>(now_.loaded + batch_size, source_.synsets().size());
        for (std::uint64_t synset = now_.loaded; synset < next.loaded; ++synset) {
            write(next, synset);
        }
        publish(next);
    }

    /// One beat: rewrites its group, and puts back what the beat before erased.
    void beat() {
        Rhythm next = now_;
        ++next.beat;
        write_group(next, (next.beat - 1) % wordnet::group_count);
        write_group(next, (next.beat + wordnet::group_count - 2) % wordnet::group_count);
        publish(next);
    }

private:
    void write_group(const Rhythm& next, std::uint64_t group) {
        for (std::uint64_t i = group; i < source_.synsets().size(); i += wordnet::group_count) {
            if (wordnet::is_touched(now_, next, i)) write(next, i);
        }
    }

    void write(const Rhythm& next, std::uint64_t index) {
        const wordnet::Synset& synset = source_.synsets()[index];
        const wordnet::Expected expected = wordnet::expect(next, index);
        if (!expected.present) {
            batch_.erase(synset.id);
            return;
        }
        const auto words = source_.words(synset);
        const strata::LayerOptions options = {.frequency = synset.tag_count,
                                              .keywords = {words.begin(), words.end()}};
        text_.assign(synset.gloss).append(wordnet::revision_suffix(expected.revision));
        batch_.put(synset.id, text_, options);
    }

    void publish(Rhythm next) {
        next.generation = producer_.generation() + 1;  // there is no other producer
        batch_.put_value(wordnet::rhythm_id, next);
        batch_.crystallize();
        now_ = next;
    }

    const wordnet::Source& source_;
    strata::Producer producer_;
    strata::Batch batch_;
    Rhythm now_;
    bool found_ = false;
    std::string text_;
};

void print_round(const Publisher& publisher, double slowest) {
    const strata::ProducerStats stats = publisher.producer().stats();
    std::cout << "generation " << stats.generation << ": every synset has revision "
              << publisher.now().beat / wordnet::group_count << "; " << (stats.live_bytes >> 20)
              << " MiB live, " << (stats.limbo_bytes >> 10) << " KiB in limbo, "
              << (stats.committed_bytes >> 20) << " of " << (stats.memory_limit >> 20)
              << " MiB committed; slowest beat " << slowest * 1e3 << " ms" << std::endl;
}

void run(const Options& options) {
    const wordnet::StopSignal stop;
    std::cout << std::fixed << std::setprecision(3);
    Clock::time_point start = Clock::now();
    const wordnet::Source source = wordnet::Source::load(options.source);
    std::cout << "source: " << source.synsets().size() << " synsets, " << source.word_count()
              << " words; " << source.matched_senses() << " of " << source.tagged_senses()
              << " tagged senses found; read in " << seconds_since(start) << " s" << std::endl;

    Publisher publisher(options, source);
    const strata::Producer& producer = publisher.producer();
    if (publisher.found()) {
        std::cout << "carrying on: generation=" << producer.generation()
                  << " beat=" << publisher.now().beat << " loaded=" << publisher.now().loaded
                  << std::endl;
    }
    start = Clock::now();
    const strata::Generation first = producer.generation();
    while (!publisher.loaded() && !stop.raised())
        publisher.load_more();
    if (producer.generation() != first) {
        std::cout << "published: " << publisher.now().loaded << " synsets in "
                  << producer.generation() - first << " batches and " << seconds_since(start)
                  << " s; generation " << producer.generation() << std::endl;
    }

    const wordnet::Metronome metronome(options.rhythm);
    double slowest = 0;
    std::uint64_t done = 0;
    Clock::time_point printed;
    while (publisher.loaded()) {
        const bool enough = done >= options.beats || stop.raised();
        if (enough && publisher.now().nothing_erased()) break;
        if (!enough && options.rhythm.count() > 0) {
            wordnet::wait_for_any({stop.descriptor(), metronome.descriptor()},
                                  std::chrono::milliseconds(-1));
            if (stop.raised()) continue;
            metronome.acknowledge();
        }
        start = Clock::now();
        publisher.beat();
        ++done;
        slowest = std::max(slowest, seconds_since(start));
        const bool round_done = publisher.now().beat % wordnet::group_count == 0;
        if (round_done && seconds_since(printed) >= 1) {  // without a pause rounds are shorter
            print_round(publisher, slowest);
            printed = Clock::now();
        }
    }
    const strata::ProducerStats stats = producer.stats();
    std::cout << "producer: generation=" << stats.generation << " beat=" << publisher.now().beat
              << " layers=" << stats.layers << " dimensions=" << stats.dimensions
              << " live_bytes=" << stats.live_bytes << " committed_bytes=" << stats.committed_bytes
              << " slowest_beat_ms=" << slowest * 1e3 << std::endl;
}

}  // namespace

int main(int argc, char** argv) try {
    const std::optional<Options> options = read_options(argc, argv);
    if (options) run(*options);
    return 0;
} catch (const wordnet::UsageError& error) {
    std::cerr << "wordnet_producer: " << error.what() << '\n';
    return 2;
} catch (const std::exception& error) {
    std::cerr << "wordnet_producer: " << error.what() << '\n';
    return 1;
}
