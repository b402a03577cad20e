"""The programs that are compared, behind one face: started from the same plan, watched by the same means."""

import os
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass

from board import Board, NotMeasured, wait_for
from lab import prefix

DUMMY = "10.189.200.255/32"
START = 60  # seconds until a daemon must have written its pidfile: the reference starts every check once before that


@dataclass(frozen=True)
class Plan:
    """What a daemon is to do. The `fast` services come after the others and have an interval of their own."""

    services: int = 1
    interval: float = 1.0
    splay: float = 0.0
    fast: int = 0
    fast_interval: float = 0.25
    announced: bool = False  # the prefix file holds all of them at the start: their first verdict changes nothing
    update_interval: float = 0.25  # ours and the floor; the reference has no such thing
    reconfigure: tuple = ()  # instead of the stand-in for birdc
    socket: str = ""  # ours: BIRD's control socket instead of a command
    bird_log: str = ""  # watched, and noted on the board
    disk: bool = False  # the prefix file lies on a disk instead of in memory

    @property
    def total(self):
        """The number of all services."""
        return self.services + self.fast


def prefix_file(lab, plan):
    """Where the prefix list lies."""
    return (lab.work if plan.disk else lab.memory) / "bird" / "prefixes.conf"


def reconfigure_command(lab, plan):
    """The words of the command that is to make BIRD read its configuration."""
    return list(plan.reconfigure) or [lab.tool("fakebirdc"), str(lab.memory / "board")]


def write_configuration(lab, plan, program):
    """The daemon's file and one with all services, in the dialect that the reference and ours share."""
    daemon = {
        "pidfile": lab.memory / "pid",
        "bird_conf": prefix_file(lab, plan),
        "dummy_ip_prefix": DUMMY,
        "bird_reconfigure_cmd": shlex.join(reconfigure_command(lab, plan)),
        "loglevel": "error",
    }
    if plan.splay:
        daemon["splay_startup"] = plan.splay
    if program == "ours":
        daemon["bird_update_interval"] = plan.update_interval
        if plan.socket:
            daemon["bird_control_socket"] = plan.socket
    lines = ["[daemon]", *(f"{key} = {value}" for key, value in daemon.items())]
    (lab.work / "daemon.conf").write_text("\n".join(lines) + "\n")

    lines = ["[DEFAULT]", "interface = lo", "check_timeout = 10"]
    lines += ["check_rise = 1", "check_fail = 1", "check_disabled = false"]
    for index in range(plan.total):
        interval = plan.interval if index < plan.services else plan.fast_interval
        lines += [f"[s{index}]", f"ip_prefix = {prefix(index)}", f"check_interval = {interval}"]
        lines += [f"check_cmd = {lab.tool('check')} {lab.memory / 'board'} {index}"]
    (lab.work / "services" / "services.conf").write_text("\n".join(lines) + "\n")


def write_prefixes(path, prefixes):
    """A prefix file as all three write it."""
    listed = ",\n".join(f"        {each}" for each in [DUMMY, *prefixes])
    path.write_text(f"# made by the benchmark\ndefine ACAST_PS_ADVERTISE =\n    [\n{listed}\n    ];\n")


def command(lab, plan, program):
    """The command line of a daemon."""
    if program != "floor":
        return [str(lab.paths[program]), "-f", str(lab.work / "daemon.conf"), "-d", str(lab.work / "services")]
    settings = {
        "n": plan.services,
        "interval_ms": round(plan.interval * 1000),
        "splay_ms": round(plan.splay * 1000),
        "fast": plan.fast,
        "fast_ms": round(plan.fast_interval * 1000),
        "announced": int(plan.announced),
        "update_ms": round(plan.update_interval * 1000),
        "check": lab.tool("check"),
        "board": lab.memory / "board",
        "prefix_file": prefix_file(lab, plan),
        "pidfile": lab.memory / "pid",
    }
    for number, word in enumerate(reconfigure_command(lab, plan), 1):
        settings[f"reconfigure{number}"] = word
    return [lab.tool("floor"), *(f"{key}={value}" for key, value in settings.items())]


class Daemon:
    """A running daemon with its board and its watcher: `with Daemon(lab, plan, "ours") as daemon:`."""

    def __init__(self, lab, plan, program):
        self.lab, self.plan, self.program = lab, plan, program
        self.prefixes = prefix_file(lab, plan)
        self.pidfile = lab.memory / "pid"
        self.output = lab.memory / "output"
        self.board = self.process = self.watcher = None
        self.begun = 0  # the place on the board from which on its checks count

    def prepare(self):
        """Files and addresses as the plan wants them, and nothing left of the daemon before."""
        self.prefixes.parent.mkdir(exist_ok=True)
        (self.lab.work / "services").mkdir(exist_ok=True)
        self.pidfile.unlink(missing_ok=True)
        self.output.unlink(missing_ok=True)
        write_configuration(self.lab, self.plan, self.program)
        announced = [prefix(i) for i in range(self.plan.total)] if self.plan.announced else []
        write_prefixes(self.prefixes, announced)
        self.lab.assign(self.plan.total)

    def __enter__(self):
        self.prepare()
        try:
            self.board = Board(str(self.lab.memory / "board"))
            watch = [self.lab.tool("watch"), self.board.path, str(self.prefixes.parent), self.prefixes.name]
            watch += [self.plan.bird_log] if self.plan.bird_log else []
            self.watcher = subprocess.Popen(watch, stdout=subprocess.PIPE)
            if self.watcher.stdout.readline() != b"ready\n":
                raise NotMeasured("the watcher did not start")
            with open(self.output, "wb") as output:
                self.process = subprocess.Popen(
                    command(self.lab, self.plan, self.program), stdin=subprocess.DEVNULL, stdout=output, stderr=output
                )
            wait_for("pidfile", self._has_started, START)
            if self.program == "reference":
                self.begun = self.board.mark()  # it tries every command before it starts
        except BaseException:
            self.__exit__()
            raise
        return self

    def _has_started(self):
        self.alive()
        return self.pidfile.exists() and self.pidfile.stat().st_size > 0

    def alive(self):
        """Complains, with the last words of the daemon, if it has ended."""
        if self.process.poll() is not None:
            words = self.output.read_text(errors="replace").strip().splitlines()
            raise NotMeasured(f"ended with status {self.process.returncode}: {words[-1] if words else 'no output'}")

    @property
    def pid(self):
        """The process that is measured."""
        return self.process.pid

    def settle(self, seconds):
        """Lets it run for a while."""
        time.sleep(seconds)
        self.alive()

    def announced(self):
        """How many prefixes the file holds now, the dummy not counted."""
        try:
            return self.prefixes.read_text().partition("[")[2].count("/32") - 1
        except FileNotFoundError:
            return 0

    def wait_announced(self, count, seconds):
        """Waits until the file holds so many prefixes."""

        def reached():
            self.alive()
            return self.announced() == count

        wait_for(f"{count} prefixes announced", reached, seconds, pause=0.02)

    def quiet(self, kind, seconds=0.7, limit=30):
        """Waits until no record of this kind has come for a while."""
        last, since, end = -1, time.monotonic(), time.monotonic() + limit
        while time.monotonic() - since < seconds:
            count = len(self.board.since(0, kind))
            if count != last:
                last, since = count, time.monotonic()
            if time.monotonic() > end:
                raise NotMeasured("it never became quiet")
            time.sleep(0.05)

    def __exit__(self, *_):
        for process, ask in ((self.process, signal.SIGTERM), (self.watcher, signal.SIGKILL)):
            if process is None or process.poll() is not None:
                continue
            process.send_signal(ask)
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.watcher is not None:
            self.watcher.stdout.close()
        if self.board is not None:
            self.board.close()


class Bird:
    """A real BIRD in the namespace that includes the prefix file; it stays for all that are compared with it."""

    def __init__(self, lab):
        self.directory = lab.work / "real-bird"
        self.directory.mkdir(exist_ok=True)
        self.socket = str(self.directory / "bird.ctl")
        self.log = str(self.directory / "bird.log")
        self.prefixes = prefix_file(lab, Plan())
        self.process = None

    def __enter__(self):
        self.prefixes.parent.mkdir(exist_ok=True)
        write_prefixes(self.prefixes, [])
        conf = self.directory / "bird.conf"
        conf.write_text(
            f'log "{self.log}" all;\nrouter id 10.0.0.1;\ninclude "{self.prefixes}";\n'
            "protocol device { }\nprotocol direct { ipv4; }\n"
        )
        self.process = subprocess.Popen(["bird", "-f", "-c", str(conf), "-s", self.socket, "-P", f"{self.socket}.pid"])
        wait_for("BIRD's control socket", lambda: os.path.exists(self.socket) and os.path.exists(self.log), 5)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(5)
