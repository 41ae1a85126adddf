/* SPDX-License-Identifier: MIT
 *
 * The recurrence token by token in double, against what a pass makes of random queries, keys and
 * values: any number of tokens, in one piece and in several, with every tier.
 */
#include "engine/run/delta_net.h"

#include "base/layout.h"
#include "base/rng.h"
#include "engine/run/session.h"
#include "tests/arch_fixture.h"

#include <math.h>

enum { MOST_TOKENS = 200 };

/* Everything that a pass needs, and what it should give. */
struct net {
    struct cn_model model;
    struct cn_group group;
    struct cn_delta d;
    int64_t n_tokens;
    float *qkv, *log_decay, *beta, *norm, *z, *state, *out;
    double *expected, *matrix; /* [n_tokens][n_heads][size], [n_heads][size][size] */
};

static float *floats(size_t n)
{
    float *x = aligned_alloc(CN_ALIGN, cn_round_up(n * sizeof(float), CN_ALIGN));
    assert_non_null(x);
    memset(x, 0, n * sizeof *x);
    return x;
}

static void normalise(int64_t n, double length, float *x)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)((double)x[i] * length / sqrt(sum));
}

static struct net *make(uint32_t tiers, int64_t size, int64_t heads, int64_t key_heads,
                        bool neighbours, uint64_t seed)
{
    struct net *net = calloc(1, sizeof *net);
    assert_non_null(net);
    struct cn_rng rng = { seed };
    const int64_t n = net->n_tokens = MOST_TOKENS;
    const int64_t stride = (2 * key_heads + heads) * size;
    net->model.ops = cn_ops_for(tiers);
    net->model.hp.norm_eps = 1e-6f;
    net->group.model = &net->model;
    net->group.pool = cn_pool_create(2, true);
    assert_non_null(net->group.pool);
    net->group.n_threads = 2;
    net->group.thread_scratch_bytes = cn_round_up(cn_delta_scratch_bytes(size), CN_ALIGN);
    net->group.thread_scratch = (uint8_t *)floats(2 * net->group.thread_scratch_bytes / 4);
    net->qkv = floats((size_t)(n * stride));
    net->log_decay = floats((size_t)(n * heads));
    net->beta = floats((size_t)(n * heads));
    net->norm = floats((size_t)size);
    net->z = floats((size_t)(n * heads * size));
    net->state = floats((size_t)(heads * size * size));
    net->out = floats((size_t)(n * heads * size));
    net->expected = calloc((size_t)(n * heads * size), sizeof *net->expected);
    net->matrix = calloc((size_t)(heads * size * size), sizeof *net->matrix);
    for (int64_t i = 0; i < n * stride; i++)
        net->qkv[i] = cn_rng_normal_f32(&rng);
    for (int64_t t = 0; t < n; t++)
        for (int64_t h = 0; h < key_heads; h++) {
            normalise(size, 1 / sqrt((double)size), net->qkv + t * stride + h * size);
            normalise(size, 1, net->qkv + t * stride + (key_heads + h) * size);
        }
    for (int64_t i = 0; i < n * heads; i++) {
        /* From hardly any decay to one that leaves nothing. */
        net->log_decay[i] = -expf(2 * cn_rng_normal_f32(&rng) - 2);
        net->beta[i] = cn_rng_uniform_f32(&rng);
    }
    for (int64_t i = 0; i < size; i++)
        net->norm[i] = 1 + 0.1f * cn_rng_normal_f32(&rng);
    for (int64_t i = 0; i < n * heads * size; i++)
        net->z[i] = cn_rng_normal_f32(&rng);
    net->d = (struct cn_delta){ .g = &net->group,
                                .n_heads = heads,
                                .n_key_heads = key_heads,
                                .size = size,
                                .neighbours = neighbours,
                                .stride = stride,
                                .state = net->state,
                                .norm = net->norm,
                                .z_stride = heads * size };
    return net;
}

static void drop(struct net *net)
{
    cn_pool_free(net->group.pool);
    free(net->group.thread_scratch);
    free(net->qkv);
    free(net->log_decay);
    free(net->beta);
    free(net->norm);
    free(net->z);
    free(net->state);
    free(net->out);
    free(net->expected);
    free(net->matrix);
    free(net);
}

/* One head and token of the formulas. */
static void naive(struct net *net, int64_t t, int64_t h)
{
    const struct cn_delta *d = &net->d;
    const int64_t n = d->size, at = t * d->n_heads + h;
    const int64_t of = d->neighbours ? h / (d->n_heads / d->n_key_heads) : h % d->n_key_heads;
    const float *q = net->qkv + t * d->stride + of * n, *k = q + d->n_key_heads * n;
    const float *v = net->qkv + t * d->stride + (2 * d->n_key_heads + h) * n;
    double *S = net->matrix + h * n * n, *out = net->expected + at * n, squares = 0;
    const double decay = exp((double)net->log_decay[at]), beta = (double)net->beta[at];
    for (int64_t i = 0; i < n; i++) {
        double seen = 0;
        for (int64_t j = 0; j < n; j++)
            seen += (S[i * n + j] *= decay) * (double)k[j];
        const double e = beta * ((double)v[i] - seen);
        out[i] = 0;
        for (int64_t j = 0; j < n; j++)
            out[i] += (S[i * n + j] += e * (double)k[j]) * (double)q[j];
        squares += out[i] * out[i];
    }
    for (int64_t i = 0; i < n; i++) {
        const double z = (double)net->z[at * n + i];
        out[i] *= (double)net->norm[i] / sqrt(squares / (double)n + 1e-6) * z / (1 + exp(-z));
    }
}

/* Tokens from `first` on. */
static void pass(struct net *net, int64_t first, int64_t n)
{
    struct cn_delta d = net->d;
    d.n = n;
    d.q = net->qkv + first * d.stride;
    d.k = d.q + d.n_key_heads * d.size;
    d.v = d.k + d.n_key_heads * d.size;
    d.log_decay = net->log_decay + first * d.n_heads;
    d.beta = net->beta + first * d.n_heads;
    d.z = net->z + first * d.n_heads * d.size;
    d.out = net->out + first * d.n_heads * d.size;
    cn_delta_run(&d, 1);
}

/* Outputs are of the size of 1, whatever the norm made them of. */
static void expect_near(const struct net *net, const char *what)
{
    const struct cn_delta *d = &net->d;
    const int64_t n = d->n_heads * d->size;
    double most = 0, most_state = 0;
    for (int64_t i = 0; i < net->n_tokens * n; i++)
        most = fmax(most, fabs((double)net->out[i] - net->expected[i]));
    for (int64_t i = 0; i < n * d->size; i++) {
        const int64_t row = i / d->size, column = i % d->size, N = CN_DELTA_GROUP;
        const float found = net->state[(row / N * d->size + column) * N + row % N];
        most_state = fmax(most_state, fabs((double)found - net->matrix[i]));
    }
    if (!(most < 2e-5) || !(most_state < 3e-7))
        fail_msg("%s: outputs off by %g, matrices by %g", what, most, most_state);
}

static void check_pieces(uint32_t tiers, int64_t size, int64_t heads, int64_t key_heads,
                         bool neighbours)
{
    static const int64_t pieces[] = { 1, 7, 8, 16, 31, 64, 65, 129, MOST_TOKENS };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        char what[80];
        struct net *net = make(tiers, size, heads, key_heads, neighbours, 7 + (uint64_t)size);
        for (int64_t t = 0; t < net->n_tokens; t++)
            for (int64_t h = 0; h < heads; h++)
                naive(net, t, h);
        for (int64_t t = 0; t < net->n_tokens; t += pieces[i])
            pass(net, t, net->n_tokens - t < pieces[i] ? net->n_tokens - t : pieces[i]);
        snprintf(what, sizeof what, "tiers %#x, size %d, %d heads, pieces of %d", tiers, (int)size,
                 (int)heads, (int)pieces[i]);
        expect_near(net, what);
        drop(net);
    }
}

static void every_tier(void (*check)(uint32_t tiers))
{
    const uint32_t machine = cn_tiers_detect();
    uint32_t mask = 0;
    for (int tier = 0; tier < CN_N_TIERS; tier++)
        if (machine >> tier & 1)
            check(mask |= 1u << tier);
}

static void check_sizes(uint32_t tiers)
{
    check_pieces(tiers, 16, 3, 1, false);
    check_pieces(tiers, 32, 4, 2, false);
    check_pieces(tiers, 48, 4, 2, true);
    check_pieces(tiers, 128, 2, 2, true);
}

static void pieces_and_tiers(void **state)
{
    (void)state;
    every_tier(check_sizes);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(pieces_and_tiers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
