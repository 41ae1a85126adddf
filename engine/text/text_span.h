/* SPDX-License-Identifier: MIT
 *
 * A text in parts that are to be tokenised as one, but in which texts of control tokens become
 * those tokens only within parts that are markup.
 */
#ifndef CN_TEXT_SPAN_H
#define CN_TEXT_SPAN_H

#include <stdbool.h>
#include <stddef.h>

struct cn_text_span {
    size_t n; /* bytes; the spans lie one behind the other and cover the text */
    bool markup;
};

#endif
