/* SPDX-License-Identifier: MIT */
#include "base/child.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { GRACE_MS = 500, NAP_NS = 2000000 };

static int64_t now_ms(void)
{
    return cn_now_ns(CLOCK_MONOTONIC) / 1000000;
}

static int spawn(pid_t *pid, int out, const char *const argv[], bool errors_too)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, defaults;
    int error = posix_spawn_file_actions_init(&files);
    if (error)
        return error;
    error = posix_spawnattr_init(&attr);
    if (error) {
        posix_spawn_file_actions_destroy(&files);
        return error;
    }
    /* What this process does with signals is no business of the program's. */
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGTERM);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGCHLD);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    error = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (!error)
        error = posix_spawn_file_actions_adddup2(&files, out, 1);
    if (!error && errors_too)
        error = posix_spawn_file_actions_adddup2(&files, out, 2);
    if (!error) {
        /* posix_spawn does not write to argv; its type is older than const. */
        union {
            const char *const *in;
            char *const *out;
        } args = { .in = argv };
        error = posix_spawnp(pid, argv[0], &files, &attr, args.out, environ);
    }
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

int cn_child_start(struct cn_child *child, const char *const argv[], bool errors_too)
{
    *child = (struct cn_child){ 0, -1 };
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -errno;
    int error = spawn(&child->pid, fds[1], argv, errors_too);
    close(fds[1]);
    if (error) {
        close(fds[0]);
        child->pid = 0;
        return -error;
    }
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    child->fd = fds[0];
    return 0;
}

/* Ended but not waited for: until then the number is nobody else's, so its group can be signalled.
 */
static bool is_over(pid_t pid)
{
    siginfo_t info = { .si_pid = 0 };
    int error;
    do
        error = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
    while (error && errno == EINTR);
    return error || info.si_pid == pid;
}

static int reap(struct cn_child *child)
{
    int status;
    pid_t pid;
    do
        pid = waitpid(child->pid, &status, 0);
    while (pid < 0 && errno == EINTR);
    child->pid = 0;
    return pid < 0 ? -1 : status;
}

bool cn_child_ended(struct cn_child *child, int *status)
{
    if (child->pid <= 0 || !is_over(child->pid))
        return false;
    kill(-child->pid, SIGTERM); /* what it started may still run */
    *status = reap(child);
    return true;
}

int cn_child_stop(struct cn_child *child)
{
    int status = -1;
    if (child->pid > 0) {
        kill(-child->pid, SIGTERM);
        int64_t until = now_ms() + GRACE_MS;
        while (!is_over(child->pid) && now_ms() < until)
            nanosleep(&(struct timespec){ 0, NAP_NS }, NULL);
        kill(-child->pid, SIGKILL);
        status = reap(child);
    }
    if (child->fd >= 0)
        close(child->fd);
    *child = (struct cn_child){ 0, -1 };
    return status;
}

void cn_child_describe(int status, char *text, size_t n_bytes)
{
    if (status == -1)
        snprintf(text, n_bytes, "ended");
    else if (WIFSIGNALED(status))
        snprintf(text, n_bytes, "killed by signal %d", WTERMSIG(status));
    else
        snprintf(text, n_bytes, "exit %d", WEXITSTATUS(status));
}

int cn_child_run(const char *const argv[], int timeout_ms, char *text, size_t n_bytes, int *status)
{
    struct cn_child child;
    int error = cn_child_start(&child, argv, true);
    if (error)
        return error;
    int64_t until = now_ms() + timeout_ms;
    size_t used = 0;
    bool open = true;
    while (open && !error) {
        int64_t left = until - now_ms();
        struct pollfd fd = { child.fd, POLLIN, 0 };
        int n = left > 0 ? poll(&fd, 1, (int)left) : 0;
        if (n == 0)
            error = -ETIMEDOUT;
        else if (n < 0)
            error = errno == EINTR ? 0 : -errno;
        else {
            char rest[256];
            bool room = used + 1 < n_bytes;
            ssize_t got =
                read(child.fd, room ? text + used : rest, room ? n_bytes - 1 - used : sizeof rest);
            open = got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
            used += got > 0 && room ? (size_t)got : 0;
        }
    }
    text[used] = 0;
    bool ended = false;
    while (!error && !(ended = cn_child_ended(&child, status)) && now_ms() < until)
        nanosleep(&(struct timespec){ 0, NAP_NS }, NULL);
    if (!error && !ended)
        error = -ETIMEDOUT;
    cn_child_stop(&child);
    return error ? error : (int)used;
}
