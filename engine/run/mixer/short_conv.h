/* SPDX-License-Identifier: MIT
 *
 * The short causal convolution that several mixers begin with.
 */
#ifndef CN_SHORT_CONV_H
#define CN_SHORT_CONV_H

#include "engine/run/session.h"

/* Runs n convolutions (struct cn_conv in quant.h) of as many channels on the group's threads, which
 * share the channels. */
void cn_short_conv(struct cn_group *g, const struct cn_conv *convs, int n);

/* Floats of its state. */
static inline int64_t cn_short_conv_state(int64_t n_taps, int64_t n_channels)
{
    return (n_taps - 1) * n_channels;
}

/* Adds what n tokens do: the state is read and written once. */
void cn_short_conv_work(int64_t n_taps, int64_t n_channels, int64_t n, struct cn_work *work);

#endif
