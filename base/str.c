/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Length of the well-formed UTF-8 sequence at p (Unicode, table 3-7), 0 if there is none. */
static size_t utf8_len(const uint8_t *p, size_t n)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (len == 0 || len > n || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

static bool is_control(const uint8_t *p, size_t len)
{
    if (len == 1)
        return p[0] < 0x20 || p[0] == 0x7f || p[0] == '"' || p[0] == '\\';
    /* C1 controls, and the separators that some terminals take for a line break */
    return (p[0] == 0xc2 && p[1] < 0xa0) ||
           (p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9));
}

const char *cn_str_show(struct cn_str s, char *buf, size_t n)
{
    const uint8_t *p = (const uint8_t *)s.p;
    size_t at = 0, keep = 0; /* keep: the longest prefix that leaves room for "..." */
    assert(n >= 8);
    for (size_t i = 0; i < s.n;) {
        size_t len = utf8_len(p + i, s.n - i);
        char piece[8];
        size_t piece_bytes;
        if (len == 0 || is_control(p + i, len)) {
            len = 1;
            piece_bytes = (size_t)snprintf(piece, sizeof piece, "\\x%02X", p[i]);
        } else {
            memcpy(piece, p + i, len);
            piece_bytes = len;
        }
        if (at + piece_bytes >= n) {
            memcpy(buf + keep, "...", 4);
            return buf;
        }
        memcpy(buf + at, piece, piece_bytes);
        at += piece_bytes;
        i += len;
        if (at + 4 <= n)
            keep = at;
    }
    buf[at] = 0;
    return buf;
}
