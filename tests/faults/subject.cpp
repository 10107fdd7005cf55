// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/subject.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "tests/faults/verdict.hpp"

namespace strata::test {

namespace {

std::size_t entries(const char* directory) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(directory),
                                                  std::filesystem::directory_iterator()));
}

}  // namespace

Subject::Subject(const TempStore& store, Stage& stage, const Channel& partner,
                 const std::optional<Plan>& plan)
    : store_(store), stage_(stage), partner_(partner), plan_(plan) {
    stage_.own_work = true;
    before_ = belongings();
}

void Subject::request(Request request) {
    const std::string wrong = ask(partner_, request);
    if (!wrong.empty()) {
        complain(wrong);
    }
}

void Subject::judge(const std::exception& error) {
    const std::string wrong =
        verdict_on(error, was_refused() ? plan_ : std::nullopt, store_.base());
    if (!wrong.empty()) {
        complain(wrong);
    }
}

void Subject::look() {
    if (was_refused() && look_) {
        look_();
    }
}

Subject::Belongings Subject::belongings() const {
    std::size_t mappings = 0;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        mappings += line.find(store_.base().native()) != std::string::npos ? 1 : 0;
    }
    return {entries("/proc/self/fd"), entries("/proc/self/task"), mappings};
}

void Subject::end() {
    stage_.set_step("end");
    // A refused close or munmap keeps what it was to give back; that is not the library's doing.
    const std::string_view kind = plan_ ? std::string_view(plan_->site.kind) : std::string_view();
    const std::size_t unclosed = kind == "close" ? stage_.refused.load() : 0;
    Belongings now = belongings();
    // A thread that is told to end takes its time.
    const auto patient = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (now.threads > before_.threads && std::chrono::steady_clock::now() < patient) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        now = belongings();
    }
    require(now.threads == before_.threads,
            std::to_string(now.threads - before_.threads) + " threads are left");
    require(
        now.descriptors >= before_.descriptors && now.descriptors <= before_.descriptors + unclosed,
        std::to_string(before_.descriptors) + " descriptors before, " +
            std::to_string(now.descriptors) + " after");
    require(now.mappings == before_.mappings || kind == "munmap",
            std::to_string(now.mappings) + " mappings of the store are left");
    stage_.finished = true;
}

}  // namespace strata::test
