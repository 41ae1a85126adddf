/* SPDX-License-Identifier: MIT */
#include "serve/serve_lanes.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct cn_lanes {
    struct cn_group *group;
    struct cn_lane lane[CN_MAX_LANES]; /* [n] */
    int32_t n;
    int64_t count; /* of lanes let go of */
    double ops_a_token;
};

enum cn_status cn_lanes_create(const struct cn_model *model,
                               const struct cn_session_options *options, int32_t n,
                               struct cn_lanes **lanes, struct cn_error *err)
{
    struct cn_lanes *made = calloc(1, sizeof *made);
    CN_RETURN_IF(!made, CN_ERR_MEMORY, err, "no memory for lanes");
    enum cn_status status = cn_group_create(model, options, n, &made->group, err);
    made->ops_a_token = cn_model_get_info(model)->decode_ops;
    for (made->n = 0; made->n < n && status == CN_OK; made->n++) {
        struct cn_lane *lane = &made->lane[made->n];
        status = cn_group_join(made->group, &lane->session, err);
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
    for (int32_t i = 0; i < CN_MAX_LANES; i++) {
        cn_session_free(lanes->lane[i].session);
        free(lanes->lane[i].tokens);
    }
    cn_group_free(lanes->group);
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

struct choice {
    struct cn_lane *go_on;  /* the free lane that holds most of the prompt's beginning, if that is
                             * all  of the prompt or most of what it holds; NULL: there is none */
    struct cn_lane *oldest; /* the free lane longest unused; NULL: none is free */
    struct cn_lane *source; /* of all lanes the one that holds most; NULL: none holds anything */
};

static struct choice look(struct cn_lanes *lanes, const int32_t *prompt, int32_t n)
{
    struct choice c = { NULL, NULL, NULL };
    int32_t most = 0, most_free = 0;
    for (int32_t i = 0; i < lanes->n; i++) {
        struct cn_lane *lane = &lanes->lane[i];
        const int32_t k = common(lane, prompt, n);
        if (k > most) {
            c.source = lane;
            most = k;
        }
        if (lane->busy)
            continue;
        if (!c.oldest || lane->used < c.oldest->used)
            c.oldest = lane;
        if (k > most_free && (2 * k >= lane->n || k + 1 >= n)) {
            c.go_on = lane;
            most_free = k;
        }
    }
    return c;
}

/* Cuts back to the first `keep` tokens. *n_evaluated: tokens that were evaluated once more for it,
 * by what was done. */
static enum cn_status cut(const struct cn_lanes *lanes, struct cn_lane *lane, int32_t keep,
                          int32_t *n_evaluated, struct cn_error *err)
{
    struct cn_work before, after;
    cn_session_work(lane->session, &before);
    const enum cn_status status = cn_session_rewind(lane->session, keep, err);
    cn_session_work(lane->session, &after);
    const double ops =
        (double)(after.int8_ops - before.int8_ops) + (double)(after.float_ops - before.float_ops);
    *n_evaluated =
        ops > 0 && lanes->ops_a_token > 0 ? (int32_t)fmin(keep, ceil(ops / lanes->ops_a_token)) : 0;
    lane->n = status == CN_OK ? keep : cn_session_position(lane->session);
    return status;
}

/* Long conversations are not cut for the little that many prompts begin with: the lane longest
 * unused takes a copy of it. */
struct cn_lane *cn_lanes_take(struct cn_lanes *lanes, const int32_t *prompt, int32_t n,
                              int32_t n_keep, int32_t *n_kept, struct cn_error *err)
{
    enum { WORTH_A_COPY = 8 /* tokens */ };
    const struct choice c = look(lanes, prompt, n);
    struct cn_lane *lane = c.go_on ? c.go_on : c.oldest;
    int32_t n_again;
    if (!lane)
        return NULL;
    const int32_t held = common(lane, prompt, n);
    if (c.source && c.source != lane && n_keep >= WORTH_A_COPY &&
        common(c.source, prompt, n) >= held + WORTH_A_COPY) {
        if (cn_session_fork(lane->session, c.source->session, err) != CN_OK)
            return NULL;
        memcpy(lane->tokens, c.source->tokens, (size_t)c.source->n * sizeof *lane->tokens);
        lane->n = c.source->n;
    }
    int32_t keep = common(lane, prompt, n);
    keep = keep < n_keep ? keep : n_keep;
    if (cut(lanes, lane, keep, &n_again, err) != CN_OK)
        return NULL;
    lane->busy = true;
    *n_kept = keep;
    *n_kept -= n_again;
    return lane;
}

void cn_lanes_return(struct cn_lanes *lanes, struct cn_lane *lane)
{
    lane->busy = false;
    lane->used = ++lanes->count;
}

/* ---- passes ---------------------------------------------------------------------------------- */

enum cn_status cn_lanes_eval(struct cn_lanes *lanes, struct cn_lane *const *of,
                             const struct cn_step *steps, size_t n, struct cn_error *err)
{
    const enum cn_status status = cn_group_eval(lanes->group, steps, n, err);
    for (size_t i = 0; i < n; i++) {
        struct cn_lane *lane = of[i];
        const int32_t done = cn_session_position(lane->session) - lane->n;
        for (int32_t k = 0; k < done; k++)
            lane->tokens[lane->n + k] = steps[i].tokens[k];
        lane->n += done;
    }
    return status;
}
