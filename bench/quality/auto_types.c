/* SPDX-License-Identifier: MIT */
#include "bench/quality/auto_part.h"

#include "base/error.h"
#include "quant/quant.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_THREADS = 256,
    ROUNDS = 2, /* of plans and probes of what they chose */
};

/* What the plan of a plain file type says about the tensors. */
struct listing {
    struct cn_auto_plan *plan;
    size_t capacity;
    bool *matrix; /* [n_tensors] to be given a type */
    bool out_of_memory;
};

struct memory {
    char **names; /* [n] */
    size_t n;
    char why[300];
};

static void add_tensor(void *user, const struct cn_quantize_tensor *t)
{
    struct listing *l = user;
    struct cn_auto_plan *plan = l->plan;
    struct memory *memory = plan->memory;
    if (l->out_of_memory)
        return;
    if (plan->n_tensors == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 256;
        void *tensors = realloc(plan->tensors, capacity * sizeof *plan->tensors);
        if (tensors)
            plan->tensors = tensors;
        void *names = realloc(memory->names, capacity * sizeof *memory->names);
        if (names)
            memory->names = names;
        void *matrix = realloc(l->matrix, capacity * sizeof *l->matrix);
        if (matrix)
            l->matrix = matrix;
        l->capacity = capacity;
        l->out_of_memory = !tensors || !names || !matrix;
    }
    char *name = l->out_of_memory ? NULL : strdup(t->name);
    if (!name) {
        l->out_of_memory = true;
        return;
    }
    memory->names[memory->n++] = name;
    struct cn_auto_tensor *to = &plan->tensors[plan->n_tensors];
    *to = (struct cn_auto_tensor){
        .name = name, .n_dims = t->n_dims, .type = t->to, .bytes = t->to_bytes, .loss = (double)NAN
    };
    int64_t n = 1;
    for (int d = 0; d < 4; d++) {
        to->ne[d] = d < t->n_dims ? t->ne[d] : 1;
        n *= to->ne[d];
    }
    to->bpw = 8 * (double)t->to_bytes / (double)n;
    l->matrix[plan->n_tensors++] = t->quantised && !t->asked;
}

/* The file as it is to be made, but for its types, planned only and without a word. */
static struct cn_quantize_options plain_options(const struct cn_auto_options *o)
{
    struct cn_quantize_options plain = o->file;
    plain.type = NULL;
    plain.choices = NULL;
    plain.n_choices = 0;
    plain.dry_run = true;
    plain.plan = NULL;
    plain.progress = NULL;
    plain.cancel = NULL;
    return plain;
}

/* ---- matrices and their types ---------------------------------------------------------------- */

static const struct cn_imatrix_entry *importance_of(const struct cn_auto_job *j,
                                                    const struct cn_auto_matrix *m)
{
    const struct cn_imatrix_entry *e = cn_imatrix_find(&j->imatrix, m->name);
    /* Other sizes were refused already, but for the embedding, where they mean something else. */
    bool fits = e && e->n_cols * e->n_matrices == m->t->ne[0] * m->t->ne[2] * m->t->ne[3];
    return fits ? e : NULL;
}

static enum cn_status find_matrices(struct cn_auto_job *j, const struct listing *l)
{
    const struct cn_auto_plan *plan = l->plan;
    j->matrices = calloc(plan->n_tensors + 1, sizeof *j->matrices);
    j->items = calloc(plan->n_tensors + 1, sizeof *j->items);
    CN_RETURN_IF(!j->matrices || !j->items, CN_ERR_MEMORY, j->err, "out of memory");
    for (size_t i = 0; i < plan->n_tensors; i++) {
        struct cn_auto_matrix *m = &j->matrices[j->n_matrices];
        *m = (struct cn_auto_matrix){ .name = plan->tensors[i].name };
        m->t = cn_gguf_tensor(&j->gguf, m->name);
        if (!l->matrix[i] || !m->t || !m->t->format)
            continue;
        CN_RETURN_IF(m->t->format->block_elems > 1 && !j->o->file.allow_requantize, CN_ERR_ARGUMENT,
                     j->err,
                     "%s is %s already; quantising it again loses more than quantising the "
                     "original (--allow-requantize does it all the same)",
                     m->name, cn_gguf_type_name(m->t->gguf_type));
        m->importance = importance_of(j, m);
        cn_auto_list_types(j->o, m);
        if (m->n_types == 0)
            continue;
        plan->tensors[i].chosen = true;
        j->n_matrices++;
    }
    CN_RETURN_IF(j->n_matrices == 0, CN_ERR_ARGUMENT, j->err,
                 "%s: no matrix whose type could be chosen", j->in);
    return CN_OK;
}

/* ---- budget ---------------------------------------------------------------------------------- */

static uint64_t padded(uint64_t bytes, uint64_t alignment)
{
    return (bytes + alignment - 1) / alignment * alignment;
}

/* What is left for the matrices when all else has its place, and what each choice costs: bytes of
 * tensors for bits per weight, and with the padding for the size of a file. */
static enum cn_status set_budget(struct cn_auto_job *j, const struct cn_auto_plan *plan,
                                 const struct cn_file_result *base, uint64_t *budget)
{
    const uint64_t alignment = j->o->bpw > 0 ? 1 : j->gguf.alignment;
    uint64_t fixed = 0, least = 0, most = 0, old = 0;
    double n_elems = 0;
    for (size_t i = 0; i < plan->n_tensors; i++) {
        fixed += plan->tensors[i].chosen ? 0 : padded(plan->tensors[i].bytes, alignment);
        old += padded(plan->tensors[i].bytes, alignment);
    }
    if (!(j->o->bpw > 0))
        fixed += base->file_bytes - old; /* header */
    for (size_t i = 0; i < j->n_matrices; i++) {
        struct cn_auto_matrix *m = &j->matrices[i];
        const uint64_t rows = (uint64_t)(m->t->n_elems / m->t->ne[0]);
        for (size_t c = 0; c < m->n_types; c++)
            m->choice[c].bytes = padded(rows * cn_row_bytes(m->type[c], m->t->ne[0]), alignment);
        j->items[i] = (struct cn_budget_item){ .choices = m->choice, .n_choices = m->n_types };
        least += m->choice[0].bytes;
        most += m->choice[m->n_types - 1].bytes;
        n_elems += (double)m->t->n_elems;
    }
    const double n_params = (double)base->n_params;
    uint64_t total = j->o->file_bytes;
    if (j->o->bpw > 0)
        total = (uint64_t)fmin(j->o->bpw * n_params / 8, 9e18);
    const bool small = total<fixed + least, large = total> fixed + most;
    const char *hint = j->o->file.imatrix || !small
                           ? ""
                           : " without an importance matrix (--imatrix allows smaller types)";
    if (j->o->bpw > 0)
        CN_RETURN_IF(small || large, CN_ERR_ARGUMENT, j->err,
                     "%s: %g bits per weight are too %s: %.4f to %.4f can be reached%s", j->in,
                     j->o->bpw, small ? "few" : "many", 8 * (double)(fixed + least) / n_params,
                     8 * (double)(fixed + most) / n_params, hint);
    CN_RETURN_IF(small || large, CN_ERR_ARGUMENT, j->err,
                 "%s: a file of %" PRIu64 " bytes is too %s: %" PRIu64 " to %" PRIu64
                 " can be reached%s",
                 j->in, total, small ? "small" : "large", fixed + least, fixed + most, hint);
    *budget = total - fixed;
    j->target_bpw = 8 * (double)*budget / n_elems;
    return CN_OK;
}

/* Loss at an error: straight lines between the measured points in the logarithms, proportional to
 * the error beyond them. */
static double loss_at(const struct cn_auto_matrix *m, double error)
{
    const struct cn_auto_point *p = m->point;
    int n = m->n_points, i = 0;
    while (i < n && p[i].error < error)
        i++;
    if (!(error > 0))
        return 0;
    if (i == 0)
        return p[0].error > 0 ? p[0].loss * error / p[0].error : p[0].loss;
    if (i == n)
        return p[n - 1].error > 0 ? p[n - 1].loss * error / p[n - 1].error : p[n - 1].loss;
    if (!(p[i - 1].error > 0) || !(p[i].error > p[i - 1].error))
        return p[i].loss;
    double share = log(error / p[i - 1].error) / log(p[i].error / p[i - 1].error);
    return p[i - 1].loss * pow(p[i].loss / p[i - 1].loss, share);
}

static enum cn_status assign(struct cn_auto_job *j, uint64_t budget)
{
    for (size_t i = 0; i < j->n_matrices; i++) {
        struct cn_auto_matrix *m = &j->matrices[i];
        for (size_t c = 0; c < m->n_types; c++)
            m->choice[c].loss = loss_at(m, m->error[c]);
    }
    enum cn_status status = cn_budget_solve(j->items, j->n_matrices, budget);
    CN_RETURN_IF(status != CN_OK, status, j->err, "%s", cn_status_name(status));
    return CN_OK;
}

/* Without probes: every matrix's relative error counts the same. */
static void points_of_errors(struct cn_auto_job *j)
{
    for (size_t i = 0; i < j->n_matrices; i++) {
        struct cn_auto_matrix *m = &j->matrices[i];
        m->n_points = 1;
        m->point[0] = (struct cn_auto_point){ m->power, m->power > 0 ? 1 : 0 };
    }
}

/* Losses of the matrices do not quite add up: what they come to together is measured, and shared
 * out as they predict. */
static enum cn_status share_out(struct cn_auto_job *j, struct cn_auto_probes *probes)
{
    double kld, sum = 0;
    CN_TRY(cn_auto_probes_whole(j, probes, &kld));
    for (size_t i = 0; i < j->n_matrices; i++)
        sum += j->matrices[i].choice[j->items[i].chosen].loss;
    if (!isfinite(kld) || !(sum > 0))
        return CN_OK;
    for (size_t i = 0; i < j->n_matrices; i++)
        j->matrices[i].choice[j->items[i].chosen].loss *= kld / sum;
    return CN_OK;
}

static enum cn_status choose(struct cn_auto_job *j, struct cn_auto_plan *plan, uint64_t budget)
{
    struct cn_auto_probes *probes = NULL;
    struct memory *memory = plan->memory;
    enum cn_status status = CN_OK;
    plan->sensitivity = j->o->sensitivity;
    if (plan->sensitivity != CN_SENSITIVITY_ERROR) {
        status = cn_auto_probes_create(j, &probes);
        if (status == CN_ERR_UNSUPPORTED && plan->sensitivity == CN_SENSITIVITY_AUTO) {
            if (j->err)
                snprintf(memory->why, sizeof memory->why, "%.299s", j->err->text);
            plan->why = memory->why;
            status = CN_OK;
        }
        CN_TRY(status);
        plan->sensitivity = probes ? CN_SENSITIVITY_KL : CN_SENSITIVITY_ERROR;
    }
    if (!probes) {
        points_of_errors(j);
        return assign(j, budget);
    }
    status = cn_auto_probes_first(j, probes);
    int n = 1;
    for (int round = 0; round < ROUNDS && n > 0 && status == CN_OK; round++) {
        status = assign(j, budget);
        if (status == CN_OK)
            status = cn_auto_probes_again(j, probes, &n);
    }
    if (status == CN_OK)
        status = assign(j, budget);
    if (status == CN_OK)
        status = share_out(j, probes);
    plan->n_probes = cn_auto_probes_count(probes);
    plan->classes = cn_auto_probes_classes(probes);
    plan->given_text = cn_auto_probes_given(probes);
    cn_auto_probes_free(probes);
    return status;
}

/* ---- plan ------------------------------------------------------------------------------------ */

static enum cn_status fill_plan(const struct cn_auto_job *j, struct cn_auto_plan *plan)
{
    plan->choices = calloc(j->n_matrices + 1, sizeof *plan->choices);
    CN_RETURN_IF(!plan->choices, CN_ERR_MEMORY, j->err, "out of memory");
    size_t at = 0;
    for (size_t i = 0; i < plan->n_tensors; i++) {
        struct cn_auto_tensor *t = &plan->tensors[i];
        if (!t->chosen)
            continue;
        const struct cn_auto_matrix *m = &j->matrices[at];
        const struct cn_format *f = m->type[j->items[at].chosen];
        t->type = cn_gguf_type_name(f->gguf_type);
        t->bytes = (size_t)(m->t->n_elems / m->t->ne[0]) * cn_row_bytes(f, m->t->ne[0]);
        t->bpw = 8.0 * f->block_bytes / f->block_elems;
        t->loss = m->choice[j->items[at].chosen].loss;
        plan->loss += t->loss;
        plan->choices[plan->n_choices++] = (struct cn_quantize_choice){ t->name, f->name };
        at++;
    }
    return CN_OK;
}

/* File types for networks trained in them. */
static bool special(const char *file_type)
{
    static const char *const names[] = { "TQ", "MXFP4", "NVFP4", "Q1_0", "Q2_0" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(file_type, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* The file type whose file of this model is nearest in size; those of float do not count, nor one
 * that cannot be made of this model. */
static enum cn_status find_file_type(const struct cn_auto_job *j, struct cn_auto_plan *plan)
{
    struct cn_quantize_options o = { .imatrix = j->o->file.imatrix,
                                     .allow_requantize = true,
                                     .dry_run = true };
    double least = HUGE_VAL;
    plan->file_type = "Q8_0";
    const struct cn_file_type *type;
    for (int i = 0; (type = cn_file_type_at(i)) != NULL; i++) {
        struct cn_file_result r;
        const struct cn_format *base = cn_format_by_gguf(type->base);
        if (base->block_elems == 1 || type->own || special(type->name) ||
            !cn_auto_of_families(j->o, base))
            continue;
        o.type = type->name;
        const enum cn_status status = cn_quantize_file(j->in, "-", &o, &r, j->err);
        /* What could not be looked at is not what cannot be made. */
        if (status == CN_ERR_IO || status == CN_ERR_MEMORY)
            return status;
        if (status != CN_OK || fabs(r.bpw - plan->bpw) >= least)
            continue;
        least = fabs(r.bpw - plan->bpw);
        plan->file_type = type->name;
    }
    return CN_OK;
}

/* Better now than after minutes of measuring. */
static enum cn_status check_out(const struct cn_auto_job *j)
{
    if (!j->o->out)
        return CN_OK;
    const struct cn_quantize_options o = plain_options(j->o);
    return cn_quantize_check_out(j->in, j->o->out, &o, j->err);
}

static enum cn_status make_plan(struct cn_auto_job *j, struct cn_auto_plan *plan, struct listing *l)
{
    struct cn_quantize_options o = plain_options(j->o);
    struct cn_file_result base, result;
    uint64_t budget = 0;
    plan->memory = calloc(1, sizeof(struct memory));
    CN_RETURN_IF(!plan->memory, CN_ERR_MEMORY, j->err, "out of memory");
    o.type = "Q8_0";
    o.plan = add_tensor;
    o.user = l;
    CN_TRY(cn_quantize_file(j->in, "-", &o, &base, j->err));
    CN_RETURN_IF(l->out_of_memory, CN_ERR_MEMORY, j->err, "out of memory");
    if (j->o->file.imatrix)
        CN_TRY(cn_imatrix_read(j->o->file.imatrix, &j->imatrix, j->err));
    CN_TRY(find_matrices(j, l));
    CN_TRY(set_budget(j, plan, &base, &budget));
    CN_TRY(check_out(j));
    j->n_threads = j->o->file.n_threads > 0 ? j->o->file.n_threads : cn_available_cores();
    if (j->n_threads > MAX_THREADS)
        j->n_threads = MAX_THREADS;
    j->pool = cn_pool_create(j->n_threads, true);
    if (!j->pool)
        return cn_fail_errno(j->err, "cannot start %d threads", j->n_threads);
    CN_TRY(cn_auto_errors(j));
    CN_TRY(choose(j, plan, budget));
    CN_TRY(fill_plan(j, plan));
    o = plain_options(j->o);
    o.type = "Q8_0";
    o.choices = plan->choices;
    o.n_choices = plan->n_choices;
    CN_TRY(cn_quantize_file(j->in, "-", &o, &result, j->err));
    plan->bpw = result.bpw;
    plan->file_bytes = result.file_bytes;
    return find_file_type(j, plan);
}

enum cn_status cn_auto_plan_make(const char *in, const struct cn_auto_options *options,
                                 struct cn_auto_plan *plan, struct cn_error *err)
{
    struct cn_auto_plan made = { 0 };
    struct listing l = { .plan = &made };
    struct cn_auto_job j = { .in = in, .o = options, .err = err };
    enum cn_status status = cn_gguf_open(in, &j.gguf, err);
    if (status == CN_OK) {
        status = make_plan(&j, &made, &l);
        cn_gguf_close(&j.gguf);
    }
    free(l.matrix);
    free(j.matrices);
    free(j.items);
    cn_imatrix_free(&j.imatrix);
    cn_pool_free(j.pool);
    if (status == CN_OK)
        *plan = made;
    else
        cn_auto_plan_free(&made);
    return status;
}

void cn_auto_plan_free(struct cn_auto_plan *plan)
{
    struct memory *memory = plan->memory;
    for (size_t i = 0; memory && i < memory->n; i++)
        free(memory->names[i]);
    if (memory)
        free(memory->names);
    free(memory);
    free(plan->tensors);
    free(plan->choices);
    *plan = (struct cn_auto_plan){ 0 };
}
