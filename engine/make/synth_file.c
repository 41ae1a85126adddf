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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "engine/gguf/gguf.h"
#include "engine/make/synth_shapes.h"

enum {
    UNIT_ELEMS = 256, /* drawn at a time: a multiple of every block */
    POOL_UNITS = 128,
    NAME_BYTES = 64,
    BUFFER_BYTES = 1 << 20,
    QUANTIZATION_VERSION = 2,
};

/* What a tensor is filled with. */
enum fill {
    FILL_MATRIX, /* gaussian, by row length */
    FILL_ONES,   /* norms */
    FILL_SMALL,  /* biases */
    FILL_ROPE,   /* frequency factors of llama 3 */
    FILL_LONG,   /* frequency factors of longrope */
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
    const struct cn_synth_shape *shape;
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

/* ---- random numbers -----------------------------------------------------------------------------
 */

/* A stream of its own for each purpose. */
static struct cn_rng stream(uint64_t seed, uint64_t a, uint64_t b)
{
    struct cn_rng rng = { seed };
    rng.state = cn_rng_next(&rng) ^ a;
    rng.state = cn_rng_next(&rng) ^ b;
    rng.state = cn_rng_next(&rng);
    return rng;
}

/* ---- tensors ------------------------------------------------------------------------------------
 */

__attribute__((format(printf, 7, 8))) static void add(struct job *j, enum fill fill, int n_dims,
                                                      int64_t ne0, int64_t ne1, int64_t ne2,
                                                      const char *name, ...)
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
    *t = (struct tensor){ .fill = fill };
    va_list args;
    va_start(args, name);
    vsnprintf(t->name, sizeof t->name, name, args);
    va_end(args);
    t->mix.n_dims = n_dims;
    t->mix.ne[0] = ne0;
    t->mix.ne[1] = ne1;
    t->mix.ne[2] = ne2;
    t->mix.ne[3] = 1;
}

static void add_matrix(struct job *j, int layer, const char *name, int64_t in, int64_t out)
{
    add(j, FILL_MATRIX, 2, in, out, 1, "blk.%d.%s.weight", layer, name);
}

static void add_experts(struct job *j, int layer, const char *name, int64_t in, int64_t out)
{
    add(j, FILL_MATRIX, 3, in, out, j->shape->n_expert, "blk.%d.%s_exps.weight", layer, name);
}

static void add_norm(struct job *j, int layer, const char *name, int64_t n)
{
    add(j, FILL_ONES, 1, n, 1, 1, "blk.%d.%s.weight", layer, name);
}

static void add_bias(struct job *j, int layer, const char *name, int64_t n)
{
    add(j, FILL_SMALL, 1, n, 1, 1, "blk.%d.%s.bias", layer, name);
}

static bool is(const struct job *j, const char *arch)
{
    return strcmp(j->shape->arch, arch) == 0;
}

static void add_attention(struct job *j, int layer)
{
    const struct cn_synth_shape *s = j->shape;
    int64_t d = s->n_embd, h = (int64_t)s->n_head * s->d_head;
    int64_t hk = (int64_t)s->n_head_kv * s->d_head;
    add_norm(j, layer, "attn_norm", d);
    if (is(j, "phi2") || is(j, "phi3")) {
        add_matrix(j, layer, "attn_qkv", d, h + 2 * hk);
    } else {
        add_matrix(j, layer, "attn_q", d, h);
        add_matrix(j, layer, "attn_k", d, hk);
        add_matrix(j, layer, "attn_v", d, hk);
    }
    add_matrix(j, layer, "attn_output", h, d);
    if (is(j, "phi2")) {
        add_bias(j, layer, "attn_norm", d);
        add_bias(j, layer, "attn_qkv", h + 2 * hk);
        add_bias(j, layer, "attn_output", d);
    }
    if (is(j, "qwen2")) {
        add_bias(j, layer, "attn_q", h);
        add_bias(j, layer, "attn_k", hk);
        add_bias(j, layer, "attn_v", hk);
    }
    bool per_head = is(j, "qwen3") || is(j, "qwen3moe");
    if (per_head || is(j, "olmoe")) {
        add_norm(j, layer, "attn_q_norm", per_head ? s->d_head : h);
        add_norm(j, layer, "attn_k_norm", per_head ? s->d_head : hk);
    }
    if (is(j, "gemma2")) {
        add_norm(j, layer, "post_attention_norm", d);
        add_norm(j, layer, "post_ffw_norm", d);
    }
}

static void add_ffn(struct job *j, int layer)
{
    const struct cn_synth_shape *s = j->shape;
    int64_t d = s->n_embd, f = s->n_ff_expert ? s->n_ff_expert : s->n_ff;
    if (!is(j, "phi2"))
        add_norm(j, layer, "ffn_norm", d);
    if (s->n_expert > 0) {
        add_matrix(j, layer, "ffn_gate_inp", d, s->n_expert);
        add_experts(j, layer, "ffn_gate", d, f);
        add_experts(j, layer, "ffn_up", d, f);
        add_experts(j, layer, "ffn_down", f, d);
        return;
    }
    if (!is(j, "phi2") && !is(j, "phi3"))
        add_matrix(j, layer, "ffn_gate", d, f);
    add_matrix(j, layer, "ffn_up", d, is(j, "phi3") ? 2 * f : f);
    add_matrix(j, layer, "ffn_down", f, d);
    if (is(j, "phi2")) {
        add_bias(j, layer, "ffn_up", f);
        add_bias(j, layer, "ffn_down", d);
    }
}

static enum cn_status list_tensors(struct job *j)
{
    const struct cn_synth_shape *s = j->shape;
    add(j, FILL_MATRIX, 2, s->n_embd, s->n_vocab, 1, "token_embd.weight");
    if (s->rope_factor > 0)
        add(j, FILL_ROPE, 1, s->n_rot / 2, 1, 1, "rope_freqs.weight");
    if (is(j, "phi3")) {
        add(j, FILL_LONG, 1, s->n_rot / 2, 1, 1, "rope_factors_long.weight");
        add(j, FILL_ONES, 1, s->n_rot / 2, 1, 1, "rope_factors_short.weight");
    }
    for (int i = 0; i < j->n_layer; i++) {
        add_attention(j, i);
        add_ffn(j, i);
    }
    add(j, FILL_ONES, 1, s->n_embd, 1, 1, "output_norm.weight");
    if (!s->tied)
        add(j, FILL_MATRIX, 2, s->n_embd, s->n_vocab, 1, "output.weight");
    if (is(j, "phi2")) {
        add(j, FILL_SMALL, 1, s->n_embd, 1, 1, "output_norm.bias");
        add(j, FILL_SMALL, 1, s->n_vocab, 1, 1, "output.bias");
    }
    CN_RETURN_IF(j->failed, CN_ERR_MEMORY, j->err, "out of memory");
    return CN_OK;
}

/* Types by the rules of the file type, as most files that are about were made: the IQ types with an
 * importance matrix, the others without. */
static enum cn_status choose_types(struct job *j)
{
    const struct cn_synth_shape *s = j->shape;
    struct cn_mix_model model = {
        s->arch, j->n_layer, s->n_head, s->n_head_kv, s->n_expert, false
    };
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

/* ---- vocabulary ---------------------------------------------------------------------------------
 */

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

/* ---- metadata -----------------------------------------------------------------------------------
 */

static void arch_u32(const struct job *j, struct cn_gguf_writer *w, const char *key, int32_t value)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", j->shape->arch, key);
    cn_gguf_writer_u32(w, name, (uint32_t)value);
}

static void arch_f32(const struct job *j, struct cn_gguf_writer *w, const char *key, float value)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", j->shape->arch, key);
    cn_gguf_writer_f32(w, name, value);
}

static void write_metadata(const struct job *j, struct cn_gguf_writer *w)
{
    const struct cn_synth_shape *s = j->shape;
    char name[96];
    snprintf(name, sizeof name, "synthetic %s, %" PRId32 " layers", s->name, j->n_layer);
    cn_gguf_writer_str(w, "general.architecture", s->arch);
    cn_gguf_writer_str(w, "general.type", "model");
    cn_gguf_writer_str(w, "general.name", name);
    cn_gguf_writer_u32(w, "general.quantization_version", QUANTIZATION_VERSION);
    cn_gguf_writer_u32(w, "general.file_type", j->file_type->id);
    arch_u32(j, w, "vocab_size", s->n_vocab);
    arch_u32(j, w, "context_length", s->n_ctx);
    arch_u32(j, w, "embedding_length", s->n_embd);
    arch_u32(j, w, "block_count", j->n_layer);
    arch_u32(j, w, "feed_forward_length", s->n_ff);
    arch_u32(j, w, "attention.head_count", s->n_head);
    arch_u32(j, w, "attention.head_count_kv", s->n_head_kv);
    if (s->d_head * s->n_head != s->n_embd) {
        arch_u32(j, w, "attention.key_length", s->d_head);
        arch_u32(j, w, "attention.value_length", s->d_head);
    }
    arch_u32(j, w, "rope.dimension_count", s->n_rot);
    arch_f32(j, w, "rope.freq_base", s->rope_base);
    arch_f32(j, w,
             is(j, "phi2") ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
             s->eps);
    if (s->n_expert > 0) {
        arch_u32(j, w, "expert_count", s->n_expert);
        arch_u32(j, w, "expert_used_count", s->n_expert_used);
    }
    if (s->n_ff_expert > 0)
        arch_u32(j, w, "expert_feed_forward_length", s->n_ff_expert);
    if (is(j, "gemma2")) {
        arch_f32(j, w, "attn_logit_softcapping", 50);
        arch_f32(j, w, "final_logit_softcapping", 30);
        arch_u32(j, w, "attention.sliding_window", 4096);
    }
    if (is(j, "granite")) {
        arch_f32(j, w, "attention.scale", 0.015625f);
        arch_f32(j, w, "embedding_scale", 12);
        arch_f32(j, w, "residual_scale", 0.22f);
        arch_f32(j, w, "logit_scale", 8);
    }
    if (is(j, "phi3")) {
        const int32_t original = 4096;
        float stretch = (float)s->n_ctx / (float)original;
        arch_u32(j, w, "rope.scaling.original_context_length", original);
        arch_f32(j, w, "rope.scaling.attn_factor",
                 sqrtf(1 + logf(stretch) / logf((float)original)));
    }
}

/* ---- data ---------------------------------------------------------------------------------------
 */

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
 * `factor` for long ones, a ramp between. */
static float rope_factor(const struct cn_synth_shape *s, int64_t i)
{
    const double two_pi = 6.283185307179586, low = 1, high = 4, original = 8192;
    double wavelength = two_pi * pow((double)s->rope_base, 2 * (double)i / s->n_rot);
    if (wavelength < original / high)
        return 1;
    if (wavelength > original / low)
        return s->rope_factor;
    double smooth = (original / wavelength - low) / (high - low);
    return (float)(1 / ((1 - smooth) / (double)s->rope_factor + smooth));
}

static void write_vector(struct job *j, struct cn_gguf_writer *w, const struct tensor *t,
                         struct cn_rng rng)
{
    int64_t n = t->mix.ne[0];
    for (int64_t i = 0; i < n; i++) {
        float x = 1;
        if (t->fill == FILL_SMALL)
            x = (float)((double)0.02f * cn_rng_normal(&rng));
        else if (t->fill == FILL_ROPE)
            x = rope_factor(j->shape, i);
        else if (t->fill == FILL_LONG) /* the true ones were searched; these rise as they do */
            x = powf(64, (float)i / (float)n);
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

/* ---- entry --------------------------------------------------------------------------------------
 */

const char *cn_synth_shape_name(int i)
{
    return i >= 0 && i < cn_n_synth_shapes ? cn_synth_shapes[i].name : NULL;
}

static enum cn_status take_options(struct job *j)
{
    for (int i = 0; i < cn_n_synth_shapes; i++)
        if (strcasecmp(cn_synth_shapes[i].name, j->o->shape) == 0)
            j->shape = &cn_synth_shapes[i];
    if (!j->shape) {
        char list[400] = "";
        for (int i = 0; i < cn_n_synth_shapes; i++) {
            size_t n = strlen(list);
            snprintf(list + n, sizeof list - n, " %s", cn_synth_shapes[i].name);
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
    free(j.tensors);
    free(j.buffer);
    return status;
}
