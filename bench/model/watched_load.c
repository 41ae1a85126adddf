/* SPDX-License-Identifier: MIT */
#include "bench/model/watched_load.h"

#include <math.h>
#include <stddef.h>
#include <time.h>

void cn_idle_phase(struct cn_profiler *profiler, double seconds, int64_t index)
{
    if (seconds <= 0)
        return;
    struct timespec t = { (time_t)seconds, (long)((seconds - floor(seconds)) * 1e9) };
    cn_profiler_phase_begin(profiler, "idle", index);
    nanosleep(&t, NULL);
    cn_profiler_phase_end(profiler);
}

enum cn_status cn_watched_load(const struct cn_watched_load *load, struct cn_model **model,
                               struct cn_session **session, struct cn_error *err)
{
    enum cn_status status = CN_OK;
    *model = NULL;
    *session = NULL;
    cn_idle_phase(load->profiler, load->idle_s, 0);
    cn_profiler_phase_begin(load->profiler, "load", 0);
    if (load->path)
        status = cn_model_open(load->path, &load->model, model, err);
    if (status == CN_OK && load->session)
        status = cn_session_create(*model, load->session, session, err);
    cn_profiler_phase_end(load->profiler);
    return status;
}
