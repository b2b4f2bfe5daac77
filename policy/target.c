// SPDX-License-Identifier: BSD-2-Clause
/* From the text of a destination to a name, an address or a network. */
#include "ast.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TARGET_MAX 1023

struct complaint {
    char **error, **remedy;
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

/* Clears the bits after the prefix; whether there were any. */
static bool mask(uint8_t address[16], unsigned prefix)
{
    bool cleared = false;

    for (unsigned bit = prefix; bit < 128; bit++) {
        uint8_t m = (uint8_t)(0x80 >> (bit % 8));

        cleared |= (address[bit / 8] & m) != 0;
        address[bit / 8] = (uint8_t)(address[bit / 8] & ~m);
    }
    return cleared;
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

static int parse_network(const char *text, struct ng_target *ret_target, const struct complaint *complaint)
{
    struct ng_target target = {.kind = NG_TARGET_NETWORK};
    char address[TARGET_MAX + 1], shown[INET6_ADDRSTRLEN], remedy[INET6_ADDRSTRLEN + 32];
    const char *slash = strchr(text, '/');
    unsigned bits, base, prefix;
    int family;

    (void)snprintf(address, sizeof(address), "%.*s", (int)(slash ? slash - text : (long)strlen(text)), text);
    family = parse_address(address, target.address);
    if (!family)
        return complain(complaint, "examples: 192.0.2.1, 192.0.2.0/24, 2001:db8::/32",
                        "'%s' is no address and no network", text);
    bits = family == AF_INET ? 32 : 128;
    base = 128 - bits;
    prefix = bits;
    if (slash && parse_prefix(slash + 1, bits, &prefix) < 0)
        return complain(complaint, NULL, "the prefix of '%s' is no number from 0 to %u", text, bits);
    if (mask(target.address, base + prefix)) {
        (void)inet_ntop(family, target.address + (family == AF_INET ? 12 : 0), shown, sizeof(shown));
        (void)snprintf(remedy, sizeof(remedy), "write %s/%u, or the address alone", shown, prefix);
        return complain(complaint, remedy, "'%s' has bits set after its prefix", text);
    }
    target.prefix = (uint8_t)(base + prefix);
    *ret_target = target;
    return 0;
}

static bool numeric(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return length > 0;
}

static int parse_name(const char *text, struct ng_target *ret_target, const struct complaint *complaint)
{
    struct ng_target target = {.kind = NG_TARGET_EXACT};
    const char *name = text, *last;
    size_t length;
    int r;

    if (strncmp(text, "*.", 2) == 0) {
        target.kind = NG_TARGET_WILDCARD;
        name += 2;
    } else if (*text == '.' && text[1]) {
        target.kind = NG_TARGET_BOTH;
        name++;
    }
    if (strchr(name, '*'))
        return complain(complaint, "'*.example.org' is every name below example.org, '.example.org' also itself",
                        "'*' can only stand for whole labels at the beginning, as in '*.example.org'");
    length = strlen(name);
    if (length && name[length - 1] == '.')
        length--;
    last = memrchr(name, '.', length);
    last = last ? last + 1 : name;
    if (numeric(last, (size_t)(name + length - last)))
        return complain(complaint, "a port is written after its destination: port 22",
                        "'%s' is no address, and no name ends in a number", text);
    r = ng_name_from_text(name, strlen(name), &target.name);
    if (r == -EILSEQ)
        return complain(complaint, "write international names in their ASCII form (xn--...)",
                        "'%s' has characters that are not ASCII", text);
    if (r == -ENAMETOOLONG)
        return complain(complaint, NULL, "'%s' is too long: a label has up to 63 characters, a name 253", text);
    if (r < 0)
        return complain(complaint, "examples: example.org, *.example.org, .example.org, 192.0.2.0/24",
                        "'%s' is no name, address or network", text);
    *ret_target = target;
    return 0;
}

/* What people paste: a URL, or HOST:PORT. */
static int parse_pasted(const char *text, const struct complaint *complaint)
{
    const char *scheme = strstr(text, "://"), *host = scheme ? scheme + 3 : text;
    int length = (int)strcspn(host, ":/");
    char remedy[TARGET_MAX + 64];
    const char *rest = host + length;

    if (*rest == ':' && numeric(rest + 1, strcspn(rest + 1, "/")))
        (void)snprintf(remedy, sizeof(remedy), "write: %.*s port %.*s", length, host,
                       (int)strcspn(rest + 1, "/"), rest + 1);
    else
        (void)snprintf(remedy, sizeof(remedy), "write the name alone: %.*s", length, host);
    return complain(complaint, remedy, "'%s' is %s, not a destination", text, scheme ? "a URL" : "more than a name");
}

int ng_target_parse(const char *text, size_t length, struct ng_target *ret_target, char **ret_error, char **ret_remedy)
{
    const struct complaint complaint = {ret_error, ret_remedy};
    char copy[TARGET_MAX + 1];
    uint8_t address[16];
    bool hex;

    if (length == 0 || length > TARGET_MAX || memchr(text, '\0', length))
        return complain(&complaint, NULL, "this is no name, address or network");
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (strstr(copy, "://"))
        return parse_pasted(copy, &complaint);
    if (parse_address(copy, address))
        return parse_network(copy, ret_target, &complaint);
    hex = strspn(copy, "0123456789abcdefABCDEF:./") == length;
    if (strpbrk(copy, "/:") && !hex)
        return parse_pasted(copy, &complaint);
    if (strpbrk(copy, "/:"))
        return parse_network(copy, ret_target, &complaint);
    return parse_name(copy, ret_target, &complaint);
}
