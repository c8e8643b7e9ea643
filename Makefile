# mpserv. `make` alone lists the targets; README.md explains them.

PROGRAM ?= echo_mpserv
IMPL    ?= rust
HOST    ?= 127.0.0.1
PORT    ?= 9190

CARGO   ?= cargo
TARGET  := $(or $(CARGO_TARGET_DIR),target)
# Where the programs are, by IMPL: build.rs puts the C ones beside ours.
BIN      = $(TARGET)/$(if $(filter c C,$(IMPL)),c,release)

# $(call need,COMMAND,PACKAGES): COMMAND is there, or is installed (Debian, as root), or make says how to.
need = @command -v $(firstword $(1)) >/dev/null || { \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "make: installing $(2)"; apt-get update -qq && apt-get install -y -qq $(2) >/dev/null; \
	else \
		echo "make: there is no $(firstword $(1)): sudo apt-get install $(2)" >&2; exit 1; \
	fi; }

# How each program is called, and for a server, how to talk to it. All but two have their port in them.
ARGS_echo_mpserv    = $(PORT)
ARGS_echo_mpclient  = $(HOST) $(PORT)
CLIENT_echo_mpserv  = echo_mpclient
CLIENT_code05       = code04
CLIENT_socket_serve = socket_client
TALK_echo_mpserv    = nc $(HOST) $(PORT)    or    make run-client PORT=$(PORT)
TALK_code05         = make run-client PROGRAM=code05
TALK_socket_serve   = make run-client PROGRAM=socket_serve
TALK_rot13_serv     = nc 127.0.0.1 43211
SERVERS             = echo_mpserv code05 socket_serve rot13_serv
OTHERS              = fork zombie wait waitpid signal sigaction remove_zombie

# $(call one-of,LIST): PROGRAM is in LIST, or make says what is.
one-of = $(if $(filter $(PROGRAM),$(1)),,$(error PROGRAM=$(PROGRAM): choose one of $(1)))

.PHONY: help run run-server run-client strace-server strace-client release c test lint clean need-cargo need-cc need-strace

help:
	@echo 'make run-server     a server in the foreground; ctrl-C ends it   PROGRAM=$(PROGRAM) IMPL=$(IMPL) PORT=$(PORT)'
	@echo 'make run-client     its client                                   PROGRAM=$(PROGRAM) IMPL=$(IMPL) HOST=$(HOST) PORT=$(PORT)'
	@echo 'make run            a program that is no server                  PROGRAM=fork IMPL=$(IMPL)'
	@echo 'make strace-server  the server under strace -f'
	@echo 'make strace-client  the client under strace -f'
	@echo 'make c              the C programs, in $(TARGET)/c'
	@echo 'make release        everything as it is shipped, in $(TARGET)/release'
	@echo 'make test           all tests'
	@echo 'make lint           formatting, clippy, documentation'
	@echo 'make clean          removes $(TARGET)'
	@echo 'IMPL is rust or c.'
	@echo 'PROGRAM is a server ($(SERVERS))'
	@echo 'or, for run, one of $(OTHERS).'

run-server: release
	$(call one-of,$(SERVERS))
	@echo 'make: $(strip $(BIN)/$(PROGRAM) $(ARGS_$(PROGRAM))); ctrl-C ends it'
	@echo 'make: talk to it from another terminal:  $(TALK_$(PROGRAM))'
	@$(BIN)/$(PROGRAM) $(ARGS_$(PROGRAM))

run-client: release
	$(call one-of,$(filter-out rot13_serv,$(SERVERS)))
	@$(BIN)/$(CLIENT_$(PROGRAM)) $(ARGS_$(CLIENT_$(PROGRAM)))

run: release
	$(call one-of,$(OTHERS))
	@$(BIN)/$(PROGRAM)

strace-server: release need-strace
	$(call one-of,$(SERVERS))
	@echo 'make: talk to it from another terminal:  $(TALK_$(PROGRAM))'
	@strace -f $(BIN)/$(PROGRAM) $(ARGS_$(PROGRAM))

strace-client: release need-strace
	$(call one-of,$(filter-out rot13_serv,$(SERVERS)))
	@strace -f $(BIN)/$(CLIENT_$(PROGRAM)) $(ARGS_$(CLIENT_$(PROGRAM)))

release: need-cargo need-cc
	@$(CARGO) build --quiet --release

c: need-cargo need-cc
	@$(CARGO) build --quiet
	@echo 'make: the C programs are in $(TARGET)/c'

test: need-cargo need-cc need-strace
	$(call need,nc,netcat-openbsd)
	$(CARGO) test

lint: need-cargo
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps --all-features

clean: need-cargo
	$(CARGO) clean

need-cargo:
	@command -v $(firstword $(CARGO)) >/dev/null || { \
		echo 'make: there is no cargo: install Rust 1.88 or later, see https://www.rust-lang.org/tools/install' >&2; exit 1; }

need-cc:
	$(call need,$(or $(filter-out default,$(if $(filter default,$(origin CC)),cc,$(CC)))),gcc libc6-dev)

need-strace:
	$(call need,strace,strace)
