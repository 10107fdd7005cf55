// SPDX-License-Identifier: Apache-2.0
#include "ipc/files/durable_slots.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/format/atomic_word.hpp"
#include "ipc/format/checksum.hpp"
#include "ipc/os/named_files.hpp"

namespace strata::ipc {

namespace {

bool is_sound(const DurableSlot& slot, std::uint64_t place, const std::uint64_t* store_id) {
    return slot.magic == slot_magic && slot.version == format_version &&
           slot.byte_order == byte_order_mark && slot.checksum == record_checksum(slot) &&
           slot.sequence != 0 && slot.sequence % slot_count == place && slot.generation != 0 &&
           slot.lease >= slot.generation &&
           slot.identity.checksum == record_checksum(slot.identity) &&
           (store_id == nullptr ||
            std::equal(store_id, store_id + 2, std::begin(slot.identity.store_id)));
}

FileDescriptor opened(const StoreDirectory& store, bool writable, const Trust& trust,
                      std::string_view operation) {
    return open_optional(store, slots_file_name, writable, trust, operation,
                         "the slots of durable generations")
        .file;
}

// Sound ones, the newest first.
struct SlotPair {
    std::optional<DurableSlot> newest{};
    std::optional<DurableSlot> older{};
};

os::Result<SlotPair> read_slots(const FileDescriptor& file, const std::uint64_t* store_id) {
    SlotPair slots;
    const auto status = os::status(file.get());
    if (!status) {
        return {{}, status.error};
    }
    for (std::uint64_t place = 0; place < slot_count; ++place) {
        const std::uint64_t at = place * page_bytes;
        if (status.value.size_bytes < at + sizeof(DurableSlot)) {
            break;  // cut off: as good as empty
        }
        DurableSlot slot;
        if (const int error = os::read_at(file.get(), &slot, sizeof(slot), at)) {
            return {{}, error};
        }
        if (is_sound(slot, place, store_id)) {
            slots.older = slot;
            if (!slots.newest || slot.sequence > slots.newest->sequence) {
                std::swap(slots.newest, slots.older);
            }
        }
    }
    return {slots, 0};
}

}  // namespace

os::Result<std::optional<DurableSlot>> read_newest_slot(const FileDescriptor& file,
                                                        const std::uint64_t* store_id) {
    const auto slots = read_slots(file, store_id);
    return {slots.value.newest, slots.error};
}

bool is_same_run(const DurableSlot& slot, const os::Standpoint& here) noexcept {
    return here.is_boot(slot.boot_id) && slot.device == here.device && slot.mount == here.mount;
}

void check_recovered(const StoreDirectory& store, const ControlIdentity& identity,
                     const ControlCells& cells, std::string_view operation) {
    // Acquire; partner: the release store of the producer that made the slots. Every version of
    // these words that was flushed together with a slot says that there are slots.
    if (load_acquire(cells.durability) == 0) {
        return;
    }
    const FileDescriptor file = opened(store, false, {.any_owner = true, .owner = 0}, operation);
    if (!file) {
        return;
    }
    const auto newest = read_newest_slot(file, identity.store_id);
    const auto here = os::standpoint_of(store.directory.get());
    if (!newest || !here) {
        fail_errno(!newest ? newest.error : here.error, operation, store.file(slots_file_name),
                   "cannot find out whether the machine stopped since the last producer");
    }
    // Mounts are not compared: a consumer may well have its own, in a container.
    if (!newest.value || here.value.is_boot(newest.value->boot_id)) {
        return;
    }
    if (load_acquire(cells.root) == newest.value->root &&
        load_acquire(cells.generation) == newest.value->generation) {
        return;  // what was published last is durable
    }
    fail(Errc::not_recovered, operation, store.path,
         "the machine stopped since the store's last producer; generation " +
             std::to_string(newest.value->generation) + " is durable",
         "let a producer open it: it goes back to that generation");
}

DurableSlots DurableSlots::open(const StoreDirectory& store, std::string_view operation) {
    DurableSlots slots;
    slots.file_ =
        opened(store, true, {.any_owner = false, .owner = os::effective_user()}, operation);
    if (!slots.file_) {
        return slots;
    }
    // A slot is written after its data was flushed, so a slot that can be read may be made durable.
    const int error = os::sync_file(slots.file_.get());
    const auto read = read_slots(slots.file_, nullptr);
    if (error != 0 || !read) {
        fail_errno(error != 0 ? error : read.error, operation, store.file(slots_file_name),
                   error != 0 ? "cannot flush the slots" : "cannot read the slots");
    }
    slots.newest_ = read.value.newest;
    slots.older_ = read.value.older;
    return slots;
}

DurableSlots DurableSlots::open_and_repair(const StoreDirectory& store,
                                           std::string_view operation) {
    DurableSlots slots = open(store, operation);
    if (!slots.newest_) {
        return slots;
    }
    const auto control = os::open_write(store.directory.get(), control_file_name);
    ControlIdentity found{};
    if (!control || os::read_at(control.value.get(), &found, sizeof(found), 0) != 0) {
        return slots;  // the next opener reports what is wrong
    }
    // Where it can still be told whose file it is, nothing is repaired: another store's, or a
    // format that is not ours.
    if (found.checksum != record_checksum(found) &&
        (found.magic == control_magic || found.magic == 0)) {
        const ControlIdentity& saved = slots.newest_->identity;
        if (const int error = os::write_at(control.value.get(), &saved, sizeof(saved), 0)) {
            fail_errno(error, operation, store.file(control_file_name),
                       "cannot repair its torn header");
        }
    }
    return slots;
}

void DurableSlots::create(const StoreDirectory& store, const os::FileStatus& like,
                          std::string_view operation) {
    auto file = os::create_file(store.directory.get(), slots_file_name, like.mode & most_file_mode,
                                like.group);
    int error = file.error;
    if (error == 0) {
        STRATA_CRASH_POINT("slots.file-made");
        error = os::commit_range(file.value.get(), 0, slot_count * page_bytes);
        if (error != 0) {
            os::remove_file(store.directory.get(), slots_file_name);
        }
    }
    if (error != 0) {
        fail_errno(error, operation, store.file(slots_file_name),
                   "cannot make the slots of durable generations");
    }
    file_ = std::move(file.value);
}

int DurableSlots::write(DurableSlot slot) noexcept {
    slot.magic = slot_magic;
    slot.version = format_version;
    slot.byte_order = byte_order_mark;
    slot.sequence = newest_ ? newest_->sequence + 1 : 1;
    slot.written_at_ns = os::realtime_ns();
    slot.checksum = record_checksum(slot);
    STRATA_CRASH_POINT("slots.before-write");
    int error =
        os::write_at(file_.get(), &slot, sizeof(slot), slot.sequence % slot_count * page_bytes);
    STRATA_CRASH_POINT("slots.written");
    if (error == 0) {
        error = newest_ ? os::sync_data(file_.get()) : os::sync_file(file_.get());
    }
    if (error == 0) {
        older_ = newest_;
        newest_ = slot;
        STRATA_CRASH_POINT("slots.durable");
    }
    return error;
}

}  // namespace strata::ipc
