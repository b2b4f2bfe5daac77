# Scenarios too long to be written: names that lead to each other one by one, each of which is in the cache already.
function record(i) { return sprintf("c%d.test. 300 IN %s", i, i < LAST ? "CNAME c" i + 1 ".test." : "A 203.0.113.1") "\nEND" }
function ask(i, type) {
    print "QUERY others c" i ".test " type "\nUPSTREAM c" i ".test " type " NOERROR\n" record(i) "\nANSWER NOERROR\n" record(i)
}
function world(title, rule) {
    print "SCENARIO " title "\nCONFIG cache=10000 tracked=10000\nPOLICY\npolicy p { " rule " }\nEND\nDEPLOYMENT d p"
    for (i = 0; i <= LAST; i++) ask(i, i < LAST ? "CNAME" : "A")
}
BEGIN {
    LAST = 60
    world("as many names as one answer may lead to")
    print "QUERY d c0.test CNAME\nANSWER NOERROR\n" record(0) "\nPOLICY\npolicy p { deny c0.test }\nEND\nDENIED d 203.0.113.1 443\n"
    LAST = 100
    world("what a rule needs and leads to more is refused, each time", "deny github.com")
    for (i = 0; i < 2; i++)
        print "QUERY d github.com A\nUPSTREAM github.com A NOERROR\ngithub.com. 300 IN CNAME c0.test.\nEND\nANSWER SERVFAIL\nEND"
    print "UNKNOWN d 203.0.113.1 443\n"
    LAST = 5000
    world("more of them: no rule needs them, one that would is refused, and nothing breaks")
    print "QUERY d c0.test CNAME\nANSWER NOERROR\n" record(0) "\nPOLICY_FAILS\npolicy p { deny c0.test }\nEND"
    print "\nSCENARIO who waits for much keeps nobody else from asking\nPOLICY\npolicy p { }\nEND\nDEPLOYMENT d p"
    for (i = 0; i < 16384; i++) print "QUERY others silent.test A"
    print "QUERY others silent.test A\nANSWER SERVFAIL\nEND"
    print "QUERY d a.test A\nUPSTREAM a.test A NOERROR\na.test. 300 IN A 203.0.113.1\nEND\nANSWER NOERROR\na.test. 300 IN A 203.0.113.1\nEND"
    print "\nSCENARIO names with many addresses have room together, or are refused\nCONFIG tracked=3 map-max=10000"
    print "POLICY\npolicy p { deny a.test, b.test, c.test }\nEND\nDEPLOYMENT d p"
    for (n = 0; n < 3; n++) {
        name = substr("abc", n + 1, 1) ".test"
        print "QUERY d " name " A\nUPSTREAM " name " A NOERROR"
        for (i = 0; i < 500; i++) print name ". 300 IN A 100.64." n * 4 + int(i / 200) "." i % 200
        print "END"
    }
    print "DENIED d 100.64.0.1 443\nDENIED d 100.64.6.99 443\nNOTE trouble tracked-full"
    print "\nSCENARIO a hint that is repeated is looked for a bounded number of times\nPOLICY\npolicy p { deny a.test }\nEND\nDEPLOYMENT d p"
    for (n = 513; n <= 514; n++) { # in one HTTPS record
        print "QUERY d a.test " (n == 513 ? "HTTPS" : "SVCB")
        printf "UPSTREAM_RAW a.test %s 0000 8180 0001 0001 0000 0000 0161 0474657374 00 %s 0001 ", n == 513 ? "HTTPS" : "SVCB", n == 513 ? "0041" : "0040"
        printf "c00c %s 0001 0000012c %04x 0001 00 0004 %04x ", n == 513 ? "0041" : "0040", 7 + 4 * n, 4 * n
        for (i = 0; i < n; i++) printf "cb0071%02x", n - 512
        print ""
    }
    print "DENIED d 203.0.113.1 443\nUNKNOWN d 203.0.113.2 443\nNOTE trouble malformed a.test"
    print "\nSCENARIO a name of pointers to pointers is one, up to a bound\nPOLICY\npolicy p { deny a.test }\nEND\nDEPLOYMENT d p"
    for (n = 126; n <= 127; n++) { # a TXT record of so many, then an address of the last one's name
        pointers = "c00c"
        for (i = 1; i < n; i++) pointers = pointers sprintf("%04x", 49152 + 36 + 2 * (i - 1))
        print "QUERY d a.test " (n == 126 ? "A" : "AAAA")
        printf "UPSTREAM_RAW a.test %s 0000 8180 0001 0002 0000 0000 0161 0474657374 00 %s 0001 ", n == 126 ? "A" : "AAAA", n == 126 ? "0001" : "001c"
        printf "c00c 0010 0001 0000012c %04x %s %04x 0001 0001 0000012c 0004 cb0071%02x\n", 2 * n, pointers, 49152 + 36 + 2 * (n - 1), n
        print n == 126 ? "DENIED d 203.0.113.126 443" : "UNKNOWN d 203.0.113.127 443\nNOTE trouble malformed a.test"
    }
    print "\nSCENARIO addresses that a name has no room for any more are learnt anew for a new rule\nCONFIG map-max=10000"
    print "POLICY\npolicy p { deny other.test }\nEND\nDEPLOYMENT d p"
    for (k = 0; k < 3; k++) {
        type = k < 2 ? "A" : "AAAA"
        print "QUERY d x.test " type (k == 1 ? " do" : "") "\nUPSTREAM x.test " type " NOERROR"
        for (i = 0; i < 450; i++)
            print "x.test. 3000 IN " (k < 2 ? sprintf("A 100.%d.%d.%d", 65 + k, i / 200, i % 200) : sprintf("AAAA 2001:db8::%x", i + 1))
        print "END"
    }
    print "POLICY\npolicy p { deny x.test }\nEND\nQUERY d x.test A tcp\nNOTHING_ASKED\nDENIED d 100.65.0.0 443"
    print "\nSCENARIO names that all lead to each other are refused when there is no room for more leads\nCONFIG tracked=40 cache=1000"
    print "POLICY\npolicy p { deny *.evil.test }\nEND\nDEPLOYMENT d p"
    for (k = 0; k < 3; k++)
        for (i = 0; i < 40; i++) {
            type = k < 2 ? "HTTPS" : "SVCB"
            print "QUERY others n" i ".evil.test " type (k ? " do" : "") "\nUPSTREAM n" i ".evil.test " type " NOERROR"
            for (j = 1; j <= 13; j++)
                print "n" i ".evil.test. 3000 IN " type " 1 n" (i + 13 * k + j) % 40 ".evil.test. ipv4hint=203.0.113." j
            print "END"
            if (k == 0)
                print "DENIED d 203.0.113.1 443"
        }
    print "NOTE trouble tracked-full n39.evil.test\nNO_NOTE trouble tracked-full n0.evil.test\nDENIED d 203.0.113.13 443"
}
