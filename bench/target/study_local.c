/* SPDX-License-Identifier: MIT
 *
 * The target `local`: jobs are child processes on this machine, in folders under work/jobs.
 */
#include "base/clock.h"
#include "bench/target/study_folder.h"
#include "bench/target/study_target.h"

#include "base/error.h"
#include "bench/machine/probe.h"
#include "profiler/state.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { POLL_NS = 20000000, MAX_ARGS = 128 };

struct local {
    const struct cn_study_target_options *options;
};

static enum cn_status probe(const struct cn_study_target_options *options, void **state,
                            struct cn_study_device *device, struct cn_error *err)
{
    struct utsname os;
    CN_RETURN_IF(options->address[0], CN_ERR_ARGUMENT, err,
                 "target local: no address expected, '%s' found", options->address);
    struct local *l = malloc(sizeof *l);
    CN_RETURN_IF(!l, CN_ERR_MEMORY, err, "out of memory");
    l->options = options;
    *device = (struct cn_study_device){ .name = "" };
    if (uname(&os) == 0) {
        snprintf(device->name, sizeof device->name, "%.127s", os.nodename);
        snprintf(device->kernel, sizeof device->kernel, "%.64s %.128s %.32s", os.sysname,
                 os.release, os.machine);
    }
    *state = l;
    return CN_OK;
}

static enum cn_status prepare(void *state, struct cn_error *err)
{
    const struct local *l = state;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/jobs", l->options->work);
    CN_RETURN_IF(mkdir(path, 0777) != 0 && errno != EEXIST, CN_ERR_IO, err, "%s: %s", path,
                 strerror(errno));
    return CN_OK;
}

static enum cn_status push(void *state, const char *file, const char *sha256, char path[PATH_MAX],
                           struct cn_error *err)
{
    (void)state, (void)sha256;
    CN_RETURN_IF(!realpath(file, path), CN_ERR_IO, err, "%s: %s", file, strerror(errno));
    return CN_OK;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static void send_to(const char *file, int fd)
{
    int to = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (to < 0 || dup2(to, fd) < 0)
        _exit(126);
    close(to);
}

/* In the child, between fork and exec. */
static void become(const struct local *l, const char *folder, char *const argv[], pid_t parent)
{
    /* A study that is killed takes its run along: nobody would look at it, and the next attempt
     * would be measured beside it. A group of its own keeps Ctrl-C in the terminal from it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(126);
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    int empty = open("/dev/null", O_RDONLY);
    if (empty < 0 || dup2(empty, STDIN_FILENO) < 0 || chdir(folder) != 0)
        _exit(126);
    send_to("stdout", STDOUT_FILENO);
    send_to("stderr", STDERR_FILENO);
    execv(l->options->program, argv);
    _exit(127);
}

static enum cn_status wait_for(const struct local *l, const struct cn_study_job *job, pid_t pid,
                               int *status, struct cn_error *err)
{
    double start = cn_seconds();
    for (;;) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid)
            return CN_OK;
        CN_RETURN_IF(got < 0 && errno != EINTR, CN_ERR_IO, err, "%s: %s", job->name,
                     strerror(errno));
        bool late = job->timeout_s > 0 && cn_seconds() - start > job->timeout_s;
        bool cancelled = l->options->cancel && l->options->cancel(l->options->user);
        if (late || cancelled) {
            kill(-pid, SIGKILL);
            kill(pid, SIGKILL); /* it may not have its group yet */
            while (waitpid(pid, status, 0) < 0 && errno == EINTR)
                ;
            CN_RETURN_IF(cancelled, CN_ERR_CANCELLED, err, "interrupted");
            return CN_OK;
        }
        nanosleep(&(struct timespec){ 0, POLL_NS }, NULL);
    }
}

static void folder_of(const struct local *l, const struct cn_study_job *job, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/jobs/%s", l->options->work, job->name);
}

static enum cn_status run(void *state, const struct cn_study_job *job,
                          struct cn_study_outcome *outcome, struct cn_error *err)
{
    const struct local *l = state;
    union { /* exec does not write to argv; its type is older than const */
        const char *in[MAX_ARGS + 2];
        char *out[MAX_ARGS + 2];
    } argv = { .in = { l->options->program } };
    for (int i = 0; job->argv[i]; i++) {
        CN_RETURN_IF(i == MAX_ARGS, CN_ERR_ARGUMENT, err, "%s: too many arguments", job->name);
        argv.in[i + 1] = job->argv[i];
    }
    char folder[PATH_MAX];
    folder_of(l, job, folder);
    CN_TRY(cn_study_remove_folder(folder, err)); /* what a killed attempt left */
    CN_RETURN_IF(mkdir(folder, 0777) != 0, CN_ERR_IO, err, "%s: %s", folder, strerror(errno));
    double start = cn_seconds();
    pid_t parent = getpid(), pid = fork();
    CN_RETURN_IF(pid < 0, CN_ERR_IO, err, "cannot start a process: %s", strerror(errno));
    if (pid == 0)
        become(l, folder, argv.out, parent);
    int status = 0;
    CN_TRY(wait_for(l, job, pid, &status, err));
    outcome->seconds = cn_seconds() - start;
    outcome->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    outcome->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    CN_RETURN_IF(outcome->exit_code == 126 || outcome->exit_code == 127, CN_ERR_IO, err,
                 "cannot run %s in %s", l->options->program, folder);
    return CN_OK;
}

static enum cn_status collect(void *state, const struct cn_study_job *job,
                              struct cn_study_outcome *outcome, struct cn_error *err)
{
    (void)err;
    folder_of(state, job, outcome->folder); /* they are here already */
    return CN_OK;
}

static enum cn_status look(void *state, struct cn_system_state *now, struct cn_error *err)
{
    (void)err;
    const struct local *l = state;
    cn_state_read(l->options->root ? l->options->root : "", now);
    return CN_OK;
}

static uint64_t free_memory(void *state)
{
    (void)state;
    return cn_available_memory_bytes();
}

const struct cn_study_target cn_study_local = {
    .name = "local",
    .probe = probe,
    .prepare = prepare,
    .push = push,
    .run = run,
    .collect = collect,
    .look = look,
    .free_memory = free_memory,
    .close = free,
};
