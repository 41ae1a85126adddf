/* SPDX-License-Identifier: MIT
 *
 * Base files have the layout that other tools use: "_logits_", u32 n_ctx, i32 n_vocab, i32 n_chunk,
 * the tokens (i32), then for each scored position a float scale, a float minimum and one 16-bit
 * code per vocabulary entry: log-probability = scale * code + minimum.
 */
#include "bench/quality/ppl.h"

#include "base/error.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOGITS_BYTES = 64 << 20, /* memory for logits */
    CODE_MAX = 65535,
    RANGE = 16, /* nats below the best that a base file resolves */
};

struct run {
    const struct cn_perplexity_options *options;
    struct cn_session *session;
    int32_t *tokens; /* of the chunk under way */
    int32_t n_ctx, n_vocab, n_logits;
    uint16_t *codes;
    float *kld; /* [scored positions] */
    int64_t n_kld;
    struct sums {
        int64_t n, same_top;
        double nll, nll2, base_nll, kld, kld2, delta_p2;
    } sum;
};

/* log(sum exp(x - max)) + max: exp in float, sum in double. */
static double log_sum_exp(const float *x, int32_t n, float max)
{
    double sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum += (double)expf(x[i] - max);
    return log(sum) + (double)max;
}

static int32_t argmax(const float *x, int32_t n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* One position of a base file: scale and minimum as floats, then the codes. */
static enum cn_status write_position(struct run *r, const float *logits, float max, double lse,
                                     struct cn_error *err)
{
    float lowest = logits[0];
    for (int32_t i = 1; i < r->n_vocab; i++)
        lowest = fminf(lowest, logits[i]);
    lowest = fmaxf(lowest, max - RANGE);
    float head[2] = { (max - lowest) / CODE_MAX, (float)((double)lowest - lse) };
    for (int32_t i = 0; i < r->n_vocab; i++)
        r->codes[i] = logits[i] > lowest && head[0] > 0
                          ? (uint16_t)lrintf((logits[i] - lowest) / head[0])
                          : 0;
    size_t n = 2 * ((size_t)(r->n_vocab + 1) / 2);
    bool ok = fwrite(head, sizeof head, 1, r->options->save_base) == 1 &&
              fwrite(r->codes, sizeof *r->codes, n, r->options->save_base) == n;
    CN_RETURN_IF(!ok, CN_ERR_IO, err, "write of the base file: %s", strerror(errno));
    return CN_OK;
}

static enum cn_status compare_position(struct run *r, const float *logits, double lse,
                                       int32_t target, struct cn_error *err)
{
    float head[2];
    size_t n = 2 * ((size_t)(r->n_vocab + 1) / 2);
    bool ok = fread(head, sizeof head, 1, r->options->base) == 1 &&
              fread(r->codes, sizeof *r->codes, n, r->options->base) == n;
    if (!ok && ferror(r->options->base))
        return cn_fail_errno(err, "%s", r->options->base_name);
    CN_RETURN_IF(!ok, CN_ERR_FORMAT, err, "%s: ends early, after %lld positions",
                 r->options->base_name, (long long)r->sum.n);
    CN_RETURN_IF(!isfinite(head[0]) || !isfinite(head[1]), CN_ERR_FORMAT, err,
                 "%s: position %lld: finite scale expected", r->options->base_name,
                 (long long)r->sum.n);
    double kld = 0;
    int32_t top = 0;
    for (int32_t i = 0; i < r->n_vocab; i++) {
        double pb = (double)head[0] * r->codes[i] + (double)head[1];
        if (r->codes[i] > r->codes[top])
            top = i;
        if (pb > -RANGE)
            kld += exp(pb) * (pb - ((double)logits[i] - lse));
    }
    double base = (double)head[0] * r->codes[target] + (double)head[1];
    double delta = exp((double)logits[target] - lse) - exp(base);
    r->sum.base_nll -= base;
    r->sum.kld += kld;
    r->sum.kld2 += kld * kld;
    r->sum.delta_p2 += delta * delta;
    r->sum.same_top += top == argmax(logits, r->n_vocab);
    r->kld[r->n_kld++] = (float)kld;
    return CN_OK;
}

static enum cn_status score_chunk(struct run *r, struct cn_error *err)
{
    const int32_t first = r->n_ctx / 2;
    CN_TRY(cn_session_rewind(r->session, 0, err));
    CN_TRY(cn_session_eval(r->session, r->tokens, first, CN_WANT_NONE, err));
    for (int32_t at = first; at < r->n_ctx; at += r->n_logits) {
        int32_t n = r->n_ctx - at < r->n_logits ? r->n_ctx - at : r->n_logits;
        CN_TRY(cn_session_eval(r->session, r->tokens + at, n, CN_WANT_ALL, err));
        for (int32_t i = 0; i < n && at + i < r->n_ctx - 1; i++) {
            const float *logits = cn_session_logits(r->session, i);
            float max = logits[argmax(logits, r->n_vocab)];
            double lse = log_sum_exp(logits, r->n_vocab, max);
            int32_t target = r->tokens[at + i + 1];
            double nll = lse - (double)logits[target];
            CN_RETURN_IF(!isfinite(nll), CN_ERR_FORMAT, err,
                         "the model's logits are not finite at position %d", at + i);
            if (r->options->save_base)
                CN_TRY(write_position(r, logits, max, lse, err));
            if (r->options->base)
                CN_TRY(compare_position(r, logits, lse, target, err));
            r->sum.n++;
            r->sum.nll += nll;
            r->sum.nll2 += nll * nll;
        }
    }
    return CN_OK;
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* Linear interpolation at fraction * (n - 1). */
static double quantile(const float *sorted, int64_t n, double fraction)
{
    double at = fraction * (double)(n - 1);
    int64_t i = (int64_t)at;
    if (i >= n - 1)
        return (double)sorted[n - 1];
    return (double)sorted[i] + (at - (double)i) * ((double)sorted[i + 1] - (double)sorted[i]);
}

static void summarise(struct run *r, struct cn_perplexity *out)
{
    const struct sums *s = &r->sum;
    double n = (double)s->n, mean = s->nll / n, variance = s->nll2 / n - mean * mean;
    out->n_tokens = s->n;
    out->ppl = exp(mean);
    out->ppl_se = out->ppl * sqrt(fmax(0, variance) / (n - 1));
    if (!r->options->base) {
        const double none = (double)NAN;
        out->base_ppl = out->kld_mean = out->kld_se = out->kld_median = out->kld_p90 = none;
        out->kld_p99 = out->kld_max = out->top1_agreement = out->top1_se = none;
        out->delta_p_rms = none;
        return;
    }
    qsort(r->kld, (size_t)r->n_kld, sizeof *r->kld, ascending);
    double kld = s->kld / n, top = (double)s->same_top / n;
    out->base_ppl = exp(s->base_nll / n);
    out->kld_mean = kld;
    out->kld_se = sqrt(fmax(0, s->kld2 / n - kld * kld) / (n - 1));
    out->kld_median = quantile(r->kld, r->n_kld, 0.5);
    out->kld_p90 = quantile(r->kld, r->n_kld, 0.9);
    out->kld_p99 = quantile(r->kld, r->n_kld, 0.99);
    out->kld_max = (double)r->kld[r->n_kld - 1];
    out->top1_agreement = top;
    out->top1_se = sqrt(top * (1 - top) / (n - 1));
    out->delta_p_rms = sqrt(s->delta_p2 / n);
}

static enum cn_status open_base(struct run *r, const int32_t *tokens, int32_t n_chunks,
                                struct cn_error *err)
{
    const struct cn_perplexity_options *o = r->options;
    const size_t n = (size_t)n_chunks * (size_t)r->n_ctx;
    int32_t head[3] = { r->n_ctx, r->n_vocab, n_chunks };
    if (o->save_base) {
        bool ok = fwrite("_logits_", 8, 1, o->save_base) == 1 &&
                  fwrite(head, sizeof head, 1, o->save_base) == 1 &&
                  fwrite(tokens, sizeof *tokens, n, o->save_base) == n;
        CN_RETURN_IF(!ok, CN_ERR_IO, err, "write of the base file: %s", strerror(errno));
    }
    if (!o->base)
        return CN_OK;
    char magic[8];
    int32_t found[3];
    const bool whole =
        fread(magic, 8, 1, o->base) == 1 && fread(found, sizeof found, 1, o->base) == 1;
    if (!whole && ferror(o->base))
        return cn_fail_errno(err, "%s", o->base_name);
    CN_RETURN_IF(!whole || memcmp(magic, "_logits_", 8) != 0, CN_ERR_FORMAT, err,
                 "%s: not a base file (written by --save-base)", o->base_name);
    CN_RETURN_IF(
        found[0] != head[0] || found[1] != head[1] || found[2] < head[2], CN_ERR_ARGUMENT, err,
        "%s: context %d, vocabulary %d, %d chunks expected; %d, %d, %d found (use the same -c "
        "and --chunks)",
        o->base_name, head[0], head[1], head[2], found[0], found[1], found[2]);
    for (int64_t i = 0; i < (int64_t)found[2] * found[0]; i++) {
        int32_t token;
        const bool there = fread(&token, sizeof token, 1, o->base) == 1;
        if (!there && ferror(o->base))
            return cn_fail_errno(err, "%s", o->base_name);
        CN_RETURN_IF(!there, CN_ERR_FORMAT, err, "%s: ends early, in its tokens", o->base_name);
        CN_RETURN_IF((size_t)i < n && token != tokens[i], CN_ERR_ARGUMENT, err,
                     "%s: was made from another text: token %lld is %d there, %d here",
                     o->base_name, (long long)i, token, tokens[i]);
    }
    return CN_OK;
}

static enum cn_status run_chunks(struct run *r, const struct cn_model *model, const int32_t *tokens,
                                 int32_t n_chunks, struct cn_error *err)
{
    const struct cn_perplexity_options *o = r->options;
    const struct cn_model_info *info = cn_model_get_info(model);
    CN_TRY(open_base(r, tokens, n_chunks, err));
    for (int32_t c = 0; c < n_chunks; c++) {
        memcpy(r->tokens, tokens + (size_t)c * (size_t)r->n_ctx, (size_t)r->n_ctx * sizeof *tokens);
        if (info->add_bos && info->bos >= 0)
            r->tokens[0] = info->bos;
        CN_TRY(score_chunk(r, err));
        double ppl = exp(r->sum.nll / (double)r->sum.n);
        CN_RETURN_IF(o->progress && o->progress(o->user, c + 1, n_chunks, ppl), CN_ERR_CANCELLED,
                     err, "interrupted");
    }
    return CN_OK;
}

enum cn_status cn_perplexity_run(const struct cn_model *model, const int32_t *tokens, size_t n,
                                 const struct cn_perplexity_options *options,
                                 struct cn_perplexity *result, struct cn_error *err)
{
    struct run r = { .options = options };
    r.n_ctx = options->n_ctx ? options->n_ctx : 512;
    r.n_vocab = cn_model_get_info(model)->n_vocab;
    CN_RETURN_IF(r.n_ctx < 8, CN_ERR_ARGUMENT, err, "context: 8 or more expected, %d given",
                 r.n_ctx);
    CN_RETURN_IF(n < 2 * (size_t)r.n_ctx, CN_ERR_ARGUMENT, err,
                 "the text has %zu tokens; at least %d (two contexts) are needed", n, 2 * r.n_ctx);
    int32_t n_chunks = (int32_t)(n / (size_t)r.n_ctx);
    if (options->n_chunks && options->n_chunks < n_chunks)
        n_chunks = options->n_chunks;
    r.n_logits = LOGITS_BYTES / 4 / r.n_vocab;
    r.n_logits = r.n_logits < 8 ? 8 : r.n_logits > 512 ? 512 : r.n_logits;
    struct cn_session_options session = { .n_ctx = r.n_ctx,
                                          .n_logits = r.n_logits,
                                          .n_threads = options->n_threads,
                                          .kv = options->kv,
                                          .fast = options->fast };
    CN_TRY(cn_session_create(model, &session, &r.session, err));
    r.tokens = malloc((size_t)r.n_ctx * sizeof *r.tokens);
    r.codes = calloc((size_t)r.n_vocab + 2, sizeof *r.codes);
    r.kld = malloc((size_t)n_chunks * (size_t)r.n_ctx * sizeof *r.kld);
    enum cn_status status = CN_ERR_MEMORY;
    if (r.tokens && r.codes && r.kld)
        status = run_chunks(&r, model, tokens, n_chunks, err);
    else
        cn_fail(err, status, "out of memory");
    if (status == CN_OK) {
        summarise(&r, result);
        result->n_chunks = n_chunks;
    }
    cn_session_free(r.session);
    free(r.tokens);
    free(r.codes);
    free(r.kld);
    return status;
}
