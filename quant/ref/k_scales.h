/* SPDX-License-Identifier: MIT
 *
 * How Q4_K and Q5_K pack eight 6-bit scales and eight 6-bit minima into 12 bytes.
 *
 * Bytes 0-3: low 6 bits scale 0-3; bytes 4-7: low 6 bits min 0-3; bytes 8-11: low nibbles scale
 * 4-7, high nibbles min 4-7, whose upper two bits are the upper two bits of bytes 0-3 and 4-7.
 */
#ifndef CN_K_SCALES_H
#define CN_K_SCALES_H

#include <stdint.h>

static inline void cn_k_scales_unpack(const uint8_t *s, uint8_t *scale, uint8_t *min)
{
    for (int g = 0; g < 4; g++) {
        scale[g] = s[g] & 63;
        min[g] = s[g + 4] & 63;
        scale[g + 4] = (uint8_t)((s[g + 8] & 15) | (s[g] >> 6) << 4);
        min[g + 4] = (uint8_t)((s[g + 8] >> 4) | (s[g + 4] >> 6) << 4);
    }
}

static inline void cn_k_scales_pack(const uint8_t *scale, const uint8_t *min, uint8_t *s)
{
    for (int g = 0; g < 4; g++) {
        s[g] = (uint8_t)(scale[g] | (scale[g + 4] >> 4) << 6);
        s[g + 4] = (uint8_t)(min[g] | (min[g + 4] >> 4) << 6);
        s[g + 8] = (uint8_t)((scale[g + 4] & 15) | (min[g + 4] & 15) << 4);
    }
}

#endif
