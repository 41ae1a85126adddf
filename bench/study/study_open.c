/* SPDX-License-Identifier: MIT
 *
 * A study's plan, database and work folder: found or made, matched, and held by one process.
 */
#include "bench/study/study_part.h"

#include "base/error.h"
#include "base/plain_text.h"
#include "base/readfile.h"
#include "engine/tools.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PLAN_BYTES = 1 << 20 };

/* The plan's text, from its file or the database, and where it is. */
struct text {
    char *bytes;
    size_t n;
    char folder[PATH_MAX];
    char name[PATH_MAX];
};

static enum cn_status read_plan_file(const char *path, struct text *t, struct cn_error *err)
{
    const struct cn_readfile_options o = { .max_bytes = MAX_PLAN_BYTES, .regular = true };
    char full[PATH_MAX];
    CN_TRY(cn_readfile(path, &o, &t->bytes, &t->n, err));
    t->n = cn_plain_text(t->bytes, t->n);
    if (!realpath(path, full))
        return cn_fail_errno(err, "%s", path);
    *strrchr(full, '/') = 0;
    snprintf(t->folder, sizeof t->folder, "%s", full[0] ? full : "/");
    snprintf(t->name, sizeof t->name, "%s", path);
    return CN_OK;
}

static enum cn_status read_plan_db(struct cn_study_db *db, struct text *t, struct cn_error *err)
{
    struct cn_study_rows *rows;
    CN_TRY(cn_study_select(db, &rows, err, "SELECT plan, folder FROM study", ""));
    enum cn_status status = CN_OK;
    if (!cn_study_rows_next(rows) || !cn_study_rows_text(rows, 0) || !cn_study_rows_text(rows, 1))
        status = cn_fail(err, CN_ERR_FORMAT, "%s: holds no study", cn_study_db_path(db));
    else if (!(t->bytes = strdup(cn_study_rows_text(rows, 0))))
        status = cn_fail(err, CN_ERR_MEMORY, "out of memory");
    else {
        t->n = strlen(t->bytes);
        snprintf(t->folder, sizeof t->folder, "%s", cn_study_rows_text(rows, 1));
        snprintf(t->name, sizeof t->name, "the plan in %.4000s", cn_study_db_path(db));
    }
    /* A row that could not be read is not one that is not there. */
    struct cn_error unread;
    if (cn_study_rows_close(rows, &unread) != CN_OK)
        status = cn_fail(err, CN_ERR_IO, "%s", unread.text);
    return status;
}

/* ---- one process at a time: two would run the same run --------------------------------------- */

/* Locks the file itself, whatever names and folders lead to it, until all copies of the descriptor
 * are closed: also those of workers. The place is beyond those that SQLite locks. */
static enum cn_status lock(int fd, const char *name, struct cn_error *err)
{
    struct flock place = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)1 << 62, .l_len = 1
    };
    if (fcntl(fd, F_OFD_SETLK, &place) == 0)
        return CN_OK;
    CN_RETURN_IF(errno == EAGAIN || errno == EACCES, CN_ERR_ARGUMENT, err,
                 "%s is being worked on by another `carnot study run`", name);
    return cn_fail_errno(err, "%s: cannot be locked", name);
}

/* CN_OK and *s->lock < 0: there is no database yet. */
static enum cn_status hold_existing(struct cn_study *s)
{
    struct stat held, there;
    const char *path = s->o->db;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return CN_OK;
    if (fd < 0)
        return cn_fail_errno(s->err, "%s: cannot open", path);
    enum cn_status status = lock(fd, path, s->err);
    if (status == CN_OK && (fstat(fd, &held) != 0 || stat(path, &there) != 0))
        status = cn_fail_errno(s->err, "%s", path);
    if (status == CN_OK && (held.st_dev != there.st_dev || held.st_ino != there.st_ino))
        status = cn_fail(s->err, CN_ERR_IO, "%s: was replaced while it was opened", path);
    if (status == CN_OK)
        s->lock = fd;
    else
        close(fd);
    return status;
}

static enum cn_status fill(const struct cn_study *s, struct cn_outfile *file,
                           const struct cn_study_plan_source *source)
{
    struct cn_study_db *db;
    CN_TRY(cn_study_db_open_as(cn_outfile_name(file), s->o->db, CN_STUDY_CREATE, &db, s->err));
    enum cn_status status = cn_study_table_create(db, &s->plan, source, s->o->shard, s->err);
    cn_study_db_close(db);
    return status;
}

/* A new database appears under its name, locked, when its run table is complete and on the disk.
 * CN_ERR_ARGUMENT and errno EEXIST: another process was faster. */
static enum cn_status create(struct cn_study *s, const struct cn_study_plan_source *source)
{
    struct cn_outfile *file;
    CN_TRY(cn_outfile_create(s->o->db, &file, s->err));
    errno = 0;
    enum cn_status status = fill(s, file, source);
    const int fd = status == CN_OK ? fcntl(cn_outfile_descriptor(file), F_DUPFD_CLOEXEC, 0) : -1;
    if (status == CN_OK)
        status = fd < 0 ? cn_fail_errno(s->err, "%s", s->o->db) : lock(fd, s->o->db, s->err);
    if (status != CN_OK) {
        cn_outfile_abandon(file);
        errno = 0;
    } else {
        errno = 0;
        status = cn_outfile_finish_new(file, s->err);
    }
    if (status == CN_OK)
        s->lock = fd;
    else if (fd >= 0) {
        const int reason = errno;
        close(fd);
        errno = reason;
    }
    return status;
}

/* ---- plan and database ----------------------------------------------------------------------- */

/* Plan and database, which fit each other. only_look: changes nothing, and makes nothing. */
static enum cn_status load(struct cn_study *s, struct text *t, bool there, bool only_look)
{
    const struct cn_study_options *o = s->o;
    if (o->plan)
        CN_TRY(read_plan_file(o->plan, t, s->err));
    if (there)
        CN_TRY(cn_study_db_open(o->db, only_look ? CN_STUDY_READ : CN_STUDY_WRITE, &s->db, s->err));
    if (!o->plan)
        CN_TRY(read_plan_db(s->db, t, s->err));
    struct cn_study_plan_source source = { .text = t->bytes,
                                           .n_bytes = t->n,
                                           .name = t->name,
                                           .folder = t->folder,
                                           .default_model = o->default_model };
    s->shard = o->shard;
    if (there)
        CN_TRY(cn_study_table_match(s->db, o->plan ? &source : NULL, &s->shard, s->err));
    CN_TRY(cn_study_plan_parse(&source, &s->plan, s->err));
    if (there)
        return CN_OK;
    CN_TRY(cn_study_plan_look(&source, &s->plan, s->err));
    if (only_look)
        return CN_OK;
    enum cn_status status = create(s, &source);
    if (status == CN_ERR_ARGUMENT && errno == EEXIST) {
        /* Whoever made it holds it, or is done with it. */
        CN_TRY(hold_existing(s));
        status = s->lock >= 0 ? CN_OK : cn_fail(s->err, CN_ERR_IO, "%s: came and went", o->db);
    }
    if (status == CN_OK)
        status = cn_study_db_open(o->db, CN_STUDY_WRITE, &s->db, s->err);
    return status == CN_OK ? cn_study_table_match(s->db, &source, &s->shard, s->err) : status;
}

enum cn_status cn_study_count_left(struct cn_study *s, double *left)
{
    return cn_study_number(s->db, left, s->err,
                           "SELECT count(*) FROM runs WHERE status IN ('pending', 'running') AND "
                           "(block - ?1) % ?2 = 0",
                           "ii", (int64_t)s->shard.i, (int64_t)s->shard.n);
}

/* The meters of other targets are looked at when those are reached. */
static enum cn_status look_at_meter(struct cn_study *s)
{
    bool here = s->o->n_targets == 0;
    double left = 1;
    for (size_t i = 0; i < s->o->n_targets; i++)
        here |= strcmp(s->o->targets[i], "local") == 0;
    if (s->db)
        CN_TRY(cn_study_count_left(s, &left));
    return here && left > 0 ? cn_study_check_local_meter(s) : CN_OK;
}

/* Before a folder is made: a plan or a database that is refused leaves nothing behind. */
static enum cn_status look(const struct cn_study_options *options, struct cn_error *err)
{
    struct cn_study s = { .o = options, .err = err, .lock = -1 };
    struct text *text = calloc(1, sizeof *text);
    CN_RETURN_IF(!text, CN_ERR_MEMORY, err, "out of memory");
    enum cn_status status = load(&s, text, access(options->db, F_OK) == 0, true);
    if (status == CN_OK)
        status = look_at_meter(&s);
    free(text->bytes);
    free(text);
    cn_study_close(&s);
    return status;
}

/* *made: whether it was not there. */
static enum cn_status make_work(struct cn_study *s, bool *made)
{
    const struct cn_study_options *o = s->o;
    char path[PATH_MAX];
    int n = o->work ? snprintf(path, sizeof path, "%s", o->work)
                    : snprintf(path, sizeof path, "%s.work", o->db);
    CN_RETURN_IF(n >= 3800, CN_ERR_ARGUMENT, s->err, "the work folder's path is too long");
    *made = mkdir(path, 0777) == 0;
    if ((!*made && errno != EEXIST) || !realpath(path, s->work))
        return cn_fail_errno(s->err, "%s", path);
    return CN_OK;
}

/* What the files of this study are called in a work folder that it shares: a name that no other
 * database has at the same time. */
static enum cn_status take_tag(struct cn_study *s)
{
    struct stat st;
    if (fstat(s->lock, &st) != 0)
        return cn_fail_errno(s->err, "%s", s->o->db);
    const char *slash = strrchr(s->o->db, '/');
    snprintf(s->tag, sizeof s->tag, "%.60s-%jx.%jx", slash ? slash + 1 : s->o->db,
             (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return CN_OK;
}

enum cn_status cn_study_open(struct cn_study *s)
{
    CN_TRY(look(s->o, s->err));
    struct text *text = calloc(1, sizeof *text);
    CN_RETURN_IF(!text, CN_ERR_MEMORY, s->err, "out of memory");
    bool made = false;
    enum cn_status status = hold_existing(s);
    if (status == CN_OK)
        status = make_work(s, &made);
    if (status == CN_OK)
        status = load(s, text, s->lock >= 0, false);
    if (status == CN_OK)
        status = take_tag(s);
    if (status != CN_OK && made)
        rmdir(s->work[0] ? s->work : s->o->work);
    free(text->bytes);
    free(text);
    return status;
}

void cn_study_close(struct cn_study *s)
{
    cn_study_db_close(s->db);
    s->db = NULL;
    cn_study_plan_free(&s->plan);
    /* Not before SQLite has closed it: whoever closes a file loses the locks that SQLite has on it.
     */
    if (s->lock >= 0)
        close(s->lock);
    s->lock = -1;
}
