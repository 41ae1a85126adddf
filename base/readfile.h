/* SPDX-License-Identifier: MIT
 *
 * Whole files into memory: all of it, or an error that says why not.
 */
#ifndef CN_READFILE_H
#define CN_READFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct cn_readfile_options {
    size_t max_bytes; /* more is refused: CN_ERR_FORMAT */
    /* Only regular files: a pipe or a device is refused at once, without waiting for somebody to
     * open its other end. */
    bool regular;
    /* Asked before each read, and after one that a signal ended; true: CN_ERR_CANCELLED. May be
     * NULL. */
    bool (*cancel)(void *user);
    void *user;
};

/* Reads `path` to its end. *data is malloc'ed and the caller's, with a NUL behind its *n bytes.
 * CN_ERR_IO: it cannot be opened or read. On failure both stay as they are. */
enum cn_status cn_readfile(const char *path, const struct cn_readfile_options *options, char **data,
                           size_t *n, struct cn_error *err);

/* The same of what is left in a descriptor, which stays open; `name` is for messages. */
enum cn_status cn_readfile_rest(int fd, const char *name, const struct cn_readfile_options *options,
                                char **data, size_t *n, struct cn_error *err);

#endif
