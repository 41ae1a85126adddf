/* SPDX-License-Identifier: MIT */
#include "bench/kernel/kernel_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void random_bytes(struct cn_rng *rng, uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(cn_rng_next(rng) >> 56);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

enum { MAX_ELEMS = 256, MAX_BYTES = 4 * MAX_ELEMS, MAX_FIELDS = 16, TRIES = 4096, HEADER = 4 };

/* A byte of the block that turns elements into NaN or infinity. */
enum field_kind {
    F16_HIGH, /* the upper byte of an f16 scale: does so whenever bits 2..6 are set */
    E8M0,     /* an exponent byte: does so at 255 */
};

struct cn_blocks {
    const struct cn_format *format;
    size_t n_pool;
    int n_fields;
    struct {
        int byte;
        enum field_kind kind;
    } field[MAX_FIELDS];
    uint8_t *pool[CN_N_PATTERNS];
    float noise_scale; /* what the header of a row of quantised noise says */
};

/* What a header says: a number that it can hold. */
static void put_header(const struct cn_format *f, float scale, void *row)
{
    const uint16_t half = cn_f32_to_f16(scale);
    if (f->header_bytes == sizeof half)
        memcpy(row, &half, sizeof half);
    else if (f->header_bytes == sizeof scale)
        memcpy(row, &scale, sizeof scale);
}

/* The largest magnitude in a block, of a row with scale 1; NaN or infinity if it holds one. */
static float block_top(const struct cn_format *f, const uint8_t *block)
{
    float w[MAX_ELEMS], top = 0;
    uint8_t row[HEADER + MAX_BYTES];
    put_header(f, 1, row);
    memcpy(row + f->header_bytes, block, f->block_bytes);
    f->ref->dequantize(f->block_elems, row, w);
    for (uint32_t i = 0; i < f->block_elems; i++) {
        if (!isfinite(w[i]))
            return NAN;
        top = fmaxf(top, fabsf(w[i]));
    }
    return top;
}

static bool is_finite(const struct cn_format *f, const uint8_t *block)
{
    return isfinite(block_top(f, block));
}

/* Always ends: a block of zeros is finite in every format. */
static void random_finite(const struct cn_format *f, struct cn_rng *rng, uint8_t *block)
{
    for (int i = 0; i < TRIES; i++) {
        random_bytes(rng, block, f->block_bytes);
        if (is_finite(f, block))
            return;
    }
    memset(block, 0, f->block_bytes);
}

/* How many of 16 random finite blocks stop being finite with bits `set` set in this byte. */
static int kills(const struct cn_format *f, struct cn_rng *rng, int byte, uint8_t set)
{
    int n = 0;
    for (int i = 0; i < 16; i++) {
        uint8_t block[MAX_BYTES];
        random_finite(f, rng, block);
        block[byte] |= set;
        n += !is_finite(f, block);
    }
    return n;
}

static void find_fields(struct cn_blocks *b, struct cn_rng *rng)
{
    const struct cn_format *f = b->format;
    for (int i = 0; i < (int)f->block_bytes && b->n_fields < MAX_FIELDS; i++) {
        if (kills(f, rng, i, 0xff) < 16)
            continue;
        b->field[b->n_fields].byte = i;
        b->field[b->n_fields++].kind = kills(f, rng, i, 0x7c) == 16 ? F16_HIGH : E8M0;
    }
}

static void set_scales(const struct cn_blocks *b, enum cn_pattern pattern, struct cn_rng *rng,
                       uint8_t *block)
{
    for (int i = 0; i < b->n_fields; i++) {
        uint32_t r = (uint32_t)(cn_rng_next(rng) >> 32), sign = r >> 16 & 0x8000;
        uint32_t f16, e8;
        switch (pattern) {
        case CN_PATTERN_NEG_ZERO:
            f16 = 0x8000;
            e8 = 0;
            break;
        case CN_PATTERN_DENORMAL:
            f16 = sign | (r % 4 ? r & 0x3ff : 1);
            e8 = r % 3;
            break;
        case CN_PATTERN_HUGE:
            f16 = sign | (r % 4 ? 0x7800 | (r & 0x3ff) : 0x7bff);
            e8 = 240 + r % 11;
            break;
        default: /* between 2^-7 and 2 */
            f16 = sign | (0x2000 + r % 0x2000);
            e8 = 120 + r % 8;
        }
        int byte = b->field[i].byte;
        if (b->field[i].kind == E8M0) {
            block[byte] = (uint8_t)e8;
        } else {
            block[byte - 1] = (uint8_t)f16;
            block[byte] = (uint8_t)(f16 >> 8);
        }
    }
}

/* Formats whose scale is not where find_fields() looks (iq1_m spreads it): the most fitting of some
 * random blocks. */
static void choose_by_size(const struct cn_format *f, enum cn_pattern pattern, struct cn_rng *rng,
                           uint8_t *block)
{
    float best = 0;
    for (int i = 0; i < 64; i++) {
        uint8_t candidate[MAX_BYTES];
        random_finite(f, rng, candidate);
        /* Small scales have few bits set, wherever they lie. */
        for (int thin = pattern == CN_PATTERN_HUGE ? 0 : i % 4; thin > 0; thin--)
            for (uint32_t k = 0; k < f->block_bytes; k++)
                candidate[k] &= (uint8_t)(cn_rng_next(rng) >> 56);
        float top = block_top(f, candidate);
        if (i == 0 || (pattern == CN_PATTERN_HUGE ? top > best : top < best)) {
            best = top;
            memcpy(block, candidate, f->block_bytes);
        }
    }
}

static void equal_codes(const struct cn_blocks *b, struct cn_rng *rng, uint8_t *block)
{
    static const uint8_t fill[] = { 0x00, 0xff, 0x0f, 0xf0, 0x7f, 0x80, 0x55, 0xaa, 0x33, 0x3f };
    const struct cn_format *f = b->format;
    int n = cn_rng_int(rng, 2) ? (int)f->block_bytes : 1 + cn_rng_int(rng, 32);
    for (int i = 0; i < (int)f->block_bytes; i += n) {
        int here = (int)f->block_bytes - i < n ? (int)f->block_bytes - i : n;
        memset(block + i, fill[cn_rng_int(rng, (int)sizeof fill)], (size_t)here);
    }
    set_scales(b, CN_PATTERN_EXTREME, rng, block);
    for (int i = 0; i < TRIES && !is_finite(f, block); i++)
        block[cn_rng_int(rng, (int)f->block_bytes)] &= (uint8_t)cn_rng_next(rng);
}

/* Blocks of one element are numbers themselves. */
static float single(enum cn_pattern pattern, struct cn_rng *rng)
{
    static const float extreme[] = { 0, 1, 0.5f, 65504, 0x1p-14f, 0x1p-24f, 1.0009766f };
    float sign = cn_rng_int(rng, 2) ? 1.0f : -1.0f;
    switch (pattern) {
    case CN_PATTERN_NEG_ZERO:
        return -0.0f;
    case CN_PATTERN_DENORMAL:
        return sign * cn_rng_uniform_f32(rng) * (cn_rng_int(rng, 2) ? 0x1p-15f : 0x1p-126f);
    case CN_PATTERN_HUGE:
        return sign * (32768 + 32736 * cn_rng_uniform_f32(rng));
    default:
        return sign * extreme[cn_rng_int(rng, (int)(sizeof extreme / sizeof *extreme))];
    }
}

static void make_block(struct cn_blocks *b, enum cn_pattern pattern, struct cn_rng *rng,
                       uint8_t *block)
{
    const struct cn_format *f = b->format;
    float w[MAX_ELEMS], weights[MAX_ELEMS];
    uint8_t row[HEADER + MAX_BYTES];
    switch (pattern) {
    case CN_PATTERN_ZEROS:
        memset(block, 0, f->block_bytes);
        return;
    case CN_PATTERN_ONES:
        memset(block, 0xff, f->block_bytes);
        return;
    case CN_PATTERN_RANDOM:
        random_finite(f, rng, block);
        return;
    case CN_PATTERN_NOISE:
        for (uint32_t i = 0; i < f->block_elems; i++) {
            w[i] = 0.02f * cn_rng_normal_f32(rng) * (cn_rng_int(rng, 64) ? 1 : 8);
            weights[i] = expf(cn_rng_normal_f32(rng));
        }
        f->ref->quantize(f->block_elems, w, f->ref->needs_weights ? weights : NULL, row);
        memcpy(block, row + f->header_bytes, f->block_bytes);
        b->noise_scale = cn_row_scale(f->header_bytes, row);
        return;
    default:
        break;
    }
    if (f->block_elems == 1) {
        w[0] = single(pattern, rng);
        f->ref->quantize(1, w, NULL, block);
    } else if (pattern == CN_PATTERN_EXTREME) {
        equal_codes(b, rng, block);
    } else if (b->n_fields == 0) {
        choose_by_size(f, pattern, rng, block);
    } else {
        random_finite(f, rng, block);
        set_scales(b, pattern, rng, block);
    }
    if (!is_finite(f, block))
        random_finite(f, rng, block);
}

struct cn_blocks *cn_blocks_create(const struct cn_format *format, uint64_t seed)
{
    struct cn_blocks *b = calloc(1, sizeof *b);
    struct cn_rng rng = { seed };
    if (!b)
        return NULL;
    b->format = format;
    b->n_pool = format->block_elems >= 256 ? 32 : format->block_elems > 1 ? 128 : 1024;
    if (format->block_elems > 1)
        find_fields(b, &rng);
    for (int p = 0; p < CN_N_PATTERNS; p++) {
        b->pool[p] = malloc(b->n_pool * format->block_bytes);
        if (!b->pool[p]) {
            cn_blocks_free(b);
            return NULL;
        }
        for (size_t i = 0; i < b->n_pool; i++)
            make_block(b, (enum cn_pattern)p, &rng, b->pool[p] + i * format->block_bytes);
    }
    return b;
}

void cn_blocks_free(struct cn_blocks *b)
{
    for (int p = 0; b && p < CN_N_PATTERNS; p++)
        free(b->pool[p]);
    free(b);
}

void cn_blocks_fill(const struct cn_blocks *b, enum cn_pattern pattern, struct cn_rng *rng,
                    size_t n_blocks, void *out)
{
    const size_t bytes = b->format->block_bytes;
    for (size_t i = 0; i < n_blocks; i++)
        memcpy((uint8_t *)out + i * bytes,
               b->pool[pattern] + (size_t)cn_rng_int(rng, (int)b->n_pool) * bytes, bytes);
}

/* A header's number as a scale of the pattern would be. */
static float header_scale(const struct cn_blocks *b, enum cn_pattern pattern, struct cn_rng *rng)
{
    const float sign = cn_rng_int(rng, 2) ? 1.0f : -1.0f, u = cn_rng_uniform_f32(rng);
    const bool half = b->format->header_bytes == sizeof(uint16_t);
    switch (pattern) {
    case CN_PATTERN_ZEROS:
        return 0;
    case CN_PATTERN_ONES:
        return NAN;
    case CN_PATTERN_NEG_ZERO:
        return -0.0f;
    case CN_PATTERN_DENORMAL:
        return sign * u * (half ? 0x1p-15f : 0x1p-127f);
    case CN_PATTERN_HUGE:
        return sign * (half ? 32768 + 32736 * u : 0x1p100f * u);
    case CN_PATTERN_NOISE:
        return b->noise_scale;
    default:
        return sign * (0x1p-7f + u);
    }
}

void cn_row_fill(const struct cn_blocks *b, enum cn_pattern pattern, struct cn_rng *rng,
                 int64_t n_cols, void *row)
{
    const struct cn_format *f = b->format;
    if (f->header_bytes > 0)
        put_header(f, header_scale(b, pattern, rng), row);
    cn_blocks_fill(b, pattern, rng, (size_t)n_cols / f->block_elems,
                   (uint8_t *)row + f->header_bytes);
}

const char *cn_pattern_name(enum cn_pattern pattern)
{
    static const char *const names[CN_N_PATTERNS] = {
        "zeros",     "0xff",        "random bytes", "extreme codes",
        "-0 scales", "tiny scales", "huge scales",  "quantised noise",
    };
    return names[pattern];
}

/* ---- activations ----------------------------------------------------------------------------- */

const char *cn_act_pattern_name(enum cn_act_pattern pattern)
{
    static const char *const names[CN_N_ACTS] = {
        "normal", "one element", "outliers", "all at the top", "random signs", "zero", "tiny",
    };
    return names[pattern];
}

void cn_acts_fill(enum cn_act_pattern pattern, struct cn_rng *rng, int64_t n, float *x)
{
    float size = expf(cn_rng_normal_f32(rng));
    for (int64_t i = 0; i < n; i++) {
        float sign = cn_rng_int(rng, 2) ? 1.0f : -1.0f;
        switch (pattern) {
        case CN_ACTS_NORMAL:
            x[i] = size * cn_rng_normal_f32(rng);
            break;
        case CN_ACTS_OUTLIERS:
            x[i] = size * cn_rng_normal_f32(rng) * (cn_rng_int(rng, 32) ? 1 : 40);
            break;
        case CN_ACTS_TOP:
            x[i] = i % 32 ? copysignf(size, x[i - 1]) : sign * size;
            break;
        case CN_ACTS_SIGNS:
            x[i] = sign * size;
            break;
        case CN_ACTS_TINY:
            x[i] = 0x1p-120f * cn_rng_normal_f32(rng);
            break;
        default:
            x[i] = 0;
        }
    }
    if (pattern == CN_ACTS_ONE && n > 0)
        x[cn_rng_int(rng, (int)n)] = cn_rng_int(rng, 2) ? size : -size;
}
