// SPDX-License-Identifier: Apache-2.0
// The standard headers that most sources read: see STRATA_PRECOMPILE_HEADERS. Sources include what
// they need all the same.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/container/small_vector.hpp>
