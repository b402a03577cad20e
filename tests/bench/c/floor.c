/* The floor: the least that a single-threaded daemon with poll, signalfd and vfork can spend on this work.
 *
 * It schedules checks on a grid, starts them with two pipes and /dev/null in process groups of their own,
 * reads what they say, reaps them, counts rise and fall, and at a change replaces the prefix file and runs
 * the reconfigure command, one at a time. It has no configuration, no logs, no time-outs, no address checks,
 * no metrics, no status: what a real daemon spends beyond it is the price of these. All settings are
 * KEY=VALUE arguments, see main().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef long long ns;

struct service {
    ns due;
    pid_t pid;
    int slot; /* of its pipes in the poll set, while it runs */
    short streak;
    char verdict, up, announced;
};

struct child {
    char **argv;
    int out, err;
};

/* Services that share an interval: in the order of their phases they come due in turn, for ever. */
struct group {
    int first, count, next;
    ns interval;
};

static struct service *services;
static struct group groups[2];
static struct pollfd *polls; /* 0: signals, 1: the reconfigure command, then two for each running check */
static int *owner;           /* which service has the two of slot i */
static int used = 2, total, rise = 1, fall = 1;
static ns update_every;
static const char *check, *board, *reconfigure[4], *prefix_file, *pidfile;
static pid_t reconfiguring;
static int dirty;
static ns updated;
static int null; /* /dev/null */
static sigset_t no_signals;

static ns now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* The child between clone and exec. It shares our memory and we sleep meanwhile: it makes system calls only. */
static int become(void *arg)
{
    struct child *c = arg;

    setpgid(0, 0);
    dup2(null, 0);
    dup2(c->out, 1);
    dup2(c->err, 2);
    sigprocmask(SIG_SETMASK, &no_signals, NULL);
    execv(c->argv[0], c->argv);
    _exit(127);
}

/* Starts argv with /dev/null as its input; its output goes to out[0], and its errors to err[0] or the same. What
 * posix_spawn of a C library would add (limits asked, a stack mapped and unmapped for each) is saved here.
 */
static pid_t start(char **argv, int *out, int *err)
{
    static char stack[16384] __attribute__((aligned(16)));
    int o[2], e[2] = {-1, -1};
    struct child child = {.argv = argv};
    pid_t pid;

    /* Only our end must not block: a check that writes much may not be told to come again. */
    if (pipe2(o, O_CLOEXEC) < 0 || fcntl(o[0], F_SETFL, O_NONBLOCK) < 0)
        die("pipe2");
    if (err && (pipe2(e, O_CLOEXEC) < 0 || fcntl(e[0], F_SETFL, O_NONBLOCK) < 0))
        die("pipe2");
    child.out = o[1];
    child.err = err ? e[1] : o[1];
    if ((pid = clone(become, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &child)) < 0)
        die("clone");
    close(o[1]);
    *out = o[0];
    if (err) {
        close(e[1]);
        *err = e[0];
    }
    return pid;
}

static void run_check(int i)
{
    char index[12];
    char *argv[] = {(char *)check, (char *)board, index, NULL};
    struct service *s = &services[i];

    snprintf(index, sizeof index, "%d", i);
    s->pid = start(argv, &polls[used].fd, &polls[used + 1].fd);
    polls[used].events = polls[used + 1].events = POLLIN;
    owner[used / 2] = i;
    s->slot = used;
    used += 2;
}

static void drain(struct pollfd *p)
{
    char buf[4096];
    ssize_t n;

    if (p->fd < 0)
        return;
    while ((n = read(p->fd, buf, sizeof buf)) > 0)
        ;
    if (n == 0) {
        close(p->fd);
        p->fd = -1;
    }
}

static void ended(struct service *s, int status)
{
    int good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    int slot = s->slot;

    for (int k = 0; k < 2; k++) {
        drain(&polls[slot + k]);
        if (polls[slot + k].fd >= 0)
            close(polls[slot + k].fd);
    }
    used -= 2; /* the last one moves into the gap */
    polls[slot] = polls[used];
    polls[slot + 1] = polls[used + 1];
    owner[slot / 2] = owner[used / 2];
    services[owner[slot / 2]].slot = slot;
    s->pid = 0;

    s->streak = s->verdict == good ? s->streak + (s->streak < 30000) : 1;
    s->verdict = (char)good;
    if (s->streak >= (good ? rise : fall) && s->up != good) {
        s->up = (char)good;
        dirty |= s->announced != good;
        s->announced = (char)good;
    }
}

static void replace_file(void)
{
    static char *text, path[4096];
    size_t len = 0;
    int fd;

    if (!text && !(text = malloc(4096 + (size_t)total * 32)))
        die("malloc");
    len += (size_t)sprintf(text, "# written by floor, pid %d\ndefine ACAST_PS_ADVERTISE =\n    [\n        10.189.200.255/32",
                           getpid());
    for (int i = 0; i < total; i++)
        if (services[i].announced)
            len += (size_t)sprintf(text + len, ",\n        10.10.%d.%d/32", i / 250, i % 250 + 1);
    len += (size_t)sprintf(text + len, "\n    ];\n");
    snprintf(path, sizeof path, "%s.tmp", prefix_file);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len || fdatasync(fd) < 0 || close(fd) < 0 ||
        rename(path, prefix_file) < 0)
        die(path);
}

/* Replaces the file and starts the reconfiguration, unless it is too early; then: when it may. */
static ns update(ns t)
{
    if (!dirty || reconfiguring)
        return 0;
    if (updated && t < updated + update_every)
        return updated + update_every;
    dirty = 0;
    updated = t;
    replace_file();
    reconfiguring = start((char **)reconfigure, &polls[1].fd, NULL);
    return 0;
}

static void reap(void)
{
    struct signalfd_siginfo info[8];
    ssize_t n = read(polls[0].fd, info, sizeof info);
    int status;
    pid_t pid;

    for (ssize_t k = 0; k < n / (ssize_t)sizeof *info; k++)
        if (info[k].ssi_signo == SIGTERM) {
            unlink(pidfile);
            exit(0);
        }
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == reconfiguring) {
            reconfiguring = 0;
            drain(&polls[1]);
            if (polls[1].fd >= 0)
                close(polls[1].fd);
            polls[1].fd = -1;
            continue;
        }
        for (int slot = 2; slot < used; slot += 2)
            if (services[owner[slot / 2]].pid == pid) {
                ended(&services[owner[slot / 2]], status);
                break;
            }
    }
}

/* Which of a group comes due first: needed only after slots were skipped. */
static int first_due(const struct group *group)
{
    int first = 0;

    for (int i = 1; i < group->count; i++)
        if (services[group->first + i].due < services[group->first + first].due)
            first = i;
    return first;
}

/* Starts what is due; when the next is due. A check that still runs skips its slot. */
static ns run_due(ns t)
{
    ns soonest = 0;
    int skipped = 0;

    for (int g = 0; g < 2; g++) {
        struct group *group = &groups[g];

        if (!group->count)
            continue;
        for (;;) {
            struct service *s = &services[group->first + group->next];

            if (s->due > t && skipped) {
                skipped = 0;
                group->next = first_due(group);
                continue;
            }
            if (s->due > t) {
                if (!soonest || s->due < soonest)
                    soonest = s->due;
                break;
            }
            if (!s->pid)
                run_check((int)(s - services));
            skipped |= t - s->due >= group->interval;
            s->due += group->interval * ((t - s->due) / group->interval + 1);
            group->next = (group->next + 1) % group->count;
        }
    }
    return soonest;
}

static void loop(void)
{
    for (;;) {
        ns t = now(), due = run_due(t), later = update(t), wait;
        struct timespec timeout;

        if (later && (!due || later < due))
            due = later;
        t = now();
        wait = due > t ? due - t : 0;
        timeout = (struct timespec){wait / 1000000000, wait % 1000000000};
        if (ppoll(polls, (nfds_t)used, &timeout, NULL) <= 0)
            continue;
        for (int i = 1; i < used; i++)
            if (polls[i].revents)
                drain(&polls[i]);
        if (polls[0].revents)
            reap();
    }
}

static int argument(char **argv, const char *key, int otherwise)
{
    size_t len = strlen(key);

    for (; *argv; argv++)
        if (strncmp(*argv, key, len) == 0 && (*argv)[len] == '=')
            return atoi(*argv + len + 1);
    return otherwise;
}

static const char *word(char **argv, const char *key)
{
    size_t len = strlen(key);

    for (; *argv; argv++)
        if (strncmp(*argv, key, len) == 0 && (*argv)[len] == '=')
            return *argv + len + 1;
    return NULL;
}

static void signals(void)
{
    sigset_t set;

    sigemptyset(&no_signals);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    polls[0] = (struct pollfd){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .events = POLLIN};
    polls[1] = (struct pollfd){.fd = -1, .events = POLLIN};
    if ((null = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
        die("/dev/null");
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    int fast = argument(argv, "fast", 0), slow = argument(argv, "n", 1), announced = argument(argv, "announced", 0);
    ns splay = argument(argv, "splay_ms", 0) * 1000000ll, t;
    FILE *f;

    (void)argc;
    total = slow + fast;
    rise = argument(argv, "rise", 1);
    fall = argument(argv, "fall", 1);
    update_every = argument(argv, "update_ms", 250) * 1000000ll;
    check = word(argv, "check");
    board = word(argv, "board");
    prefix_file = word(argv, "prefix_file");
    pidfile = word(argv, "pidfile");
    for (int i = 0; i < 3; i++) { /* reconfigure1= ... reconfigure3=: the words of the command */
        char key[] = "reconfigure1";

        key[11] = (char)('1' + i);
        reconfigure[i] = word(argv, key);
    }
    if (!check || !board || !prefix_file || !pidfile || !reconfigure[0])
        return 2;
    services = calloc((size_t)total, sizeof *services);
    polls = calloc((size_t)total * 2 + 2, sizeof *polls);
    owner = calloc((size_t)total + 1, sizeof *owner);
    if (!services || !polls || !owner)
        die("calloc");
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    signals();
    groups[0] = (struct group){.first = 0, .count = slow, .interval = argument(argv, "interval_ms", 1000) * 1000000ll};
    groups[1] = (struct group){.first = slow, .count = fast, .interval = argument(argv, "fast_ms", 250) * 1000000ll};
    t = now();
    for (int i = 0; i < total; i++) {
        struct group *g = &groups[i >= slow];
        ns spread = splay < g->interval ? splay : g->interval;

        services[i].due = t + spread * (i - g->first) / g->count;
        services[i].announced = services[i].up = services[i].verdict = (char)announced;
    }
    if (!(f = fopen(pidfile, "w")) || fprintf(f, "%d\n", getpid()) < 0 || fclose(f) != 0)
        die(pidfile);
    loop();
}
