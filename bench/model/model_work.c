/* SPDX-License-Identifier: MIT */
#include "bench/model/model_work.h"

void cn_report_work(struct cn_profiler *profiler, const struct cn_session *session,
                    struct cn_work *told)
{
    struct cn_work w;
    cn_session_work(session, &w);
    if (profiler)
        cn_profiler_work(profiler, w.bytes - told->bytes, w.int8_ops - told->int8_ops,
                         w.unpacked - told->unpacked);
    *told = w;
}

struct cn_work cn_work_since(const struct cn_work *now, const struct cn_work *then)
{
    return (struct cn_work){ .bytes = now->bytes - then->bytes,
                             .kv_bytes = now->kv_bytes - then->kv_bytes,
                             .state_bytes = now->state_bytes - then->state_bytes,
                             .int8_ops = now->int8_ops - then->int8_ops,
                             .float_ops = now->float_ops - then->float_ops,
                             .unpacked = now->unpacked - then->unpacked };
}
