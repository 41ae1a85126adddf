/* SPDX-License-Identifier: MIT
 *
 * Random numbers that are the same everywhere: for a seed, every machine and compiler draws the
 * same ones. The state is the caller's.
 */
#ifndef CN_RNG_H
#define CN_RNG_H

#include <stdint.h>

/* splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). Any
 * state is a good seed. */
struct cn_rng {
    uint64_t state;
};
static inline uint64_t cn_rng_next(struct cn_rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0..n-1, each equally likely; n > 0. */
uint64_t cn_rng_below(struct cn_rng *rng, uint64_t n);
int cn_rng_int(struct cn_rng *rng, int n);

/* [0, 1) in steps of 2^-53; of 2^-24. */
double cn_rng_uniform(struct cn_rng *rng);
float cn_rng_uniform_f32(struct cn_rng *rng);

/* Mean 0, standard deviation 1 (Box and Muller). Each takes two numbers of the generator. */
double cn_rng_normal(struct cn_rng *rng);
float cn_rng_normal_f32(struct cn_rng *rng);

/* The linear congruential generator of Knuth's MMIX, the upper 31 bits of its state. Orders and
 * resamples of published results were drawn with it. */
static inline uint32_t cn_lcg_next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

#endif
