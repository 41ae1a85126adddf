/* SPDX-License-Identifier: MIT
 *
 * Text in parts.
 */
#include "engine/jinja/jinja_node.h"

static struct cn_jval split_at_space(struct cn_jrun *run, const struct cn_jstr *str, int64_t most)
{
    struct cn_jlist *parts = cn_j_list(run, 0);
    size_t at = 0, length;
    cn_j_work(run, 1, str->n);
    for (;;) {
        while (at < str->n && cn_j_is_space(cn_j_char(str, at, &length)))
            at += length;
        if (at == str->n)
            break;
        size_t from = at;
        if (most >= 0 && (int64_t)parts->n == most) {
            size_t end = str->n;
            while (end > from && cn_j_is_space(cn_j_char(str, cn_j_char_before(str, end), &length)))
                end = cn_j_char_before(str, end);
            cn_j_push(run, parts, cn_j_string(cn_j_part(run, str, from, end - from)));
            break;
        }
        while (at < str->n && !cn_j_is_space(cn_j_char(str, at, &length)))
            at += length;
        cn_j_push(run, parts, cn_j_string(cn_j_part(run, str, from, at - from)));
    }
    return cn_j_of_list(parts);
}

struct cn_jval cn_j_split(struct cn_jrun *run, const struct cn_jstr *str, struct cn_jval sep,
                          int64_t most, bool from_right)
{
    if (sep.kind == CN_J_ABSENT || sep.kind == CN_J_NONE) {
        if (from_right && most >= 0)
            cn_j_fail(run, CN_ERR_UNSUPPORTED,
                      "rsplit() at white space with a limit is not supported");
        return split_at_space(run, str, most);
    }
    const struct cn_jstr *by = cn_j_need_string(run, sep, "split()");
    struct cn_jlist *parts = cn_j_list(run, 0);
    if (by->n == 0)
        cn_j_fail(run, CN_ERR_FORMAT, "split(): the separator is empty");
    cn_j_work(run, 1, str->n);
    if (from_right) {
        const struct cn_jstr *left = str;
        size_t found;
        while (most != 0 && (found = cn_j_rfind(run, left, by)) != SIZE_MAX) {
            cn_j_push(run, parts,
                      cn_j_string(cn_j_part(run, left, found + by->n, left->n - found - by->n)));
            left = cn_j_part(run, left, 0, found);
            most -= most > 0;
        }
        cn_j_push(run, parts, cn_j_string(left));
        for (size_t i = 0; i < parts->n / 2; i++) {
            struct cn_jval swapped = parts->items[i];
            parts->items[i] = parts->items[parts->n - 1 - i];
            parts->items[parts->n - 1 - i] = swapped;
        }
        return cn_j_of_list(parts);
    }
    size_t at = 0, found;
    while (most != 0 && (found = cn_j_find(str, by, at)) != SIZE_MAX) {
        cn_j_push(run, parts, cn_j_string(cn_j_part(run, str, at, found - at)));
        at = found + by->n;
        most -= most > 0;
    }
    cn_j_push(run, parts, cn_j_string(cn_j_part(run, str, at, str->n - at)));
    return cn_j_of_list(parts);
}
