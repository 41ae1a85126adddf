/* SPDX-License-Identifier: MIT
 *
 * What the two forms of a selective state space share: token by token (mixer_ssm.c), and many
 * tokens as matrix products (ssm_chunks.c).
 *
 *   row of a token  z (inner) | x (inner), b, c (groups * n each) | dt (heads)
 *   state of a head [values / 16][n][16]: the form in which it is a factor of matrix products
 */
#ifndef CN_SSM_H
#define CN_SSM_H

#include "engine/run/session.h"

#include <math.h>

enum { CN_SSM_TILE = 16 };

/* Floats: of a token's row and its parts, of a head, of what a layer keeps. */
struct cn_ssm_widths {
    int64_t inner, shared, channels, row; /* shared: b or c of all groups */
    int64_t values, groups16, n;          /* of a head, in sixteens; rows of its state */
    int64_t head_state, conv_state, state;
};

/* A layer's pass over n tokens of a session, the convolution done. */
struct cn_ssm {
    struct cn_group *g;
    const struct cn_layer *layer;
    struct cn_ssm_widths w;
    int64_t n;
    float *rows;   /* [n][w.row]; the result replaces z */
    float *state;  /* of the heads */
    float *panels; /* ssm_chunks.c: cn_ssm_panels() floats */
};

/* How long a token's step is for the head: softplus of what the projection says. */
static inline float cn_ssm_step(const struct cn_ssm *p, int64_t token, int64_t head)
{
    const float raw = p->rows[token * p->w.row + p->w.inner + p->w.channels + head];
    const float dt = raw + p->layer->ssm_dt_b[head];
    return dt > 20 ? dt : log1pf(expf(dt));
}

/* A token's values of the head, and what they have in common with others of their group: b, and c
 * p->w.shared floats behind it. */
static inline const float *cn_ssm_values(const struct cn_ssm *p, int64_t token, int64_t head)
{
    return p->rows + token * p->w.row + p->w.inner + head * p->w.values;
}

static inline const float *cn_ssm_shared(const struct cn_ssm *p, int64_t token, int64_t group)
{
    return p->rows + token * p->w.row + 2 * p->w.inner + group * p->w.n;
}

/* What the state made of a token's values, in y: they pass by it too, and the gate z has the last
 * word. The result replaces z. */
static inline void cn_ssm_finish(const struct cn_ssm *p, int64_t token, int64_t head, float *y)
{
    const struct cn_vec *vec = &p->g->model->ops.vec;
    float *z = p->rows + token * p->w.row + head * p->w.values;
    vec->axpy(p->w.values, p->layer->ssm_d[head], cn_ssm_values(p, token, head), y);
    vec->silu_mul(p->w.values, z, y, z);
}

#endif
