/* SPDX-License-Identifier: MIT
 *
 * Which tiers this machine has: what the CPU offers and what the operating system allows.
 * Sources: Intel SDM vol. 2 (CPUID leaves 1, 7, 0xd; XGETBV), Linux arch/arm64 hwcap documentation.
 */
#include "quant/quant.h"

#include <string.h>
#include <strings.h>

#if defined(__AVX__) || defined(__ARM_FEATURE_DOTPROD)
#error "cpu.c must be built without instruction set flags: it runs on every machine"
#endif

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t read_xcr0(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static bool has(uint32_t word, int bit)
{
    return word >> bit & 1;
}

/* AMX tiles need leave from the kernel: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA). */
static bool amx_permitted(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

uint32_t cn_tiers_detect(void)
{
    uint32_t tiers = 1u << CN_TIER_REF, a, b, c, d, a7, b7, c7, d7;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, 27)) /* OSXSAVE */
        return tiers;
    bool fma = has(c, 12), avx = has(c, 28), f16c = has(c, 29);
    uint64_t xcr0 = read_xcr0();
    if (!__get_cpuid_count(7, 0, &a7, &b7, &c7, &d7))
        return tiers;
    bool ymm = (xcr0 & 0x6) == 0x6, zmm = (xcr0 & 0xe6) == 0xe6,
         tiles = (xcr0 & 0x60000) == 0x60000;
    bool avx2 = avx && has(b7, 5) && fma && f16c && has(b7, 3) && has(b7, 8);
    if (!ymm || !avx2)
        return tiers;
    tiers |= 1u << CN_TIER_AVX2;
    uint32_t a71 = 0, b71, c71, d71;
    if (!__get_cpuid_count(7, 1, &a71, &b71, &c71, &d71))
        a71 = 0;
    if (has(a71, 4)) /* AVX_VNNI; VEX needs no more of the system than AVX2 */
        tiers |= 1u << CN_TIER_AVXVNNI;
    bool avx512 = has(b7, 16) && has(b7, 17) && has(b7, 30) && has(b7, 31) &&
                  has(c7, 1) &&              /* F DQ BW VL VBMI */
                  has(c7, 11) && has(c7, 8); /* VNNI GFNI */
    if (!zmm || !avx512)
        return tiers;
    tiers |= 1u << CN_TIER_AVX512;
    bool amx =
        has(d7, 24) && has(d7, 25) && has(d7, 22) && has(a71, 5); /* TILE INT8 BF16; AVX512_BF16 */
    if (tiles && amx && amx_permitted())
        tiers |= 1u << CN_TIER_AMX;
    return tiers;
}

/* All that have AVX2 tick at one rate (CPUID.80000007H:EDX.8). */
uint64_t cn_time_stamp(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

uint32_t cn_tiers_detect(void)
{
    /* Bits of <asm/hwcap.h>; written out so that old headers do. */
    const unsigned long asimd = 1ul << 1, asimdhp = 1ul << 10, asimddp = 1ul << 20,
                        i8mm2 = 1ul << 13;
    unsigned long cap = getauxval(AT_HWCAP), cap2 = getauxval(AT_HWCAP2);
    uint32_t tiers = 1u << CN_TIER_REF;
    if (!(cap & asimd))
        return tiers;
    tiers |= 1u << CN_TIER_NEON;
    if (!(cap & asimddp) || !(cap & asimdhp))
        return tiers;
    tiers |= 1u << CN_TIER_DOTPROD;
    if (cap2 & i8mm2)
        tiers |= 1u << CN_TIER_I8MM;
    return tiers;
}

/* What there is (CNTVCT_EL0) ticks at a rate that has nothing to do with a core's. */
uint64_t cn_time_stamp(void)
{
    return 0;
}

#else

uint64_t cn_time_stamp(void)
{
    return 0;
}

uint32_t cn_tiers_detect(void)
{
    return 1u << CN_TIER_REF;
}

#endif

static const char *const tier_names[CN_N_TIERS] = {
    [CN_TIER_REF] = "ref",         [CN_TIER_AVX2] = "avx2", [CN_TIER_AVXVNNI] = "avxvnni",
    [CN_TIER_AVX512] = "avx512",   [CN_TIER_AMX] = "amx",   [CN_TIER_NEON] = "neon",
    [CN_TIER_DOTPROD] = "dotprod", [CN_TIER_I8MM] = "i8mm",
};

const char *cn_tier_name(enum cn_tier tier)
{
    return (unsigned)tier < CN_N_TIERS ? tier_names[tier] : NULL;
}

bool cn_tiers_parse(const char *list, uint32_t *mask, const char **bad, size_t *bad_len)
{
    uint32_t found = 1u << CN_TIER_REF;
    for (const char *p = list;; p++) {
        size_t n = strcspn(p, ",");
        int tier = 0;
        while (tier < CN_N_TIERS &&
               (strlen(tier_names[tier]) != n || strncasecmp(tier_names[tier], p, n) != 0))
            tier++;
        if (tier == CN_N_TIERS) {
            *bad = p;
            *bad_len = n;
            return false;
        }
        found |= 1u << tier;
        p += n;
        if (!*p)
            break;
    }
    *mask = found;
    return true;
}

char *cn_tiers_format(uint32_t mask, char *buf, size_t buf_bytes)
{
    size_t n = 0;
    buf[0] = 0;
    for (int tier = 0; tier < CN_N_TIERS; tier++) {
        size_t len = strlen(tier_names[tier]);
        if (!(mask >> tier & 1) || n + len + 2 > buf_bytes)
            continue;
        if (n)
            buf[n++] = ',';
        memcpy(buf + n, tier_names[tier], len + 1);
        n += len;
    }
    return buf;
}

uint64_t cn_flush_denormals(void)
{
#if defined(__x86_64__)
    enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x40 };
    uint32_t before, now;
    __asm__ volatile("stmxcsr %0" : "=m"(before));
    now = before | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO;
    __asm__ volatile("ldmxcsr %0" : : "m"(now));
    return before;
#elif defined(__aarch64__)
    const uint64_t flush_to_zero = 1 << 24;
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | flush_to_zero));
    return before;
#else
    return 0;
#endif
}

void cn_float_mode_restore(uint64_t before)
{
#if defined(__x86_64__)
    enum { EXCEPTIONS = 0x3f }; /* that came in between stay noted */
    uint32_t now;
    __asm__ volatile("stmxcsr %0" : "=m"(now));
    now = (uint32_t)before | (now & EXCEPTIONS);
    __asm__ volatile("ldmxcsr %0" : : "m"(now));
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
#else
    (void)before;
#endif
}
