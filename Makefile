# SPDX-License-Identifier: MIT
# Telefonista. Everything is built below build/; nothing is downloaded but
# Debian packages, and those only by `make deps` (demo and check call it).
#
#   make            the binaries            make demo     one whole call, heard
#   make check      the test suite          make run      a real Asterisk
#   make check-asan unit tests, sanitized   make lint     linters and format
#   make format     clang-format            make install  DESTDIR, PREFIX

B       := build
CC      := gcc
PREFIX  ?= /usr/local
LIBEXEC ?= $(PREFIX)/libexec/telefonista
DATADIR ?= $(PREFIX)/share/telefonista
PYTHON  := /usr/bin/python3

PKGS    := libevent_core libevent_extra libwebsockets libcurl libcjson libssl libcrypto
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

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
# The keeper is libc only: its own list, no library of ours but these rooms.
KEEPER_SRC := supervisor/keeper.c supervisor/keeper_link.c supervisor/spawn.c supervisor/keeper_main.c
SUPERVISOR_SRC := $(filter-out $(KEEPER_SRC),$(wildcard supervisor/*.c))
CALLWORKER_SRC := $(wildcard callworker/*.c)
TOOLWORKER_SRC := $(wildcard toolworker/*.c)
COMMON_SRC     := $(wildcard common/*.c)
UNIT_SRC       := $(wildcard tests/unit/test_*.c)

obj = $(patsubst %.c,$(B)/%.o,$(1))
BINS  := $(B)/telefonista $(addprefix $(B)/telefonista-,$(ROLES))
UNITS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(UNIT_SRC))

.PHONY: all
all: $(BINS)

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

$(B)/telefonista: $(call obj,$(KEEPER_SRC)) $(call obj,common/log.c common/clock.c common/proc.c common/title.c common/secret.c)
	@echo "  LD    $@"; $(CC) $(LDFLAGS) -o $@ $^
$(B)/telefonista-%: $(B)/lib%.a $(B)/libcommon.a
	@echo "  LD    $@"; $(CC) $(LDFLAGS) -o $@ $(B)/$*/main.o $(B)/lib$*.a $(B)/libcommon.a $(PKG_LIBS) -lm
$(foreach r,$(ROLES),$(eval $(B)/telefonista-$(r): $(B)/$(r)/main.o))

$(B)/tests/%: $(B)/tests/unit/%.o $(foreach r,$(ROLES),$(B)/lib$(r).a) $(B)/libcommon.a
	@mkdir -p $(@D)
	@echo "  LD    $@"; $(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS) -lcmocka -lm

.PHONY: units unit
units: $(UNITS)
unit: units
	@set -e; for t in $(UNITS); do ./$$t; done

.PHONY: clean
clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.SECONDARY:
