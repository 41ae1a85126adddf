/* SPDX-License-Identifier: MIT */
#include "bench/against/rival_child.h"

#include "base/child.h"
#include "base/error.h"
#include "base/temporary.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ARGS = 128, MAX_BYTES = 16 << 20, POLL_MS = 100, NAP_NS = 2000000 };

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

/* Appends what there is to read; *open: whether more may come. */
static enum cn_status take(int fd, char **text, size_t *n, size_t *room, bool *open,
                           struct cn_error *err)
{
    if (*room - *n < 65536) {
        char *larger = realloc(*text, *room + 262144 + 1);
        CN_RETURN_IF(!larger, CN_ERR_MEMORY, err, "out of memory");
        *text = larger;
        *room += 262144;
    }
    ssize_t got = read(fd, *text + *n, *room - *n);
    *open = got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
    *n += got > 0 ? (size_t)got : 0;
    CN_RETURN_IF(*n > MAX_BYTES, CN_ERR_FORMAT, err, "at most %d MiB of output expected",
                 MAX_BYTES >> 20);
    return CN_OK;
}

static enum cn_status read_all(struct cn_child *child, bool (*cancel)(void *user), void *user,
                               char **text, size_t *n, struct cn_error *err)
{
    size_t room = 0;
    bool open = true;
    while (open) {
        struct pollfd fd = { child->fd, POLLIN, 0 };
        int ready = poll(&fd, 1, POLL_MS);
        CN_RETURN_IF(cancel && cancel(user), CN_ERR_CANCELLED, err, "interrupted");
        if (ready > 0)
            CN_TRY(take(child->fd, text, n, &room, &open, err));
    }
    (*text)[*n] = 0;
    return CN_OK;
}

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

static enum cn_status run(const char *const argv[], const char *log, bool (*cancel)(void *user),
                          void *user, char **text, size_t *n, struct cn_error *err)
{
    const char *wrapped[MAX_ARGS + 5];
    struct cn_child child;
    CN_RETURN_IF(!wrap(argv, log, wrapped), CN_ERR_ARGUMENT, err, "%s: too many arguments",
                 argv[0]);
    int error = cn_child_start(&child, wrapped, false);
    CN_RETURN_IF(error, CN_ERR_IO, err, "%s: %s", argv[0], strerror(-error));
    enum cn_status result = read_all(&child, cancel, user, text, n, err);
    int status = 0;
    while (result == CN_OK && !cn_child_ended(&child, &status))
        nanosleep(&(struct timespec){ 0, NAP_NS }, NULL);
    cn_child_stop(&child);
    if (result == CN_OK && status != 0)
        result = complain(argv[0], log, status, err);
    return result;
}

enum cn_status cn_rival_child(const char *const argv[], bool (*cancel)(void *user), void *user,
                              char **text, size_t *n, struct cn_error *err)
{
    char folder[512], log[528];
    *text = NULL;
    *n = 0;
    CN_TRY(cn_temporary_folder(folder, sizeof folder, "", err));
    snprintf(log, sizeof log, "%s/stderr", folder);
    enum cn_status status = run(argv, log, cancel, user, text, n, err);
    unlink(log);
    rmdir(folder);
    if (status != CN_OK) {
        free(*text);
        *text = NULL;
    }
    return status;
}
