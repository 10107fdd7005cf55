// SPDX-License-Identifier: Apache-2.0
// What backup, backups and restore have to do with streams.
#pragma once

#include <cstdint>
#include <string>

#include "volume.hpp"
#include <strata/volume_stream.hpp>

namespace strata::tools {

struct StreamArguments {
    std::string output;
    std::string input;
    std::string since;
    std::string format;
    std::string scratch;
    std::uint64_t most = 0;  ///< bytes; 0: what is free
};

/// Whether what was given for a directory of backups is a stream: `-`, or a file.
bool is_stream(const std::string& place);
/// The stream, unpacked and verified.
UnpackedBackup unpack(const Settings& settings, const std::string& stream,
                      const StreamArguments& arguments, unsigned threads);
/// `backup --output`.
void run_send(const Settings& settings, const VolumeArguments& volume,
              const StreamArguments& arguments);

void add_output_options(CLI::App* command, StreamArguments& arguments);
void add_unpack_options(CLI::App* command, StreamArguments& arguments);

}  // namespace strata::tools
