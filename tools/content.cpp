// SPDX-License-Identifier: Apache-2.0
#include "content.hpp"

#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.hpp"
#include "system.hpp"
#include "text.hpp"

namespace strata::tools {

void add_target(CLI::App* command, Target& target) {
    add_store(command, target.store);
    command->add_option("dimension", target.dimension, "Number or name of the dimension")
        ->required()
        ->type_name("DIMENSION");
    command
        ->add_option("layer", target.layer,
                     "Number of the layer, decimal or 0x..., or its name; a name that looks like a "
                     "number is written with a leading @")
        ->required()
        ->type_name("LAYER");
}

Layer find_layer(const Snapshot& snapshot, const Target& target, LayerId& id) {
    const LayerArgument argument = parse_layer(target.layer);
    id = {find_dimension(snapshot, target.dimension),
          argument.number ? *argument.number : layer_number(argument.name)};
    try {
        return argument.number ? snapshot.get(id) : snapshot.get(id.dimension, argument.name);
    } catch (const Error& error) {
        // The library names numbers; who typed names should find those again.
        const bool as_typed = target.dimension == std::to_string(id.dimension) &&
                              (!argument.number || target.layer == std::to_string(id.layer));
        if (error.code() != Errc::layer_not_found || as_typed) {
            throw;
        }
        throw Error({.code = error.code(),
                     .operation = error.operation(),
                     .path = error.path(),
                     .detail = error.detail() + " (" + target.dimension + " " + target.layer + ")",
                     .hint = error.hint()});
    }
}

std::string read_input(const std::string& file) {
    const auto require = [&](const std::function<bool()>& call, const std::string& what) {
        if (const std::optional<Error> failure = failure_of(call, what, file)) {
            throw Complaint{Exit::failed, "system",
                            file + ": cannot " + what + ": " + failure->detail()};
        }
    };
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened(
        nullptr, [](std::FILE* f) { return f != nullptr ? std::fclose(f) : 0; });
    if (file != "-") {
        const auto open = [&] {
            opened.reset(std::fopen(file.c_str(), "rbe"));
            return opened != nullptr;
        };
        require(open, "open");
    }
    std::FILE* const input = opened ? opened.get() : stdin;
    struct stat status {};
    const bool sized = ::fstat(::fileno(input), &status) == 0 && S_ISREG(status.st_mode);
    const std::uint64_t total = sized ? static_cast<std::uint64_t>(status.st_size) : 0;
    ProgressBar bar(::isatty(::fileno(input)) == 0);
    std::string bytes;
    bytes.reserve(static_cast<std::size_t>(total));
    char buffer[65536];
    std::size_t got = 0;
    const auto read = [&] {
        got = std::fread(buffer, 1, sizeof(buffer), input);
        return std::ferror(input) == 0;
    };
    do {
        require(read, "read");
        bytes.append(buffer, got);
        if (bar.due()) {
            bar.show(bytes.size(), total, "read " + size_text(bytes.size()));
        }
    } while (got != 0);
    return bytes;
}

}  // namespace strata::tools
