/* SPDX-License-Identifier: MIT */
#include "cli/tokens.h"

#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 256 << 20 };

static bool parse_ids(const char *p, const char *where, int32_t **tokens, size_t *n)
{
    size_t capacity = 0;
    *tokens = NULL;
    *n = 0;
    for (;;) {
        p += strspn(p, " \t\r\n,");
        if (!*p)
            break;
        char *end;
        errno = 0;
        long id = strtol(p, &end, 10);
        if (end == p || errno || id < 0 || id > INT32_MAX || (*end && !strchr(" \t\r\n,", *end))) {
            cn_die("%s: token %zu: an id expected, '%.20s' found", where, *n + 1, p);
            free(*tokens);
            return false;
        }
        if (*n == capacity) {
            capacity = capacity ? 2 * capacity : 256;
            int32_t *grown = realloc(*tokens, capacity * sizeof **tokens);
            if (!grown) {
                free(*tokens);
                cn_die("out of memory");
                return false;
            }
            *tokens = grown;
        }
        (*tokens)[(*n)++] = (int32_t)id;
        p = end;
    }
    if (*n == 0) {
        cn_die("%s: no token ids", where);
        return false;
    }
    return true;
}

bool cn_tokens_parse(const char *text, int32_t **tokens, size_t *n)
{
    if (text[0] != '@')
        return parse_ids(text, "--tokens", tokens, n);
    size_t bytes;
    char *file = cn_read_file(text + 1, MAX_FILE_BYTES, &bytes);
    if (!file)
        return false;
    bool ok = parse_ids(file, text + 1, tokens, n);
    free(file);
    return ok;
}

bool cn_kv_parse(const char *text, enum cn_kv_type *kv)
{
    static const char *const names[] = {
        [CN_KV_F16] = "f16", [CN_KV_F32] = "f32", [CN_KV_Q8_0] = "q8_0"
    };
    for (int i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
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
