/* SPDX-License-Identifier: MIT */
#include "cli/tokens.h"

#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 256 << 20 };

#define SEPARATORS " ,\t\r\n"

static bool is_separator(char c)
{
    return c && strchr(SEPARATORS, c);
}

bool cn_ids_parse(const char *text, size_t n_bytes, const char *where, int32_t **tokens, size_t *n)
{
    const char *p = text, *end = text + n_bytes;
    int32_t *ids = malloc((n_bytes / 2 + 1) * sizeof *ids); /* an id and a separator: two bytes */
    if (!ids) {
        cn_die("%s: out of memory", where);
        return false;
    }
    *n = 0;
    for (;;) {
        while (p < end && is_separator(*p))
            p++;
        if (p == end)
            break;
        char *after;
        errno = 0;
        long id = *p >= '0' && *p <= '9' ? strtol(p, &after, 10) : -1;
        if (id < 0 || id > INT32_MAX || errno || (after < end && !is_separator(*after))) {
            int shown = 0;
            while (shown < 20 && p + shown < end && p[shown] > ' ' && p[shown] <= '~')
                shown++;
            cn_die("%s: token %zu: an id expected, '%.*s' found", where, *n + 1, shown, p);
            free(ids);
            return false;
        }
        ids[(*n)++] = (int32_t)id;
        p = after;
    }
    *tokens = ids;
    return true;
}

static bool parse_some(const char *text, size_t n_bytes, const char *where, int32_t **tokens,
                       size_t *n)
{
    int32_t *ids;
    if (!cn_ids_parse(text, n_bytes, where, &ids, n))
        return false;
    if (*n > 0) {
        *tokens = ids;
        return true;
    }
    free(ids);
    cn_die("%s: no token ids", where);
    return false;
}

int cn_tokens_parse(const char *text, int32_t **tokens, size_t *n)
{
    if (text[0] != '@') {
        const bool blank = text[strspn(text, SEPARATORS)] == 0;
        return parse_some(text, strlen(text), "--tokens", tokens, n) ? -1
               : blank                                               ? CN_EXIT_FAILED
                                                                     : CN_EXIT_USAGE;
    }
    size_t bytes;
    char *file = cn_read_text(text + 1, MAX_FILE_BYTES, &bytes);
    if (!file)
        return CN_EXIT_FAILED;
    bool ok = parse_some(file, bytes, text + 1, tokens, n);
    free(file);
    return ok ? -1 : CN_EXIT_FAILED;
}

bool cn_kv_parse(const char *text, enum cn_kv_type *kv)
{
    const char *name;
    for (int i = 0; (name = cn_kv_type_name((enum cn_kv_type)i)); i++)
        if (strcmp(text, name) == 0) {
            *kv = (enum cn_kv_type)i;
            return true;
        }
    cn_usage_error("--kv: f32, f16 or q8_0 expected, '%s' given", text);
    return false;
}

bool cn_precision_parse(const char *text, bool *fast)
{
    *fast = strcmp(text, "fast") == 0;
    if (*fast || strcmp(text, "exact") == 0)
        return true;
    cn_usage_error("--precision: exact or fast expected, '%s' given", text);
    return false;
}
