/* SPDX-License-Identifier: MIT
 *
 * carnot bench --split and --attribute: where time and joules go within a pass through the model.
 */
#include "cli/commands/bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct cn_table *begin(const struct cn_bench *b, const char *part)
{
    struct cn_table *t = cn_table_create("split");
    if (!t)
        return NULL;
    const bool several = b->a->models.n > 1;
    cn_table_column(t, "model", several ? "model" : NULL, -1);
    cn_table_column(t, "file_type", "type", -1);
    cn_table_column(t, "threads", "threads", -1);
    cn_table_column(t, "tiers", NULL, -1);
    cn_table_column(t, "test", "test", -1);
    cn_table_column(t, "n_tokens", NULL, -1);
    cn_table_column(t, "depth", NULL, -1);
    cn_table_column(t, "by", NULL, -1);
    cn_table_column(t, "part", part, -1);
    cn_table_column(t, "share", "of time", 3);
    cn_table_column(t, "ms_per_token", "ms/token", 4);
    return t;
}

static void end(const struct cn_bench *b, const char *measured, const char *modelled)
{
    struct cn_table *t = b->table;
    bool model = cn_profiler_channel(b->suite.profiler, 0)->modelled;
    cn_table_column(t, "j_per_token", model ? modelled : measured, 6);
    cn_table_column(t, "method", NULL, -1);
    cn_table_column(t, "meter", NULL, -1);
    cn_table_column(t, "boundary", NULL, -1);
    cn_table_column(t, "energy_status", NULL, -1);
    cn_table_column(t, "energy_reason", NULL, -1);
}

static void put_part(struct cn_bench *b, const struct cn_bench_row *row, const char *by,
                     const char *part, double share, double ms)
{
    struct cn_table *t = b->table;
    cn_table_row(t);
    cn_table_str(t, "model", cn_bench_model_name(b, row->model));
    cn_table_str(t, "file_type", row->file_type);
    cn_table_i64(t, "threads", row->threads);
    cn_table_str(t, "tiers", row->tiers);
    cn_table_str(t, "test", row->decode ? "decode" : "prefill");
    cn_table_i64(t, "n_tokens", row->n_tokens);
    cn_table_i64(t, "depth", row->depth);
    cn_table_str(t, "by", by);
    cn_table_str(t, "part", part);
    cn_table_f64(t, "share", share);
    cn_table_f64(t, "ms_per_token", ms);
}

/* joules: NaN if not known. */
static void put_joules(struct cn_bench *b, double joules, const char *method,
                       enum cn_energy_status status, const char *reason)
{
    struct cn_table *t = b->table;
    const struct cn_meter_info *meter = cn_profiler_channel(b->suite.profiler, 0);
    const char *name = cn_energy_status_name(status);
    if (isfinite(joules))
        cn_table_f64(t, "j_per_token", joules);
    else
        cn_table_null(t, "j_per_token", name);
    cn_table_str(t, "method", method);
    cn_table_str(t, "meter", meter->ok ? meter->name : NULL);
    cn_table_str(t, "boundary", meter->ok ? meter->boundary : NULL);
    cn_table_str(t, "energy_status", name);
    cn_table_str(t, "energy_reason", meter->ok ? reason : meter->reason);
}

/* ---- by time --------------------------------------------------------------------------------- */

static void put_share(struct cn_bench *b, const struct cn_bench_row *row, const char *by,
                      const char *part, int64_t ns, const struct cn_energy *e)
{
    double share = (double)ns / (double)e->busy_ns, tokens = (double)row->result.total_tokens;
    put_part(b, row, by, part, share, 1e-6 * (double)ns / tokens);
    put_joules(b, e->joules * share / tokens, "time-weighted", e->status, e->reason);
}

static void split_ops(struct cn_bench *b, const struct cn_bench_row *row, const struct cn_energy *e)
{
    for (int op = 0; op < CN_N_OPS; op++) {
        int64_t ns = cn_spans_of_op(&row->spans, (enum cn_op)op);
        if (ns)
            put_share(b, row, "op", cn_op_name((enum cn_op)op), ns, e);
    }
}

static void split_layers(struct cn_bench *b, const struct cn_bench_row *row,
                         const struct cn_energy *e)
{
    for (int layer = -1; layer < row->spans.n_layers; layer++) {
        int64_t ns = 0;
        char name[32];
        for (int op = 0; op < CN_N_OPS; op++)
            ns += cn_spans_at(&row->spans, (enum cn_op)op, layer)->ns;
        snprintf(name, sizeof name, "%d", layer);
        put_share(b, row, "layer", layer < 0 ? "outside" : name, ns, e);
    }
}

/* The format of the op's first matrix is taken for all that it does. */
static void split_formats(struct cn_bench *b, const struct cn_bench_row *row,
                          const struct cn_energy *e)
{
    const struct cn_span_time *times = row->spans.times;
    const int n = CN_N_OPS * (1 + row->spans.n_layers);
    for (int i = 0; i < n; i++) {
        const char *format = times[i].format;
        bool first = times[i].ns > 0;
        int64_t ns = 0;
        /* Names are the formats' own, so equal ones are the same pointer. */
        for (int k = 0; k < n; k++) {
            if (times[k].format != format || times[k].ns == 0)
                continue;
            first = first && k >= i;
            ns += times[k].ns;
        }
        if (first)
            put_share(b, row, "format", format ? format : "no weights", ns, e);
    }
}

struct cn_table *cn_bench_split_table(struct cn_bench *b)
{
    const char by = b->a->split[0];
    b->table = begin(b, by == 'o' ? "op" : by == 'l' ? "layer" : "format");
    if (!b->table)
        return NULL;
    end(b, "J/token by time", "J/token by time, modelled");
    for (size_t i = 0; i < b->n_rows; i++) {
        const struct cn_bench_row *row = &b->rows[i];
        struct cn_energy e;
        cn_profiler_total(b->suite.profiler, 0, row->decode ? "decode" : "prefill",
                          row->result.first_phase, row->result.n_phases, &e);
        (by == 'o' ? split_ops : by == 'l' ? split_layers : split_formats)(b, row, &e);
        int64_t rest = e.busy_ns;
        for (int op = 0; op < CN_N_OPS; op++)
            rest -= cn_spans_of_op(&row->spans, (enum cn_op)op);
        put_share(b, row, by == 'o' ? "op" : by == 'l' ? "layer" : "format", "rest", rest, &e);
    }
    return b->table;
}

/* ---- by experiment --------------------------------------------------------------------------- */

struct cn_table *cn_bench_watts_table(struct cn_bench *b)
{
    b->table = begin(b, "op");
    if (!b->table)
        return NULL;
    cn_table_column(b->table, "watts",
                    cn_profiler_channel(b->suite.profiler, 0)->modelled ? "W modelled" : "W", 3);
    cn_table_column(b->table, "watts_lo", "95% from", 3);
    cn_table_column(b->table, "watts_hi", "to", 3);
    cn_table_column(b->table, "reps", NULL, -1);
    end(b, "J/token", "J/token modelled");
    for (size_t i = 0; i < b->n_rows; i++) {
        struct cn_op_watts_result r;
        cn_op_mix_solve(b->rows[i].mix, b->suite.profiler, &r);
        for (int k = 0; k < r.n_ops; k++) {
            const struct cn_op_watts *op = &r.ops[k];
            put_part(b, &b->rows[i], "op", op->ops, op->share, op->ms);
            if (isfinite(op->watts))
                cn_table_f64(b->table, "watts", op->watts);
            else
                cn_table_null(b->table, "watts", cn_energy_status_name(r.status));
            cn_table_f64(b->table, "watts_lo", op->lo);
            cn_table_f64(b->table, "watts_hi", op->hi);
            cn_table_i64(b->table, "reps", r.n_reps);
            put_joules(b, op->j_per_token, "least squares over op mixes", r.status, r.reason);
        }
    }
    return b->table;
}

void cn_bench_split_notes(const struct cn_bench *b)
{
    const struct cn_meter_info *meter = cn_profiler_channel(b->suite.profiler, 0);
    if (b->a->attribute)
        printf("\nEach op kind in turn was done so often that it took most of the time; watts by "
               "least\nsquares over the repetitions, the whole boundary's while the op runs. The "
               "intervals hold\nall at once. rest: outside the ops, and op kinds below 1%% of the "
               "time.\n");
    else
        printf("\nJoules are shared out by time, as if every part had the same watts; --attribute "
               "ops measures\nwatts. Watching the parts makes the pass a little slower.\n");
    if (!meter->ok)
        printf("J/token unsupported: %s%s%s.\n", meter->reason,
               meter->remedy[0] ? ". Remedy: " : "", meter->remedy);
    else
        printf("J/token of the boundary '%s', by %s%s.\n", meter->boundary, meter->name,
               meter->modelled ? ": modelled, not measured" : "");
    const char *note = cn_profiler_note(b->suite.profiler);
    if (note)
        printf("%s\n", note);
}
