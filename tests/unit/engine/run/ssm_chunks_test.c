/* SPDX-License-Identifier: MIT
 *
 * The recurrence of a selective state space token by token in double, against what the chunks make
 * of random rows: any number of tokens, in one piece and in several, with every tier.
 */
#include "engine/run/mixer/ssm_chunks.h"

#include "base/layout.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TOKENS = 200, HEADS = 4, N_THREADS = 2 };

/* Sizes of a head, and heads that share b and c. */
struct shape {
    int64_t values, n, groups;
};

/* What a pass reads and writes, in one block of memory, and what it should give. */
struct space {
    struct cn_model model;
    struct cn_layer layer;
    struct cn_group group;
    struct cn_ssm p;
    void *memory;
    float *rows, *state, *a, *dt_b, *d;
    double expected[TOKENS][HEADS * 64], matrix[HEADS][64 * 64];
};

static void lay_out(struct space *s, struct cn_layout *l)
{
    const struct cn_ssm_widths *w = &s->p.w;
    const int64_t panels = cn_ssm_panels(&s->model.hp, w, TOKENS);
    s->group.thread_scratch_bytes =
        cn_round_up((size_t)cn_ssm_thread_floats(w) * sizeof(float), CN_ALIGN);
    s->rows = cn_layout_take(l, TOKENS * w->row, sizeof(float));
    s->state = cn_layout_take(l, HEADS * w->head_state, sizeof(float));
    s->p.panels = cn_layout_take(l, panels, sizeof(float));
    s->a = cn_layout_take(l, HEADS, sizeof(float));
    s->dt_b = cn_layout_take(l, HEADS, sizeof(float));
    s->d = cn_layout_take(l, HEADS, sizeof(float));
    s->group.thread_scratch = cn_layout_take(l, N_THREADS, s->group.thread_scratch_bytes);
}

static void fill(struct space *s)
{
    struct cn_rng rng = { 11 };
    for (int64_t i = 0; i < TOKENS * s->p.w.row; i++)
        s->rows[i] = cn_rng_normal_f32(&rng);
    for (int64_t h = 0; h < HEADS; h++) {
        /* From hardly any decay to one that leaves nothing. */
        s->a[h] = -expf(2 * (float)h - 4);
        s->dt_b[h] = cn_rng_normal_f32(&rng);
        s->d[h] = cn_rng_normal_f32(&rng);
    }
}

static struct space *make(uint32_t tiers, const struct shape *shape)
{
    struct space *s = calloc(1, sizeof *s);
    struct cn_layout measure = { 0 };
    assert_non_null(s);
    s->model.ops = cn_ops_for(tiers);
    s->model.hp = (struct cn_hparams){ .ssm_inner = HEADS * shape->values,
                                       .ssm_state = shape->n,
                                       .ssm_heads = HEADS,
                                       .ssm_groups = shape->groups };
    struct cn_ssm_widths *w = &s->p.w;
    *w = (struct cn_ssm_widths){ .inner = HEADS * shape->values,
                                 .shared = shape->groups * shape->n,
                                 .values = shape->values,
                                 .groups16 = (shape->values + CN_SSM_TILE - 1) / CN_SSM_TILE,
                                 .n = shape->n };
    w->channels = w->inner + 2 * w->shared;
    w->row = w->inner + w->channels + HEADS;
    w->head_state = w->groups16 * CN_SSM_TILE * w->n;
    lay_out(s, &measure);
    s->memory = aligned_alloc(CN_ALIGN, cn_round_up(measure.used, CN_ALIGN));
    assert_non_null(s->memory);
    memset(s->memory, 0, measure.used);
    struct cn_layout arena = { .base = s->memory };
    lay_out(s, &arena);
    fill(s);
    s->group.model = &s->model;
    s->group.n_threads = N_THREADS;
    s->group.pool = cn_pool_create(N_THREADS, true);
    assert_non_null(s->group.pool);
    s->layer = (struct cn_layer){ .ssm_a = s->a, .ssm_dt_b = s->dt_b, .ssm_d = s->d };
    s->p.g = &s->group;
    s->p.layer = &s->layer;
    s->p.state = s->state;
    return s;
}

static void drop(struct space *s)
{
    cn_pool_free(s->group.pool);
    free(s->memory);
    free(s);
}

/* One head and token of the formulas. */
static void naive(struct space *s, int64_t t, int64_t h)
{
    const struct cn_ssm_widths *w = &s->p.w;
    const float *row = s->rows + t * w->row, *x = row + w->inner + h * w->values;
    const float *b = row + 2 * w->inner + h / (HEADS / s->model.hp.ssm_groups) * w->n;
    const float *c = b + w->shared;
    const double dt = log1p(exp((double)(row[w->inner + w->channels + h] + s->dt_b[h])));
    const double decay = exp(dt * (double)s->a[h]);
    for (int64_t i = 0; i < w->values; i++) {
        const double z = (double)row[h * w->values + i];
        double y = (double)s->d[h] * (double)x[i], *S = s->matrix[h] + i * w->n;
        for (int64_t j = 0; j < w->n; j++) {
            S[j] = decay * S[j] + dt * (double)x[i] * (double)b[j];
            y += S[j] * (double)c[j];
        }
        s->expected[t][h * w->values + i] = y * z / (1 + exp(-z));
    }
}

/* Results are of the size of 10, states of the size of 100. */
static void expect_near(const struct space *s, const char *what)
{
    const struct cn_ssm_widths *w = &s->p.w;
    double most = 0, most_state = 0;
    for (int64_t t = 0; t < TOKENS; t++)
        for (int64_t i = 0; i < w->inner; i++)
            most = fmax(most, fabs((double)s->rows[t * w->row + i] - s->expected[t][i]));
    for (int64_t h = 0; h < HEADS; h++)
        for (int64_t i = 0; i < w->values * w->n; i++) {
            const int64_t value = i / w->n, j = i % w->n, N = CN_SSM_TILE;
            const float found =
                s->state[h * w->head_state + (value / N * w->n + j) * N + value % N];
            most_state = fmax(most_state, fabs((double)found - s->matrix[h][i]));
        }
    if (!(most < 2e-4) || !(most_state < 2e-5))
        fail_msg("%s: results off by %g, states by %g", what, most, most_state);
}

static void check_pieces(uint32_t tiers, const struct shape *shape)
{
    static const int64_t pieces[] = { 1, 16, 31, 64, 65, 129, TOKENS };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        char what[96];
        struct space *s = make(tiers, shape);
        for (int64_t t = 0; t < TOKENS; t++)
            for (int64_t h = 0; h < HEADS; h++)
                naive(s, t, h);
        for (int64_t t = 0; t < TOKENS; t += pieces[i]) {
            s->p.rows = s->rows + t * s->p.w.row;
            s->p.n = TOKENS - t < pieces[i] ? TOKENS - t : pieces[i];
            cn_ssm_chunks(&s->p);
        }
        snprintf(what, sizeof what, "tiers %#x, %d values, n %d, pieces of %d", tiers,
                 (int)shape->values, (int)shape->n, (int)pieces[i]);
        expect_near(s, what);
        drop(s);
    }
}

static void pieces_and_tiers(void **state)
{
    static const struct shape shapes[] = {
        {16,  16, 1},
        { 24, 40, 2},
        { 64, 64, 4}
    };
    const uint32_t machine = cn_tiers_detect();
    (void)state;
    for (int tier = 0; tier < CN_N_TIERS; tier++)
        for (size_t i = 0; machine >> tier & 1 && i < sizeof shapes / sizeof *shapes; i++)
            check_pieces(machine & ((2u << tier) - 1), &shapes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(pieces_and_tiers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
