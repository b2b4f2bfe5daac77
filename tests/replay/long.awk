# Scenarios too long to be written: names that lead to each other one by one, each of which is in the cache already.
function record(i) { return sprintf("c%d.test. 300 IN %s", i, i < LAST ? "CNAME c" i + 1 ".test." : "A 203.0.113.1") "\nEND" }
function ask(i, type) {
    print "QUERY others c" i ".test " type "\nUPSTREAM c" i ".test " type " NOERROR\n" record(i) "\nANSWER NOERROR\n" record(i)
}
function world(title) {
    print "SCENARIO " title "\nCONFIG cache=10000 tracked=10000\nPOLICY\npolicy p { }\nEND\nDEPLOYMENT d p"
    for (i = 0; i <= LAST; i++) ask(i, i < LAST ? "CNAME" : "A")
    print "QUERY d c0.test CNAME"
}
BEGIN {
    LAST = 250
    world("as many names as one answer may lead to")
    print "ANSWER NOERROR\n" record(0) "\nPOLICY\npolicy p { deny c0.test }\nEND\nDENIED d 203.0.113.1 443\n"
    LAST = 5000
    world("more of them: refused, and nothing breaks")
    print "ANSWER SERVFAIL\nEND"
}
