"""Runs the reference over a list of cases and compares what it read with what our -P printed.

Called by tests/reference.rs with the directories of the cases on standard input. Each holds main.conf, d/ and, if ours
found the configuration valid, ours.ini. One line a case goes to standard output: the verdict of the reference
(valid, invalid or crash), TAB, and what differs between the two readings, if anything.
"""
import configparser
import contextlib
import glob
import io
import os
import sys

from anycast_healthchecker import utils

NEW = {
    "shared_prefix", "on_start", "on_exit", "on_exit_wait", "bird_update_interval",
    "bird_reconfigure_timeout", "max_running_checks", "log_server_format",
}
plain_glob = glob.glob
# The reference takes the order of the directory, which is accident.
glob.glob = lambda pattern: sorted(plain_glob(pattern))


def values(config):
    """Every option of every section; None where it cannot be expanded."""
    all_values = {}
    for section in config:
        for key in config[section]:
            try:
                all_values[section, key] = config[section][key]
            except configparser.Error:
                all_values[section, key] = None
    return all_values


def difference(config):
    if not os.path.exists("ours.ini"):
        return ""
    ours = configparser.ConfigParser()
    with open("ours.ini", encoding="utf-8") as printed:
        ours.read_file(printed)
    if list(ours) != list(config):
        return f"sections {list(config)!r} against {list(ours)!r}"
    theirs, ours = values(config), values(ours)
    for where, value in theirs.items():
        if value is not None and ours.get(where) != value:
            return f"{where!r}: {value!r} against {ours.get(where)!r}"
    more = [where for where in ours if where not in theirs and where[1] not in NEW]
    return f"only ours has {more!r}" if more else ""


def run():
    """The verdict, and the configuration if it is valid."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            config, _ = utils.load_configuration("main.conf", "d", None)
            return "valid", config
    except ValueError as reason:
        return "invalid", str(reason)
    except Exception as reason:  # A traceback for the operator.
        return "crash", repr(reason)


for name in sys.stdin.read().splitlines():
    os.chdir(name)
    verdict, config = run()
    detail = difference(config) if verdict == "valid" else ""
    sys.stdout.write(f"{verdict}\t{ascii(detail) if detail else ''}\n")
