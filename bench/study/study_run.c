/* SPDX-License-Identifier: MIT */
#include "bench/study/study_part.h"

#include "base/error.h"
#include "base/plain_text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PLAN_BYTES = 1 << 20, MAX_TARGETS = 64 };

/* The plan's text, from its file or the database, and where it is. */
struct text {
    char *bytes;
    size_t n;
    char folder[PATH_MAX];
    char name[PATH_MAX];
};

static enum cn_status read_plan_file(const char *path, struct text *t, struct cn_error *err)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    CN_RETURN_IF(!f, CN_ERR_IO, err, "%s: %s", path, strerror(errno));
    bool fits = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= MAX_PLAN_BYTES;
    t->bytes = fits ? calloc(1, (size_t)st.st_size + 1) : NULL;
    t->n = t->bytes ? cn_plain_text(t->bytes, fread(t->bytes, 1, (size_t)st.st_size, f)) : 0;
    fclose(f);
    CN_RETURN_IF(!fits, CN_ERR_FORMAT, err, "%s: a text file of at most %d MiB expected", path,
                 MAX_PLAN_BYTES >> 20);
    CN_RETURN_IF(!t->bytes, CN_ERR_MEMORY, err, "out of memory");
    char full[PATH_MAX];
    CN_RETURN_IF(!realpath(path, full), CN_ERR_IO, err, "%s: %s", path, strerror(errno));
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
    enum cn_status closed = cn_study_rows_close(rows, status == CN_OK ? err : NULL);
    return status == CN_OK ? closed : status;
}

/* ---- folder, lock, database ---------------------------------------------------------------------
 */

static enum cn_status make_work(struct cn_study *s)
{
    const struct cn_study_options *o = s->o;
    char path[PATH_MAX];
    int n = o->work ? snprintf(path, sizeof path, "%s", o->work)
                    : snprintf(path, sizeof path, "%s.work", o->db);
    CN_RETURN_IF(n >= 3800, CN_ERR_ARGUMENT, s->err, "the work folder's path is too long");
    CN_RETURN_IF(mkdir(path, 0777) != 0 && errno != EEXIST, CN_ERR_IO, s->err, "%s: %s", path,
                 strerror(errno));
    CN_RETURN_IF(!realpath(path, s->work), CN_ERR_IO, s->err, "%s: %s", path, strerror(errno));
    const char *slash = strrchr(o->db, '/');
    snprintf(s->tag, sizeof s->tag, "%s", slash ? slash + 1 : o->db);
    return CN_OK;
}

/* One process at a time: two would run the same run. The lock goes with the process, however it
 * ends. */
static enum cn_status take_lock(const struct cn_study *s, int *fd)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.3800s/%s.lock", s->work, s->tag);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    CN_RETURN_IF(*fd < 0, CN_ERR_IO, s->err, "%s: %s", path, strerror(errno));
    CN_RETURN_IF(flock(*fd, LOCK_EX | LOCK_NB) != 0, CN_ERR_ARGUMENT, s->err,
                 "%s is being worked on by another `carnot study run`", s->o->db);
    return CN_OK;
}

/* A new database appears under its name when its run table is complete. */
static enum cn_status create(struct cn_study *s, const struct cn_study_plan_source *source)
{
    char path[PATH_MAX];
    struct cn_study_db *db;
    snprintf(path, sizeof path, "%.4000s.new", s->o->db);
    unlink(path);
    CN_TRY(cn_study_db_open(path, CN_STUDY_CREATE, &db, s->err));
    struct cn_study_shard shard = s->o->shard;
    enum cn_status status = cn_study_table_create(db, &s->plan, source, shard, s->err);
    cn_study_db_close(db);
    if (status == CN_OK && rename(path, s->o->db) != 0)
        status = cn_fail(s->err, CN_ERR_IO, "%s: %s", s->o->db, strerror(errno));
    if (status != CN_OK)
        unlink(path);
    return status;
}

/* Plan and database, which fit each other. only_look: changes nothing, and makes nothing. */
static enum cn_status load(struct cn_study *s, struct text *t, bool only_look)
{
    const struct cn_study_options *o = s->o;
    bool there = access(o->db, F_OK) == 0;
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
    CN_TRY(create(s, &source));
    CN_TRY(cn_study_db_open(o->db, CN_STUDY_WRITE, &s->db, s->err));
    return cn_study_table_match(s->db, &source, &s->shard, s->err);
}

static void unload(struct cn_study *s, struct text *t)
{
    cn_study_db_close(s->db);
    s->db = NULL;
    cn_study_plan_free(&s->plan);
    free(t->bytes);
    *t = (struct text){ .bytes = NULL };
}

static enum cn_status count_left(struct cn_study *s, double *left)
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
        CN_TRY(count_left(s, &left));
    return here && left > 0 ? cn_study_check_local_meter(s) : CN_OK;
}

/* Before a folder is made: a plan or a database that is refused leaves nothing behind. */
static enum cn_status look(const struct cn_study_options *options, struct cn_error *err)
{
    struct cn_study s = { .o = options, .err = err };
    struct text text = { .bytes = NULL };
    enum cn_status status = load(&s, &text, true);
    if (status == CN_OK)
        status = look_at_meter(&s);
    unload(&s, &text);
    return status;
}

/* ---- the targets --------------------------------------------------------------------------------
 */

static _Noreturn void be_worker(struct cn_study *s, const char *target, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    enum cn_status status = cn_study_db_open(s->o->db, CN_STUDY_WRITE, &s->db, s->err);
    if (status == CN_OK)
        status = cn_study_work(s, target, false);
    if (status != CN_OK)
        cn_study_note(s, "%s: %s", target, s->err->text);
    cn_study_db_close(s->db);
    _exit(status == CN_OK ? 0 : status == CN_ERR_CANCELLED ? 3 : 1);
}

/* Waits for all workers, showing how far they are together. */
static enum cn_status supervise(struct cn_study *s, pid_t *pids, size_t n, double total)
{
    size_t running = n, failed = 0;
    bool interrupted = false;
    while (running) {
        int status;
        double left;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        for (size_t i = 0; pid > 0 && i < n; i++)
            if (pids[i] == pid) {
                pids[i] = 0;
                running--;
                failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
            }
        if (pid > 0)
            continue;
        if (!interrupted && s->o->cancel && s->o->cancel(s->o->user)) {
            interrupted = true;
            for (size_t i = 0; i < n; i++)
                if (pids[i])
                    kill(pids[i], SIGINT);
        }
        if (s->o->progress && count_left(s, &left) == CN_OK)
            s->o->progress(s->o->user, "runs", total - left, total);
        nanosleep(&(struct timespec){ 0, 200000000 }, NULL);
    }
    CN_RETURN_IF(interrupted, CN_ERR_CANCELLED, s->err, "interrupted");
    CN_RETURN_IF(failed, CN_ERR_IO, s->err, "%zu of %zu targets failed", failed, n);
    return CN_OK;
}

/* One process for each target. A database connection must not be used on both sides of a fork. */
static enum cn_status work_on_many(struct cn_study *s)
{
    pid_t pids[MAX_TARGETS], parent = getpid();
    size_t n = s->o->n_targets;
    double total;
    CN_RETURN_IF(n > MAX_TARGETS, CN_ERR_ARGUMENT, s->err, "at most %d targets expected",
                 MAX_TARGETS);
    CN_TRY(count_left(s, &total));
    cn_study_db_close(s->db);
    s->db = NULL;
    for (size_t i = 0; i < n; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            be_worker(s, s->o->targets[i], parent);
        if (pids[i] < 0) {
            enum cn_status status =
                cn_fail(s->err, CN_ERR_IO, "cannot start a process: %s", strerror(errno));
            for (size_t k = 0; k < i; k++)
                kill(pids[k], SIGKILL);
            return status;
        }
    }
    CN_TRY(cn_study_db_open(s->o->db, CN_STUDY_WRITE, &s->db, s->err));
    return supervise(s, pids, n, total);
}

static enum cn_status work(struct cn_study *s)
{
    if (s->o->retry)
        CN_TRY(cn_study_exec(s->db, s->err,
                             "UPDATE quality SET status = 'pending', reason = NULL WHERE status = "
                             "'failed'",
                             ""));
    if (s->o->retry)
        CN_TRY(cn_study_exec(s->db, s->err,
                             "UPDATE runs SET status = 'pending', reason = NULL WHERE status = "
                             "'failed'",
                             ""));
    if (s->o->n_targets > 1)
        return work_on_many(s);
    return cn_study_work(s, s->o->n_targets ? s->o->targets[0] : "local", true);
}

static enum cn_status count(struct cn_study *s, size_t *n, const char *sql, bool of_shard)
{
    double found = 0;
    if (of_shard)
        CN_TRY(cn_study_number(s->db, &found, s->err, sql, "ii", (int64_t)s->shard.i,
                               (int64_t)s->shard.n));
    else
        CN_TRY(cn_study_number(s->db, &found, s->err, sql, ""));
    *n = (size_t)found;
    return CN_OK;
}

static enum cn_status count_lack(struct cn_study *s, struct cn_study_lack *lack)
{
#define RUNS "SELECT count(*) FROM runs WHERE (block - ?1) % ?2 = 0"
    CN_TRY(count(s, &lack->n_runs, RUNS, true));
    CN_TRY(count(s, &lack->n_failed, RUNS " AND status = 'failed'", true));
    CN_TRY(count(s, &lack->n_skipped, RUNS " AND status = 'skipped'", true));
    CN_TRY(count(s, &lack->n_quality, "SELECT count(*) FROM quality", false));
    return count(s, &lack->n_quality_failed, "SELECT count(*) FROM quality WHERE status = 'failed'",
                 false);
#undef RUNS
}

static enum cn_status run(struct cn_study *s, struct cn_study_lack *lack)
{
    struct cn_study_site host;
    double left = 0;
    enum cn_status status = cn_study_site_open(s, "local", &host);
    if (status == CN_OK)
        status = cn_study_prepare(s, &host);
    if (status == CN_OK)
        status = work(s);
    if (status == CN_OK)
        status = count_left(s, &left);
    if (status == CN_OK && left > 0)
        status = cn_fail(s->err, CN_ERR_ARGUMENT,
                         "%.0f runs are left: their blocks were begun on other targets; name those "
                         "with --target",
                         left);
    if (status == CN_OK)
        status = cn_study_measure_quality(s, &host);
    if (status == CN_OK)
        status = count_lack(s, lack);
    if (s->o->progress)
        s->o->progress(s->o->user, "", 1, 1);
    cn_study_site_close(&host);
    return status;
}

enum cn_status cn_study_run(const struct cn_study_options *options, struct cn_study_lack *lack,
                            struct cn_error *err)
{
    struct cn_error none = { "" };
    struct cn_study s = { .o = options, .err = err ? err : &none };
    struct text text = { .bytes = NULL };
    int lock = -1;
    CN_TRY(cn_study_db_check(err));
    for (size_t i = 0; i < options->n_targets; i++) {
        const char *address;
        for (size_t k = 0; k < i; k++)
            CN_RETURN_IF(!strcmp(options->targets[i], options->targets[k]), CN_ERR_ARGUMENT, err,
                         "target '%s' is there twice", options->targets[i]);
        CN_RETURN_IF(!cn_study_target_find(options->targets[i], &address), CN_ERR_ARGUMENT, err,
                     "target '%s': local, adb:SERIAL or ssh:HOST expected, as far as built in",
                     options->targets[i]);
    }
    const char *needed = options->plan ? options->plan : options->db;
    CN_RETURN_IF(access(needed, R_OK) != 0, CN_ERR_IO, err, "%s: %s%s", needed, strerror(errno),
                 options->plan ? "" : " (name a plan to begin a study with)");
    CN_TRY(look(options, s.err));
    enum cn_status status = make_work(&s);
    if (status == CN_OK)
        status = take_lock(&s, &lock);
    if (status == CN_OK)
        status = load(&s, &text, false);
    if (status == CN_OK)
        status = run(&s, lack);
    /* A study at rest is one plain file, which can be copied and read anywhere. */
    if (s.db)
        cn_study_exec(s.db, NULL, "PRAGMA journal_mode = DELETE", "");
    unload(&s, &text);
    if (lock >= 0)
        close(lock);
    return status;
}
