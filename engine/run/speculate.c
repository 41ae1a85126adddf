/* SPDX-License-Identifier: MIT
 *
 * Speculation: a draft, one pass over it, and the rule that says what of it is kept.
 */
#include "engine/run/speculate.h"

#include "base/clock.h"
#include "base/error.h"
#include "engine/run/nextn.h"
#include "engine/tools.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_DRAFT = 15, LOOKUP_MOST = CN_DRAFT_KINDS - 1 };

_Static_assert((int)CN_SPECULATE_MOST <= (int)CN_DRAFT_MOST &&
                   (int)CN_SPECULATE_MOST <= (int)CN_SAMPLER_SPARE,
               "a draft is measured, and is forgotten as a whole");

/* ---- making one ------------------------------------------------------------------------------ */

/* Whether ids that both models have stand for the same bytes in both. */
static enum cn_status check_vocabulary(const struct cn_model *model, const struct cn_model *draft,
                                       int32_t n_common, struct cn_error *err)
{
    for (int32_t t = 0; t < n_common; t++) {
        size_t n, m;
        const char *a = cn_token_bytes(model, t, true, &n);
        const char *b = cn_token_bytes(draft, t, true, &m);
        CN_RETURN_IF(n != m || memcmp(a, b, n) != 0, CN_ERR_ARGUMENT, err,
                     "the draft's vocabulary is another: its token %d does not stand for the same "
                     "bytes as the model's",
                     t);
    }
    return CN_OK;
}

static enum cn_status check_options(const struct cn_session *s,
                                    const struct cn_speculator_options *o, struct cn_error *err)
{
    CN_RETURN_IF((o->draft != NULL) + (o->lookup != 0) + o->nextn != 1, CN_ERR_ARGUMENT, err,
                 "one source of drafts expected: a model, a look-up or a NextN block");
    CN_RETURN_IF(o->lookup < 0 || o->lookup > LOOKUP_MOST, CN_ERR_ARGUMENT, err,
                 "look-up: 1 to %d tokens expected, %d given", LOOKUP_MOST, o->lookup);
    CN_RETURN_IF(o->n_draft < 0 || o->n_draft > CN_SPECULATE_MOST, CN_ERR_ARGUMENT, err,
                 "tokens of a draft: 1 to %d expected, %d given", CN_SPECULATE_MOST, o->n_draft);
    CN_RETURN_IF(s->group->n_logits < 2, CN_ERR_ARGUMENT, err,
                 "speculation: a session with logits of 2 positions expected");
    CN_RETURN_IF(o->draft == s, CN_ERR_ARGUMENT, err, "a session cannot be its own draft");
    return CN_OK;
}

static bool allocate(struct cn_speculator *sp)
{
    const size_t n = (size_t)sp->session->group->n_ctx + CN_SPECULATE_MOST + 1;
    sp->text = malloc(n * sizeof *sp->text);
    sp->q = calloc((size_t)sp->n_vocab, sizeof *sp->q);
    if (sp->options.lookup)
        return sp->text && sp->q;
    if (sp->options.draft)
        sp->draft_text = malloc(n * sizeof *sp->draft_text);
    sp->draft_logits =
        malloc((size_t)sp->n_draft * (size_t)sp->n_common * sizeof *sp->draft_logits);
    return sp->text && sp->q && !sp->options.draft == !sp->draft_text && sp->draft_logits;
}

enum cn_status cn_speculator_create(struct cn_session *session, struct cn_sampler *sampler,
                                    const struct cn_speculator_options *options,
                                    struct cn_speculator **speculator, struct cn_error *err)
{
    CN_TRY(check_options(session, options, err));
    const int32_t n_vocab = cn_model_get_info(session->model)->n_vocab;
    int32_t n_common = n_vocab;
    if (options->draft) {
        const struct cn_model *draft = options->draft->model;
        const int32_t n = cn_model_get_info(draft)->n_vocab;
        n_common = n < n_common ? n : n_common;
        CN_TRY(check_vocabulary(session->model, draft, n_common, err));
    }
    if (options->nextn)
        CN_TRY(cn_nextn_begin(session, err));
    struct cn_speculator *sp = calloc(1, sizeof *sp);
    CN_RETURN_IF(!sp, CN_ERR_MEMORY, err, "out of memory");
    sp->session = session;
    sp->sampler = sampler;
    sp->options = *options;
    sp->n_vocab = n_vocab;
    sp->n_common = n_common;
    sp->n_draft = options->n_draft ? options->n_draft : DEFAULT_DRAFT;
    if (!allocate(sp)) {
        cn_speculator_free(sp);
        return cn_fail(err, CN_ERR_MEMORY, "out of memory");
    }
    *speculator = sp;
    return CN_OK;
}

void cn_speculator_free(struct cn_speculator *sp)
{
    if (!sp)
        return;
    free(sp->text);
    free(sp->q);
    free(sp->draft_text);
    free(sp->draft_logits);
    free(sp);
}

/* ---- the text -------------------------------------------------------------------------------- */

static void append(struct cn_speculator *sp, int32_t token)
{
    if (sp->options.draft) {
        const struct cn_model_info *draft = cn_model_get_info(sp->options.draft->model);
        const int32_t unknown = draft->bos >= 0 && draft->bos < draft->n_vocab ? draft->bos : 0;
        sp->draft_text[sp->n_text] = token < sp->n_common ? token : unknown;
    }
    sp->text[sp->n_text++] = token;
}

/* Of text[n], as far as the draft has not read it. */
static enum cn_status prompt_draft(struct cn_speculator *sp, struct cn_error *err)
{
    const int32_t n = sp->n_text, from = sp->n_draft_holds > 0 ? sp->n_draft_holds : 1;
    int32_t ignored;
    if (sp->options.draft)
        return cn_session_prompt(sp->options.draft, sp->draft_text, n, &ignored, err);
    return from < n ? cn_nextn_eval(sp->session, from - 1, sp->text + from, n - from, false, err)
                    : CN_OK;
}

/* The session with tokens[n], and with what a NextN block wants of each of them. */
static enum cn_status prompt_session(struct cn_speculator *sp, const int32_t *tokens, int32_t n,
                                     int32_t *n_kept, struct cn_error *err)
{
    struct cn_session *s = sp->session;
    if (s->nextn && s->nextn->n_rows < cn_session_position(s))
        CN_TRY(cn_session_rewind(s, 0, err));
    return cn_session_prompt(s, tokens, n, n_kept, err);
}

enum cn_status cn_speculator_prompt(struct cn_speculator *sp, const int32_t *tokens, int32_t n,
                                    int32_t *n_kept, struct cn_error *err)
{
    int32_t same = 0;
    while (same < n && same < sp->n_draft_holds && sp->text[same] == tokens[same])
        same++;
    sp->n_text = sp->n_last = sp->n_draft_holds = 0;
    sp->fresh = false;
    CN_TRY(prompt_session(sp, tokens, n, n_kept, err));
    for (int32_t i = 0; i < n; i++)
        append(sp, tokens[i]);
    sp->fresh = true;
    if (sp->options.lookup || (sp->options.draft && n > cn_session_n_ctx(sp->options.draft)))
        return CN_OK;
    sp->n_draft_holds = same;
    cn_speculator_phase(sp, CN_SPECULATE_DRAFT, true);
    enum cn_status status = prompt_draft(sp, err);
    cn_speculator_phase(sp, CN_SPECULATE_DRAFT, false);
    sp->n_draft_holds = status == CN_OK ? n : 0;
    return status;
}

enum cn_status cn_speculator_take_back(struct cn_speculator *sp, int32_t n, struct cn_error *err)
{
    CN_RETURN_IF(n < 0 || n > sp->n_last, CN_ERR_ARGUMENT, err,
                 "0 to %d tokens to take back expected, %d given", sp->n_last, n);
    sp->n_last -= n;
    sp->n_text -= n;
    sp->told.n_tokens -= n < sp->told.n_tokens ? n : sp->told.n_tokens;
    cn_sampler_forget(sp->sampler, n);
    if (sp->n_draft_holds > sp->n_text)
        sp->n_draft_holds = sp->n_text;
    /* The last one is not evaluated. */
    if (n > 0 && cn_session_position(sp->session) >= sp->n_text)
        return cn_session_rewind(sp->session, sp->n_text - 1, err);
    return CN_OK;
}

/* ---- the rule -------------------------------------------------------------------------------- */

static enum cn_status candidates(struct cn_speculator *sp, int32_t row, struct cn_candidates *c,
                                 struct cn_error *err)
{
    const float *logits = cn_session_logits(sp->session, row);
    /* A token from these would be made up. */
    CN_RETURN_IF(!cn_all_finite(logits, sp->n_vocab), CN_ERR_FORMAT, err,
                 "the model's logits are not finite at position %d", sp->n_text - 1);
    *c = cn_sampler_candidates(sp->sampler, logits, sp->n_vocab);
    return CN_OK;
}

static double probability(const struct cn_candidates *c, int32_t token)
{
    for (int64_t i = 0; i < c->n; i++)
        if (c->items[i].token == token)
            return c->items[i].weight / c->sum;
    return 0;
}

/* Draft token i is kept with probability min(1, p / q). */
static bool keep(struct cn_speculator *sp, int32_t i, const struct cn_candidates *c)
{
    if (sp->force)
        return sp->force(sp->force_user, i);
    const struct cn_draft *d = &sp->draft;
    return cn_sampler_uniform(sp->sampler) * d->q[i] < probability(c, d->tokens[i]);
}

/* What the draft could have drafted as token i, added to sp->q with its probability times `sign`.
 */
static void spread(struct cn_speculator *sp, int32_t i, double sign)
{
    const struct cn_draft *d = &sp->draft;
    if (d->sure[i]) {
        sp->q[d->tokens[i]] = sign > 0;
        return;
    }
    const struct cn_candidates c = cn_sampler_candidates(
        sp->sampler, sp->draft_logits + (size_t)i * (size_t)sp->n_common, sp->n_common);
    for (int64_t j = 0; j < c.n; j++)
        sp->q[c.items[j].token] = sign > 0 ? c.items[j].weight / c.sum : 0;
}

/* A token instead of draft token i, which was not kept: drawn from what p has over q. */
static enum cn_status replace(struct cn_speculator *sp, int32_t i, int32_t row, int32_t *token,
                              struct cn_error *err)
{
    struct cn_candidates c;
    spread(sp, i, 1);
    enum cn_status status = candidates(sp, row, &c, err);
    double left = 0;
    for (int64_t j = 0; status == CN_OK && j < c.n; j++) {
        const double over = c.items[j].weight / c.sum - sp->q[c.items[j].token];
        left += over > 0 ? over : 0;
    }
    /* Nothing is left where p is q, but for the last bits: then p it is. */
    if (left > 0) {
        for (int64_t j = 0; j < c.n; j++) {
            const double over = c.items[j].weight / c.sum - sp->q[c.items[j].token];
            c.items[j].weight = over > 0 ? over : 0;
        }
        c.sum = left;
    }
    if (status == CN_OK)
        *token = cn_sampler_draw(sp->sampler, &c);
    spread(sp, i, -1);
    return status;
}

static void choose(struct cn_speculator *sp, int32_t token)
{
    cn_sampler_accept(sp->sampler, token);
    append(sp, token);
}

/* The draft's tokens as far as they are kept, and one more. Row 0 of the logits is `first`. */
static enum cn_status judge(struct cn_speculator *sp, int32_t first, int32_t *n_kept,
                            struct cn_error *err)
{
    const struct cn_draft *d = &sp->draft;
    struct cn_candidates c;
    int32_t i = 0;
    for (; i < d->n; i++) {
        CN_TRY(candidates(sp, first + i, &c, err));
        if (!keep(sp, i, &c))
            break;
        choose(sp, d->tokens[i]);
        *n_kept = i + 1;
    }
    int32_t token = 0;
    if (i < d->n) {
        CN_TRY(replace(sp, i, first + i, &token, err));
    } else {
        CN_TRY(candidates(sp, first + i, &c, err));
        token = cn_sampler_draw(sp->sampler, &c);
    }
    choose(sp, token);
    return CN_OK;
}

/* ---- a pass ---------------------------------------------------------------------------------- */

/* The session forgets the drafted tokens that were not kept. States cannot be cut back: they go to
 * where they were before the pass, and the next pass is over what was kept, too. */
static enum cn_status forget_wrong(struct cn_speculator *sp, int32_t n_before, int32_t n_held,
                                   int32_t n_kept, struct cn_error *err)
{
    if (n_kept == sp->draft.n)
        return CN_OK;
    return cn_session_rewind(sp->session, sp->session->has_states ? n_held : n_before + n_kept,
                             err);
}

/* One pass over what the session has not seen of the text, and the draft. */
static enum cn_status verify(struct cn_speculator *sp, struct cn_error *err)
{
    struct cn_session *s = sp->session;
    const struct cn_draft *d = &sp->draft;
    const int32_t n_before = sp->n_text, n_held = cn_session_position(s);
    const int32_t n_pending = n_before - n_held;
    int32_t n_kept = 0;
    memcpy(sp->text + n_before, d->tokens, (size_t)d->n * sizeof *d->tokens);
    const double before = cn_speculator_cost(sp);
    if (d->n > 0)
        cn_session_mark(s);
    CN_TRY(cn_session_eval(s, sp->text + n_held, n_pending + d->n,
                           d->n > 0 ? CN_WANT_ALL : CN_WANT_LAST, err));
    enum cn_status status = judge(sp, d->n > 0 ? n_pending - 1 : 0, &n_kept, err);
    if (status == CN_OK)
        status = forget_wrong(sp, n_before, n_held, n_kept, err);
    if (n_pending + d->n <= CN_DRAFT_MOST + 1)
        cn_draft_length_pass(&sp->length, n_pending + d->n, cn_speculator_cost(sp) - before);
    if (d->n > 0)
        cn_draft_length_outcome(&sp->length, d->kind, n_kept, n_kept == d->n);
    else if (d->n_found > 0 && sp->n_text > n_before)
        cn_draft_length_outcome(&sp->length, d->kind, d->tokens[0] == sp->text[n_before],
                                d->tokens[0] == sp->text[n_before]);
    /* The draft's session has read what was kept, but for its own last token. */
    if (sp->options.draft && sp->n_draft_holds == n_before && d->n > 0)
        sp->n_draft_holds += n_kept < d->n ? n_kept : d->n - 1;
    sp->told.n_passes++;
    sp->told.n_drafted += d->n;
    sp->told.n_accepted += n_kept;
    sp->told.n_tokens += sp->n_text - n_before;
    return status;
}

static int32_t least(int32_t a, int64_t b)
{
    return a < b ? a : (int32_t)b;
}

/* Most tokens that can be drafted now, if n_most may be chosen. */
static int32_t most_drafted(const struct cn_speculator *sp, int32_t n_most)
{
    const struct cn_session *s = sp->session;
    const int32_t n_pending = sp->n_text - cn_session_position(s);
    int32_t n = least(sp->n_draft, n_most - 1);
    n = least(n, s->group->n_ctx - sp->n_text);
    n = least(n, s->group->n_logits - n_pending);
    n = least(n, CN_DRAFT_MOST + 1 - n_pending);
    /* What a sliding window's cache keeps for going back. */
    n = least(n, s->group->n_batch - n_pending);
    return n > 0 ? n : 0;
}

enum cn_status cn_speculator_next(struct cn_speculator *sp, int32_t *tokens, int32_t n_most,
                                  int32_t *n, struct cn_error *err)
{
    CN_RETURN_IF(n_most < 1, CN_ERR_ARGUMENT, err, "room for a token expected, for %d given",
                 n_most);
    CN_RETURN_IF(sp->n_text == 0, CN_ERR_ARGUMENT, err, "a prompt expected first");
    const int32_t from = sp->n_text;
    if (sp->fresh) {
        struct cn_candidates c;
        CN_TRY(candidates(sp, 0, &c, err));
        choose(sp, cn_sampler_draw(sp->sampler, &c));
        sp->fresh = false;
    } else {
        CN_RETURN_IF(from > sp->session->group->n_ctx, CN_ERR_CONTEXT, err,
                     "the context of %d tokens is full", sp->session->group->n_ctx);
        CN_TRY(cn_draft_make(sp, most_drafted(sp, n_most), err));
        cn_speculator_phase(sp, CN_SPECULATE_VERIFY, true);
        const double t0 = cn_seconds();
        enum cn_status status = verify(sp, err);
        sp->told.verify_s += cn_seconds() - t0;
        cn_speculator_phase(sp, CN_SPECULATE_VERIFY, false);
        CN_TRY(status);
    }
    *n = sp->n_last = sp->n_text - from;
    memcpy(tokens, sp->text + from, (size_t)*n * sizeof *tokens);
    return CN_OK;
}

void cn_speculator_told(const struct cn_speculator *sp, struct cn_speculation *speculation)
{
    *speculation = sp->told;
}
