/* SPDX-License-Identifier: MIT
 *
 * formats.def made into tables, and the choice of kernels for a machine.
 */
#include "quant/quant.h"

#include "quant/gemm.h"
#include "quant/peak.h"
#include "quant/vec.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

/* The rows name the tiers with AVX2(id) ...; a tier that is not built here vanishes. */
#if defined(__x86_64__)
#define X86(entry) entry
#define ARM(entry)
#elif defined(__aarch64__)
#define X86(entry)
#define ARM(entry) entry
#else
#define X86(entry)
#define ARM(entry)
#endif
#define AVX2(id)    X86(KERNEL(id, avx2, CN_TIER_AVX2))
#define AVXVNNI(id) X86(KERNEL(id, avxvnni, CN_TIER_AVXVNNI))
#define AVX512(id)  X86(KERNEL(id, avx512, CN_TIER_AVX512))
#define AMX(id)     X86(KERNEL(id, amx, CN_TIER_AMX))
#define NEON(id)    ARM(KERNEL(id, neon, CN_TIER_NEON))
#define DOTPROD(id) ARM(KERNEL(id, dotprod, CN_TIER_DOTPROD))
#define I8MM(id)    ARM(KERNEL(id, i8mm, CN_TIER_I8MM))

/* First pass: declarations. */
#define KERNEL(id, tier, index) extern const struct cn_kernels cn_##id##_##tier;
#define CN_FORMAT(id, label, code, elems, bytes, header, act, tiers) \
    extern const struct cn_reference cn_##id##_ref;                  \
    tiers
#include "quant/formats.def"
#undef CN_FORMAT
#undef KERNEL

/* Second pass: the table. */
#define KERNEL(id, tier, index) [index] = &cn_##id##_##tier,
#define LOCAL(n)                (CN_LOCAL_TYPES + (n))
#define CN_FORMAT(id, label, code, elems, bytes, header, act, tiers) \
    { #id, #label, code, elems, bytes, header, CN_ACT_##act, &cn_##id##_ref, { tiers } },
const struct cn_format cn_formats[CN_N_TYPES] = {
#include "quant/formats.def"
};
#undef CN_FORMAT
#undef KERNEL

const struct cn_format *cn_format_by_gguf(uint32_t gguf_type)
{
    for (int i = 0; i < CN_N_TYPES; i++)
        if (cn_formats[i].gguf_type == gguf_type)
            return &cn_formats[i];
    return NULL;
}

const struct cn_format *cn_format_by_name(const char *name)
{
    for (int i = 0; i < CN_N_TYPES; i++)
        if (strcasecmp(cn_formats[i].name, name) == 0)
            return &cn_formats[i];
    return NULL;
}

struct cn_kernels cn_kernels_for(const struct cn_format *format, uint32_t tiers)
{
    struct cn_kernels k = format->ref->kernels;
    k.header_bytes = format->header_bytes;
    for (int tier = 0; tier < CN_N_TIERS; tier++) {
        const struct cn_kernels *t = format->tier[tier];
        if (!t || !(tiers >> tier & 1))
            continue;
        if (t->gemv) {
            k.gemv = t->gemv;
            k.few = t->few;
        }
        if (t->unpack) {
            k.unpack = t->unpack;
            k.panel = t->panel;
            k.small = t->small;
        } else if (t->small) {
            k.small = t->small;
        }
    }
    return k;
}

/* Shared kernels of a tier: quant/<arch>/vec_<tier>.c and gemm_<tier>.c. */
static const struct {
    const struct cn_vec *vec;
    const struct cn_gemm *gemm;
} shared[CN_N_TIERS] = {
  /* clang-format off */
    [CN_TIER_REF]    = { &cn_vec_ref, &cn_gemm_ref },
#if defined(__x86_64__)
    [CN_TIER_AVX2]   = { &cn_vec_avx2, &cn_gemm_avx2 },
    [CN_TIER_AVXVNNI] = { NULL, &cn_gemm_avxvnni },
    [CN_TIER_AVX512] = { &cn_vec_avx512, &cn_gemm_avx512 },
    [CN_TIER_AMX]    = { NULL, &cn_gemm_amx },
#elif defined(__aarch64__)
    [CN_TIER_NEON]    = { &cn_vec_neon, &cn_gemm_neon },
    [CN_TIER_DOTPROD] = { NULL, &cn_gemm_dotprod },
    [CN_TIER_I8MM]    = { NULL, &cn_gemm_i8mm },
#endif
  /* clang-format on */
};

/* A struct of function pointers: copy the slots that are set. */
static void overlay(struct cn_vec *to, const struct cn_vec *from)
{
    typedef void slot_fn(void);
    _Static_assert(sizeof(struct cn_vec) % sizeof(slot_fn *) == 0, "cn_vec holds slots only");
    slot_fn **to_slot = (slot_fn **)to;
    slot_fn *const *from_slot = (slot_fn *const *)from;
    for (size_t i = 0; i < sizeof *to / sizeof *to_slot; i++)
        if (from_slot[i])
            to_slot[i] = from_slot[i];
}

struct cn_ops cn_ops_for(uint32_t tiers)
{
    struct cn_ops ops = { .tiers = tiers | 1u << CN_TIER_REF, .vec = cn_vec_ref };
    for (int tier = 0; tier < CN_N_TIERS; tier++) {
        if (!(ops.tiers >> tier & 1))
            continue;
        if (shared[tier].vec)
            overlay(&ops.vec, shared[tier].vec);
        if (shared[tier].gemm)
            ops.gemm = shared[tier].gemm;
    }
    return ops;
}

enum cn_family cn_format_family(const struct cn_format *format)
{
    const char *name = format->label, *k = strstr(name, "_K");
    if (k && k[2] == 'T')
        return CN_FAMILY_KT;
    if (strncmp(name, "IQ", 2) == 0)
        return k ? CN_FAMILY_IQK : CN_FAMILY_IQ;
    return k ? CN_FAMILY_K : CN_FAMILY_OTHER;
}

/* What a tier can do at the most: quant/<arch>/peak_<tier>.c. */
static const struct cn_peak *const peaks[CN_N_TIERS] = {
    [CN_TIER_REF] = &cn_peak_ref,
#if defined(__x86_64__)
    [CN_TIER_AVX2] = &cn_peak_avx2,     [CN_TIER_AVXVNNI] = &cn_peak_avxvnni,
    [CN_TIER_AVX512] = &cn_peak_avx512, [CN_TIER_AMX] = &cn_peak_amx,
#elif defined(__aarch64__)
    [CN_TIER_NEON] = &cn_peak_neon,
    [CN_TIER_DOTPROD] = &cn_peak_dotprod,
    [CN_TIER_I8MM] = &cn_peak_i8mm,
#endif
};

const struct cn_peak *cn_peak_for(enum cn_tier tier)
{
    return (unsigned)tier < CN_N_TIERS ? peaks[tier] : NULL;
}
