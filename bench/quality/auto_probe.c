/* SPDX-License-Identifier: MIT
 *
 * What a change of one matrix, or of a class of them, does to the model's output.
 */
#include "base/clock.h"
#include "bench/model/generate.h"
#include "bench/quality/auto_part.h"
#include "bench/quality/divergence.h"

#include "base/error.h"
#include "engine/model/override.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SMALL_PARAMS = 200000000, /* a model of fewer gets the longer text */
    LONG_TEXT = 1024,         /* tokens of a probe */
    SHORT_TEXT = 512,
    WHOLE_TEXTS = 8, /* so much more text says what the whole plan comes to, */
    OWN_TEXTS = 4,   /* and so much where the model has to write it */
    DEFAULT_SECONDS = 600,
    THIRDS = 3,
};
/* Above this even the text takes too long: a machine reads some 10 GB of weights a second. */
static const double most_params = 2e9;
/* Weights that one thread quantises in a second, the slow types among them, about. */
static const double quantised_per_s = 2e6;
/* Within this ratio a measured error tells the loss well enough. */
static const double near = 1.5;
/* Divergences below are rounding. */
static const double least_kld = 1e-9;

struct cn_auto_probes {
    struct cn_auto_job *j;
    struct cn_model *model;
    struct cn_divergence *divergence;
    void **data; /* [n_matrices] what stands in for a matrix */
    int n_groups, n_probes;
    int32_t probe_tokens, whole_tokens; /* of text: for a probe, for the whole choice */
    bool classes, given;                /* probed in classes; on text that was given */
    double start_s, seconds, pass_s;
};

static void tell_text(void *user, double done, double total)
{
    const struct cn_auto_probes *p = user;
    cn_auto_progress(p->j, "text", done, total);
}

/* Half of the time has to be left for probes, unless they are insisted on. */
static bool text_too_slow(const struct cn_auto_probes *p)
{
    return p->pass_s == 0 && p->j->o->sensitivity == CN_SENSITIVITY_AUTO &&
           cn_seconds() - p->start_s > p->seconds / 2;
}

static bool cancel_text(void *user)
{
    const struct cn_auto_probes *p = user;
    return cn_auto_cancelled(p->j) || text_too_slow(p);
}

/* "blk.12.ffn_down.weight": layer 12, kind "ffn_down.weight"; -1 for those without a layer. */
static const char *kind_of(const char *name, int64_t *layer)
{
    long long number;
    int skipped = 0;
    *layer = -1;
    if (sscanf(name, "blk.%lld.%n", &number, &skipped) != 1 || skipped == 0)
        return name;
    *layer = number;
    return name + skipped;
}

static bool same_class(const char *a, const char *b, int64_t n_layer)
{
    int64_t i, k;
    const char *kind_a = kind_of(a, &i), *kind_b = kind_of(b, &k);
    return i >= 0 && k >= 0 && strcmp(kind_a, kind_b) == 0 &&
           i * THIRDS / n_layer == k * THIRDS / n_layer;
}

static void form_groups(struct cn_auto_job *j, struct cn_auto_probes *p, bool classes)
{
    const int64_t n_layer = cn_model_get_info(p->model)->n_layer;
    p->n_groups = 0;
    p->classes = classes;
    for (size_t i = 0; i < j->n_matrices; i++) {
        struct cn_auto_matrix *m = &j->matrices[i];
        m->group = -1;
        for (size_t k = 0; classes && k < i && m->group < 0; k++)
            if (same_class(j->matrices[k].name, m->name, n_layer))
                m->group = j->matrices[k].group;
        if (m->group < 0)
            m->group = p->n_groups++;
    }
}

/* How long a pass takes, and thus what can be probed in the time there is. */
static enum cn_status fit_time(struct cn_auto_job *j, struct cn_auto_probes *p)
{
    double kld, weights = 0, before = cn_seconds();
    p->pass_s = 1e-9; /* the text is written */
    CN_TRY(cn_divergence_measure(p->divergence, p->model, p->probe_tokens, &kld, j->err));
    p->pass_s = fmax(cn_seconds() - before, 1e-9);
    for (size_t i = 0; i < j->n_matrices; i++)
        weights += (double)j->matrices[i].t->n_elems;
    double quantising = weights / quantised_per_s / j->n_threads;
    double left = p->seconds - (cn_seconds() - p->start_s);
    form_groups(j, p, false);
    if (p->n_groups * p->pass_s + quantising <= left)
        return CN_OK;
    form_groups(j, p, true);
    double needed = p->n_groups * p->pass_s + quantising;
    CN_RETURN_IF(needed > left && j->o->sensitivity == CN_SENSITIVITY_AUTO, CN_ERR_UNSUPPORTED,
                 j->err, "probing %d classes would take %.0f s, and %.0f s are left", p->n_groups,
                 needed, fmax(0, left));
    return CN_OK;
}

static enum cn_status prepare(struct cn_auto_job *j, struct cn_auto_probes *p)
{
    CN_TRY(cn_model_open(j->in, NULL, &p->model, j->err));
    const struct cn_model_info *info = cn_model_get_info(p->model);
    CN_RETURN_IF((double)info->n_params > most_params && j->o->sensitivity == CN_SENSITIVITY_AUTO,
                 CN_ERR_UNSUPPORTED, j->err,
                 "%.1f G parameters; more than %.0f G are probed only on demand",
                 (double)info->n_params / 1e9, most_params / 1e9);
    p->probe_tokens = info->n_params < SMALL_PARAMS ? LONG_TEXT : SHORT_TEXT;
    const struct cn_imatrix *im = &j->imatrix;
    p->given = im->n_sample >= (size_t)p->probe_tokens;
    p->whole_tokens = (p->given ? WHOLE_TEXTS : OWN_TEXTS) * p->probe_tokens;
    struct cn_divergence_options o = {
        .n_tokens = p->whole_tokens,
        .n_threads = j->n_threads,
        .given = p->given ? im->sample : NULL,
        .n_given = im->n_sample,
        .user = p,
        .progress = tell_text,
        .cancel = cancel_text,
    };
    enum cn_status status = cn_divergence_create(p->model, &o, &p->divergence, j->err);
    CN_RETURN_IF(status == CN_ERR_CANCELLED && !cn_auto_cancelled(j), CN_ERR_UNSUPPORTED, j->err,
                 "writing the text to measure it on would take more than %.0f s", p->seconds / 2);
    return status == CN_OK ? fit_time(j, p) : status;
}

enum cn_status cn_auto_probes_create(struct cn_auto_job *j, struct cn_auto_probes **probes)
{
    struct cn_auto_probes *p = calloc(1, sizeof *p);
    CN_RETURN_IF(!p, CN_ERR_MEMORY, j->err, "out of memory");
    p->j = j;
    p->start_s = cn_seconds();
    p->seconds = j->o->seconds > 0 ? j->o->seconds : DEFAULT_SECONDS;
    p->data = calloc(j->n_matrices + 1, sizeof *p->data);
    enum cn_status status =
        p->data ? prepare(j, p) : cn_fail(j->err, CN_ERR_MEMORY, "out of memory");
    if (status != CN_OK) {
        cn_auto_probes_free(p);
        return status;
    }
    *probes = p;
    return CN_OK;
}

void cn_auto_probes_free(struct cn_auto_probes *p)
{
    if (!p)
        return;
    cn_divergence_free(p->divergence);
    cn_model_close(p->model);
    free(p->data);
    free(p);
}

int cn_auto_probes_count(const struct cn_auto_probes *p)
{
    return p->n_probes;
}

bool cn_auto_probes_classes(const struct cn_auto_probes *p)
{
    return p->classes;
}

bool cn_auto_probes_given(const struct cn_auto_probes *p)
{
    return p->given;
}

/* Keeps the points by rising error, and losses rising with them: what rounding says against that
 * would make a worse type look better. */
static void add_point(struct cn_auto_matrix *m, double error, double loss)
{
    int at = m->n_points;
    while (at > 0 && m->point[at - 1].error > error) {
        m->point[at] = m->point[at - 1];
        at--;
    }
    m->point[at] = (struct cn_auto_point){ error, loss };
    m->n_points++;
    for (int i = 1; i < m->n_points; i++)
        m->point[i].loss = fmax(m->point[i].loss, m->point[i - 1].loss);
}

/* Quantises the group's matrices (EVERY: all), each to its type, measures, and puts all back as it
 * was. */
enum { EVERY = -1 };
static enum cn_status measure_group(struct cn_auto_job *j, struct cn_auto_probes *p, int group,
                                    const size_t *types, double *kld)
{
    enum cn_status status = CN_OK;
    bool any = false;
    for (size_t i = 0; i < j->n_matrices && status == CN_OK; i++) {
        const struct cn_auto_matrix *m = &j->matrices[i];
        if (group != EVERY && m->group != group)
            continue;
        const struct cn_format *format = m->type[types[i]];
        status = cn_auto_quantize(j, m, format, &p->data[i]);
        if (status == CN_OK)
            any |= cn_model_override(p->model, m->name, format, p->data[i]);
    }
    *kld = 0; /* what the forward pass does not use can do no harm */
    if (status == CN_OK && any)
        status =
            cn_divergence_measure(p->divergence, p->model,
                                  group == EVERY ? p->whole_tokens : p->probe_tokens, kld, j->err);
    *kld = fmax(*kld, least_kld);
    for (size_t i = 0; i < j->n_matrices; i++) {
        if (!p->data[i])
            continue;
        cn_model_override(p->model, j->matrices[i].name, NULL, NULL);
        free(p->data[i]);
        p->data[i] = NULL;
    }
    p->n_probes++;
    return status;
}

/* The divergence of a class is shared out by its matrices' errors. */
static enum cn_status probe(struct cn_auto_job *j, struct cn_auto_probes *p, int group,
                            const size_t *types)
{
    double kld, sum = 0;
    CN_RETURN_IF(cn_auto_cancelled(j), CN_ERR_CANCELLED, j->err, "cancelled");
    CN_TRY(measure_group(j, p, group, types, &kld));
    for (size_t i = 0; i < j->n_matrices; i++)
        if (j->matrices[i].group == group)
            sum += j->matrices[i].error[types[i]];
    for (size_t i = 0; i < j->n_matrices; i++) {
        struct cn_auto_matrix *m = &j->matrices[i];
        if (m->group == group)
            add_point(m, m->error[types[i]], sum > 0 ? kld * m->error[types[i]] / sum : kld);
    }
    return CN_OK;
}

enum cn_status cn_auto_probes_first(struct cn_auto_job *j, struct cn_auto_probes *p)
{
    size_t *types = calloc(j->n_matrices + 1, sizeof *types);
    CN_RETURN_IF(!types, CN_ERR_MEMORY, j->err, "out of memory");
    for (size_t i = 0; i < j->n_matrices; i++)
        types[i] = cn_auto_nearest(&j->matrices[i], j->target_bpw);
    enum cn_status status = CN_OK;
    for (int g = 0; g < p->n_groups && status == CN_OK; g++) {
        cn_auto_progress(j, "probing", g, p->n_groups);
        status = probe(j, p, g, types);
    }
    free(types);
    return status;
}

static bool known(const struct cn_auto_matrix *m, double error)
{
    bool is = false;
    for (int i = 0; i < m->n_points; i++)
        is |= error <= near * m->point[i].error && m->point[i].error <= near * error;
    return is || m->n_points == CN_AUTO_POINTS;
}

enum cn_status cn_auto_probes_again(struct cn_auto_job *j, struct cn_auto_probes *p, int *n)
{
    *n = 0;
    if (p->classes)
        return CN_OK;
    size_t *types = calloc(j->n_matrices + 1, sizeof *types);
    CN_RETURN_IF(!types, CN_ERR_MEMORY, j->err, "out of memory");
    int n_todo = 0;
    for (size_t i = 0; i < j->n_matrices; i++) {
        types[i] = j->items[i].chosen;
        n_todo += !known(&j->matrices[i], j->matrices[i].error[types[i]]);
    }
    enum cn_status status = CN_OK;
    for (size_t i = 0; i < j->n_matrices && status == CN_OK; i++) {
        if (known(&j->matrices[i], j->matrices[i].error[types[i]]))
            continue;
        if (cn_seconds() - p->start_s + p->pass_s > p->seconds)
            break;
        cn_auto_progress(j, "probing again", *n, n_todo);
        status = probe(j, p, j->matrices[i].group, types);
        ++*n;
    }
    free(types);
    return status;
}

enum cn_status cn_auto_probes_whole(struct cn_auto_job *j, struct cn_auto_probes *p, double *kld)
{
    double weights = 0;
    for (size_t i = 0; i < j->n_matrices; i++)
        weights += (double)j->matrices[i].t->n_elems;
    *kld = (double)NAN;
    if (cn_seconds() - p->start_s + p->whole_tokens / p->probe_tokens * p->pass_s +
            weights / quantised_per_s / j->n_threads >
        p->seconds)
        return CN_OK;
    size_t *types = calloc(j->n_matrices + 1, sizeof *types);
    CN_RETURN_IF(!types, CN_ERR_MEMORY, j->err, "out of memory");
    for (size_t i = 0; i < j->n_matrices; i++)
        types[i] = j->items[i].chosen;
    cn_auto_progress(j, "probing the whole", 0, 1);
    double measured;
    enum cn_status status = measure_group(j, p, EVERY, types, &measured);
    if (status == CN_OK)
        *kld = measured;
    free(types);
    return status;
}
