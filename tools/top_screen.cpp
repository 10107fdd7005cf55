// SPDX-License-Identifier: Apache-2.0
// top: the screen
#include <algorithm>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <curses.h>

#include "processes.hpp"
#include "text.hpp"
#include "top.hpp"

namespace strata::tools {

namespace {

constexpr short slow_colours = 1;
constexpr short bar_colours = 2;
constexpr short warning_colours = 3;

volatile std::sig_atomic_t stop_asked = 0;

extern "C" void ask_to_stop(int /*signal*/) { stop_asked = 1; }

/// The terminal in full-screen mode, and back, however we leave.
class Terminal {
public:
    Terminal() {
        std::setlocale(LC_CTYPE, "");
        std::signal(SIGINT, ask_to_stop);
        std::signal(SIGTERM, ask_to_stop);
        std::signal(SIGHUP, ask_to_stop);
        screen_ = newterm(nullptr, stdout, stdin);
        if (screen_ == nullptr) {
            throw Complaint{Exit::failed, "failed",
                            "this terminal cannot show a full screen (TERM is not known)"};
        }
        set_term(screen_);
        cbreak();
        noecho();
        keypad(stdscr, TRUE);
        curs_set(0);
        if (has_colors() && !colour_unwanted()) {
            start_color();
            use_default_colors();
            init_pair(slow_colours, COLOR_RED, -1);
            init_pair(bar_colours, COLOR_GREEN, -1);
            init_pair(warning_colours, COLOR_YELLOW, -1);
        }
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    ~Terminal() {
        endwin();
        delscreen(screen_);
    }

private:
    SCREEN* screen_ = nullptr;
};

class Screen {
public:
    Screen(const Settings& settings, std::string store)
        : settings_(settings), store_(std::move(store)) {}

    void draw(const Sample& sample) {
        erase();
        line_ = 0;
        if (!sample.trouble.empty()) {
            put(printable("strata top: " + store_), A_BOLD);
            put_wrapped(printable(sample.trouble), COLOR_PAIR(slow_colours));
            put("waiting for it; q ends");
            refresh();
            return;
        }
        draw_head(sample);
        // The readers get what they need, at most the lower half; the dimensions the rest.
        const int wanted = static_cast<int>(sample.readers.size()) + 3;
        const int reader_lines = std::min(wanted, std::max(3, LINES / 2));
        draw_dimensions(sample, LINES - reader_lines);
        draw_readers(sample);
        refresh();
    }

    /// False to end.
    bool handle(int key) {
        const int page = std::max(1, LINES / 2);
        switch (key) {
            case 'q':
            case 'Q': return false;
            case KEY_UP: first_ -= 1; break;
            case KEY_DOWN: first_ += 1; break;
            case KEY_PPAGE: first_ -= page; break;
            case KEY_NPAGE: first_ += page; break;
            case KEY_HOME: first_ = 0; break;
            default: break;  // KEY_RESIZE: the next drawing uses the new size
        }
        first_ = std::max(0, first_);
        return true;
    }

private:
    // Writes one line, cut to the screen.
    void put(const std::string& text, attr_t attributes = A_NORMAL) {
        if (line_ < LINES) {
            attron(static_cast<int>(attributes));
            mvaddnstr(line_++, 0, shortened(text, static_cast<std::size_t>(COLS)).c_str(), -1);
            attroff(static_cast<int>(attributes));
        }
    }

    void put_wrapped(std::string_view text, attr_t attributes) {
        const auto width = static_cast<std::size_t>(std::max(COLS, 10));
        while (!text.empty()) {
            // At the last blank that leaves the line full enough, else anywhere.
            std::size_t end = std::min(width, text.size());
            if (const std::size_t blank = text.rfind(' ', end);
                end < text.size() && blank != std::string_view::npos && blank > width / 2) {
                end = blank;
            }
            while (end < text.size() && end > 1 && (text[end] & 0xC0) == 0x80) {
                --end;  // not through a character
            }
            put(std::string(text.substr(0, end)), attributes);
            text.remove_prefix(
                std::min(text.size(), end + (end < text.size() && text[end] == ' ')));
        }
    }

    std::string size(std::uint64_t bytes) const { return size_text(bytes, settings_.bytes); }

    static std::string bar(double part, std::size_t width) {
        const auto filled =
            static_cast<std::size_t>(std::clamp(part, 0.0, 1.0) * static_cast<double>(width));
        return std::string(filled, '#') + std::string(width - filled, '.');
    }

    static std::string rate(double value) {
        char text[32];
        std::snprintf(text, sizeof(text), value < 100 ? "%.1f/s" : "%.0f/s", value);
        return text;
    }

    void draw_head(const Sample& sample) {
        const StoreStatistics& s = sample.numbers;
        put("strata top: " + printable(store_) + "   " +
                time_text(std::chrono::system_clock::now()).substr(11, 8) + " UTC   q ends",
            A_BOLD);
        const std::string producer =
            s.producer_pid != 0
                ? "producer " + std::to_string(s.producer_pid) + command_of_producer(s)
                : "producer gone";
        put("generation " + std::to_string(s.generation) + " (" +
            rate(sample.generations_per_second) + ")   commits " + std::to_string(s.commits) +
            " (" + rate(sample.commits_per_second) + ")   layers " + std::to_string(s.layers) +
            " in " + std::to_string(s.dimensions) + " dimensions");
        put(producer + "   epoch " + std::to_string(s.epoch) + "   readers " +
                std::to_string(sample.readers.size()) + " (at most " +
                std::to_string(s.sampled_peak_readers) + " at any look)",
            s.producer_pid != 0 ? A_NORMAL : COLOR_PAIR(warning_colours));
        const auto width = static_cast<std::size_t>(std::clamp(COLS / 3, 10, 40));
        put("memory [" + bar(s.utilisation(), width) + "] " + size(s.committed_bytes) + " of " +
                size(s.memory_limit) + ", " + percent_text(s.utilisation(), 1),
            s.above_warning() ? COLOR_PAIR(warning_colours) | A_BOLD : COLOR_PAIR(bar_colours));
        put("live " + size(s.live_bytes) + "   waiting " + size(s.limbo_unscanned_bytes) +
            "   held back " + size(s.limbo_held_bytes) + "   history " + size(s.history_bytes) +
            "   fragmentation " + percent_text(s.fragmentation_ratio(), 1));
        put("");
    }

    // Not of a process that has its number here, while it is in another pid namespace.
    std::string command_of_producer(const StoreStatistics& s) const {
        return has_open(s.producer_pid, settings_.base / store_ / "control.mmap")
                   ? " " + command_of(s.producer_pid)
                   : "";
    }

    void draw_dimensions(const Sample& sample, int until) {
        const auto& dimensions = sample.numbers.dimension_list;
        std::uint64_t largest = 1;
        for (const DimensionStatistics& dimension : dimensions) {
            largest = std::max(largest, dimension.live_bytes);
        }
        using enum Table::Align;
        Table table({{"DIMENSION", right},
                     {"NAME"},
                     {"LAYERS", right},
                     {"REGION", right},
                     {"LIVE", right},
                     {""}});
        const int room = std::max(0, until - line_ - 1);
        const int last = std::max(0, static_cast<int>(dimensions.size()) - room);
        first_ = std::min(first_, last);
        const auto end = std::min(dimensions.size(), static_cast<std::size_t>(first_ + room));
        for (auto i = static_cast<std::size_t>(first_); i < end; ++i) {
            const DimensionStatistics& dimension = dimensions[i];
            constexpr std::size_t full = 24;
            const auto width = static_cast<std::size_t>(static_cast<double>(full) *
                                                        static_cast<double>(dimension.live_bytes) /
                                                        static_cast<double>(largest));
            table.add({std::to_string(dimension.dimension),
                       shortened(printable(dimension.name), 24), std::to_string(dimension.layers),
                       std::to_string(dimension.serial), size(dimension.live_bytes),
                       bar(1, std::max<std::size_t>(width, 1))});
        }
        bool heading = true;
        for (const std::string& text : table.lines()) {
            put(text, heading ? A_UNDERLINE : A_NORMAL);
            heading = false;
        }
        line_ = std::max(line_, std::min(until, line_ + 1));
    }

    void draw_readers(const Sample& sample) {
        using enum Table::Align;
        Table table({{"PID", right},
                     {"COMMAND"},
                     {"EPOCH", right},
                     {"BEHIND", right},
                     {"FOR", right},
                     {"HOLDS BACK", right},
                     {""}});
        for (std::size_t i = 0; i < sample.readers.size(); ++i) {
            const Reader& reader = sample.readers[i];
            table.add({pid_text(reader), command_text(reader), std::to_string(reader.epoch),
                       std::to_string(reader.behind), reader.age ? duration_text(*reader.age) : "-",
                       reader.held_bytes ? size(*reader.held_bytes) : "-",
                       sample.slow[i] ? "SLOW" : ""});
        }
        const std::vector<std::string> lines = table.lines();
        put(lines.front(), A_UNDERLINE);
        for (std::size_t i = 0; i < sample.readers.size(); ++i) {
            put(lines[i + 1], sample.slow[i] ? COLOR_PAIR(slow_colours) | A_BOLD : A_NORMAL);
        }
        if (sample.readers.empty()) {
            put("no readers");
        }
    }

    const Settings& settings_;
    const std::string store_;
    int line_ = 0;
    int first_ = 0;  // dimension at the top of the list
};

}  // namespace

void run_screen(const Settings& settings, const std::string& store, Sampler& sampler,
                std::chrono::milliseconds interval) {
    const Terminal terminal;
    Screen screen(settings, store);
    using Clock = std::chrono::steady_clock;
    Sample sample = sampler.take();
    auto next = Clock::now() + interval;
    while (stop_asked == 0) {
        screen.draw(sample);
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
        timeout(static_cast<int>(std::clamp<long long>(left.count(), 0, 3'600'000)));
        if (!screen.handle(getch())) {
            return;
        }
        if (Clock::now() >= next) {
            sample = sampler.take();
            next = Clock::now() + interval;
        }
    }
}

}  // namespace strata::tools
