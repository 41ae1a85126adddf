/* SPDX-License-Identifier: MIT */
#include "serve/serve_lanes.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

struct cn_lanes {
    struct cn_lane lane[CN_SERVE_MAX_LANES]; /* [n] */
    int32_t n;
    int64_t count; /* of lanes let go of */
};

enum cn_status cn_lanes_create(const struct cn_model *model,
                               const struct cn_session_options *options, int32_t n,
                               struct cn_lanes **lanes, struct cn_error *err)
{
    struct cn_lanes *made = calloc(1, sizeof *made);
    CN_RETURN_IF(!made, CN_ERR_MEMORY, err, "no memory for lanes");
    enum cn_status status = CN_OK;
    for (made->n = 0; made->n < n && status == CN_OK; made->n++) {
        struct cn_lane *lane = &made->lane[made->n];
        status = cn_session_create(model, options, &lane->session, err);
        if (status != CN_OK)
            break;
        lane->tokens = calloc((size_t)cn_session_n_ctx(lane->session), sizeof *lane->tokens);
        if (!lane->tokens)
            status = cn_fail(err, CN_ERR_MEMORY, "no memory for the tokens of a lane");
    }
    if (status == CN_OK)
        *lanes = made;
    else
        cn_lanes_free(made);
    return status;
}

void cn_lanes_free(struct cn_lanes *lanes)
{
    if (!lanes)
        return;
    for (int32_t i = 0; i < CN_SERVE_MAX_LANES; i++) {
        cn_session_free(lanes->lane[i].session);
        free(lanes->lane[i].tokens);
    }
    free(lanes);
}

size_t cn_lanes_bytes(const struct cn_lanes *lanes)
{
    return cn_session_kv_bytes(lanes->lane[0].session);
}

int64_t cn_lanes_kept(const struct cn_lanes *lanes)
{
    int64_t n = 0;
    for (int32_t i = 0; i < lanes->n; i++)
        n += lanes->lane[i].busy ? 0 : lanes->lane[i].n;
    return n;
}

/* ---- which lane ------------------------------------------------------------------------------ */

static int32_t common(const struct cn_lane *lane, const int32_t *prompt, int32_t n)
{
    int32_t k = 0;
    while (k < n && k < lane->n && lane->tokens[k] == prompt[k])
        k++;
    return k;
}

/* The free lane that holds most of the prompt's beginning, if that is all of the prompt or most of
 * what it holds: to go on with. Else the one longest unused, so that long conversations are not cut
 * for what all prompts begin with. */
static struct cn_lane *choose_lane(struct cn_lanes *lanes, const int32_t *prompt, int32_t n)
{
    struct cn_lane *best = NULL, *oldest = NULL;
    int32_t most = 0;
    for (int32_t i = 0; i < lanes->n; i++) {
        struct cn_lane *lane = &lanes->lane[i];
        if (lane->busy)
            continue;
        const int32_t k = common(lane, prompt, n);
        if (!oldest || lane->used < oldest->used)
            oldest = lane;
        if (k > most && (2 * k >= lane->n || k + 1 >= n)) {
            best = lane;
            most = k;
        }
    }
    return best ? best : oldest;
}

struct cn_lane *cn_lanes_take(struct cn_lanes *lanes, const int32_t *prompt, int32_t n,
                              int32_t n_keep, int32_t *n_kept, struct cn_error *err)
{
    struct cn_lane *lane = choose_lane(lanes, prompt, n);
    if (!lane)
        return NULL;
    int32_t keep = common(lane, prompt, n);
    keep = keep < n_keep ? keep : n_keep;
    if (cn_session_rewind(lane->session, keep, err) != CN_OK) {
        lane->n = cn_session_position(lane->session);
        return NULL;
    }
    lane->busy = true;
    lane->n = *n_kept = keep;
    return lane;
}

void cn_lanes_return(struct cn_lanes *lanes, struct cn_lane *lane)
{
    lane->busy = false;
    lane->used = ++lanes->count;
}

/* ---- passes ---------------------------------------------------------------------------------- */

enum cn_status cn_lanes_eval(struct cn_lanes *lanes, const struct cn_lane_step *steps, size_t n,
                             struct cn_error *err)
{
    enum cn_status status = CN_OK;
    (void)lanes;
    for (size_t i = 0; i < n; i++) {
        struct cn_lane *lane = steps[i].lane;
        if (status == CN_OK)
            status =
                cn_session_eval(lane->session, steps[i].tokens, steps[i].n, steps[i].want, err);
        const int32_t position = cn_session_position(lane->session);
        for (int32_t k = lane->n; k < position; k++)
            lane->tokens[k] = steps[i].tokens[k - lane->n];
        lane->n = position;
    }
    return status;
}
