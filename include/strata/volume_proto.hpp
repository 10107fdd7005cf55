// SPDX-License-Identifier: Apache-2.0
// Proto-dimensions on disk: what a producer has not crystallized yet is saved in a volume's
// `proto/`, as archives, and picked up by the next producer. Part of the component `volume`.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/producer.hpp"
#include "strata/types.hpp"
#include "strata/volume.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

struct ProtoReport {
    std::uint64_t dimensions = 0;
    std::uint64_t layers = 0;
    std::uint64_t content_bytes = 0;
    std::uint64_t removed = 0;  ///< archives in `proto/` that stood for nothing any more
};

/// Makes `proto/` have exactly the producer's proto-dimensions that have layers: what was
/// crystallized or discarded since goes, so that no successor publishes it again. (So load first:
/// what is there and was not loaded goes, too.) `dimensions`: these alone; the others' archives
/// stay. All are written and brought to the disk before the first one takes its place; each then
/// replaces its predecessor atomically. A proto-dimension that is changed meanwhile is saved as it
/// was at one moment.
///
/// Kept are numbers, content, frequency, keywords, type tags and alignments. Throws limit_exceeded
/// (a region beyond VolumeOptions::max_size), file_exists (files of others in an archive's folder),
/// no_space, permission_denied, system: every archive is the old or the new one then. Thread and
/// process safety: any thread; one producer for each volume.
ProtoReport save_proto_dimensions(Producer& producer, const Volume& volume,
                                  const std::vector<Dimension>& dimensions = {});

/// Makes proto-dimensions of the producer out of what is in `proto/`, each checksum compared.
/// `dimensions`: these alone. The archives stay: save again when something was crystallized. Throws
/// dimension_exists (the producer has layers in a proto-dimension of that number), file_not_found,
/// invalid_argument (an archive has a named layer, as no proto-dimension can), what
/// ArchiveReader throws, and limit_exceeded (ProducerOptions::proto_memory_limit): the producer
/// has what it had before then.
ProtoReport load_proto_dimensions(Producer& producer, const Volume& volume,
                                  const std::vector<Dimension>& dimensions = {});

/// Removes one from `proto/`. Throws file_not_found, file_exists (files of others in its folder),
/// permission_denied, system.
void remove_saved_proto_dimension(const Volume& volume, Dimension dimension);

}  // namespace strata::inline STRATA_ABI_NAMESPACE
