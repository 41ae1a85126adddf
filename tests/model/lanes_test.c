/* SPDX-License-Identifier: MIT
 *
 * Sessions that are evaluated together say what each would alone: every architecture, in a group
 * whose lanes join, leave, go back and fork in any order.
 */
#include "base/rng.h"
#include "tests/arch_fixture.h"

#include <math.h>

static const char *const manifests[] = { "tests/fixtures/arch/manifest.json",
                                         "tests/fixtures/arch2/manifest.json" };

/* A kind of layer each: all kinds of mixers, windows, experts. They are looked at longer. */
static const char *const kinds[] = {
    "llama-f32.gguf",      "gemma3.gguf",   "gemma3n.gguf",      "deepseek2-groups.gguf",
    "minicpm3.gguf",       "lfm2.gguf",     "qwen3next.gguf",    "mamba2.gguf",
    "falcon-h1-norm.gguf", "qwen3moe.gguf", "gpt-oss-mxfp4.gguf"
};

enum {
    TEXTS = 3,
    LENGTH = 48,
    SHARED = 15, /* tokens that all texts begin with */
    LANES = 5,
    BATCH = 37,
    MOST = 40, /* tokens of a step: more than a batch */
};

static struct cn_rng rng = { 1 };

static int32_t below(int32_t n)
{
    return (int32_t)(cn_rng_uniform_f32(&rng) * (float)n) % n;
}

/* A session and what it should hold. */
struct lane {
    struct cn_session *session; /* NULL: nobody */
    int text;
    int32_t position, n_logits; /* logits of the last so many tokens are there */
};

struct world {
    const struct fixture *f;
    struct cn_group *group;
    int32_t texts[TEXTS][LENGTH];
    float *expected; /* [TEXTS][LENGTH][n_vocab]: of sessions of their own, token by token */
    double allowed, found;
    struct lane lanes[LANES];
    struct cn_error err;
};

static void expect_ok(const struct world *w, enum cn_status status)
{
    if (status != CN_OK)
        fail_msg("%s: %s", w->f->model, w->err.text);
}

static void expect_alone(struct world *w)
{
    for (const struct lane *lane = w->lanes; lane < w->lanes + LANES; lane++) {
        if (!lane->session)
            continue;
        assert_int_equal(cn_session_position(lane->session), lane->position);
        assert_null(cn_session_logits(lane->session, lane->n_logits));
        for (int32_t i = 0; i < lane->n_logits; i++) {
            const int32_t at = lane->position - lane->n_logits + i, n_vocab = w->f->n_vocab;
            const float *got = cn_session_logits(lane->session, i);
            const float *alone = w->expected + (lane->text * LENGTH + at) * n_vocab;
            assert_non_null(got);
            for (int32_t v = 0; v < n_vocab; v++) {
                const double off = fabs((double)got[v] - (double)alone[v]);
                if (!(off <= w->allowed))
                    fail_msg("%s: token %d of text %d, logit %d: %g, alone %g", w->f->model, at,
                             lane->text, v, (double)got[v], (double)alone[v]);
                w->found = fmax(w->found, off);
            }
        }
    }
}

static void join(struct world *w, struct lane *lane)
{
    expect_ok(w, cn_group_join(w->group, &lane->session, &w->err));
    lane->text = below(TEXTS);
    lane->position = lane->n_logits = 0;
}

static void leave(struct lane *lane)
{
    cn_session_free(lane->session);
    lane->session = NULL;
}

/* Behind what all texts begin with any of them may go on. */
static void go_back(struct world *w, struct lane *lane)
{
    lane->position = below(lane->position + 1);
    expect_ok(w, cn_session_rewind(lane->session, lane->position, &w->err));
    lane->n_logits = 0;
    if (lane->position <= SHARED)
        lane->text = below(TEXTS);
}

static void fork_to(struct world *w, struct lane *lane, const struct lane *from)
{
    if (lane == from)
        return;
    struct cn_session *own = lane->session;
    expect_ok(w, cn_session_fork(own, from->session, &w->err));
    *lane = *from;
    lane->session = own;
}

static void prompt(struct world *w, struct lane *lane)
{
    int32_t n_kept;
    lane->text = below(TEXTS);
    lane->position = 1 + below(LENGTH);
    lane->n_logits = 1;
    expect_ok(w, cn_session_prompt(lane->session, w->texts[lane->text], lane->position, &n_kept,
                                   &w->err));
}

/* Most get a token, some a piece of a prompt. */
static void evaluate(struct world *w)
{
    struct cn_step steps[LANES];
    size_t n_steps = 0;
    for (struct lane *lane = w->lanes; lane < w->lanes + LANES; lane++) {
        const int32_t left = LENGTH - lane->position;
        if (!lane->session || left == 0 || below(4) == 0)
            continue;
        const int32_t most = below(3) > 0 ? 1 : left < MOST ? left : MOST;
        struct cn_step step = { lane->session, w->texts[lane->text] + lane->position,
                                1 + below(most), (enum cn_want)below(3) };
        steps[n_steps++] = step;
        lane->position += step.n;
        lane->n_logits = step.want == CN_WANT_ALL ? step.n : step.want == CN_WANT_LAST;
    }
    expect_ok(w, cn_group_eval(w->group, steps, n_steps, &w->err));
}

static void wander(struct world *w, int n_steps)
{
    for (int i = 0; i < n_steps; i++) {
        struct lane *lane = &w->lanes[below(LANES)], *other = &w->lanes[below(LANES)];
        const int what = below(16);
        if (!lane->session)
            join(w, lane);
        else if (what == 0 || (what == 1 && lane->position == LENGTH))
            leave(lane);
        else if (what < 4 || lane->position == LENGTH)
            go_back(w, lane);
        else if (what == 4 && other->session)
            fork_to(w, lane, other);
        else if (what == 5)
            cn_session_mark(lane->session);
        else if (what == 6)
            prompt(w, lane);
        else
            evaluate(w);
        expect_alone(w);
    }
}

static void texts_alone(struct world *w, const struct cn_model *m,
                        const struct cn_session_options *options)
{
    const size_t n_vocab = (size_t)w->f->n_vocab;
    w->expected = malloc(TEXTS * LENGTH * n_vocab * sizeof *w->expected);
    assert_non_null(w->expected);
    struct cn_session *s = fixture_session(m, options);
    for (int t = 0; t < TEXTS; t++) {
        expect_ok(w, cn_session_rewind(s, 0, &w->err));
        for (int32_t i = 0; i < LENGTH; i++) {
            /* The fixture's own tokens, which may be fewer, again and again. */
            const int32_t from = i < SHARED ? i : i + 7 * t;
            w->texts[t][i] = w->f->tokens[from % w->f->n_tokens];
            expect_ok(w, cn_session_eval(s, &w->texts[t][i], 1, CN_WANT_LAST, &w->err));
            memcpy(w->expected + (size_t)(t * LENGTH + i) * n_vocab, cn_session_logits(s, 0),
                   n_vocab * sizeof *w->expected);
        }
    }
    cn_session_free(s);
}

static void check(const struct fixture *f)
{
    const struct cn_session_options options = { .n_ctx = LENGTH,
                                                .n_batch = BATCH,
                                                .n_logits = MOST,
                                                .n_threads = 2,
                                                .kv = CN_KV_F32,
                                                .sleep = true };
    struct cn_model *m = fixture_open(f->model, NULL);
    /* Formats of few bits have their activations rounded to 8 bits. */
    const bool rounded = cn_model_get_info(m)->bpw < 15;
    struct world w = { .f = f,
                       .allowed = fixture_number(f->entry, rounded ? "tol_loose" : "tol_strict") };
    const char *name = fixture_string(f->entry, "file");
    int n_steps = 40;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        n_steps = strcmp(name, kinds[i]) == 0 ? 300 : n_steps;
    texts_alone(&w, m, &options);
    expect_ok(&w, cn_group_create(m, &options, LANES, &w.group, &w.err));
    wander(&w, n_steps);
    for (int i = 0; i < LANES; i++)
        leave(&w.lanes[i]);
    cn_group_free(w.group);
    free(w.expected);
    cn_model_close(m);
    printf("%s: %d steps, off by %.2g of %.2g\n", name, n_steps, w.found, w.allowed);
}

static void every_architecture(void **state)
{
    size_t n = 0;
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct cn_json *doc = fixture_manifest(manifests[i]);
        for (const struct cn_json_value *e = cn_json_root(doc)->first; e; e = e->next) {
            struct fixture f;
            if (fixture_load(&f, e, "", "logits")) {
                check(&f);
                n++;
            }
            fixture_free(&f);
        }
        cn_json_free(doc);
    }
    assert_true(n >= 28);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_architecture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
