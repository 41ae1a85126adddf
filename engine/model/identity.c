/* SPDX-License-Identifier: MIT */
#include "engine/model/identity.h"

enum { SAMPLE_BYTES = 4096 };

static void add_tensor(struct cn_sha256 *h, const struct cn_gguf_tensor *t)
{
    const size_t n = t->bytes < SAMPLE_BYTES ? t->bytes : SAMPLE_BYTES;
    cn_sha256_add(h, t->name.p, t->name.n);
    cn_sha256_add(h, &t->gguf_type, sizeof t->gguf_type);
    cn_sha256_add(h, t->ne, sizeof t->ne);
    cn_sha256_add(h, (const uint8_t *)t->data + (t->bytes - n) / 2, n);
}

void cn_model_identity(const struct cn_model *model, char hex[CN_SHA256_HEX])
{
    const struct cn_gguf *gguf = &model->gguf;
    struct cn_sha256 h;
    cn_sha256_begin(&h);
    for (int64_t i = 0; i < gguf->n_kv; i++)
        cn_sha256_add(&h, gguf->kv[i].raw, gguf->kv[i].raw_bytes);
    for (int64_t i = 0; i < gguf->n_tensors; i++)
        add_tensor(&h, &gguf->tensors[i]);
    cn_sha256_end(&h, hex);
}
