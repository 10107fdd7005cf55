# SPDX-License-Identifier: Apache-2.0
"""A root directory with a Debian in it that has the essential packages, those that are named, and
what they depend on, but nothing else: copied from the running system, dpkg's database included, so
that dpkg knows exactly what is there. No network.

usage: clean_root.py DIRECTORY PACKAGE...
Exit codes: 0 made; 77 this system cannot be copied from, with the reason.
"""

import os
import pathlib
import re
import shutil
import stat
import sys

ADMIN = pathlib.Path("/var/lib/dpkg")


class NotPossible(Exception):
    pass


def read_status():
    """Name to fields, of what is installed; of foreign architectures nothing."""
    native = os.popen("dpkg --print-architecture").read().strip()
    packages, provided = {}, {}
    for text in (ADMIN / "status").read_text(encoding="utf-8").split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", text, re.MULTILINE))
        if fields.get("Status") != "install ok installed":
            continue
        if fields["Architecture"] not in (native, "all"):
            continue
        fields["text"] = text.strip() + "\n"
        packages[fields["Package"]] = fields
        for name in names_in(fields.get("Provides", "")):
            provided.setdefault(name, fields["Package"])
    return packages, provided


def names_in(relation):
    return [re.split(r"[ (:]", word.strip())[0] for word in re.split(r"[,|]", relation) if word.strip()]


def with_dependencies(wanted, packages, provided):
    chosen, waiting = set(), list(wanted)
    while waiting:
        name = waiting.pop()
        if name not in packages:
            name = provided.get(name)
            if name is None:
                raise NotPossible(f"the package {waiting or wanted} needs is not installed")
        if name in chosen:
            continue
        chosen.add(name)
        fields = packages[name]
        for group in (fields.get("Pre-Depends", "") + "," + fields.get("Depends", "")).split(","):
            there = [n for n in names_in(group) if n in packages or n in provided]
            if there:
                waiting.append(there[0])
            elif group.strip():
                raise NotPossible(f"{name} depends on {group.strip()}, which is not installed")
    return chosen


def copy_entry(path, root):
    target = root / path.relative_to("/")
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        target.mkdir(parents=True, exist_ok=True)
        return
    if os.path.lexists(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(path), target)
    elif stat.S_ISREG(mode):
        try:
            shutil.copy2(path, target)
        except PermissionError:
            pass  # for root's eyes alone: nothing that a build needs


def info_files(name, architecture):
    for stem in (name, f"{name}:{architecture}"):
        yield from (ADMIN / "info").glob(f"{stem.replace('[', '')}.*")


def copy_package(fields, root):
    for info in info_files(fields["Package"], fields["Architecture"]):
        shutil.copy2(info, root / "var/lib/dpkg/info" / info.name)
        if info.suffix != ".list":
            continue
        for line in info.read_text(encoding="utf-8").splitlines():
            path = pathlib.Path(line)
            # Documentation may have been left out when the system was installed.
            if line != "/." and os.path.lexists(path):
                copy_entry(path, root)


def copy_alternatives(root):
    for link in pathlib.Path("/etc/alternatives").iterdir():
        copy_entry(link, root)
    for folder in ("usr/bin", "usr/sbin"):
        for path in (pathlib.Path("/") / folder).iterdir():
            if path.is_symlink() and os.readlink(path).startswith("/etc/alternatives/"):
                if os.path.exists(root / os.path.realpath(path).lstrip("/")):
                    copy_entry(path, root)


def make(root, wanted):
    packages, provided = read_status()
    essential = [n for n, fields in packages.items() if fields.get("Essential") == "yes"]
    chosen = with_dependencies([*essential, *wanted], packages, provided)
    for folder in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers",
                   "var/lib/dpkg/parts", "var/log", "proc", "dev", "sys", "run"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").mkdir(exist_ok=True)
    for path in ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"):  # merged into /usr
        if os.path.islink(path):
            (root / os.readlink(path).lstrip("/") if not os.readlink(path).startswith("/")
             else root / os.readlink(path)[1:]).mkdir(parents=True, exist_ok=True)
            os.symlink(os.readlink(path), root / path[1:])
    for name in sorted(chosen):
        copy_package(packages[name], root)
    copy_alternatives(root)
    for path in ("/etc/passwd", "/etc/group", "/var/lib/dpkg/arch"):
        if os.path.exists(path):
            copy_entry(pathlib.Path(path), root)
    status = "\n".join(packages[name]["text"] for name in sorted(chosen))
    (root / "var/lib/dpkg/status").write_text(status, encoding="utf-8")
    (root / "var/lib/dpkg/available").touch()
    for path in (ADMIN / "triggers").iterdir():
        if path.name in ("Lock", "Unincorp"):
            continue
        lines = [line for line in path.read_text(encoding="utf-8").splitlines()
                 if re.split(r"[/:]", line.split(" ")[-1])[0] in chosen]
        if lines:
            (root / "var/lib/dpkg/triggers" / path.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(chosen)


def main():
    root, wanted = pathlib.Path(sys.argv[1]), sys.argv[2:]
    if not (ADMIN / "status").exists():
        raise NotPossible("this system has no dpkg")
    print(f"a root of {make(root, wanted)} packages in {root}")


try:
    main()
except NotPossible as reason:
    print(f"no clean root: {reason}", file=sys.stderr)
    sys.exit(77)
