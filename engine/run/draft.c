/* SPDX-License-Identifier: MIT
 *
 * Where drafts come from: the text itself, a smaller model, or the model's NextN block.
 */
#include "base/clock.h"
#include "base/error.h"
#include "engine/run/nextn.h"
#include "engine/run/speculate.h"
#include "engine/tools.h"

#include <string.h>

double cn_speculator_cost(const struct cn_speculator *sp)
{
    return sp->options.cost ? sp->options.cost(sp->options.user) : cn_seconds();
}

/* ---- the text itself ------------------------------------------------------------------------- */

/* How many tokens before `end` are the last ones of the text, up to `most`. */
static int32_t common_length(const int32_t *text, int32_t n_text, int32_t end, int32_t most)
{
    int32_t n = 0;
    while (n < most && n < end && text[end - 1 - n] == text[n_text - 1 - n])
        n++;
    return n;
}

/* Where the last tokens stood before, and what followed: the longest stretch of them, of those the
 * last. Its length is the kind of the draft. */
static void look_up(struct cn_speculator *sp, int32_t n_most)
{
    const int32_t longest = sp->options.lookup;
    int32_t best = 0, from = 0;
    for (int32_t end = sp->n_text - 1; end > 0 && best < longest; end--) {
        const int32_t n = common_length(sp->text, sp->n_text, end, longest);
        if (n > best) {
            best = n;
            from = end;
        }
    }
    struct cn_draft *d = &sp->draft;
    d->kind = best;
    /* A stretch that reaches into itself goes on as it began. */
    for (int32_t i = 0; best > 0 && i < n_most; i++) {
        d->tokens[i] =
            from + i < sp->n_text ? sp->text[from + i] : d->tokens[from + i - sp->n_text];
        d->q[i] = 1;
        d->sure[i] = true;
        d->n_found++;
    }
}

/* ---- a smaller model, or a block of the model's own ------------------------------------------ */

/* Has it read the end of the text, and say what may come next. */
static enum cn_status catch_up(struct cn_speculator *sp, struct cn_error *err)
{
    struct cn_session *s = sp->options.draft;
    if (sp->n_draft_holds >= sp->n_text) /* the last one's logits are wanted */
        sp->n_draft_holds = sp->n_text - 1;
    const int32_t from = sp->n_draft_holds, n = sp->n_text - from;
    if (sp->options.nextn) {
        CN_TRY(cn_nextn_eval(sp->session, from - 1, sp->text + from, n, true, err));
    } else {
        if (cn_session_position(s) > from)
            CN_TRY(cn_session_rewind(s, from, err));
        CN_TRY(cn_session_eval(s, sp->draft_text + from, n, CN_WANT_LAST, err));
        cn_session_mark(s);
    }
    sp->n_draft_holds = sp->n_text;
    return CN_OK;
}

/* Has it read the last token of the draft, too. */
static enum cn_status go_on(struct cn_speculator *sp, struct cn_error *err)
{
    const struct cn_draft *d = &sp->draft;
    const int32_t *last = &d->tokens[d->n - 1];
    return sp->options.nextn ? cn_nextn_eval(sp->session, sp->n_text + d->n - 2, last, 1, true, err)
                             : cn_session_eval(sp->options.draft, last, 1, CN_WANT_LAST, err);
}

static enum cn_status draft_tokens(struct cn_speculator *sp, int32_t n_most, struct cn_error *err)
{
    struct cn_draft *d = &sp->draft;
    CN_TRY(catch_up(sp, err));
    while (d->n < n_most) {
        const float *logits = sp->options.nextn ? sp->session->nextn->logits
                                                : cn_session_logits(sp->options.draft, 0);
        CN_RETURN_IF(!cn_all_finite(logits, sp->n_common), CN_ERR_FORMAT, err,
                     "the draft's logits are not finite at position %d", sp->n_text + d->n - 1);
        const struct cn_candidates c = cn_sampler_candidates(sp->sampler, logits, sp->n_common);
        const int32_t token = cn_sampler_draw(sp->sampler, &c), i = d->n;
        d->tokens[i] = token;
        d->sure[i] = c.n == 1;
        for (int64_t j = 0; j < c.n; j++)
            if (c.items[j].token == token)
                d->q[i] = c.items[j].weight / c.sum;
        if (!d->sure[i])
            memcpy(sp->draft_logits + (size_t)i * (size_t)sp->n_common, logits,
                   (size_t)sp->n_common * sizeof *logits);
        cn_sampler_accept(sp->sampler, token);
        d->n++;
        if (d->n < n_most)
            CN_TRY(go_on(sp, err));
    }
    return CN_OK;
}

static enum cn_status ask_model(struct cn_speculator *sp, int32_t n_most, struct cn_error *err)
{
    /* A block reads once more what it guessed and was kept. */
    const int32_t usual = sp->options.nextn ? sp->n_draft + 1 : 2;
    const int32_t behind = sp->n_text - sp->n_draft_holds;
    const double before = cn_speculator_cost(sp);
    enum cn_status status = draft_tokens(sp, n_most, err);
    cn_sampler_forget(sp->sampler, sp->draft.n); /* they are not chosen yet */
    /* After passes without a draft it has more to read than it will have. */
    if (status == CN_OK && behind <= usual)
        cn_draft_length_draft(&sp->length, n_most, cn_speculator_cost(sp) - before);
    return status;
}

static int32_t wanted(struct cn_speculator *sp, int kind, int32_t n_pending, int32_t n_most)
{
    if (sp->n_forced > 0)
        return sp->n_forced < n_most ? sp->n_forced : n_most;
    /* What a look-up would have drafted is seen to be right or wrong all the same. */
    return cn_draft_length_choose(&sp->length, kind, n_pending, n_most, !sp->options.lookup);
}

enum cn_status cn_draft_make(struct cn_speculator *sp, int32_t n_most, struct cn_error *err)
{
    const int32_t n_pending = sp->n_text - cn_session_position(sp->session);
    struct cn_draft *d = &sp->draft;
    enum cn_status status = CN_OK;
    *d = (struct cn_draft){ .n = 0 };
    if (!sp->options.lookup) {
        const struct cn_session *s = sp->options.nextn ? sp->session : sp->options.draft;
        const int32_t room = cn_session_n_ctx(s) - sp->n_text;
        n_most = n_most < room ? n_most : room;
        n_most = wanted(sp, 0, n_pending, n_most > 0 ? n_most : 0);
        if (n_most == 0)
            return CN_OK;
    }
    cn_speculator_phase(sp, CN_SPECULATE_DRAFT, true);
    const double t0 = cn_seconds();
    if (!sp->options.lookup) {
        status = ask_model(sp, n_most, err);
    } else {
        look_up(sp, n_most);
        d->n = wanted(sp, d->kind, n_pending, d->n_found);
    }
    sp->told.draft_s += cn_seconds() - t0;
    cn_speculator_phase(sp, CN_SPECULATE_DRAFT, false);
    return status;
}
