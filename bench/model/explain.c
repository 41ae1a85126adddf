/* SPDX-License-Identifier: MIT */
#include "bench/model/explain.h"

#include "engine/run/op_work.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PARTS = sizeof((struct cn_explain *)0)->parts / sizeof(struct cn_explain_part) };

const char *cn_bottleneck_name(enum cn_bottleneck bottleneck)
{
    static const char *const names[] = { "memory", "arithmetic", "kernel", "overhead" };
    return names[bottleneck];
}

/* What an op of a layer does per token: bytes, operations and the milliseconds that these take. */
struct need {
    double bytes, ops, memory_ms, ops_ms;
};

/* Operations of quantised weights: 8-bit integers, or bf16 where precision exact makes panels of
 * them. */
static double product_gops(const struct cn_model *m, const struct cn_bench_options *o,
                           int32_t n_tokens, const struct cn_machine_rates *limits)
{
    const bool bf16 = cn_model_multiplies_bf16(m, n_tokens, o->fast);
    return bf16 && limits->bf16_gops > 0 ? limits->bf16_gops : limits->int8_gops;
}

static struct need need_of(const struct cn_model *m, enum cn_op op, int layer,
                           const struct cn_bench_options *o, const struct cn_machine_rates *limits)
{
    struct need n = { 0 };
    double int8 = 0, floats = 0, gops = limits->int8_gops;
    if (op == CN_OP_ATTENTION && layer >= 0) {
        const struct cn_attention_span span = {
            .kv = o->kv, .position = o->depth, .n_tokens = o->n_tokens, .together = !o->decode
        };
        cn_model_attention_work(m, layer, &span, &n.bytes, &floats);
    } else {
        const int32_t batch = o->n_batch ? o->n_batch : 512;
        const int32_t pass = o->decode ? 1 : o->n_tokens < batch ? o->n_tokens : batch;
        const int32_t mean = o->depth + (o->decode ? 0 : o->n_tokens - pass) / 2;
        struct cn_work work = { 0 };
        cn_model_op_work(m, op, layer, mean, pass, &work);
        n.bytes = (double)work.bytes / pass;
        int8 = (double)work.int8_ops / pass;
        floats = (double)work.float_ops / pass;
        gops = product_gops(m, o, pass, limits);
    }
    n.ops = int8 + floats;
    n.memory_ms = n.bytes / limits->read_gbps * 1e-6;
    if (int8 > 0 && gops > 0)
        n.ops_ms += int8 / gops * 1e-6;
    if (floats > 0)
        n.ops_ms += floats / limits->f32_gflops * 1e-6;
    return n;
}

/* The part of this op and these formats; the last one takes what finds no room. */
static struct cn_explain_part *part_of(struct cn_explain *e, const char *op, const char *formats)
{
    for (int i = 0; i < e->n; i++)
        if (strcmp(e->parts[i].op, op) == 0 && strcmp(e->parts[i].formats, formats) == 0)
            return &e->parts[i];
    if (e->n == MAX_PARTS)
        return &e->parts[MAX_PARTS - 1];
    struct cn_explain_part *p = &e->parts[e->n++];
    *p = (struct cn_explain_part){ .op = op };
    snprintf(p->formats, sizeof p->formats, "%s", formats);
    return p;
}

static void judge(struct cn_explain_part *p, double total_ms)
{
    const double bound = fmax(p->memory_ms, p->ops_ms);
    p->share = p->ms / total_ms;
    p->gbps = p->bytes / p->ms * 1e-6;
    p->gops = p->ops / p->ms * 1e-6;
    p->reached = bound / p->ms;
    p->gain = fmax(0, p->ms - bound) / total_ms;
    if (bound == 0)
        p->bottleneck = CN_OVERHEAD;
    else if (p->reached < CN_NEAR)
        p->bottleneck = CN_KERNEL;
    else
        p->bottleneck = p->memory_ms > p->ops_ms ? CN_MEMORY : CN_ARITHMETIC;
}

static int longest_first(const void *a, const void *b)
{
    const struct cn_explain_part *x = a, *y = b;
    return x->ms < y->ms ? 1 : x->ms > y->ms ? -1 : 0;
}

void cn_explain(const struct cn_model *m, const struct cn_bench_options *o,
                const struct cn_spans *spans, int64_t ns, int64_t n_tokens,
                const struct cn_machine_rates *limits, struct cn_explain *e)
{
    const double per_token = 1e-6 / (double)n_tokens;
    double rest = (double)ns * per_token, together[4] = { 0 };
    *e = (struct cn_explain){ .ms = rest };
    for (int op = 0; op < CN_N_OPS; op++)
        for (int layer = -1; layer < spans->n_layers; layer++) {
            const struct cn_span_time *t = cn_spans_at(spans, (enum cn_op)op, layer);
            if (!t->ns)
                continue;
            char formats[sizeof e->parts->formats];
            cn_model_op_formats(m, (enum cn_op)op, layer, formats, sizeof formats);
            const struct need n = need_of(m, (enum cn_op)op, layer, o, limits);
            struct cn_explain_part *p = part_of(e, cn_op_name((enum cn_op)op), formats);
            p->ms += (double)t->ns * per_token;
            p->bytes += n.bytes;
            p->ops += n.ops;
            p->memory_ms += n.memory_ms;
            p->ops_ms += n.ops_ms;
            rest -= (double)t->ns * per_token;
        }
    part_of(e, "rest", "")->ms += fmax(rest, 0);
    for (int i = 0; i < e->n; i++) {
        judge(&e->parts[i], e->ms);
        together[e->parts[i].bottleneck] += e->parts[i].share;
    }
    qsort(e->parts, (size_t)e->n, sizeof *e->parts, longest_first);
    for (int i = 0; i < 4; i++)
        if (together[i] > e->share) {
            e->share = together[i];
            e->overall = (enum cn_bottleneck)i;
        }
}

void cn_explain_text(const struct cn_explain *e, char *text, size_t n_bytes)
{
    static const char *const meaning[] = {
        [CN_MEMORY] = "waits for memory: only fewer bytes per weight or a faster memory help",
        [CN_ARITHMETIC] = "is at the limit of arithmetic: only fewer or narrower operations help",
        [CN_KERNEL] = ("is below both limits: the kernels' own instructions take it "
                       "(unpacking, scales, uneven shares)"),
        [CN_OVERHEAD] = "goes to steps without matrices: norms, sampling, handing out work",
    };
    double bound = 0;
    const struct cn_explain_part *best = NULL;
    for (int i = 0; i < e->n; i++) {
        const struct cn_explain_part *p = &e->parts[i];
        bound += fmin(p->ms, fmax(p->memory_ms, p->ops_ms));
        if (!best || p->gain > best->gain)
            best = p;
    }
    int used =
        snprintf(text, n_bytes,
                 "Bottleneck: %s. %.0f%% of the time %s. With every matrix at its bound and "
                 "nothing else, a token would take %.3g ms instead of %.3g.",
                 cn_bottleneck_name(e->overall), 100 * e->share, meaning[e->overall], bound, e->ms);
    if (best && used > 0 && (size_t)used < n_bytes)
        snprintf(text + used, n_bytes - (size_t)used, " Most to gain: %s%s%s, %.0f%% of the time.",
                 best->op, best->formats[0] ? " in " : "", best->formats, 100 * best->gain);
}
