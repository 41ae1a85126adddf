/* SPDX-License-Identifier: MIT */
#include "cli/open_model.h"

#include "cli/cli.h"

#include <inttypes.h>

void cn_warn_of_model(const char *path, const struct cn_model *model, int64_t n_ctx)
{
    const struct cn_model_info *info = cn_model_get_info(model);
    if (info->doubt)
        cn_warn("%s: %s", path, info->doubt);
    if (info->n_ctx_train > 0 && n_ctx > info->n_ctx_train)
        cn_warn("%s: a context of %" PRId64 " tokens, but the model was trained on %d: what it "
                "says behind those may be worth little",
                path, n_ctx, info->n_ctx_train);
}

enum cn_status cn_open_model(const char *path, const struct cn_model_options *options,
                             int64_t n_ctx, struct cn_model **model, struct cn_error *err)
{
    enum cn_status status = cn_model_open(path, options, model, err);
    if (status == CN_OK)
        cn_warn_of_model(path, *model, n_ctx);
    return status;
}
