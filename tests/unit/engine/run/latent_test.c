/* SPDX-License-Identifier: MIT
 *
 * Latent attention: absorbed for a few tokens, unfolded for many, from the start of a text and in
 * its middle: the same logits.
 */
#include "engine/run/attend.h"
#include "tests/arch_fixture.h"

#include <math.h>

enum { N = 200, FEW = 7 };

/* One file with a matrix of keys and one of values, one with both in one. */
static const char *const files[] = { "tests/fixtures/arch2/deepseek2-groups.gguf",
                                     "tests/fixtures/arch2/minicpm3.gguf" };

/* Logits of N tokens in calls of `batch`, malloc'ed, and the work of the products. */
static float *logits_of(const struct cn_model *model, enum cn_kv_type kv, int32_t batch,
                        struct cn_work *work)
{
    const size_t n_vocab = (size_t)cn_model_get_info(model)->n_vocab;
    const struct cn_session_options o = {
        .n_ctx = N, .n_batch = batch, .n_logits = batch, .n_threads = 2, .kv = kv
    };
    struct cn_session *s = fixture_session(model, &o);
    float *all = malloc(N * n_vocab * sizeof *all);
    int32_t tokens[N];
    assert_non_null(all);
    for (int i = 0; i < N; i++)
        tokens[i] = 1 + i * 7 % 200;
    for (int32_t i = 0; i < N; i += batch) {
        const int32_t n = N - i < batch ? N - i : batch;
        assert_int_equal(cn_session_eval(s, tokens + i, n, CN_WANT_ALL, NULL), CN_OK);
        for (int32_t j = 0; j < n; j++)
            memcpy(all + (size_t)(i + j) * n_vocab, cn_session_logits(s, j), n_vocab * sizeof *all);
    }
    cn_session_work(s, work);
    cn_session_free(s);
    return all;
}

static int64_t rows_read(int32_t batch)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < N; i += batch)
        sum += N - i < batch ? N : i + batch;
    return sum;
}

static void unfolded_and_absorbed(void **state)
{
    static const struct {
        enum cn_kv_type kv;
        double bound; /* of any logit, of some 10 */
    } caches[] = {
        {CN_KV_F32,  5e-4},
        { CN_KV_F16, 0.1 },
    };
    static const int32_t batches[] = { N, 96, 50 };
    (void)state;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        struct cn_model *model = fixture_open(files[f], NULL);
        const size_t n = N * (size_t)cn_model_get_info(model)->n_vocab;
        for (size_t c = 0; c < sizeof caches / sizeof *caches; c++) {
            struct cn_work absorbed, unfolded;
            const struct cn_hparams *hp = &model->hp;
            const size_t row = (size_t)hp->n_layer *
                               cn_kv_row_bytes(caches[c].kv, hp->kv_lora + hp->layers[0].n_rot);
            float *want = logits_of(model, caches[c].kv, FEW, &absorbed);
            for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
                float *got = logits_of(model, caches[c].kv, batches[b], &unfolded);
                double most = 0;
                for (size_t i = 0; i < n; i++)
                    most = fmax(most, fabs((double)got[i] - (double)want[i]));
                if (!(most <= caches[c].bound))
                    fail_msg("%s, batches of %d: off by %g", files[f], batches[b], most);
                /* Rows of before are unfolded anew in every pass, which reads each once. */
                if (b > 0)
                    assert_true(unfolded.float_ops > absorbed.float_ops);
                assert_int_equal(unfolded.kv_bytes, rows_read(batches[b]) * (int64_t)row);
                free(got);
            }
            free(want);
        }
        cn_model_close(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(unfolded_and_absorbed) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
