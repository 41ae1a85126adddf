/* SPDX-License-Identifier: MIT
 *
 * Denormal numbers as zeros. Softmax weights of distant keys, states that decay and tails of
 * activations come below 2^-126, where they mean nothing, but Intel's CPUs take a hundred times as
 * long for an operation with one.
 */
#ifndef CN_FLOAT_MODE_H
#define CN_FLOAT_MODE_H

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <stdint.h>

/* Denormal operands and results are zeros on this thread, and on those that it starts, from now on.
 * Returns what cn_float_mode_restore() wants. */
static inline uint64_t cn_flush_denormals(void)
{
#if defined(__x86_64__)
    enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x40 };
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO);
    return before;
#elif defined(__aarch64__)
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | (uint64_t)1 << 24)); /* FZ */
    return before;
#else
    return 0;
#endif
}

static inline void cn_float_mode_restore(uint64_t before)
{
#if defined(__x86_64__)
    /* Exceptions that came in between stay noted. */
    _mm_setcsr((unsigned)before | (_mm_getcsr() & _MM_EXCEPT_MASK));
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
#else
    (void)before;
#endif
}

#endif
