/* The board: one shared file into which everything that is measured writes what it saw and when.
 *
 * A record is taken with one atomic addition, so that hundreds of checks may write at the same time, and is
 * complete once its t1 is not zero. All times are CLOCK_MONOTONIC in nanoseconds. The driver (board.py)
 * reads it; it also sets the verdicts, which are the exit statuses that the checks then end with.
 */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_VERDICTS 16384
#define BOARD_RECORDS 32768 /* offset of the first record */

enum { CHECK = 1, RECONFIGURE = 2, REPLACED = 3, BIRD_LOG = 4 };

struct record {
    unsigned kind;
    unsigned index; /* which service, for checks */
    int status;     /* what the check ends with */
    unsigned pid;
    unsigned long long t0, t1; /* begin and end */
};

struct board {
    unsigned long long next, capacity;
    unsigned char verdict[BOARD_VERDICTS];
};

static inline void board_add(struct board *b, struct record r)
{
    unsigned long long n = __atomic_fetch_add(&b->next, 1, __ATOMIC_RELAXED);
    struct record *to = (struct record *)((char *)b + BOARD_RECORDS) + n;
    unsigned long long t1 = r.t1;

    if (n >= b->capacity)
        return;
    r.t1 = 0;
    *to = r;
    __atomic_store_n(&to->t1, t1, __ATOMIC_RELEASE);
}

#endif
