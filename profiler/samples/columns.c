/* SPDX-License-Identifier: MIT */
#include "profiler/samples/columns.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* clang-format off */
static const struct unit {
    const char *name; /* in small letters */
    enum cn_role role;
    double scale;
    bool alone; /* may end a name without a word for what it is: "main_mw" */
} units[] = {
    { "ns", CN_ROLE_TIME, 1, false },  { "us", CN_ROLE_TIME, 1e3, false },
    { "ms", CN_ROLE_TIME, 1e6, false }, { "s", CN_ROLE_TIME, 1e9, false },
    { "sec", CN_ROLE_TIME, 1e9, false }, { "seconds", CN_ROLE_TIME, 1e9, false },
    { "milliseconds", CN_ROLE_TIME, 1e6, false }, { "msec", CN_ROLE_TIME, 1e6, false },
    { "usec", CN_ROLE_TIME, 1e3, false },
    { "w", CN_ROLE_POWER, 1e6, false }, { "mw", CN_ROLE_POWER, 1e3, true },
    { "uw", CN_ROLE_POWER, 1, true },   { "kw", CN_ROLE_POWER, 1e9, true },
    { "watt", CN_ROLE_POWER, 1e6, true }, { "watts", CN_ROLE_POWER, 1e6, true },
    { "milliwatts", CN_ROLE_POWER, 1e3, true },
    { "j", CN_ROLE_ENERGY, 1e6, false }, { "mj", CN_ROLE_ENERGY, 1e3, true },
    { "uj", CN_ROLE_ENERGY, 1, true },   { "kj", CN_ROLE_ENERGY, 1e9, true },
    { "joule", CN_ROLE_ENERGY, 1e6, true }, { "joules", CN_ROLE_ENERGY, 1e6, true },
    { "wh", CN_ROLE_ENERGY, 3600e6, true }, { "mwh", CN_ROLE_ENERGY, 3600e3, true },
    { "uwh", CN_ROLE_ENERGY, 3600, true },  { "kwh", CN_ROLE_ENERGY, 3600e9, true },
    { "a", CN_ROLE_CURRENT, 1e6, false }, { "ma", CN_ROLE_CURRENT, 1e3, false },
    { "ua", CN_ROLE_CURRENT, 1, false },  { "na", CN_ROLE_CURRENT, 1e-3, false },
    { "amps", CN_ROLE_CURRENT, 1e6, true }, { "amperes", CN_ROLE_CURRENT, 1e6, true },
    { "v", CN_ROLE_VOLTAGE, 1e6, false }, { "mv", CN_ROLE_VOLTAGE, 1e3, false },
    { "uv", CN_ROLE_VOLTAGE, 1, false },  { "volts", CN_ROLE_VOLTAGE, 1e6, true },
};

static const struct {
    const char *word;
    enum cn_role role;
} words[] = {
    { "time", CN_ROLE_TIME }, { "timestamp", CN_ROLE_TIME }, { "t", CN_ROLE_TIME },
    { "ts", CN_ROLE_TIME }, { "datetime", CN_ROLE_TIME },
    { "power", CN_ROLE_POWER }, { "energy", CN_ROLE_ENERGY }, { "current", CN_ROLE_CURRENT },
    { "voltage", CN_ROLE_VOLTAGE },
};

/* Words that do not make a part of a quantity. */
static const char *const neutral[] = { "main", "avg", "average", "mean", "total", "instantaneous",
                                       "active", "system", "input", "battery", "now", "unix",
                                       "elapsed", "absolute" };

/* Names that programs write and that say less than is known of them. */
static const struct {
    const char *name;
    struct cn_column_kind kind;
} known[] = {
    { "time_of_day_seconds", { CN_ROLE_TIME, 1e9, false, false } },     /* turbostat */
    { "pkgwatt", { CN_ROLE_POWER, 1e6, false, false } }, { "syswatt", { CN_ROLE_POWER, 1e6, true, false } },
    { "corwatt", { CN_ROLE_POWER, 1e6, true, false } }, { "gfxwatt", { CN_ROLE_POWER, 1e6, true, false } },
    { "ramwatt", { CN_ROLE_POWER, 1e6, true, false } }, { "uncwatt", { CN_ROLE_POWER, 1e6, true, false } },
    { "energy_consumed", { CN_ROLE_ENERGY, 0, false, false } },         /* CodeCarbon */
    { "current_ua", { CN_ROLE_CURRENT, 1, false, true } }, { "ua", { CN_ROLE_CURRENT, 1, false, true } },
    { "current_now", { CN_ROLE_CURRENT, 1, false, true } }, { "voltage_now", { CN_ROLE_VOLTAGE, 1, false, true } },
    { "power_now", { CN_ROLE_POWER, 1, false, true } },
    { "current", { CN_ROLE_CURRENT, 0, false, true } },
};
/* clang-format on */

enum { NAME_BYTES = 128, MAX_TOKENS = 16 };

static const struct unit *unit_of(const char *name)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(units[i].name, name))
            return &units[i];
    return NULL;
}

static enum cn_role role_of(const char *word)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i].word, word))
            return words[i].role;
    return CN_ROLE_NONE;
}

static bool is_neutral(const char *word)
{
    for (size_t i = 0; i < sizeof neutral / sizeof *neutral; i++)
        if (!strcmp(neutral[i], word))
            return true;
    return false;
}

/* In small letters, with u for both signs of micro; "" if it is too long for any name known. */
static void simplify(const char *name, char simple[NAME_BYTES])
{
    size_t n = 0;
    for (; *name && n + 1 < NAME_BYTES; name++) {
        if (!strncmp(name, "\xc2\xb5", 2) || !strncmp(name, "\xce\xbc", 2)) {
            simple[n++] = 'u';
            name++;
        } else {
            simple[n++] = (char)tolower((unsigned char)*name);
        }
    }
    simple[*name ? 0 : n] = 0;
}

/* Cuts a unit in parentheses or brackets off the end. False if what stands there is none. */
static bool cut_unit(char *name, const struct unit **unit)
{
    *unit = NULL;
    size_t n = strlen(name);
    while (n > 0 && name[n - 1] == ' ')
        name[--n] = 0;
    if (n == 0 || (name[n - 1] != ')' && name[n - 1] != ']'))
        return true;
    char *open = strrchr(name, name[n - 1] == ')' ? '(' : '[');
    if (!open)
        return false;
    name[n - 1] = 0;
    char *text = open + 1;
    text += strspn(text, " ");
    for (size_t k = strlen(text); k > 0 && text[k - 1] == ' ';)
        text[--k] = 0;
    *open = 0;
    *unit = unit_of(text);
    return *unit != NULL;
}

struct cn_column_kind cn_column_kind(const char *name)
{
    static const struct cn_column_kind none = { CN_ROLE_NONE, 0, false, false };
    char simple[NAME_BYTES], *tokens[MAX_TOKENS];
    simplify(name, simple);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(simple, known[i].name))
            return known[i].kind;
    const struct unit *unit;
    if (!cut_unit(simple, &unit))
        return none;
    size_t n = 0;
    const bool behind = unit != NULL;
    for (char *s = simple; *s && n < MAX_TOKENS;) {
        while (*s && !isalnum((unsigned char)*s))
            *s++ = 0;
        if (*s)
            tokens[n++] = s;
        while (isalnum((unsigned char)*s))
            s++;
    }
    if (!unit && n > 0 && (unit = unit_of(tokens[n - 1])) != NULL)
        n--;
    if (n == 0 && !unit)
        return none;
    struct cn_column_kind kind = { .scale = unit ? unit->scale : 0 };
    size_t last = n;
    while (last > 0 && role_of(tokens[last - 1]) == CN_ROLE_NONE && is_neutral(tokens[last - 1]))
        last--;
    kind.role = last ? role_of(tokens[last - 1]) : CN_ROLE_NONE;
    if (kind.role == CN_ROLE_NONE) {
        /* A unit may say it all, but single letters do so only in parentheses, or alone. */
        if (!unit || !(behind || n == 0 || unit->alone) ||
            (unit->role == CN_ROLE_TIME && (behind || strcmp(unit->name, "seconds") != 0 || n)))
            return none;
        kind.role = unit->role;
        last = n + 1;
    }
    if (unit && unit->role != kind.role)
        return none;
    for (size_t i = 0; i + 1 < last && i < n; i++) {
        if (!strcmp(tokens[i], "shunt"))
            return none; /* the drop over its resistor */
        kind.part |= !is_neutral(tokens[i]);
    }
    return kind;
}

const char *cn_role_name(enum cn_role role)
{
    static const char *const names[CN_N_ROLES] = { "",       "time",    "power",
                                                   "energy", "current", "voltage" };
    return names[role];
}

/* ---- choosing -------------------------------------------------------------------------------- */

static void list(char *const *names, size_t n, unsigned roles, char *text, size_t n_bytes)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < n && used < n_bytes; i++)
        if (!roles || roles >> cn_column_kind(names[i]).role & 1)
            used +=
                (size_t)snprintf(text + used, n_bytes - used, "%s%s", used ? ", " : "", names[i]);
}

static enum cn_role role_named(const char *text, size_t len)
{
    for (int r = CN_ROLE_TIME; r < CN_N_ROLES; r++)
        if (strlen(cn_role_name((enum cn_role)r)) == len &&
            !strncmp(cn_role_name((enum cn_role)r), text, len))
            return (enum cn_role)r;
    return CN_ROLE_NONE;
}

/* Length of the value at the start of "NAME,power=NAME": commas are part of names unless a role
 * follows. */
static size_t value_length(const char *text)
{
    size_t n = strcspn(text, ",");
    while (text[n]) {
        const char *next = text + n + 1, *equals = strchr(next, '=');
        if (equals && role_named(next, (size_t)(equals - next)))
            break;
        n += 1 + strcspn(next, ",");
    }
    return n;
}

/* The one column called name before its unit, as in "PACKAGE_ENERGY (J)"; n if there is none, or
 * several. */
static size_t without_unit(char *const *names, size_t n, const char *name)
{
    size_t len = strlen(name), found = n;
    for (size_t i = 0; i < n; i++) {
        const char *rest = names[i] + strnlen(names[i], len);
        rest += strspn(rest, " ");
        if (strncasecmp(names[i], name, len) != 0 || (*rest != '(' && *rest != '['))
            continue;
        if (found < n)
            return n;
        found = i;
    }
    return found;
}

/* The column of that name: to the letter, else in other case, else without its unit; n if none. */
static size_t index_of(char *const *names, size_t n, const char *name)
{
    size_t i = 0;
    while (i < n && strcmp(names[i], name) != 0)
        i++;
    if (i < n)
        return i;
    for (i = 0; i < n && strcasecmp(names[i], name) != 0;)
        i++;
    return i < n ? i : without_unit(names, n, name);
}

/* One "role=NAME[:UNIT]". */
static bool choose_wanted(char *const *names, size_t n, enum cn_role role, char *name,
                          struct cn_columns *c, char *why, size_t n_bytes)
{
    char known_names[160];
    size_t i = index_of(names, n, name);
    const struct unit *unit = NULL;
    char *colon = strrchr(name, ':');
    if (i == n && colon) {
        char simple[NAME_BYTES];
        simplify(colon + 1, simple);
        unit = unit_of(simple);
        *colon = 0;
        i = unit && unit->role == role ? index_of(names, n, name) : n;
    }
    if (i == n) {
        list(names, n, 0, known_names, sizeof known_names);
        snprintf(why, n_bytes, "no column \"%.60s\"; there are %.150s", name, known_names);
        return false;
    }
    const struct cn_column_kind kind = cn_column_kind(names[i]);
    c->at[role] = i + 1;
    c->kind[role] = (struct cn_column_kind){ .role = role };
    if (kind.role == role)
        c->kind[role] = kind;
    if (unit)
        c->kind[role].scale = unit->scale;
    return true;
}

static bool parse_wanted(char *const *names, size_t n, const char *wanted, struct cn_columns *c,
                         char *why, size_t n_bytes)
{
    while (wanted && *wanted) {
        const char *equals = strchr(wanted, '=');
        const enum cn_role role =
            equals ? role_named(wanted, (size_t)(equals - wanted)) : CN_ROLE_NONE;
        if (role == CN_ROLE_NONE) {
            snprintf(why, n_bytes,
                     "--column: expected time=, power=, energy=, current= or voltage= and the name "
                     "of a column, found \"%.60s\"",
                     wanted);
            return false;
        }
        char name[NAME_BYTES * 2];
        const size_t len = value_length(equals + 1);
        snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1),
                 equals + 1);
        if (!choose_wanted(names, n, role, name, c, why, n_bytes))
            return false;
        wanted = equals + 1 + len + (equals[1 + len] == ',');
    }
    return true;
}

/* Of several for one quantity the first that is not a part counts; the only part if there is none.
 * Returns how many parts there are otherwise. */
static size_t choose_role(char *const *names, size_t n, enum cn_role role, struct cn_columns *c)
{
    size_t part = 0, n_parts = 0;
    for (size_t i = 0; i < n; i++) {
        const struct cn_column_kind kind = cn_column_kind(names[i]);
        if (kind.role != role)
            continue;
        if (!kind.part) {
            c->at[role] = i + 1;
            c->kind[role] = kind;
            return 0;
        }
        part = i;
        n_parts++;
    }
    if (n_parts == 1) {
        c->at[role] = part + 1;
        c->kind[role] = cn_column_kind(names[part]);
    }
    return n_parts == 1 ? 0 : n_parts;
}

bool cn_columns_choose(char *const *names, size_t n, const char *wanted, bool volts,
                       struct cn_columns *columns, char *why, size_t n_bytes)
{
    struct cn_columns c = { .at = { 0 } };
    char text[200];
    if (!parse_wanted(names, n, wanted, &c, why, n_bytes))
        return false;
    bool named = false;
    for (int r = CN_ROLE_POWER; r < CN_N_ROLES; r++)
        named |= c.at[r] != 0;
    if (!c.at[CN_ROLE_TIME] && choose_role(names, n, CN_ROLE_TIME, &c) > 1) {
        list(names, n, 1u << CN_ROLE_TIME, text, sizeof text);
        snprintf(why, n_bytes, "several columns could be the time (%.180s): --column time=NAME",
                 text);
        return false;
    }
    size_t n_parts = 0;
    const bool product = c.at[CN_ROLE_CURRENT] || c.at[CN_ROLE_VOLTAGE];
    for (int r = CN_ROLE_POWER; r < CN_N_ROLES; r++)
        if (!c.at[r] && (!named || (product && r >= CN_ROLE_CURRENT))) {
            const size_t parts = choose_role(names, n, (enum cn_role)r, &c);
            n_parts += r < CN_ROLE_CURRENT || (r == CN_ROLE_CURRENT && !named) ? parts : 0;
        }
    /* Energy or power of a part beside others of its kind is not chosen. */
    const bool direct = c.at[CN_ROLE_POWER] || c.at[CN_ROLE_ENERGY];
    const bool pair = c.at[CN_ROLE_CURRENT] && (c.at[CN_ROLE_VOLTAGE] || volts);
    if (c.at[CN_ROLE_TIME] && !direct && !pair && n_parts > 1) {
        list(names, n, 1u << CN_ROLE_POWER | 1u << CN_ROLE_ENERGY | 1u << CN_ROLE_CURRENT, text,
             sizeof text);
        snprintf(why, n_bytes,
                 "several columns could be meant: %.180s; --column energy=NAME, power=NAME or "
                 "current=NAME says which",
                 text);
        return false;
    }
    if (c.at[CN_ROLE_TIME] && !direct && c.at[CN_ROLE_CURRENT] && !pair) {
        snprintf(
            why, n_bytes,
            "current alone (%.60s): --volts V gives the voltage that the instrument was set to",
            names[c.at[CN_ROLE_CURRENT] - 1]);
        return false;
    }
    if (!c.at[CN_ROLE_TIME] || (!direct && !pair)) {
        snprintf(why, n_bytes,
                 "expected a header with a time (t_ms, Time (s), ...) and power_w, energy_j, or "
                 "current_ma and voltage_v; --column time=NAME,power=NAME names others");
        return false;
    }
    *columns = c;
    return true;
}
