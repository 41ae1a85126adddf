/* SPDX-License-Identifier: MIT
 *
 * The NextN block: its logits are those of a plain reference in double precision, it keeps what it
 * read through rewinds and prompts, and a text does not change with it.
 */
#include "tests/speculation_pair.h"

#include "engine/model/slots.h"
#include "engine/run/nextn.h"

static char made[] = "/tmp/nextn_test_XXXXXX";

/* ---- the reference --------------------------------------------------------------------------- */

enum { MAX_TEXT = 64, MAX_WIDTH = 256 };

/* y = W x */
static void multiply(const struct cn_weight *w, const double *x, double *y)
{
    float row[MAX_WIDTH];
    assert_true(w->cols <= MAX_WIDTH);
    for (int64_t r = 0; r < w->rows; r++) {
        w->format->ref->dequantize(w->cols, w->data + (size_t)r * w->row_bytes, row);
        y[r] = 0;
        for (int64_t i = 0; i < w->cols; i++)
            y[r] += (double)row[i] * x[i];
    }
}

static void normalise(const struct cn_model *m, int64_t n, const double *x, const float *w,
                      double *y)
{
    double squares = 0;
    for (int64_t i = 0; i < n; i++)
        squares += x[i] * x[i];
    const double scale = 1 / sqrt(squares / (double)n + (double)m->hp.norm_eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * scale * (double)w[i];
}

static void rotate(const struct cn_model *m, int64_t n_rot, int64_t position, double *x)
{
    for (int64_t i = 0; i < n_rot / 2; i++) {
        const double f = pow((double)m->hp.rope_base, -2.0 * (double)i / (double)n_rot);
        const double c = cos((double)position * f), s = sin((double)position * f);
        const double a = x[i], b = x[i + n_rot / 2];
        x[i] = a * c - b * s;
        x[i + n_rot / 2] = a * s + b * c;
    }
}

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

/* What of each token of a text the block of qwen35 has kept. */
struct kept {
    double k[MAX_TEXT][MAX_WIDTH], v[MAX_TEXT][MAX_WIDTH];
};

/* out = gated attention of h at a position to those before it. */
static void attend(const struct cn_model *m, const struct cn_layer *l, struct kept *kept,
                   int64_t position, const double *h, double *out)
{
    const int64_t d = l->hp->d_k, n_head = l->hp->n_head, n_kv = l->hp->n_head_kv;
    double q[MAX_WIDTH], heads[MAX_WIDTH], weights[MAX_TEXT];
    multiply(&l->q, h, q); /* of each head the queries, then their gates */
    multiply(&l->k, h, kept->k[position]);
    multiply(&l->v, h, kept->v[position]);
    for (int64_t j = 0; j < n_kv; j++) {
        double *k = kept->k[position] + j * d;
        normalise(m, d, k, l->k_norm, k);
        rotate(m, l->hp->n_rot, position, k);
    }
    for (int64_t j = 0; j < n_head; j++) {
        double *const one = q + 2 * j * d, sum = 0;
        const int64_t at = j / (n_head / n_kv) * d;
        normalise(m, d, one, l->q_norm, one);
        rotate(m, l->hp->n_rot, position, one);
        for (int64_t p = 0; p <= position; p++) {
            weights[p] = 0;
            for (int64_t i = 0; i < d; i++)
                weights[p] += one[i] * kept->k[p][at + i];
            weights[p] = exp(weights[p] / sqrt((double)d));
            sum += weights[p];
        }
        for (int64_t i = 0; i < d; i++) {
            double value = 0;
            for (int64_t p = 0; p <= position; p++)
                value += weights[p] / sum * kept->v[p][at + i];
            heads[j * d + i] = value * logistic(one[d + i]);
        }
    }
    multiply(&l->attn_out, heads, out);
}

static void feed_forward(const struct cn_layer *l, const double *h, double *out)
{
    double gate[MAX_WIDTH], up[MAX_WIDTH];
    multiply(&l->gate, h, gate);
    multiply(&l->up, h, up);
    for (int64_t i = 0; i < l->hp->n_ff; i++)
        up[i] *= gate[i] * logistic(gate[i]);
    multiply(&l->down, up, out);
}

/* The block at a position: hidden [n_embd], the vector there, becomes that behind it. */
static void reference(const struct cn_model *m, struct kept *kept, int64_t position, double *hidden,
                      int32_t token, double *logits)
{
    const struct cn_layer *l = &m->layers[m->hp.n_layer];
    const int64_t n = m->hp.n_embd;
    float row[MAX_WIDTH];
    double both[MAX_WIDTH], x[MAX_WIDTH], h[MAX_WIDTH], t[MAX_WIDTH];
    m->token_embd.format->ref->dequantize(
        n, m->token_embd.data + (size_t)token * m->token_embd.row_bytes, row);
    for (int64_t i = 0; i < n; i++)
        x[i] = (double)row[i];
    normalise(m, n, x, l->nextn_embd_norm, both);
    normalise(m, n, hidden, l->nextn_hidden_norm, both + n);
    multiply(&l->nextn_proj, both, x);
    normalise(m, n, x, l->attn_norm, h);
    attend(m, l, kept, position, h, t);
    for (int64_t i = 0; i < n; i++)
        x[i] += t[i];
    normalise(m, n, x, l->ffn_norm, h);
    feed_forward(l, h, t);
    for (int64_t i = 0; i < n; i++)
        x[i] += t[i];
    normalise(m, n, x, l->nextn_output_norm, hidden);
    multiply(&m->output, hidden, logits);
}

/* The largest difference between the block's logits and those of the reference. */
static double difference(const struct cn_session *s, const double *logits)
{
    double most = 0;
    for (int64_t i = 0; i < s->model->hp.n_vocab; i++)
        most = fmax(most, fabs((double)s->nextn->logits[i] - logits[i]));
    return most;
}

/* Also over guesses, which the block goes on from with what it made of them. */
static void logits_of_a_plain_reference(void **state)
{
    enum { N = 20, N_GUESSED = 4 };
    static struct kept kept;
    char path[512];
    (void)state;
    if (!fixture_path(path, sizeof path, "qwen35-mtp.gguf"))
        skip();
    struct cn_model *m = fixture_open(path, NULL);
    const struct cn_session_options o = {
        .n_ctx = MAX_TEXT, .n_logits = N, .n_threads = 1, .kv = CN_KV_F32
    };
    struct cn_session *s = fixture_session(m, &o);
    const int64_t n_embd = m->hp.n_embd;
    struct cn_error err = { "" };
    int32_t text[N + N_GUESSED];
    double hidden[MAX_WIDTH], logits[512], most = 0;
    for (int32_t i = 0; i < N + N_GUESSED; i++)
        text[i] = (i * 37 + 11) % 288;
    assert_int_equal(cn_nextn_begin(s, &err), CN_OK);
    assert_int_equal(cn_session_eval(s, text, N, CN_WANT_ALL, &err), CN_OK);
    assert_int_equal(s->nextn->n_rows, N);
    for (int32_t i = 0; i < N; i++) {
        /* What is kept of a position is what its logits are made of. */
        for (int64_t k = 0; k < n_embd; k++)
            hidden[k] = (double)s->nextn->hidden[i * n_embd + k];
        multiply(&m->output, hidden, logits);
        for (int64_t t = 0; t < m->hp.n_vocab; t++)
            most = fmax(most, fabs(logits[t] - (double)cn_session_logits(s, i)[t]));
    }
    assert_true(most < 1e-3);
    most = 0;
    for (int32_t i = 0; i < N - 1 + N_GUESSED; i++) {
        for (int64_t k = 0; i < N && k < n_embd; k++)
            hidden[k] = (double)s->nextn->hidden[i * n_embd + k];
        reference(m, &kept, i, hidden, text[i + 1], logits);
        if (i == N - 2) /* the text at once */
            assert_int_equal(cn_nextn_eval(s, 0, text + 1, N - 1, true, &err), CN_OK);
        if (i > N - 2)
            assert_int_equal(cn_nextn_eval(s, i, text + i + 1, 1, true, &err), CN_OK);
        if (i >= N - 2)
            most = fmax(most, difference(s, logits));
    }
    printf("%d logits, %g apart at the most\n", (N_GUESSED + 1) * 288, most);
    assert_true(most < 1e-3);
    cn_session_free(s);
    cn_model_close(m);
}

/* ---- other architectures --------------------------------------------------------------------- */

/* Writes `from` with its last layer as a NextN block; `leave_out`: without this tensor of it. */
static void make_nextn(const char *from, const char *leave_out)
{
    struct cn_gguf in;
    struct cn_gguf_writer *w;
    struct cn_error err = { "" };
    struct cn_str arch;
    int64_t n_layer = 0, D = 0;
    char key[128], name[3][64];
    assert_int_equal(cn_gguf_open(from, &in, &err), CN_OK);
    assert_int_equal(cn_gguf_get_str(&in, "general.architecture", &arch, &err), CN_OK);
    snprintf(key, sizeof key, "%.*s.block_count", (int)arch.n, arch.p);
    assert_int_equal(cn_gguf_need_i64(&in, key, 2, 100, &n_layer, &err), CN_OK);
    snprintf(key, sizeof key, "%.*s.embedding_length", (int)arch.n, arch.p);
    assert_int_equal(cn_gguf_need_i64(&in, key, 1, MAX_WIDTH, &D, &err), CN_OK);
    assert_int_equal(cn_gguf_writer_create(made, &w, &err), CN_OK);
    for (int64_t i = 0; i < in.n_kv; i++)
        cn_gguf_writer_raw(w, &in.kv[i]);
    snprintf(key, sizeof key, "%.*s.nextn_predict_layers", (int)arch.n, arch.p);
    cn_gguf_writer_u32(w, key, 1);
    for (int64_t i = 0; i < in.n_tensors; i++) {
        const struct cn_gguf_tensor *t = &in.tensors[i];
        snprintf(key, sizeof key, "%.*s", (int)t->name.n, t->name.p);
        cn_gguf_writer_tensor(w, key, t->gguf_type, (int)t->n_dims, t->ne, t->bytes);
    }
    static const enum cn_slot own[] = { CN_SLOT_NEXTN_PROJ, CN_SLOT_NEXTN_EMBD_NORM,
                                        CN_SLOT_NEXTN_HIDDEN_NORM };
    for (int i = 0; i < 3; i++) {
        const int64_t ne[2] = { i == 0 ? 2 * D : D, D };
        cn_slot_name(own[i], n_layer - 1, name[i], sizeof name[i]);
        if (!strstr(name[i], leave_out))
            cn_gguf_writer_tensor(w, name[i], 0, i == 0 ? 2 : 1, ne,
                                  (size_t)(i == 0 ? 2 * D * D : D) * sizeof(float));
    }
    for (int64_t i = 0; i < in.n_tensors; i++)
        cn_gguf_writer_data(w, in.tensors[i].data, in.tensors[i].bytes);
    for (int i = 0; i < 3; i++)
        for (int64_t k = 0; !strstr(name[i], leave_out) && k < (i == 0 ? 2 * D * D : D); k++) {
            const float x = i > 0 ? 1 + (float)(k % 3) / 8 : (float)(k * 2654435761u % 97) / 970;
            cn_gguf_writer_data(w, &x, sizeof x);
        }
    assert_int_equal(cn_gguf_writer_finish(w, &err), CN_OK);
    cn_gguf_close(&in);
}

/* The block reads a text at once, in pieces, and again behind a rewind: it makes the same of it. */
static void expect_same_pieces(const char *what, const char *path)
{
    enum { N = 24 };
    struct cn_model *m = fixture_open(path, NULL);
    const struct cn_session_options o = { .n_ctx = 32, .n_batch = 7, .n_threads = 1 };
    struct cn_session *a = fixture_session(m, &o), *b = fixture_session(m, &o);
    struct cn_error err = { "" };
    int32_t text[N];
    float most = 0, largest = 0;
    for (int32_t i = 0; i < N; i++)
        text[i] = (i * 29 + 5) % cn_model_get_info(m)->n_vocab;
    assert_int_equal(cn_nextn_begin(a, &err), CN_OK);
    assert_int_equal(cn_nextn_begin(b, &err), CN_OK);
    assert_int_equal(cn_session_eval(a, text, N, CN_WANT_NONE, &err), CN_OK);
    assert_int_equal(cn_nextn_eval(a, 0, text + 1, N - 1, true, &err), CN_OK);
    /* Other tokens first, and guesses, which leave nothing behind. */
    assert_int_equal(cn_session_eval(b, text, 9, CN_WANT_NONE, &err), CN_OK);
    assert_int_equal(cn_session_eval(b, text, 5, CN_WANT_NONE, &err), CN_OK);
    assert_int_equal(cn_session_rewind(b, 9, &err), CN_OK);
    assert_int_equal(cn_nextn_eval(b, 0, text + 1, 8, false, &err), CN_OK);
    assert_int_equal(cn_nextn_eval(b, 8, text, 1, true, &err), CN_OK);
    assert_int_equal(cn_nextn_eval(b, 9, text, 1, true, &err), CN_OK);
    assert_int_equal(b->nextn->n_rows, 9);
    for (int32_t i = 9; i < N; i++)
        assert_int_equal(cn_session_eval(b, text + i, 1, CN_WANT_NONE, &err), CN_OK);
    assert_int_equal(b->nextn->n_rows, N);
    for (int32_t i = 8; i < N - 1; i++)
        assert_int_equal(cn_nextn_eval(b, i, text + i + 1, 1, i == N - 2, &err), CN_OK);
    for (int64_t t = 0; t < m->hp.n_vocab; t++) {
        most = fmaxf(most, fabsf(a->nextn->logits[t] - b->nextn->logits[t]));
        largest = fmaxf(largest, fabsf(a->nextn->logits[t]));
    }
    printf("%s: logits up to %g, %g apart\n", what, (double)largest, (double)most);
    assert_true(largest > 0.1f && most <= 0.03f * largest);
    cn_session_free(a);
    cn_session_free(b);
    cn_model_close(m);
}

static void same_text(void **state)
{
    static const char *const files[] = { "qwen35-mtp.gguf", "deepseek2-groups.gguf",
                                         "exaone4.gguf" };
    int parted = 0, n_files = 0;
    (void)state;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        char path[512];
        struct pair p;
        if (!fixture_path(path, sizeof path, files[f]))
            continue;
        n_files++;
        if (f > 0)
            make_nextn(path, "none");
        const char *const model = f > 0 ? made : path;
        expect_same_pieces(files[f], model);
        open_pair(&p, model, NULL, 0, &greedy);
        assert_int_equal(cn_model_get_info(p.model)->n_nextn, 1);
        for (int32_t n_forced = 0; n_forced <= 7; n_forced += 7) {
            int32_t text[40];
            for (int32_t i = 0; i < 40; i++)
                text[i] = (i % 13 * 31 + 7) % cn_model_get_info(p.model)->n_vocab;
            p.sp->n_forced = n_forced;
            parted += expect_same(&p, files[f], text, 40, 48);
        }
        say(&p, files[f]);
        close_pair(&p);
    }
    printf("%d models, %d texts part\n", n_files, parted);
    assert_true(n_files >= 3);
}

/* ---- prompts --------------------------------------------------------------------------------- */

/* A second prompt that begins as the first, one that the session had read before, and a session
 * that came from a file: the block guesses as after a first prompt. */
static void prompts(void **state)
{
    enum { N = 30 };
    static const char file[] = "/tmp/nextn_test_session";
    char path[512];
    int32_t text[N], got[8], n, kept;
    struct cn_error err = { "" };
    (void)state;
    if (!fixture_path(path, sizeof path, "qwen35-mtp.gguf"))
        skip();
    for (int32_t i = 0; i < N; i++)
        text[i] = (i * 7 + 3) % 200;
    float *expected = NULL;
    for (int way = 0; way < 4; way++) {
        struct pair p;
        open_pair(&p, path, NULL, 0, &greedy);
        p.sp->n_forced = 3;
        if (way == 1) {
            prompt(&p, text, 12);
            speculate(&p, got, 5);
        } else if (way == 2) { /* the block does not know of these */
            cn_nextn_free(p.session->nextn);
            p.session->nextn = NULL;
            assert_int_equal(cn_session_eval(p.session, text, 20, CN_WANT_NONE, &err), CN_OK);
            assert_int_equal(cn_nextn_begin(p.session, &err), CN_OK);
        } else if (way == 3) {
            assert_int_equal(cn_session_load(p.session, file, &err), CN_OK);
        }
        assert_int_equal(cn_speculator_prompt(p.sp, text, N, &kept, &err), CN_OK);
        if (way == 0)
            assert_int_equal(cn_session_save(p.session, file, &err), CN_OK);
        assert_int_equal(cn_speculator_next(p.sp, got, 8, &n, &err), CN_OK);
        assert_int_equal(cn_speculator_next(p.sp, got, 8, &n, &err), CN_OK);
        const size_t bytes = (size_t)p.model->hp.n_vocab * sizeof(float);
        if (!expected)
            expected = memcpy(malloc(bytes), p.session->nextn->logits, bytes);
        float most = 0;
        for (int64_t t = 0; t < p.model->hp.n_vocab; t++)
            most = fmaxf(most, fabsf(expected[t] - p.session->nextn->logits[t]));
        printf("way %d: %d of %d kept, logits %g apart\n", way, kept, N, (double)most);
        assert_true(most < 0.05f);
        close_pair(&p);
    }
    free(expected);
    unlink(file);
}

static bool some(void *user, int32_t i)
{
    int *passes = user;
    *passes += i == 0;
    return i < *passes % 4;
}

/* Behind guesses of which some were kept, whatever the model says of them, the block stands as
 * behind the same text without guesses. */
static void kept_guesses(void **state)
{
    static const char *const files[] = { "qwen35-mtp.gguf", "exaone4.gguf" };
    (void)state;
    for (size_t f = 0; f < 2; f++) {
        char path[512];
        int32_t text[20], got[40];
        int passes = 0;
        struct cn_error err = { "" };
        struct cn_speculation told;
        struct pair p;
        if (!fixture_path(path, sizeof path, files[f]))
            continue;
        if (f > 0)
            make_nextn(path, "none");
        open_pair(&p, f > 0 ? made : path, NULL, 0, &greedy);
        p.sp->n_forced = 3;
        p.sp->force = some;
        p.sp->force_user = &passes;
        for (int32_t i = 0; i < 20; i++)
            text[i] = (i * 7 + 3) % 200;
        prompt(&p, text, 20);
        speculate(&p, got, 40);
        cn_speculator_told(p.sp, &told);
        assert_true(told.n_accepted > 15 && told.n_accepted < told.n_drafted);
        const int32_t n = p.sp->n_text, from = p.sp->n_draft_holds;
        const struct cn_session_options o = { .n_ctx = CTX, .n_threads = 1 };
        struct cn_session *s = fixture_session(p.model, &o);
        assert_int_equal(cn_nextn_begin(s, &err), CN_OK);
        assert_int_equal(cn_session_eval(s, p.sp->text, n - 1, CN_WANT_NONE, &err), CN_OK);
        assert_int_equal(cn_nextn_eval(s, 0, p.sp->text + 1, n - 1, true, &err), CN_OK);
        assert_int_equal(
            cn_nextn_eval(p.session, from - 1, p.sp->text + from, n - from, true, &err), CN_OK);
        float most = 0;
        for (int64_t t = 0; t < p.model->hp.n_vocab; t++)
            most = fmaxf(most, fabsf(s->nextn->logits[t] - p.session->nextn->logits[t]));
        printf("%s: %lld of %lld guesses kept, logits %g apart\n", files[f],
               (long long)told.n_accepted, (long long)told.n_drafted, (double)most);
        assert_true(most < 1e-2f);
        cn_session_free(s);
        close_pair(&p);
    }
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void refusals(void **state)
{
    static const struct {
        const char *file, *leave_out, *says;
    } bad[] = {
        {"lfm2.gguf",     NULL,      "no NextN block: there is none"  },
        { "exaone4.gguf", "eh_proj", "nextn.eh_proj.weight is missing"},
        { "exaone4.gguf", "hnorm",   "no NextN block: tensor blk."    },
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct cn_session_options o = { .n_ctx = 32, .n_logits = 4, .n_threads = 1 };
        const struct cn_speculator_options so = { .nextn = true };
        struct cn_speculator *sp = NULL;
        struct cn_sampler *sampler;
        struct cn_error err = { "" };
        char path[512];
        assert_true(fixture_path(path, sizeof path, bad[i].file));
        if (bad[i].leave_out)
            make_nextn(path, bad[i].leave_out);
        struct cn_model *m = fixture_open(bad[i].leave_out ? made : path, NULL);
        struct cn_session *s = fixture_session(m, &o);
        assert_int_equal(cn_model_get_info(m)->n_nextn, 0);
        assert_int_equal(cn_sampler_create(m, &greedy, &sampler, &err), CN_OK);
        assert_int_equal(cn_speculator_create(s, sampler, &so, &sp, &err), CN_ERR_UNSUPPORTED);
        if (!strstr(err.text, bad[i].says))
            fail_msg("'%s' lacks '%s'", err.text, bad[i].says);
        assert_null(sp);
        /* The layers do without it. */
        assert_int_equal(cn_session_eval(s, (int32_t[]){ 1, 2 }, 2, CN_WANT_LAST, &err), CN_OK);
        cn_sampler_free(sampler);
        cn_session_free(s);
        cn_model_close(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_of_a_plain_reference),
        cmocka_unit_test(same_text),
        cmocka_unit_test(prompts),
        cmocka_unit_test(kept_guesses),
        cmocka_unit_test(refusals),
    };
    close(mkstemp(made));
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(made);
    return failed;
}
