"""What the kernel says about a process: its own processor time, memory, descriptors, threads and wake-ups."""

import os


def tasks(pid):
    """The directories of its threads."""
    return [f"/proc/{pid}/task/{task}" for task in os.listdir(f"/proc/{pid}/task")]


def read(path):
    """The text of a file that may vanish with its thread."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def helpers(pid):
    """Processes of the daemon's own: copies of it, by the kernel's name, the first of each. The others are checks that have
    not become their program yet."""
    names = {}
    for child in read(f"/proc/{pid}/task/{pid}/children").split():
        names.setdefault(read(f"/proc/{child}/comm"), int(child))
    return [child for name, child in names.items() if name.startswith("anycast-")]


def cpu_ns(pid):
    """Nanoseconds on a processor, of all its threads and its helpers, and none of its other children."""
    all_tasks = [task for process in [pid, *helpers(pid)] for task in tasks(process)]
    return sum(int(text.split()[0]) for text in (read(f"{task}/schedstat") for task in all_tasks) if text)


def children_ns(pid):
    """Nanoseconds that its children took which it has reaped, and theirs; counted in ticks."""
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def wakeups(pid):
    """How often its threads have gone to sleep of their own will."""
    return sum(field(read(f"{task}/status"), "voluntary_ctxt_switches") for task in tasks(pid))


def field(text, name):
    """The number behind `name:` in one of the kernel's tables."""
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0


def memory_kib(pid):
    """Resident memory and the anonymous part of it, exact (VmRSS may lag by some pages); of its helpers what is theirs
    alone."""
    text = read(f"/proc/{pid}/smaps_rollup")
    private = sum(field(read(f"/proc/{helper}/smaps_rollup"), "Private_Dirty") for helper in helpers(pid))
    return field(text, "Rss") + private, field(text, "Anonymous") + private


def descriptors(pid):
    """The number of open descriptors."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid):
    """The number of threads."""
    return len(tasks(pid))
