"""How a daemon starts, and what happens when everything changes at once."""

import os
import subprocess
import time

from board import CHECK, RECONFIGURE, REPLACED, NotMeasured
from daemons import Daemon, Plan, command
from lab import medians, prefix
from table import Row, Target


def start(lab):
    """From before posix_spawn of the program to its pidfile with something in it, one service; the program is
    ended each time; median of 15 starts in each of 2 rounds (the reference: 3)"""

    def measure(program):
        plan = Plan(interval=3600, splay=3600)
        daemon = Daemon(lab, plan, program)
        daemon.prepare()
        times = []
        for _ in range(3 if program == "reference" else 15):
            run = [lab.tool("startup"), str(daemon.pidfile), str(daemon.output), *command(lab, plan, program)]
            done = subprocess.run(run, capture_output=True, text=True, timeout=60)
            if done.returncode != 0:
                raise NotMeasured(f"no pidfile: {daemon.output.read_text()[-200:]!r}")
            times.append(int(done.stdout) / 1e6)
        return {"ms": sorted(times)[len(times) // 2]}

    found = medians(lab.rounds("start", 2, measure), "ms")
    return [Row("start: exec to pidfile, 1 service", "ms", found, [Target(3)])]


def updates(daemon, mark):
    """Replacements and reconfigurations since the mark, once no more of them come."""
    daemon.quiet(RECONFIGURE)
    files = daemon.board.since(mark, REPLACED)
    reconfigured = daemon.board.since(mark, RECONFIGURE)
    if not files or not reconfigured:
        raise NotMeasured(f"{len(files)} replacements, {len(reconfigured)} reconfigurations")
    return files, reconfigured


def first_ends(daemon, mark, wanted):
    """When the first check with this result since the mark ended, for each service."""
    ends = {}
    for record in daemon.board.since(mark, CHECK):
        if wanted(record):
            ends.setdefault(record.index, record.end)
    return ends


def sweep(daemon, mark, ends, name):
    """The figures of one sweep: `ends` are the ends of the checks that decided it."""
    files, reconfigured = updates(daemon, mark)
    last = max(ends.values())
    return {
        f"{name} files": len(files),
        f"{name} reconfigurations": len(reconfigured),
        f"{name} file": (files[-1].begin - last) / 1e9,
        f"{name} told": (reconfigured[-1].begin - last) / 1e9,
    }


def burst(lab):
    """1,000 services, all due at once at the start and rising with their first success; then 500 of them fail
    in the same run. Replacements by inotify, reconfigurations by the stand-in for birdc. Times are from the
    end of the last check that decided"""
    many, half = 1000, 500
    plan = Plan(services=many, interval=5.0)

    def measure(program):
        slow = program == "reference"
        with Daemon(lab, plan, program) as daemon:
            daemon.wait_announced(many, 120 if slow else 20)
            found = sweep(daemon, daemon.begun, first_ends(daemon, daemon.begun, lambda r: True), "start")
            mark = daemon.board.mark()
            for index in range(half):
                daemon.board.set_verdict(index, 1)
            daemon.wait_announced(many - half, 120 if slow else 20)
            ends = first_ends(daemon, mark, lambda r: r.status == 1)
            return found | sweep(daemon, mark, ends, "burst")

    results = lab.rounds("start and burst", 2, measure)
    rows = []
    titles = (("start", f"{many:,} services announced", 5), ("burst", f"{half} services fail at once", 4))
    for name, title, most in titles:
        few = [Target(most)]
        rows.append(Row(f"{title}: file replacements", "", medians(results, f"{name} files"), few))
        rows.append(Row(f"{title}: reconfigurations", "", medians(results, f"{name} reconfigurations"), few))
        rows.append(Row(f"{title}: last file after last check", "s", medians(results, f"{name} file"), [Target(0.3)]))
        rows.append(Row(f"{title}: last reconfiguration", "s", medians(results, f"{name} told"), [Target(0.3)]))
    return rows


def check(lab):
    """The program with -c and 2,000 services in 2,000 files, to its end; median of 5 (the reference: 1)"""
    count = 2000
    directory = lab.work / "many"
    directory.mkdir(exist_ok=True)
    for index in range(count):
        (directory / f"{index:04}.conf").write_text(
            f"[s{index}]\ninterface = lo\nip_prefix = {prefix(index)}\ncheck_interval = 10\ncheck_timeout = 5\n"
            f"check_rise = 2\ncheck_fail = 2\ncheck_disabled = false\non_disabled = withdraw\n"
            f"check_cmd = {lab.tool('check')}\n"
        )

    def measure(program):
        Daemon(lab, Plan(splay=1.0), program).prepare()
        lab.assign(count)
        run = [str(lab.paths[program]), "-f", str(lab.work / "daemon.conf"), "-d", str(directory), "-c"]
        begin = time.monotonic()
        done = subprocess.run(run, capture_output=True, text=True, timeout=120)
        spent = time.monotonic() - begin
        if done.returncode != 0:
            raise NotMeasured(f"-c: status {done.returncode}, {(done.stderr or done.stdout)[:200]!r}")
        return {"ms": spent * 1000}

    programs = [program for program in lab.programs if program != "floor"]
    found = medians(lab.rounds("-c", 5, measure, programs), "ms")
    return [Row("-c with 2,000 services in 2,000 files", "ms", found, [Target(50), Target(0.05, "reference")])]


def size(lab):
    """The size of the file, static and stripped; --minimal names the smallest build"""
    values = {"floor": os.path.getsize(lab.paths["floor"]) / 1024}
    if "ours" in lab.programs:
        values["ours"] = os.path.getsize(lab.paths["ours"]) / 1024
        with open(lab.paths["ours"], "rb") as binary:
            head = binary.read(4096)
        if b"/lib64/ld-" in head or b"/lib/ld-" in head:
            lab.failures.append(f"size: {lab.paths['ours']} is not static")
    rows = [Row("binary", "KiB", values, [Target(600)])]
    if os.path.exists(lab.minimal):
        rows.append(Row("minimal build", "KiB", {"ours": os.path.getsize(lab.minimal) / 1024}, [Target(350)]))
    else:
        lab.failures.append(f"size: no minimal build at {lab.minimal}")
    return rows
