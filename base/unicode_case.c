/* SPDX-License-Identifier: MIT */
#include "base/unicode_case.h"

static const struct cn_case_special *find_special(uint32_t cp)
{
    size_t lo = 0, hi = cn_n_case_specials;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (cn_case_specials[mid].cp < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < cn_n_case_specials && cn_case_specials[lo].cp == cp ? &cn_case_specials[lo] : NULL;
}

/* How far cp moves. */
static int32_t delta_of(const struct cn_case_run *runs, size_t n, uint32_t cp)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (runs[mid].last < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == n || runs[lo].first > cp || (cp - runs[lo].first) % (uint32_t)runs[lo].step != 0)
        return 0;
    return runs[lo].delta;
}

size_t cn_unicode_case(uint32_t cp, enum cn_case to, uint32_t out[CN_CASE_MAX])
{
    const struct cn_case_special *special = cp < 128 ? NULL : find_special(cp);
    if (special) {
        const uint32_t *from = to == CN_CASE_UPPER   ? special->upper
                               : to == CN_CASE_LOWER ? special->lower
                                                     : special->title;
        size_t n = 0;
        while (n < CN_CASE_MAX && from[n]) {
            out[n] = from[n];
            n++;
        }
        return n;
    }
    int32_t delta = to == CN_CASE_UPPER   ? delta_of(cn_case_upper, cn_n_case_upper, cp)
                    : to == CN_CASE_LOWER ? delta_of(cn_case_lower, cn_n_case_lower, cp)
                                          : delta_of(cn_case_title, cn_n_case_title, cp);
    out[0] = (uint32_t)((int64_t)cp + delta);
    return 1;
}
