/* SPDX-License-Identifier: MIT
 *
 * How good the files are: perplexity, divergence and accuracy, measured on this machine by the
 * program's own commands.
 */
#include "bench/study/study_part.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct job {
    int64_t rowid;
    char measure[32], text[PATH_MAX], base[PATH_MAX], path[PATH_MAX], name[200];
    const struct cn_study_quality *quality;
};

static void copy(char *to, size_t n_bytes, const char *text)
{
    snprintf(to, n_bytes, "%s", text ? text : "");
}

/* The base's logits on a text are kept while quantisations of it are compared with them. */
struct base {
    char key[2 * PATH_MAX]; /* of what they are; "": nothing */
    char logits[PATH_MAX], text[PATH_MAX];
};

/* Of what a base writes itself (cn_study_own_text). */
enum { OWN_CTX = 256 };

static void perplexity_args(const struct job *j, const char *model, const struct base *base,
                            struct cn_study_args *a)
{
    const int ctx = j->quality->ctx || j->text[0] ? j->quality->ctx : OWN_CTX;
    *a = (struct cn_study_args){ .n = 0 };
    cn_study_arg(a, "perplexity");
    cn_study_arg(a, "-m");
    cn_study_arg(a, "%s", model);
    cn_study_arg(a, "-f");
    cn_study_arg(a, "%s", j->text[0] ? j->text : base->text);
    if (ctx) {
        cn_study_arg(a, "-c");
        cn_study_arg(a, "%d", ctx);
    }
    if (j->quality->count) {
        cn_study_arg(a, "--chunks");
        cn_study_arg(a, "%d", j->quality->count);
    }
    cn_study_arg(a, "-o");
    cn_study_arg(a, "json");
}

/* Runs a command; its reason for failing goes to `reason`, "" if it did not. */
static enum cn_status run(const struct cn_study *s, const struct cn_study_site *host,
                          const struct cn_study_args *a, struct cn_study_outcome *outcome,
                          char reason[CN_STUDY_REASON])
{
    CN_TRY(cn_study_job(s, host, "quality", a, outcome));
    cn_study_job_reason(outcome, reason, CN_STUDY_REASON);
    return CN_OK;
}

static enum cn_status make_base(const struct cn_study *s, const struct cn_study_site *host,
                                const struct job *j, struct base *base,
                                char reason[CN_STUDY_REASON])
{
    struct cn_study_args a;
    struct cn_study_outcome outcome;
    char key[sizeof base->key];
    snprintf(key, sizeof key, "%s\n%s", j->base, j->text);
    if (strcmp(key, base->key) == 0)
        return CN_OK;
    base->key[0] = 0;
    snprintf(base->logits, sizeof base->logits, "%.3800s/%s.logits", s->work, s->tag);
    snprintf(base->text, sizeof base->text, "%.3800s/%s.txt", s->work, s->tag);
    /* Somewhat more than the chunks take: what was written may be tokenised more tightly. */
    const int chunks = j->quality->count, needed = chunks / 2 + 2;
    if (!j->text[0])
        CN_TRY(cn_study_own_text(s, host, j->base,
                                 chunks && needed < CN_STUDY_PIECES ? needed : CN_STUDY_PIECES,
                                 base->text, reason));
    if (reason[0])
        return CN_OK;
    perplexity_args(j, j->base, base, &a);
    cn_study_arg(&a, "--save-base");
    cn_study_arg(&a, "%s", base->logits);
    CN_TRY(run(s, host, &a, &outcome, reason));
    cn_study_job_forget(&outcome);
    if (!reason[0])
        copy(base->key, sizeof base->key, key);
    return CN_OK;
}

static enum cn_status arguments(const struct cn_study *s, const struct cn_study_site *host,
                                const struct job *j, struct base *base, struct cn_study_args *a,
                                char reason[CN_STUDY_REASON])
{
    bool divergence = strcmp(j->measure, "divergence") == 0;
    if (divergence && !j->base[0]) {
        copy(reason, CN_STUDY_REASON, "there is no float file of this model to compare with");
        return CN_OK;
    }
    if (divergence || strcmp(j->measure, "perplexity") == 0) {
        if (divergence)
            CN_TRY(make_base(s, host, j, base, reason));
        if (reason[0])
            return CN_OK;
        perplexity_args(j, j->path, base, a);
        if (divergence) {
            cn_study_arg(a, "--base");
            cn_study_arg(a, "%s", base->logits);
        }
        return CN_OK;
    }
    *a = (struct cn_study_args){ .n = 0 };
    cn_study_arg(a, "score");
    cn_study_arg(a, "-m");
    cn_study_arg(a, "%s", j->path);
    cn_study_arg(a, "--task");
    cn_study_arg(a, "%s", j->measure);
    cn_study_arg(a, "-f");
    cn_study_arg(a, "%s", j->text);
    if (j->quality->count) {
        cn_study_arg(a, "--tasks");
        cn_study_arg(a, "%d", j->quality->count);
    }
    cn_study_arg(a, "-o");
    cn_study_arg(a, "json");
    return CN_OK;
}

static enum cn_status measure(const struct cn_study *s, const struct cn_study_site *host,
                              const struct job *j, struct base *base)
{
    struct cn_study_args a;
    struct cn_study_outcome outcome = { .folder = "" };
    struct cn_json *json = NULL;
    const struct cn_json_value *object = NULL;
    struct cn_error err = { "" };
    char reason[CN_STUDY_REASON] = "";
    CN_TRY(arguments(s, host, j, base, &a, reason));
    if (!reason[0])
        CN_TRY(run(s, host, &a, &outcome, reason));
    if (!reason[0] && cn_study_job_json(&outcome, "stdout", &json, &object, &err) != CN_OK)
        copy(reason, sizeof reason, err.text);
    enum cn_status status = cn_study_begin(s->db, s->err);
    if (status == CN_OK) {
        status = cn_study_exec(
            s->db, s->err, "UPDATE quality SET status = ?2, reason = ?3 WHERE rowid = ?1", "iss",
            j->rowid, reason[0] ? "failed" : "done", reason[0] ? reason : NULL);
        if (status == CN_OK && !reason[0])
            status = cn_study_store(s, "quality", "tokens", j->rowid, object);
        enum cn_status ended = cn_study_end(s->db, status == CN_OK, s->err);
        status = status == CN_OK ? ended : status;
    }
    if (reason[0])
        cn_study_note(s, "%s of %s: %s", j->measure, j->name, reason);
    cn_json_free(json);
    cn_study_job_forget(&outcome);
    return status;
}

/* The next in an order that keeps what has the same base together. Files of this shard only. */
static enum cn_status next_job(const struct cn_study *s, struct job *j, bool *found)
{
    struct cn_study_rows *rows;
    CN_TRY(cn_study_select(
        s->db, &rows, s->err,
        "SELECT q.rowid, q.measure, q.text, q.base, f.path, f.model, f.quant FROM quality q JOIN "
        "files f USING (file) WHERE q.status = 'pending' AND f.status = 'ready' AND (file - ?1) % "
        "?2 = 0 ORDER BY q.measure, q.text, q.base, q.file LIMIT 1",
        "ii", (int64_t)s->shard.i, (int64_t)s->shard.n));
    *found = cn_study_rows_next(rows);
    if (*found) {
        j->rowid = cn_study_rows_i64(rows, 0);
        copy(j->measure, sizeof j->measure, cn_study_rows_text(rows, 1));
        copy(j->text, sizeof j->text, cn_study_rows_text(rows, 2));
        copy(j->base, sizeof j->base, cn_study_rows_text(rows, 3));
        copy(j->path, sizeof j->path, cn_study_rows_text(rows, 4));
        snprintf(j->name, sizeof j->name, "%s %s", cn_study_rows_text(rows, 5),
                 cn_study_rows_text(rows, 6));
    }
    CN_TRY(cn_study_rows_close(rows, s->err));
    for (size_t i = 0; *found && i < s->plan.n_quality; i++)
        if (!strcmp(s->plan.quality[i].measure, j->measure) &&
            !strcmp(s->plan.quality[i].path, j->text))
            j->quality = &s->plan.quality[i];
    CN_RETURN_IF(*found && !j->quality, CN_ERR_FORMAT, s->err,
                 "quality '%s' on '%s' is not in the plan", j->measure, j->text);
    return CN_OK;
}

enum cn_status cn_study_measure_quality(struct cn_study *s, const struct cn_study_site *host)
{
    struct job *j = calloc(1, sizeof *j);
    struct base *base = calloc(1, sizeof *base);
    enum cn_status status = j && base ? CN_OK : cn_fail(s->err, CN_ERR_MEMORY, "out of memory");
    double left = 0;
    if (status == CN_OK)
        status = cn_study_number(s->db, &left, s->err,
                                 "SELECT count(*) FROM quality q JOIN files f USING (file) WHERE "
                                 "q.status = 'pending' AND f.status = 'ready' AND (file - ?1) % ?2 "
                                 "= 0",
                                 "ii", (int64_t)s->shard.i, (int64_t)s->shard.n);
    const double total = left;
    for (bool found = status == CN_OK; found && status == CN_OK; left--) {
        if (s->o->progress)
            s->o->progress(s->o->user, "quality", total - left, total);
        j->quality = NULL;
        status = next_job(s, j, &found);
        if (found && status == CN_OK)
            status = measure(s, host, j, base);
    }
    if (base && base->logits[0]) {
        unlink(base->logits);
        unlink(base->text);
    }
    free(base);
    free(j);
    return status;
}
