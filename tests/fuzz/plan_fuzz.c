/* SPDX-License-Identifier: MIT
 *
 * Any bytes as the plan of a study.
 */
#include <string.h>

#include "bench/study/study_plan.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct cn_study_plan_source source = { .text = (const char *)data,
                                                 .n_bytes = n,
                                                 .name = "fuzz",
                                                 .folder = "/nowhere",
                                                 .default_model = "model" };
    struct cn_study_plan plan;
    struct cn_error err = { "" };
    if (cn_study_plan_parse(&source, &plan, &err) == CN_OK) {
        expect(plan.repetitions > 0 && plan.n_models > 0 && plan.n_prompts > 0);
        cn_study_plan_free(&plan);
    } else {
        expect(err.text[0] && !strchr(err.text, '\n'));
    }
    return 0;
}
