/* SPDX-License-Identifier: MIT */
#include "serve/http_guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The name in a Host header, without port and brackets. */
static bool host_name(const char *host, char *name, size_t n)
{
    const bool bracket = host[0] == '[';
    const char *end = bracket ? strchr(host, ']') : strrchr(host, ':');
    if (bracket)
        host++;
    if (!end)
        end = host + strlen(host);
    if (end <= host || (size_t)(end - host) >= n)
        return false;
    memcpy(name, host, (size_t)(end - host));
    name[end - host] = '\0';
    return true;
}

/* An address cannot be made to mean another machine; a name can, by who runs its server of names.
 */
static bool is_own_name(const struct cn_http_options *o, const char *host)
{
    char name[256];
    struct in6_addr address;
    if (!host_name(host, name, sizeof name))
        return false;
    if (strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &address) == 1 ||
        inet_pton(AF_INET6, name, &address) == 1)
        return true;
    for (size_t i = 0; i < o->n_names; i++)
        if (strcasecmp(name, o->names[i]) == 0)
            return true;
    return false;
}

bool cn_http_cors(const struct cn_http_options *o, const char *origin)
{
    for (size_t i = 0; origin && i < o->n_origins; i++)
        if (strcmp(o->origins[i], "*") == 0 || strcmp(o->origins[i], origin) == 0)
            return true;
    return false;
}

static bool is_own_page(const char *origin, const char *host)
{
    return strncmp(origin, "http://", 7) == 0 && strcasecmp(origin + 7, host) == 0;
}

/* The time it takes does not tell how much of the key is right. */
static bool is_key(const char *key, const char *given)
{
    const size_t n = strlen(key), n_given = strlen(given);
    unsigned char differs = n != n_given;
    for (size_t i = 0; i < n; i++)
        differs |= (unsigned char)(key[i] ^ given[i < n_given ? i : n_given]);
    return !differs;
}

bool cn_http_guard(const struct cn_http_options *o, const struct cn_http_caller *caller,
                   bool needs_key, struct cn_refusal *refusal)
{
    static const char bearer[] = "Bearer ";
    if (!caller->host)
        return cn_refuse(refusal, 400, "host", "", "a Host header is needed");
    if (!is_own_name(o, caller->host))
        return cn_refuse(refusal, 403, "host", "",
                         "Host \"%.100s\" is none of this server's names (--name)", caller->host);
    if (caller->origin && !is_own_page(caller->origin, caller->host) &&
        !cn_http_cors(o, caller->origin))
        return cn_refuse(refusal, 403, "origin", "", "pages of \"%.100s\" may not ask (--cors)",
                         caller->origin);
    if (!o->api_key || !needs_key)
        return true;
    if (!caller->authorization ||
        strncasecmp(caller->authorization, bearer, sizeof bearer - 1) != 0 ||
        !is_key(o->api_key, caller->authorization + sizeof bearer - 1))
        return cn_refuse(refusal, 401, "invalid_api_key", "",
                         "a key is needed: Authorization: Bearer KEY");
    return true;
}
