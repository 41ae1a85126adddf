/* SPDX-License-Identifier: MIT */
#include "base/unicode.h"

enum cn_uclass cn_unicode_class(uint32_t cp)
{
    if (cp < 128)
        return (enum cn_uclass)cn_unicode_ascii[cp];
    if (cp > 0x10ffff)
        return CN_U_NONE;
    /* The last range that starts at or before cp; the first one starts at 0. */
    size_t lo = 0, hi = cn_n_unicode_ranges;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (cn_unicode_ranges[mid] >> 4 <= cp)
            lo = mid;
        else
            hi = mid;
    }
    return (enum cn_uclass)(cn_unicode_ranges[lo] & 15);
}
