"""Whether checks start when they should, how many a second can be run, and what starting them costs by other means."""

import subprocess

from board import CHECK, NotMeasured
from daemons import Daemon, Plan
from lab import medians, percentile
from table import Row, Target


def lateness(records, interval):
    """The milliseconds by which 99 % of the runs were at most later than the earliest one of their service on
    the same grid, and the drift of the whole in milliseconds: from the earliest run of a service in the first
    quarter of the time to that in the last."""
    begin, span = records[0].begin, records[-1].begin - records[0].begin
    offsets, phases = {}, {}
    for record in records:
        phase = phases.setdefault(record.index, record.begin % interval)
        offset = (record.begin % interval - phase + interval // 2) % interval - interval // 2
        offsets.setdefault(record.index, []).append((offset / 1e6, (record.begin - begin) / span))
    late, drifts = [], []
    for runs in offsets.values():
        earliest = min(offset for offset, _ in runs)
        late += [offset - earliest for offset, _ in runs]
        first = [offset for offset, when in runs if when < 0.25]
        last = [offset for offset, when in runs if when > 0.75]
        if first and last:
            drifts.append(min(last) - min(first))
    return percentile(late, 0.99), percentile(drifts, 0.5)


def schedule(lab):
    """200 services every second, phases spread; a run is late against the earliest run of the same service on
    the grid of its interval. 10 s for each program, with --full a minute. Drift: how much later the earliest
    run of a service is in the last quarter than in the first (median)"""
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
        Row(f"200 checks a second: drift in {seconds} s", "ms", medians(results, "drift"), [Target(0.5)]),
        Row("200 checks a second: run", "1/s", medians(results, "runs")),
    ]


def throughput(lab):
    """100 services every 10 ms, more than the machine can run: check runs a second over 2 s, 4 rounds in turn
    on the same cores (the reference: 1 round)"""

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
    """Five ways to start 1,000 checks that are due at once, from a tiny C program: how long the caller is
    held by one start (median), its own processor time for one, and when the last was started and reaped; best
    of 3 rounds, which stand in the floor's column"""
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
    for name, (held, own, started, reaped) in best.items():
        rows.append(Row(f"{name}: caller held by one start", "µs", {"floor": held / 1e3}))
        rows.append(Row(f"{name}: its processor time for one", "µs", {"floor": own / 1e3}))
        rows.append(Row(f"{name}: all 1,000 started", "ms", {"floor": started / 1e6}))
        rows.append(Row(f"{name}: all 1,000 reaped", "ms", {"floor": reaped / 1e6}))
    return rows
