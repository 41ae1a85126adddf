/* SPDX-License-Identifier: MIT
 *
 * The instructions of AMX and AVX-VNNI on a CPU without them: linked into the program
 * (build/.../tests/carnot_emulated), it makes the tiers amx and avxvnni appear, and carries out
 * each of their instructions when it raises SIGILL. So what is tested is what the compiler made of
 * the kernels, byte by byte. Where the CPU has them nothing is raised, and the same tests run on
 * it.
 *
 * Semantics: Intel, Architecture Instruction Set Extensions, chapter on AMX; Software Developer's
 * Manual, volume 2, VPDPBUSD. What faults there (no configuration, a tile named twice, reserved
 * bytes) stays a fault here.
 */
#include "quant/quant.h"

#include <cpuid.h>
#include <immintrin.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

enum { N_TILES = 8, MAX_ROWS = 16, MAX_ROW_BYTES = 64, CONFIG_BYTES = 64 };

static _Thread_local struct {
    bool configured;
    int rows[N_TILES], row_bytes[N_TILES];
    uint8_t tile[N_TILES][MAX_ROWS][MAX_ROW_BYTES];
} tiles;

/* One instruction: VEX, map 1 or 2, W 0. */
enum { NONE, P66, PF3, PF2 };
struct instruction {
    int map, opcode, prefix;
    bool wide;          /* 256 bits */
    int reg, rm, other; /* ModRM.reg, ModRM.rm if it names a register, VEX.vvvv */
    bool memory, indexed;
    uint8_t *address;
    int64_t stride; /* the scaled index, which tiles take for one and others add to the address */
    const uint8_t *next;
};

static int64_t displacement(const uint8_t **p)
{
    int32_t d;
    memcpy(&d, *p, sizeof d);
    *p += sizeof d;
    return d;
}

/* False if it is none of these. */
static bool decode(const uint8_t *p, const greg_t *registers, struct instruction *i)
{
    static const int names[] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                 REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                 REG_R12, REG_R13, REG_R14, REG_R15 };
    /* A prefix of two bytes is one of three with X, B and map 1 left out. */
    const bool two = p[0] == 0xc5;
    const int first = two ? (p[1] & 0x80) | 0x61 : p[1], second = two ? p[1] & 0x7f : p[2];
    if ((p[0] != 0xc4 && !two) || (first & 31) < 1 || (first & 31) > 2 || second & 0x80)
        return false;
    const int r = first & 0x80 ? 0 : 8, x = first & 0x40 ? 0 : 8, b = first & 0x20 ? 0 : 8;
    p += two ? 2 : 3;
    const int mod = p[1] >> 6, rm = p[1] & 7;
    *i = (struct instruction){ .map = first & 31,
                               .opcode = p[0],
                               .prefix = second & 3,
                               .wide = second & 4,
                               .memory = mod != 3,
                               .reg = (p[1] >> 3 & 7) | r,
                               .rm = rm | b,
                               .other = ~(second >> 3) & 15 };
    p += 2;
    if (i->memory) {
        int64_t base;
        int from = rm;
        if (rm == 4) {
            const int sib = *p++, index = (sib >> 3 & 7) | x;
            from = sib & 7;
            i->indexed = true;
            i->stride = index == 4 ? 0 : (int64_t)((uint64_t)registers[names[index]] << (sib >> 6));
        }
        if (mod == 0 && from == 5) {
            base = displacement(&p);
            base += rm == 4 ? 0 : (int64_t)(intptr_t)p; /* RIP: of the next instruction */
        } else {
            base = registers[names[from | b]];
            if (mod == 1)
                base += (int8_t)*p++;
            else if (mod == 2)
                base += displacement(&p);
        }
        i->address = (uint8_t *)(intptr_t)base;
    }
    i->next = p;
    return true;
}

/* ldtilecfg of palette 1. */
static bool configure(const uint8_t *config)
{
    memset(&tiles, 0, sizeof tiles);
    bool good = config[0] == 1 && config[1] == 0;
    for (int i = 2; i < 16; i++)
        good &= config[i] == 0;
    for (int i = 0; i < 16; i++) {
        const int row_bytes = config[16 + 2 * i] | config[17 + 2 * i] << 8, rows = config[48 + i];
        good &= (row_bytes == 0) == (rows == 0) && row_bytes <= MAX_ROW_BYTES && rows <= MAX_ROWS;
        if (i < N_TILES) {
            tiles.rows[i] = rows;
            tiles.row_bytes[i] = row_bytes;
        } else {
            good &= rows == 0;
        }
    }
    tiles.configured = good;
    return good;
}

static void dot_i8(int c, int a, int b)
{
    for (int m = 0; m < tiles.rows[c]; m++)
        for (int k = 0; k < tiles.row_bytes[a] / 4; k++)
            for (int n = 0; n < tiles.row_bytes[c] / 4; n++) {
                int32_t sum;
                uint8_t *to = tiles.tile[c][m] + 4 * n;
                memcpy(&sum, to, sizeof sum);
                for (int i = 0; i < 4; i++)
                    sum +=
                        (int8_t)tiles.tile[a][m][4 * k + i] * (int8_t)tiles.tile[b][k][4 * n + i];
                memcpy(to, &sum, sizeof sum);
            }
}

static __m128 bf16_at(const uint8_t *p)
{
    return _mm_castsi128_ps(_mm_cvtsi32_si128(p[0] << 16 | (int)((unsigned)p[1] << 24)));
}

/* Even and odd products are summed apart, fused; denormals are zeros and become zeros. */
__attribute__((target("fma"))) static void dot_bf16(int c, int a, int b)
{
    enum { NEAREST_NO_DENORMALS = 0x9fc0 };
    const unsigned before = _mm_getcsr();
    _mm_setcsr(NEAREST_NO_DENORMALS);
    for (int m = 0; m < tiles.rows[c]; m++)
        for (int n = 0; n < tiles.row_bytes[c] / 4; n++) {
            __m128 sum[2] = { _mm_setzero_ps(), _mm_setzero_ps() }, old;
            uint8_t *to = tiles.tile[c][m] + 4 * n;
            for (int k = 0; k < tiles.row_bytes[a] / 4; k++)
                for (int i = 0; i < 2; i++)
                    sum[i] = _mm_fmadd_ss(bf16_at(tiles.tile[a][m] + 4 * k + 2 * i),
                                          bf16_at(tiles.tile[b][k] + 4 * n + 2 * i), sum[i]);
            old = _mm_load_ss((const float *)to);
            _mm_store_ss((float *)to, _mm_add_ss(old, _mm_add_ss(sum[0], sum[1])));
        }
    _mm_setcsr(before);
}

static void move(const struct instruction *i, bool load)
{
    for (int row = 0; row < tiles.rows[i->reg]; row++) {
        uint8_t *memory = i->address + row * i->stride, *tile = tiles.tile[i->reg][row];
        memcpy(load ? tile : memory, load ? memory : tile, (size_t)tiles.row_bytes[i->reg]);
    }
}

/* False if it is no tile instruction, or one that faults. */
static bool execute_tile(const struct instruction *i)
{
    const bool products = !i->memory && i->reg < N_TILES && i->rm < N_TILES && i->other < N_TILES &&
                          i->reg != i->rm && i->reg != i->other && i->rm != i->other;
    if (i->wide || i->map != 2)
        return false;
    if (i->opcode == 0x49 && i->prefix == NONE && i->memory) /* ldtilecfg */
        return configure(i->address);
    if (!tiles.configured)
        return false;
    if (i->opcode == 0x49 && i->prefix == NONE && i->rm == 0 && i->reg == 0) /* tilerelease */
        memset(&tiles, 0, sizeof tiles);
    else if (i->opcode == 0x49 && i->prefix == PF2 && !i->memory && i->reg < N_TILES) /* tilezero */
        memset(tiles.tile[i->reg], 0, sizeof tiles.tile[0]);
    else if (i->opcode == 0x4b && (i->prefix == PF2 || i->prefix == PF3) && i->indexed &&
             i->reg < N_TILES) /* tileloadd, tilestored */
        move(i, i->prefix == PF2);
    else if (i->opcode == 0x5e && i->prefix == PF2 && products) /* tdpbssd */
        dot_i8(i->reg, i->rm, i->other);
    else if (i->opcode == 0x5c && i->prefix == PF3 && products) /* tdpbf16ps */
        dot_bf16(i->reg, i->rm, i->other);
    else
        return false;
    return true;
}

/* ---- AVX-VNNI -------------------------------------------------------------------------------- */

/* The vector registers of an interrupted program, as the kernel keeps them behind a signal's
 * context: the area of XSAVE in its standard form. */
struct vectors {
    uint8_t *low, *high; /* 16 bytes a register: of the lower and of the upper halves */
};
static uint32_t upper_halves_at;

static bool vectors_of(const ucontext_t *context, struct vectors *v)
{
    enum { SSE_AT = 160, MAGIC_AT = 464, HEADER_AT = 512, MAGIC = 0x46505853 };
    enum { SSE = 2, AVX = 4, N_VECTORS = 16 };
    uint8_t *area = (uint8_t *)context->uc_mcontext.fpregs;
    uint32_t magic;
    uint64_t there;
    memcpy(&magic, area + MAGIC_AT, sizeof magic);
    if (magic != MAGIC)
        return false;
    *v = (struct vectors){ .low = area + SSE_AT, .high = area + upper_halves_at };
    /* What is as after a reset need not have been written there. */
    memcpy(&there, area + HEADER_AT, sizeof there);
    if (!(there & SSE))
        memset(v->low, 0, N_VECTORS * 16);
    if (!(there & AVX))
        memset(v->high, 0, N_VECTORS * 16);
    there |= SSE | AVX;
    memcpy(area + HEADER_AT, &there, sizeof there);
    return true;
}

struct vector {
    uint8_t byte[32];
};

static struct vector get(const struct vectors *v, int i)
{
    struct vector x;
    memcpy(x.byte, v->low + 16 * i, 16);
    memcpy(x.byte + 16, v->high + 16 * i, 16);
    return x;
}

static void set(const struct vectors *v, int i, const struct vector *to)
{
    memcpy(v->low + 16 * i, to->byte, 16);
    memcpy(v->high + 16 * i, to->byte + 16, 16);
}

/* Four products of an unsigned and a signed byte each are added to 32 bits. */
static struct vector add_dot(struct vector acc, const struct vector *codes, const struct vector *q)
{
    for (int lane = 0; lane < 32; lane += 4) {
        uint32_t sum;
        memcpy(&sum, acc.byte + lane, sizeof sum);
        for (int i = lane; i < lane + 4; i++)
            sum += (uint32_t)(codes->byte[i] * (int8_t)q->byte[i]);
        memcpy(acc.byte + lane, &sum, sizeof sum);
    }
    return acc;
}

static bool is_dot(const struct instruction *i)
{
    return i->map == 2 && i->opcode == 0x50 && i->prefix == P66 && i->wide;
}

/* vpdpbusd, and the loads and copies that stand between many of them: a signal takes longer than
 * all of those. False if it is another instruction. */
static bool execute_vector(const struct instruction *i, const struct vectors *v)
{
    /* The other direction, of registers only: assemblers choose it where it is shorter. */
    const bool moves = i->map == 1 && (i->prefix == P66 || i->prefix == PF3),
               back = moves && i->opcode == 0x7f && !i->memory,
               move = back || (moves && i->opcode == 0x6f),
               broadcast = i->map == 2 && (i->opcode == 0x58 || i->opcode == 0x18) &&
                           i->prefix == P66 && i->memory;
    const uint8_t *address = i->memory ? i->address + i->stride : NULL;
    struct vector x;
    if (!i->wide || (!move && !broadcast && !is_dot(i)))
        return false;
    if (broadcast)
        for (int lane = 0; lane < 32; lane += 4)
            memcpy(x.byte + lane, address, 4);
    else if (i->memory)
        memcpy(x.byte, address, sizeof x.byte);
    else
        x = get(v, back ? i->reg : i->rm);
    if (is_dot(i)) {
        const struct vector codes = get(v, i->other);
        x = add_dot(get(v, i->reg), &codes, &x);
    }
    set(v, back ? i->rm : i->reg, &x);
    return true;
}

/* ---- in the program's place ------------------------------------------------------------------ */

/* What the program itself does about SIGILL. */
static struct sigaction own;

/* By the linker's --wrap: real is the program's own, wrap what it gets instead. */
int __real_sigaction(int sig, const struct sigaction *action, struct sigaction *old);
int __wrap_sigaction(int sig, const struct sigaction *action, struct sigaction *old);
uint32_t __real_cn_tiers_detect(void);
uint32_t __wrap_cn_tiers_detect(void);

/* Carries out the instruction that the program stands at, if it is one of ours. */
static bool carry_out(const ucontext_t *context, greg_t *registers)
{
    struct instruction i;
    struct vectors v;
    greg_t *rip = &registers[REG_RIP];
    if (!decode((const uint8_t *)(intptr_t)*rip, registers, &i))
        return false;
    if (is_dot(&i) && vectors_of(context, &v)) {
        while (execute_vector(&i, &v)) {
            *rip = (greg_t)(intptr_t)i.next;
            if (!decode(i.next, registers, &i))
                break;
        }
        return true;
    }
    if (!execute_tile(&i))
        return false;
    *rip = (greg_t)(intptr_t)i.next;
    return true;
}

static void on_illegal(int sig, siginfo_t *info, void *context)
{
    if (info->si_code > 0 && carry_out(context, ((ucontext_t *)context)->uc_mcontext.gregs))
        return;
    if (own.sa_handler == SIG_DFL || own.sa_handler == SIG_IGN)
        __real_sigaction(sig, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL); /* once more */
    else
        own.sa_handler(sig);
}

int __wrap_sigaction(int sig, const struct sigaction *action, struct sigaction *old)
{
    if (sig != SIGILL)
        return __real_sigaction(sig, action, old);
    const struct sigaction before = own;
    if (action)
        own = *action;
    if (old)
        *old = before;
    return 0;
}

/* The rest of the avxvnni kernels is AVX2, that of the amx kernels AVX-512 with bf16: instructions,
 * or C (avx512_in_c.h). */
uint32_t __wrap_cn_tiers_detect(void)
{
    uint32_t tiers = __real_cn_tiers_detect();
    if (tiers >> CN_TIER_AVX2 & 1)
        tiers |= 1u << CN_TIER_AVXVNNI;
#ifdef CN_AVX512_IN_C
    const bool can = tiers >> CN_TIER_AVX2 & 1;
    tiers |= (uint32_t)can << CN_TIER_AVX512;
#else
    const bool can = tiers >> CN_TIER_AVX512 & 1 && __builtin_cpu_supports("avx512bf16");
#endif
    return can ? tiers | 1u << CN_TIER_AMX : tiers;
}

__attribute__((constructor)) static void begin(void)
{
    uint32_t bytes, c, d;
    __get_cpuid_count(0xd, 2, &bytes, &upper_halves_at, &c, &d);
    const struct sigaction action = { .sa_sigaction = on_illegal,
                                      .sa_flags = SA_SIGINFO | SA_ONSTACK };
    __real_sigaction(SIGILL, &action, NULL);
}
