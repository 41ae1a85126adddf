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
