// SPDX-License-Identifier: Apache-2.0
#include "bench/harness/machine.hpp"

#include <algorithm>
#include <ctime>
#include <fstream>
#include <sched.h>
#include <sstream>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/harness/clock.hpp"

namespace strata::bench {

namespace {

std::string value_in(const char* file, const std::string& key) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(key)) {
            const std::size_t colon = line.find(':');
            const std::size_t start = line.find_first_not_of(" \t", colon + 1);
            return start != std::string::npos ? line.substr(start) : "";
        }
    }
    return "unknown";
}

std::string first_line(const char* file) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return line.empty() ? "unknown" : line;
}

double busy_ticks() {
    std::ifstream in("/proc/stat");
    std::string cpu;
    double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
    in >> cpu >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
    return user + nice + system + irq + softirq + steal;
}

double own_ticks() {
    double seconds = 0;
    for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
        rusage usage{};
        getrusage(who, &usage);
        seconds += static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    }
    return seconds * static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

std::vector<std::pair<std::string, std::string>> describe_machine() {
    utsname system{};
    uname(&system);
    char date[64];
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    std::strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &utc);
    return {
        {"date", date},
        {"processor", value_in("/proc/cpuinfo", "model name")},
        {"CPUs", std::to_string(usable_cpus().size())},
        {"memory", value_in("/proc/meminfo", "MemTotal")},
        {"kernel", std::string(system.sysname) + " " + system.release},
        {"huge pages", first_line("/sys/kernel/mm/transparent_hugepage/enabled") + ", shared: " +
                           first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled")},
        {"compiler",
#if defined(__clang__)
         "clang " __clang_version__
#else
         "gcc " __VERSION__
#endif
        },
        {"load before", first_line("/proc/loadavg")},
    };
}

const std::vector<int>& usable_cpus() {
    static const std::vector<int> cpus = [] {
        std::vector<int> found;
        cpu_set_t set;
        CPU_ZERO(&set);
        sched_getaffinity(0, sizeof set, &set);
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(cpu, &set)) {
                found.push_back(cpu);
            }
        }
        return found;
    }();
    return cpus;
}

void pin_to(std::size_t index) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(usable_cpus()[index % usable_cpus().size()], &set);
    sched_setaffinity(0, sizeof set, &set);
}

void unpin() {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int cpu : usable_cpus()) {
        CPU_SET(cpu, &set);
    }
    sched_setaffinity(0, sizeof set, &set);
}

LoadMeter::LoadMeter() : busy_ticks_(busy_ticks()), own_ticks_(own_ticks()), start_ns_(now_ns()) {}

double LoadMeter::others_busy() const {
    const double others = (busy_ticks() - busy_ticks_) - (own_ticks() - own_ticks_);
    const double elapsed = static_cast<double>(now_ns() - start_ns_) / 1e9 *
                           static_cast<double>(sysconf(_SC_CLK_TCK)) *
                           static_cast<double>(usable_cpus().size());
    return elapsed > 0 ? std::clamp(others / elapsed, 0.0, 1.0) : 0;
}

}  // namespace strata::bench
