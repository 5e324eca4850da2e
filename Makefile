# trpsup: one non-recursive Makefile. V=1 shows the commands; O=DIR builds elsewhere; PREFIX, DESTDIR as usual.
#   make            all programs           make check-unit        unit tests (no privileges)
#   make demo       start the main job     make check-system      tests with real servers (root) [T=name]
#   make check      everything             make bench [B=name]    measurements
MAKEFLAGS  += --no-builtin-rules
PREFIX     ?= /usr/local
LIBEXECDIR := $(PREFIX)/lib/trpsup
DATADIR    := $(PREFIX)/share/trpsup
O          ?= build
VERSION    := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
CC         := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))

WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith \
            -Wwrite-strings -Wformat=2 -Wundef -Werror
HARDEN   := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
SANITIZE ?=
SANFLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
ROUTER_SANITIZE ?=
ROUTER_SAN := $(if $(ROUTER_SANITIZE),-fsanitize=$(ROUTER_SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
CFLAGS   ?= -O2 -g
TRP_CFLAGS := -std=gnu11 -D_GNU_SOURCE -I. $(WARN) $(HARDEN) $(SANFLAGS) -MMD -MP \
            $(if $(ROUTER_SANITIZE),-DTRP_ROUTER_SANITIZED) -DTRP_VERSION='"$(VERSION)"' -DTRP_LIBEXECDIR='"$(LIBEXECDIR)"' -DTRP_DATADIR='"$(DATADIR)"'
TRP_LDFLAGS := -Wl,-z,relro,-z,now,-z,noexecstack $(SANFLAGS)
# trp-init, trp-router, trp-relay and hello run where no library is: static, unless a sanitizer needs its runtime
STATIC   := $(if $(SANITIZE),-pie,-static-pie)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2);)

objs = $(patsubst %.c,$(O)/%.o,$(wildcard $(addsuffix /*.c,$(1))))
LIBS_D := -lev -ljansson -linih -lidn2 -lseccomp -lcap

PROGRAMS := trpsup trpsupd trp-init trp-router trp-relay trp-observer trp-notify trp-learn trp-keeper trp-sdnotify trp-logger trp-logread trp-hello trp-channels
all: $(addprefix $(O)/,$(PROGRAMS)) $(O)/preload.so $(O)/libtrp.a $(O)/trp-self-signed

# what is linked into what: the privilege of each program
$(O)/libbase.a:    $(call objs,base)
$(O)/libsandbox.a: $(call objs,sandbox)
$(O)/libprofile.a: $(call objs,supervisor/profile)
$(O)/libbox.a:     $(call objs,supervisor/box)
$(O)/libscore.a:   $(call objs,supervisor/score)
$(O)/librouter.a:  $(filter-out %/main.o,$(call objs,router router/protocol router/relay))
$(O)/liblearn.a:   $(filter-out %/main.o,$(call objs,sandbox/learn))
$(O)/libobserver.a: $(filter-out %/main.o,$(call objs,router/observer))
$(O)/liblog.a:     $(filter-out %/main.o,$(call objs,supervisor/logger supervisor/logread)) $(O)/supervisor/logfile.o $(O)/sandbox/beside.o
$(O)/libdaemon.a:  $(filter-out $(O)/supervisor/main.o,$(call objs,supervisor supervisor/learn))
$(O)/libtrp.a:     $(call objs,sandbox/adapter/native) $(addprefix $(O)/,sandbox/adapter/channel.o base/fdpass.o base/handoff.o base/several.o)

DAEMON_LIBS := $(addprefix $(O)/lib,daemon.a log.a score.a box.a profile.a sandbox.a base.a)
$(O)/trpsupd:    $(O)/supervisor/main.o $(DAEMON_LIBS)
	$(call say,LD,$@)$(CC) -pie $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_D)
$(O)/trpsup:     $(call objs,supervisor/cli) $(addprefix $(O)/lib,log.a score.a box.a profile.a sandbox.a base.a)
	$(call say,LD,$@)$(CC) -pie $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ -ljansson -linih -lidn2 -lseccomp
# With musl, in each sandbox once: glibc's start alone asks the processor 50 questions that a hypervisor must answer (1 ms), and
# dirties three times the memory. Without musl, or with a sanitizer: as the others.
MUSL     := $(if $(SANITIZE),,$(firstword $(wildcard /usr/lib/$(shell uname -m)-linux-musl)))
INIT_OBJ := $(if $(MUSL),$(patsubst %.c,$(O)/musl/%.o,$(wildcard sandbox/init/*.c base/*.c)),$(call objs,sandbox/init) $(O)/libbase.a)
$(O)/trp-init:   $(INIT_OBJ)
	$(call say,LD,$@)$(if $(MUSL),gcc -nostdlib -static-pie -Wl$(comma)--gc-sections $(TRP_LDFLAGS) -o $@ $(MUSL)/rcrt1.o $(MUSL)/crti.o $^ \
		-L$(MUSL) -lc $(shell gcc -print-libgcc-file-name) $(MUSL)/crtn.o,$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^)
# ROUTER_SANITIZE=address,undefined: that one program with sanitizers, in an otherwise plain build (tests/run-all)
ROUTER_OBJ := $(if $(ROUTER_SANITIZE),$(patsubst %.c,$(O)/sanitized/%.o,$(wildcard router/*.c router/protocol/*.c base/*.c tests/sanitized/*.c)), \
	$(O)/router/main.o $(O)/librouter.a $(O)/libbase.a)
$(O)/trp-router: $(ROUTER_OBJ)
	$(call say,LD,$@)$(CC) $(if $(ROUTER_SANITIZE),-pie $(ROUTER_SAN),$(STATIC)) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp -lnghttp2
$(O)/trp-notify: $(call objs,sandbox/adapter/notify) $(addprefix $(O)/sandbox/adapter/,options.o shown.o) $(O)/sandbox/beside.o $(O)/libbase.a
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp
$(O)/trp-learn:  $(O)/sandbox/learn/main.o $(O)/liblearn.a $(addprefix $(O)/sandbox/,beside.o seccomp_look.o) $(O)/libbase.a
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp
$(O)/trp-sdnotify: $(call objs,supervisor/sdnotify) $(O)/supervisor/notify.o $(O)/sandbox/beside.o $(O)/libbase.a
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp
$(O)/trp-keeper: $(call objs,supervisor/keeper) $(O)/supervisor/keeptable.o $(O)/sandbox/beside.o $(O)/libbase.a
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp
$(O)/trp-logger: $(O)/supervisor/logger/main.o $(O)/liblog.a $(O)/libbase.a
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp -lz
$(O)/trp-logread: $(O)/supervisor/logread/main.o $(O)/liblog.a $(O)/libbase.a
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp -lz
$(O)/trp-relay:  $(O)/router/relay/main.o $(O)/librouter.a $(O)/libbase.a
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp
$(O)/trp-observer: $(call objs,router/observer) $(O)/librouter.a $(O)/libbase.a
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp
$(O)/trp-hello:  $(call objs,profiles/hello) $(addprefix $(O)/lib,trp.a base.a)
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^

$(O)/trp-channels: $(O)/sandbox/helpers/trp-channels.o $(addprefix $(O)/lib,trp.a base.a)
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^

# the preload adapter: freestanding (raw system calls, no libc), so that it loads into glibc and musl programs
PRELOAD_SRC := $(wildcard sandbox/adapter/preload/*.c) $(addprefix sandbox/adapter/,channel.c options.c shown.c) base/fdpass.c base/handoff.c
PRELOAD_OBJ := $(PRELOAD_SRC:%.c=$(O)/preload/%.o)
$(PRELOAD_OBJ): $(O)/preload/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CFLAGS) $(filter-out $(HARDEN) $(SANFLAGS),$(TRP_CFLAGS)) -DTRP_FREESTANDING -fPIC \
		-ffreestanding -fno-stack-protector -U_FORTIFY_SOURCE -fvisibility=hidden -c -o $@ $<
$(O)/preload.so: $(PRELOAD_OBJ)
	$(call say,LD,$@)$(CC) -shared -nostdlib -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--no-undefined -Wl,-Bsymbolic -o $@ $^

# scripts that profiles run inside
$(O)/trp-%: sandbox/helpers/trp-%
	$(Q)install -m 755 $< $@

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CFLAGS) $(TRP_CFLAGS) -c -o $@ $<
# what says its version is compiled again when that changes: programs of one build are of one version. Who may not ask git (another
# user, by "make install") changes nothing.
$(O)/version: FORCE
	@mkdir -p $(@D)
	@test -e $@ -a '$(VERSION)' = unknown || echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@
FORCE:
$(patsubst %.c,$(O)/%.o,$(shell grep -wl TRP_VERSION $(wildcard router/*.c router/*/*.c sandbox/*/*.c sandbox/*/*/*.c supervisor/*.c supervisor/*/*.c))): $(O)/version
# the kernel's headers are not among musl's; behind them only what musl has not
$(O)/musl/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)musl-gcc $(CFLAGS) $(TRP_CFLAGS) -ffunction-sections -idirafter /usr/include/$(shell gcc -print-multiarch) -idirafter /usr/include -c -o $@ $<
$(O)/sanitized/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CFLAGS) $(TRP_CFLAGS) $(ROUTER_SAN) -c -o $@ $<
$(O)/%.a:
	$(call say,AR,$@)rm -f $@ && ar rcsD $@ $^

# unit tests: each file one program; "wrap: f g" in its first lines names functions for the linker's --wrap
UNIT := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/test_*.c))
UNIT_LIBS := $(addprefix $(O)/lib,trp.a daemon.a log.a learn.a score.a box.a profile.a observer.a router.a sandbox.a base.a)
$(UNIT): $(O)/%: $(O)/%.o $(UNIT_LIBS)
	$(call say,LD,$@)$(CC) -pie $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $< \
		$(patsubst %,-Wl$(comma)--wrap=%,$(shell sed -n 's/.*wrap: *\([a-z0-9_ ]*\).*/\1/p;5q' $*.c)) \
		-Wl,--start-group $(UNIT_LIBS) -Wl,--end-group -lcmocka -lnghttp2 -lz $(LIBS_D)
comma := ,

check-unit: $(UNIT)
	$(Q)tests/run-unit $(UNIT)

# doc/states.md from the state machine's table
states: $(O)/tests/unit/test_states_doc
	$(Q)TRP_RENEW=1 $<

# test programs that run inside sandboxes or as clients
TESTPROGS := $(patsubst tests/progs/%.c,$(O)/tests/progs/%,$(filter-out %/learn-known.c %/x86-calls.c %/vm-init.c,$(wildcard tests/progs/*.c)))
$(TESTPROGS): $(O)/tests/progs/%: $(O)/tests/progs/%.o $(O)/libbase.a
	$(call say,LD,$@)$(CC) -pie $(TRP_LDFLAGS) -o $@ $^ -lpthread
# nothing can be preloaded into a static one: for the notify adapter
STATICPROGS := $(addprefix $(O)/tests/progs/,$(addsuffix -static,accept-modes accept-corners notify-attack))
$(STATICPROGS): %-static: %.o
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) -o $@ $^ -lpthread
# every system call of it is written in it: no C library
$(O)/tests/progs/learn-known: tests/progs/learn-known.c
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -O1 -std=gnu11 -D_GNU_SOURCE -I. $(WARN) -DTRP_FREESTANDING -ffreestanding -fno-stack-protector \
		-static -nostdlib -o $@ $<
# the first program of the virtual machine of tests/system/vm.py
$(O)/tests/progs/vm-init: $(O)/tests/progs/vm-init.o
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) -o $@ $^
# i386 system calls, as two kinds of programs; no C library either
X86PROGS := $(if $(filter x86_64,$(shell uname -m)),$(O)/tests/progs/x86-calls $(O)/tests/progs/x86-calls-64)
$(O)/tests/progs/x86-calls: BITS := -m32
$(O)/tests/progs/x86-calls-64: BITS := -m64
$(X86PROGS): tests/progs/x86-calls.c
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(BITS) -O1 -std=gnu11 $(WARN) -ffreestanding -fno-stack-protector -fno-pic -fno-pie -static -nostdlib \
		-Wl,-z,noexecstack -o $@ $<
# the manual's example is compiled as it stands there
$(O)/tests/progs/native-example: doc/native-example.c $(O)/libtrp.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(CFLAGS) -Wall -Wextra -Werror -Isandbox/adapter/native -o $@ $^
# the attack suite's program, static: it runs in any sandbox, other programs' too
$(O)/tests/progs/hostile/hostile: $(call objs,tests/progs/hostile) $(addprefix $(O)/lib,trp.a base.a)
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) -o $@ $^ -lpthread
# the same for the adapter that needs a dynamic one
$(O)/tests/progs/hostile/hostile-dynamic: $(call objs,tests/progs/hostile) $(addprefix $(O)/lib,trp.a base.a)
	$(call say,LD,$@)$(CC) -pie $(TRP_LDFLAGS) -o $@ $^ -lpthread

# A second trpsupd and trp-init whose controls can be left out one by one (sandbox/weaken.h): what asks there is compiled again, the
# rest is as it is. Only for tests; nothing of this is installed.
WEAK_OBJ := $(patsubst %.c,$(O)/weak/%.o,tests/weaken.c $(shell grep -l 'sandbox/weaken\.h"' $(wildcard sandbox/*.c supervisor/*.c supervisor/*/*.c sandbox/init/*.c)))
WEAK_INIT := $(filter $(O)/weak/sandbox/init/%,$(WEAK_OBJ)) $(O)/weak/tests/weaken.o
$(O)/weak/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CFLAGS) $(TRP_CFLAGS) -DTRP_WEAKEN -c -o $@ $<
$(O)/weak/trpsupd: $(O)/supervisor/main.o $(filter-out $(filter-out %/weaken.o,$(WEAK_INIT)),$(WEAK_OBJ)) $(DAEMON_LIBS)
	$(call say,LD,$@)$(CC) -pie $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_D)
$(O)/weak/trp-init: $(WEAK_INIT) $(filter-out $(patsubst $(O)/weak/%,$(O)/%,$(WEAK_INIT)),$(call objs,sandbox/init)) $(addprefix $(O)/lib,sandbox.a base.a)
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ -lcap
weak: all $(O)/weak/trpsupd $(O)/weak/trp-init
	$(Q)for p in $(filter-out trpsup trpsupd trp-init,$(PROGRAMS)) preload.so; do ln -f $(O)/$$p $(O)/weak/$$p; done

testprogs: $(addprefix $(O)/tests/progs/hostile/,hostile hostile-dynamic) $(TESTPROGS) $(STATICPROGS) $(O)/tests/progs/learn-known $(O)/tests/progs/native-example $(O)/tests/progs/vm-init $(X86PROGS)

check-system: all testprogs $(if $(or $(if $(T),,all),$(filter hostile architectures,$(T))),weak)
	$(Q)tests/system/run $(if $(T),$(T))

check: deps
	$(Q)$(MAKE) all
	$(Q)tests/run-all

bench: deps-bench all testprogs
	$(Q)tests/bench/run $(if $(filter command line,$(origin B)),$(B))

FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz: deps
	$(Q)tests/fuzz/run $(or $(SECS),60) $(FUZZERS)

asan: deps
	$(Q)$(MAKE) O=build/asan SANITIZE=address,undefined check-unit

# the system tests, by default all, with a sanitized router
check-router: deps
	$(Q)$(MAKE) O=build/router-asan ROUTER_SANITIZE=address,undefined all testprogs
	$(Q)TRP_BUILD=build/router-asan tests/system/run $(if $(T),$(T))

lint: deps
	$(Q)tests/lint

demo: export DEPS = build
demo: deps
	$(Q)$(MAKE) all
	$(Q)tests/demo

deps deps-bench:
	$(Q)tests/deps $@

# SOURCE:TARGET of each file that is installed, executable as its source is; install and uninstall both go by it
into = $(foreach f,$(2),$(f):$(1)/$(notdir $(f)))
INSTALLED = $(call into,$(PREFIX)/bin,$(O)/trpsup) $(call into,$(PREFIX)/sbin,$(O)/trpsupd) \
	$(call into,$(LIBEXECDIR),$(addprefix $(O)/,$(filter-out trpsup trpsupd,$(PROGRAMS)) preload.so trp-self-signed)) \
	$(foreach f,$(wildcard profiles/*.ini) $(filter-out profiles/hello/%,$(wildcard profiles/*/*)),$(f):$(DATADIR)/$(f)) \
	$(call into,$(PREFIX)/lib/systemd/system,etc/trpsup.service etc/trpsup-services.service) \
	$(call into,$(PREFIX)/include,sandbox/adapter/native/trp.h) $(call into,$(PREFIX)/lib,$(O)/libtrp.a) \
	etc/libtrp.pc.in:$(PREFIX)/lib/pkgconfig/libtrp.pc etc/completion/trpsup.bash:$(PREFIX)/share/bash-completion/completions/trpsup \
	$(foreach f,$(wildcard doc/*.[1-9]),$(f):$(PREFIX)/share/man/man$(subst .,,$(suffix $(f)))/$(notdir $(f)))
FILLED_IN := lib/systemd/system/trpsup.service lib/pkgconfig/libtrp.pc
CONF      = $(DESTDIR)/etc/trpsup/trpsup.conf
APPARMOR_TO = $(DESTDIR)/etc/apparmor.d/trpsupd

install: all
	$(Q)set -e; for row in $(INSTALLED); do from=$${row%%:*}; mode=644; test ! -x $$from || mode=755; \
		install -D -m $$mode $$from $(DESTDIR)$${row#*:}; done
	sed -i 's|@PREFIX@|$(PREFIX)|g; s|@VERSION@|$(VERSION)|g' $(addprefix $(DESTDIR)$(PREFIX)/,$(FILLED_IN))
	install -d $(DESTDIR)/etc/trpsup/services
	test -e $(CONF) || install -m 644 etc/trpsup.conf $(CONF)
	# only where its syntax is known: AppArmor's start would stumble over it elsewhere. APPARMOR=yes for packages
	! test "$(APPARMOR)" = yes -o -e /etc/apparmor.d/abi/4.0 || install -D -m 644 etc/apparmor.d/trpsupd $(APPARMOR_TO)

# what somebody wrote in /etc/trpsup stays, and so do directories that others use too
uninstall:
	$(Q)set -e; for row in $(INSTALLED); do rm -f $(DESTDIR)$${row#*:}; done
	rm -f $(APPARMOR_TO)
	! cmp -s etc/trpsup.conf $(CONF) || rm $(CONF)
	for d in $(LIBEXECDIR) $(DATADIR) /etc/trpsup; do ! test -d $(DESTDIR)$$d || find $(DESTDIR)$$d -depth -type d -empty -delete; done

clean:
	rm -rf $(O)

.PHONY: FORCE all weak states check check-router check-unit check-system testprogs bench fuzz asan lint demo deps deps-bench install uninstall clean
.SECONDARY:
-include $(shell find $(O) -name '*.d' 2>/dev/null)
