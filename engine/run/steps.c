/* SPDX-License-Identifier: MIT */
#include "engine/run/steps.h"

#include <math.h>

void cn_add(int64_t n, const float *b, float *x)
{
    for (int64_t i = 0; b && i < n; i++)
        x[i] += b[i];
}

void cn_layer_norm(int64_t n, const float *x, const float *w, const float *b, float eps, float *y)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i];
    double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    float scale = 1 / sqrtf((float)(squares / (double)n) + eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - (float)mean) * scale * w[i] + (b ? b[i] : 0);
}

void cn_activate(const struct cn_model *m, int64_t n, const float *gate, const float *up, float *y)
{
    const float limit = 7, slope = 1.702f; /* gpt-oss */
    switch (m->arch->activation) {
    case CN_SILU:
        m->ops.vec.silu_mul(n, gate, up, y);
        break;
    case CN_GELU:
        m->ops.vec.gelu_mul(n, gate, up, y);
        break;
    case CN_RELU_SQUARED:
        for (int64_t i = 0; i < n; i++) {
            const float g = fmaxf(gate[i], 0);
            y[i] = up ? g * g * up[i] : g * g;
        }
        break;
    case CN_SWIGLU_CLAMPED:
        for (int64_t i = 0; i < n; i++) {
            const float g = fminf(gate[i], limit), u = fmaxf(fminf(up[i], limit), -limit);
            y[i] = g / (1 + expf(-slope * g)) * (u + 1);
        }
        break;
    }
}

void cn_rotate(const struct cn_group *g, const struct cn_layer_hparams *hp, int64_t token,
               int64_t n_heads, int64_t stride, float *x)
{
    if (hp->rope < 0)
        return;
    const int64_t half = hp->n_rot / 2;
    const bool neox = g->model->arch->rope_neox;
    const int64_t step = neox ? 1 : 2, distance = neox ? half : 1;
    const float *cosine = g->rope_cos[hp->rope] + token * half;
    const float *sine = g->rope_sin[hp->rope] + token * half;
    for (int64_t h = 0; h < n_heads; h++, x += stride)
        for (int64_t i = 0; i < half; i++) {
            float a = x[i * step], b = x[i * step + distance];
            x[i * step] = a * cosine[i] - b * sine[i];
            x[i * step + distance] = a * sine[i] + b * cosine[i];
        }
}

float cn_query_scale(const struct cn_model *m, const struct cn_layer_hparams *hp, int64_t position)
{
    if (m->hp.temperature == 0 || (m->arch->temperature.unrotated_only && hp->rope >= 0))
        return m->hp.attn_scale;
    const int64_t steps = (position + m->arch->temperature.offset) / m->hp.temperature_length;
    return m->hp.attn_scale * (1 + m->hp.temperature * logf(1 + (float)steps));
}

/* Frequencies after scaling: linear, by factor tensors (llama 3, longrope), or YaRN (arXiv
 * 2309.00071). */
static void setup_one(struct cn_group *g, int kind)
{
    const struct cn_model *m = g->model;
    const struct cn_hparams *hp = &m->hp;
    const bool sliding = kind == CN_ROPE_SLIDING;
    const int64_t n_rot = hp->n_rope[kind];
    const bool unscaled = sliding && m->arch->sliding_rope_unscaled;
    const float base = sliding ? hp->rope_base_sliding : hp->rope_base;
    const float *factors = m->rope_freqs;
    g->rope_magnitude[kind] = 1;
    if (!factors && m->arch->longrope && m->rope_long) {
        factors = g->n_ctx > hp->rope_ctx0 || !m->rope_short ? m->rope_long : m->rope_short;
        g->rope_magnitude[kind] = hp->rope_attn_factor;
    }
    const enum cn_rope_scaling scaling = unscaled ? CN_ROPE_NONE : hp->rope_scaling;
    double lo = 0, hi = 1;
    if (scaling == CN_ROPE_YARN) {
        const double pi = 3.14159265358979323846, n = (double)n_rot, b = (double)base;
        lo = floor(n * log((double)hp->rope_ctx0 / ((double)hp->yarn_beta_fast * 2 * pi)) /
                   (2 * log(b)));
        hi = ceil(n * log((double)hp->rope_ctx0 / ((double)hp->yarn_beta_slow * 2 * pi)) /
                  (2 * log(b)));
        lo = fmax(0, lo);
        hi = fmin(n - 1, hi);
        g->rope_magnitude[kind] = hp->rope_attn_factor * hp->yarn_magnitude;
    }
    for (int64_t i = 0; i < n_rot / 2; i++) {
        double f = pow((double)base, -2.0 * (double)i / (double)n_rot);
        if (factors && !unscaled)
            f /= (double)factors[i];
        if (scaling == CN_ROPE_LINEAR) {
            f /= (double)hp->rope_factor;
        } else if (scaling == CN_ROPE_YARN) {
            double ramp = 1 - fmin(1, fmax(0, ((double)i - lo) / fmax(0.001, hi - lo)));
            double mix = ramp * (double)hp->yarn_ext_factor;
            f = f / (double)hp->rope_factor * (1 - mix) + f * mix;
        }
        g->rope_freq[kind][i] = (float)f;
    }
}

void cn_rope_setup(struct cn_group *g)
{
    bool used[CN_N_ROPES] = { false };
    for (int64_t i = 0; i < g->model->hp.n_layer; i++)
        if (g->model->hp.layers[i].rope >= 0)
            used[g->model->hp.layers[i].rope] = true;
    for (int kind = 0; kind < CN_N_ROPES; kind++)
        if (used[kind])
            setup_one(g, kind);
        else
            g->rope_freq[kind] = NULL;
}

void cn_rope_tables(struct cn_group *g, int64_t n)
{
    for (int kind = 0; kind < CN_N_ROPES; kind++) {
        const int64_t half = g->model->hp.n_rope[kind] / 2;
        if (!g->rope_freq[kind])
            continue;
        for (int64_t t = 0; t < n; t++)
            for (int64_t i = 0; i < half; i++) {
                double theta = (double)g->places[t].position * (double)g->rope_freq[kind][i];
                g->rope_cos[kind][t * half + i] = (float)cos(theta) * g->rope_magnitude[kind];
                g->rope_sin[kind][t * half + i] = (float)sin(theta) * g->rope_magnitude[kind];
            }
    }
}
