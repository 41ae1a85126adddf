/* SPDX-License-Identifier: MIT
 *
 * Shards put together. All parts have the same plan, hence the same run table, so that a run has
 * the same number everywhere; what is taken from each part is what was done in it.
 */
#include "bench/study/study_run.h"

#include "base/error.h"
#include "base/outfile.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* What every part must agree on, and what to say if one does not. */
static const struct {
    const char *sql, *what;
} conflicts[] = {
    {"SELECT count(*) FROM main.study a, part.study b WHERE a.plan <> b.plan OR a.seed <> b.seed",
     "it is of another plan"                                                                                                                                                    },
    { "SELECT count(*) FROM main.runs a JOIN part.runs b USING (run) WHERE a.block <> b.block OR "
      "a.cell <> b.cell OR a.position <> b.position",                                           "its run table is another one"                                             },
    { "SELECT count(*) FROM main.files a JOIN part.files b USING (file) WHERE a.sha256 <> b.sha256",
     "a model file of the same name is another one there (sha256 differs)"                                                                                                      },
    { "SELECT count(*) FROM main.tokens a JOIN part.tokens b USING (model, prompt) WHERE a.ids <> "
      "b.ids",                                                                                  "a prompt has other tokens there"                                          },
    { "SELECT count(*) FROM main.runs a JOIN part.runs b USING (run) WHERE a.status = 'done' AND "
      "b.status = 'done'",                                                                      "a run was done in two of the databases: these are not shards of one study"},
};

/* Devices get new numbers; the others keep theirs. */
static const char *const steps[] = {
    "INSERT OR IGNORE INTO main.devices (target, name, cpu, kernel, cpus, memory_bytes, caches, "
    "frequency, tiers) SELECT target, name, cpu, kernel, cpus, memory_bytes, caches, frequency, "
    "tiers FROM part.devices",

    "CREATE TEMP TABLE renumbered AS SELECT b.device AS old, a.device AS new FROM part.devices b "
    "JOIN main.devices a USING (target, name)",

    "INSERT OR IGNORE INTO main.limits SELECT new, threads, tier, read_gbps, int8_gops, f32_gflops "
    "FROM part.limits JOIN renumbered ON old = device",

    "INSERT OR REPLACE INTO main.files SELECT b.* FROM part.files b JOIN main.files a USING (file) "
    "WHERE a.status <> 'ready' AND b.status <> 'pending'",

    "INSERT OR IGNORE INTO main.tokens SELECT * FROM part.tokens",

    "UPDATE main.blocks SET target = (SELECT target FROM part.blocks b WHERE b.block = "
    "blocks.block) WHERE target IS NULL",

    /* A better outcome replaces a worse one. */
    "INSERT OR REPLACE INTO main.runs SELECT b.* FROM part.runs b JOIN main.runs a USING (run) "
    "WHERE b.status = 'done' OR (a.status = 'pending' AND b.status IN ('failed', 'skipped'))",

    "UPDATE main.runs SET device = (SELECT new FROM renumbered WHERE old = (SELECT device FROM "
    "part.runs b WHERE b.run = runs.run)) WHERE run IN (SELECT b.run FROM part.runs b WHERE "
    "b.device IS NOT NULL AND (b.status = 'done' OR b.status IN ('failed', 'skipped') AND "
    "b.started_s IS main.runs.started_s))",

    "INSERT OR REPLACE INTO main.phases SELECT p.* FROM part.phases p JOIN part.runs b USING (run) "
    "WHERE b.status = 'done'",

    "INSERT OR REPLACE INTO main.traces SELECT t.* FROM part.traces t JOIN part.runs b USING (run) "
    "WHERE b.status = 'done'",

    "INSERT OR REPLACE INTO main.quality SELECT b.* FROM part.quality b JOIN main.quality a USING "
    "(file, measure, text) WHERE a.status <> 'done' AND b.status <> 'pending'",

    "DROP TABLE renumbered",
};

/* Studies of earlier versions have no such table. */
static enum cn_status add_kernels(struct cn_study_db *db, struct cn_error *err)
{
    double there;
    CN_TRY(
        cn_study_number(db, &there, err,
                        "SELECT (SELECT count(*) FROM part.sqlite_master WHERE name = 'kernels') "
                        "* (SELECT count(*) FROM main.sqlite_master WHERE name = 'kernels')",
                        ""));
    return there < 1 ? CN_OK
                     : cn_study_exec(db, err,
                                     "INSERT INTO main.kernels SELECT k.* FROM part.kernels k JOIN "
                                     "part.runs b USING (run) WHERE b.status = 'done'",
                                     "");
}

/* The first part as it is: then the rest is added to it. */
static enum cn_status begin_with(const char *path, const char *out, const char *first,
                                 struct cn_error *err)
{
    struct cn_study_db *db;
    CN_TRY(cn_study_db_open(first, CN_STUDY_READ, &db, err));
    enum cn_status status = cn_study_db_copy(db, path, out, err);
    cn_study_db_close(db);
    return status;
}

static enum cn_status check(struct cn_study_db *db, const char *part, struct cn_error *err)
{
    for (size_t i = 0; i < sizeof conflicts / sizeof *conflicts; i++) {
        double n;
        CN_TRY(cn_study_number(db, &n, err, conflicts[i].sql, ""));
        CN_RETURN_IF(n > 0, CN_ERR_ARGUMENT, err, "%s: %s", part, conflicts[i].what);
    }
    return CN_OK;
}

static enum cn_status add(struct cn_study_db *db, const char *out, const char *part,
                          struct cn_error *err)
{
    char both[2 * PATH_MAX];
    struct cn_study_db *probe; /* ATTACH would create a file, and take any database */
    CN_TRY(cn_study_db_open(part, CN_STUDY_READ, &probe, err));
    cn_study_db_close(probe);
    CN_TRY(cn_study_exec(db, err, "PRAGMA foreign_keys = OFF", ""));
    cn_study_db_called(db, part); /* it is only read for now */
    CN_TRY(cn_study_exec(db, err, "ATTACH ?1 AS part", "s", part));
    enum cn_status status = check(db, part, err);
    snprintf(both, sizeof both, "%s, joining %s", out, part);
    cn_study_db_called(db, both);
    if (status == CN_OK)
        status = cn_study_exec(db, err, "BEGIN", ""); /* locks what is written to, and no part */
    if (status == CN_OK) {
        for (size_t i = 0; i < sizeof steps / sizeof *steps && status == CN_OK; i++)
            status = cn_study_exec(db, err, steps[i], "");
        if (status == CN_OK)
            status = add_kernels(db, err);
        enum cn_status ended = cn_study_end(db, status == CN_OK, err);
        status = status == CN_OK ? ended : status;
    }
    enum cn_status detached = cn_study_exec(db, status == CN_OK ? err : NULL, "DETACH part", "");
    return status == CN_OK ? detached : status;
}

static enum cn_status join(const char *path, const char *out, const char *const *parts, size_t n,
                           struct cn_error *err)
{
    struct cn_study_db *db;
    CN_TRY(begin_with(path, out, parts[0], err));
    CN_TRY(cn_study_db_open_as(path, out, CN_STUDY_ALONE, &db, err));
    enum cn_status status = CN_OK;
    for (size_t i = 1; i < n && status == CN_OK; i++)
        status = add(db, out, parts[i], err);
    cn_study_db_called(db, out);
    if (status == CN_OK)
        status = cn_study_exec(db, err, "UPDATE study SET shard = NULL", "");
    if (status == CN_OK) /* a part may be what a killed study left */
        status = cn_study_exec(db, err,
                               "UPDATE runs SET status = 'pending' WHERE status = 'running'", "");
    cn_study_db_close(db);
    return status;
}

enum cn_status cn_study_merge(const char *out, const char *const *parts, size_t n,
                              struct cn_error *err)
{
    struct cn_outfile *file;
    CN_TRY(cn_study_db_check(err));
    CN_RETURN_IF(n == 0, CN_ERR_ARGUMENT, err, "merge: nothing to join");
    CN_RETURN_IF(access(out, F_OK) == 0, CN_ERR_ARGUMENT, err, "%s: exists already", out);
    CN_TRY(cn_outfile_create(out, &file, err));
    enum cn_status status = join(cn_outfile_name(file), out, parts, n, err);
    if (status == CN_OK)
        return cn_outfile_finish_new(file, err);
    cn_outfile_abandon(file);
    return status;
}
