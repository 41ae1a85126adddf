/* SPDX-License-Identifier: MIT
 *
 * quant: tensor formats and their kernels. This floor includes nothing but itself and libc.
 *
 * A format is one row in formats.def. Its `ref` kernels are its definition; each tier (avx2, neon,
 * ...) may replace slots of them. cn_kernels_for() resolves the slots once, at load.
 *
 * Matrices are row-major; a row of a quantised matrix is a header, which few formats have, and
 * n_cols / block_elems consecutive blocks.
 * Nothing here allocates, does I/O, starts threads, or fails: preconditions are asserted, and
 * hostile data (NaN scales and the like) gives hostile numbers, never a bad access. The only state
 * is in trellis.c: tables of 7 MB that follow from the format, made once, when one of its
 * quantisers first runs.
 */
#ifndef CN_QUANT_H
#define CN_QUANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- tiers -------------------------------------------------------------------------------- */

/* In rising order; a later tier overlays an earlier one. `ref` is always there. */
enum cn_tier {
    CN_TIER_REF,
    CN_TIER_AVX2,    /* AVX2 FMA F16C BMI2 */
    CN_TIER_AVXVNNI, /* AVX-VNNI on top of avx2: 256 bits, VEX */
    CN_TIER_AVX512,  /* F BW DQ VL VNNI VBMI GFNI */
    CN_TIER_AMX,     /* AMX-INT8 AMX-BF16 on top of avx512, with the kernel's permission */
    CN_TIER_NEON,    /* Armv8.0 */
    CN_TIER_DOTPROD, /* Armv8.2 sdot/udot */
    CN_TIER_I8MM,    /* Armv8.6 smmla */
    CN_N_TIERS
};

/* The tiers that this CPU has and this operating system allows, as a mask of 1u << tier. */
uint32_t cn_tiers_detect(void);

/* The CPU's time-stamp counter, which ticks at one rate whatever the core does; 0 where there is
 * none that can be read. */
uint64_t cn_time_stamp(void);

/* "avx2"; NULL if out of range. */
const char *cn_tier_name(enum cn_tier tier);

/* Denormal operands and results are zeros on this thread, and on those that it starts, from now on;
 * returns what cn_float_mode_restore() wants. Softmax weights of distant keys, states that decay
 * and tails of activations come below 2^-126, where they mean nothing, but Intel's CPUs take a
 * hundred times as long for an operation with one. */
uint64_t cn_flush_denormals(void);
void cn_float_mode_restore(uint64_t before);

/* Parses "ref,avx2" to a mask (ref is always included). False on an unknown name; *bad is then set
 * to the start of it and *bad_len to its length. */
bool cn_tiers_parse(const char *list, uint32_t *mask, const char **bad, size_t *bad_len);

/* Writes "ref,avx2,..." to buf (at least 64 bytes); returns buf. */
char *cn_tiers_format(uint32_t mask, char *buf, size_t buf_bytes);

/* ---- formats ------------------------------------------------------------------------------ */

enum cn_type {
#define CN_FORMAT(id, label, code, elems, bytes, header, act, tiers) CN_TYPE_##id,
#include "quant/formats.def"
#undef CN_FORMAT
    CN_N_TYPES
};

/* How a format wants its activations. The last two are forms of panels only: see
 * cn_gemm_act_kind(). */
enum cn_act_kind { CN_ACT_F32, CN_ACT_Q8, CN_ACT_Q8_WIDE, CN_ACT_BF16, CN_N_ACT_KINDS };

/* One token's input vector of n_cols elements (n_cols a multiple of 32 for CN_ACT_Q8).
 * q8: groups of 32 share a scale, q = round(x / d) in [-127, 127] (never -128: maddubs and sign
 * tricks rely on it), d = max|x| / 127. Sums fold the minima and offsets of formats. */
struct cn_act {
    const float *x;       /* [n_cols], for CN_ACT_F32 */
    const int8_t *q;      /* [n_cols] */
    const float *d;       /* [n_cols / 32] scale of each 32 */
    const float *sum32;   /* [n_cols / 32] d * (sum of q over 32) */
    const int16_t *sum16; /* [n_cols / 16] sum of q over 16 */
};

/* How a format's weights look once unpacked for the panel GEMM ("codes"):
 *     w = scale[c / sub] * (code - offset) - min[c / sub]
 * with code an unsigned byte <= code_max. Products are exact in float, so that w has the very bits
 * of the format's definition. sub == 0: the panel holds floats, w itself. */
struct cn_panel {
    uint8_t code_max;
    uint8_t offset;
    uint8_t sub; /* 16 or 32 columns share a scale; 0: a float panel */
    bool has_min;
    float row_factor; /* the row's scale is this times what its header says; 0: no factor */
};

/* Panels are made of chunks of 64 bytes per row: code c of a row lies at
 * codes + (c / 64) * chunk_stride + c % 64; a float panel's column c at (c / 16) * chunk_stride
 * + (c % 16) * 4. In the GEMM 16 rows are interleaved, chunk_stride = 16 * 64. */
enum { CN_CHUNK = 64, CN_PANEL_ROWS = 16 };

/* y[r] = sum over c of w[r][c] * x[c], r in [0, n_rows). Reads rows at w + r * row_bytes, in place.
 */
typedef void cn_gemv_fn(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                        const struct cn_act *x, float *y);

/* The same of n_tokens activations, at most CN_FEW, which get the very bits that the gemv beside it
 * gives each of them: y[t * y_stride + r]. scratch: CN_FEW_SCRATCH bytes, aligned to 64. */
typedef void cn_few_fn(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                       const struct cn_act *x, int n_tokens, float *y, int64_t y_stride,
                       void *scratch);
enum { CN_FEW = 16, CN_FEW_SCRATCH = 320 * 1024 };

/* Unpacks n_cols columns (a multiple of the block), whose blocks begin at `blocks`. scale and min:
 * [n_cols / sub]; min is written only if has_min. What a row's header says is left out: see
 * cn_unpack_columns(). Codes of a last half chunk (n_cols % 64 == 32) beyond n_cols are
 * not written. */
typedef void cn_unpack_fn(int64_t n_cols, const void *blocks, uint8_t *codes, size_t chunk_stride,
                          float *scale, float *min);

struct cn_kernels {
    cn_gemv_fn *gemv;
    cn_few_fn *few; /* belongs to `gemv`; NULL: none */
    cn_unpack_fn *unpack;
    /* These belong to `unpack`: a tier that gives it gives them; a higher one may have a `small` of
     * its own for the same panel. */
    struct cn_panel panel;
    const struct cn_small_format *small; /* quant/gemm.h; NULL: nothing of its own */
    uint32_t header_bytes;               /* of a row; the format's, filled in by cn_kernels_for() */
};

/* Quantises one row of n_cols floats (a multiple of block_elems), header included. weights:
 * importance of each column [n_cols], or NULL. */
typedef void cn_quantize_fn(int64_t n_cols, const float *x, const float *weights, void *row);

/* Decodes a row of n_cols columns: the definition of the format. */
typedef void cn_dequantize_fn(int64_t n_cols, const void *row, float *x);

/* What quant/ref/<id>_ref.c exports: the format in plain C, every slot filled. */
struct cn_reference {
    cn_dequantize_fn *dequantize; /* the specification; `kernels` must agree with it */
    cn_quantize_fn *quantize;
    bool needs_weights; /* the quantiser is of no use without importance weights */
    /* Sets x[c] of the row to NaN where a scale is no number and the decoded value does not show
     * it. NULL: it always does. */
    void (*mark_bad_scales)(int64_t n_cols, const void *row, float *x);
    /* Gives the zeros among x[c], which came from codes, the signs that codes cannot say. NULL:
     * they have them. */
    void (*sign_zeros)(int64_t n_cols, const void *row, float *x);
    struct cn_kernels kernels;
};

struct cn_format {
    const char *name;     /* "q4_k" */
    const char *label;    /* "Q4_K" */
    uint32_t gguf_type;   /* tensor type id in GGUF files */
    uint32_t block_elems; /* elements of a block */
    uint32_t block_bytes;
    uint32_t header_bytes; /* before the blocks of each row: 0, 2 (an f16) or 4 (an f32) */
    enum cn_act_kind act;
    const struct cn_reference *ref;
    const struct cn_kernels *tier[CN_N_TIERS]; /* NULL: this tier has nothing of its own, or is not
                                                * built for this machine */
};

extern const struct cn_format cn_formats[CN_N_TYPES];

/* Tensor types from this id on are no GGUF ids: a file that has such tensors names them in keys
 * (cn_gguf_local_type_key), and only a reader whose table agrees with the name reads them. */
enum { CN_LOCAL_TYPES = 0x4200 };

/* NULL if there is none. Names are matched without regard to case. */
const struct cn_format *cn_format_by_gguf(uint32_t gguf_type);
const struct cn_format *cn_format_by_name(const char *name);

/* The slots of `format` for a machine with these tiers. */
struct cn_kernels cn_kernels_for(const struct cn_format *format, uint32_t tiers);

/* Bytes of the blocks of n_cols columns (a multiple of block_elems), and of a whole row of them. */
static inline size_t cn_blocks_bytes(const struct cn_format *format, int64_t n_cols)
{
    return (size_t)n_cols / format->block_elems * format->block_bytes;
}
static inline size_t cn_row_bytes(const struct cn_format *format, int64_t n_cols)
{
    return format->header_bytes + cn_blocks_bytes(format, n_cols);
}

/* What a row's header says: the factor of all its values; 1 without a header. */
float cn_row_scale(uint32_t header_bytes, const void *row);
/* The same with the format's factor. */
static inline float cn_panel_row_scale(const struct cn_panel *panel, uint32_t header_bytes,
                                       const void *row)
{
    const float scale = cn_row_scale(header_bytes, row);
    return panel->row_factor != 0 ? scale * panel->row_factor : scale;
}

/* Unpacks n_cols columns of a row, whose blocks begin `at` bytes into it, as cn_unpack_fn says; the
 * row's own scale is multiplied into scale and min. */
void cn_unpack_columns(const struct cn_kernels *kernels, const void *row, size_t at, int64_t n_cols,
                       uint8_t *codes, size_t chunk_stride, float *scale, float *min);

/* A row of n_cols through `unpack` of these kernels (cn_kernels_for) instead of the definition: the
 * same bits. */
void cn_dequantize_with(const struct cn_kernels *kernels, const struct cn_format *format,
                        int64_t n_cols, const void *row, float *x);

/* ---- scalar conversions (exact; round to nearest, ties to even) ----------------------------- */

float cn_f16_to_f32(uint16_t h);
uint16_t cn_f32_to_f16(float x);
static inline float cn_bf16_to_f32(uint16_t h)
{
    union {
        uint32_t u;
        float f;
    } v = { (uint32_t)h << 16 };
    return v.f;
}
uint16_t cn_f32_to_bf16(float x);

/* ---- vector operations of a tier ------------------------------------------------------------ */

/* A short causal convolution, each channel on its own, over n_tokens tokens:
 *     x[t][c] <- out( bias[c] + sum over j of taps[j][c] * u[t - n_taps + 1 + j][c] )
 * u[t][c] = x[t][c], times gate_in[t][c] where there is one; before the first token u is what the
 * state holds, which then gets the last n_taps - 1 of u. out: silu where asked for, then times
 * gate_out[t][c] where there is one. */
enum { CN_MAX_TAPS = 8 };
struct cn_conv {
    int64_t n_channels, n_tokens, n_taps; /* n_taps 1 to CN_MAX_TAPS */
    const float *taps;                    /* [n_taps], rows `stride` floats apart */
    float *state;                         /* [n_taps - 1], the same; the oldest first */
    int64_t stride;
    const float *bias; /* [n_channels]; NULL: none */
    float *x;          /* [n_tokens], rows x_stride floats apart, like gate_in and gate_out */
    const float *gate_in, *gate_out; /* NULL: none */
    int64_t x_stride;
    bool silu;
};

/* The channels from `first` on. */
static inline struct cn_conv cn_conv_from(const struct cn_conv *c, int64_t first)
{
    struct cn_conv rest = *c;
    rest.n_channels -= first;
    rest.taps += first;
    rest.state += first;
    rest.bias = c->bias ? c->bias + first : NULL;
    rest.x += first;
    rest.gate_in = c->gate_in ? c->gate_in + first : NULL;
    rest.gate_out = c->gate_out ? c->gate_out + first : NULL;
    return rest;
}

/* Everything the forward pass does besides matrix products. All pointers are unaligned and do not
 * overlap unless said; n >= 0 and need not be a multiple of anything unless said. */
struct cn_vec {
    /* Quantises x[n] (n a multiple of 32) as struct cn_act says. A group with a NaN or an infinity
     * gives d = NaN and q = 0. */
    void (*quantize_q8)(int64_t n, const float *x, int8_t *q, float *d, float *sum32,
                        int16_t *sum16);
    float (*dot)(int64_t n, const float *a, const float *b);
    float (*dot_f16)(int64_t n, const float *a, const uint16_t *b);
    void (*axpy)(int64_t n, float a, const float *x, float *y);        /* y += a * x */
    void (*axpy_f16)(int64_t n, float a, const uint16_t *x, float *y); /* y += a * x */
    /* Attention over rows of n halves, `stride` halves apart, for n_vecs vectors at once (heads
     * that share the rows): out[v * out_stride + r] = a[v] . row r, vectors a n floats apart; and
     * y[v] += sum over r of w[v * w_stride + r] * row r, vectors y n floats apart. They ask memory
     * for the rows that follow, a line or two at a time: it then gives as much at any time. */
    void (*dots_f16)(int64_t n_vecs, int64_t n_rows, int64_t n, const float *a,
                     const uint16_t *rows, int64_t stride, float *out, int64_t out_stride);
    void (*sums_f16)(int64_t n_vecs, int64_t n_rows, int64_t n, const float *w, int64_t w_stride,
                     const uint16_t *rows, int64_t stride, float *y);
    /* The latter over rows of n / 32 blocks of Q8_0, row_bytes from one to the next. */
    void (*sums_q8_0)(int64_t n_vecs, int64_t n_rows, int64_t n, const float *w, int64_t w_stride,
                      const uint8_t *rows, size_t row_bytes, float *y);
    void (*to_f16)(int64_t n, const float *x, uint16_t *y);
    /* Rows of n halves, or of n / 32 blocks of Q8_0, to rows of floats y_stride apart. */
    void (*from_f16)(int64_t n_rows, int64_t n, const uint16_t *x, int64_t x_stride, float *y,
                     int64_t y_stride);
    void (*from_q8_0)(int64_t n_rows, int64_t n, const uint8_t *x, size_t row_bytes, float *y,
                      int64_t y_stride);
    void (*rms_norm)(int64_t n, const float *x, const float *w, float eps,
                     float *y);                                                /* y may be x */
    void (*silu_mul)(int64_t n, const float *gate, const float *up, float *y); /* y may be gate */
    void (*gelu_mul)(int64_t n, const float *gate, const float *up,
                     float *y); /* tanh form; up NULL: 1 */
    /* x[i] = exp(x[i] - max); returns the sum. */
    float (*exp_sum)(int64_t n, float max, float *x);
    float (*max)(int64_t n, const float *x); /* n > 0 */
    /* Up to 16 vectors side by side, one a lane: arrays [n][16], of which the first n_lanes (1 to
     * 16) lanes count; what is written to the others is not promised. Products:
     *     y[r][l] <- factor[l] * y[r][l] + sum over i of a[r * row + i * step] * b[i][l]
     * for n_rows rows and n steps; one of row and step is 1. factor [16]; NULL: y is not read. */
    void (*lane_products)(int64_t n_rows, int64_t n, int n_lanes, const float *a, int64_t row,
                          int64_t step, const float *b, const float *factor, float *y);
    /* A step of softmaxes that run online: p[n][16] holds n more scores of each and becomes exp(p -
     * max). max[16], sum[16]: of each so far, updated; factor[16]: what its earlier exponentials
     * are to be multiplied with (1: no change). One whose scores are all -infinity gets zeros. */
    void (*softmax_lanes)(int64_t n, int n_lanes, float *p, float *max, float *sum, float *factor);
    void (*conv)(const struct cn_conv *c);
    /* A step of a selective state space, for 16 * n_groups values of a head, whose state is
     * state[group][n][16]:
     *     state[g][i][j] <- decay * state[g][i][j] + b[i] * x[16 g + j]
     *     y[16 g + j] = sum over i of c[i] * state[g][i][j] */
    void (*ssm_step)(int64_t n_groups, int64_t n, float decay, const float *x, const float *b,
                     const float *c, float *state, float *y);
    /* A token through the state S of a head of a gated delta net (arXiv 2412.06464), n_values rows
     * (a multiple of 16) of n_keys columns: S *= decay; e = beta * (v - S k); S += e k^T; out = S
     * q. state is S by groups of 16 rows, transposed: [n_values / 16][n_keys][16]. */
    void (*delta_step)(int64_t n_keys, int64_t n_values, float decay, float beta, const float *q,
                       const float *k, const float *v, float *state, float *out);
};

/* ---- panel GEMM (prefill) ------------------------------------------------------------------- */

struct cn_gemm; /* a tier's inner kernels; quant/gemm.h */

/* Activations of n tokens packed for the GEMM, in groups of 16 tokens (the last padded with zeros).
 * q8:   q[group][K/4][16 tokens][4], d[group][K/32][16], sum[group][K/16][16] (of q over 16
 *       columns).
 * f32:  x[group][K][16].
 * wide and bf16, in blocks of CN_BLOCK_COLS columns (the last may be half as wide):
 *       q[block][group][columns/4][16][4], q = round(x / d) in [-127, 127], d = max|x| / 127 of
 *       256 columns: d[group][K/256][16]; sum[group][K/256][16] of q over 256 columns.
 *       h[block][group][columns/2][16][2], rounded to nearest even. */
struct cn_act_panel {
    enum cn_act_kind kind;
    int64_t n_tokens, n_cols;
    int8_t *q;
    float *d;
    int32_t *sum;
    float *x;
    uint16_t *h;
};
enum { CN_WIDE = 256, CN_BLOCK_COLS = 512 };

/* How the activations of a product have to be packed: `kind` is the format's own. fast: both
 * weights and activations may be rounded to 8 bits with one scale per 256 columns, if this GEMM is
 * faster so. Rows that do not divide into 256 columns, and float formats, are always exact. */
enum cn_act_kind cn_gemm_act_kind(const struct cn_gemm *gemm, enum cn_act_kind kind, int64_t n_cols,
                                  bool fast);
/* Whether `fast` changes anything. */
bool cn_gemm_has_fast(const struct cn_gemm *gemm);

/* Bytes that cn_act_panel_init carves from `memory` (64-byte aligned). */
size_t cn_act_panel_bytes(enum cn_act_kind kind, int64_t n_tokens, int64_t n_cols);
void cn_act_panel_init(struct cn_act_panel *p, enum cn_act_kind kind, int64_t n_tokens,
                       int64_t n_cols, void *memory);
struct cn_ops;
/* Packs one group of 16 tokens: x points to token 16 * group, rows x_stride floats apart. Groups
 * are independent, so threads may share the work. */
void cn_act_panel_pack(const struct cn_act_panel *p, const struct cn_ops *ops, int64_t group,
                       const float *x, int64_t x_stride);

/* Y[t][r] = sum over c of W[r][c] * X[t][c] for n_rows rows (any number) and every token of `x`,
 * whose kind is one that cn_gemm_act_kind() gave. Rows adjoin: row_bytes is what n_cols columns
 * take. y points to Y[0][0] of these rows, tokens y_stride floats apart. scratch:
 * cn_gemm_scratch_bytes() bytes, 64-byte aligned, one per thread. */
void cn_gemm_run(const struct cn_gemm *gemm, const struct cn_kernels *kernels, int64_t n_rows,
                 const void *w, size_t row_bytes, const struct cn_act_panel *x, float *y,
                 int64_t y_stride, void *scratch);
size_t cn_gemm_scratch_bytes(enum cn_act_kind kind, int64_t n_cols);
/* Rows one cn_gemm_run call should be given at the most: their panel sits in a core's own cache. */
int64_t cn_gemm_rows(enum cn_act_kind kind);
/* Columns it unpacks at a time, or fewer. */
enum { CN_GEMM_COLS = 2048 };

/* The same for a few tokens, at most CN_SMALL_TOKENS, whose activations lie as gemv takes them:
 * each weight is read and unpacked once for all. A token's results do not depend on the others.
 * scratch: cn_gemm_scratch_bytes() bytes of any kind of activations. */
enum { CN_SMALL_TOKENS = 32 };
void cn_gemm_small_run(const struct cn_gemm *gemm, const struct cn_kernels *kernels, int64_t n_rows,
                       int64_t n_cols, const void *w, size_t row_bytes, const struct cn_act *x,
                       int n_tokens, float *y, int64_t y_stride, void *scratch);
/* Whether it does anything else for weights of this format than gemv for each token. */
bool cn_gemm_has_small(const struct cn_gemm *gemm, const struct cn_kernels *kernels);

/* How n_tokens (>= 1) tokens are best multiplied with weights of a format, by what was measured on
 * the tier (docs/SPEED.md). Token by token, their results are those of decoding to the bit; in the
 * other ways sums of floats are added in another order, but where cn_gemm_small_as_gemv (gemm.h).
 */
enum cn_way { CN_WAY_GEMV, CN_WAY_SMALL, CN_WAY_PANEL };
enum cn_way cn_gemm_way(const struct cn_gemm *gemm, const struct cn_kernels *kernels,
                        int64_t n_tokens);

/* ---- what a machine's tiers give ------------------------------------------------------------ */

struct cn_ops {
    uint32_t tiers;
    struct cn_vec vec;
    const struct cn_gemm *gemm;
};
struct cn_ops cn_ops_for(uint32_t tiers);

/* ---- families -------------------------------------------------------------------------------- */

/* Formats of one kind, by their names: Q2_K to Q8_K; IQ1_S to IQ4_XS; IQ2_K to IQ6_K with _KS, _KSS
 * and _KL; the trellis formats; all others (Q4_0, NVFP4, F16, ...). */
enum cn_family { CN_FAMILY_OTHER, CN_FAMILY_K, CN_FAMILY_IQ, CN_FAMILY_IQK, CN_FAMILY_KT };
enum cn_family cn_format_family(const struct cn_format *format);

/* ---- file types: mixes of formats ----------------------------------------------------------- */

/* "Q4_K_M" and the like (file_types.def), and each format under its own name where that is no mix:
 * every matrix in that format, but for the output rule. */
struct cn_file_type {
    const char *name; /* "Q4_K_M" */
    uint32_t id;      /* general.file_type */
    uint32_t base;    /* GGUF type id of its base format */
    bool own;         /* a format under its own name: mixed with nothing */
};
/* The i-th of all, from 0; NULL behind the last. */
const struct cn_file_type *cn_file_type_at(int i);
/* NULL if there is none. Names are matched without regard to case; "Q4_K" means "Q4_K_M". The
 * "guessed" bit (1024) of an id is ignored. */
const struct cn_file_type *cn_file_type_by_name(const char *name);
const struct cn_file_type *cn_file_type_by_id(uint32_t id);

/* What the choice of a tensor's type depends on. */
struct cn_mix_model {
    int64_t n_layer, n_head, n_head_kv;
    int64_t n_expert; /* 0: dense */
    bool has_imatrix;
    /* Many heads share few heads of values, which are cheap to keep precise: the 70 B models. */
    bool few_value_heads;
    bool class_8b; /* of the size of an 8 B model */
};

struct cn_mix_tensor {
    const char *name;
    int n_dims;
    int64_t ne[4];  /* [cols, rows, matrices, ...] */
    uint32_t type;  /* in: GGUF type id in the source; out: in a file of the file type */
    bool quantised; /* out: a matrix of weights, to which a type is given; else it stays as it is */
    bool fell_back; /* out: the rule's type does not divide the row length, `type` replaces it */
};

/* Chooses the type of each of the n tensors of a model, by the rules of the tools that the file
 * types come from (mix.c: of February 2025; mix_iqk.c: of August 2026). pure: the base type for
 * all. Sorts `tensors` into the order that the rules count in: no layer number first, then by
 * layer, then by name. */
void cn_mix_plan(const struct cn_file_type *file_type, const struct cn_mix_model *model, bool pure,
                 struct cn_mix_tensor **tensors, size_t n);

/* What an embedding gets for want of importance data that `format` needs: of the K and IQ formats
 * the smallest that is no smaller and goes without; rows are of n_cols, which 32 divides. */
const struct cn_format *cn_mix_stand_in(const struct cn_format *format, int64_t n_cols);

/* Whether tensor `name` in this file type should not be put in `gguf_type` without an imatrix. */
bool cn_mix_needs_imatrix(const struct cn_file_type *file_type, const char *name,
                          uint32_t gguf_type);

#endif
