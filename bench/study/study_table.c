/* SPDX-License-Identifier: MIT */
#include "bench/study/study_table.h"

#include "base/error.h"
#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const int64_t NONE = INT64_MIN; /* NULL to the database */

static int64_t or_none(int v)
{
    return v ? v : NONE;
}

static bool is_float(const char *quant)
{
    return !strcmp(quant, "F16") || !strcmp(quant, "BF16") || !strcmp(quant, "F32");
}

/* What a ready file's divergence is from: the float one of the same model. */
static const char *base_of(const struct cn_study_plan *plan, const char *label)
{
    for (size_t i = 0; i < plan->n_models; i++) {
        const struct cn_study_model *m = &plan->models[i];
        if (strcmp(m->label, label) == 0 && (!m->quant || is_float(m->quant)))
            return m->path;
    }
    return NULL;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static enum cn_status put_study(struct cn_study_db *db, const struct cn_study_plan *plan,
                                const struct cn_study_plan_source *source,
                                struct cn_study_shard shard, struct cn_error *err)
{
    char part[32] = "";
    if (shard.n > 1)
        snprintf(part, sizeof part, "%d/%d", shard.i, shard.n);
    char *text = strndup(source->text, source->n_bytes);
    CN_RETURN_IF(!text, CN_ERR_MEMORY, err, "out of memory");
    enum cn_status status = cn_study_exec(
        db, err,
        "INSERT INTO study (id, name, plan, seed, n_blocks, folder, shard, created_s) "
        "VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        "ssiissd", plan->name, text, (int64_t)plan->seed, (int64_t)plan->repetitions,
        source->folder, part[0] ? part : NULL, (double)time(NULL));
    free(text);
    return status;
}

static enum cn_status put_files(struct cn_study_db *db, const struct cn_study_plan *plan,
                                int64_t *n_files, struct cn_error *err)
{
    *n_files = 0;
    for (size_t i = 0; i < plan->n_models; i++) {
        const struct cn_study_model *m = &plan->models[i];
        for (size_t q = 0; q < (m->quant ? 1 : plan->quants.n); q++) {
            ++*n_files;
            CN_TRY(cn_study_exec(db, err,
                                 "INSERT INTO files (file, model, quant, source, path) "
                                 "VALUES (?1, ?2, ?3, ?4, ?5)",
                                 "issss", *n_files, m->label,
                                 m->quant ? m->quant : plan->quants.items[q],
                                 m->quant ? NULL : m->path, m->quant ? m->path : NULL));
            if (plan->kernels.formats.n) /* nothing to make, nothing to read */
                CN_TRY(cn_study_exec(db, err,
                                     "UPDATE files SET status = 'ready', path = NULL, file_type = "
                                     "quant WHERE file = ?1",
                                     "i", *n_files));
            for (size_t k = 0; k < plan->n_quality; k++) {
                const struct cn_study_quality *quality = &plan->quality[k];
                bool distance = strcmp(quality->measure, "divergence") == 0;
                CN_TRY(cn_study_exec(
                    db, err,
                    "INSERT INTO quality (file, measure, text, base) VALUES (?1, ?2, ?3, ?4)",
                    "isss", *n_files, quality->measure, quality->path,
                    distance ? base_of(plan, m->label) : NULL));
            }
        }
    }
    return CN_OK;
}

static enum cn_status put_prompts(struct cn_study_db *db, const struct cn_study_plan *plan,
                                  struct cn_error *err)
{
    for (size_t i = 0; i < plan->n_prompts; i++) {
        const struct cn_study_prompt *p = &plan->prompts[i];
        CN_TRY(cn_study_exec(
            db, err, "INSERT INTO prompts (prompt, name, text, chat) VALUES (?1, ?2, ?3, ?4)",
            "issi", (int64_t)i + 1, p->name, p->text ? p->text : "",
            (int64_t)(plan->chat && p->text)));
        for (size_t k = 0; k < p->arguments.n; k++)
            CN_TRY(cn_study_exec(db, err,
                                 "INSERT INTO template_args (prompt, argument) VALUES (?1, ?2)",
                                 "is", (int64_t)i + 1, p->arguments.items[k]));
        for (size_t m = 0; p->ids && m < plan->n_models; m++)
            CN_TRY(cn_study_exec(
                db, err, "INSERT OR IGNORE INTO tokens (model, prompt, ids) VALUES (?1, ?2, ?3)",
                "sis", plan->models[m].label, (int64_t)i + 1, p->ids));
    }
    return CN_OK;
}

/* Every combination, the last factor changing fastest. */
static enum cn_status put_cells(struct cn_study_db *db, const struct cn_study_plan *plan,
                                int64_t n_files, int64_t n_cells, struct cn_error *err)
{
    const size_t sizes[] = { (size_t)n_files, plan->tiers.n,   plan->n_threads, plan->kvs.n,
                             plan->n_levers,  plan->n_prompts, plan->n_inputs,  plan->n_outputs };
    enum { FILE_, TIERS, THREADS, KV, LEVER, PROMPT, INPUT, OUTPUT, N_FACTORS };
    for (int64_t c = 0; c < n_cells; c++) {
        size_t at[N_FACTORS], left = (size_t)c;
        for (int f = N_FACTORS - 1; f >= 0; f--) {
            at[f] = left % sizes[f];
            left /= sizes[f];
        }
        const char *tiers = plan->tiers.items[at[TIERS]];
        const struct cn_study_threads *threads = &plan->threads[at[THREADS]];
        CN_TRY(cn_study_exec(
            db, err,
            "INSERT INTO cells (cell, file, tiers, threads, threads_prefill, kv, lever, prompt, "
            "input_length, output_length) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            "iisiissiii", c + 1, (int64_t)at[FILE_] + 1, *tiers ? tiers : NULL,
            or_none(threads->decode), or_none(threads->prefill), plan->kvs.items[at[KV]],
            *plan->levers[at[LEVER]].name ? plan->levers[at[LEVER]].name : NULL,
            (int64_t)at[PROMPT] + 1, or_none(plan->inputs[at[INPUT]]),
            (int64_t)plan->outputs[at[OUTPUT]]));
    }
    return CN_OK;
}

static enum cn_status put_runs(struct cn_study_db *db, const struct cn_study_plan *plan,
                               int64_t n_cells, struct cn_error *err)
{
    int64_t *order = malloc((size_t)n_cells * sizeof *order), run = 0;
    CN_RETURN_IF(!order, CN_ERR_MEMORY, err, "out of memory");
    enum cn_status status = CN_OK;
    for (int64_t b = 1; b <= plan->repetitions && status == CN_OK; b++) {
        struct cn_rng rng = { plan->seed + ((uint64_t)b << 32) };
        for (int64_t i = 0; i < n_cells; i++)
            order[i] = i + 1;
        for (int64_t i = n_cells - 1; i > 0; i--) {
            int64_t k = (int64_t)cn_rng_below(&rng, (uint64_t)i + 1), cell = order[i];
            order[i] = order[k];
            order[k] = cell;
        }
        status = cn_study_exec(db, err, "INSERT INTO blocks (block) VALUES (?1)", "i", b);
        for (int64_t i = 0; i < n_cells && status == CN_OK; i++)
            status = cn_study_exec(
                db, err, "INSERT INTO runs (run, block, position, cell) VALUES (?1, ?2, ?3, ?4)",
                "iiii", ++run, b, i + 1, order[i]);
    }
    free(order);
    return status;
}

static enum cn_status fill(struct cn_study_db *db, const struct cn_study_plan *plan,
                           const struct cn_study_plan_source *source, struct cn_study_shard shard,
                           struct cn_error *err)
{
    int64_t n_files;
    CN_TRY(put_study(db, plan, source, shard, err));
    CN_TRY(put_files(db, plan, &n_files, err));
    CN_TRY(put_prompts(db, plan, err));
    double cells = (double)n_files * (double)plan->tiers.n * (double)plan->n_threads *
                   (double)plan->kvs.n * (double)plan->n_levers * (double)plan->n_prompts *
                   (double)plan->n_inputs * (double)plan->n_outputs;
    CN_RETURN_IF(cells * plan->repetitions > CN_STUDY_MAX_RUNS, CN_ERR_ARGUMENT, err,
                 "%s: %.0f combinations x %d repetitions; at most %d runs expected", source->name,
                 cells, plan->repetitions, CN_STUDY_MAX_RUNS);
    CN_TRY(put_cells(db, plan, n_files, (int64_t)cells, err));
    return put_runs(db, plan, (int64_t)cells, err);
}

enum cn_status cn_study_table_create(struct cn_study_db *db, const struct cn_study_plan *plan,
                                     const struct cn_study_plan_source *source,
                                     struct cn_study_shard shard, struct cn_error *err)
{
    CN_TRY(cn_study_begin(db, err));
    enum cn_status status = fill(db, plan, source, shard, err);
    enum cn_status ended = cn_study_end(db, status == CN_OK, err);
    return status == CN_OK ? ended : status;
}

/* ---- is it this one? ------------------------------------------------------------------------- */

static int first_difference(const char *a, const char *b, size_t n_b)
{
    int line = 1;
    for (size_t i = 0; i < n_b && a[i] == b[i] && a[i]; i++)
        line += a[i] == '\n';
    return line;
}

enum cn_status cn_study_table_match(struct cn_study_db *db,
                                    const struct cn_study_plan_source *source,
                                    struct cn_study_shard *shard, struct cn_error *err)
{
    struct cn_study_rows *rows;
    enum cn_status status = CN_OK;
    struct cn_study_shard own = { 1, 1 };
    CN_TRY(cn_study_select(db, &rows, err, "SELECT plan, shard FROM study", ""));
    if (!cn_study_rows_next(rows) || !cn_study_rows_text(rows, 0)) {
        status = cn_fail(err, CN_ERR_FORMAT, "%s: holds no study", cn_study_db_path(db));
    } else {
        const char *plan = cn_study_rows_text(rows, 0), *part = cn_study_rows_text(rows, 1);
        if (part && sscanf(part, "%d/%d", &own.i, &own.n) != 2)
            status = cn_fail(err, CN_ERR_FORMAT, "%s: shard I/N expected, '%s' found",
                             cn_study_db_path(db), part);
        else if (source && (strlen(plan) != source->n_bytes ||
                            memcmp(plan, source->text, source->n_bytes) != 0))
            status = cn_fail(err, CN_ERR_ARGUMENT,
                             "%s holds another plan (they differ from line %d of %s on); choose "
                             "another file with --db",
                             cn_study_db_path(db),
                             first_difference(plan, source->text, source->n_bytes), source->name);
        else if (shard->n > 0 && (shard->n != own.n || shard->i != own.i))
            status = cn_fail(err, CN_ERR_ARGUMENT,
                             "%s is shard %d/%d of its study, not %d/%d; choose another file with "
                             "--db",
                             cn_study_db_path(db), own.i, own.n, shard->i, shard->n);
    }
    enum cn_status closed = cn_study_rows_close(rows, status == CN_OK ? err : NULL);
    if (status != CN_OK || closed != CN_OK)
        return status != CN_OK ? status : closed;
    /* Names become parts of paths, and the file may come from anywhere. */
    double bad;
    CN_TRY(cn_study_number(db, &bad, err,
                           "SELECT count(*) FROM files WHERE model || quant GLOB '*/*'", ""));
    CN_RETURN_IF(bad > 0, CN_ERR_FORMAT, err, "%s: a model's name with a / in it",
                 cn_study_db_path(db));
    *shard = own;
    return CN_OK;
}
