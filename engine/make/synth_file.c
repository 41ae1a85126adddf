/* SPDX-License-Identifier: MIT
 *
 * Models of real shapes with random weights. Speed and energy do not depend on what the weights
 * are, as long as the numbers stay sane; so real sizes can be timed without a download.
 *
 * Weights are N(0, 1/row length), which keeps the size of what passes through. For each pair of
 * format and row length a pool of gaussian stretches is quantised once by the format's own
 * quantiser, and tensors are random draws from the pool: valid blocks in any format, at the speed
 * of the disk.
 */
#include "base/rng.h"
#include "engine/tools.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "engine/gguf/gguf.h"
#include "engine/make/synth_model.h"

enum {
    UNIT_ELEMS = 256, /* drawn at a time: a multiple of every block */
    POOL_UNITS = 128,
    NAME_BYTES = 64,
    BUFFER_BYTES = 1 << 20,
    QUANTIZATION_VERSION = 2,
    F16_ID = 1, /* in GGUF */
};

/* What a tensor is filled with. */
enum fill {
    FILL_MATRIX, /* gaussian, by row length */
    FILL_ONES,   /* norms */
    FILL_SMALL,  /* biases */
    FILL_ROPE,   /* frequency factors: see struct cn_synth_shape */
    FILL_LONG,   /* frequency factors of longrope */
    FILL_TAPS,   /* short convolutions: of their own size, whatever meets them */
    FILL_DECAY,  /* of states: -1 to -16 by step, as models begin with */
    FILL_STEP,   /* biases of steps, whose softplus is 0.001 to 0.1, likewise */
};

struct tensor {
    char name[NAME_BYTES];
    struct cn_mix_tensor mix;
    enum fill fill;
    const struct cn_format *format;
    size_t bytes;
};

struct pool {
    const struct cn_format *format;
    int64_t n_cols;
    uint8_t *units; /* [POOL_UNITS] of unit_bytes */
    size_t unit_bytes;
};

struct job {
    const struct cn_synth_options *o;
    const struct cn_arch *arch;
    const struct cn_synth_shape *shape;
    struct cn_synth_model model;
    const struct cn_file_type *file_type;
    struct cn_error *err;
    int32_t n_layer;
    struct tensor *tensors;
    size_t n_tensors, capacity;
    struct pool pools[64]; /* a model has a few row lengths and formats */
    size_t n_pools;
    uint8_t *buffer; /* [BUFFER_BYTES] */
    double done, total;
    bool failed; /* out of memory while listing tensors */
};

/* ---- random numbers -------------------------------------------------------------------------- */

/* A stream of its own for each purpose. */
static struct cn_rng stream(uint64_t seed, uint64_t a, uint64_t b)
{
    struct cn_rng rng = { seed };
    rng.state = cn_rng_next(&rng) ^ a;
    rng.state = cn_rng_next(&rng) ^ b;
    rng.state = cn_rng_next(&rng);
    return rng;
}

/* ---- tensors --------------------------------------------------------------------------------- */

static enum fill fill_of(enum cn_slot slot, const char *name)
{
    if (cn_slot_infos[slot].kind == CN_MATRIX)
        return FILL_MATRIX;
    if (cn_slot_infos[slot].kind == CN_TAPS)
        return FILL_TAPS;
    switch (slot) {
    case CN_SLOT_ROPE_FREQS:
        return FILL_ROPE;
    case CN_SLOT_ROPE_LONG:
        return FILL_LONG;
    case CN_SLOT_SSM_A:
        return FILL_DECAY;
    case CN_SLOT_SSM_DT_B:
        return FILL_STEP;
    case CN_SLOT_ROPE_SHORT:
    case CN_SLOT_SSM_D:
    case CN_SLOT_BARE_NORM:
        return FILL_ONES;
    default:
        break;
    }
    return strstr(name, "norm.weight") || strstr(name, "scale") || strstr(name, "norm_1") ||
                   strstr(name, "norm_2")
               ? FILL_ONES
               : FILL_SMALL;
}

static void add(struct job *j, enum cn_slot slot, int64_t layer)
{
    if (j->n_tensors == j->capacity) {
        size_t capacity = j->capacity ? 2 * j->capacity : 256;
        struct tensor *p = realloc(j->tensors, capacity * sizeof *p);
        if (!p) {
            j->failed = true;
            return;
        }
        j->tensors = p;
        j->capacity = capacity;
    }
    struct tensor *t = &j->tensors[j->n_tensors++];
    *t = (struct tensor){ .mix = { .ne = { 1, 1, 1, 1 } } };
    cn_slot_name(slot, layer, t->name, sizeof t->name);
    cn_slot_shape(j->arch, &j->model.hp, slot, layer, t->mix.ne);
    t->fill = fill_of(slot, t->name);
    t->mix.n_dims = t->mix.ne[2] > 1 ? 3 : t->mix.ne[1] > 1 || t->fill == FILL_MATRIX ? 2 : 1;
}

static enum cn_status list_tensors(struct job *j)
{
    for (int64_t layer = -1; layer < j->n_layer; layer++) {
        const cn_slots has = cn_synth_model_slots(&j->model, layer);
        for (int slot = 0; slot < CN_N_SLOTS; slot++)
            if (has >> slot & 1)
                add(j, (enum cn_slot)slot, layer);
    }
    CN_RETURN_IF(j->failed, CN_ERR_MEMORY, j->err, "out of memory");
    return CN_OK;
}

/* Types by the rules of the file type, as most files that are about were made: the IQ types with an
 * importance matrix, the others without. */
static enum cn_status choose_types(struct job *j)
{
    const struct cn_hparams *hp = &j->model.hp;
    /* As the keys say it: of layers that differ the first, unless that has no heads at all. */
    const bool heads = hp->layers[0].n_head > 0;
    struct cn_mix_model model = { .n_layer = j->n_layer,
                                  .n_head = heads ? hp->layers[0].n_head : hp->n_head,
                                  .n_head_kv = heads ? hp->layers[0].n_head_kv : hp->n_head_kv,
                                  .n_expert = hp->n_expert };
    cn_arch_size_class(j->arch, &model);
    model.has_imatrix = strncmp(j->file_type->name, "IQ", 2) == 0;
    struct cn_mix_tensor **order = malloc(j->n_tensors * sizeof *order);
    CN_RETURN_IF(!order, CN_ERR_MEMORY, j->err, "out of memory");
    for (size_t i = 0; i < j->n_tensors; i++) {
        j->tensors[i].mix.name = j->tensors[i].name;
        order[i] = &j->tensors[i].mix;
    }
    cn_mix_plan(j->file_type, &model, false, order, j->n_tensors);
    free(order);
    for (size_t i = 0; i < j->n_tensors; i++) {
        struct tensor *t = &j->tensors[i];
        /* What a mix leaves alone is as large as in the files that are about; routers are F32. */
        if (!t->mix.quantised && t->fill == FILL_MATRIX && !strstr(t->name, "ffn_gate_inp"))
            t->mix.type = j->file_type->base == 0 ? 0 : F16_ID;
        t->format = cn_format_by_gguf(t->mix.type);
        CN_RETURN_IF(!t->format, CN_ERR_UNSUPPORTED, j->err,
                     "file type %s is not supported: this build lacks the tensor type %s, which %s "
                     "would get",
                     j->file_type->name, cn_gguf_type_name(t->mix.type), t->name);
        t->bytes = cn_row_bytes(t->format, t->mix.ne[0]) * (size_t)(t->mix.ne[1] * t->mix.ne[2]);
        j->total += (double)t->bytes;
    }
    return CN_OK;
}

/* ---- vocabulary ------------------------------------------------------------------------------ */

/* The character that stands for a byte in byte-level BPE, as UTF-8; returns its length. */
static int byte_text(int byte, char *text)
{
    int code = byte;
    bool plain = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    if (!plain) { /* the others, in order, from 256 on */
        code = 256;
        for (int b = 0; b < byte; b++)
            code += !((b >= 33 && b <= 126) || (b >= 161 && b != 173));
    }
    if (code < 128) {
        text[0] = (char)code;
        return 1;
    }
    text[0] = (char)(0xC0 | code >> 6);
    text[1] = (char)(0x80 | (code & 63));
    return 2;
}

/* A word that no other id has: a blank and three syllables. */
static int word_text(int32_t id, char *text)
{
    static const char consonants[] = "bcdfghjklmnpqrstvwxyz", vowels[] = "aeiou";
    int n = byte_text(' ', text);
    for (int i = 0; i < 3; i++, id /= 105) {
        text[n++] = consonants[id % 105 / 5];
        text[n++] = vowels[id % 5];
    }
    return n;
}

static const char *special_text(const struct cn_synth_vocab *v, int32_t id)
{
    for (size_t i = 0; i < sizeof v->special / sizeof *v->special && v->special[i].text; i++)
        if (v->special[i].id == id)
            return v->special[i].text;
    return NULL;
}

/* Special tokens at their true ids, the 256 bytes at the first ids that are left, then words. There
 * are no merges: text becomes bytes, which costs the model what other tokens cost. */
static enum cn_status write_vocab(const struct job *j, struct cn_gguf_writer *w)
{
    enum { LONGEST = 32, NORMAL = 1, CONTROL = 3 };
    const struct cn_synth_vocab *v = j->shape->vocab;
    int32_t n = j->shape->n_vocab;
    uint8_t *texts = malloc((size_t)n * (8 + LONGEST));
    int32_t *types = malloc((size_t)n * sizeof *types);
    if (!texts || !types) {
        free(texts);
        free(types);
        return cn_fail(j->err, CN_ERR_MEMORY, "out of memory");
    }
    size_t at = 0;
    int next_byte = 0;
    for (int32_t id = 0; id < n; id++) {
        char text[LONGEST];
        uint64_t length;
        const char *special = special_text(v, id);
        types[id] = special ? CONTROL : NORMAL;
        if (special)
            length = (uint64_t)snprintf(text, sizeof text, "%s", special);
        else
            length =
                (uint64_t)(next_byte < 256 ? byte_text(next_byte++, text) : word_text(id, text));
        memcpy(texts + at, &length, 8);
        memcpy(texts + at + 8, text, length);
        at += 8 + length;
    }
    cn_gguf_writer_str(w, "tokenizer.ggml.model", "gpt2");
    cn_gguf_writer_str(w, "tokenizer.ggml.pre", v->pre);
    cn_gguf_writer_array(w, "tokenizer.ggml.tokens", CN_GGUF_STRING, (uint64_t)n, texts, at);
    cn_gguf_writer_array(w, "tokenizer.ggml.token_type", CN_GGUF_I32, (uint64_t)n, types,
                         (size_t)n * sizeof *types);
    cn_gguf_writer_array(w, "tokenizer.ggml.merges", CN_GGUF_STRING, 0, NULL, 0);
    cn_gguf_writer_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)v->bos);
    cn_gguf_writer_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)v->eos);
    cn_gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", v->add_bos);
    free(texts);
    free(types);
    return CN_OK;
}

/* ---- metadata -------------------------------------------------------------------------------- */

static void write_metadata(const struct job *j, struct cn_gguf_writer *w)
{
    char name[96];
    snprintf(name, sizeof name, "synthetic %s, %" PRId32 " layers", j->shape->name, j->n_layer);
    cn_gguf_writer_str(w, "general.architecture", j->arch->name);
    cn_gguf_writer_str(w, "general.type", "model");
    cn_gguf_writer_str(w, "general.name", name);
    cn_gguf_writer_u32(w, "general.quantization_version", QUANTIZATION_VERSION);
    cn_gguf_writer_u32(w, "general.file_type", j->file_type->id);
    for (int64_t i = 0; i < j->model.gguf.n_kv; i++)
        cn_gguf_writer_raw(w, &j->model.gguf.kv[i]);
}

/* ---- data ------------------------------------------------------------------------------------ */

static enum cn_status fill_pool(const struct job *j, struct pool *p)
{
    float x[UNIT_ELEMS], ones[UNIT_ELEMS];
    float sd = 1 / sqrtf((float)p->n_cols);
    struct cn_rng rng = stream(j->o->seed, p->format->gguf_type, (uint64_t)p->n_cols);
    p->unit_bytes = cn_row_bytes(p->format, UNIT_ELEMS);
    p->units = malloc(POOL_UNITS * p->unit_bytes);
    CN_RETURN_IF(!p->units, CN_ERR_MEMORY, j->err, "out of memory");
    for (int i = 0; i < UNIT_ELEMS; i++)
        ones[i] = 1;
    for (int i = 0; i < POOL_UNITS; i++) {
        for (int k = 0; k < UNIT_ELEMS; k++)
            x[k] = (float)((double)sd * cn_rng_normal(&rng));
        p->format->ref->quantize(UNIT_ELEMS, x, p->format->ref->needs_weights ? ones : NULL,
                                 p->units + (size_t)i * p->unit_bytes);
    }
    return CN_OK;
}

static enum cn_status find_pool(struct job *j, const struct cn_format *format, int64_t n_cols,
                                const struct pool **pool)
{
    size_t i = 0;
    while (i < j->n_pools && (j->pools[i].format != format || j->pools[i].n_cols != n_cols))
        i++;
    if (i == j->n_pools) {
        assert(i < sizeof j->pools / sizeof *j->pools);
        j->n_pools++;
        j->pools[i].format = format;
        j->pools[i].n_cols = n_cols;
        CN_TRY(fill_pool(j, &j->pools[i]));
    }
    *pool = &j->pools[i];
    return CN_OK;
}

static enum cn_status cancelled(const struct job *j)
{
    CN_RETURN_IF(j->o->cancel && j->o->cancel(j->o->user), CN_ERR_CANCELLED, j->err, "cancelled");
    if (j->o->progress) /* the last byte is told when the file is complete */
        j->o->progress(j->o->user, j->done, j->total + 1);
    return CN_OK;
}

static enum cn_status write_matrix(struct job *j, struct cn_gguf_writer *w, const struct tensor *t,
                                   struct cn_rng rng)
{
    const struct pool *p = NULL;
    CN_TRY(find_pool(j, t->format, t->mix.ne[0], &p));
    for (size_t left = t->bytes; left > 0 && !cn_gguf_writer_failed(w);) {
        size_t n = 0;
        while (n < left && n + p->unit_bytes <= BUFFER_BYTES) {
            /* The last draw may be cut; a matrix ends at the end of a block. */
            size_t unit = left - n < p->unit_bytes ? left - n : p->unit_bytes;
            memcpy(j->buffer + n, p->units + cn_rng_next(&rng) % POOL_UNITS * p->unit_bytes, unit);
            n += unit;
        }
        cn_gguf_writer_data(w, j->buffer, n);
        left -= n;
        j->done += (double)n;
        CN_TRY(cancelled(j));
    }
    return CN_OK;
}

/* The frequency factors by which llama 3 files stretch the context: 1 for short wavelengths,
 * `factor` for long ones, a ramp between. Or such that a share of the frequencies rotates only:
 * what is divided by NO_ROTATION does not. */
static float rope_factor(const struct job *j, int64_t i)
{
#define NO_ROTATION 1e30f
    const struct cn_synth_shape *s = j->shape;
    const struct cn_hparams *hp = &j->model.hp;
    const double two_pi = 6.283185307179586, low = 1, high = 4, original = 8192;
    const int64_t n_rot = hp->n_rope[CN_ROPE_GLOBAL];
    if (s->rope_kept > 0)
        return (float)i < s->rope_kept * (float)(n_rot / 2) ? 1 : NO_ROTATION;
    double wavelength = two_pi * pow((double)hp->rope_base, 2 * (double)i / (double)n_rot);
    if (wavelength < original / high)
        return 1;
    if (wavelength > original / low)
        return s->rope_factor;
    double smooth = (original / wavelength - low) / (high - low);
    return (float)(1 / ((1 - smooth) / (double)s->rope_factor + smooth));
}

/* A number of a vector that is random. */
static float random_number(enum fill fill, struct cn_rng *rng)
{
    const double u = (double)cn_rng_uniform_f32(rng);
    switch (fill) {
    case FILL_SMALL:
        return (float)((double)0.02f * cn_rng_normal(rng));
    case FILL_TAPS:
        return (float)(0.5 * cn_rng_normal(rng));
    case FILL_DECAY:
        return (float)(-1 - 15 * u);
    case FILL_STEP: /* the inverse of softplus */
        return (float)log(expm1(0.001 * pow(100, u)));
    default:
        return 1;
    }
}

static void write_vector(struct job *j, struct cn_gguf_writer *w, const struct tensor *t,
                         struct cn_rng rng)
{
    int64_t n = t->mix.ne[0] * t->mix.ne[1] * t->mix.ne[2];
    for (int64_t i = 0; i < n; i++) {
        float x;
        if (t->fill == FILL_ROPE)
            x = rope_factor(j, i);
        else if (t->fill == FILL_LONG) /* the true ones were searched; these rise as they do */
            x = powf(64, (float)i / (float)n);
        else
            x = random_number(t->fill, &rng);
        cn_gguf_writer_data(w, &x, sizeof x);
    }
    j->done += (double)t->bytes;
}

static enum cn_status write_all(struct job *j, struct cn_gguf_writer *w)
{
    write_metadata(j, w);
    CN_TRY(write_vocab(j, w));
    for (size_t i = 0; i < j->n_tensors; i++) {
        const struct tensor *t = &j->tensors[i];
        cn_gguf_writer_tensor(w, t->name, t->format->gguf_type, t->mix.n_dims, t->mix.ne, t->bytes);
    }
    for (size_t i = 0; i < j->n_tensors; i++) {
        const struct tensor *t = &j->tensors[i];
        struct cn_rng rng = stream(j->o->seed, 1000, i);
        if (t->fill == FILL_MATRIX)
            CN_TRY(write_matrix(j, w, t, rng));
        else
            write_vector(j, w, t, rng);
    }
    return CN_OK;
}

static enum cn_status write_file(struct job *j, const char *out)
{
    struct cn_gguf_writer *w = NULL;
    j->buffer = malloc(BUFFER_BYTES);
    CN_RETURN_IF(!j->buffer, CN_ERR_MEMORY, j->err, "out of memory");
    CN_TRY(cn_gguf_writer_create(out, &w, j->err));
    enum cn_status status = write_all(j, w);
    if (status != CN_OK) {
        cn_gguf_writer_abandon(w);
        return status;
    }
    CN_TRY(cn_gguf_writer_finish(w, j->err));
    if (j->o->progress)
        j->o->progress(j->o->user, j->total + 1, j->total + 1);
    return CN_OK;
}

/* ---- entry ----------------------------------------------------------------------------------- */

const char *cn_synth_shape_name(int i)
{
    const struct cn_arch *arch;
    const struct cn_synth_shape *shape = cn_synth_shape_at(i, &arch);
    return shape ? shape->name : NULL;
}

static enum cn_status take_options(struct job *j)
{
    const struct cn_synth_shape *shape;
    for (int i = 0; !j->shape && (shape = cn_synth_shape_at(i, &j->arch)); i++)
        if (strcasecmp(shape->name, j->o->shape) == 0)
            j->shape = shape;
    if (!j->shape) {
        char list[900] = "";
        for (int i = 0; cn_synth_shape_name(i); i++) {
            size_t n = strlen(list);
            snprintf(list + n, sizeof list - n, " %s", cn_synth_shape_name(i));
        }
        return cn_fail(j->err, CN_ERR_ARGUMENT, "there is no shape '%.40s'; there are:%s",
                       j->o->shape, list);
    }
    j->file_type = cn_file_type_by_name(j->o->type);
    CN_RETURN_IF(!j->file_type, CN_ERR_UNSUPPORTED, j->err, "file type '%s' is not supported",
                 j->o->type);
    CN_RETURN_IF(j->o->n_layers < 0 || j->o->n_layers > j->shape->n_layer, CN_ERR_ARGUMENT, j->err,
                 "%s has %" PRId32 " layers, %d were asked for", j->shape->name, j->shape->n_layer,
                 j->o->n_layers);
    j->n_layer = j->o->n_layers ? j->o->n_layers : j->shape->n_layer;
    return CN_OK;
}

enum cn_status cn_synth_check(const struct cn_synth_options *options, struct cn_error *err)
{
    struct job j = { .o = options, .err = err };
    return take_options(&j);
}

static void fill_result(const struct job *j, struct cn_file_result *r)
{
    *r = (struct cn_file_result){ .file_type = j->file_type->name };
    for (size_t i = 0; i < j->n_tensors; i++) {
        const struct tensor *t = &j->tensors[i];
        r->n_params += t->mix.ne[0] * t->mix.ne[1] * t->mix.ne[2];
        r->tensor_bytes += t->bytes;
        r->n_fell_back += t->mix.fell_back;
    }
    r->bpw = 8 * (double)r->tensor_bytes / (double)r->n_params;
}

static enum cn_status run(struct job *j, const char *out, struct cn_file_result *result)
{
    CN_TRY(take_options(j));
    CN_TRY(cn_synth_model_open(j->arch, j->shape, j->n_layer, &j->model, j->err));
    CN_TRY(list_tensors(j));
    CN_TRY(choose_types(j));
    if (!j->o->dry_run)
        CN_TRY(write_file(j, out));
    if (result)
        fill_result(j, result);
    return CN_OK;
}

enum cn_status cn_synth_file(const char *out, const struct cn_synth_options *options,
                             struct cn_file_result *result, struct cn_error *err)
{
    struct job j = { .o = options, .err = err };
    enum cn_status status = run(&j, out, result);
    for (size_t i = 0; i < j.n_pools; i++)
        free(j.pools[i].units);
    cn_synth_model_close(&j.model);
    free(j.tensors);
    free(j.buffer);
    return status;
}
