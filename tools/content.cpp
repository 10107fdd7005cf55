// SPDX-License-Identifier: Apache-2.0
#include "content.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.hpp"
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
    const auto fail = [&](const char* what) {
        throw Complaint{Exit::failed, "system", file + ": " + what + ": " + std::strerror(errno)};
    };
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened(
        file == "-" ? nullptr : std::fopen(file.c_str(), "rbe"),
        [](std::FILE* f) { return f != nullptr ? std::fclose(f) : 0; });
    if (file != "-" && !opened) {
        fail("cannot open");
    }
    std::FILE* const input = opened ? opened.get() : stdin;
    struct stat status {};
    const bool sized = ::fstat(::fileno(input), &status) == 0 && S_ISREG(status.st_mode);
    const std::uint64_t total = sized ? static_cast<std::uint64_t>(status.st_size) : 0;
    ProgressBar bar(::isatty(::fileno(input)) == 0);
    std::string bytes;
    bytes.reserve(static_cast<std::size_t>(total));
    char buffer[65536];
    while (const std::size_t got = std::fread(buffer, 1, sizeof(buffer), input)) {
        bytes.append(buffer, got);
        if (bar.due()) {
            bar.show(bytes.size(), total, "read " + size_text(bytes.size()));
        }
    }
    if (std::ferror(input) != 0) {
        fail("cannot read");
    }
    return bytes;
}

}  // namespace strata::tools
