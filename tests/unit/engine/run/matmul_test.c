/* SPDX-License-Identifier: MIT
 *
 * Products through the session's threads against double loops over the weights' definition.
 */
#include "engine/run/session.h"
#include "tests/arch_fixture.h"

#include <math.h>

static uint64_t seed = 3;

static float noise(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(seed >> 11) * 0x1p-52 - 1);
}

/* Row r of matrix `mat`, as its format defines it. */
static void weights_of(const struct cn_weight *w, int64_t mat, int64_t r, float *row)
{
    w->format->ref->dequantize(w->cols, w->data + (size_t)(mat * w->rows + r) * w->row_bytes, row);
}

/* Largest |got - expected| over sum |w x|, of one product; expected from x rounded as activations
 * are, if `exact` from x itself. */
static void check(const struct cn_product *p)
{
    const struct cn_weight *w = p->w;
    float *row = malloc((size_t)w->cols * sizeof *row);
    assert_non_null(row);
    /* 8-bit activations are off by half a step of max / 127 each; errors of many average out, and
     * the sum of |w x| takes in what is left. */
    const double bound = w->format->act == CN_ACT_F32 ? 1e-5 : 2e-2;
    for (int64_t r = 0; r < w->rows; r++) {
        weights_of(w, p->mat, r, row);
        for (int64_t t = 0; t < p->in->n_tokens; t++) {
            const float *x = p->in->x + t * p->in->x_stride;
            double sum = 0, size = 0;
            for (int64_t c = 0; c < w->cols; c++) {
                sum += (double)row[c] * (double)x[c];
                size += fabs((double)row[c] * (double)x[c]);
            }
            double got = (double)p->y[t * p->y_stride + r];
            if (!(fabs(got - sum) <= bound * size))
                fail_msg("%s, %lld tokens: row %lld of token %lld: %g expected, %g found",
                         w->format->name, (long long)p->in->n_tokens, (long long)r, (long long)t,
                         sum, got);
        }
    }
    free(row);
}

static void products(const char *path)
{
    /* One by one, a few at once, panels of 16: ways() has where each begins. */
    static const int64_t counts[] = { 1, 2, 3, 4, 5, 15, 16, 17, 32, 33, 64 };
    struct cn_model *m = fixture_open(path, NULL);
    for (int32_t n_threads = 1; n_threads <= 3; n_threads++) {
        struct cn_session_options o = {
            .n_ctx = 64, .n_batch = 64, .n_threads = n_threads, .sleep = true
        };
        struct cn_session *s = fixture_session(m, &o);
        const struct cn_layer *l = &m->layers[0];
        s->group->n_threads = n_threads;
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            /* Inputs with gaps between the tokens; outputs beside each other, as q, k and v are. */
            const int64_t d = m->hp.n_embd, stride = d + 5, n = counts[i];
            const int64_t out = l->q.rows + l->k.rows + l->v.rows + 1;
            float *x = malloc((size_t)(n * stride) * sizeof *x);
            float *y = malloc((size_t)(n * out) * sizeof *y);
            assert_non_null(x);
            assert_non_null(y);
            for (int64_t j = 0; j < n * stride; j++)
                x[j] = noise();
            for (int64_t j = 0; j < n * out; j++)
                y[j] = 12345;
            cn_input_set(&s->group->input, x, stride, n, d);
            struct cn_product all[] = {
                {&l->q,  0, &s->group->input, y,                         out},
                { &l->k, 0, &s->group->input, y + l->q.rows,             out},
                { &l->v, 0, &s->group->input, y + l->q.rows + l->k.rows, out},
            };
            cn_products_run(s->group, all, 3);
            for (int j = 0; j < 3; j++)
                check(&all[j]);
            for (int64_t t = 0; t < n; t++)
                assert_true(y[t * out + out - 1] == 12345); /* between the tokens */
            free(x);
            free(y);
        }
        cn_session_free(s);
    }
    cn_model_close(m);
}

static void float_weights(void **state)
{
    (void)state;
    products("tests/fixtures/arch/llama-f32.gguf");
    products("tests/fixtures/arch/qwen2-odd.gguf");
}

static void quantised_weights(void **state)
{
    (void)state;
    products("tests/fixtures/bad/good.gguf"); /* q8_0 */
    char path[512];
    static const char *const more[] = { "quant/q-llama-Q4_K_M.gguf", "quant/q-llama-Q5_0.gguf",
                                        "quant/q-llama-IQ4_XS.gguf" };
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (fixture_path(path, sizeof path, more[i]))
            products(path);
}

/* Each expert's matrix is its own. */
static void experts(void **state)
{
    struct cn_model *m = fixture_open("tests/fixtures/arch/qwen2moe.gguf", NULL);
    struct cn_session_options o = { .n_ctx = 64, .n_threads = 2, .sleep = true };
    struct cn_session *s = fixture_session(m, &o);
    const struct cn_weight *w = &m->layers[1].up_exps;
    float x[6 * 256], y[5][6 * 64];
    struct cn_product all[5];
    (void)state;
    assert_int_equal(w->n_mats, 5);
    assert_true(w->cols <= 256 && w->rows <= 64);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = noise();
    s->group->n_threads = 2;
    cn_input_set(&s->group->input, x, w->cols, 6, w->cols);
    for (int e = 0; e < 5; e++)
        all[e] = (struct cn_product){ w, e, &s->group->input, y[e], w->rows };
    cn_products_run(s->group, all, 5);
    for (int e = 0; e < 5; e++)
        check(&all[e]);
    cn_session_free(s);
    cn_model_close(m);
}

/* From one way to the next and never back; a way that a tier has not is not taken. */
static void ways(void **state)
{
    (void)state;
    const struct cn_kernels f32 = cn_kernels_for(&cn_formats[CN_TYPE_f32], cn_tiers_detect());
    const struct cn_gemm *ref = cn_ops_for(1u << CN_TIER_REF).gemm;
    const struct cn_gemm *best = cn_ops_for(cn_tiers_detect()).gemm;
    for (int i = 0; i < CN_N_TYPES; i++) {
        const struct cn_kernels k = cn_kernels_for(&cn_formats[i], cn_tiers_detect());
        const bool small = cn_gemm_has_small(best, &k);
        enum cn_way before = CN_WAY_GEMV;
        bool seen = false;
        assert_int_equal(cn_gemm_way(best, &k, 1), CN_WAY_GEMV);
        assert_int_equal(cn_gemm_way(best, &k, CN_SMALL_TOKENS + 1), CN_WAY_PANEL);
        for (int64_t n = 1; n <= 64; n++) {
            const enum cn_way way = cn_gemm_way(best, &k, n);
            assert_true(way >= before);
            seen |= way == CN_WAY_SMALL;
            before = way;
        }
        assert_true(seen == small);
        assert_int_equal(cn_gemm_way(ref, &k, 4), CN_WAY_GEMV);
        assert_int_equal(cn_gemm_way(ref, &k, 5), CN_WAY_PANEL);
    }
    assert_false(cn_gemm_has_small(best, &f32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ways),
        cmocka_unit_test(float_weights),
        cmocka_unit_test(quantised_weights),
        cmocka_unit_test(experts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
