# Packaging of anycast-healthchecker: installed files, static cross builds, release archives, a Debian package.
# Included by the top-level Makefile, and usable by itself from the top of a source tree or of a release archive:
#
#   make -f contrib/packaging.mk install [DESTDIR=…] [PREFIX=/usr] [SYSCONFDIR=/etc] [BIN=path/to/binary]
#   make -f contrib/packaging.mk cross TARGET=aarch64-unknown-linux-musl     static binary, path on the last line
#   make -f contrib/packaging.mk minimal [TARGET=…] [STATIC=yes]              the smallest one
#   make -f contrib/packaging.mk dist [TARGETS='…']                          archives and SHA256SUMS in dist/
#   make -f contrib/packaging.mk deb [TARGET=…] [BIN=…]                      .deb in dist/, static, no debhelper

NAME := anycast-healthchecker
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

PREFIX ?= /usr
SYSCONFDIR ?= /etc
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
DOCDIR ?= $(DATADIR)/doc/$(NAME)
UNITDIR ?= $(LIBDIR)/systemd/system
ZSHDIR ?= $(DATADIR)/zsh/vendor-completions
DIST ?= dist
CARGO_TARGET_DIR ?= target

DEFAULT_TARGET := x86_64-unknown-linux-musl
TARGETS ?= $(DEFAULT_TARGET)

# A release archive has the binary beside Cargo.toml, a source tree below target/.
BIN ?= $(firstword $(wildcard $(NAME)) $(CARGO_TARGET_DIR)/release/$(NAME))

# Units, manual pages and the configuration name the default places; this names those of this installation.
AT_PREFIX = sed -e 's|/usr/sbin/$(NAME)|$(SBINDIR)/$(NAME)|g' \
    -e 's|/usr/share/doc/$(NAME)/|$(DOCDIR)/|g'

UNITS := $(NAME).service $(NAME)-withdraw.service $(NAME)-prefixes.service
DROP_INS := 10-anycast-run-now.conf 10-anycast-prefixes.conf 20-allow-ping.conf 20-allow-sudo.conf

.PHONY: install cross minimal dist deb contrib-tools

install: ## into DESTDIR, below PREFIX (/usr) and SYSCONFDIR (/etc)
	@test -f '$(BIN)' || { echo "cannot install $(BIN): it is not built, run make build or give BIN=" >&2; exit 1; }
	install -D -m 755 '$(BIN)' '$(DESTDIR)$(SBINDIR)/$(NAME)'
	install -D -m 755 contrib/nagios/check_anycast_healthchecker \
	    '$(DESTDIR)$(LIBDIR)/nagios/plugins/check_anycast_healthchecker'
	install -d -m 755 '$(DESTDIR)$(UNITDIR)' '$(DESTDIR)$(DOCDIR)/examples/systemd'
	for unit in $(UNITS); do \
	    $(AT_PREFIX) contrib/systemd/$$unit >'$(DESTDIR)$(UNITDIR)'/$$unit && \
	    chmod 644 '$(DESTDIR)$(UNITDIR)'/$$unit || exit 1; done
	for drop_in in $(DROP_INS); do \
	    $(AT_PREFIX) contrib/systemd/$$drop_in >'$(DESTDIR)$(DOCDIR)/examples/systemd'/$$drop_in && \
	    chmod 644 '$(DESTDIR)$(DOCDIR)/examples/systemd'/$$drop_in || exit 1; done
	install -D -m 644 contrib/systemd/$(NAME).sysusers '$(DESTDIR)$(LIBDIR)/sysusers.d/$(NAME).conf'
	install -D -m 644 contrib/systemd/$(NAME).tmpfiles '$(DESTDIR)$(LIBDIR)/tmpfiles.d/$(NAME).conf'
	install -d -m 755 '$(DESTDIR)$(MANDIR)/man8' '$(DESTDIR)$(MANDIR)/man5'
	$(AT_PREFIX) contrib/man/$(NAME).8 | gzip -9nc >'$(DESTDIR)$(MANDIR)/man8/$(NAME).8.gz'
	$(AT_PREFIX) contrib/man/$(NAME).conf.5 | gzip -9nc >'$(DESTDIR)$(MANDIR)/man5/$(NAME).conf.5.gz'
	chmod 644 '$(DESTDIR)$(MANDIR)/man8/$(NAME).8.gz' '$(DESTDIR)$(MANDIR)/man5/$(NAME).conf.5.gz'
	install -D -m 644 contrib/completions/$(NAME).bash \
	    '$(DESTDIR)$(DATADIR)/bash-completion/completions/$(NAME)'
	install -D -m 644 contrib/completions/$(NAME).zsh '$(DESTDIR)$(ZSHDIR)/_$(NAME)'
	install -D -m 644 contrib/completions/$(NAME).fish \
	    '$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/$(NAME).fish'
	for directory in bird/1.6 bird/2 bird/3 prometheus grafana; do \
	    install -d -m 755 '$(DESTDIR)$(DOCDIR)/examples'/$$directory && \
	    install -m 644 contrib/$$directory/* '$(DESTDIR)$(DOCDIR)/examples'/$$directory/ || exit 1; done
	install -m 644 contrib/debian/sudoers '$(DESTDIR)$(DOCDIR)/examples/sudoers'
	$(AT_PREFIX) contrib/debian/$(NAME).conf >'$(DESTDIR)$(DOCDIR)/examples/$(NAME).conf'
	chmod 644 '$(DESTDIR)$(DOCDIR)/examples/$(NAME).conf'
	install -d -m 755 '$(DESTDIR)$(SYSCONFDIR)/$(NAME).d'
	@# What an operator has written stays.
	test -e '$(DESTDIR)$(SYSCONFDIR)/$(NAME).conf' || \
	    install -m 644 '$(DESTDIR)$(DOCDIR)/examples/$(NAME).conf' '$(DESTDIR)$(SYSCONFDIR)/$(NAME).conf'

cross: ## static binary for TARGET; without one, the list of targets
	@test -n '$(TARGET)' || { contrib/cross/build --list; exit 1; }
	@CARGO_TARGET_DIR='$(CARGO_TARGET_DIR)' contrib/cross/build '$(TARGET)'

minimal: ## the smallest binary, which shares the system's musl; STATIC=yes: with its own
	@CARGO_TARGET_DIR='$(CARGO_TARGET_DIR)' contrib/cross/build --minimal $(if $(STATIC),--static) \
	    '$(or $(TARGET),$(DEFAULT_TARGET))'

# What tests/contrib.rs runs.
contrib-tools:
	@CARGO_TARGET_DIR='$(CARGO_TARGET_DIR)' contrib/test-tools

dist: ## release archives for TARGETS and SHA256SUMS in dist/
	@CARGO_TARGET_DIR='$(CARGO_TARGET_DIR)' contrib/dist '$(DIST)' '$(VERSION)' $(TARGETS)

# With BIN= on the command line that binary is packed, else a static one is built.
deb: ## Debian package in dist/
	@CARGO_TARGET_DIR='$(CARGO_TARGET_DIR)' contrib/debian/build '$(DIST)' '$(VERSION)' \
	    '$(or $(TARGET),$(DEFAULT_TARGET))' '$(if $(filter command line,$(origin BIN)),$(BIN))'
