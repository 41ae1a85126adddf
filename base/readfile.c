/* SPDX-License-Identifier: MIT */
#include "base/readfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

enum { FIRST_BYTES = 64 * 1024 };

/* At least a byte more to read into, and one for the NUL. */
static bool grow(char **bytes, size_t *room)
{
    size_t grown = *room ? *room * 2 : FIRST_BYTES;
    char *more = grown > *room ? realloc(*bytes, grown) : NULL;
    if (!more)
        return false;
    *bytes = more;
    *room = grown;
    return true;
}

/* Sizes are found by reading, as pipes and /proc know none. */
static enum cn_status read_rest(int fd, const char *name, const struct cn_readfile_options *o,
                                char **bytes, size_t *used, struct cn_error *err)
{
    size_t room = 0;
    for (;;) {
        if (room - *used < 2 && !grow(bytes, &room))
            return cn_fail(err, CN_ERR_MEMORY, "%s: out of memory after %zu bytes", name, *used);
        const bool cancelled = o->cancel && o->cancel(o->user);
        const ssize_t got = cancelled ? 0 : read(fd, *bytes + *used, room - *used - 1);
        CN_RETURN_IF(cancelled, CN_ERR_CANCELLED, err, "interrupted");
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cn_fail_errno(err, "%s: cannot read", name);
        if (got == 0)
            return CN_OK;
        *used += (size_t)got;
        CN_RETURN_IF(*used > o->max_bytes, CN_ERR_FORMAT, err,
                     "%s: expected at most %zu bytes, found more", name, o->max_bytes);
    }
}

enum cn_status cn_readfile_rest(int fd, const char *name, const struct cn_readfile_options *options,
                                char **data, size_t *n, struct cn_error *err)
{
    char *bytes = NULL;
    size_t used = 0;
    enum cn_status status = read_rest(fd, name, options, &bytes, &used, err);
    if (status != CN_OK) {
        free(bytes);
        return status;
    }
    bytes[used] = 0;
    *data = bytes;
    *n = used;
    return CN_OK;
}

static enum cn_status check(int fd, const char *path, const struct cn_readfile_options *o,
                            struct cn_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return cn_fail_errno(err, "%s", path);
    CN_RETURN_IF(o->regular && !S_ISREG(st.st_mode), CN_ERR_FORMAT, err,
                 "%s: a file expected, found %s", path,
                 S_ISDIR(st.st_mode)    ? "a folder"
                 : S_ISFIFO(st.st_mode) ? "a pipe"
                                        : "a device or socket");
    CN_RETURN_IF(S_ISREG(st.st_mode) && (uintmax_t)st.st_size > o->max_bytes, CN_ERR_FORMAT, err,
                 "%s: expected at most %zu bytes, found %jd", path, o->max_bytes,
                 (intmax_t)st.st_size);
    return CN_OK;
}

enum cn_status cn_readfile(const char *path, const struct cn_readfile_options *options, char **data,
                           size_t *n, struct cn_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | (options->regular ? O_NONBLOCK : 0));
    if (fd < 0)
        return cn_fail_errno(err, "%s: cannot open", path);
    enum cn_status status = check(fd, path, options, err);
    if (status == CN_OK)
        status = cn_readfile_rest(fd, path, options, data, n, err);
    close(fd);
    return status;
}
