// SPDX-License-Identifier: Apache-2.0
// The command `strata`: looking inside stores, and a few careful changes.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>

#include "audit.hpp"
#include "console.hpp"
#include "json.hpp"
#include "own_words.hpp"
#include "text.hpp"
#include "volume.hpp"

namespace strata::tools {

namespace {

constexpr const char* description =
    "Look inside stores of strata while they are in use. Only create, rename, put, rm,\n"
    "bookmark, gc and volume change anything; all others open the files read-only and work as "
    "well\n"
    "when the producer is dead.";

constexpr const char* footer =
    "Exit codes:\n"
    "  0  done\n"
    "  1  failed (and: doctor found a problem)\n"
    "  2  wrong usage\n"
    "  3  no such store, dimension, layer, retained generation, bookmark or file\n"
    "  4  damaged: verify found something, or damage was in the way\n"
    "  5  not permitted\n"
    "  6  no room: the store's memory limit, or the file system\n"
    "  7  the store has another producer\n"
    "\n"
    "Examples:\n"
    "  strata ls                        which stores are there\n"
    "  strata layers market Emotion     what is in a dimension\n"
    "  strata get market 1 5            a layer's content\n"
    "  strata COMMAND --help            more of them for each command";

// One line on standard error, as JSON if asked for.
Exit report(const Settings& settings, Exit code, const Json& details, std::string_view text) {
    std::fflush(stdout);
    const std::string line =
        settings.json ? json_text({{"error", details}}) : "strata: " + printable(text);
    std::fprintf(stderr, "%s\n", line.c_str());
    return code;
}

Exit complain(const Settings& settings, const Complaint& complaint) {
    return report(settings, complaint.code,
                  {{"code", complaint.code_name}, {"message", complaint.text}}, complaint.text);
}

void add_all(CLI::App& app, Settings& settings) {
    add_store_commands(app, settings);
    add_layer_commands(app, settings);
    add_get_command(app, settings);
    add_create_commands(app, settings);
    add_put_commands(app, settings);
    add_remove_command(app, settings);
    add_bookmark_command(app, settings);
    add_watch_commands(app, settings);
    add_dump_commands(app, settings);
    add_readers_command(app, settings);
    add_verify_command(app, settings);
    add_file_command(app, settings);
    add_volume_commands(app, settings);
    add_gc_command(app, settings);
    add_doctor_command(app, settings);
    add_metrics_command(app, settings);
    add_top_command(app, settings);
    add_completion_command(app);
    add_man_command(app);
    add_help_commands(app, settings);
}

/// Whatever way the command ends.
class AuditEnd {
public:
    explicit AuditEnd(const Settings& settings) : settings_(settings) {}
    AuditEnd(const AuditEnd&) = delete;
    AuditEnd& operator=(const AuditEnd&) = delete;
    ~AuditEnd() { finish_audit(settings_); }

private:
    const Settings& settings_;
};

Exit run(int argc, char** argv) {
    Settings settings;
    CLI::App app(description, "strata");
    app.footer(footer);
    app.require_subcommand(1);
    app.set_version_flag("-V,--version", std::string("strata ") + version_string);
    app.add_option("-b,--base", settings.base, "Directory in which the stores are")
        ->envname("STRATA_BASE_PATH")
        ->type_name("DIR")
        ->capture_default_str();
    app.add_flag("--json", settings.json, "JSON instead of text, errors too");
    app.add_flag("--bytes", settings.bytes, "Sizes in bytes, not in KiB and MiB");
    app.add_option("--audit", settings.audit,
                   "Append what the command changes to this log, as lines of JSON")
        ->envname("STRATA_AUDIT_LOG")
        ->type_name("FILE");
    add_all(app, settings);
    const AuditEnd audit_end(settings);
    // Looking at stores is what this program is for: also at those that are cut short meanwhile.
    const ReadGuard guard;
    try {
        app.parse(argc, argv);
        guard.check("read the store");
        finish_output();
        return Exit::ok;
    } catch (const CLI::Success& help) {
        app.exit(help);
        std::cout.flush();
        return std::cout ? Exit::ok : Exit::failed;
    } catch (const CLI::ParseError& error) {
        return complain(settings,
                        {Exit::usage, "usage", usage_text(app, argc, argv, error.what())});
    } catch (const Ended& ended) {
        finish_output();
        return ended.code;
    } catch (const Complaint& complaint) {
        return complain(settings, complaint);
    } catch (const Error& thrown) {
        const Error error = in_own_words(thrown);
        return report(settings, exit_of(error.code()), to_json(error), error.what());
    } catch (const std::bad_alloc&) {
        return complain(settings, {Exit::failed, "no_memory", "out of memory"});
    } catch (const std::exception& error) {
        return complain(settings, {Exit::failed, "failed", error.what()});
    }
}

}  // namespace

}  // namespace strata::tools

int main(int argc, char** argv) try {
    return static_cast<int>(strata::tools::run(argc, argv));
} catch (...) {  // standard output could not be written after a command had ended by itself
    return static_cast<int>(strata::tools::Exit::failed);
}
