/* spawn CHECK BOARD COUNT: what it costs the caller to start COUNT checks that are due at once, by five ways
 * of starting them.
 *
 * Prints for each way: its name, the median of the time that the caller was held by a start, its own
 * processor time for one, the time until the last was started, and the time until the last was reaped, in
 * nanoseconds. Each child gets /dev/null, two pipes, a group and an empty signal mask, as in the daemon.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef long long ns;

#define STACK 16384 /* of a child that shares our memory, until it has become the check */

struct job {
    char *argv[4], index[12];
    int out[2], err[2];
    char *stack;
};

static struct job *jobs;
static sigset_t none;

static ns clock_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* What the child does before it becomes the check: system calls only, nothing that the parent could notice. */
static int become(void *job)
{
    struct job *j = job;
    int null = open("/dev/null", O_RDONLY);

    setpgid(0, 0);
    dup2(null, 0);
    dup2(j->out[1], 1);
    dup2(j->err[1], 2);
    close(null);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(j->argv[0], j->argv);
    _exit(127);
}

static pid_t by_posix_spawn(struct job *j)
{
    static posix_spawnattr_t attributes;
    static int ready;
    posix_spawn_file_actions_t files;
    pid_t pid = -1;

    if (!ready++) {
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    }
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, j->out[1], 1);
    posix_spawn_file_actions_adddup2(&files, j->err[1], 2);
    posix_spawn(&pid, j->argv[0], &files, &attributes, j->argv, environ);
    posix_spawn_file_actions_destroy(&files);
    return pid;
}

static pid_t by_vfork(struct job *j)
{
    pid_t pid = vfork();

    if (pid == 0)
        _exit(become(j));
    return pid;
}

static pid_t by_clone_vfork(struct job *j)
{
    return clone(become, j->stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, j);
}

/* Not held until the exec: the stack must then stay until the child has become the check, and errno is shared. */
static pid_t by_clone_vm(struct job *j)
{
    return clone(become, j->stack + STACK, CLONE_VM | SIGCHLD, j);
}

static pid_t by_fork(struct job *j)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(become(j));
    return pid;
}

static int by_size(const void *a, const void *b)
{
    ns x = *(const ns *)a, y = *(const ns *)b;

    return x < y ? -1 : x > y;
}

static int measure(const char *name, pid_t (*start)(struct job *), int count)
{
    ns *held = calloc((size_t)count, sizeof *held), begin = clock_ns(CLOCK_MONOTONIC), started, end, cpu = 0;
    int status, failed = 0;

    for (int i = 0; i < count; i++) {
        struct job *j = &jobs[i];
        ns t, c;

        if (pipe2(j->out, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(j->err, O_CLOEXEC | O_NONBLOCK) < 0)
            return 1;
        c = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        t = clock_ns(CLOCK_MONOTONIC);
        failed |= start(j) < 0;
        held[i] = clock_ns(CLOCK_MONOTONIC) - t;
        cpu += clock_ns(CLOCK_THREAD_CPUTIME_ID) - c;
    }
    started = clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < count; i++)
        if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            failed = 1;
    end = clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < count; i++) {
        close(jobs[i].out[0]);
        close(jobs[i].out[1]);
        close(jobs[i].err[0]);
        close(jobs[i].err[1]);
    }
    qsort(held, (size_t)count, sizeof *held, by_size);
    printf("%s %lld %lld %lld %lld\n", name, held[count / 2], cpu / count, started - begin, end - begin);
    free(held);
    return failed;
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    int count = argc > 3 ? atoi(argv[3]) : 0, failed = 0;
    sigset_t set;

    if (count < 1 || !(jobs = calloc((size_t)count, sizeof *jobs)))
        return 2;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    sigemptyset(&none);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < count; i++) {
        struct job *j = &jobs[i];

        snprintf(j->index, sizeof j->index, "%d", i);
        j->argv[0] = argv[1];
        j->argv[1] = argv[2];
        j->argv[2] = j->index;
        j->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (j->stack == MAP_FAILED)
            return 2;
        memset(j->stack, 0, STACK); /* its page faults are not what is measured */
    }
    failed |= measure("posix_spawn", by_posix_spawn, count);
    failed |= measure("vfork", by_vfork, count);
    failed |= measure("clone_vm_vfork", by_clone_vfork, count);
    failed |= measure("clone_vm", by_clone_vm, count);
    failed |= measure("fork", by_fork, count);
    return failed;
}
