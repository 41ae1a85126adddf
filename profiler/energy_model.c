/* SPDX-License-Identifier: MIT */
#include "profiler/energy_model.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/jsonl.h"
#include "base/outfile.h"
#include "profiler/samples/series.h"

enum { LINE_BYTES = 4096 };

static const char *const terms[CN_MODEL_TERMS] = { "static_w", "j_per_byte", "j_per_int8_op",
                                                   "j_per_unpack" };
static const char *const time_terms[CN_MODEL_TERMS - 1] = { "s_per_byte", "s_per_int8_op",
                                                            "s_per_unpack" };

double cn_energy_model_joules(const struct cn_energy_model *m, const struct cn_model_row *row,
                              double *half)
{
    double joules = 0, var = 0;
    for (int i = 0; i < CN_MODEL_TERMS; i++) {
        joules += m->coef[i] * row->x[i];
        for (int j = 0; j < CN_MODEL_TERMS; j++)
            var += m->cov[i][j] * row->x[i] * row->x[j];
    }
    if (half)
        *half = m->t95 * sqrt(var + m->spread * m->spread * joules * joules);
    return joules;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void number(FILE *f, const char *key, double value)
{
    fprintf(f, ", \"%s\": ", key);
    cn_json_number(f, value);
}

static void string(FILE *f, const char *key, const char *value)
{
    fprintf(f, ", \"%s\": ", key);
    cn_json_string(f, value);
}

static void write_model(const struct cn_energy_model *m, FILE *f)
{
    fputs("{\"energy_model\": 1", f);
    for (int i = 0; i < CN_MODEL_TERMS; i++)
        number(f, terms[i], m->coef[i]);
    for (int i = 0; i < CN_MODEL_TERMS; i++)
        for (int j = 0; j <= i; j++) {
            char key[16];
            snprintf(key, sizeof key, "cov_%d_%d", i, j);
            number(f, key, m->cov[i][j]);
        }
    number(f, "t95", m->t95);
    number(f, "spread", m->spread);
    number(f, "n_fitted", m->n_fitted);
    number(f, "n_held_out", m->n_held_out);
    number(f, "held_out_error", m->held_out_error);
    string(f, "meter", m->meter);
    string(f, "boundary", m->boundary);
    string(f, "cpu", m->cpu);
    fputs("}\n", f);
    for (int i = 0; i < m->n_times; i++) {
        fputs("{\"time_model\": 1", f);
        number(f, "threads", m->times[i].n_threads);
        for (int k = 0; k < CN_MODEL_TERMS - 1; k++)
            number(f, time_terms[k], m->times[i].coef[k]);
        number(f, "spread", m->times[i].spread);
        fputs("}\n", f);
    }
}

__attribute__((format(printf, 2, 3))) static int fail(struct cn_profiler_error *err,
                                                      const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        cn_format_fit(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return -1;
}

int cn_energy_model_save(const struct cn_energy_model *m, const char *path,
                         struct cn_profiler_error *err)
{
    struct cn_outfile *file;
    struct cn_error why;
    if (cn_outfile_create(path, &file, &why) != CN_OK)
        return fail(err, "%s", why.text);
    write_model(m, cn_outfile_stream(file));
    return cn_outfile_finish(file, &why) == CN_OK ? 0 : fail(err, "%s", why.text);
}

/* ---- reading --------------------------------------------------------------------------------- */

struct line {
    bool is_model, is_time;
    unsigned seen; /* 1u << term */
    struct cn_energy_model model;
    struct cn_time_model time;
};

static void copy(char *to, size_t n_bytes, const struct cn_json_value *v)
{
    if (v->kind == CN_JSON_STRING)
        snprintf(to, n_bytes, "%s", v->string);
}

static void member(void *user, const char *key, const struct cn_json_value *v)
{
    struct line *l = user;
    struct cn_energy_model *m = &l->model;
    int i, j;
    if (!strcmp(key, "meter"))
        copy(m->meter, sizeof m->meter, v);
    else if (!strcmp(key, "boundary"))
        copy(m->boundary, sizeof m->boundary, v);
    else if (!strcmp(key, "cpu"))
        copy(m->cpu, sizeof m->cpu, v);
    if (v->kind != CN_JSON_NUMBER)
        return;
    double x = v->number;
    l->is_model = l->is_model || (!strcmp(key, "energy_model") && v->is_integer && v->integer == 1);
    l->is_time = l->is_time || (!strcmp(key, "time_model") && v->is_integer && v->integer == 1);
    for (int k = 0; k < CN_MODEL_TERMS; k++)
        if (!strcmp(key, terms[k])) {
            m->coef[k] = x;
            l->seen |= 1u << k;
        }
    for (int k = 0; k < CN_MODEL_TERMS - 1; k++)
        if (!strcmp(key, time_terms[k])) {
            l->time.coef[k] = x;
            l->seen |= 1u << k;
        }
    if (sscanf(key, "cov_%d_%d", &i, &j) == 2 && i >= 0 && i < CN_MODEL_TERMS && j >= 0 &&
        j < CN_MODEL_TERMS)
        m->cov[i][j] = m->cov[j][i] = x;
    else if (!strcmp(key, "t95"))
        m->t95 = x;
    else if (!strcmp(key, "spread"))
        m->spread = l->time.spread = x;
    else if (!strcmp(key, "held_out_error"))
        m->held_out_error = x;
    else if (!strcmp(key, "n_fitted"))
        m->n_fitted = v->is_integer && v->integer > 0 && v->integer < 1000000 ? (int)v->integer : 0;
    else if (!strcmp(key, "n_held_out"))
        m->n_held_out =
            v->is_integer && v->integer > 0 && v->integer < 1000000 ? (int)v->integer : 0;
    else if (!strcmp(key, "threads"))
        l->time.n_threads =
            v->is_integer && v->integer > 0 && v->integer < 65536 ? (int)v->integer : 0;
}

/* NULL, or what is wrong with it. */
static const char *take(struct cn_energy_model *m, const struct line *l, bool first)
{
    if (first) {
        if (!l->is_model)
            return "expected an object with \"energy_model\": 1";
        if (l->seen != (1u << CN_MODEL_TERMS) - 1)
            return "expected static_w, j_per_byte, j_per_int8_op and j_per_unpack";
        for (int i = 0; i < CN_MODEL_TERMS; i++)
            if (l->model.coef[i] < 0)
                return "expected terms of 0 or more";
        *m = l->model;
        return NULL;
    }
    if (!l->is_time)
        return NULL; /* of a later version */
    if (l->seen != (1u << (CN_MODEL_TERMS - 1)) - 1 || l->time.n_threads < 1)
        return "expected threads, s_per_byte, s_per_int8_op and s_per_unpack";
    if (m->n_times == CN_MODEL_THREADS)
        return "more time models than expected";
    m->times[m->n_times++] = l->time;
    return NULL;
}

int cn_energy_model_load(const char *path, struct cn_energy_model *model,
                         struct cn_profiler_error *err)
{
    struct cn_energy_model m = { 0 };
    char text[LINE_BYTES];
    FILE *f = fopen(path, "re");
    if (!f)
        return fail(err, "%.300s: %s", path, strerror(errno));
    int result = 0, n = 0;
    while (!result && fgets(text, sizeof text, f) && !ferror(f)) {
        struct line l = {
            .model = {.held_out_error = CN_UNKNOWN, .t95 = CN_UNKNOWN}
        };
        const char *wrong =
            strchr(text, '\n') || feof(f) ? cn_json_line(text, member, &l) : "the line is too long";
        if (!wrong)
            wrong = take(&m, &l, n == 0);
        n++;
        if (wrong)
            result = fail(err, "%.300s: line %d: %s", path, n, wrong);
    }
    if (!result && ferror(f))
        result = fail(err, "%.300s: %s", path, strerror(errno));
    else if (!result && n == 0)
        result = fail(err, "%.300s: the file is empty", path);
    fclose(f);
    if (!result)
        *model = m;
    return result;
}
