// SPDX-License-Identifier: Apache-2.0
// Descriptors to wait for: events that a thread signals, and watches of directories and files.
#pragma once

#include <chrono>
#include <string>

#include "ipc/os/descriptor.hpp"

namespace strata::ipc::os {

// Events for poll loops.
Result<FileDescriptor> create_event();
/// False: the system refused; no event was signalled.
bool signal_event(int fd) noexcept;
/// Whether it was signalled.
bool clear_event(int fd) noexcept;
/// Puts a new event in the place of an inherited one, under the same number. False: there is none
/// to be had; the old one stays. Async-signal-safe.
bool renew_event(int fd) noexcept;

// Directory watches, for waiting until a name appears.
Result<FileDescriptor> watch_directory(const std::string& path);
/// Watches an open file: fires when somebody reads from it by a system call, or the last descriptor
/// and mapping of a description opened read-only are gone (a moment before its locks are).
Result<FileDescriptor> watch_reads(int fd);
/// Waits until the watch fires or the deadline passes; false on timeout, or a millisecond later if
/// the system cannot wait (ENOMEM).
bool wait_readable(int fd, std::chrono::steady_clock::time_point deadline);
/// Waits for either of two: the watch, and an event that ends the waiting.
bool wait_either_readable(int first, int second, std::chrono::steady_clock::time_point deadline);
/// Reads all that is there; whether there was anything.
bool drain(int fd) noexcept;

}  // namespace strata::ipc::os
