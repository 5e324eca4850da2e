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
CFLAGS   ?= -O2 -g
TRP_CFLAGS := -std=gnu11 -D_GNU_SOURCE -I. $(WARN) $(HARDEN) $(SANFLAGS) -MMD -MP \
            -DTRP_VERSION='"$(VERSION)"' -DTRP_LIBEXECDIR='"$(LIBEXECDIR)"' -DTRP_DATADIR='"$(DATADIR)"'
TRP_LDFLAGS := -Wl,-z,relro,-z,now,-z,noexecstack $(SANFLAGS)
# trp-init, trp-router, trp-relay and hello run where no library is: static, unless a sanitizer needs its runtime
STATIC   := $(if $(SANITIZE),-pie,-static-pie)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2);)

objs = $(patsubst %.c,$(O)/%.o,$(wildcard $(addsuffix /*.c,$(1))))
LIBS_D := -lev -ljansson -linih -lseccomp -lcap

PROGRAMS := trpsup trpsupd trp-init trp-router trp-relay trp-notify trp-hello
all: $(addprefix $(O)/,$(PROGRAMS)) $(O)/preload.so $(O)/libtrp.a $(O)/trp-self-signed

# what is linked into what: the privilege of each program
$(O)/libbase.a:    $(call objs,base)
$(O)/libsandbox.a: $(call objs,sandbox)
$(O)/libprofile.a: $(call objs,supervisor/profile)
$(O)/librouter.a:  $(filter-out %/main.o,$(call objs,router router/relay))
$(O)/libdaemon.a:  $(filter-out $(O)/supervisor/main.o,$(call objs,supervisor))
$(O)/libtrp.a:     $(call objs,sandbox/adapter/native) $(addprefix $(O)/,sandbox/adapter/channel.o base/fdpass.o base/handoff.o)

$(O)/trpsupd:    $(O)/supervisor/main.o $(addprefix $(O)/lib,daemon.a profile.a sandbox.a base.a)
	$(call say,LD,$@)$(CC) -pie $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_D)
$(O)/trpsup:     $(call objs,supervisor/cli) $(addprefix $(O)/lib,profile.a sandbox.a base.a)
	$(call say,LD,$@)$(CC) -pie $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ -ljansson -linih -lseccomp
$(O)/trp-init:   $(call objs,sandbox/init) $(O)/libbase.a
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^
$(O)/trp-router: $(O)/router/main.o $(O)/librouter.a $(O)/libbase.a
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp
$(O)/trp-notify: $(call objs,sandbox/adapter/notify) $(O)/sandbox/adapter/options.o $(O)/libbase.a
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp
$(O)/trp-relay:  $(O)/router/relay/main.o $(O)/librouter.a $(O)/libbase.a
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp
$(O)/trp-hello:  $(call objs,profiles/hello) $(addprefix $(O)/lib,trp.a base.a)
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $^

# the preload adapter: freestanding (raw system calls, no libc), so that it loads into glibc and musl programs
PRELOAD_SRC := $(wildcard sandbox/adapter/preload/*.c) sandbox/adapter/channel.c sandbox/adapter/options.c base/fdpass.c base/handoff.c
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
$(O)/%.a:
	$(call say,AR,$@)rm -f $@ && ar rcsD $@ $^

# unit tests: each file one program; "wrap: f g" in its first lines names functions for the linker's --wrap
UNIT := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/test_*.c))
UNIT_LIBS := $(addprefix $(O)/lib,daemon.a profile.a router.a sandbox.a base.a)
$(UNIT): $(O)/%: $(O)/%.o $(UNIT_LIBS)
	$(call say,LD,$@)$(CC) -pie $(TRP_LDFLAGS) $(LDFLAGS) -o $@ $< \
		$(patsubst %,-Wl$(comma)--wrap=%,$(shell sed -n 's/.*wrap: *\([a-z0-9_ ]*\).*/\1/p;5q' $*.c)) \
		-Wl,--start-group $(UNIT_LIBS) -Wl,--end-group -lcmocka $(LIBS_D)
comma := ,

check-unit: $(UNIT)
	$(Q)tests/run-unit $(UNIT)

# test programs that run inside sandboxes or as clients
TESTPROGS := $(patsubst tests/progs/%.c,$(O)/tests/progs/%,$(wildcard tests/progs/*.c))
$(TESTPROGS): $(O)/tests/progs/%: $(O)/tests/progs/%.o $(O)/libbase.a
	$(call say,LD,$@)$(CC) -pie $(TRP_LDFLAGS) -o $@ $^ -lpthread
# nothing can be preloaded into a static one: for the notify adapter
STATICPROGS := $(O)/tests/progs/accept-modes-static $(O)/tests/progs/notify-attack-static
$(STATICPROGS): %-static: %.o
	$(call say,LD,$@)$(CC) $(STATIC) $(TRP_LDFLAGS) -o $@ $^ -lpthread
# the manual's example is compiled as it stands there
$(O)/tests/progs/native-example: doc/native-example.c $(O)/libtrp.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(CFLAGS) -Wall -Wextra -Werror -Isandbox/adapter/native -o $@ $^
testprogs: $(TESTPROGS) $(STATICPROGS) $(O)/tests/progs/native-example

check-system: all testprogs
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

lint: deps
	$(Q)tests/lint

demo: export DEPS = build
demo: deps
	$(Q)$(MAKE) all
	$(Q)tests/demo

deps deps-bench:
	$(Q)tests/deps $@

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(DATADIR)/profiles
	install -m 755 $(O)/trpsup $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(O)/trpsupd $(DESTDIR)$(PREFIX)/sbin/
	install -m 755 $(O)/trp-init $(O)/trp-router $(O)/trp-relay $(O)/trp-notify $(O)/trp-hello $(O)/preload.so $(O)/trp-self-signed $(DESTDIR)$(LIBEXECDIR)/
	cp -r profiles/*.ini $(filter-out %.ini profiles/hello,$(wildcard profiles/*)) $(DESTDIR)$(DATADIR)/profiles/
	install -d $(DESTDIR)/etc/trpsup/services $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib
	test -e $(DESTDIR)/etc/trpsup/trpsup.conf || install -m 644 etc/trpsup.conf $(DESTDIR)/etc/trpsup/
	sed 's|@PREFIX@|$(PREFIX)|g' etc/trpsup.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/trpsup.service
	install -m 644 sandbox/adapter/native/trp.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(O)/libtrp.a $(DESTDIR)$(PREFIX)/lib/
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	sed 's|@PREFIX@|$(PREFIX)|g; s|@VERSION@|$(VERSION)|g' etc/libtrp.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/libtrp.pc
	install -m 644 etc/completion/trpsup.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/trpsup
	for p in doc/*.[1-9]; do d=$(DESTDIR)$(PREFIX)/share/man/man$${p##*.}; install -d $$d; install -m 644 $$p $$d/; done

clean:
	rm -rf $(O)

.PHONY: all check check-unit check-system testprogs bench fuzz asan lint demo deps deps-bench install clean
.SECONDARY:
-include $(shell find $(O) -name '*.d' 2>/dev/null)
