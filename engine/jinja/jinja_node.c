/* SPDX-License-Identifier: MIT
 *
 * What the parts of the parser share: nodes, names, and the token at hand.
 */
#include "engine/jinja/jinja_node.h"

#include <stdio.h>
#include <string.h>

/* Trees are walked by functions that call themselves. */
enum { MAX_HEIGHT = 400 };

struct cn_jnode *cn_j_node(struct cn_jparser *p, enum cn_jnode_kind kind)
{
    struct cn_jnode *node = cn_j_alloc(p->run, sizeof *node);
    *node = (struct cn_jnode){ .kind = kind, .line = p->at->line, .height = 1 };
    return node;
}

void cn_j_adopt(struct cn_jparser *p, struct cn_jnode *node, const struct cn_jnode *child)
{
    if (!child || child->height < node->height)
        return;
    node->height = child->height + 1;
    if (node->height > MAX_HEIGHT) {
        p->run->line = node->line;
        cn_j_fail(p->run, CN_ERR_UNSUPPORTED, "more than %d operators or tags within each other",
                  MAX_HEIGHT);
    }
}

uint32_t cn_j_symbol(struct cn_jparser *p, struct cn_str name)
{
    int64_t symbol = cn_strmap_find(&p->jinja->symbols, name);
    if (symbol < 0) {
        if (!cn_strmap_add(&p->jinja->symbols, name))
            cn_j_fail(p->run, CN_ERR_MEMORY, "no memory for the names");
        symbol = (int64_t)p->jinja->symbols.n - 1;
    }
    return (uint32_t)symbol;
}

_Noreturn void cn_j_unexpected(struct cn_jparser *p, const char *expected)
{
    const struct cn_jtoken *t = p->at;
    char found[64];
    p->run->line = t->line;
    switch (t->kind) {
    case CN_JT_END:
        snprintf(found, sizeof found, "the end of the template");
        break;
    case CN_JT_TEXT:
        snprintf(found, sizeof found, "text");
        break;
    case CN_JT_STRING:
        snprintf(found, sizeof found, "a string");
        break;
    default:
        snprintf(found, sizeof found, "\"%.*s\"", (int)(t->text.n > 40 ? 40 : t->text.n),
                 t->text.p);
    }
    cn_j_fail(p->run, CN_ERR_FORMAT, "expected %s, found %s", expected, found);
}

void cn_j_expect(struct cn_jparser *p, enum cn_jtoken_kind kind, const char *text)
{
    char quoted[16];
    if (cn_j_skip(p, kind, text))
        return;
    snprintf(quoted, sizeof quoted, "\"%s\"", text ? text : "");
    cn_j_unexpected(p, text                      ? quoted
                       : kind == CN_JT_PRINT_END ? "\"}}\""
                       : kind == CN_JT_BLOCK_END ? "\"%}\""
                                                 : "a name");
}

struct cn_str cn_j_name(struct cn_jparser *p)
{
    struct cn_str name = p->at->text;
    cn_j_expect(p, CN_JT_NAME, NULL);
    return name;
}
