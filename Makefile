# SPDX-License-Identifier: MIT
# Telefonista. Everything is built below build/; nothing is downloaded but
# Debian packages, and those only by `make deps` (demo and check call it).
#
#   make            the binaries            make demo     one whole call, heard
#   make check      the test suite          make run      a real Asterisk
#   make check-asan unit tests, sanitized   make lint     linters and format
#   make check-long soak, valgrind          make bench    fifty calls in chaos
#   make fuzz       a million inputs each   make format   clang-format
#   make check-faults  each fault in each phase of a call
#   make install    DESTDIR, PREFIX

B       := build
CC      := gcc
PREFIX  ?= /usr/local
LIBEXEC ?= $(PREFIX)/libexec/telefonista
DATADIR ?= $(PREFIX)/share/telefonista
PYTHON  := /usr/bin/python3
JOBS    := $(shell nproc)

PKGS    := libevent_core libevent_extra libevent_openssl libwebsockets libcurl libcjson libssl libcrypto libseccomp
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
SECCOMP_LIBS := $(shell pkg-config --libs libseccomp 2>/dev/null)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wformat=2 -Wvla \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wconversion \
	-Wimplicit-fallthrough=5 -Wlogical-op -Wduplicated-cond \
	-Wduplicated-branches -Wnull-dereference
HARDEN := -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	-fstack-clash-protection -fPIE
HARDEN_LD := -pie -Wl,-z,relro -Wl,-z,now
OPT    := -O2 -g
BUILD_ID := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

CPPFLAGS := -D_GNU_SOURCE -I. -DTELEFONISTA_LIBEXEC='"$(LIBEXEC)"' \
	-DTELEFONISTA_DATADIR='"$(DATADIR)"' $(PKG_CFLAGS)
CFLAGS   := -std=c17 $(OPT) $(WARN) $(HARDEN) $(if $(CI),-Werror) $(EXTRA_CFLAGS)
LDFLAGS  := $(HARDEN_LD) -Wl,--as-needed $(EXTRA_CFLAGS)

ROLES    := supervisor callworker toolworker
# The keeper is libc and libseccomp only: its own list, no room of ours but these.
KEEPER_SRC := $(addprefix supervisor/,keeper.c keeper_children.c keeper_image.c keeper_link.c keeper_main.c keeper_notify.c keeper_order.c keeper_reload.c keeper_supervisor.c keeper_wall.c spawn.c)
CTL_SRC := supervisor/telefonistactl.c
SUPERVISOR_SRC := $(filter-out $(KEEPER_SRC) $(CTL_SRC),$(wildcard supervisor/*.c))
# Apart, since libcurl would triple the memory of every call.
VOICECHECK_SRC := callworker/voicecheck.c
CALLWORKER_SRC := $(filter-out $(VOICECHECK_SRC),$(wildcard callworker/*.c))
TOOLWORKER_SRC := $(wildcard toolworker/*.c)
COMMON_SRC     := $(wildcard common/*.c)
UNIT_SRC       := $(wildcard tests/unit/test_*.c)

obj = $(patsubst %.c,$(B)/%.o,$(1))
BINS  := $(B)/telefonista $(B)/telefonistactl $(addprefix $(B)/telefonista-,$(ROLES) voicecheck)
UNITS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(UNIT_SRC))

EXAMPLE_DB := $(B)/db/example.sqlite

.PHONY: all
all: $(BINS) $(EXAMPLE_DB)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"; $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The build's identity goes into one object only, rebuilt when it changes.
$(B)/common/proc.o: CPPFLAGS += -DTELEFONISTA_BUILD='"$(BUILD_ID)"'
$(B)/common/proc.o: $(B)/build-id
$(B)/build-id: FORCE
	@mkdir -p $(@D)
	@echo '$(BUILD_ID)' | cmp -s - $@ || echo '$(BUILD_ID)' >$@
.PHONY: FORCE
FORCE:

$(B)/libcommon.a: $(call obj,$(COMMON_SRC))
$(B)/libsupervisor.a: $(call obj,$(filter-out %/main.c,$(SUPERVISOR_SRC)) $(filter-out %_main.c,$(KEEPER_SRC)))
$(B)/libcallworker.a: $(call obj,$(filter-out %/main.c,$(CALLWORKER_SRC)))
$(B)/libtoolworker.a: $(call obj,$(filter-out %/main.c,$(TOOLWORKER_SRC)))
$(B)/%.a:
	@rm -f $@
	@$(AR) rcs $@ $^

$(B)/telefonista: $(call obj,$(KEEPER_SRC)) $(call obj,$(addprefix common/,log.c utf8.c clock.c headroom.c clock_utc.c proc.c title.c secret.c sandbox.c sandbox_filter.c sandbox_landlock.c sandbox_trap.c))
	@echo "  LD    $@"; $(CC) $(LDFLAGS) -o $@ $^ $(SECCOMP_LIBS)
$(B)/telefonistactl: $(call obj,$(CTL_SRC) $(addprefix common/,json.c message.c proc.c))
	@echo "  LD    $@"; $(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm
$(B)/telefonista-voicecheck: $(call obj,$(VOICECHECK_SRC)) $(B)/libcommon.a
	@echo "  LD    $@"; $(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)
$(B)/telefonista-%: $(B)/lib%.a $(B)/libcommon.a
	@echo "  LD    $@"; $(CC) $(LDFLAGS) -o $@ $(B)/$*/main.o $(B)/lib$*.a $(B)/libcommon.a $(PKG_LIBS) -lm
$(foreach r,$(ROLES),$(eval $(B)/telefonista-$(r): $(B)/$(r)/main.o))

$(B)/tests/%: $(B)/tests/unit/%.o $(foreach r,$(ROLES),$(B)/lib$(r).a) $(B)/libcommon.a
	@mkdir -p $(@D)
	@echo "  LD    $@"; $(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS) -lcmocka -lm

# The roles with fault points (common/fault_point.h), for tests/faults; never
# shipped. Only what has any is compiled again, and takes the place of the same
# object in the libraries.
F := $(B)/faults
FAULT_SRC := $(shell grep -l common/fault_point.h common/*.c $(ROLES:%=%/*.c))
fault_obj  = $(patsubst %.c,$(F)/%.o,$(filter common/% $(1)/%,$(FAULT_SRC)) tests/faults/fault_point.c)
$(F)/%.o: CPPFLAGS += -DTELEFONISTA_FAULT_POINTS
$(F)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $@"; $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$(F)/telefonista: $(B)/telefonista
	@mkdir -p $(@D); cp $< $@
define fault_role
$(F)/telefonista-$(1): $(call fault_obj,$(1)) $(B)/$(1)/main.o $(B)/lib$(1).a $(B)/libcommon.a
	@echo "  LD    $$@"; $$(CC) $$(LDFLAGS) -o $$@ $$^ $$(PKG_LIBS) -lm
endef
$(foreach r,$(ROLES),$(eval $(call fault_role,$(r))))
.PHONY: faults
faults: $(F)/telefonista $(ROLES:%=$(F)/telefonista-%)

# What CUSTOMERS_DSN=example stands for; moved when it is whole.
$(EXAMPLE_DB): $(sort $(wildcard etc/db/*.sql))
	@mkdir -p $(@D)
	@echo "  DB    $@"; rm -f $@.new
	@cat $^ | sqlite3 -bail $@.new && mv $@.new $@

.PHONY: units unit
units: $(UNITS) $(B)/tests/ws_driver $(B)/tests/intruder
unit: units
	@tests/unit/run.sh $(UNITS)

# -- what people call -----------------------------------------------------------

.PHONY: deps demo run
deps:
	@packaging/install-deps.sh build run

# Packages first, then the build in a second make that finds their .pc files.
demo:
	@packaging/install-deps.sh build run demo
	@echo "Building"
	@$(MAKE) --no-print-directory -j$(JOBS) all >build-demo.log 2>&1 || \
		{ cat build-demo.log; rm -f build-demo.log; exit 1; }
	@rm -f build-demo.log
	@$(PYTHON) -m tests.demo.demo

ENV_FILE ?= .env
run: deps
	@test -f $(ENV_FILE) || { echo "$(ENV_FILE) is missing: cp" \
		"etc/telefonista.env.example $(ENV_FILE), then fill in its" \
		"first four values" >&2; exit 2; }
	@$(MAKE) --no-print-directory -j$(JOBS) all
	$(B)/telefonista --config $(ENV_FILE) --check
	exec $(B)/telefonista --config $(ENV_FILE)

# -- the test suite -------------------------------------------------------------

.PHONY: check check-tools check-unit check-e2e check-asan lint format
check:
	@packaging/install-deps.sh build run demo check
	@$(MAKE) --no-print-directory check-stages CI=1

# Every fault in every phase of a call; the table is in $(F)/table.txt. Calls
# mostly wait: more at once than there are cores.
.PHONY: check-faults
check-faults:
	@packaging/install-deps.sh build run demo check
	@$(MAKE) --no-print-directory -j$(JOBS) all faults CI=1
	$(PYTHON) -m pytest -q -n $(shell echo $$((3 * $(JOBS)))) --all-faults tests/faults

# What takes minutes: thousands of calls while everything breaks (see
# tests/soak/__main__.py; SOAK="--calls 60 --seed 7" and the like), 200 on a real
# Asterisk, a slow query heard by somebody, a call in valgrind, the sanitized
# build. Ends with what of it ran, at which commit.
.PHONY: check-long
check-long:
	@packaging/install-deps.sh build run demo check
	@tests/check-long.sh $(SOAK)

.PHONY: check-stages
check-stages:
	@tests/check.sh

# The same objects with sanitizers, in a tree of their own, from which the fuzz
# targets are linked, too: so clang, which has libFuzzer. Its warnings are
# others than gcc's, which are enough.
SANITIZE := -fsanitize=address,undefined,fuzzer-no-link \
	-fno-sanitize-recover=all -fno-omit-frame-pointer
SANITIZED := $(MAKE) --no-print-directory B=build/asan CI= CC=clang WARN=-w \
	OPT="-O1 -g" HARDEN=-fPIE EXTRA_CFLAGS="$(SANITIZE)" -j$(JOBS)
check-asan:
	$(SANITIZED) all unit

# Every parser of foreign bytes: see tests/fuzz/run.py. RUNS for each target.
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
RUNS    ?= 1000000
.PHONY: fuzz fuzzers
fuzzers: $(FUZZERS)
$(B)/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(foreach r,$(ROLES),$(B)/lib$(r).a) $(B)/libcommon.a
	@echo "  LD    $@"; $(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS) -lcmocka -lm
fuzz:
	$(SANITIZED) fuzzers
	$(PYTHON) tests/fuzz/run.py --runs $(RUNS)

# Fifty calls, tools that misbehave, toolworkers that are killed: see
# tests/bench/__main__.py. BENCH="--seed 7 --seconds 30" and the like. Then one
# question to up to 500 routers, and what a call costs.
.PHONY: bench
bench:
	@packaging/install-deps.sh build run demo
	@$(MAKE) --no-print-directory -j$(JOBS) all
	nice $(PYTHON) -m tests.bench $(BENCH)
	nice $(PYTHON) -m tests.bench.fleet
	nice $(PYTHON) -m tests.bench.footprint

C_FILES := $(shell git ls-files '*.c' '*.h' 2>/dev/null)
lint:
	clang-format --dry-run -Werror $(C_FILES)
	cppcheck --quiet --error-exitcode=1 --std=c11 -j $(JOBS) -I. \
		--enable=warning,performance,portability --inline-suppr \
		--suppressions-list=tests/cppcheck.suppress -D_GNU_SOURCE \
		-DTELEFONISTA_BUILD='"lint"' \
		-I/usr/include/$(shell gcc -print-multiarch) --include=tests/cppcheck.h \
		$(ROLES) common
	printf '%s\n' $(filter-out tests/%,$(filter %.c,$(C_FILES))) | \
		xargs -P $(JOBS) -I{} clang-tidy --quiet \
		--config-file=tests/clang-tidy {} -- -std=c17 $(CPPFLAGS) \
		-DTELEFONISTA_BUILD='"lint"'
format:
	clang-format -i $(C_FILES)

# -- installing --------------------------------------------------------------------

.PHONY: install
UNITS_DIR ?= $(PREFIX)/lib/systemd/system
SYSUSERS  ?= $(PREFIX)/lib/sysusers.d
# The keeper, too, is where nothing else is: its wall lets the folders of our
# programs be executed, and that must not be all of /usr/bin.
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBEXEC) $(DESTDIR)$(DATADIR)
	install -m 755 $(filter-out %/telefonistactl,$(BINS)) $(DESTDIR)$(LIBEXEC)
	ln -srf $(DESTDIR)$(LIBEXEC)/telefonista $(DESTDIR)$(PREFIX)/bin/telefonista
	install -m 755 $(B)/telefonistactl $(DESTDIR)$(PREFIX)/bin
	cp -R etc/personas etc/tools.d etc/db etc/asterisk \
		etc/telefonista.env.example etc/routers.json.example \
		$(DESTDIR)$(DATADIR)
	install -m 644 $(EXAMPLE_DB) $(DESTDIR)$(DATADIR)/db
	install -m 755 packaging/setup.sh packaging/check.sh $(DESTDIR)$(LIBEXEC)
	sed -i 's#/usr/local/share/telefonista#$(DATADIR)#' $(DESTDIR)$(LIBEXEC)/setup.sh
	install -D -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/telefonista/README.md
	install -D -m 644 packaging/telefonista.sysusers $(DESTDIR)$(SYSUSERS)/telefonista.conf
	install -d $(DESTDIR)$(UNITS_DIR)
	sed 's#@PREFIX@#$(PREFIX)#g' packaging/telefonista.service.in >$(DESTDIR)$(UNITS_DIR)/telefonista.service

.PHONY: clean
clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.SECONDARY:
