/* SPDX-License-Identifier: MIT */
#include "profiler/samples/timestamp.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Hours and minutes east of Greenwich: Z, +0100, +01:00, +01. False if there is none. */
static bool parse_zone(const char *s, int *seconds, const char **end)
{
    int hours, minutes = 0, n = 0;
    *end = s + 1;
    *seconds = 0;
    if (*s == 'Z' || *s == 'z')
        return true;
    if ((*s != '+' && *s != '-') || sscanf(s + 1, "%2d%n", &hours, &n) != 1 || n != 2)
        return false;
    *end = s + 3;
    const char *rest = s + 3 + (s[3] == ':');
    if (sscanf(rest, "%2d%n", &minutes, &n) == 1 && n == 2)
        *end = rest + 2;
    else
        minutes = 0;
    *seconds = (*s == '-' ? -1 : 1) * (3600 * hours + 60 * minutes);
    return hours <= 14 && minutes < 60;
}

/* Digits behind a point or comma, as nanoseconds. */
static int64_t parse_fraction(const char **s)
{
    int64_t ns = 0, digit = 100000000;
    if ((**s != '.' && **s != ',') || !isdigit((unsigned char)(*s)[1]))
        return 0;
    for ((*s)++; isdigit((unsigned char)**s); (*s)++, digit /= 10)
        ns += digit * (**s - '0');
    return ns;
}

static bool put(struct tm *date, int64_t fraction, const char *zone, struct cn_timestamp *t,
                const char **end)
{
    int east;
    const struct tm given = *date;
    t->no_zone = !parse_zone(zone, &east, end);
    if (t->no_zone)
        *end = zone;
    date->tm_isdst = -1;
    time_t s = t->no_zone ? mktime(date) : timegm(date);
    /* A date that is none is moved to one that is. */
    if (s <= 0 || s > 3000000000 || date->tm_mday != given.tm_mday || date->tm_mon != given.tm_mon)
        return false;
    t->ns = ((int64_t)s - (t->no_zone ? 0 : east)) * 1000000000 + fraction;
    return true;
}

static int month_of(const char *name)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const char *at = strlen(name) == 3 ? strstr(months, name) : NULL;
    return at && (at - months) % 3 == 0 ? (int)(at - months) / 3 : -1;
}

bool cn_timestamp_parse(const char *text, struct cn_timestamp *t, const char **end)
{
    struct tm d = { 0 };
    const char *unused, *s;
    char between, month[4];
    int n = 0;
    if (!end)
        end = &unused;
    if (sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%2d%n", &d.tm_year, &d.tm_mon, &d.tm_mday, &between,
               &d.tm_hour, &d.tm_min, &d.tm_sec, &n) == 7 &&
        n >= 17 && d.tm_year > 1900 && (between == 'T' || between == ' ' || between == 't')) {
        d.tm_mon--;
        s = text + n;
        const int64_t fraction = parse_fraction(&s);
        d.tm_year -= 1900;
        return put(&d, fraction, s, t, end);
    }
    n = 0;
    if (sscanf(text, "%2d-%2d-%4d %2d:%2d:%2d%n", &d.tm_mon, &d.tm_mday, &d.tm_year, &d.tm_hour,
               &d.tm_min, &d.tm_sec, &n) == 6 &&
        n > 0 && d.tm_year > 1900) {
        d.tm_mon--;
        d.tm_year -= 1900;
        return put(&d, 0, text + n, t, end);
    }
    n = 0;
    if (sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d %n", month, &d.tm_mday, &d.tm_hour,
               &d.tm_min, &d.tm_sec, &d.tm_year, &n) == 6 &&
        n > 0 && month_of(month) >= 0) {
        d.tm_mon = month_of(month);
        d.tm_year -= 1900;
        return put(&d, 0, text + n, t, end);
    }
    return false;
}
