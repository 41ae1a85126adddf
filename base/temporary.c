/* SPDX-License-Identifier: MIT */
#include "base/temporary.h"

#include "base/error.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PLACES = 3 };

/* Makes something of the name in path, whose last six characters are to be replaced. False: errno
 * says why not. */
typedef bool maker(char *path, void *made);

static enum cn_status make(char *path, size_t n_bytes, const char *avoid, maker *one, void *made,
                           struct cn_error *err)
{
    const char *own = getenv("TMPDIR"), *places[PLACES] = { own && *own ? own : NULL, "/tmp", "." };
    char tried[400] = "";
    size_t used = 0;
    for (int i = 0; i < PLACES; i++) {
        if (!places[i] || strpbrk(places[i], avoid))
            continue;
        int n = snprintf(path, n_bytes, "%s/carnot-XXXXXX", places[i]);
        errno = ENAMETOOLONG;
        if (n > 0 && (size_t)n < n_bytes && one(path, made))
            return CN_OK;
        if (used < sizeof tried)
            used += (size_t)snprintf(tried + used, sizeof tried - used, "%s%.100s: %s",
                                     used ? "; " : "", places[i], strerror(errno));
    }
    return cn_fail(err, CN_ERR_IO,
                   "expected a place for temporary files in TMPDIR, /tmp or here, found none (%s)",
                   tried);
}

static bool make_file(char *path, void *made)
{
    FILE *f = NULL;
    int fd = mkstemp(path);
    if (fd < 0)
        return false;
    unlink(path);
    f = fdopen(fd, "w+b");
    if (!f)
        close(fd);
    *(FILE **)made = f;
    return f;
}

static bool make_folder(char *path, void *made)
{
    (void)made;
    return mkdtemp(path);
}

enum cn_status cn_temporary_file(FILE **file, struct cn_error *err)
{
    char path[4096];
    return make(path, sizeof path, "", make_file, file, err);
}

enum cn_status cn_temporary_folder(char *path, size_t n_bytes, const char *avoid,
                                   struct cn_error *err)
{
    return make(path, n_bytes, avoid, make_folder, NULL, err);
}
