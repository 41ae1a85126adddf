/* SPDX-License-Identifier: MIT */
#include "base/plain_text.h"

#include <string.h>

size_t cn_byte_order_mark(const char *text, size_t n)
{
    return n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

size_t cn_plain_text(char *text, size_t n)
{
    size_t left = 0;
    for (size_t i = cn_byte_order_mark(text, n); i < n; i++)
        if (text[i] != '\r' || i + 1 == n || text[i + 1] != '\n')
            text[left++] = text[i];
    if (left < n)
        text[left] = 0;
    return left;
}
