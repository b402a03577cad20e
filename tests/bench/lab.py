"""Where the measurements take place: tools, tiny programs, a namespace of our own, and who takes part."""

import os
import platform
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from board import NotMeasured

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

TOOLS = {
    "cc": "a C compiler (package gcc)",
    "unshare": "namespaces (package util-linux)",
    "ip": "addresses on lo (package iproute2)",
    "mount": "a file system in memory (package mount)",
}
BARE = ("check", "fakebirdc")
STATIC = ("watch", "startup", "floor", "spawn")
FLAGS = ["-O2", "-Wall", "-Wextra", "-static"]
BARE_FLAGS = ["-ffreestanding", "-fno-stack-protector", "-fno-pie", "-no-pie", "-nostdlib", "-fcf-protection=none"]
REFERENCES = (ROOT / "target/reference-venv/bin/anycast-healthchecker", Path("/tmp/refvenv/bin/anycast-healthchecker"))
# What contrib/cross/build leaves there.
TARGET = f"{platform.machine()}-unknown-linux-musl"
OURS = ROOT / f"target/cross/{TARGET}/release/anycast-healthchecker"
MINIMAL = ROOT / f"target/minimal/{TARGET}/release/anycast-healthchecker"
BUILT = ROOT / "target/bench"


def missing_tools():
    """What is needed and is not there, as lines for the user."""
    lines = [f"{tool}: {why}" for tool, why in TOOLS.items() if not shutil.which(tool)]
    if sys.version_info < (3, 9):
        lines.append("python 3.9 or later")
    if not os.path.exists("/proc/self/schedstat"):
        lines.append("/proc/self/schedstat: a kernel with CONFIG_SCHED_INFO")
    return lines


def build():
    """Compiles the tiny programs whose sources have changed."""
    BUILT.mkdir(parents=True, exist_ok=True)
    headers = max(header.stat().st_mtime for header in (HERE / "c").glob("*.h"))
    for name in BARE + STATIC:
        source, binary = HERE / "c" / f"{name}.c", BUILT / name
        if binary.exists() and binary.stat().st_mtime > max(source.stat().st_mtime, headers):
            continue
        flags = FLAGS + (BARE_FLAGS if name in BARE else [])
        subprocess.run(["cc", *flags, "-o", str(binary), str(source)], check=True)


class Lab:
    """The inside of the namespaces: paths, addresses, the programs that take part, and what failed.

    Everything that the programs write lies under `work`; the board lies in memory below it, so that noting a time is
    never held up by a disk.
    """

    def __init__(self, work, options):
        self.work = Path(work)
        self.full = options.full
        self.paths = {"ours": options.ours, "reference": options.reference, "floor": BUILT / "floor"}
        self.minimal = options.minimal
        self.programs = []
        self.failures = []
        self.assigned = 0
        for name in options.programs:
            path = self.paths[name]
            if path is not None and os.access(path, os.X_OK):
                self.programs.append(name)
            else:
                self.failures.append(f"{name}: no program at {path}")
        self.memory = self.work / "memory"
        self.memory.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m", "bench", str(self.memory)], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self.priority = prefer()

    def tool(self, name):
        """The path of one of the tiny programs."""
        return str(BUILT / name)

    def assign(self, count):
        """Leaves the addresses of exactly so many services on lo."""
        if count < self.assigned:
            subprocess.run(["ip", "-4", "address", "flush", "dev", "lo"], check=True)
            self.assigned = 0
        lines = [f"address add {prefix(i)} dev lo" for i in range(self.assigned, count)]
        subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)
        self.assigned = count

    def rounds(self, what, count, measure, programs=None, slow=1):
        """Runs `measure(program)` in turn for all, `count` times (the reference: `slow` times); a list for each."""
        results = {program: [] for program in programs or self.programs}
        for turn in range(count):
            for program, found in results.items():
                if program.startswith("reference") and turn >= slow:
                    continue
                try:
                    found.append(measure(program))
                except (NotMeasured, OSError, subprocess.SubprocessError) as problem:
                    self.failures.append(f"{what}, {program}: {problem}")
        return results


def prefer():
    """Puts everything here before what else runs on the machine, if that is allowed: for all programs alike."""
    try:
        os.setsid()  # a scheduling group of our own, so that the user's shell keeps its place
        os.nice(-10)
        with open("/proc/self/autogroup", "w", encoding="ascii") as file:
            file.write("-10")
    except OSError:
        pass
    return os.nice(0)


def prefix(index):
    """The prefix of service number `index`."""
    return f"10.10.{index // 250}.{index % 250 + 1}/32"


def medians(results, key):
    """The median over the rounds of what was found under `key`, for each program that has it."""
    found = {program: [each[key] for each in rounds if key in each] for program, rounds in results.items()}
    return {program: statistics.median(values) for program, values in found.items() if values}


def percentile(values, part):
    """The value that `part` (0 to 1) of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
