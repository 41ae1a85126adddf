/* SPDX-License-Identifier: MIT
 *
 * carnot attribute: joins a phase trace with samples that were recorded elsewhere.
 */
#include <stdio.h>

#include "base/table.h"
#include "cli/cli.h"
#include "profiler/profiler.h"

static const struct cn_usage usage = {
    "carnot attribute --trace T.jsonl --samples S [options]",
    "Says what each phase of a trace (carnot run --trace) cost, from samples that another meter\n"
    "recorded meanwhile. Samples are one of\n"
    "  CSV: a header, which may stand behind #, names time (t_ms, Time (s), timestamp, ...) and\n"
    "      power_w, Main Avg Power (mW), energy_j, ..., or current_ma and voltage_v; two columns\n"
    "      without a header are seconds, watts. Times may be ISO-8601\n"
    "  JSON lines with such keys\n"
    "  logcat lines of Android's BatteryManager: stats => ts_ms,uA,mV,percent,0.1C\n"
    "  the output of dumpsys battery (a line with the time before each), tegrastats,\n"
    "      powermetrics, perf stat -I MS -x,\n"
    "Stamps since 1970 are joined by the trace's CLOCK_REALTIME, others by CLOCK_BOOTTIME or\n"
    "CLOCK_MONOTONIC. Rows of one time are averaged. Units and signs of batteries are settled by\n"
    "evidence, which is said; what contradicts itself is refused. What the samples cannot tell is\n"
    "null with its status.\n",
};

static void columns(struct cn_table *t)
{
    cn_table_column(t, "phase", "phase", -1);
    cn_table_column(t, "index", "index", -1);
    cn_table_column(t, "t0_ns", NULL, -1);
    cn_table_column(t, "t1_ns", NULL, -1);
    cn_table_column(t, "seconds", "s", 4);
    cn_table_column(t, "joules", "J", 4);
    cn_table_column(t, "joules_net", "J net", 4);
    cn_table_column(t, "uncertainty", "+- J", 4);
    cn_table_column(t, "updates", "updates", -1);
    cn_table_column(t, "status", "status", -1);
    cn_table_column(t, "reason", NULL, -1);
    cn_table_column(t, "meter", NULL, -1);
    cn_table_column(t, "boundary", NULL, -1);
}

static void row(struct cn_table *t, const struct cn_profiler *p, size_t i)
{
    struct cn_energy e;
    cn_profiler_phase(p, 0, i, &e);
    const struct cn_meter_info *m = cn_profiler_channel(p, 0);
    cn_table_row(t);
    cn_table_str(t, "phase", e.phase);
    cn_table_i64(t, "index", e.index);
    cn_table_i64(t, "t0_ns", e.t0_ns);
    cn_table_i64(t, "t1_ns", e.t1_ns);
    cn_table_f64(t, "seconds", 1e-9 * (double)e.busy_ns);
    cn_table_f64(t, "joules", e.joules);
    cn_table_f64(t, "joules_net", e.joules_net);
    cn_table_f64(t, "uncertainty", e.uncertainty);
    cn_table_i64(t, "updates", e.updates);
    cn_table_str(t, "status", cn_energy_status_name(e.status));
    cn_table_str(t, "reason", e.reason);
    cn_table_str(t, "meter", m->name);
    cn_table_str(t, "boundary", m->boundary);
}

int cn_cmd_attribute(int argc, char **argv)
{
    const char *trace = NULL, *samples = NULL;
    struct cn_attribute_options o = { 0 };
    double search_s = 0;
    enum cn_table_format format = CN_TABLE_JSONL;
    /* clang-format off */
    const struct cn_option options[] = {
        { "--trace", NULL, CN_OPT_STRING, &trace, "FILE",
          "the phases, as carnot run --trace " "writes them", 0, 0 },
        { "--samples", NULL, CN_OPT_STRING, &samples, "FILE", "what the meter recorded", 0, 0 },
        { "--offset-ms", NULL, CN_OPT_FLOAT, &o.offset_ms, "X",
          "added to the time of every sample (default 0)", -1e12, 1e12 },
        { "--column", NULL, CN_OPT_STRING, &o.columns, "LIST",
          "which column is what, if names do not tell: time=NAME,power=NAME, energy=NAME:Wh, "
          "current=NAME, voltage=NAME", 0, 0 },
        { "--volts", NULL, CN_OPT_FLOAT, &o.volts, "V",
          "the voltage that an instrument was set to which recorded current alone", 0, 1000 },
        { "--find-offset", NULL, CN_OPT_FLOAT, &search_s, "S",
          "find the offset of the samples' clock, up to S seconds, from how power and phases "
          "change together (default 0: trust the clocks)", 0, 1e5 },
        { "-o", "--output", CN_OPT_TABLE, &format, "FORMAT",
          "md, csv, json, jsonl or sql (default jsonl)", 0, 0 },
    };
    /* clang-format on */
    int code =
        cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, NULL, 0, 0);
    if (code >= 0)
        return code;
    if (!trace || !samples)
        return cn_usage_error("expected --trace FILE and --samples FILE");
    o.search_ms = 1e3 * search_s;
    struct cn_profiler_error err;
    struct cn_profiler *p = cn_attribute_files(trace, samples, &o, &err);
    if (!p)
        return cn_die("%s", err.text);
    struct cn_table *t = cn_table_create("phases");
    if (!t) {
        cn_profiler_free(p);
        return cn_die("out of memory");
    }
    columns(t);
    for (size_t i = 0; i < cn_profiler_n_phases(p); i++)
        row(t, p, i);
    const char *sources = cn_profiler_channel(p, 0)->sources;
    if (*sources)
        cn_warn("%s: %s", samples, sources);
    code = cn_result_table(t, format);
    cn_table_free(t);
    cn_profiler_free(p);
    return code;
}
