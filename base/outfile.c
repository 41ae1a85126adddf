/* SPDX-License-Identifier: MIT
 *
 * Files that appear under their name only when they are complete: written under a temporary name
 * beside it, synced, renamed. Whatever happens at whatever moment, the name holds a complete file
 * or what it held before. A link stays one: the file it leads to is replaced.
 */
#include "base/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

enum { MAX_LINKS = 40 }; /* as Linux follows */

struct cn_outfile {
    FILE *stream; /* NULL: sealed */
    int held;     /* descriptor of a sealed file, -1: none */
    char *path;   /* the user's */
    char *target, *temporary;
};

/* Where the links end that `path` may be: the rename is to replace the file, not a link to it. That
 * file may be absent. malloc'ed; NULL with errno set. */
static char *follow_links(const char *path)
{
    char *name = strdup(path);
    for (int i = 0; name; i++) {
        char to[PATH_MAX];
        ssize_t n = readlink(name, to, sizeof to);
        if (n < 0) /* no link, or nothing at all: opening says what is wrong with it */
            return name;
        const char *slash = strrchr(name, '/');
        size_t n_dir = n > 0 && to[0] != '/' && slash ? (size_t)(slash - name) + 1 : 0;
        bool too_long = (size_t)n == sizeof to;
        char *next = i < MAX_LINKS && !too_long ? malloc(n_dir + (size_t)n + 1) : NULL;
        if (next) {
            memcpy(next, name, n_dir);
            memcpy(next + n_dir, to, (size_t)n);
            next[n_dir + (size_t)n] = 0;
        }
        free(name);
        name = next;
        if (!next)
            errno = too_long ? ENAMETOOLONG : i < MAX_LINKS ? ENOMEM : ELOOP;
    }
    return NULL;
}

/* TARGET.tmp-PID; with -1, -2, ... behind it while a file of that name is there (left by a process
 * that was killed, or a second writer of this one). */
static int open_temporary(char *name, size_t name_bytes, const char *target)
{
    int fd = -1;
    for (int i = 0; i < 100; i++) {
        int n = snprintf(name, name_bytes, "%s.tmp-%ld", target, (long)getpid());
        if (i > 0)
            snprintf(name + n, name_bytes - (size_t)n, "-%d", i);
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            break;
    }
    return fd;
}

static void free_outfile(struct cn_outfile *f)
{
    int reason = errno;
    free(f->path);
    free(f->target);
    free(f->temporary);
    free(f);
    errno = reason;
}

enum cn_status cn_outfile_create(const char *path, struct cn_outfile **file, struct cn_error *err)
{
    struct stat st, at;
    /* Renaming over a device or a directory would destroy or fail; say so before hours of work. */
    const bool there = stat(path, &st) == 0;
    if (there && !S_ISREG(st.st_mode)) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        return cn_fail(err, CN_ERR_ARGUMENT,
                       "%s: exists and is not a regular file, so it will not be replaced", path);
    }
    if (!*path) { /* what stands beside it could be made, and would not get its name at the end */
        errno = ENOENT;
        return cn_fail(err, CN_ERR_IO, "'': cannot create: %s", strerror(errno));
    }
    struct cn_outfile *f = calloc(1, sizeof *f);
    CN_RETURN_IF(!f, CN_ERR_MEMORY, err, "%s: out of memory", path);
    enum cn_status status = CN_OK;
    f->held = -1;
    f->path = strdup(path);
    f->target = follow_links(path);
    if (!f->path || (!f->target && errno == ENOMEM)) {
        status = cn_fail(err, CN_ERR_MEMORY, "%s: out of memory", path);
        goto fail;
    }
    if (!f->target) {
        status = cn_fail(err, CN_ERR_IO, "%s: cannot create: %s", path, strerror(errno));
        goto fail;
    }
    /* What /proc/self/fd links to may have lost its name. */
    if (there && (lstat(f->target, &at) != 0 || at.st_dev != st.st_dev || at.st_ino != st.st_ino)) {
        errno = EINVAL;
        status = cn_fail(err, CN_ERR_ARGUMENT,
                         "%s: leads to a file that has no name, so it cannot be replaced", path);
        goto fail;
    }
    size_t name_bytes = strlen(f->target) + 40;
    f->temporary = malloc(name_bytes);
    if (!f->temporary) {
        status = cn_fail(err, CN_ERR_MEMORY, "%s: out of memory", path);
        goto fail;
    }
    int fd = open_temporary(f->temporary, name_bytes, f->target);
    if (fd < 0) {
        status = cn_fail(err, CN_ERR_IO, "%s: cannot create: %s", path, strerror(errno));
        goto fail;
    }
    f->stream = fdopen(fd, "wb");
    if (!f->stream) {
        status = cn_fail(err, CN_ERR_MEMORY, "%s: out of memory", path);
        close(fd);
        unlink(f->temporary);
        goto fail;
    }
    *file = f;
    return CN_OK;
fail:
    free_outfile(f);
    return status;
}

FILE *cn_outfile_stream(struct cn_outfile *file)
{
    return file->stream;
}

/* The rename itself has to reach the disk too. Some file systems refuse to sync a directory; the
 * file is in place all the same, so that is no failure. */
static void sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(dir);
}

/* What errno is left at, and the message. */
static enum cn_status failed(const struct cn_outfile *f, const char *what, int reason,
                             struct cn_error *err)
{
    enum cn_status status =
        cn_fail(err, CN_ERR_IO, "%s: %s failed: %s", f->path, what, strerror(reason));
    errno = reason;
    return status;
}

enum cn_status cn_outfile_seal(struct cn_outfile *file, struct cn_error *err)
{
    const char *what = NULL;
    int reason = 0;
    if (ferror(file->stream)) {
        what = "write";
        reason = EIO; /* who wrote knows better */
    } else if (fflush(file->stream) != 0) {
        what = "write";
        reason = errno;
    } else if (fsync(fileno(file->stream)) != 0) {
        what = "fsync";
        reason = errno;
    }
    /* Who is to remove temporary files when all goes wrong finds them by their descriptors. */
    file->held = dup(fileno(file->stream));
    if (fclose(file->stream) != 0 && !what) {
        what = "close";
        reason = errno;
    }
    file->stream = NULL;
    return what ? failed(file, what, reason, err) : CN_OK;
}

static void close_files(struct cn_outfile *file)
{
    if (file->stream)
        fclose(file->stream);
    if (file->held >= 0)
        close(file->held);
}

enum cn_status cn_outfile_finish(struct cn_outfile *file, struct cn_error *err)
{
    enum cn_status status = file->stream ? cn_outfile_seal(file, err) : CN_OK;
    if (status == CN_OK && rename(file->temporary, file->target) != 0)
        status = failed(file, "rename", errno, err);
    int reason = status == CN_OK ? 0 : errno;
    close_files(file);
    if (status == CN_OK)
        sync_directory(file->target);
    else
        unlink(file->temporary);
    errno = reason;
    free_outfile(file);
    return status;
}

void cn_outfile_abandon(struct cn_outfile *file)
{
    if (!file)
        return;
    close_files(file);
    unlink(file->temporary);
    free_outfile(file);
}

enum cn_status cn_outfile_probe(const char *path, struct cn_error *err)
{
    struct cn_outfile *f;
    CN_TRY(cn_outfile_create(path, &f, err));
    cn_outfile_abandon(f);
    return CN_OK;
}

/* ---- files that are not to be written over -----------------------------------------------------
 */

bool cn_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}
