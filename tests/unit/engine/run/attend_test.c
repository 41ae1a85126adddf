/* SPDX-License-Identifier: MIT
 *
 * Attention against the textbook's: all scores, one softmax, in double. Random queries, keys and
 * values go into sessions of tiny models, which give the shapes.
 */
#include "engine/run/attend.h"
#include "tests/arch_fixture.h"

#include <math.h>

#define ARCH "tests/fixtures/arch/"

static uint64_t seed = 1;

static float noise(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(seed >> 11) * 0x1p-52 - 1) * 1.5f;
}

/* All keys and values so far, [position][kv head][d]. */
struct past {
    float *k, *v;
};

static double cap(const struct cn_hparams *hp, double score)
{
    double limit = (double)hp->attn_softcap;
    return limit > 0 ? limit * tanh(score / limit) : score;
}

/* Output of one query head of the token at `position`. */
static void naive(const struct cn_session *s, int64_t layer, const struct past *past,
                  const float *q, int64_t kv_head, int64_t position, double *scores, double *out)
{
    const struct cn_hparams *hp = &s->model->hp;
    int64_t first = 0;
    if (s->model->layers[layer].hp->window > 0 && position - hp->window + 1 > 0)
        first = position - hp->window + 1;
    double max = -HUGE_VAL, sum = 0;
    for (int64_t t = first; t <= position; t++) {
        const float *k = past->k + (t * hp->n_head_kv + kv_head) * hp->d_k;
        double dot = 0;
        for (int64_t i = 0; i < hp->d_k; i++)
            dot += (double)q[i] * (double)k[i];
        scores[t] = cap(hp, dot);
        max = fmax(max, scores[t]);
    }
    for (int64_t i = 0; i < hp->d_v; i++)
        out[i] = 0;
    for (int64_t t = first; t <= position; t++) {
        const float *v = past->v + (t * hp->n_head_kv + kv_head) * hp->d_v;
        double p = exp(scores[t] - max);
        sum += p;
        for (int64_t i = 0; i < hp->d_v; i++)
            out[i] += p * (double)v[i];
    }
    for (int64_t i = 0; i < hp->d_v; i++)
        out[i] /= sum;
}

/* Feeds n tokens at s->position and compares every head of the first and last tiles, and of a token
 * in five between them. */
static void step(struct cn_session *s, int64_t layer, struct past *past, int64_t n, double bound)
{
    const struct cn_hparams *hp = &s->model->hp;
    const int64_t nq = hp->n_head * hp->d_k, nk = hp->n_head_kv * hp->d_k;
    const int64_t nv = hp->n_head_kv * hp->d_v, group = hp->n_head / hp->n_head_kv;
    double *scores = malloc((size_t)(s->position + n) * sizeof *scores);
    double *expected = malloc((size_t)hp->d_v * sizeof *expected);
    float *qkv = malloc((size_t)(n * (nq + nk + nv)) * sizeof *qkv);
    float *out = malloc((size_t)(n * hp->n_head * hp->d_v) * sizeof *out);
    assert_non_null(scores);
    assert_non_null(expected);
    assert_non_null(qkv);
    assert_non_null(out);
    for (int64_t t = 0; t < n; t++) {
        float *q = qkv + t * (nq + nk + nv);
        /* Queries come to the attention scaled. */
        for (int64_t i = 0; i < nq + nk + nv; i++)
            q[i] = i < nq ? noise() * hp->attn_scale : noise();
        memcpy(past->k + (s->position + t) * nk, q + nq, (size_t)nk * sizeof *q);
        memcpy(past->v + (s->position + t) * nv, q + nq + nk, (size_t)nv * sizeof *q);
        for (int64_t h = 0; h < hp->n_head_kv; h++) {
            cn_kv_store_row(s->model, s->group->options.kv, hp->d_k, q + nq + h * hp->d_k,
                            cn_kv_key(&s->kv[layer], h, s->position + t));
            cn_kv_store_row(s->model, s->group->options.kv, hp->d_v, q + nq + nk + h * hp->d_v,
                            cn_kv_value(&s->kv[layer], h, s->position + t));
        }
    }
    s->group->n_threads = 2;
    struct cn_attend attend = { .g = s->group,
                                .position = s->position,
                                .work = &s->work,
                                .type = s->group->options.kv,
                                .kv = &s->kv[layer],
                                .n = n,
                                .n_head = hp->n_head,
                                .n_head_kv = hp->n_head_kv,
                                .d_k = hp->d_k,
                                .d_v = hp->d_v,
                                .q = qkv,
                                .q_stride = nq + nk + nv,
                                .out = out,
                                .window = hp->layers[layer].window,
                                .softcap = hp->attn_softcap };
    void *shared = malloc(cn_attend_shared_bytes(hp->d_k, hp->d_v));
    assert_non_null(shared);
    cn_attend(&attend, 1, shared);
    free(shared);
    for (int64_t t = 0; t < n; t += t < 16 || t >= n - 16 ? 1 : 5)
        for (int64_t h = 0; h < hp->n_head; h++) {
            naive(s, layer, past, qkv + t * (nq + nk + nv) + h * hp->d_k, h / group,
                  s->position + t, scores, expected);
            for (int64_t i = 0; i < hp->d_v; i++) {
                double got = (double)out[(t * hp->n_head + h) * hp->d_v + i];
                if (!(fabs(got - expected[i]) <= bound))
                    fail_msg("%lld tokens at %d, token %lld, head %lld: %g expected, %g found",
                             (long long)n, s->position, (long long)t, (long long)h, expected[i],
                             got);
            }
        }
    free(scores);
    free(expected);
    free(qkv);
    free(out);
    s->position += (int32_t)n;
}

static void compare(const char *path, enum cn_kv_type kv, double bound)
{
    /* Both forms, whole tiles and odd ones, first positions and blocks of 512 keys passed. */
    static const int64_t counts[] = {
        1, 2, 7, 8, 33, 1, 100, 16, 15, 128, 3, 200, 1, 90, 1, 1, 64
    };
    struct cn_model *m = fixture_open(path, NULL);
    const struct cn_hparams *hp = &m->hp;
    struct cn_session_options o = { .n_ctx = 1024, .n_batch = 200, .n_threads = 2, .kv = kv };
    /* A layer of each kind: with a window and without. */
    for (int64_t layer = 0; layer < (hp->window ? 2 : 1); layer++) {
        struct cn_session *s = fixture_session(m, &o);
        struct past past = { malloc((size_t)(1024 * hp->n_head_kv * hp->d_k) * sizeof(float)),
                             malloc((size_t)(1024 * hp->n_head_kv * hp->d_v) * sizeof(float)) };
        assert_non_null(past.k);
        assert_non_null(past.v);
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            step(s, layer, &past, counts[i], bound);
        assert_true(s->position > 640);
        free(past.k);
        free(past.v);
        cn_session_free(s);
    }
    cn_model_close(m);
}

/* Values lie within 1.5, so that averages have errors of a few roundings times that; scores of up
 * to 10 with relative errors of d_k roundings move weights by about as much. */
#define F32_BOUND 2e-5
/* Keys off by 2^-12 of 1.5 in each of d_k components: scores by up to 1e-2 in the worst case. */
#define F16_BOUND 5e-3
/* Steps of 1.5 / 127. */
#define Q8_BOUND 5e-2

static void f32_cache(void **state)
{
    (void)state;
    compare(ARCH "llama-keylen.gguf", CN_KV_F32, F32_BOUND);      /* heads of 48 */
    compare(ARCH "llama-rope-linear.gguf", CN_KV_F32, F32_BOUND); /* 4 heads of 24 share one */
    compare(ARCH "qwen2-odd.gguf", CN_KV_F32, F32_BOUND);         /* 7 heads share one */
    compare(ARCH "olmo2.gguf", CN_KV_F32, F32_BOUND);             /* each head its own */
}

static void windows_and_caps(void **state)
{
    (void)state;
    compare(ARCH "gemma2.gguf", CN_KV_F32, F32_BOUND);
    compare(ARCH "gemma3.gguf", CN_KV_F32, F32_BOUND);
}

static void smaller_caches(void **state)
{
    (void)state;
    compare(ARCH "llama-keylen.gguf", CN_KV_F16, F16_BOUND);
    compare(ARCH "gemma2.gguf", CN_KV_F16, F16_BOUND);
    compare(ARCH "gemma2.gguf", CN_KV_Q8_0, Q8_BOUND);
    compare(ARCH "qwen2-odd.gguf", CN_KV_Q8_0, Q8_BOUND);
}

/* Heads that share one row, whose front is the value, as latent attention keeps them: few tokens
 * and many; keys in one range and in several, which any number of threads share. */
static void shared_rows(int heads, int keys, int window, const float *sinks)
{
    enum { HEADS = 12, ROW = 64, VALUE = 32, KEYS = 2600, MOST = 40, THREADS = 2 };
    static float rows[KEYS][ROW], q[MOST * HEADS][ROW], out[MOST * HEADS][VALUE];
    static float alone[MOST * HEADS][VALUE]; /* by one thread */
    static const int64_t counts[] = { 1, 3, MOST };
    static const double bounds[] = { F32_BOUND, F16_BOUND, Q8_BOUND };
    static const enum cn_kv_type types[] = { CN_KV_F32, CN_KV_F16, CN_KV_Q8_0 };
    const int64_t capacity = cn_kv_capacity(window, keys, MOST);
    struct cn_model *m = fixture_open(ARCH "qwen2-odd.gguf", NULL);
    assert_true(heads <= HEADS && keys <= KEYS);
    for (int type = 0; type < 3; type++) {
        const struct cn_session_options o = { .n_ctx = keys,
                                              .n_threads = THREADS,
                                              .kv = types[type] };
        struct cn_session *s = fixture_session(m, &o);
        const size_t bytes = cn_kv_row_bytes(types[type], ROW);
        struct cn_kv kv = { .k = malloc((size_t)capacity * bytes),
                            .capacity = capacity,
                            .k_row_bytes = bytes,
                            .v_row_bytes = bytes };
        kv.v = kv.k;
        uint8_t *const own = s->group->thread_scratch;
        s->group->thread_scratch_bytes =
            cn_attend_scratch_bytes(heads, 1, ROW, VALUE) / 64 * 64 + 64;
        s->group->thread_scratch = aligned_alloc(64, THREADS * s->group->thread_scratch_bytes);
        assert_true(kv.k && s->group->thread_scratch);
        for (int t = 0; t < keys; t++) {
            for (int i = 0; i < ROW; i++)
                rows[t][i] = noise();
            cn_kv_store_row(s->model, s->group->options.kv, ROW, rows[t], cn_kv_key(&kv, 0, t));
        }
        s->group->n_threads = THREADS;
        for (int c = 0; c < 3; c++) {
            for (int i = 0; i < MOST * HEADS * ROW; i++)
                (&q[0][0])[i] = 0.3f * noise();
            s->position = (int32_t)(keys - counts[c]);
            struct cn_attend attend = { .g = s->group,
                                        .position = s->position,
                                        .work = &s->work,
                                        .type = s->group->options.kv,
                                        .kv = &kv,
                                        .n = counts[c],
                                        .n_head = heads,
                                        .n_head_kv = 1,
                                        .d_k = ROW,
                                        .d_v = VALUE,
                                        .q = &q[0][0],
                                        .q_stride = heads * ROW,
                                        .window = window,
                                        .sinks = sinks,
                                        .out = &out[0][0] };
            void *shared = malloc(cn_attend_shared_bytes(ROW, VALUE));
            assert_non_null(shared);
            s->group->n_threads = 1;
            cn_attend(&attend, 1, shared);
            memcpy(alone, out, sizeof alone);
            s->group->n_threads = THREADS;
            cn_attend(&attend, 1, shared);
            free(shared);
            assert_memory_equal(out, alone, (size_t)(counts[c] * heads) * sizeof *out);
            for (int64_t at = 0; at < counts[c] * heads; at++) {
                const int64_t position = s->position + at / heads;
                double sum = sinks ? exp((double)sinks[at % heads]) : 0, wanted[VALUE] = { 0 };
                for (int64_t t = cn_attend_first(window, false, position); t <= position; t++) {
                    double score = 0;
                    for (int i = 0; i < ROW; i++)
                        score += (double)q[at][i] * (double)rows[t][i];
                    sum += exp(score);
                    for (int i = 0; i < VALUE; i++)
                        wanted[i] += exp(score) * (double)rows[t][i];
                }
                for (int i = 0; i < VALUE; i++) {
                    const double got = (double)out[at][i];
                    if (!(fabs(got - wanted[i] / sum) <= bounds[type]))
                        fail_msg("type %d, %lld tokens: %g expected, %g found", type,
                                 (long long)counts[c], wanted[i] / sum, got);
                }
            }
        }
        free(kv.k);
        free(s->group->thread_scratch);
        s->group->thread_scratch = own;
        cn_session_free(s);
    }
    cn_model_close(m);
}

static void latent_rows(void **state)
{
    (void)state;
    shared_rows(12, 600, 0, NULL);
}

/* So many keys that those of a single token are divided too, with few heads and many. */
static void long_past(void **state)
{
    static const float sinks[] = { 3, -2, 6, 0, 9 };
    (void)state;
    shared_rows(1, 2600, 0, sinks);
    shared_rows(5, 2600, 0, sinks);
    shared_rows(4, 2600, 2300, sinks);
    shared_rows(12, 2600, 2300, NULL);
}

static void row_sizes(void **state)
{
    (void)state;
    assert_int_equal(cn_kv_row_bytes(CN_KV_F32, 96), 384);
    assert_int_equal(cn_kv_row_bytes(CN_KV_F16, 96), 192);
    assert_int_equal(cn_kv_row_bytes(CN_KV_Q8_0, 96), 102);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_cache),      cmocka_unit_test(windows_and_caps),
        cmocka_unit_test(smaller_caches), cmocka_unit_test(latent_rows),
        cmocka_unit_test(long_past),      cmocka_unit_test(row_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
