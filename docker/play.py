#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks compose.yaml, its Dockerfile and .env.example against each other, and plays them without
Docker: each service in a mount and process namespace of its own, without capabilities, with the user,
mounts, environment and command that stand there. (Not played: images, and the read-only root.)

usage: play.py BUILD_DIRECTORY
Exit codes: 0 all is well, 1 something is not, 77 it could not be tried, and why was printed.
"""
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATIENCE_S = 100
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def skip(reason):
    print(f"not played: {reason}")
    sys.exit(77)


def require(condition, complaint):
    if not condition:
        sys.exit(f"play.py: {complaint}")


def read_environment(path):
    lines = (line.strip() for line in path.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def interpolated(node, values):
    if isinstance(node, dict):
        return {key: interpolated(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [interpolated(value, values) for value in node]
    if isinstance(node, str):
        return VARIABLE.sub(lambda match: values[match[1]], node)
    return node


def read_stages(dockerfile):
    """Of each stage: the user that it runs as, and the programs that it has."""
    stages, stage = {}, None
    text = dockerfile.read_text().replace("\\\n", " ")
    for words in (line.split() for line in text.splitlines()):
        if words[:1] == ["FROM"]:
            base = stages.get(words[1], {"user": "0", "programs": set()})
            stage = {"user": base["user"], "programs": set(base["programs"])}
            stages[words[3]] = stage
        elif words[:1] == ["USER"]:
            stage["user"] = words[1]
        elif words[:1] == ["COPY"] and words[1] == "--from=build":
            stage["programs"] |= {Path(word).name for word in words[2:-1]}
    return stages


def programs_of(command):
    if command[:2] != ["sh", "-euc"]:
        return {command[0]}
    return {line.split()[0] for line in command[2].splitlines() if line}


def check(compose_text, services, defaults, stages):
    used = dict(VARIABLE.findall(compose_text))
    require(used == defaults, f".env.example says {defaults}, compose.yaml {used}")
    for name, service in services.items():
        require(service["user"] == "1000:1000", f"{name} runs as {service['user']}")
        target = service["build"]["target"]
        require(target in stages, f"{name} is built from a stage that is not there, {target}")
        stage = stages[target]
        require(stage["user"] == "1000:1000", f"stage {target} runs as {stage['user']}")
        missing = programs_of(service["command"]) - stage["programs"]
        require(not missing, f"stage {target}, of service {name}, has no {missing}")
        for mount in service["volumes"]:
            writes = name in ("init", "producer")
            require(mount.get("read_only", False) != writes,
                    f"the mount of {name} has the wrong read_only")


def container(service, volume, programs):
    """The command line that runs the service."""
    user, group = service["user"].split(":")
    (mount,) = service["volumes"]
    target = mount["target"]
    require(target.startswith("/srv/"), f"{target} is not below /srv")
    script = ["set -eu", "mount --make-rprivate /", "mount -t tmpfs tmpfs /srv",
              f"mkdir -p /srv/programs {shlex.quote(target)}",
              f"mount --bind {shlex.quote(str(programs))} /srv/programs",
              f"mount --bind {shlex.quote(str(volume))} {shlex.quote(target)}"]
    if mount.get("read_only"):
        script.append(f"mount -o remount,bind,ro {shlex.quote(target)}")
    environment = [f"{key}={value}" for key, value in service["environment"].items()]
    script.append(shlex.join([
        "exec", "setpriv", "--reuid", user, "--regid", group, "--clear-groups", "--no-new-privs",
        "--bounding-set", "-all", "--", "env", "-i", "PATH=/srv/programs:/usr/bin:/bin",
        *environment, *service["command"]]))
    return ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c",
            "\n".join(script)]


def play(services, volume, programs):
    running, done, started = {}, set(), time.monotonic()
    alive, held = os.pipe()  # by every process of every service, whatever its parent is
    try:
        while "test" not in done:
            for name, service in services.items():
                ready = set(service.get("depends_on", {})) <= done
                if ready and name not in done and name not in running:
                    print(f"-- {name}: {' '.join(service['command'][:3])}", flush=True)
                    running[name] = subprocess.Popen(container(service, volume, programs),
                                                     pass_fds=[held], start_new_session=True)
            for name, process in list(running.items()):
                try:
                    code = process.wait(0.02)
                except subprocess.TimeoutExpired:
                    continue
                require(code == 0 and name != "producer", f"{name} ended with {code}")
                del running[name]
                done.add(name)
            require(time.monotonic() - started < PATIENCE_S, f"nobody ends: {list(running)}")
        require(set(running) == {"producer"}, f"{list(running)} run beside the test")
    finally:
        for process in running.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(held)
        os.read(alive, 1)  # its end: all are gone


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: play.py BUILD_DIRECTORY")
    try:
        import yaml
    except ImportError:
        skip("Python has no yaml (python3-yaml)")
    text = (HERE / "compose.yaml").read_text()
    defaults = read_environment(HERE / ".env.example")
    services = interpolated(yaml.safe_load(text)["services"], defaults)
    check(text, services, defaults, read_stages(HERE / "Dockerfile"))
    print(f"checked {len(services)} services")

    programs = Path(sys.argv[1]).resolve() / "bin"
    for program in ("strata", "volume_producer", "volume_consumer"):
        require((programs / program).exists(), f"{programs} has no {program}: build it first")
    if os.geteuid() != 0:
        skip("it takes root to be user 1000")
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"],
                      stderr=subprocess.DEVNULL, check=False).returncode != 0:
        skip("namespaces are not permitted here")
    with tempfile.TemporaryDirectory(prefix="strata-docker.") as volume:
        os.chown(volume, 1000, 1000)
        os.chmod(volume, 0o755)
        play(services, volume, programs)
    print("played")


main()
