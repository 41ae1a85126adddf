/* SPDX-License-Identifier: MIT
 *
 * The growing list of ids that a text becomes.
 */
#include <stdlib.h>

#include "engine/text/tokenizer_internal.h"

void cn_token_list_push(struct cn_token_list *list, int32_t id)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        int32_t *ids = list->failed ? NULL : realloc(list->ids, capacity * sizeof *ids);
        if (!ids) {
            list->failed = true;
            return;
        }
        list->ids = ids;
        list->capacity = capacity;
    }
    list->ids[list->n++] = id;
}
