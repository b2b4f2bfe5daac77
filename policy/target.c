// SPDX-License-Identifier: BSD-2-Clause
#include "target.h"

#include "bits.h"

#include <namegate/cleanup.h>

#include <arpa/inet.h>
#include <errno.h>
#include <idn2.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TARGET_MAX 1023

struct complaint {
    char **error, **remedy;
    bool probe; /* a port stands behind a ':', not behind "port" */
};

__attribute__((format(printf, 3, 4))) static int complain(const struct complaint *complaint, const char *remedy,
                                                          const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(complaint->error, format, arguments) < 0)
        *complaint->error = NULL;
    va_end(arguments);
    *complaint->remedy = remedy ? strdup(remedy) : NULL;
    return -EINVAL;
}

/* As inet_pton(), v4-mapped. Returns the address family or 0. */
static int parse_address(const char *text, uint8_t address[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (inet_pton(AF_INET, text, address + 12) == 1) {
        memcpy(address, mapped, sizeof(mapped));
        return AF_INET;
    }
    return inet_pton(AF_INET6, text, address) == 1 ? AF_INET6 : 0;
}

static void set_tail(uint8_t address[16], unsigned prefix)
{
    for (unsigned bit = prefix; bit < 128; bit++)
        address[bit / 8] = (uint8_t)(address[bit / 8] | 0x80 >> (bit % 8));
}

static void increment(uint8_t address[16])
{
    for (int i = 15; i >= 0 && ++address[i] == 0; i--)
        ;
}

static int parse_prefix(const char *text, unsigned max, unsigned *ret_prefix)
{
    unsigned value = 0;

    if (!*text || strlen(text) > 3)
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        value = value * 10 + (unsigned)(*text - '0');
    }
    if (value > max)
        return -EINVAL;
    *ret_prefix = value;
    return 0;
}

/* "first-last": the fewest networks that hold these addresses and no other (as RFC 4632 §5.1 aggregates). */
static int parse_range(const char *text, const char *dash, struct ng_target *target,
                       const struct complaint *complaint)
{
    char first_text[TARGET_MAX + 1];
    uint8_t first[16], last[16];
    int family;

    (void)snprintf(first_text, sizeof(first_text), "%.*s", (int)(dash - text), text);
    family = parse_address(first_text, first);
    if (!family || parse_address(dash + 1, last) != family)
        return complain(complaint, "example: 192.0.2.10-192.0.2.19", "'%s' is no range of addresses", text);
    if (memcmp(first, last, sizeof(first)) > 0)
        return complain(complaint, NULL, "the range '%s' ends before it begins", text);
    target->kind = NG_TARGET_NETWORKS;
    for (target->prefixes = 0; target->prefixes < NG_PREFIXES_MAX;) {
        struct ng_prefix *prefix = &target->prefix[target->prefixes++];
        uint8_t top[16];

        memcpy(prefix->address, first, sizeof(first));
        /* The largest network that begins here and does not go beyond the last address. */
        for (prefix->bits = 128; prefix->bits > 0; prefix->bits--) {
            unsigned bit = prefix->bits - 1U;
            uint8_t m = (uint8_t)(0x80 >> (bit % 8));

            memcpy(top, first, sizeof(top));
            set_tail(top, bit);
            if (first[bit / 8] & m || memcmp(top, last, sizeof(top)) > 0)
                break;
        }
        memcpy(top, first, sizeof(top));
        set_tail(top, prefix->bits);
        if (memcmp(top, last, sizeof(top)) == 0)
            return 0;
        memcpy(first, top, sizeof(first));
        increment(first);
    }
    return complain(complaint, NULL, "the range '%s' falls into too many networks", text);
}

static int parse_network(const char *text, struct ng_target *target, const struct complaint *complaint)
{
    char address[TARGET_MAX + 1], shown[INET6_ADDRSTRLEN], remedy[INET6_ADDRSTRLEN + 32];
    const char *slash = strchr(text, '/');
    unsigned bits, base, prefix;
    int family;

    (void)snprintf(address, sizeof(address), "%.*s", (int)(slash ? slash - text : (long)strlen(text)), text);
    family = parse_address(address, target->prefix[0].address);
    if (!family)
        return complain(complaint, "examples: 192.0.2.1, 192.0.2.0/24, 2001:db8::/32",
                        "'%s' is no address and no network", text);
    bits = family == AF_INET ? 32 : 128;
    base = 128 - bits;
    prefix = bits;
    if (slash && parse_prefix(slash + 1, bits, &prefix) < 0)
        return complain(complaint, NULL, "the prefix of '%s' is no number from 0 to %u", text, bits);
    if (ng_clear_after(target->prefix[0].address, base + prefix)) {
        (void)inet_ntop(family, target->prefix[0].address + (family == AF_INET ? 12 : 0), shown, sizeof(shown));
        (void)snprintf(remedy, sizeof(remedy), "write %s/%u, or the address alone", shown, prefix);
        return complain(complaint, remedy, "'%s' has bits set after its prefix", text);
    }
    target->kind = NG_TARGET_NETWORKS;
    target->prefix[0].bits = (uint8_t)(base + prefix);
    target->prefixes = 1;
    return 0;
}

static bool numeric(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return length > 0;
}

/* Whether the mapping of UTS 46 drops a character: the name without it would be another one. `at` is the first octet of
 * one in UTF-8. */
static bool is_dropped(const char *at, size_t octets)
{
    char around[16];
    char *ascii = NULL;
    bool dropped;

    (void)snprintf(around, sizeof(around), "x%.*sx", (int)octets, at);
    dropped = idn2_to_ascii_8z(around, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK &&
              strcmp(ascii, "xx") == 0;
    idn2_free(ascii);
    return dropped;
}

/* To A-labels, where the name has other characters than ASCII. Returns 0, 1 when it is ASCII as it is. What stands for
 * ASCII that no name can have, as a fullwidth slash does, is left out by libidn2, and refused here. */
static int to_ascii(const char *name, char **ret_ascii)
{
    const char *at = name;
    char *plain = NULL, *strict = NULL;
    int r;

    while (*at && (unsigned char)*at < 0x80)
        at++;
    if (!*at)
        return 1;
    for (size_t octets; *at; at += octets) {
        for (octets = 1; ((unsigned char)at[octets] & 0xc0) == 0x80;)
            octets++;
        if ((unsigned char)*at >= 0x80 && octets <= 4 && is_dropped(at, octets))
            return IDN2_DISALLOWED;
    }
    r = idn2_to_ascii_8z(name, &strict, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL | IDN2_USE_STD3_ASCII_RULES);
    if (r == IDN2_OK)
        r = idn2_to_ascii_8z(name, &plain, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (r == IDN2_OK && strcmp(plain, strict) != 0)
        r = IDN2_DISALLOWED;
    idn2_free(plain);
    if (r == IDN2_OK)
        *ret_ascii = strict;
    else
        idn2_free(strict);
    return r;
}

/* The canonical name of one that is ASCII. `text` is what people wrote. */
static int ascii_name(const char *text, const char *ascii, struct ng_name *ret_name, const struct complaint *complaint)
{
    size_t length = strlen(ascii);
    const char *last;
    int r;

    if (length && ascii[length - 1] == '.')
        length--;
    last = memrchr(ascii, '.', length);
    last = last ? last + 1 : ascii;
    if (numeric(last, (size_t)(ascii + length - last)))
        return complain(complaint,
                        strchr(ascii, '.') ? "the numbers of an IPv4 address are four, and go up to 255"
                                           : "a port is written after its destination: port 22",
                        "'%s' is no address, and no name ends in a number", text);
    r = ng_name_from_text(ascii, strlen(ascii), ret_name);
    if (r == -ENAMETOOLONG)
        return complain(complaint, NULL, "'%s' is too long: a label has up to 63 characters, a name 253", text);
    if (r < 0)
        return complain(complaint, "examples: example.org, *.example.org, .example.org, 192.0.2.0/24",
                        "'%s' is no name, address or network", text);
    return 0;
}

static int name_of(const char *text, const char *name, struct ng_name *ret_name, const struct complaint *complaint)
{
    char *ascii = NULL;
    int r = to_ascii(name, &ascii);

    if (r == 1)
        return ascii_name(text, name, ret_name, complaint);
    if (r != IDN2_OK)
        return complain(complaint, "check its characters, or write its ASCII form (xn--...)",
                        "'%s' is no international name: %s", text, idn2_strerror(r));
    r = ascii_name(text, ascii, ret_name, complaint);
    idn2_free(ascii);
    return r;
}

static int parse_name(const char *text, struct ng_target *target, const struct complaint *complaint)
{
    const char *name = text;

    target->kind = NG_TARGET_EXACT;
    if (strncmp(text, "*.", 2) == 0) {
        target->kind = NG_TARGET_WILDCARD;
        name += 2;
    } else if (*text == '.' && text[1]) {
        target->kind = NG_TARGET_BOTH;
        name++;
    }
    if (strcmp(text, "*") == 0 || strcmp(text, "*.") == 0)
        return complain(complaint, "what is reachable by default is the mode's: strict allows only what is allowed",
                        "no rule is for everything");
    if (strchr(name, '*'))
        return complain(complaint, "'*.example.org' is every name below example.org, '.example.org' also itself",
                        "'*' can only stand for whole labels at the beginning, as in '*.example.org'");
    return name_of(text, name, &target->name, complaint);
}

static int parse_group(const char *text, struct ng_target *target, const struct complaint *complaint)
{
    size_t length = strlen(text + 1);

    if (strchr(text, ':')) {
        char remedy[TARGET_MAX + 64];
        int name = (int)strcspn(text, ":");

        (void)snprintf(remedy, sizeof(remedy), "write: %.*s port %s", name, text, text + name + 1);
        return complain(complaint, remedy, "'%s' is more than a group", text);
    }
    if (length == 0 || length > NG_GROUP_MAX)
        return complain(complaint, "example: @public-doh", "'%s' is no group", text);
    target->kind = NG_TARGET_GROUP;
    memcpy(target->group, text + 1, length + 1);
    return 0;
}

/* Whether what is left of something pasted is a destination. */
static bool is_destination(const char *text)
{
    _cleanup_free_ struct ng_target *target = malloc(sizeof(*target));
    _cleanup_free_ char *error = NULL, *remedy = NULL;

    return target && !strpbrk(text, "[]@%") && ng_target_parse(text, strlen(text), target, &error, &remedy) == 0;
}

/* Cuts the host, and the port if there is one, out of SCHEME://USER@HOST:PORT/PATH, of which all but the host may be
 * missing. An IPv4 network keeps its prefix. */
static void cut_host(const char *text, char host[static TARGET_MAX + 1], char port[static TARGET_MAX + 1])
{
    const char *scheme = strstr(text, "://"), *at = scheme ? scheme + 3 : text, *rest;
    const char *user = memchr(at, '@', strcspn(at, "/"));
    uint8_t octets[16];

    at = user ? user + 1 : at;
    at += *at == '[';
    rest = at + strcspn(at, at > text && at[-1] == '[' ? "]" : ":/");
    (void)snprintf(host, TARGET_MAX + 1, "%.*s", (int)(rest - at), at);
    if (!scheme && *rest == '/' && parse_address(host, octets)) {
        rest += 1 + strspn(rest + 1, "0123456789");
        (void)snprintf(host, TARGET_MAX + 1, "%.*s", (int)(rest - at), at);
    }
    rest += *rest == ']';
    *port = '\0';
    if (*rest == ':')
        (void)snprintf(port, TARGET_MAX + 1, "%.*s", (int)strcspn(rest + 1, "/"), rest + 1);
}

/* What people paste: a URL, HOST:PORT, an address in brackets. */
static int parse_pasted(const char *text, const struct complaint *complaint)
{
    static const char *const examples[] = {"examples: example.org, *.example.org, .example.org, 192.0.2.0/24",
                                           "examples: example.org:443, 192.0.2.1:123/udp, [2001:db8::1]:443/tcp"};
    char host[TARGET_MAX + 1], port[TARGET_MAX + 1], remedy[2 * TARGET_MAX + 64];
    bool bracket;

    cut_host(text, host, port);
    bracket = complaint->probe && strchr(host, ':');
    if (!is_destination(host))
        (void)snprintf(remedy, sizeof(remedy), "%s", examples[complaint->probe]);
    else if (numeric(port, strlen(port)) && (strlen(port) > 5 || strtoul(port, NULL, 10) > 65535))
        (void)snprintf(remedy, sizeof(remedy), "ports go from 0 to 65535");
    else if (numeric(port, strlen(port)))
        (void)snprintf(remedy, sizeof(remedy), "write: %s%s%s%s%s", bracket ? "[" : "", host, bracket ? "]" : "",
                       complaint->probe ? ":" : " port ", port);
    else
        (void)snprintf(remedy, sizeof(remedy), "write: %s", host);
    return complain(complaint, remedy, "'%s' is %s, not a destination", text,
                    strstr(text, "://") ? "a URL" : "more than a name or an address");
}

/* "fe80::1%eth0", also in brackets. */
static bool names_interface(const char *text)
{
    char address[TARGET_MAX + 1];
    uint8_t octets[16];

    text += *text == '[';
    (void)snprintf(address, sizeof(address), "%.*s", (int)strcspn(text, "%"), text);
    return strchr(text, '%') && parse_address(address, octets);
}

static int copy_text(const char *text, size_t length, char copy[static TARGET_MAX + 1],
                     const struct complaint *complaint)
{
    if (length == 0 || length > TARGET_MAX || memchr(text, '\0', length))
        return complain(complaint, NULL, "this is no name, address or network");
    memcpy(copy, text, length);
    copy[length] = '\0';
    return 0;
}

int ng_target_parse(const char *text, size_t length, struct ng_target *ret_target, char **ret_error, char **ret_remedy)
{
    const struct complaint complaint = {ret_error, ret_remedy, false};
    char copy[TARGET_MAX + 1];
    const char *dash;
    uint8_t address[16];
    bool hex;

    if (copy_text(text, length, copy, &complaint) < 0)
        return -EINVAL;
    if (*copy == '@')
        return parse_group(copy, ret_target, &complaint);
    /* Most are names; an address has a ':' or ends in a digit. */
    if (!strpbrk(copy, ":/") && !(copy[length - 1] >= '0' && copy[length - 1] <= '9'))
        return parse_name(copy, ret_target, &complaint);
    if (names_interface(copy))
        return complain(&complaint, "write the address without '%': rules are for all interfaces",
                        "'%s' names an interface", copy);
    if (strstr(copy, "://") || *copy == '[')
        return parse_pasted(copy, &complaint);
    if (parse_address(copy, address))
        return parse_network(copy, ret_target, &complaint);
    /* One colon, and digits behind it: a port of a name or an IPv4 address. */
    if (strchr(copy, ':') && strchr(copy, ':') == strrchr(copy, ':') && strchr(copy, '.') < strchr(copy, ':') &&
        strchr(copy, '.') && numeric(strchr(copy, ':') + 1, strlen(strchr(copy, ':') + 1)))
        return parse_pasted(copy, &complaint);
    dash = strchr(copy, '-');
    hex = strspn(copy, "0123456789abcdefABCDEF:./-") == length;
    if (dash && hex && (strpbrk(copy, ":") || strspn(copy, "0123456789.-") == length))
        return parse_range(copy, dash, ret_target, &complaint);
    if (strpbrk(copy, "/:") && !hex)
        return parse_pasted(copy, &complaint);
    if (strpbrk(copy, "/:"))
        return parse_network(copy, ret_target, &complaint);
    return parse_name(copy, ret_target, &complaint);
}

static int parse_port(const char *text, struct ng_probe *probe, const struct complaint *complaint)
{
    unsigned long port;

    if (!numeric(text, strlen(text)) || strlen(text) > 5 || (port = strtoul(text, NULL, 10)) > 65535)
        return complain(complaint, NULL, "'%s' is no port: ports go from 0 to 65535", text);
    probe->port = (uint16_t)port;
    probe->port_given = true;
    return 0;
}

/* Cuts off "/tcp" or "/udp", and ":PORT"; what is left in `text` is a name, or an address without brackets. */
static int cut_port(char **text, struct ng_probe *probe, const struct complaint *complaint)
{
    char *slash = strrchr(*text, '/'), *colon = strrchr(*text, ':'), *close = strchr(*text, ']');

    if (slash) {
        if (strcmp(slash, "/tcp") != 0 && strcmp(slash, "/udp") != 0)
            return complain(complaint, "examples: example.org:443, 192.0.2.1:123/udp, [2001:db8::1]:443/tcp",
                            "'%s' is no protocol, expected '/tcp' or '/udp'", slash);
        probe->proto = slash[1] == 't' ? IPPROTO_TCP : IPPROTO_UDP;
        *slash = '\0';
    }
    if (**text == '[') {
        if (!close || (close[1] && close[1] != ':'))
            return complain(complaint, "example: [2001:db8::1]:443", "'%s' has no right ']'", *text);
        if (close[1] && parse_port(close + 2, probe, complaint) < 0)
            return -EINVAL;
        *close = '\0';
        (*text)++;
        return 0;
    }
    /* More than one colon: an IPv6 address. */
    if (!colon || strchr(*text, ':') != colon)
        return 0;
    *colon = '\0';
    return parse_port(colon + 1, probe, complaint);
}

int ng_probe_parse(const char *text, size_t length, struct ng_probe *ret_probe, char **ret_error, char **ret_remedy)
{
    const struct complaint complaint = {ret_error, ret_remedy, true};
    struct ng_probe probe = {0};
    char copy[TARGET_MAX + 1], *host = copy;

    if (copy_text(text, length, copy, &complaint) < 0)
        return -EINVAL;
    if (strstr(copy, "://"))
        return parse_pasted(copy, &complaint);
    if (cut_port(&host, &probe, &complaint) < 0)
        return -EINVAL;
    if (!parse_address(host, probe.address)) {
        if (strpbrk(host, "*@:") || *host == '.')
            return complain(&complaint, "examples: example.org:443, 192.0.2.1:123/udp, [2001:db8::1]:443/tcp",
                            "'%s' is not one name or address", host);
        if (name_of(host, host, &probe.name, &complaint) < 0)
            return -EINVAL;
        probe.named = true;
    }
    *ret_probe = probe;
    return 0;
}
