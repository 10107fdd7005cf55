// SPDX-License-Identifier: Apache-2.0
#include "strata/file_output.hpp"

#include <array>
#include <bit>
#include <utility>

#include "directory/output_file.hpp"
#include "ipc/failure.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

FileOutput::FileOutput(std::unique_ptr<detail::OutputFile> state) noexcept
    : state_(std::move(state)) {}
FileOutput::FileOutput(FileOutput&&) noexcept = default;
FileOutput& FileOutput::operator=(FileOutput&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
}
FileOutput::~FileOutput() = default;

detail::OutputFile& FileOutput::state() const noexcept {
    return ipc::part_of(state_, "FileOutput");
}

void FileOutput::write(std::span<const std::byte> bytes) { state().write(bytes); }
std::uint64_t FileOutput::position() const noexcept { return state().position(); }
void FileOutput::flush() { state().flush(); }
void FileOutput::sync() { state().sync(); }
void FileOutput::close() { state().close(); }
void FileOutput::publish() { state().publish(); }

namespace {

template <class Number>
void write_number(detail::OutputFile& output, Number value, std::endian order) {
    std::array<std::byte, sizeof(Number)> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const std::size_t place = order == std::endian::little ? i : bytes.size() - 1 - i;
        bytes[place] = static_cast<std::byte>(value >> (8 * i));
    }
    output.write(bytes);
}

}  // namespace

void FileOutput::write_u8(std::uint8_t value) { write_number(state(), value, std::endian::little); }
void FileOutput::write_u16_le(std::uint16_t value) {
    write_number(state(), value, std::endian::little);
}
void FileOutput::write_u16_be(std::uint16_t value) {
    write_number(state(), value, std::endian::big);
}
void FileOutput::write_u32_le(std::uint32_t value) {
    write_number(state(), value, std::endian::little);
}
void FileOutput::write_u32_be(std::uint32_t value) {
    write_number(state(), value, std::endian::big);
}
void FileOutput::write_u64_le(std::uint64_t value) {
    write_number(state(), value, std::endian::little);
}
void FileOutput::write_u64_be(std::uint64_t value) {
    write_number(state(), value, std::endian::big);
}

void FileOutput::write_varint(std::uint64_t value) {
    std::array<std::byte, 10> bytes{};
    std::size_t size = 0;
    for (; value >= 0x80; value >>= 7) {
        bytes[size++] = static_cast<std::byte>(value | 0x80);
    }
    bytes[size++] = static_cast<std::byte>(value);
    write(std::span(bytes).first(size));
}

void FileOutput::write_string(std::string_view text) {
    write_varint(text.size());
    write(text);
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
