/* SPDX-License-Identifier: MIT */
#include "cli/drafts.h"

#include <string.h>

bool cn_drafts_asked(const struct cn_draft_arguments *d)
{
    return d->draft || d->lookup || d->mtp;
}

const char *cn_drafts_name(const struct cn_draft_arguments *d)
{
    return d->draft ? "--draft" : d->lookup ? "--lookup" : "--mtp";
}

int cn_drafts_check(const struct cn_draft_arguments *d)
{
    if ((d->draft != NULL) + (d->lookup > 0) + d->mtp > 1)
        return cn_usage_error("one of --draft, --lookup and --mtp, please");
    if (!cn_drafts_asked(d) && (d->n || d->aim))
        return cn_usage_error("%s goes with --draft, --lookup or --mtp",
                              d->n ? "--draft-tokens" : "--for");
    if (d->aim && strcmp(d->aim, "time") != 0 && strcmp(d->aim, "energy") != 0)
        return cn_usage_error("--for: time or energy expected, '%s' given", d->aim);
    return -1;
}

struct cn_speculation_options cn_drafts_options(const struct cn_draft_arguments *d)
{
    return (struct cn_speculation_options){ .draft = d->draft,
                                            .lookup = (int32_t)d->lookup,
                                            .nextn = d->mtp,
                                            .n_draft = (int32_t)d->n,
                                            .for_energy = d->aim && strcmp(d->aim, "energy") == 0 };
}
