// SPDX-License-Identifier: Apache-2.0
// The live producer that the consumers in C, Python, Go and Rust read: quotes by name, counters by
// number, a text with keywords. Every line of its input crystallizes a generation, of which it
// prints what each consumer has to print as well. It ends at the end of its input.
//   languages_producer STORE [BASE_PATH]
#include <array>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <strata/strata.hpp>

namespace {

// What other languages call "Quote": a name, and the layout that they all give to such a struct.
struct Quote {
    static constexpr std::string_view strata_type_name = "Quote";
    double price;
    std::uint64_t size;
};

// What it is made of, for those who ask the store (docs/python.md): Python's strata.Type.of.
constexpr std::string_view quote_schema =
    R"({"name": "Quote", "size": 16, "alignment": 8, "fields": [
    {"name": "price", "type": "f64", "offset": 0},
    {"name": "size", "type": "u64", "offset": 8}]})";
static_assert(sizeof(Quote) == 16 && alignof(Quote) == 8 && offsetof(Quote, size) == 8);

constexpr std::array<std::string_view, 3> symbols = {"AAA", "BBB", "CCC"};
constexpr strata::Dimension counters = 1;
constexpr std::uint64_t counter_count = 1000;

Quote quote(strata::Generation generation, std::size_t symbol) {
    return {.price = static_cast<double>(generation) + 0.25 * static_cast<double>(symbol),
            .size = 100 * generation};
}

std::uint64_t counter(strata::Generation generation, std::uint64_t number) {
    return generation * number;
}

// The batch is in generation order, for there is one producer: what it publishes is the next one.
void crystallize_next(strata::Producer& producer) {
    const strata::Generation next = producer.generation() + 1;
    strata::Batch batch = producer.batch();
    const strata::Dimension quotes = batch.add_dimension("Quotes");
    for (std::size_t i = 0; i < symbols.size(); ++i) {
        batch.put_value(quotes, symbols[i], quote(next, i), {.frequency = 10});
    }
    for (std::uint64_t number = 0; number < counter_count; ++number) {
        batch.put_value({counters, number}, counter(next, number));
    }
    // Ten numbers in a row, as an array; and a text that every other generation does without.
    std::vector<float> curve;
    for (int i = 0; i < 10; ++i) {
        curve.push_back(static_cast<float>(next) / static_cast<float>(1 << i));
    }
    batch.put_values(quotes, "curve", curve);
    batch.put({batch.add_dimension("strata.types"), strata::type_tag<Quote>()}, quote_schema);
    if (next % 2 == 0) {
        batch.put({2, 5}, "joy", {.frequency = 1.5, .keywords = {"emotion", "feeling"}});
    } else {
        batch.erase({2, 5});
    }
    if (batch.crystallize() != next) {
        throw std::logic_error("another generation than the next one");
    }
}

// The line that a consumer of any language prints of a generation.
void print_expected(strata::Generation generation) {
    std::cout << generation << ':' << std::fixed << std::setprecision(2);
    for (std::size_t i = 0; i < symbols.size(); ++i) {
        const Quote now = quote(generation, i);
        std::cout << ' ' << symbols[i] << '=' << now.price << 'x' << now.size;
    }
    std::uint64_t sum = 0;
    for (std::uint64_t number = 0; number < counter_count; ++number) {
        sum += counter(generation, number);
    }
    std::cout << " counters=" << sum << " curve=" << static_cast<double>(generation)
              << " text=" << (generation % 2 == 0 ? "joy emotion feeling" : "none") << std::endl;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 2 && argc != 3) {
        std::cerr << "usage: languages_producer STORE [BASE_PATH]\n";
        return 2;
    }
    strata::ProducerOptions options;
    if (argc == 3) {
        options.base_path = argv[2];
    }
    strata::Producer producer = strata::Producer::open_or_create(argv[1], options);
    crystallize_next(producer);
    print_expected(producer.generation());
    for (std::string line; std::getline(std::cin, line);) {
        crystallize_next(producer);
        print_expected(producer.generation());
    }
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
