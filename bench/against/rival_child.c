/* SPDX-License-Identifier: MIT */
#include "bench/against/rival_child.h"

#include "base/child.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/temporary.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ARGS = 128, MAX_BYTES = 16 << 20, POLL_MS = 100, NAP_NS = 2000000, MAX_RIVALS = 16 };

/* Its standard error goes to a file: in a pipe nobody would read it meanwhile. The file's name is
 * the shell's $0. */
static bool wrap(const char *const argv[], const char *log, const char *wrapped[MAX_ARGS + 5])
{
    int n = 0;
    wrapped[n++] = "sh";
    wrapped[n++] = "-c";
    wrapped[n++] = "exec \"$@\" 2>\"$0\"";
    wrapped[n++] = log;
    for (int i = 0; argv[i]; i++) {
        if (i == MAX_ARGS)
            return false;
        wrapped[n++] = argv[i];
    }
    wrapped[n] = NULL;
    return true;
}

struct rival {
    const char *const *argv;
    struct cn_child child;
    char log[560]; /* of its standard error */
    char *text;
    size_t n, room;
    bool open;
};

/* Appends what there is to read; r->open: whether more may come. */
static enum cn_status take(struct rival *r, struct cn_error *err)
{
    if (r->room - r->n < 65536) {
        char *larger = realloc(r->text, r->room + 262144 + 1);
        CN_RETURN_IF(!larger, CN_ERR_MEMORY, err, "out of memory");
        r->text = larger;
        r->room += 262144;
    }
    ssize_t got = read(r->child.fd, r->text + r->n, r->room - r->n);
    r->open = got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
    r->n += got > 0 ? (size_t)got : 0;
    CN_RETURN_IF(r->n > MAX_BYTES, CN_ERR_FORMAT, err, "at most %d MiB of output expected",
                 MAX_BYTES >> 20);
    return CN_OK;
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* The next after `current` that still runs; current itself if there is no other. */
static size_t next_of(const struct rival *r, size_t n, size_t current)
{
    size_t next = current;
    do
        next = (next + 1) % n;
    while (next != current && !r[next].open);
    return next;
}

static void give_turn(const struct rival *r, size_t from, size_t to)
{
    if (from == to)
        return;
    kill(-r[from].child.pid, SIGSTOP);
    kill(-r[to].child.pid, SIGCONT);
}

/* Reads all to their ends. r[0] is awake, the others are stopped. */
static enum cn_status read_all(struct rival *r, size_t n, double slice_s,
                               bool (*cancel)(void *user), void *user, struct cn_error *err)
{
    const int wait_ms = n > 1 ? (int)ceil(1e3 * slice_s) : POLL_MS;
    struct pollfd fd[MAX_RIVALS];
    size_t n_open = n, current = 0;
    double due = cn_seconds() + slice_s;
    while (n_open) {
        for (size_t i = 0; i < n; i++)
            fd[i] = (struct pollfd){ r[i].open ? r[i].child.fd : -1, POLLIN, 0 };
        int ready = poll(fd, (nfds_t)n, wait_ms);
        CN_RETURN_IF(cancel && cancel(user), CN_ERR_CANCELLED, err, "interrupted");
        for (size_t i = 0; i < n && ready > 0; i++) {
            if (!fd[i].revents)
                continue;
            CN_TRY(take(&r[i], err));
            n_open -= !r[i].open;
        }
        if (!r[current].open || (n > 1 && cn_seconds() >= due)) {
            const size_t next = next_of(r, n, current);
            give_turn(r, current, next);
            current = next;
            due = cn_seconds() + slice_s;
        }
    }
    for (size_t i = 0; i < n; i++)
        r[i].text[r[i].n] = 0;
    return CN_OK;
}

/* ---- their ends ------------------------------------------------------------------------------ */

/* How it ended, and the first line of its log. */
static enum cn_status complain(const char *name, const char *log, int status, struct cn_error *err)
{
    char how[32], line[256] = "";
    FILE *f = fopen(log, "r");
    if (f && fgets(line, sizeof line, f))
        line[strcspn(line, "\n")] = 0;
    if (f)
        fclose(f);
    cn_child_describe(status, how, sizeof how);
    return cn_fail(err, CN_ERR_IO, "%s: %s%s%s", name, how, line[0] ? ": " : "", line);
}

static enum cn_status start(struct rival *r, struct cn_error *err)
{
    const char *wrapped[MAX_ARGS + 5];
    CN_RETURN_IF(!wrap(r->argv, r->log, wrapped), CN_ERR_ARGUMENT, err, "%s: too many arguments",
                 r->argv[0]);
    int error = cn_child_start(&r->child, wrapped, false);
    CN_RETURN_IF(error, CN_ERR_IO, err, "%s: %s", r->argv[0], strerror(-error));
    r->open = true;
    return CN_OK;
}

/* Starts all, and stops all but the first. What this process starts stays on its CPUs. */
static enum cn_status start_all(struct rival *r, size_t n, int cpu, struct cn_error *err)
{
    cpu_set_t before, one;
    const bool pin = cpu >= 0 && sched_getaffinity(0, sizeof before, &before) == 0;
    if (pin) {
        CPU_ZERO(&one);
        CPU_SET((size_t)cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
    }
    enum cn_status status = CN_OK;
    for (size_t i = 0; i < n && status == CN_OK; i++) {
        status = start(&r[i], err);
        if (i && status == CN_OK)
            kill(-r[i].child.pid, SIGSTOP);
    }
    if (pin)
        sched_setaffinity(0, sizeof before, &before);
    return status;
}

/* Each one's end, after its output's: by itself if all went well so far. */
static enum cn_status end(struct rival *r, enum cn_status so_far, struct cn_error *err)
{
    int status = 0;
    if (r->child.pid > 0)
        kill(-r->child.pid, SIGCONT);
    while (so_far == CN_OK && !cn_child_ended(&r->child, &status))
        nanosleep(&(struct timespec){ 0, NAP_NS }, NULL);
    cn_child_stop(&r->child);
    return so_far == CN_OK && status != 0 ? complain(r->argv[0], r->log, status, err) : so_far;
}

enum cn_status cn_rival_children(const char *const *const argv[], size_t n,
                                 const struct cn_rival_turns *turns, bool (*cancel)(void *user),
                                 void *user, char *text[], size_t n_bytes[], struct cn_error *err)
{
    struct rival r[MAX_RIVALS];
    char folder[512];
    CN_RETURN_IF(n < 1 || n > MAX_RIVALS, CN_ERR_ARGUMENT, err, "1 to %d programs expected",
                 MAX_RIVALS);
    CN_TRY(cn_temporary_folder(folder, sizeof folder, "", err));
    for (size_t i = 0; i < n; i++) {
        r[i] = (struct rival){
            .argv = argv[i], .child = {0, -1}
        };
        snprintf(r[i].log, sizeof r[i].log, "%s/stderr.%zu", folder, i);
    }
    enum cn_status status = start_all(r, n, turns ? turns->cpu : -1, err);
    if (status == CN_OK)
        status = read_all(r, n, turns ? turns->slice_s : 0, cancel, user, err);
    for (size_t i = 0; i < n; i++) {
        status = end(&r[i], status, err);
        unlink(r[i].log);
    }
    rmdir(folder);
    for (size_t i = 0; i < n; i++) {
        if (status != CN_OK)
            free(r[i].text);
        text[i] = status == CN_OK ? r[i].text : NULL;
        n_bytes[i] = status == CN_OK ? r[i].n : 0;
    }
    return status;
}

enum cn_status cn_rival_child(const char *const argv[], bool (*cancel)(void *user), void *user,
                              char **text, size_t *n, struct cn_error *err)
{
    return cn_rival_children(&argv, 1, NULL, cancel, user, text, n, err);
}
