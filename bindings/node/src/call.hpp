// SPDX-License-Identifier: Apache-2.0
// One call from JavaScript: its arguments as C++ values, its result as JavaScript's, its errors.
#pragma once

#define NAPI_VERSION 8
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <node_api.h>
#include <string>
#include <string_view>

#include <strata/strata.h>

namespace strata_node {

// Thrown when an exception waits in JavaScript already: whoever called meets that.
struct Pending {};

void check(napi_env env, napi_status status);
[[noreturn]] void throw_type_error(napi_env env, const char* message);
[[noreturn]] void throw_range_error(napi_env env, const char* message);
// A StrataError of what is known of a failure.
napi_value make_error(napi_env env, strata_status status, const strata_error& known);
[[noreturn]] void throw_error(napi_env env, strata_status status, const strata_error& known);
// Of something that was closed: `what` is its class.
[[noreturn]] void throw_closed(napi_env env, const char* what);

// ---- Values
// -------------------------------------------------------------------------------------- 64 bits
// are taken as a safe Number or a BigInt; negative, broken or larger ones are a RangeError.
std::uint64_t to_u64(napi_env env, napi_value value);
std::uint32_t to_u32(napi_env env, napi_value value);
std::int64_t to_i64(napi_env env, napi_value value);
std::string to_text(napi_env env, napi_value value);
napi_valuetype type_of(napi_env env, napi_value value);
// Bytes of a Buffer, another view or an ArrayBuffer; valid until JavaScript runs again.
struct Bytes {
    std::byte* data;
    std::size_t size;
};
Bytes to_bytes(napi_env env, napi_value value);
// Of a BigUint64Array.
struct Numbers {
    const std::uint64_t* data;
    std::size_t count;
};
Numbers to_numbers(napi_env env, napi_value value);

napi_value undefined(napi_env env);
napi_value number(napi_env env, double value);
napi_value count(napi_env env, std::uint64_t value);   // a Number, exact up to 2^53
napi_value bigint(napi_env env, std::uint64_t value);  // all 64 bits
napi_value bigint(napi_env env, std::int64_t value);
napi_value boolean(napi_env env, bool value);
napi_value text(napi_env env, std::string_view value);
napi_value text(napi_env env, strata_string value);
napi_value array(napi_env env, std::size_t size);
napi_value object(napi_env env);
void set(napi_env env, napi_value object, const char* name, napi_value value);
void set(napi_env env, napi_value array, std::size_t index, napi_value value);
// Named members of an object of options; nullptr if it is undefined or null.
napi_value member(napi_env env, napi_value options, const char* name);
std::uint64_t member_u64(napi_env env, napi_value options, const char* name);
std::uint32_t member_u32(napi_env env, napi_value options, const char* name);

// A typed array of its own memory, whose address goes to *data.
napi_value typed_array(napi_env env, napi_typedarray_type type, std::size_t length,
                       std::size_t element_bytes, void** data);

// ---- Calls
// ---------------------------------------------------------------------------------------
struct Call {
    static constexpr std::size_t most = 12;

    napi_env env;
    std::array<napi_value, most> arguments;

    napi_value operator[](std::size_t index) const { return arguments[index]; }
    bool given(std::size_t index) const {
        const napi_valuetype type = type_of(env, arguments[index]);
        return type != napi_undefined && type != napi_null;
    }
};

// Calls a function of the C ABI that ends in (..., strata_error*); a failure is a StrataError.
template <typename Function, typename... Arguments>
void ask(napi_env env, Function function, Arguments... arguments) {
    strata_error error = STRATA_ERROR_INIT;
    const strata_status status = function(arguments..., &error);
    if (status != STRATA_OK) {
        throw_error(env, status, error);
    }
}

// What JavaScript calls: no exception of C++ leaves it.
template <napi_value (*function)(const Call&)>
napi_value entry(napi_env env, napi_callback_info info) noexcept {
    try {
        Call call{env, {}};
        std::size_t given = Call::most;  // what is not given becomes undefined
        check(env, napi_get_cb_info(env, info, &given, call.arguments.data(), nullptr, nullptr));
        return function(call);
    } catch (const Pending&) {
    } catch (const std::bad_alloc&) {
        napi_throw_error(env, "ERR_MEMORY_ALLOCATION_FAILED", "strata: out of memory");
    } catch (const std::exception& error) {
        napi_throw_error(env, nullptr, error.what());
    } catch (...) {
        napi_throw_error(env, nullptr, "strata: an exception of unknown type");
    }
    return nullptr;
}

}  // namespace strata_node
