/* SPDX-License-Identifier: MIT */
#include "serve/tally.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void cn_tally_init(struct cn_tally *tally)
{
    *tally = (struct cn_tally){ .n_gone = 0 };
    pthread_mutex_init(&tally->lock, NULL);
}

void cn_tally_destroy(struct cn_tally *tally)
{
    pthread_mutex_destroy(&tally->lock);
}

void cn_tally_answer(struct cn_tally *t, int code)
{
    pthread_mutex_lock(&t->lock);
    size_t i = 0;
    while (i < CN_TALLY_CODES && t->answers[i].n > 0 && t->answers[i].code != code)
        i++;
    if (code == 0) {
        t->n_gone++;
    } else if (i < CN_TALLY_CODES) {
        t->answers[i].code = code;
        t->answers[i].n++;
    }
    pthread_mutex_unlock(&t->lock);
}

#define ADD_COST(to, cost)                                      \
    do {                                                        \
        (to).seconds += (cost).seconds;                         \
        if ((cost).n_tokens > 0 && isnan((cost).energy.joules)) \
            (to).n_unknown++;                                   \
        if (!isnan((cost).energy.joules))                       \
            (to).joules += (cost).energy.joules;                \
        if (!isnan((cost).energy.joules_net))                   \
            (to).joules_net += (cost).energy.joules_net;        \
    } while (0)

void cn_tally_usage(struct cn_tally *t, const struct cn_spent *u)
{
    pthread_mutex_lock(&t->lock);
    t->prompt_tokens += u->prompt_tokens;
    t->cached_tokens += u->cached_tokens;
    t->generated_tokens += u->completion_tokens;
    ADD_COST(t->prefill, u->prefill);
    ADD_COST(t->decode, u->decode);
    if (!isnan(u->first_token_s)) {
        t->first_token_s += u->first_token_s;
        t->n_first++;
    }
    pthread_mutex_unlock(&t->lock);
}

/* ---- the text -------------------------------------------------------------------------------- */

static void head(struct cn_json_text *out, const char *name, const char *type, const char *help)
{
    cn_json_text_say(out, "# HELP carnot_%s %s\n# TYPE carnot_%s %s\n", name, help, name, type);
}

/* A label's value, for which backslash, quote and newline are escaped. */
static void label(struct cn_json_text *out, const char *name, const char *value)
{
    cn_json_text_say(out, "%s=\"", name);
    for (const char *c = value; *c; c++) {
        if (*c == '\n')
            cn_json_text_add(out, "\\n", 2);
        else
            cn_json_text_say(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    }
    cn_json_text_say(out, "\"");
}

static void energy(struct cn_json_text *out, const struct cn_meter_info *meter, const char *name,
                   double prefill, double decode)
{
    for (int i = 0; i < 2; i++) {
        cn_json_text_say(out, "carnot_%s{phase=\"%s\",", name, i ? "decode" : "prefill");
        label(out, "boundary", meter->boundary);
        cn_json_text_say(out, ",");
        label(out, "meter", meter->name);
        cn_json_text_say(out, "} %.9g\n", i ? decode : prefill);
    }
}

void cn_tally_write(struct cn_tally *t, const struct cn_service *service,
                    const struct cn_meter_info *meter, struct cn_json_text *out)
{
    pthread_mutex_lock(&t->lock);
    head(out, "info", "gauge", "The model that answers.");
    cn_json_text_say(out, "carnot_info{");
    label(out, "model", service->id);
    cn_json_text_say(out, "} 1\n");
    head(out, "answers_total", "counter", "Answers by status of HTTP.");
    for (size_t i = 0; i < CN_TALLY_CODES && t->answers[i].n > 0; i++)
        cn_json_text_say(out, "carnot_answers_total{code=\"%d\"} %" PRId64 "\n", t->answers[i].code,
                         t->answers[i].n);
    head(out, "gone_total", "counter", "Requests whose client did not wait for the answer.");
    cn_json_text_say(out, "carnot_gone_total %" PRId64 "\n", t->n_gone);
    head(out, "tokens_total", "counter",
         "Tokens: of prompts, of these kept from before, generated.");
    cn_json_text_say(out,
                     "carnot_tokens_total{kind=\"prompt\"} %" PRId64
                     "\ncarnot_tokens_total{kind=\"cached\"} %" PRId64
                     "\ncarnot_tokens_total{kind=\"generated\"} %" PRId64 "\n",
                     t->prompt_tokens, t->cached_tokens, t->generated_tokens);
    head(out, "seconds_total", "counter", "Time of passes through the model, split by tokens.");
    cn_json_text_say(out,
                     "carnot_seconds_total{phase=\"prefill\"} %.6f\n"
                     "carnot_seconds_total{phase=\"decode\"} %.6f\n",
                     t->prefill.seconds, t->decode.seconds);
    head(out, "meter_ok", "gauge", "Whether a meter of energy can be read.");
    cn_json_text_say(out, "carnot_meter_ok %d\n", meter->ok);
    if (meter->ok) {
        head(out, "joules_total", "counter", "Energy of passes, where it is known.");
        energy(out, meter, "joules_total", t->prefill.joules, t->decode.joules);
        head(out, "joules_net", "gauge", "The same less the idle power, where that is known.");
        energy(out, meter, "joules_net", t->prefill.joules_net, t->decode.joules_net);
        head(out, "joules_unknown_total", "counter", "Requests whose joules are not known.");
        energy(out, meter, "joules_unknown_total", (double)t->prefill.n_unknown,
               (double)t->decode.n_unknown);
    }
    head(out, "first_token_seconds", "summary", "From a request to its first token.");
    cn_json_text_say(out,
                     "carnot_first_token_seconds_sum %.6f\n"
                     "carnot_first_token_seconds_count %" PRId64 "\n",
                     t->first_token_s, t->n_first);
    head(out, "lanes", "gauge", "Lanes, and those that answer at present.");
    cn_json_text_say(out, "carnot_lanes{state=\"all\"} %d\ncarnot_lanes{state=\"busy\"} %d\n",
                     t->n_lanes, t->n_busy);
    head(out, "waiting", "gauge", "Requests that wait for a lane.");
    cn_json_text_say(out, "carnot_waiting %" PRId64 "\n", t->n_waiting);
    head(out, "kept_tokens", "gauge", "Tokens that free lanes hold of conversations.");
    cn_json_text_say(out, "carnot_kept_tokens %" PRId64 "\n", t->kept_tokens);
    head(out, "lane_bytes", "gauge", "Memory of a lane: keys, values and states.");
    cn_json_text_say(out, "carnot_lane_bytes %zu\n", t->lane_bytes);
    pthread_mutex_unlock(&t->lock);
}
