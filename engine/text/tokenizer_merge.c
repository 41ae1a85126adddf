/* SPDX-License-Identifier: MIT
 *
 * The greedy merge that BPE and SPM share. Most pieces are words of a few symbols: there a scan for
 * the lowest rank beats any structure. Long ones (a text without spaces) take a heap.
 */
#include "engine/text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

enum { SHORT = 24 }; /* symbols; about where the heap becomes the faster one */

#define NO_RANK UINT32_MAX

struct pair {
    uint32_t rank; /* NO_RANK: does not join */
    uint32_t product;
};

/* Neighbours in the list of living symbols; next == NONE: joined into an earlier one. */
struct cn_merge_node {
    uint32_t prev, next;
};
#define NONE UINT32_MAX

/* A possible join. It is out of date if left, right or the end of right have changed since. */
struct cn_merge_entry {
    uint64_t key; /* rank << 32 | left: the order in which joins are made */
    uint32_t right, end, product;
};

bool cn_merge_reserve(struct cn_merge_space *space, size_t n)
{
    if (n <= space->capacity && space->symbols)
        return true;
    size_t capacity = n < 256 ? 256 : n + n / 2;
    struct cn_symbol *symbols = realloc(space->symbols, (capacity + 1) * sizeof *symbols);
    if (!symbols)
        return false;
    space->symbols = symbols;
    space->capacity = capacity;
    return true;
}

bool cn_merge_reserve_bytes(struct cn_merge_space *space, size_t n)
{
    if (n <= space->bytes_capacity)
        return true;
    size_t capacity = n < 4096 ? 4096 : n;
    char *bytes = malloc(capacity);
    if (!bytes)
        return false;
    free(space->bytes);
    space->bytes = bytes;
    space->bytes_capacity = capacity;
    return true;
}

static bool reserve_long(struct cn_merge_space *space, size_t n)
{
    if (n <= space->long_capacity)
        return true;
    /* n - 1 pairs at first; each join takes one entry out and puts at most two in. */
    void *nodes = malloc((n + 1) * sizeof *space->nodes);
    void *heap = malloc(2 * n * sizeof *space->heap);
    if (!nodes || !heap) {
        free(nodes);
        free(heap);
        return false;
    }
    free(space->nodes);
    free(space->heap);
    space->nodes = nodes;
    space->heap = heap;
    space->long_capacity = n;
    return true;
}

void cn_merge_space_free(struct cn_merge_space *space)
{
    free(space->symbols);
    free(space->nodes);
    free(space->heap);
    free(space->bytes);
    *space = (struct cn_merge_space){ 0 };
}

/* Symbols i and i + 1 of a gapless array. */
static struct pair look(const struct cn_joiner *joiner, const struct cn_symbol *s, size_t i)
{
    struct pair pair;
    if (!joiner->join(joiner, s[i].id, s[i + 1].id, s[i].start, s[i + 2].start, &pair.rank,
                      &pair.product))
        pair.rank = NO_RANK;
    return pair;
}

static size_t merge_short(const struct cn_joiner *joiner, struct cn_symbol *s, size_t n)
{
    struct pair pairs[SHORT];
    for (size_t i = 0; i + 1 < n; i++)
        pairs[i] = look(joiner, s, i);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (pairs[i].rank < pairs[best].rank)
                best = i;
        if (pairs[best].rank == NO_RANK)
            break;
        s[best].id = pairs[best].product;
        memmove(s + best + 1, s + best + 2, (n - best - 1) * sizeof *s); /* with the end */
        if (best + 2 < n)
            memmove(pairs + best, pairs + best + 1, (n - best - 2) * sizeof *pairs);
        n--;
        if (best > 0)
            pairs[best - 1] = look(joiner, s, best - 1);
        if (best + 1 < n)
            pairs[best] = look(joiner, s, best);
    }
    return n;
}

static void heap_push(struct cn_merge_entry *heap, size_t *n, struct cn_merge_entry entry)
{
    size_t i = (*n)++;
    for (; i > 0 && heap[(i - 1) / 2].key > entry.key; i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = entry;
}

static struct cn_merge_entry heap_pop(struct cn_merge_entry *heap, size_t *n)
{
    struct cn_merge_entry top = heap[0];
    struct cn_merge_entry last = heap[--*n];
    size_t i = 0;
    for (size_t child = 1; child < *n; child = 2 * i + 1) {
        if (child + 1 < *n && heap[child + 1].key < heap[child].key)
            child++;
        if (heap[child].key >= last.key)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return top;
}

static void push_pair(const struct cn_joiner *joiner, struct cn_merge_space *space, size_t *n_heap,
                      uint32_t left, uint32_t right)
{
    const struct cn_symbol *s = space->symbols;
    uint32_t end = s[space->nodes[right].next].start;
    uint32_t rank, product;
    if (joiner->join(joiner, s[left].id, s[right].id, s[left].start, end, &rank, &product))
        heap_push(space->heap, n_heap,
                  (struct cn_merge_entry){ (uint64_t)rank << 32 | left, right, end, product });
}

static size_t merge_long(const struct cn_joiner *joiner, struct cn_merge_space *space, size_t n)
{
    struct cn_symbol *s = space->symbols;
    struct cn_merge_node *nodes = space->nodes;
    size_t n_heap = 0;
    for (size_t i = 0; i <= n; i++)
        nodes[i] = (struct cn_merge_node){ i ? (uint32_t)i - 1 : NONE, (uint32_t)i + 1 };
    for (uint32_t i = 0; i + 1 < n; i++)
        push_pair(joiner, space, &n_heap, i, i + 1);
    while (n_heap) {
        struct cn_merge_entry e = heap_pop(space->heap, &n_heap);
        uint32_t left = (uint32_t)e.key;
        if (nodes[left].next != e.right || s[nodes[e.right].next].start != e.end)
            continue;
        uint32_t next = nodes[e.right].next;
        s[left].id = e.product;
        nodes[left].next = next;
        nodes[next].prev = left;
        nodes[e.right].next = NONE;
        if (nodes[left].prev != NONE)
            push_pair(joiner, space, &n_heap, nodes[left].prev, left);
        if (next < n)
            push_pair(joiner, space, &n_heap, left, next);
    }
    size_t n_left = 0;
    uint32_t i = 0;
    for (; i < n; i = nodes[i].next)
        s[n_left++] = s[i];
    s[n_left] = s[n];
    return n_left;
}

bool cn_merge(const struct cn_joiner *joiner, struct cn_merge_space *space, size_t *n)
{
    if (*n <= SHORT) {
        *n = merge_short(joiner, space->symbols, *n);
        return true;
    }
    if (!reserve_long(space, *n))
        return false;
    *n = merge_long(joiner, space, *n);
    return true;
}
