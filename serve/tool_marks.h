/* SPDX-License-Identifier: MIT
 *
 * How a model calls tools: learnt from its chat template, which is given a call and seen to write
 * it.
 */
#ifndef CN_TOOL_MARKS_H
#define CN_TOOL_MARKS_H

#include "engine/carnot.h"

enum cn_call_form {
    CN_CALL_NONE,   /* the template writes no calls, or in a form that is not read back */
    CN_CALL_OBJECT, /* a JSON object of name and arguments */
    CN_CALL_NAMED,  /* [ARGS]-like: a name behind a mark, then the arguments as a JSON object */
    CN_CALL_FIELDS, /* a name behind a mark, then each argument between marks of its own */
};

/* All without blanks around them. */
struct cn_tool_marks {
    enum cn_call_form form;
    char open[64];        /* what calls begin with; "" (OBJECT): the object is all there is */
    char name[32];        /* OBJECT: the key of the name */
    char arguments[32];   /* and of the arguments: "arguments", "parameters" */
    char before_name[64]; /* NAMED, FIELDS: may be the same as `open` */
    /* FIELDS: BEFORE_KEY key AFTER_KEY ... BEFORE_VALUE value AFTER_VALUE; AFTER_KEY may be
     * BEFORE_VALUE itself. */
    char before_key[64], after_key[64], before_value[64], after_value[64];
    bool own_lines; /* FIELDS: a newline on each side of a value does not belong to it */
};

/* options: of the chat, as for cn_chat_create; its tools are not looked at. A template that writes
 * none has the form CN_CALL_NONE. */
void cn_tool_marks_learn(const struct cn_model *model, const struct cn_chat_options *options,
                         struct cn_tool_marks *marks);

#endif
