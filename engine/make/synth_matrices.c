/* SPDX-License-Identifier: MIT */
#include "engine/make/synth_model.h"
#include "engine/tools.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"

static void add(const struct cn_synth_model *m, enum cn_slot slot, int64_t layer,
                struct cn_matrix_size *sizes, int room, int *n)
{
    int64_t ne[3];
    cn_slot_shape(m->arch, &m->hp, slot, layer, ne);
    if (cn_slot_infos[slot].kind != CN_MATRIX || ne[1] < 2)
        return;
    for (int i = 0; i < *n; i++)
        if (sizes[i].rows == ne[1] && sizes[i].cols == ne[0])
            return;
    if (*n == room)
        return;
    sizes[*n] = (struct cn_matrix_size){ .rows = ne[1], .cols = ne[0] };
    snprintf(sizes[*n].name, sizeof sizes[*n].name, "%s", cn_slot_infos[slot].name);
    ++*n;
}

/* The model's own come last: what makes the logits. */
static void add_all(const struct cn_synth_model *m, int64_t n_layer, struct cn_matrix_size *sizes,
                    int room, int *n)
{
    for (int64_t layer = 0; layer <= n_layer; layer++) {
        const int64_t which = layer < n_layer ? layer : -1;
        const cn_slots has = cn_synth_model_slots(m, which);
        for (int slot = 0; slot < CN_N_SLOTS; slot++)
            if (has >> slot & 1)
                add(m, (enum cn_slot)slot, which, sizes, room, n);
    }
}

enum cn_status cn_synth_matrices(const char *shape, struct cn_matrix_size *sizes, int room, int *n,
                                 struct cn_error *err)
{
    const struct cn_arch *arch;
    const struct cn_synth_shape *s;
    int i = 0;
    while ((s = cn_synth_shape_at(i, &arch)) != NULL && strcasecmp(s->name, shape) != 0)
        i++;
    CN_RETURN_IF(!s, CN_ERR_ARGUMENT, err, "there is no shape '%.40s' (carnot synth --list)",
                 shape);
    struct cn_synth_model m;
    enum cn_status status = cn_synth_model_open(arch, s, s->n_layer, &m, err);
    *n = 0;
    if (status == CN_OK)
        add_all(&m, s->n_layer, sizes, room, n);
    cn_synth_model_close(&m);
    return status;
}
