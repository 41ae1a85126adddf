/* SPDX-License-Identifier: MIT
 *
 * Memory of keys and values: what inspect says beforehand, what a session says that it takes and
 * what it takes are one number, and that of the formulas here.
 */
#include "engine/run/session.h"

#include "engine/tools.h"
#include "tests/arch_fixture.h"

#include <malloc.h>

/* So few tokens at a time that latent rows are never unfolded, which takes memory too. */
enum { PAGE = 4096, ALIGN = 64, N_BATCH = 16, INSPECT_BATCH = 512, LAYERS = 2 };

/* Layers that keep rows: bytes of a position in f16, and the window (0: none). A ring holds a batch
 * beside its window. */
struct kept {
    const char *file;
    struct {
        int row_bytes, window;
    } layers[LAYERS];
};

static const struct kept models[] = {
  /* 2 heads of 8 keys and 8 values */
    {"tests/fixtures/bad/good.gguf",            { { 2 * (8 + 8) * 2, 0 } }                        },
 /* a latent row of 8 and 4 that rotate, for all heads, in each of two layers */
    { "tests/fixtures/bad/good-deepseek2.gguf", { { (8 + 4) * 2, 0 }, { (8 + 4) * 2, 0 } }        },
 /* every other layer slides */
    { "tests/fixtures/bad/good-gpt-oss.gguf",   { { 2 * (4 + 4) * 2, 8 }, { 2 * (4 + 4) * 2, 0 } }},
 /* two heads of 4 in a sliding layer, one of 8 in a global one; the other two read theirs */
    { "tests/fixtures/bad/good-gemma4.gguf",    { { 2 * (4 + 4) * 2, 8 }, { (8 + 8) * 2, 0 } }    },
};

static int64_t expected(const struct kept *model, int64_t n_ctx, int64_t n_batch)
{
    int64_t sum = 0;
    for (int i = 0; i < LAYERS; i++) {
        const int window = model->layers[i].window;
        const int64_t rows = window > 0 && window + n_batch < n_ctx ? window + n_batch : n_ctx;
        sum += (rows * model->layers[i].row_bytes + ALIGN - 1) / ALIGN * ALIGN;
    }
    return sum;
}

static void inspect_says_it(void **state)
{
    static const int64_t contexts[] = { 16, 1000, 4096, 131072 };
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct cn_inspect *in = NULL;
        assert_int_equal(cn_inspect_open(models[i].file, &in, NULL), CN_OK);
        for (size_t k = 0; k < sizeof contexts / sizeof *contexts; k++) {
            const int64_t n = contexts[k], batch = n < INSPECT_BATCH ? n : INSPECT_BATCH;
            if (cn_inspect_kv_bytes(in, n) != expected(&models[i], n, batch))
                fail_msg("%s, context %lld: %lld bytes expected, %lld found", models[i].file,
                         (long long)n, (long long)expected(&models[i], n, batch),
                         (long long)cn_inspect_kv_bytes(in, n));
        }
        cn_inspect_close(in);
    }
}

/* What the allocator gave for a session, to a page. */
static int64_t allocated(const struct cn_model *model, int32_t n_ctx, int32_t n_batch,
                         enum cn_kv_type kv, int64_t *says)
{
    const struct cn_session_options o = {
        .n_ctx = n_ctx, .n_batch = n_batch, .n_threads = 1, .kv = kv
    };
    struct cn_session *s = fixture_session(model, &o);
    const int64_t bytes =
        (int64_t)malloc_usable_size(s->arena) + (int64_t)malloc_usable_size(s->group->arena);
    *says = (int64_t)cn_session_kv_bytes(s);
    cn_session_free(s);
    return bytes;
}

static void sessions_take_it(void **state)
{
    enum { SHORT = 32, LONG = 32768 };
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct cn_model *model = fixture_open(models[i].file, NULL);
        int64_t few = 0, many = 0, wide = 0;
        const int64_t taken = allocated(model, LONG, N_BATCH, CN_KV_F16, &many) -
                              allocated(model, SHORT, N_BATCH, CN_KV_F16, &few);
        assert_int_equal(few, expected(&models[i], SHORT, N_BATCH));
        assert_int_equal(many, expected(&models[i], LONG, N_BATCH));
        /* A session remembers its tokens too. */
        const int64_t more = many - few + (LONG - SHORT) * (int64_t)sizeof(int32_t);
        if (llabs(taken - more) > 2 * PAGE)
            fail_msg("%s: %lld bytes more expected, %lld taken", models[i].file, (long long)more,
                     (long long)taken);
        allocated(model, LONG, N_BATCH, CN_KV_F32, &wide);
        assert_in_range(wide, 2 * many - 2 * LAYERS * ALIGN, 2 * many);
        cn_model_close(model);
    }
}

/* Latent rows are unfolded, and those of no other kind. */
static void unfolding_takes_it(void **state)
{
    enum { SHORT = 4096, LONG = 32768 };
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct cn_inspect *in = NULL;
        struct cn_model *model = fixture_open(models[i].file, NULL);
        assert_int_equal(cn_inspect_open(models[i].file, &in, NULL), CN_OK);
        int64_t few = 0, many = 0;
        const int64_t taken = allocated(model, LONG, INSPECT_BATCH, CN_KV_F16, &many) -
                              allocated(model, SHORT, INSPECT_BATCH, CN_KV_F16, &few);
        const int64_t unfolded =
            cn_inspect_unfold_bytes(in, LONG) - cn_inspect_unfold_bytes(in, SHORT);
        const int64_t more = many - few + unfolded + (LONG - SHORT) * (int64_t)sizeof(int32_t);
        assert_int_equal(cn_inspect_unfold_bytes(in, 16), 0); /* passes are too small */
        assert_int_equal(unfolded > 0, strstr(models[i].file, "deepseek") != NULL);
        if (llabs(taken - more) > 2 * PAGE)
            fail_msg("%s: %lld bytes more expected, %lld taken", models[i].file, (long long)more,
                     (long long)taken);
        cn_inspect_close(in);
        cn_model_close(model);
    }
}

int main(void)
{
    /* Every large piece is then one of its own, whose size is what was asked for, to a page. */
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, PAGE);
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inspect_says_it),
        cmocka_unit_test(sessions_take_it),
        cmocka_unit_test(unfolding_takes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
