"""What a daemon costs while nothing changes: processor time of a check run, memory, descriptors, wake-ups."""

import shutil
import signal
import subprocess
import time

import proc
from board import CHECK, NotMeasured
from daemons import Daemon, Plan
from lab import medians
from table import Row, Target


def runs(daemon, seconds):
    """Microseconds of its own processor time for a check run, and of that and all its children's, over so
    many seconds."""
    mark, own, children = daemon.board.mark(), proc.cpu_ns(daemon.pid), proc.children_ns(daemon.pid)
    daemon.settle(seconds)
    own, children = proc.cpu_ns(daemon.pid) - own, proc.children_ns(daemon.pid) - children
    count = len(daemon.board.since(mark, CHECK))
    if not count:
        raise NotMeasured("no check ran")
    return {"own": own / count / 1000, "all": (own + children) / count / 1000}


def cpu(lab):
    """The daemon's own time on a processor (schedstat, all its threads, none of its children) over the check
    runs of that time; every service up since a whole interval, prefix file unchanged, address check on,
    loglevel=error. Children's: cutime and cstime (the reference starts `ip` for each run)"""
    rows = []
    for services, interval, window, rounds in ((100, 1.0, 3.0, 3), (1000, 5.0, 5.0, 2)):
        plan = Plan(services=services, interval=interval, splay=interval, announced=True)

        def measure(program, plan=plan, window=window):
            with Daemon(lab, plan, program) as daemon:
                daemon.settle(plan.interval + 0.5)
                return runs(daemon, window)

        found = lab.rounds(f"cpu of {services}", rounds, measure)
        title = f"CPU of a check run, {services:,} services every {interval:g} s"
        rows.append(Row(title, "µs", medians(found, "own"), [Target(1.3, "floor"), Target(0.1, "reference")]))
        rows.append(Row("  with its children's", "µs", medians(found, "all")))
    return rows


def resources(daemon):
    """Memory and descriptors, the least that is seen within a moment (a check may be running) once all
    its threads run."""
    seen, threads = [], 0
    while threads != proc.threads(daemon.pid):
        threads = proc.threads(daemon.pid)
        daemon.settle(0.5)
    for _ in range(20):
        rss, anonymous = proc.memory_kib(daemon.pid)
        seen.append((rss, anonymous, proc.descriptors(daemon.pid), proc.threads(daemon.pid)))
        time.sleep(0.02)
    rss, anonymous, descriptors, threads = (min(column) for column in zip(*seen))
    return {"rss": rss, "anonymous": anonymous, "descriptors": descriptors, "threads": threads}


def memory(lab):
    """smaps_rollup, descriptors and threads: with 1 service (after runs), and with 1,000 and 10,000 that wait
    for their first run (the reference with 10,000 only with --full: its start takes half a minute)"""
    rows, bounds, single = [], {1: 1024, 1000: 2048, 10_000: 8192}, {}
    for services, bound in bounds.items():
        idle = services > 1
        plan = Plan(services=services, interval=3600 if idle else 0.5, splay=3600 if idle else 0, announced=True)
        programs = [p for p in lab.programs if services < 10_000 or lab.full or p != "reference"]

        def measure(program, plan=plan, idle=idle):
            with Daemon(lab, plan, program) as daemon:
                daemon.settle(0.3 if idle else 1.2)
                return resources(daemon)

        found = lab.rounds(f"memory of {services}", 1, measure, programs)
        label = f"with {services:,} service{'s' if idle else ''}"
        rows.append(Row(f"memory (RSS) {label}", "KiB", medians(found, "rss"), [Target(bound)]))
        rows.append(Row(f"  anonymous part of it {label}", "KiB", medians(found, "anonymous")))
        descriptors = medians(found, "descriptors")
        if services == 1:
            single = descriptors
        if services == 1000:
            each = {p: (n - single[p]) / 999 for p, n in descriptors.items() if p in single}
            rows.append(Row("descriptors of an idle check", "", each, [Target(0)]))
            rows.append(Row(f"threads {label}", "", medians(found, "threads"), [Target(1)]))
    return rows



def polls(daemon, lab, seconds):
    """How often a call that waits for events has returned, by strace, and how many checks ran meanwhile."""
    trace = lab.work / "strace"
    calls = "trace=poll,ppoll,select,pselect6,epoll_wait,epoll_pwait"
    strace = subprocess.Popen(["strace", "-qq", "-e", calls, "-o", str(trace), "-p", str(daemon.pid)])
    try:
        time.sleep(0.3)
        mark, before = daemon.board.mark(), len(trace.read_text().splitlines())
        daemon.settle(seconds)
        count = len(daemon.board.since(mark, CHECK))
        lines = trace.read_text().splitlines()[before:]
    finally:
        strace.send_signal(signal.SIGINT)
        try:
            strace.wait(5)
        except subprocess.TimeoutExpired:
            strace.kill()
            strace.wait()
        trace.unlink(missing_ok=True)
    if not count:
        raise NotMeasured("no check ran under strace")
    return sum(1 for line in lines if "= " in line) / count


def idle(lab):
    """Voluntary context switches between two runs of one service (3 s of quiet in a 10 s interval), of all
    threads; and returns of poll and its kin for each run, counted by strace with one service every 0.2 s"""

    def quiet(program):
        with Daemon(lab, Plan(interval=10, announced=True), program) as daemon:
            daemon.settle(1)
            before = proc.wakeups(daemon.pid)
            daemon.settle(3)
            return {"wakeups": proc.wakeups(daemon.pid) - before}

    def busy(program):
        with Daemon(lab, Plan(interval=0.2, announced=True), program) as daemon:
            daemon.settle(0.7)
            return {"polls": polls(daemon, lab, 3.0)}

    rows = [Row("wake-ups in 3 s between runs", "", medians(lab.rounds("idle", 1, quiet), "wakeups"), [Target(0)])]
    if shutil.which("strace"):
        single = [program for program in lab.programs if program != "reference"]
        found = medians(lab.rounds("returns from poll", 1, busy, single), "polls")
        rows.append(Row("returns from poll for a check run", "", found, [Target(4)]))
    else:
        lab.failures.append("returns from poll: no strace (package strace)")
    return rows
