/* SPDX-License-Identifier: MIT */
#include "bench/study/study_part.h"

#include "base/error.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_TARGETS = 64 };

/* ---- the targets ----------------------------------------------------------------------------- */

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
        if (pid < 0 && errno != EINTR)
            return cn_fail_errno(s->err, "cannot wait for the targets");
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
        if (s->o->progress && cn_study_count_left(s, &left) == CN_OK)
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
    CN_TRY(cn_study_count_left(s, &total));
    cn_study_db_close(s->db);
    s->db = NULL;
    for (size_t i = 0; i < n; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            be_worker(s, s->o->targets[i], parent);
        if (pids[i] < 0) {
            enum cn_status status = cn_fail_errno(s->err, "cannot start a process");
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
    if (status == CN_OK && !s->plan.kernels.formats.n)
        status = cn_study_prepare(s, &host);
    if (status == CN_OK)
        status = work(s);
    if (status == CN_OK)
        status = cn_study_count_left(s, &left);
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
    struct cn_study s = { .o = options, .err = err ? err : &none, .lock = -1 };
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
    enum cn_status status = cn_study_open(&s);
    if (status == CN_OK)
        status = run(&s, lack);
    if (s.db) {
        enum cn_status rested = cn_study_db_rest(s.db, status == CN_OK ? s.err : NULL);
        status = status == CN_OK ? rested : status;
    }
    cn_study_close(&s);
    return status;
}
