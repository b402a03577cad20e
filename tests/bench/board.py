"""The board: the file through which checks, stand-ins and watchers tell the driver what happened when (c/board.h)."""

import mmap
import os
import struct
import time
from collections import namedtuple

CHECK, RECONFIGURE, REPLACED, BIRD_LOG = 1, 2, 3, 4

VERDICTS_AT, RECORDS_AT = 16, 32768
RECORD = struct.Struct("=IIiIQQ")
HEAD = struct.Struct("=QQ")

Record = namedtuple("Record", "kind index status pid begin end")


class NotMeasured(Exception):
    """Something that was to be measured did not happen; the message says what."""


class Board:
    """Records in the order in which they were made; times are nanoseconds of the monotonic clock."""

    def __init__(self, path, capacity=500_000):
        self.path = path
        self.capacity = capacity
        size = RECORDS_AT + RECORD.size * capacity
        with open(path, "wb") as file:
            os.truncate(file.fileno(), size)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), size)
        HEAD.pack_into(self.map, 0, 0, capacity)

    def mark(self):
        """A place to read from later: the number of records so far."""
        count = HEAD.unpack_from(self.map, 0)[0]
        if count > self.capacity:
            raise NotMeasured(f"more than {self.capacity} records")
        return count

    def since(self, mark, kind):
        """The complete records of this kind that were made since the mark."""
        end = RECORDS_AT + RECORD.size * self.mark()
        found = RECORD.iter_unpack(self.map[RECORDS_AT + RECORD.size * mark : end])
        return [record for record in map(Record._make, found) if record.kind == kind and record.end]

    def set_verdict(self, index, status):
        """From now on the check with this number ends with this status."""
        self.map[VERDICTS_AT + index] = status

    def close(self):
        """Gives the memory back: the file is in one that is shared."""
        self.map.close()
        os.unlink(self.path)


def wait_for(what, condition, seconds, pause=0.002):
    """What the condition returns as soon as that is true."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise NotMeasured(f"{what}: not within {seconds} s")
        time.sleep(pause)
