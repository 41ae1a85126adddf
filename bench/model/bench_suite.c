/* SPDX-License-Identifier: MIT */
#include "bench/model/bench_suite.h"

#include "base/error.h"
#include "bench/machine/probe.h"
#include "bench/model/watched_load.h"
#include "bench/quality/quality.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_PROBE = 256 << 20 };

/* Time spent idle before and after, for the baseline, when there is a meter. */
static const double IDLE_S = 1;
/* Of a repetition of CN_BENCH_WATTS: some hundred updates of a counter. */
static const double MIX_S = 0.25;
/* Of a measurement of the machine's limits. */
static const double LIMIT_S = 0.15;

struct suite {
    const struct cn_bench_suite_options *o;
    struct cn_quality *quality; /* NULL: no base */
    struct cn_bench_row *rows;
    size_t n_rows;
    double steps_done, steps;
    /* limits of the test under way */
    struct cn_machine_probe *probe; /* NULL: the machine is not measured */
    uint32_t tiers;
    int32_t probe_threads;
    bool probe_read;
    struct cn_machine_rates limits; /* means of n_limits measurements, of CN_BENCH_EXPLAIN */
    int n_limits;
};

/* One test of a model. */
struct test {
    int32_t threads, depth, n_tokens, lanes;
    bool decode;
};

/* The machine's limits now, with the highest tier whose instructions can be timed: all of them, or
 * (only, as cn_machine_probe_only) some. */
static void limits_now(const struct suite *s, unsigned only, struct cn_machine_rates *rates)
{
    *rates = (struct cn_machine_rates){ .int8_gops = (double)NAN };
    cn_machine_probe_only(s->probe, only);
    for (int t = CN_N_TIERS - 1; t >= 0 && isnan(rates->int8_gops); t--)
        if (s->tiers >> t & 1) {
            cn_machine_probe_run(s->probe, s->tiers, (enum cn_tier)t, s->probe_threads, LIMIT_S,
                                 rates);
            if (only == CN_RATE_READ)
                return;
        }
}

/* That of the test under way: bytes read or int8 operations per second. */
static double limit_now(void *user)
{
    struct cn_machine_rates rates;
    const struct suite *s = user;
    limits_now(s, s->probe_read ? CN_RATE_READ : CN_RATE_INT8, &rates);
    return 1e9 * (s->probe_read ? rates.read_gbps : rates.int8_gops);
}

/* Between the repetitions of CN_BENCH_EXPLAIN, whose limits are the means of all. */
static double all_limits_now(void *user)
{
    struct cn_machine_rates r;
    struct suite *s = user;
    struct cn_machine_rates *sum = &s->limits;
    limits_now(s, 0, &r);
    const double n = s->n_limits++;
    sum->read_gbps += (r.read_gbps - sum->read_gbps) / (n + 1);
    sum->int8_gops += (r.int8_gops - sum->int8_gops) / (n + 1);
    sum->f32_gflops += (r.f32_gflops - sum->f32_gflops) / (n + 1);
    sum->bf16_gops += (r.bf16_gops - sum->bf16_gops) / (n + 1);
    return 1e9 * r.read_gbps;
}

static bool cancelled(void *user)
{
    const struct cn_bench_suite_options *o = ((const struct suite *)user)->o;
    return o->cancel && o->cancel(o->user);
}

static void wait_idle(const struct suite *s, int64_t index)
{
    if (cn_profiler_channel(s->o->profiler, 0)->ok)
        cn_idle_phase(s->o->profiler, IDLE_S, index);
}

static enum cn_status measure_watts(const struct suite *s, const struct cn_model *model,
                                    const struct cn_bench_options *o, struct cn_bench_row *row,
                                    struct cn_error *err)
{
    const bool metered = cn_profiler_channel(s->o->profiler, 0)->ok;
    const struct cn_op_mix_options mix = { .n_rounds = metered ? s->o->n_reps : 2,
                                           .seconds = metered ? MIX_S : MIX_S / 10 };
    return cn_op_mix_run(model, o, &mix, &row->mix, err);
}

static enum cn_status measure_speed(struct suite *s, const struct cn_model *model,
                                    struct cn_bench_options *o, struct cn_bench_row *row,
                                    struct cn_error *err)
{
    const bool explain = s->o->kind == CN_BENCH_EXPLAIN;
    if (explain || s->o->kind == CN_BENCH_SPLIT) {
        const struct cn_model_info *info = cn_model_get_info(model);
        if (!cn_spans_init(&row->spans, info->n_layer + info->n_nextn))
            return CN_ERR_MEMORY;
        o->spans = &row->spans;
    }
    o->limit = !s->probe ? NULL : explain ? all_limits_now : limit_now;
    s->limits = (struct cn_machine_rates){ 0 };
    s->n_limits = 0;
    CN_TRY(cn_model_bench(model, o, &row->result, err));
    if (!explain)
        return CN_OK;
    row->explain = malloc(sizeof *row->explain);
    if (!row->explain)
        return CN_ERR_MEMORY;
    row->limits = s->limits;
    cn_explain(model, o, &row->spans, row->result.busy_ns, row->result.total_tokens, &row->limits,
               row->explain);
    return CN_OK;
}

static void free_row(struct cn_bench_row *row)
{
    cn_spans_free(&row->spans);
    cn_op_mix_free(row->mix);
    free(row->explain);
}

/* Room for a row of a test, filled with what is known beforehand; NULL if memory is short. It is
 * counted when the test is done. */
static struct cn_bench_row *new_row(struct suite *s, const struct cn_model *model, const char *path,
                                    const struct cn_perplexity *quality, const struct test *test)
{
    const struct cn_model_info *info = cn_model_get_info(model);
    struct cn_bench_row *rows = realloc(s->rows, (s->n_rows + 1) * sizeof *rows);
    if (!rows)
        return NULL;
    s->rows = rows;
    struct cn_bench_row *row = &rows[s->n_rows];
    memset(row, 0, sizeof *row);
    row->info = *info;
    snprintf(row->model, sizeof row->model, "%s", path);
    snprintf(row->architecture, sizeof row->architecture, "%s", info->architecture);
    snprintf(row->file_type, sizeof row->file_type, "%s", info->file_type);
    snprintf(row->tiers, sizeof row->tiers, "%s", info->tiers);
    row->threads = test->threads;
    row->depth = test->depth;
    row->lanes = test->lanes;
    row->decode = test->decode;
    row->n_tokens = test->n_tokens;
    row->kld_mean = quality ? quality->kld_mean : (double)NAN;
    row->kld_p99 = quality ? quality->kld_p99 : (double)NAN;
    row->top1 = quality ? quality->top1_agreement : (double)NAN;
    row->same = (double)NAN;
    return row;
}

static struct cn_bench_options options_of(struct suite *s, const struct cn_model *model,
                                          const struct test *test)
{
    const char *bad;
    size_t bad_len;
    cn_tiers_parse(cn_model_get_info(model)->tiers, &s->tiers, &bad, &bad_len);
    s->probe_threads = test->threads;
    s->probe_read = test->decode;
    return (struct cn_bench_options){ .n_threads = test->threads,
                                      .n_reps = s->o->n_reps,
                                      .depth = test->depth,
                                      .n_batch = s->o->n_batch,
                                      .n_tokens = test->n_tokens,
                                      .decode = test->decode,
                                      .n_lanes = test->lanes,
                                      .kv = s->o->kv,
                                      .fast = s->o->fast,
                                      .sleep = s->o->sleep,
                                      .profiler = s->o->profiler,
                                      .cancel = cancelled,
                                      .user = s };
}

static void step(struct suite *s)
{
    s->steps_done++;
    if (s->o->progress)
        s->o->progress(s->o->user, s->steps_done, s->steps);
}

static enum cn_status run_test(struct suite *s, const struct cn_model *model, const char *path,
                               const struct cn_perplexity *quality, const struct test *test,
                               struct cn_error *err)
{
    struct cn_bench_row *row = new_row(s, model, path, quality, test);
    if (!row)
        return CN_ERR_MEMORY;
    struct cn_bench_options o = options_of(s, model, test);
    enum cn_status status = s->o->kind == CN_BENCH_WATTS ? measure_watts(s, model, &o, row, err)
                                                         : measure_speed(s, model, &o, row, err);
    row->huge_pages = cn_huge_page_share(CN_BENCH_SMALL);
    if (status == CN_OK)
        s->n_rows++;
    else
        free_row(row);
    step(s);
    return status;
}

/* Decode with and without drafts: two rows. */
static enum cn_status run_drafts(struct suite *s, const struct cn_model *model, const char *path,
                                 const struct cn_perplexity *quality, const struct test *test,
                                 struct cn_error *err)
{
    struct cn_bench_options o = options_of(s, model, test);
    o.limit = s->probe ? limit_now : NULL;
    const struct cn_speculation_test t = { .bench = &o,
                                           .drafts = *s->o->drafts,
                                           .tiers = s->o->tiers,
                                           .text = s->o->text,
                                           .n_text = s->o->n_text };
    struct cn_speculation_bench r;
    CN_TRY(cn_speculation_bench_run(model, &t, &r, err));
    for (int drafted = 0; drafted <= 1; drafted++) {
        struct cn_bench_row *row = new_row(s, model, path, quality, test);
        if (!row)
            return CN_ERR_MEMORY;
        row->depth = r.n_prompt;
        row->huge_pages = cn_huge_page_share(CN_BENCH_SMALL);
        row->result = drafted ? r.drafted : r.plain;
        if (drafted) {
            row->speculation = r.told;
            row->same = r.same;
            if (t.drafts.draft)
                snprintf(row->draft, sizeof row->draft, "%s", t.drafts.draft);
            else if (t.drafts.nextn)
                snprintf(row->draft, sizeof row->draft, "mtp");
            else
                snprintf(row->draft, sizeof row->draft, "lookup:%d", t.drafts.lookup);
        }
        s->n_rows++;
    }
    step(s);
    return CN_OK;
}

/* The tests of these lengths. */
static enum cn_status run_lengths(struct suite *s, const struct cn_model *model, const char *path,
                                  const struct cn_perplexity *quality, struct test test,
                                  const struct cn_int_list *lengths, struct cn_error *err)
{
    for (int i = 0; i < lengths->n; i++) {
        test.n_tokens = lengths->values[i];
        if (test.n_tokens)
            CN_TRY((s->o->drafts && test.decode ? run_drafts : run_test)(s, model, path, quality,
                                                                         &test, err));
    }
    return CN_OK;
}

static enum cn_status run_model(struct suite *s, const char *path, struct cn_error *err)
{
    const struct cn_bench_suite_options *o = s->o;
    struct cn_model_options options = { .tiers = o->tiers };
    struct cn_model *model;
    CN_TRY(cn_model_open(path, &options, &model, err));
    struct cn_perplexity measured, *quality = NULL;
    enum cn_status status = CN_OK;
    if (s->quality) {
        quality = &measured;
        status = cn_quality_measure(s->quality, model, 0, quality, err);
    }
    for (int t = 0; t < o->threads.n; t++)
        for (int d = 0; d < o->depth.n && status == CN_OK; d++) {
            struct test test = { .threads = o->threads.values[t],
                                 .depth = o->depth.values[d],
                                 .lanes = 1 };
            status = run_lengths(s, model, path, quality, test, &o->prefill, err);
            test.decode = true;
            for (int l = 0; l < o->lanes.n && status == CN_OK; l++) {
                test.lanes = o->lanes.values[l];
                status = run_lengths(s, model, path, quality, test, &o->decode, err);
            }
        }
    cn_model_close(model);
    return status;
}

static enum cn_status make_probe(struct suite *s, struct cn_error *err)
{
    if (s->o->kind == CN_BENCH_SPLIT || s->o->kind == CN_BENCH_WATTS)
        return CN_OK;
    struct cn_machine_info machine;
    cn_machine_describe(&machine);
    int32_t most = 1;
    for (int i = 0; i < s->o->threads.n; i++)
        most = s->o->threads.values[i] > most ? s->o->threads.values[i] : most;
    /* Beyond any cache, as far as the system tells of it. */
    const size_t bytes = 4 * (size_t)machine.last_cache_bytes;
    s->probe = cn_machine_probe_create(bytes < MIN_PROBE ? MIN_PROBE : bytes, most);
    return s->probe ? CN_OK : cn_fail_errno(err, "cannot measure the machine");
}

static enum cn_status make_quality(struct suite *s, struct cn_error *err)
{
    if (!s->o->base)
        return CN_OK;
    struct cn_model_options options = { .tiers = s->o->tiers };
    struct cn_model *model;
    CN_TRY(cn_model_open(s->o->base, &options, &model, err));
    enum cn_status status = cn_quality_create(model, 0, &s->quality, err);
    cn_model_close(model);
    return status;
}

enum cn_status cn_bench_suite_run(const struct cn_bench_suite_options *o,
                                  struct cn_bench_row **rows, size_t *n, struct cn_error *err)
{
    struct suite s = { .o = o };
    s.steps =
        (double)o->n_models * o->threads.n * o->depth.n * (o->prefill.n + o->decode.n * o->lanes.n);
    enum cn_status status = make_probe(&s, err);
    if (status == CN_OK)
        status = make_quality(&s, err);
    if (status == CN_OK) {
        wait_idle(&s, 0);
        for (size_t i = 0; i < o->n_models && status == CN_OK; i++)
            status = run_model(&s, o->models[i], err);
        wait_idle(&s, 1);
    }
    cn_machine_probe_free(s.probe);
    cn_quality_free(s.quality);
    *rows = s.rows;
    *n = s.n_rows;
    return status;
}

void cn_bench_rows_free(struct cn_bench_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free_row(&rows[i]);
    free(rows);
}
