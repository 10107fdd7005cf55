// SPDX-License-Identifier: Apache-2.0
// What nearly all tests read, beside cmake/precompiled.hpp.
#pragma once

#include <csignal>
#include <deque>
#include <fstream>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include <strata/strata.hpp>
