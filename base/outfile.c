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
    int fd;       /* open until the end: who is to remove temporary files finds them by it */
    int reason;   /* errno of the first write that failed; 0: none did */
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

/* A stream keeps one bit of what went wrong, long after errno is something else's. After the first
 * failure nothing more is written: a piece that fitted again would hide the gap. */
static ssize_t write_piece(void *cookie, const char *bytes, size_t n)
{
    struct cn_outfile *f = cookie;
    for (size_t done = 0; done < n && !f->reason;) {
        ssize_t put = write(f->fd, bytes + done, n - done);
        if (put > 0)
            done += (size_t)put;
        else if (put == 0 || errno != EINTR)
            f->reason = put == 0 ? EIO : errno;
    }
    if (f->reason)
        errno = f->reason;
    return f->reason ? 0 : (ssize_t)n;
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
    f->fd = -1;
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
    f->fd = open_temporary(f->temporary, name_bytes, f->target);
    if (f->fd < 0) {
        status = cn_fail(err, CN_ERR_IO, "%s: cannot create: %s", path, strerror(errno));
        goto fail;
    }
    f->stream = fopencookie(f, "w", (cookie_io_functions_t){ .write = write_piece });
    if (!f->stream) {
        status = cn_fail(err, CN_ERR_MEMORY, "%s: out of memory", path);
        close(f->fd);
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

const char *cn_outfile_name(const struct cn_outfile *file)
{
    return file->temporary;
}

int cn_outfile_descriptor(const struct cn_outfile *file)
{
    return file->fd;
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

static enum cn_status failed(const struct cn_outfile *f, const char *what, int reason,
                             struct cn_error *err)
{
    cn_fail(err, CN_ERR_IO, "%s: %s failed: %s", f->path, what, strerror(reason));
    errno = reason;
    return CN_ERR_IO;
}

enum cn_status cn_outfile_seal(struct cn_outfile *file, struct cn_error *err)
{
    bool written = fflush(file->stream) == 0 && !ferror(file->stream) && !file->reason;
    if (!written && !file->reason) /* by formatting, which has no memory for it */
        file->reason = errno ? errno : EIO;
    fclose(file->stream); /* the descriptor stays */
    file->stream = NULL;
    if (!written)
        return failed(file, "write", file->reason, err);
    return fsync(file->fd) == 0 ? CN_OK : failed(file, "fsync", errno, err);
}

/* Closes and frees; removes the temporary file unless it has its name. errno stays. */
static void end(struct cn_outfile *file, bool named)
{
    const int reason = errno;
    file->reason = ECANCELED; /* what is still in the buffer goes nowhere */
    if (file->stream)
        fclose(file->stream);
    close(file->fd);
    if (!named)
        unlink(file->temporary);
    free_outfile(file);
    errno = reason;
}

enum cn_status cn_outfile_finish(struct cn_outfile *file, struct cn_error *err)
{
    enum cn_status status = file->stream ? cn_outfile_seal(file, err) : CN_OK;
    if (status == CN_OK && rename(file->temporary, file->target) != 0)
        status = failed(file, "rename", errno, err);
    if (status == CN_OK)
        sync_directory(file->target);
    end(file, status == CN_OK);
    return status;
}

/* Gives the file its name if nothing has it. File systems without links are asked before. */
static int name_new(const struct cn_outfile *f)
{
    struct stat st;
    if (link(f->temporary, f->target) == 0) {
        unlink(f->temporary);
        return 0;
    }
    if (errno == EEXIST)
        return -1;
    if (lstat(f->target, &st) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(f->temporary, f->target);
}

enum cn_status cn_outfile_finish_new(struct cn_outfile *file, struct cn_error *err)
{
    enum cn_status status = file->stream ? cn_outfile_seal(file, err) : CN_OK;
    if (status == CN_OK && name_new(file) != 0)
        status = errno == EEXIST ? cn_fail(err, CN_ERR_ARGUMENT, "%s: exists already", file->path)
                                 : failed(file, "rename", errno, err);
    if (status == CN_OK)
        sync_directory(file->target);
    end(file, status == CN_OK);
    return status;
}

/* ---- several files at once ------------------------------------------------------------------- */

/* One of a set while it gets its name. */
struct change {
    char *old;    /* name under which what was there is kept; NULL: nothing was there */
    bool changed; /* the name has something else by now, or nothing */
};

/* Keeps what has the name, under a second one too. False with errno. */
static bool keep_old(const struct cn_outfile *f, struct change *c)
{
    struct stat st;
    if (lstat(f->target, &st) != 0)
        return errno == ENOENT;
    if (!S_ISREG(st.st_mode)) { /* it was one at the start */
        errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        return false;
    }
    size_t n_bytes = strlen(f->target) + 40;
    c->old = malloc(n_bytes);
    if (!c->old)
        return false;
    for (int i = 0; i < 100; i++) {
        int n = snprintf(c->old, n_bytes, "%s.old-%ld", f->target, (long)getpid());
        if (i > 0)
            snprintf(c->old + n, n_bytes - (size_t)n, "-%d", i);
        if (link(f->target, c->old) == 0)
            return true;
        if (errno != EEXIST)
            break;
    }
    /* Without links it has to leave its name. */
    if ((errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK) &&
        rename(f->target, c->old) == 0) {
        c->changed = true;
        return true;
    }
    const int reason = errno;
    free(c->old);
    c->old = NULL;
    errno = reason;
    return false;
}

/* *what: the call that failed, as text; the file is the one returned, NULL if all have their names.
 */
static const struct cn_outfile *change_names(struct cn_outfile *const *files,
                                             struct change *changes, size_t n, const char **what)
{
    *what = "keeping what is there";
    for (size_t i = 0; i < n; i++)
        if (!keep_old(files[i], &changes[i]))
            return files[i];
    *what = "rename";
    if (changes[0].old && !changes[0].changed) {
        changes[0].changed = true;
        if (unlink(files[0]->target) != 0)
            return files[0];
    }
    for (size_t i = n; i-- > 0;) {
        changes[i].changed = true;
        if (rename(files[i]->temporary, files[i]->target) != 0)
            return files[i];
    }
    return NULL;
}

/* Puts everything back as it was, the first last. The first file whose old one could not be; NULL
 * if all could. */
static const struct change *change_back(struct cn_outfile *const *files, struct change *changes,
                                        size_t n)
{
    const struct change *stuck = NULL;
    for (size_t i = n; i-- > 0;) {
        struct change *c = &changes[i];
        if (stuck && i == 0)
            continue; /* half a set is not to open */
        if (c->changed && !c->old)
            unlink(files[i]->target);
        else if (c->changed && rename(c->old, files[i]->target) != 0)
            stuck = c;
        else if (c->old) /* also after rename, which leaves both names if they are one file's */
            unlink(c->old);
    }
    return stuck;
}

enum cn_status cn_outfile_finish_all(struct cn_outfile *const *files, size_t n,
                                     struct cn_error *err)
{
    struct change *changes = calloc(n ? n : 1, sizeof *changes);
    enum cn_status status = changes ? CN_OK : cn_fail(err, CN_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < n && status == CN_OK; i++)
        if (files[i]->stream)
            status = cn_outfile_seal(files[i], err);
    bool named = false;
    if (status == CN_OK && n) {
        const char *what;
        const struct cn_outfile *stuck = change_names(files, changes, n, &what);
        const int reason = errno;
        named = !stuck;
        if (stuck) {
            const struct change *lost = change_back(files, changes, n);
            status = CN_ERR_IO;
            if (lost)
                cn_fail(err, status,
                        "%s: %s failed: %s; what was there is now under %s and names like it",
                        stuck->path, what, strerror(reason), lost->old);
            else
                cn_fail(err, status, "%s: %s failed: %s; all files are as they were", stuck->path,
                        what, strerror(reason));
            errno = reason;
        } else {
            sync_directory(files[0]->target);
            for (size_t i = 0; i < n; i++)
                if (changes[i].old)
                    unlink(changes[i].old);
        }
    }
    const int reason = errno;
    for (size_t i = 0; i < n; i++) {
        if (changes)
            free(changes[i].old);
        end(files[i], named);
    }
    free(changes);
    errno = reason;
    return status;
}

void cn_outfile_abandon(struct cn_outfile *file)
{
    if (file)
        end(file, false);
}

enum cn_status cn_outfile_probe(const char *path, struct cn_error *err)
{
    struct cn_outfile *f;
    CN_TRY(cn_outfile_create(path, &f, err));
    cn_outfile_abandon(f);
    return CN_OK;
}

/* ---- files that are not to be written over --------------------------------------------------- */

bool cn_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}
