// SPDX-License-Identifier: Apache-2.0
// doctor: the machine
#include <algorithm>
#include <cerrno>
#include <linux/magic.h>
#include <sstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "doctor.hpp"
#include "processes.hpp"
#include "system.hpp"
#include "text.hpp"

namespace strata::tools {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t mebi = std::uint64_t{1} << 20;

// The base directory, or the nearest one above it that exists: that decides the file system.
fs::path existing(const fs::path& base) {
    std::error_code error;
    fs::path at = fs::absolute(base, error);
    while (at != at.parent_path() && !fs::exists(at, error)) {
        at = at.parent_path();
    }
    return at;
}

struct FileSystem {
    unsigned long magic;
    const char* name;
    Level level;
    const char* advice;
};

constexpr const char* local_advice =
    "use shared memory (/dev/shm) or a local disk: locks and shared mappings do not reach across "
    "machines";
constexpr FileSystem file_systems[] = {
    {TMPFS_MAGIC, "tmpfs", Level::ok, ""},
    {0x858458F6, "ramfs", Level::warning, "ramfs has no limit of its own: use tmpfs"},
    {HUGETLBFS_MAGIC, "hugetlbfs", Level::problem, "use tmpfs: pages of 4 KiB are assumed"},
    {EXT4_SUPER_MAGIC, "ext4", Level::note, "on a disk: a power failure may lose what is in it"},
    {0x58465342, "xfs", Level::note, "on a disk: a power failure may lose what is in it"},
    {BTRFS_SUPER_MAGIC, "btrfs", Level::note,
     "on a disk; copy on write makes stores slow there (chattr +C)"},
    {OVERLAYFS_SUPER_MAGIC, "overlayfs", Level::warning,
     "a container's own layer: no other container sees it; mount a volume or use /dev/shm"},
    {NFS_SUPER_MAGIC, "NFS", Level::problem, local_advice},
    {SMB_SUPER_MAGIC, "SMB", Level::problem, local_advice},
    {0xFF534D42, "CIFS", Level::problem, local_advice},
    {0xFE534D42, "SMB2", Level::problem, local_advice},
    {V9FS_MAGIC, "9p", Level::problem, local_advice},
    {FUSE_SUPER_MAGIC, "FUSE", Level::problem, local_advice},
    {CEPH_SUPER_MAGIC, "Ceph", Level::problem, local_advice},
    {AFS_SUPER_MAGIC, "AFS", Level::problem, local_advice},
};

std::uint64_t sum_of_limits(const fs::path& base) {
    std::uint64_t sum = 0;
    try {
        for (const std::string& name : list_stores(base)) {
            try {
                sum += inspect(name, base).memory_limit;
            } catch (const Error&) {
                // check_stores reports it
            }
        }
    } catch (const Error&) {
        // check_stores reports it
    }
    return sum;
}

void check_soft_limit(int resource, const char* name, std::uint64_t wanted, const char* advice,
                      Findings& findings) {
    rlimit limit{};
    if (::getrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0) {
        return;
    }
    if (limit.rlim_cur == RLIM_INFINITY) {
        findings.push_back({Level::ok, name, "unlimited", ""});
    } else if (limit.rlim_cur >= wanted) {
        findings.push_back({Level::ok, name, std::to_string(limit.rlim_cur), ""});
    } else {
        findings.push_back({Level::warning, name, std::to_string(limit.rlim_cur), advice});
    }
}

// Memory limit of this process's own control group (version 2); 0: none known.
std::uint64_t group_limit(const fs::path& root, std::string& group) {
    std::istringstream lines(read_text(root / "proc/self/cgroup"));
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("0::")) {
            group = line.substr(3);
        }
    }
    // A limit of any group above counts as well.
    std::uint64_t least = 0;
    for (fs::path at = fs::path(group).relative_path();; at = at.parent_path()) {
        std::string text = read_text(root / "sys/fs/cgroup" / at / "memory.max");
        text.erase(text.find_last_not_of('\n') + 1);
        if (const auto limit = parse_number(text)) {
            least = least == 0 ? *limit : std::min(least, *limit);
        }
        if (at.empty()) {
            return least;
        }
    }
}

// The last RemoveIPC= of a file's text.
std::string remove_ipc_in(const std::string& text) {
    std::istringstream lines(text);
    std::string value;
    for (std::string line; std::getline(lines, line);) {
        line.erase(std::remove_if(line.begin(), line.end(),
                                  [](char c) { return c == ' ' || c == '\t' || c == '\r'; }),
                   line.end());
        constexpr std::string_view key = "RemoveIPC=";
        if (line.starts_with(key)) {
            value = line.substr(key.size());
        }
    }
    return value;
}

}  // namespace

void check_base(const DoctorPlaces& places, Findings& findings) {
    const std::string check = "base directory";
    struct stat status {};
    if (const auto failure = failure_of([&] { return ::stat(places.base.c_str(), &status) == 0; },
                                        "look at the base directory", places.base.string())) {
        const bool missing = failure->errno_value() == ENOENT;
        findings.push_back({missing ? Level::note : Level::problem, check,
                            places.base.string() + ": " + failure->detail(),
                            missing ? "the first producer makes it" : "check the path"});
        return;
    }
    constexpr unsigned others_write = S_IWOTH;
    if (!S_ISDIR(status.st_mode)) {
        findings.push_back(
            {Level::problem, check, places.base.string() + " is not a directory", "use another"});
    } else if ((status.st_mode & others_write) != 0 && (status.st_mode & S_ISVTX) == 0) {
        findings.push_back({Level::problem, check,
                            places.base.string() + ": everybody may replace everybody's stores",
                            "set the sticky bit: chmod +t " + places.base.string()});
    } else if (::access(places.base.c_str(), R_OK | X_OK) != 0) {
        findings.push_back({Level::problem, check, places.base.string() + " cannot be read",
                            "stores in it cannot be attached: chmod a+rx"});
    } else if (::access(places.base.c_str(), W_OK) != 0) {
        findings.push_back({Level::note, check,
                            places.base.string() + ", not writable for this user",
                            "consumers only need to read; a producer needs to write"});
    } else {
        findings.push_back({Level::ok, check, places.base.string(), ""});
    }
}

void check_file_system(const DoctorPlaces& places, Findings& findings) {
    const fs::path at = existing(places.base);
    struct statfs status {};
    if (const auto failure = failure_of([&] { return ::statfs(at.c_str(), &status) == 0; },
                                        "look at the file system", at.string())) {
        findings.push_back({Level::problem, "file system", at.string() + ": " + failure->detail(),
                            "check the path"});
        return;
    }
    const auto magic = static_cast<unsigned long>(status.f_type) & 0xFFFFFFFFUL;
    const auto* const known =
        std::find_if(std::begin(file_systems), std::end(file_systems),
                     [&](const FileSystem& candidate) { return candidate.magic == magic; });
    if (known != std::end(file_systems)) {
        findings.push_back({known->level, "file system", known->name, known->advice});
    } else {
        char text[32];
        std::snprintf(text, sizeof(text), "type 0x%lx", magic);
        findings.push_back({Level::note, "file system", text, "not one that strata is tested on"});
    }
    const auto block = static_cast<std::uint64_t>(status.f_bsize);
    const std::uint64_t total = status.f_blocks * block;
    const std::uint64_t free = status.f_bavail * block;
    const std::string sizes = size_text(free) + " free of " + size_text(total);
    const std::uint64_t limits = sum_of_limits(places.base);
    if (total != 0 && total <= 64 * mebi) {
        findings.push_back({Level::warning, "space", sizes,
                            "that is what containers give: docker run --shm-size=1g"});
    } else if (total != 0 && free < total / 10) {
        findings.push_back(
            {Level::warning, "space", sizes,
             "nearly full: strata gc --idle-for 7d, or mount -o remount,size=... " + at.string()});
    } else if (total != 0 && limits > total) {
        findings.push_back({Level::warning, "space",
                            sizes + "; the stores' limits are " + size_text(limits) + " in all",
                            "lower the limits, or mount -o remount,size=... " + at.string()});
    } else {
        findings.push_back({Level::ok, "space", sizes, ""});
    }
}

void check_limits(const DoctorPlaces& places, Findings& findings) {
    check_soft_limit(
        RLIMIT_AS, "address space", ProducerOptions{}.region_max_bytes * 14,
        "each dimension's file reserves address space: ulimit -v unlimited, or let the "
        "programs that create stores give their files a smaller maximum",
        findings);
    check_soft_limit(RLIMIT_NOFILE, "open files", 256,
                     "each dimension that a process touches takes one: ulimit -n 1024", findings);
    check_soft_limit(RLIMIT_FSIZE, "file size", 1024 * mebi,
                     "a region file cannot grow beyond it: ulimit -f unlimited", findings);
    std::string group;
    if (const std::uint64_t limit = group_limit(places.system_root, group)) {
        findings.push_back({Level::note, "control group", "memory limit " + size_text(limit),
                            "pages of a store count for the group that wrote them first: leave "
                            "room for them"});
    }
}

// systemd-logind removes what a user (but no system user) has in /dev/shm when the last session
// ends. See logind.conf(5).
void check_logind(const DoctorPlaces& places, Findings& findings) {
    const fs::path& root = places.system_root;
    std::error_code error;
    std::vector<fs::path> files;
    for (const char* directory : {"usr/lib/systemd", "run/systemd", "etc/systemd"}) {
        files.push_back(root / directory / "logind.conf");
    }
    // Drop-ins come later and win, in the order of their names whatever their directory.
    std::vector<fs::path> drop_ins;
    for (const char* directory : {"usr/lib/systemd", "run/systemd", "etc/systemd"}) {
        const fs::path at = root / directory / "logind.conf.d";
        for (fs::directory_iterator it(at, error), end; it != end; it.increment(error)) {
            if (it->path().extension() == ".conf") {
                drop_ins.push_back(it->path());
            }
        }
    }
    std::stable_sort(drop_ins.begin(), drop_ins.end(), [](const fs::path& a, const fs::path& b) {
        return a.filename() < b.filename();
    });
    files.insert(files.end(), drop_ins.begin(), drop_ins.end());
    std::string value;
    bool present = fs::exists(root / "run/systemd/system", error);
    for (const fs::path& file : files) {
        present |= fs::exists(file, error);
        const std::string found = remove_ipc_in(read_text(file));
        value = found.empty() ? value : found;
    }
    if (!present) {
        findings.push_back({Level::ok, "RemoveIPC", "no systemd-logind here", ""});
        return;
    }
    const bool off = value == "no" || value == "false" || value == "0" || value == "off";
    const bool shared_memory = existing(places.base).string().starts_with("/dev/shm");
    constexpr unsigned first_user = 1000;
    if (off || !shared_memory) {
        findings.push_back({Level::ok, "RemoveIPC", off ? "off" : "does not matter here", ""});
    } else if (::geteuid() < first_user) {
        findings.push_back({Level::note, "RemoveIPC", "on; this user is exempt",
                            "stores of ordinary users vanish from /dev/shm when they log out: "
                            "RemoveIPC=no in /etc/systemd/logind.conf"});
    } else {
        findings.push_back({Level::warning, "RemoveIPC",
                            "on: your stores vanish from /dev/shm when you log out",
                            "RemoveIPC=no in /etc/systemd/logind.conf, then systemctl restart "
                            "systemd-logind; or loginctl enable-linger; or a system user"});
    }
}

}  // namespace strata::tools
