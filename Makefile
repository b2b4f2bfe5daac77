# SPDX-License-Identifier: BSD-2-Clause
# The whole build. `make help` lists the targets. Everything built lies in $(B).
SHELL := /bin/bash
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

VERSION := 0.1.0
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
CC = gcc
CLANG ?= clang
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
B ?= build$(if $(SAN),/san-$(SAN))
# What is generated is the same with sanitizers.
GEN = $(if $(SAN),$(patsubst %/san-$(SAN),%,$(B)),$(B))/gen
Q = $(if $(V),,@)

# The Debian packages, listed once: to build, and to test.
BUILD_PACKAGES = gcc libc6-dev make clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev libc-ares-dev libldns-dev \
	libjansson-dev libidn2-dev libpsl-dev libmicrohttpd-dev libcap-dev libsystemd-dev libsqlite3-dev flex bison pkg-config scdoc
TEST_PACKAGES = libcmocka-dev libclang-rt-14-dev iproute2 procps nsd nginx-light openssl openssh-server openssh-client \
	curl wget git python3 nodejs bind9-dnsutils musl-tools liburing-dev jq dnsperf lcov shellcheck util-linux unbound \
	libcap2-bin nftables chromium sqlite3

WARN = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
	-Wcast-qual -Wwrite-strings $(WERROR)
OPT ?= $(if $(SAN),-O1,-O2) -g
SANFLAGS_address = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SANFLAGS_thread = -fsanitize=thread -fno-omit-frame-pointer
SANFLAGS_coverage = --coverage
ALLCFLAGS = -std=gnu11 $(OPT) $(WARN) -D_GNU_SOURCE -D_FORTIFY_SOURCE=$(if $(SAN),0,2) -fstack-protector-strong -fPIE \
	-DNG_VERSION='"$(VERSION)"' -DNG_SBINDIR='"$(PREFIX)/sbin"' -DNG_LIBEXECDIR='"$(PREFIX)/libexec/namegate"' -DNG_SYSCONFDIR='"$(SYSCONFDIR)"' \
	-Iinclude -isystem $(GEN) $(SANFLAGS_$(SAN)) $(CFLAGS)
ALLLDFLAGS = -pie -Wl,-z,relro,-z,now $(SANFLAGS_$(SAN)) $(LDFLAGS)
LIBS_policy = -lidn2 -lpsl
LIBS_resolver = -lcares -lldns
LIBS_ledger = -lsqlite3 -ljansson
LIBS_daemon = -lbpf -lelf -lz -ljansson -lsystemd
LIBS_cli = -ljansson -lcares -lcap -lbpf -lelf -lz

ARCH := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
BPFCFLAGS = -target bpf -fno-strict-aliasing -D__TARGET_ARCH_$(ARCH) -g -O2 -std=gnu11 -Wall -Wextra -Werror -Wno-missing-declarations \
	-Iinclude -I$(GEN)

objects = $(patsubst %.c,$(B)/obj/%.o,$(filter-out %/main.c,$(wildcard $(1)/*.c)))
POLICY_OBJECTS = $(call objects,policy) $(B)/obj/gen/parse.o $(B)/obj/gen/lex.o
RESOLVER_OBJECTS = $(call objects,resolver)
LEDGER_OBJECTS = $(call objects,ledger)
DAEMON_OBJECTS = $(call objects,daemon)
CLI_OBJECTS = $(call objects,cli)
CLI_LIGHT = run attach status stats list events names incident allow client format options table words request private \
	job confine selftest probe host
SAN_OBJECTS = $(if $(filter address,$(SAN)),$(B)/obj/tests/lsan.o)
POLICY_SOURCES = $(wildcard policy/*.c)
RESOLVER_SOURCES = $(wildcard resolver/*.c)
FUZZERS = $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
# Under TSan those of resolver and ledger: the others run no threads.
UNIT_SOURCES = $(wildcard tests/unit/test_*.c)
UNIT_SOURCES_thread = $(shell grep -lE '/(resolver|ledger)/' $(UNIT_SOURCES) | xargs grep -LE '/(daemon|cli)/')
UNIT_TESTS = $(patsubst tests/unit/%.c,$(B)/tests/%,$(or $(UNIT_SOURCES_$(SAN)),$(UNIT_SOURCES)))
UNIT_ARCHIVES = $(patsubst %,$(B)/lib/%.a,$(if $(UNIT_SOURCES_$(SAN)),,cli daemon) resolver ledger policy)
MANPAGES = $(patsubst docs/%.scd,$(B)/man/%,$(wildcard docs/*.scd))

all: $(B)/namegate $(B)/namegate-tools $(B)/namegated $(MANPAGES)

help:
	@echo 'make            build $(B)/namegate and $(B)/namegated'
	@echo 'make deps       install the Debian packages that building and testing need'
	@echo 'make demo       install what is missing, build, and show the gate in a little internet of namespaces (root)'
	@echo 'make tutorial   install what is missing, build, and give a shell in that internet for docs/tutorial.md (root)'
	@echo 'make test       install what is missing, build, and run all tests (root)'
	@echo 'make check      the tests that need no root: unit, replay, fuzz seeds, under ASan and UBSan'
	@echo 'make check-system  the tests against the real kernel (root)'
	@echo 'make fuzz       run each fuzz target for FUZZ_SECONDS (default 10)'
	@echo 'make bench      connect(), resolver and a million names, as ratios (root); bench-peers installs more servers'
	@echo 'make soak       memory under 10 million random names, a thousand deployments, reloads, restarts, a hundred upgrades (root, two hours)'
	@echo 'make coverage   line coverage of policy/, resolver/ and the decision function'
	@echo 'make lint       headers compile alone, lines of 120 columns, shellcheck'
	@echo 'make install    DESTDIR= PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR)'
	@echo 'make uninstall  remove what install put there; configuration stays'
	@echo 'make clean      remove $(B)'
	@echo 'Variables: V=1 shows commands, SAN=address|thread builds with sanitizers, CC=clang'

-include $(shell find $(B)/obj $(GEN) $(B)/fuzz/obj -name '*.d' 2>/dev/null)

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CC   $<')
	$(Q)$(CC) $(ALLCFLAGS) -MMD -MP -c $< -o $@

# --- policy language
$(GEN)/parse.c: policy/parse.y
	@mkdir -p $(@D)
	$(Q)bison -Werror -o $@ --defines=$(GEN)/parse.h $<
$(GEN)/parse.h: $(GEN)/parse.c
$(GEN)/lex.c: policy/lex.l $(GEN)/parse.h
	$(Q)flex -o $@ $<
$(B)/obj/gen/%.o: $(GEN)/%.c $(GEN)/parse.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLCFLAGS) -Ipolicy -Wno-conversion -Wno-sign-conversion -Wno-unused -Wno-shadow -Wno-cast-qual \
		-Wno-missing-prototypes -MMD -MP -c $< -o $@
$(call objects,policy): $(GEN)/parse.h $(GEN)/lex.c

# --- BPF: object, stripped, as a skeleton
$(GEN)/vmlinux.h:
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c > $@
$(GEN)/%.bpf.o: bpf/%.bpf.c $(GEN)/vmlinux.h
	$(if $(V),,@echo '  BPF  $<')
	$(Q)$(CLANG) $(BPFCFLAGS) -MMD -MP -MT $@ -MF $@.d -c $< -o $@.tmp && $(BPFTOOL) gen object $@ $@.tmp && rm $@.tmp
$(GEN)/%.skel.h: $(GEN)/%.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@
$(call objects,daemon) $(B)/obj/daemon/main.o: $(GEN)/gate.skel.h

# --- the page of `report`: style and script as C strings, and the hash by which the page lets its script in
$(GEN)/%.inc: cli/%
	@mkdir -p $(@D)
	$(Q)sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< > $@
$(GEN)/%.hash.inc: cli/%
	@mkdir -p $(@D)
	$(Q)printf '"%s"\n' "$$(sha256sum < $< | cut -c 1-64 | tr a-f A-F | basenc --base16 -d | base64)" > $@
$(B)/obj/cli/report_html.o: $(GEN)/report.css.inc $(GEN)/report.js.inc $(GEN)/report.js.hash.inc

# --- programs
$(B)/namegated: $(B)/obj/daemon/main.o $(DAEMON_OBJECTS) $(RESOLVER_OBJECTS) $(LEDGER_OBJECTS) $(POLICY_OBJECTS) \
		$(SAN_OBJECTS)
	$(if $(V),,@echo '  LD   $@')
	$(Q)$(CC) $(ALLLDFLAGS) $^ $(LIBS_daemon) $(LIBS_resolver) $(LIBS_ledger) $(LIBS_policy) -o $@
# What asks the daemon, and nothing that takes long to load; the rest of the sub-commands.
$(B)/namegate: $(B)/obj/cli/main.o $(patsubst %,$(B)/obj/cli/%.o,$(CLI_LIGHT)) $(B)/obj/policy/nearest.o $(SAN_OBJECTS)
	$(if $(V),,@echo '  LD   $@')
	$(Q)$(CC) $(ALLLDFLAGS) $^ -ljansson -lcap -o $@
$(B)/namegate-tools: $(B)/obj/cli/main.o $(CLI_OBJECTS) $(LEDGER_OBJECTS) $(POLICY_OBJECTS) $(SAN_OBJECTS)
	$(if $(V),,@echo '  LD   $@')
	$(Q)$(CC) $(ALLLDFLAGS) $^ $(LIBS_cli) $(LIBS_ledger) $(LIBS_policy) -o $@

$(B)/man/%: docs/%.scd
	@mkdir -p $(@D)
	$(Q)scdoc < $< > $@

# --- tests
$(B)/lib/cli.a: $(CLI_OBJECTS)
$(B)/lib/daemon.a: $(DAEMON_OBJECTS)
$(B)/lib/resolver.a: $(RESOLVER_OBJECTS)
$(B)/lib/ledger.a: $(LEDGER_OBJECTS) $(B)/obj/tests/report/fixture.o
$(B)/lib/policy.a: $(POLICY_OBJECTS)
$(B)/lib/%.a:
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

WRAP_hits = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
WRAP_departure = $(patsubst %,-Wl$(COMMA)--wrap=%,sendmmsg ng_keeper_link_settle ng_upstream_send \
	$(addprefix ng_engine_,query meet gather conclude foresee))
COMMA = ,
$(B)/tests/test_%: $(B)/obj/tests/unit/test_%.o $(UNIT_ARCHIVES)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLLDFLAGS) $(WRAP_$*) $< -Wl,--start-group $(UNIT_ARCHIVES) -Wl,--end-group -lcmocka $(LIBS_daemon) $(LIBS_resolver) $(LIBS_ledger) $(LIBS_cli) $(LIBS_policy) -o $@
$(B)/tests/fixture: $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/report/*.c)) $(LEDGER_OBJECTS) $(SAN_OBJECTS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLLDFLAGS) $^ $(LIBS_ledger) -o $@
$(B)/tests/replay: $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/replay/*.c)) $(RESOLVER_OBJECTS) $(POLICY_OBJECTS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLLDFLAGS) $^ $(LIBS_resolver) $(LIBS_policy) -lbpf -o $@
# The fuzz targets share their objects.
FUZZFLAGS = -std=gnu11 -O1 -g -D_GNU_SOURCE -Iinclude -isystem $(GEN) -Ipolicy -Wno-everything \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZ_OBJECTS = $(patsubst %.c,$(B)/fuzz/obj/%.o,$(POLICY_SOURCES) $(RESOLVER_SOURCES) gen/parse.c gen/lex.c)
$(B)/fuzz/obj/gen/%.o: $(GEN)/%.c $(GEN)/parse.h
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZFLAGS) -c $< -o $@
$(B)/fuzz/obj/%.o: %.c $(GEN)/parse.h
	@mkdir -p $(@D)
	$(if $(V),,@echo '  FUZZ $<')
	$(Q)$(CLANG) $(FUZZFLAGS) -MMD -MP -c $< -o $@
$(B)/fuzz/fuzz_engine: $(patsubst %,$(B)/fuzz/obj/tests/replay/%.o,world check facts notes)
$(B)/fuzz/fuzz_%: $(B)/fuzz/obj/tests/fuzz/fuzz_%.o $(FUZZ_OBJECTS)
	$(Q)$(CLANG) -fsanitize=fuzzer,address,undefined $^ $(LIBS_resolver) $(LIBS_policy) -lbpf -o $@

# Unit tests and replay, as they are built now (see SAN).
unit: $(UNIT_TESTS) $(if $(wildcard tests/replay/*.c),$(B)/tests/replay)
	$(Q)printf '%s\n' $(UNIT_TESTS) | xargs -P 4 -I {} sh -c '{} > {}.log 2>&1 || { cat {}.log; echo "FAIL {}"; exit 255; }; \
		grep -h PASSED {}.log | tail -n 1 | sed "s|^|$$(basename {}) |"'
	$(Q)awk -f tests/replay/long.awk > $(B)/tests/long.rpl
	$(Q)awk -v COUNT=60 -f tests/replay/random.awk > $(B)/tests/random.rpl
	$(Q)$(B)/tests/replay tests/replay/*.rpl $(B)/tests/long.rpl $(B)/tests/random.rpl

check:
	$(Q)$(MAKE) --no-print-directory SAN=address check-conf unit
	$(Q)$(MAKE) --no-print-directory fuzz-seeds

check-thread:
	$(Q)$(MAKE) --no-print-directory SAN=thread unit

check-system: system-builds
	$(Q)NG_REQUIRE_ALL=1 B=$(abspath $(B)) tests/system/run

system-builds: all $(B)/tests/fixture upgrade-builds

fuzz-seeds: $(FUZZERS)
	$(Q)for f in $(FUZZERS); do n=$$(basename $$f); $$f -runs=0 tests/fuzz/seeds/$${n#fuzz_} 2> $(B)/fuzz/log || \
		{ tail -n 30 $(B)/fuzz/log; exit 1; }; echo "seeds of $$n hold"; done

FUZZ_SECONDS ?= 10
fuzz: $(FUZZERS)
	$(Q)printf '%s\n' $(FUZZERS) | xargs -P 2 -I {} sh -c 'n=$$(basename {}); mkdir -p $(B)/fuzz/corpus/$$n; \
		{} -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$(B)/fuzz/ $(B)/fuzz/corpus/$$n \
		tests/fuzz/seeds/$${n#fuzz_} 2> {}.log || { tail -n 30 {}.log; exit 255; }; \
		echo "$$n: $$(tail -n 1 {}.log)"'

# The policies that are installed are right, laid out, and pass their own tests.
check-conf: $(B)/namegate $(B)/namegate-tools
	$(Q)for set in conf/policies conf/sample.policy; do $(B)/namegate policy check --strict $$set && \
		$(B)/namegate policy test $$set > $(B)/conf.tap || { cat $(B)/conf.tap; exit 1; }; done
	$(Q)$(B)/namegate policy fmt --check $$(git ls-files 'conf/*.policy') && echo 'conf holds'

lint:
	$(Q)for h in include/namegate/*.h policy/*.h resolver/*.h ledger/*.h daemon/*.h cli/*.h bpf/decide.h bpf/mark.h; do \
		$(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused -Iinclude -fsyntax-only -x c $$h || exit 1; done
	$(Q)! LC_ALL=C.UTF-8 grep -nE '.{121,}' $$(git ls-files 'bpf/*' 'policy/*' 'resolver/*' 'ledger/*' 'daemon/*' 'cli/*' 'include/*')
	$(Q)git ls-files '*.sh' '*.bash' .ci/run tests/system/run ':!tests/system/t_*' | xargs -P 2 -n 8 shellcheck -x
	$(Q)# Scenarios apart from lib.sh: to read it again for each takes five times as long.
	$(Q)git ls-files 'tests/system/t_*.sh' | xargs -P 2 -n 8 shellcheck --exclude=SC1091,SC2153,SC2154 && echo 'lint holds'

coverage:
	$(Q)find build -name '*.gcda' -delete 2>/dev/null || true
	$(Q)$(MAKE) --no-print-directory SAN=coverage OPT=-O0 unit
	$(Q){ lcov -q --capture --directory build/san-coverage --output-file build/coverage.all && \
		lcov -q --extract build/coverage.all '*/policy/*' '*/resolver/*' '*/bpf/decide.h' '*/bpf/mark.h' -o build/coverage.info; } \
		2> build/coverage.log || { cat build/coverage.log; exit 1; }
	$(Q)lcov --list build/coverage.info

test:
	$(if $(filter-out file,$(origin B)),$(error make test builds in build and build/san-address: unset B))
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory -j2 all
	$(Q)$(MAKE) --no-print-directory lint
	$(Q)$(MAKE) --no-print-directory -j2 check
	$(Q)$(MAKE) --no-print-directory -j2 check-thread
	$(Q)$(MAKE) --no-print-directory -j2 fuzz FUZZ_SECONDS=5
	$(Q)$(MAKE) --no-print-directory -j2 system-builds
	$(Q)$(MAKE) --no-print-directory SAN=address -j2 system-builds
	$(Q)NG_REQUIRE_ALL=1 B='$(abspath build) $(abspath build/san-address)' tests/system/run

demo:
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory -j2 all
	$(Q)B=$(abspath $(B)) tests/demo/demo.sh

tutorial:
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory -j2 all
	$(Q)B=$(abspath $(B)) tests/demo/tutorial.sh

$(B)/tests/bench/policy: $(B)/obj/tests/bench/policy.o $(POLICY_OBJECTS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLLDFLAGS) $^ $(LIBS_policy) -o $@

# The daemon as other releases of it would be: built otherwise; and with another layout of what is in the kernel.
UPGRADE = build/upgrade
upgrade-builds: $(if $(SAN),,all)
	$(Q)$(MAKE) --no-print-directory SAN= B=build build/namegated
	@mkdir -p $(UPGRADE)/other/obj
	$(Q)cp -rpu build/gen $(UPGRADE)/other/ && cp -rpu build/obj/{gen,ledger,policy,resolver} $(UPGRADE)/other/obj/
	$(Q)$(MAKE) --no-print-directory SAN= B=$(UPGRADE)/other VERSION=$(VERSION)-other OPT=-O1 $(UPGRADE)/other/namegated
	@mkdir -p $(UPGRADE)/tree
	$(Q)cp -ru Makefile bpf daemon include ledger policy resolver $(UPGRADE)/tree/
	$(Q)awk '/__u64 started_at;/ { kept = $$0; next } { print } /__u64 outer;/ { print kept }' include/namegate/abi.h \
		> $(UPGRADE)/abi.h
	$(Q)cmp -s $(UPGRADE)/abi.h $(UPGRADE)/tree/include/namegate/abi.h || \
		cp $(UPGRADE)/abi.h $(UPGRADE)/tree/include/namegate/abi.h
	$(Q)$(MAKE) --no-print-directory -C $(UPGRADE)/tree SAN= B=$(abspath $(UPGRADE))/layout OPT=-O1 \
		$(abspath $(UPGRADE))/layout/namegated

soak: all upgrade-builds
	$(Q)B=$(abspath $(B)) tests/soak.sh
	$(Q)NG_MANY=1000 B=$(abspath $(B)) tests/system/run t_many.sh
	$(Q)NG_RELOADS=1000 NG_TIMEOUT=7200 B=$(abspath $(B)) tests/system/run t_reload.sh
	$(Q)NG_RESTARTS=1000 NG_TIMEOUT=7200 B=$(abspath $(B)) tests/system/run t_store.sh
	$(Q)NG_UPGRADES=100 NG_TIMEOUT=7200 B=$(abspath $(B)) tests/system/run t_upgrade.sh

bench: all bench-policy
	$(Q)B=$(abspath $(B)) tests/bench/bench.sh

bench-policy: $(B)/tests/bench/policy
	$(Q)B=$(abspath $(B)) tests/bench/policy.sh

# The same beside servers that are no packages of ours: installs them.
bench-peers:
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends dnsmasq-base dnsdist smartdns ipset
	$(Q)$(MAKE) --no-print-directory bench

# Asks dpkg first, so that nothing is downloaded, and no network needed, where all is there.
deps:
	$(Q)missing=$$(for p in $(BUILD_PACKAGES) $(TEST_PACKAGES); do \
		dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'install ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing; fi

# --- installation
MAN = $(DESTDIR)$(PREFIX)/share/man
DOC = $(DESTDIR)$(PREFIX)/share/doc/namegate
COMPLETIONS = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
CONFIGURATION = namegate.conf $(patsubst conf/%,%,$(wildcard conf/policies/*.policy conf/policies/groups/*.policy))
install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/namegate $(MAN)/man1 $(MAN)/man5 $(MAN)/man8 $(DOC) \
		$(COMPLETIONS) $(DESTDIR)$(SYSCONFDIR)/namegate/policies/groups $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 755 $(B)/namegated $(DESTDIR)$(PREFIX)/sbin/
	install -m 755 $(B)/namegate $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(B)/namegate-tools $(DESTDIR)$(PREFIX)/libexec/namegate/
	for n in 1 5 8; do install -m 644 $(B)/man/*.$$n $(MAN)/man$$n/ || exit 1; done
	install -m 644 conf/sample.policy conf/grafana-dashboard.json $(DOC)/
	install -m 644 conf/completion.bash $(COMPLETIONS)/namegate
	for f in $(CONFIGURATION); do test -e $(DESTDIR)$(SYSCONFDIR)/namegate/$$f || \
		install -m 644 conf/$$f $(DESTDIR)$(SYSCONFDIR)/namegate/$$f || exit 1; done
	sed 's|@SBINDIR@|$(PREFIX)/sbin|' conf/namegated.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/namegated.service

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/namegated $(DESTDIR)$(PREFIX)/bin/namegate \
		$(DESTDIR)$(PREFIX)/libexec/namegate/namegate-tools \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/namegated.service $(COMPLETIONS)/namegate \
		$(DOC)/sample.policy $(DOC)/grafana-dashboard.json \
		$(MAN)/man1/namegate.1 $(MAN)/man5/namegate.conf.5 $(MAN)/man5/namegate.policy.5 $(MAN)/man8/namegated.8
	rmdir $(DOC) $(DESTDIR)$(PREFIX)/libexec/namegate 2>/dev/null || true

clean:
	rm -rf $(B)

.PHONY: all help unit check check-conf check-thread check-system system-builds fuzz-seeds fuzz lint coverage test demo tutorial bench \
	bench-policy bench-peers soak upgrade-builds deps install uninstall clean
