// SPDX-License-Identifier: Apache-2.0
#include "call.hpp"

#include <cmath>

#include "environment.hpp"

namespace strata_node {

namespace {

constexpr double most_safe = 9007199254740991;  // Number.MAX_SAFE_INTEGER

void set_text(napi_env env, napi_value to, const char* name, const char* value) {
    set(env, to, name, text(env, std::string_view(value)));
}

double to_integer(napi_env env, napi_value value, double least, const char* otherwise) {
    double given = 0;
    check(env, napi_get_value_double(env, value, &given));
    if (!(given >= least && given <= most_safe) || std::trunc(given) != given) {
        throw_range_error(env, otherwise);
    }
    return given;
}

}  // namespace

// ---- Errors
// --------------------------------------------------------------------------------------
void check(napi_env env, napi_status status) {
    if (status == napi_ok) {
        return;
    }
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (!pending) {
        const napi_extended_error_info* info = nullptr;
        napi_get_last_error_info(env, &info);
        const bool known = info != nullptr && info->error_message != nullptr;
        napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE",
                              known ? info->error_message : "strata: not what was expected");
    }
    throw Pending();
}

void throw_type_error(napi_env env, const char* message) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
    throw Pending();
}

void throw_range_error(napi_env env, const char* message) {
    napi_throw_range_error(env, "ERR_OUT_OF_RANGE", message);
    throw Pending();
}

napi_value make_error(napi_env env, strata_status status, const strata_error& known) {
    const napi_value details = object(env);
    set_text(env, details, "code", strata_status_name(status));
    set(env, details, "number", number(env, status));
    set(env, details, "errno", number(env, known.os_error));
    set_text(env, details, "operation", known.operation);
    set_text(env, details, "path", known.path);
    set_text(env, details, "hint", known.hint);
    set(env, details, "needed", count(env, known.needed));
    set(env, details, "limit", count(env, known.limit));
    set(env, details, "current", count(env, known.current));
    const char* const message =
        known.message[0] != '\0' ? known.message : strata_status_name(status);
    return Environment::of(env).new_error(text(env, std::string_view(message)), details);
}

void throw_error(napi_env env, strata_status status, const strata_error& known) {
    check(env, napi_throw(env, make_error(env, status, known)));
    throw Pending();
}

void throw_closed(napi_env env, const char* what) {
    const napi_value details = object(env);
    set_text(env, details, "code", "closed");
    const std::string message = std::string("this ") + what + " is closed";
    check(env, napi_throw(env, Environment::of(env).new_error(text(env, message), details)));
    throw Pending();
}

// ---- From JavaScript
// -----------------------------------------------------------------------------
napi_valuetype type_of(napi_env env, napi_value value) {
    napi_valuetype type = napi_undefined;
    check(env, napi_typeof(env, value, &type));
    return type;
}

std::uint64_t to_u64(napi_env env, napi_value value) {
    const napi_valuetype type = type_of(env, value);
    if (type == napi_bigint) {
        std::uint64_t given = 0;
        bool lossless = false;
        check(env, napi_get_value_bigint_uint64(env, value, &given, &lossless));
        if (!lossless) {
            throw_range_error(env, "a number of 64 bits without a sign is wanted");
        }
        return given;
    }
    if (type != napi_number) {
        throw_type_error(env, "a Number or a BigInt is wanted");
    }
    return static_cast<std::uint64_t>(
        to_integer(env, value, 0, "a safe integer from 0 on is wanted, or a BigInt"));
}

std::uint32_t to_u32(napi_env env, napi_value value) {
    const std::uint64_t given = to_u64(env, value);
    if (given > UINT32_MAX) {
        throw_range_error(env, "a number of 32 bits without a sign is wanted");
    }
    return static_cast<std::uint32_t>(given);
}

std::int64_t to_i64(napi_env env, napi_value value) {
    if (type_of(env, value) == napi_bigint) {
        std::int64_t given = 0;
        bool lossless = false;
        check(env, napi_get_value_bigint_int64(env, value, &given, &lossless));
        if (!lossless) {
            throw_range_error(env, "a number of 64 bits is wanted");
        }
        return given;
    }
    return static_cast<std::int64_t>(
        to_integer(env, value, -most_safe, "a safe integer is wanted, or a BigInt"));
}

std::string to_text(napi_env env, napi_value value) {
    if (type_of(env, value) != napi_string) {
        throw_type_error(env, "a string is wanted");
    }
    std::size_t size = 0;
    check(env, napi_get_value_string_utf8(env, value, nullptr, 0, &size));
    std::string result(size, '\0');
    check(env, napi_get_value_string_utf8(env, value, result.data(), size + 1, &size));
    return result;
}

Bytes to_bytes(napi_env env, napi_value value) {
    void* data = nullptr;
    std::size_t size = 0;
    bool is = false;
    check(env, napi_is_buffer(env, value, &is));  // any view but a DataView
    if (is) {
        check(env, napi_get_buffer_info(env, value, &data, &size));
        return {static_cast<std::byte*>(data), size};
    }
    check(env, napi_is_dataview(env, value, &is));
    if (is) {
        check(env, napi_get_dataview_info(env, value, &size, &data, nullptr, nullptr));
        return {static_cast<std::byte*>(data), size};
    }
    check(env, napi_is_arraybuffer(env, value, &is));
    if (!is) {
        throw_type_error(env, "a Buffer, a typed array, a DataView or an ArrayBuffer is wanted");
    }
    check(env, napi_get_arraybuffer_info(env, value, &data, &size));
    return {static_cast<std::byte*>(data), size};
}

Numbers to_numbers(napi_env env, napi_value value) {
    bool is = false;
    check(env, napi_is_typedarray(env, value, &is));
    napi_typedarray_type type = napi_int8_array;
    std::size_t length = 0;
    void* data = nullptr;
    if (is) {
        check(env, napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr));
    }
    if (!is || type != napi_biguint64_array) {
        throw_type_error(env, "a BigUint64Array is wanted");
    }
    return {static_cast<const std::uint64_t*>(data), length};
}

napi_value member(napi_env env, napi_value options, const char* name) {
    napi_value value = nullptr;
    check(env, napi_get_named_property(env, options, name, &value));
    const napi_valuetype type = type_of(env, value);
    return type == napi_undefined || type == napi_null ? nullptr : value;
}

std::uint64_t member_u64(napi_env env, napi_value options, const char* name) {
    const napi_value value = member(env, options, name);
    return value == nullptr ? 0 : to_u64(env, value);
}

std::uint32_t member_u32(napi_env env, napi_value options, const char* name) {
    const napi_value value = member(env, options, name);
    return value == nullptr ? 0 : to_u32(env, value);
}

// ---- To JavaScript
// -------------------------------------------------------------------------------
napi_value undefined(napi_env env) {
    napi_value value = nullptr;
    check(env, napi_get_undefined(env, &value));
    return value;
}

napi_value number(napi_env env, double given) {
    napi_value value = nullptr;
    check(env, napi_create_double(env, given, &value));
    return value;
}

napi_value count(napi_env env, std::uint64_t given) {
    return number(env, static_cast<double>(given));
}

napi_value bigint(napi_env env, std::uint64_t given) {
    napi_value value = nullptr;
    check(env, napi_create_bigint_uint64(env, given, &value));
    return value;
}

napi_value bigint(napi_env env, std::int64_t given) {
    napi_value value = nullptr;
    check(env, napi_create_bigint_int64(env, given, &value));
    return value;
}

napi_value boolean(napi_env env, bool given) {
    napi_value value = nullptr;
    check(env, napi_get_boolean(env, given, &value));
    return value;
}

napi_value text(napi_env env, std::string_view given) {
    napi_value value = nullptr;
    check(env, napi_create_string_utf8(env, given.data(), given.size(), &value));
    return value;
}

napi_value text(napi_env env, strata_string given) {
    return text(env, std::string_view(given.data == nullptr ? "" : given.data, given.size));
}

napi_value array(napi_env env, std::size_t size) {
    napi_value value = nullptr;
    check(env, napi_create_array_with_length(env, size, &value));
    return value;
}

napi_value object(napi_env env) {
    napi_value value = nullptr;
    check(env, napi_create_object(env, &value));
    return value;
}

void set(napi_env env, napi_value to, const char* name, napi_value value) {
    check(env, napi_set_named_property(env, to, name, value));
}

void set(napi_env env, napi_value to, std::size_t index, napi_value value) {
    check(env, napi_set_element(env, to, static_cast<std::uint32_t>(index), value));
}

napi_value typed_array(napi_env env, napi_typedarray_type type, std::size_t length,
                       std::size_t element_bytes, void** data) {
    napi_value memory = nullptr;
    napi_value view = nullptr;
    check(env, napi_create_arraybuffer(env, length * element_bytes, data, &memory));
    check(env, napi_create_typedarray(env, type, length, memory, 0, &view));
    return view;
}

}  // namespace strata_node
