# SPDX-License-Identifier: BSD-2-Clause
# Scenarios that nobody would think of, for what must hold always (check.h): few names that lead to each other in all
# ways, with times to live of all lengths, in tables that are too small for them; reloads, failures, entries that are
# taken away. SEED (1) and the next ones, COUNT (1) in all, of STEPS (250) steps each.

function any(n) { return int(rand() * n) }
function one(words,    list, n) { n = split(words, list, " "); return list[1 + any(n)] }
function name(n) { return "n" n ".test" }
function ttl() { return one("1 300 3000 3000") }

# Alternatives with blanks in them, or empty ones: parted by commas.
function either(words,    list, n) { n = split(words, list, ","); return list[1 + any(n)] }

function policy(    n, text) {
    for (n = 0; n < NAMES; n++)
        if (rand() < 0.2)
            text = text " deny " name(n) either(",,,, port 22, port 443, { answer refuse }, { answer decoy }")
        else if (rand() < 0.05)
            text = text " allow " name(n)
    return "POLICY\npolicy p {" text " }\npolicy q { deny " name(any(NAMES)) " deny *." name(any(NAMES)) " }\nEND"
}

# After a reload all is asked for: what the cache has must be denied by the new rules.
function reload(    n) {
    print policy()
    for (n = 0; n < NAMES; n++) {
        print "QUERY d", name(n), "A"
        print "QUERY d", name(n), "AAAA"
        print "QUERY others", name(n), "A"
        print "QUERY e _8443._https." name(n), "HTTPS"
    }
}

function ask(    i, count) {
    count = one("1 1 3 8")
    if (count > 1)
        print "TOGETHER"
    for (i = 0; i < count; i++) {
        type[++asked] = one("A A AAAA CNAME HTTPS SVCB TXT")
        question[asked] = ((type[asked] == "HTTPS" || type[asked] == "SVCB") && rand() < 0.4 ? "_8443._https." : "") name(any(NAMES))
        print "QUERY", one("d e others g" other " g" other), question[asked], type[asked] either(",, do,, tcp, noedns")
    }
    if (count > 1)
        print "APART"
}

function address(owner, kind) {
    if (kind == "A")
        print owner ".", ttl(), "IN A 203.0.113." 1 + any(12)
    else
        print owner ".", ttl(), "IN AAAA 2001:db8::" 1 + any(12)
}

function answer(i,    owner, next_one, count, seen) {
    if (rand() < 0.08) {
        print "UPSTREAM_FAILS", question[i], type[i]
        return
    }
    print "UPSTREAM", question[i], type[i], "NOERROR"
    owner = question[i]
    seen[owner] = 1
    count = type[i] == "CNAME" ? 1 : one("0 0 1 2")
    for (; count > 0; count--) {
        next_one = name(any(NAMES))
        if (next_one in seen)
            break
        print owner ".", ttl(), "IN CNAME", next_one "."
        seen[next_one] = 1
        owner = next_one
    }
    count = type[i] == "A" ? one("1 2 3") : type[i] == "AAAA" ? one("0 1 2") : 0
    for (; count > 0; count--)
        address(owner, type[i])
    if (type[i] == "HTTPS" || type[i] == "SVCB")
        print owner ".", ttl(), "IN " type[i] " 1", one(". . " name(any(NAMES)) "."), "ipv4hint=203.0.113." 1 + any(12)
    print "END"
}

# Of those that were asked last, some, in another order.
function upstreams(    i, j, t, count) {
    count = 1 + any(9)
    for (; asked > 0 && count > 0; count--) {
        i = 1 + any(asked)
        answer(i)
        question[i] = question[asked]
        type[i] = type[asked]
        asked--
    }
}

# What is rare.
function event(x) {
    if (x == 0) print "END_DEPLOYMENT g" other "\nDEPLOYMENT g" ++other, one("p q"), one("audit x x x")
    else if (x == 1) print "TIME 2"
    else if (x == 2) print "CANARY d", 1 + any(9), one("0 60")
    else if (x == 3) print "ASK_FAILS", one("0 0 11")
    else if (x == 4) print "CONFIG map-max=" one("10 30 1000") "\nTIME 1"
    else if (x == 5) print "LOSE q 203.0.113." 1 + any(12) "\nLOSE p 2001:db8::" 1 + any(12) "\nTIME 1"
    else print "UPSTREAM_RAW", name(any(NAMES)), "A"
}

function step(    x) {
    x = rand()
    if (x < 0.50) ask()
    else if (x < 0.82) upstreams()
    else if (x < 0.88) print "TIME", one("1 5 40 130 400")
    else if (x < 0.92) reload()
    else if (x < 0.94) print "MAP_FAILS", one("0 0 12")
    else if (x < 0.96) print "LOSE p 203.0.113." 1 + any(12) "\nTIME 1"
    else if (x < 0.98) print "GRANT d", name(any(NAMES)), one("0 60 600")
    else if (x < 0.99) print "NO_VERIFIER"
    else if (x < 0.993) print "PREWARM p"
    else event(any(7))
}

BEGIN {
    NAMES = 6
    SEED = SEED ? SEED : 1
    STEPS = STEPS ? STEPS : 250
    for (seed = SEED; seed < SEED + (COUNT ? COUNT : 1); seed++) {
        srand(seed)
        asked = other = 0
        print "SCENARIO random, seed " seed
        print "CONFIG floor=60 grace=60 tracked=" one("4 5 6 8 20 20"), "cache=" one("20 100 100"), "map-max=" one("10 1000 1000"),
            "stale=" one("0 300")
        print "POLICY\npolicy p { deny n0.test }\npolicy q { deny n1.test }\nEND\nADOPT p 203.0.113.3 100\nADOPT q 203.0.113.4 400\nDEPLOYMENT g0 q\nDEPLOYMENT d p\nDEPLOYMENT e p\nLOOSE"
        for (i = 0; i < STEPS; i++)
            step()
    }
}
