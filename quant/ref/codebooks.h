/* SPDX-License-Identifier: MIT
 *
 * Constants that several formats share.
 */
#ifndef CN_CODEBOOKS_H
#define CN_CODEBOOKS_H

#include <stdint.h>

/* Levels of the 4-bit codes of IQ4_NL and IQ4_XS, ascending. */
extern const int8_t cn_iq4_levels[16];

#endif
