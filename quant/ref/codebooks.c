/* SPDX-License-Identifier: MIT
 *
 * Constants that several formats share: facts of the formats, not tuned here.
 */
#include "quant/ref/codebooks.h"

const int8_t cn_iq4_levels[16] = { -127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113 };
