/* SPDX-License-Identifier: MIT */
#include "base/html.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

void cn_html_text(const char *text, FILE *out)
{
    size_t n = strlen(text), length;
    for (size_t i = 0; i < n; i += length) {
        uint32_t c = cn_utf8_next(text + i, n - i, &length);
        bool control = (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7f && c < 0xa0);
        if (c == CN_UTF8_INVALID || control || (c & 0xfffe) == 0xfffe)
            fputs("\xef\xbf\xbd", out);
        else if (c == '<')
            fputs("&lt;", out);
        else if (c == '>')
            fputs("&gt;", out);
        else if (c == '&')
            fputs("&amp;", out);
        else if (c == '"')
            fputs("&quot;", out);
        else
            fwrite(text + i, 1, length, out);
    }
}
