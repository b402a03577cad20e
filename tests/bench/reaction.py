"""How long it takes from the end of the check that decides to what BIRD gets to see."""

import shutil
import statistics

from board import BIRD_LOG, CHECK, RECONFIGURE, REPLACED, wait_for
from daemons import Bird, Daemon, Plan
from lab import percentile
from table import Row, Target


def flips(daemon, count, last):
    """Turns the verdicts of the fast services over, one after another, and each time waits until `last` was
    seen; yields milliseconds from the end of the deciding check to the new file and to the first record of
    kind `last`."""
    board, first = daemon.board, daemon.plan.services
    for turn in range(count):
        index = first + turn % daemon.plan.fast
        status = 1 if turn // daemon.plan.fast % 2 == 0 else 0
        mark = board.mark()
        board.set_verdict(index, status)

        def seen(mark=mark):
            daemon.alive()
            return board.since(mark, last)

        wait_for("an update after a change", seen, 20)
        if last == BIRD_LOG:
            daemon.settle(0.02)  # its second line, "Reconfigured", is the one that counts
        decided = next(r.end for r in board.since(mark, CHECK) if r.index == index and r.status == status)
        replaced = board.since(mark, REPLACED)[0].begin
        ended = board.since(mark, last)[-1 if last == BIRD_LOG else 0].begin
        yield (replaced - decided) / 1e6, (ended - decided) / 1e6


def pooled(results, column):
    """All the rounds' times of a kind in one list for each program."""
    return {
        program: [pair[column] for each in rounds for pair in each] for program, rounds in results.items() if rounds
    }


def reaction(lab):
    """One of 10 services (every 0.25 s, rise and fall 1) changes while 200 others run every 2 s; from the clock
    that the check reads before its exit to the rename (inotify, real-time priority) and to the first instruction
    of the stand-in for birdc; update interval 0; prefix file in memory, 2 rounds of 60 changes (the reference:
    1 of 20), and on the disk, 1 round (the reference does not sync)"""

    def measure(program, disk=False):
        plan = Plan(
            services=200, interval=2.0, splay=2.0, fast=10, announced=True, update_interval=0, disk=disk
        )
        with Daemon(lab, plan, program) as daemon:
            daemon.settle(2.5)
            return list(flips(daemon, 20 if disk or program == "reference" else 60, RECONFIGURE))

    memory = lab.rounds("reaction", 2, measure)
    disk = lab.rounds("reaction on a disk", 1, lambda program: measure(program, disk=True))
    rows = []
    for column, what in ((0, "new prefix file"), (1, "start of reconfiguration")):
        times, title = pooled(memory, column), f"check's exit to {what}"
        middle = {program: statistics.median(found) for program, found in times.items()}
        late = {program: percentile(found, 0.99) for program, found in times.items()}
        slow = {program: statistics.median(found) for program, found in pooled(disk, column).items()}
        rows.append(Row(f"{title}, median", "ms", middle, [Target(1.5, "floor")]))
        rows.append(Row(f"{title}, 99 %", "ms", late, [Target(5)]))
        rows.append(Row(f"{title}, median with a disk", "ms", slow))
    return rows


def bird(lab):
    """The same with a real BIRD and no other services: from the check's exit to the line `Reconfigured` in
    BIRD's log; ours by the control socket and by birdc, floor and reference by birdc; 2 rounds of 20 changes"""
    missing = [tool for tool in ("bird", "birdc") if not shutil.which(tool)]
    if missing:
        lab.failures.append(f"real BIRD: {' and '.join(missing)} not installed (package bird2)")
        return []
    programs = [*lab.programs, *(["ours by birdc"] if "ours" in lab.programs else [])]
    with Bird(lab) as real:
        birdc = (shutil.which("birdc"), f"-s{real.socket}", "configure")

        def measure(program):
            socket = real.socket if program == "ours" else ""
            plan = Plan(
                services=0,
                fast=10,
                splay=0.25,
                announced=True,
                update_interval=0,
                reconfigure=birdc,
                socket=socket,
                bird_log=real.log,
            )
            with Daemon(lab, plan, program.split()[0]) as daemon:
                daemon.settle(0.8)
                return list(flips(daemon, 20, BIRD_LOG))

        results = lab.rounds("real BIRD", 2, measure, programs)
    times = pooled(results, 1)
    middle = {program: statistics.median(found) for program, found in times.items()}
    by_command = middle.pop("ours by birdc", None)
    by_socket = {**middle, "birdc": by_command}
    return [
        Row("real BIRD: ours by control socket, others by birdc", "ms", by_socket, [Target(1, "birdc")]),
        Row("real BIRD: all by birdc", "ms", {**middle, "ours": by_command}),
    ]
