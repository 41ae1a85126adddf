/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

#include <stdbool.h>

/* The length that a lead byte announces; 0: not a lead byte. */
static size_t announced(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* RFC 3629, section 4: the range of the second byte depends on the lead; the rest are 80..BF. */
static bool continues(unsigned char lead, size_t i, unsigned char byte)
{
    unsigned char lo = 0x80, hi = 0xbf;
    if (i == 1) {
        lo = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : lo;
        hi = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : hi;
    }
    return byte >= lo && byte <= hi;
}

uint32_t cn_utf8_next(const char *p, size_t n, size_t *length)
{
    const unsigned char *s = (const unsigned char *)p;
    size_t len = announced(s[0]);
    *length = 1;
    if (len == 1)
        return s[0];
    if (len == 0 || len > n)
        return CN_UTF8_INVALID;
    uint32_t cp = s[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (!continues(s[0], i, s[i]))
            return CN_UTF8_INVALID;
        cp = cp << 6 | (s[i] & 0x3f);
    }
    *length = len;
    return cp;
}

size_t cn_utf8_put(uint32_t cp, char *out)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    size_t len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3f));
    out[0] = (char)((0xf00u >> len & 0xf0) | cp);
    return len;
}

size_t cn_utf8_complete(const char *p, size_t n)
{
    const unsigned char *s = (const unsigned char *)p;
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        const unsigned char *lead = s + n - back;
        size_t len = announced(*lead);
        if (len == 0)
            continue; /* perhaps a continuation: look for its lead */
        if (len <= back)
            return n;
        for (size_t i = 1; i < back; i++)
            if (!continues(*lead, i, lead[i]))
                return n;
        return n - back;
    }
    return n;
}
