/* SPDX-License-Identifier: MIT
 *
 * Checks of the vector operations that carry a state from token to token.
 */
#ifndef CN_STATE_CHECK_H
#define CN_STATE_CHECK_H

#include "bench/kernel/vec_case.h"

void cn_check_conv(struct cn_vec_case *v);
void cn_check_ssm_step(struct cn_vec_case *v);
void cn_check_delta_step(struct cn_vec_case *v);

#endif
