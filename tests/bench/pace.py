"""Whether checks start when they should, how many a second can be run, and what starting them costs by other means."""

import subprocess

from board import CHECK, NotMeasured
from daemons import Daemon, Plan
from lab import medians, percentile
from table import Row, Target


def lateness(records, interval_ns):
    """Milliseconds by which each run was later than the earliest of its service on the same grid, and the drift of the whole in
    milliseconds a minute (from the medians of the first and the last quarter of the time)."""
    earliest = {}
    for record in records:
        slot = record.begin % interval_ns
        base, best = earliest.setdefault(record.index, [slot, 0])
        offset = (slot - base + interval_ns // 2) % interval_ns - interval_ns // 2
        earliest[record.index][1] = min(best, offset)
    begin, end = records[0].begin, records[-1].begin
    quarter = (end - begin) / 4
    late, first, last = [], [], []
    for record in records:
        base, best = earliest[record.index]
        offset = (record.begin % interval_ns - base + interval_ns // 2) % interval_ns - interval_ns // 2 - best
        late.append(offset / 1e6)
        if record.begin < begin + quarter:
            first.append(offset)
        elif record.begin > end - quarter:
            last.append(offset)
    drift = (percentile(last, 0.5) - percentile(first, 0.5)) / 1e6 / (quarter * 3 / 60e9)
    return percentile(late, 0.99), drift


def schedule(lab):
    """200 services every second, phases spread; a run is late against the earliest run of the same service on the grid of its interval. 10 s
    for each program, with --full a minute. Drift: median lateness of the last quarter less that of the first, a minute"""
    seconds = 60 if lab.full else 10

    def measure(program):
        plan = Plan(services=200, interval=1.0, splay=1.0, announced=True)
        with Daemon(lab, plan, program) as daemon:
            daemon.settle(2)
            mark = daemon.board.mark()
            daemon.settle(seconds)
            records = sorted(daemon.board.since(mark, CHECK), key=lambda r: r.begin)
            if len(records) < 200:
                raise NotMeasured(f"{len(records)} runs in {seconds} s")
            late, drift = lateness(records, 1_000_000_000)
            return {"late": late, "drift": abs(drift), "runs": len(records) / seconds}

    results = lab.rounds("schedule", 1, measure)
    return [
        Row("200 checks a second: late, 99 %", "ms", medians(results, "late"), [Target(2)]),
        Row("200 checks a second: drift in a minute", "ms", medians(results, "drift"), [Target(0.5)]),
        Row("200 checks a second: run", "1/s", medians(results, "runs")),
    ]


def throughput(lab):
    """100 services every 10 ms, more than the machine can run: check runs a second over 2 s, 4 rounds in turn on the same cores (the
    reference: 1 round)"""

    def measure(program):
        plan = Plan(services=100, interval=0.01, announced=True)
        with Daemon(lab, plan, program) as daemon:
            daemon.settle(1)
            mark = daemon.board.mark()
            daemon.settle(2)
            return {"runs": len(daemon.board.since(mark, CHECK)) / 2}

    found = medians(lab.rounds("throughput", 4, measure), "runs")
    return [Row("throughput at saturation", "1/s", found, [Target(0.9, "floor", least=True)])]


def spawn(lab):
    """Five ways to start 1,000 checks that are due at once, from a tiny C program: how long the caller is held by one start (median), and
    from the first start to the last child reaped; best of 3 rounds; these stand in the floor's column"""
    best = {}
    with Daemon(lab, Plan(interval=3600, splay=3600), "floor") as daemon:
        for _ in range(3):
            run = [lab.tool("spawn"), lab.tool("check"), daemon.board.path, "1000"]
            done = subprocess.run(run, capture_output=True, text=True, timeout=60)
            if done.returncode != 0:
                lab.failures.append(f"spawn: status {done.returncode}")
                return []
            for line in done.stdout.splitlines():
                name, *figures = line.split()
                figures = [int(figure) for figure in figures]
                best[name] = [min(pair) for pair in zip(best.get(name, figures), figures)]
    rows = []
    for name, (held, _, whole) in best.items():
        rows.append(Row(f"{name}: caller held by one start", "µs", {"floor": held / 1e3}))
        rows.append(Row(f"{name}: 1,000 started and reaped", "ms", {"floor": whole / 1e6}))
    return rows
