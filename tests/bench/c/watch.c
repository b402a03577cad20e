/* watch BOARD DIRECTORY NAME [LOG]: notes each replacement of DIRECTORY/NAME and, if LOG is given, each line
 * that is written to LOG, with the time at which it was seen. Says "ready" once it looks. It runs at
 * real-time priority where it may, so that on a busy machine the time is that of the event.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "board.h"

static unsigned long long now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (unsigned long long)ts.tv_sec * 1000000000ull + (unsigned long long)ts.tv_nsec;
}

int main(int argc, char **argv)
{
    char buf[65536] __attribute__((aligned(8)));
    struct sched_param priority = {.sched_priority = 10};
    struct stat st;
    struct board *b;
    int in = inotify_init1(IN_CLOEXEC), log = -1, fd;

    if (argc < 4 || (fd = open(argv[1], O_RDWR | O_CLOEXEC)) < 0 || fstat(fd, &st) < 0)
        return 2;
    b = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    /* IN_MOVED_FROM is asked for so that two replacements in a row are never merged into one event. */
    if (b == MAP_FAILED || inotify_add_watch(in, argv[2], IN_MOVED_FROM | IN_MOVED_TO) < 0)
        return 2;
    if (argc > 4 && (log = inotify_add_watch(in, argv[4], IN_MODIFY)) < 0)
        return 2;
    sched_setscheduler(0, SCHED_FIFO, &priority);
    puts("ready");
    fflush(stdout);
    for (;;) {
        ssize_t len = read(in, buf, sizeof buf);
        struct record r = {.t0 = now(), .t1 = now()};

        if (len <= 0)
            return 1;
        for (char *p = buf; p < buf + len;) {
            struct inotify_event *e = (struct inotify_event *)p;

            r.kind = e->wd == log ? BIRD_LOG : REPLACED;
            if (e->wd == log || (e->mask & IN_MOVED_TO && strcmp(e->name, argv[3]) == 0))
                board_add(b, r);
            p += sizeof *e + e->len;
        }
    }
}
