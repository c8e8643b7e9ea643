# mpserv. `make` alone lists the targets; README.md explains them.

# Said on the command line; the environment may mean something else by these names.
PROGRAM = $(if $(filter run,$(MAKECMDGOALS)),fork,echo_mpserv)
IMPL    = rust
HOST    = 127.0.0.1
PORT    = 9190

PREFIX  ?= /usr/local

CARGO   ?= cargo
# The target folder that cargo uses, asked for once, when it is first needed.
METADATA = $(CARGO) metadata --format-version 1 --no-deps 2>/dev/null | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
TARGET   = $(eval TARGET := $(patsubst $(CURDIR)/%,%,$(or $(shell $(METADATA)),target)))$(TARGET)
# $(call rust,PROGRAM,OPTIONS) and $(call c,PROGRAM): build it alone, and print its path. cargo knows the paths of ours,
# build.rs the folder of the C ones, which it compiles whatever else is built.
PATHS = --message-format=json-render-diagnostics | sed -n 's|"$(CURDIR)/|"|g;
rust  = $(CARGO) build $(or $(2),--release) --bin $(1) $(PATHS) s|.*"executable":"\([^"]*\)".*|\1|p' | grep .
c     = $(CARGO) build --release --lib $(PATHS) s|.*"MPSERV_C_DIR","\([^"]*\)".*|\1/$(1)|p' | grep .
build = $($(IMPL))

# $(call need,COMMAND,PACKAGES): COMMAND is there, or is installed (Debian, as root), or make says how to.
need = @command -v $(1) >/dev/null || { \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "make: installing $(2)"; apt-get update -qq && apt-get install -y -qq $(2) >/dev/null; \
	else \
		echo "make: there is no $(1): sudo apt-get install $(2)" >&2; exit 1; \
	fi; }

# How each program is called, and for a server, how to talk to it. All but two have their port in them.
ARGS_echo_mpserv    = $(PORT)
ARGS_echo_mpclient  = $(HOST) $(PORT)
ARGS_mpserv         = $(PORT)
CLIENT_echo_mpserv  = echo_mpclient
CLIENT_code05       = code04
CLIENT_socket_serve = socket_client
TALK_echo_mpserv    = nc $(HOST) $(PORT)    or    make run-client PORT=$(PORT)
TALK_mpserv         = nc $(HOST) $(PORT)
TALK_code05         = make run-client PROGRAM=code05
TALK_socket_serve   = make run-client PROGRAM=socket_serve
TALK_rot13_serv     = nc 127.0.0.1 43211
SERVERS             = echo_mpserv code05 socket_serve rot13_serv mpserv
CLIENTS_OF          = echo_mpserv code05 socket_serve
OTHERS              = fork zombie wait waitpid signal sigaction remove_zombie
TEXTBOOK            = $(filter-out mpserv,$(SERVERS)) echo_mpclient code04 socket_client $(OTHERS)

# PROGRAM, if it is set on the command line.
NAMED = $(if $(filter command,$(firstword $(origin PROGRAM))),$(PROGRAM))
# How much `make faults` tries: all faults, or part of them.
FAULTS = all
# SKIPS=fail makes a skipped test a failure, as in .ci/run.
SKIPS = allow
# The Debian that `make test-on` runs the tests on.
SUITE = trixie

# $(call check,VARIABLE,VALUES): a variable has one of these values, else make ends before anything is built.
check = $(if $(filter $(2),$($(1))),,$(error $(1)=$($(1)): choose one of $(2)))
# C is there; its name may have spaces.
check_c = $(if $(shell test -e '$(subst ','\'',$(C))' && echo yes),,$(error C=$(C): name your file, as in C=mine.c; there is none of this name))
# $(call goals,NAMES): those of the goals that are asked for.
goals = $(filter $(1),$(MAKECMDGOALS))

$(call check,IMPL,rust c)
$(if $(call goals,run),$(call check,PROGRAM,$(OTHERS)))
$(if $(call goals,run-server strace-server),$(call check,PROGRAM,$(if $(filter c,$(IMPL)),$(filter-out mpserv,$(SERVERS)),$(SERVERS))))
$(if $(call goals,run-client strace-client),$(call check,PROGRAM,$(CLIENTS_OF)))
$(if $(call goals,run-server run-client strace-server strace-client),\
	$(if $(shell [ "$(PORT)" -ge 1 ] 2>/dev/null && [ "$(PORT)" -le 65535 ] && echo yes),,\
		$(error PORT=$(PORT): choose a number from 1 to 65535)))
$(if $(call goals,compare lesson),$(if $(NAMED),$(call check,PROGRAM,$(TEXTBOOK))))
$(if $(call goals,lesson),$(if $(C),$(error C=$(C): a lesson is of this project's program; \
	for yours: mpserv-audit --lesson mine.html --a ./mine)))
$(if $(call goals,compare),$(if $(C),$(if $(NAMED),,$(error C=$(C): name its PROGRAM as well))$(call check_c)))
$(if $(call goals,exercise),$(call check,PROGRAM,$(TEXTBOOK))$(call check_c))
$(if $(call goals,faults),$(call check,FAULTS,all part))
$(if $(call goals,test),$(call check,SKIPS,allow fail))

.PHONY: help run run-server run-client strace-server strace-client watch-zombies release c test test-cross test-on test-packages memcheck miri sanitize \
        audit audit-report faults compare lesson exercise bench bench-peers lint install uninstall \
        clean \
        need-cargo need-cc need-strace

help:
	@echo 'make run-server     a server in the foreground; ctrl-C ends it   PROGRAM=$(PROGRAM) IMPL=$(IMPL) PORT=$(PORT)'
	@echo 'make run-client     its client                                   PROGRAM=$(PROGRAM) IMPL=$(IMPL) HOST=$(HOST) PORT=$(PORT)'
	@echo 'make run            a program that is no server                  PROGRAM=fork IMPL=$(IMPL)'
	@echo 'make strace-server  the server under strace -f'
	@echo 'make strace-client  the client under strace -f'
	@echo 'make watch-zombies  what ps says of a zombie, while its parent lives and after'
	@echo 'make compare        what the programs print, C and Rust side by side; PROGRAM=fork for one, C=FILE for your own C or C++'
	@echo 'make audit          the system calls of all programs, C against Rust; fails on a difference'
	@echo 'make audit-report   the same as a page with pictures, $(TARGET)/audit.html'
	@echo 'make faults         all of them, and mpserv, with every fault that their calls may meet; a page, $(TARGET)/faults.html'
	@echo '                    FAULTS=part for the first time of each call; ARGS=mpserv for one program'
	@echo 'make lesson         pages with both sources, their system calls and the kernel, in $(TARGET)/lesson; PROGRAM=fork for one'
	@echo 'make exercise       grades a mended C program: PROGRAM=echo_mpserv C=mine.c, and EXERCISE=zombies for one task'
	@echo 'make c              the C programs, in $(TARGET)/c'
	@echo 'make release        everything as it is shipped, in $(TARGET)/release'
	@echo 'make test           all tests; the last line sums up, and names what was skipped; SKIPS=fail fails on that'
	@echo 'make test-cross     ffi, the programs and the server for aarch64 and riscv64, under an emulator'
	@echo 'make test-on        make test and make audit in a fresh Debian, as root   SUITE=$(SUITE)'
	@echo 'make memcheck       the programs and the server under valgrind; fails on a finding'
	@echo 'make miri           the library'"'"'s unit tests under Miri (nightly Rust); fails on undefined behaviour'
	@echo 'make sanitize       the C programs with the compiler'"'"'s sanitizers; fails on a finding'
	@echo 'make bench          how fast the servers are, against plain C (5 minutes); ARGS=--help lists what can be chosen'
	@echo 'make bench-peers    the same, and against the servers of other projects that are installed'
	@echo 'make lint           formatting, clippy, documentation, warnings of gcc and clang'
	@echo 'make install        the three programs, man pages, completions, units  PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'make uninstall      removes them'
	@echo 'make clean          removes $(TARGET)'
	@echo 'IMPL is rust or c.'
	@echo 'PROGRAM is a server ($(SERVERS))'
	@echo 'or, for run, one of $(OTHERS).'

# $(call run,COMMAND): runs it in the foreground. ctrl-C is for the program, which may take its time to end. The shell
# stays a moment longer: make complains if its child ends before make itself has taken the signal.
run = trap 'sleep 0.2' INT; $(strip $(1)); status=$$?; [ $$status = 130 ] || exit $$status

run-server: need-cargo need-cc
	@program=$$($(call build,$(PROGRAM))) || exit; \
	echo "make: $$program $(ARGS_$(PROGRAM)); ctrl-C ends it"; \
	echo 'make: talk to it from another terminal:  $(TALK_$(PROGRAM))'; \
	$(call run,"$$program" $(ARGS_$(PROGRAM)))

run-client: need-cargo need-cc
	@program=$$($(call build,$(CLIENT_$(PROGRAM)))) || exit; $(call run,"$$program" $(ARGS_$(CLIENT_$(PROGRAM))))

run: need-cargo need-cc
	@program=$$($(call build,$(PROGRAM))) || exit; $(call run,"$$program")

strace-server: need-cargo need-cc need-strace
	@program=$$($(call build,$(PROGRAM))) || exit; \
	echo 'make: talk to it from another terminal:  $(TALK_$(PROGRAM))'; \
	$(call run,strace -f "$$program" $(ARGS_$(PROGRAM)))

strace-client: need-cargo need-cc need-strace
	@program=$$($(call build,$(CLIENT_$(PROGRAM)))) || exit; $(call run,strace -f "$$program" $(ARGS_$(CLIENT_$(PROGRAM))))

release: need-cargo need-cc
	$(CARGO) build --release

c: need-cargo need-cc
	@program=$$($(call c,echo_mpserv)) || exit; \
	[ -x "$$program" ] || { echo 'make: they could not be compiled: see the warning above' >&2; exit 1; }; \
	echo "make: the C programs are in $${program%/*}"

# Each folder of tests is a target of cargo; `make memcheck` and `make sanitize` run the checkers. Two targets run at
# once, because many tests wait. The output of a target is printed when the target ends.
FOLDERS       = $(patsubst tests/%/main.rs,%,$(sort $(wildcard tests/*/main.rs)))
TESTS         = $(patsubst %,--test=%,$(filter-out checkers,$(FOLDERS))) '--lib --bin=mpserv-audit' --doc
TESTS_AT_ONCE = 2
test_one      = said=$$($(CARGO) test --no-fail-fast {} 2>&1); status=$$?; \
	printf "%s\n\n" "$$said" | flock $(TARGET) cat; exit $$status
test: need-cargo need-cc need-strace
	$(call need,nc,netcat-openbsd)
	@mkdir -p $(TARGET)
	@{ $(CARGO) test --features std --test library -- std_ && $(CARGO) test --no-run && \
		printf '%s\n' $(TESTS) | xargs -P $(TESTS_AT_ONCE) -I {} sh -c '$(test_one)'; \
		echo "make: status $$?"; } 2>&1 | tee $(TARGET)/test.log
	@awk -v skips=$(SKIPS) -v file=$(TARGET)/test-summary -f tests/common/summary.awk $(TARGET)/test.log

# Packages of Debian that the tests use. A test is skipped if what it needs is not installed.
TEST_PACKAGES = bsdutils fail2ban finger fingerd fish g++ gcc git groff-base haproxy inetutils-ftpd iproute2 jq \
                libc6-dev logrotate make mandoc netcat-openbsd openssh-client openssh-server openssl procps \
                python3 python3-prometheus-client runit s6 socat strace stunnel4 systemd ucspi-tcp util-linux \
                zsh
test-packages:
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends $(TEST_PACKAGES)

# A copy of the sources, the Rust that is used here and the packages that cargo has fetched are put into a fresh Debian,
# which is the root of a mount namespace of its own.
ROOT   = $(TARGET)/test-on/$(SUITE)
INSIDE = env -i HOME=/root LANG=C.UTF-8 PATH=/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin \
         CARGO_HOME=/opt/cargo CARGO_NET_OFFLINE=true CARGO_TARGET_DIR=/opt/target sh -exc
VERSIONS = cat /etc/debian_version; ldd --version | head -1; gcc --version | head -1; strace --version | head -1; rustc --version
test-on: need-cargo
	$(call need,mmdebstrap,mmdebstrap)
	@[ "$$(id -u)" = 0 ] || { echo 'make: test-on makes a root directory: run it as root' >&2; exit 1; }
	$(CARGO) fetch --locked
	rm -rf --one-file-system $(ROOT)
	mkdir -p $(ROOT)
	mmdebstrap --variant=apt --aptopt='Acquire::Check-Valid-Until "false"' --include='mount $(TEST_PACKAGES)' $(SUITE) $(ROOT)
	mkdir -p $(addprefix $(ROOT)/opt/,source rust cargo/registry target)
	tar -c --exclude=./.git --exclude=./$(TARGET) . | tar -x -C $(ROOT)/opt/source
	unshare --mount sh -ec ' \
		mount --bind $(ROOT) $(ROOT); \
		mount --bind -o ro "$$(rustc --print sysroot)" $(ROOT)/opt/rust; \
		mount --bind "$${CARGO_HOME:-$$HOME/.cargo}/registry" $(ROOT)/opt/cargo/registry; \
		mount --rbind /dev $(ROOT)/dev; mount --rbind /sys $(ROOT)/sys; mount -t proc proc $(ROOT)/proc; \
		cd $(ROOT); pivot_root . .; umount -l .; cd /opt/source; \
		$(INSIDE) "$(VERSIONS); make -k test audit"'

# The C compilers, emulators and Rust libraries of other processors. Without one, its tests are skipped.
test-cross: need-cargo need-cc
	$(call need,aarch64-linux-gnu-gcc,gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
	$(call need,riscv64-linux-gnu-gcc,gcc-riscv64-linux-gnu libc6-dev-riscv64-cross)
	$(call need,qemu-aarch64,qemu-user)
	rustup target add aarch64-unknown-linux-gnu riscv64gc-unknown-linux-gnu || true
	$(CARGO) test --test build -- --ignored

memcheck: need-cargo need-cc
	$(call need,valgrind,valgrind libc6-dbg)
	$(CARGO) test --test checkers -- memcheck

# Miri interprets the program, and knows no processes and no sockets: it runs the unit tests, not those of tests/.
miri: need-cargo
	@$(CARGO) +nightly miri --version >/dev/null 2>&1 || \
		{ echo 'make: Miri is missing: rustup toolchain install nightly; rustup +nightly component add miri rust-src'; exit 1; }
	MIRIFLAGS=-Zmiri-disable-isolation $(CARGO) +nightly miri test --target-dir target/miri --lib

sanitize: need-cargo need-cc
	$(CARGO) test --test checkers -- sanitize

# In the development build from main on, in the release build from execve on.
audit: release need-strace
	$(CARGO) build
	tool=$$($(call rust,mpserv-audit,--profile dev)) && "$$tool" --from main $(ARGS)
	tool=$$($(call rust,mpserv-audit)) && "$$tool" --from execve $(ARGS)

audit-report: release need-strace
	@tool=$$($(call rust,mpserv-audit)) && "$$tool" --from execve --html $(TARGET)/audit.html $(ARGS)
	@echo 'make: open $(TARGET)/audit.html'

faults: release need-strace
	@tool=$$($(call rust,mpserv-audit)) && "$$tool" --faults $(FAULTS) --html $(TARGET)/faults.html $(ARGS)
	@echo 'make: open $(TARGET)/faults.html'

# The development build, which knows its lines.
lesson: need-cargo need-cc need-strace
	$(call need,addr2line,binutils)
	@$(CARGO) build --quiet
	@tool=$$($(call rust,mpserv-audit,--profile dev)) && "$$tool" --lesson $(TARGET)/lesson $(NAMED) $(ARGS)
	@echo 'make: open $(TARGET)/lesson/$(or $(NAMED),index).html'

EXERCISE =
exercise: need-cargo need-cc need-strace
	$(CARGO) build
	@tool=$$($(call rust,mpserv-audit,--profile dev)) && "$$tool" --exercise $(C) $(PROGRAM) $(EXERCISE)

# Without PROGRAM, all; with C, the user's own program in place of ours.
compare: release need-strace
	$(if $(filter %.cc %.cpp %.cxx,$(C)),$(call need,c++,g++))
	@tool=$$($(call rust,mpserv-audit)) && "$$tool" --output $(if $(C),--c '$(subst ','\'',$(C))') $(NAMED) $(ARGS)

# What ps says of a child that ended and was not waited for, while its parent lives and after.
watch-zombies: need-cargo need-cc
	$(call need,ps,procps)
	@program=$$($(call build,zombie)) || exit; \
	"$$program" & parent=$$!; \
	for try in 1 2 3 4 5 6 7 8 9 10; do ps -o stat= --ppid $$parent | grep -q Z && break; sleep 0.2; done; \
	child=$$(ps -o pid= --ppid $$parent); \
	echo "make: the parent sleeps for 30 seconds and does not wait for its child:"; \
	ps -o user,pid,ppid,tty,stat,command -p $$parent -p $$child; \
	wait $$parent; \
	echo "make: the parent has ended, so init has inherited the zombie and waits for it:"; \
	for try in 1 2 3 4 5 6 7 8 9 10; do ps -p $$child >/dev/null || break; sleep 0.2; done; \
	ps -o user,pid,ppid,tty,stat,command -p $$parent -p $$child || echo "make: ps finds neither $$parent nor$$child"

bench: need-cargo need-cc need-strace
	$(CARGO) bench --bench bench -- $(ARGS)

bench-peers: need-cargo need-cc need-strace
	$(CARGO) bench --bench bench -- --peers $(ARGS)

C_SOURCES = $(wildcard src/bin/textbook/*.c tests/bench/c/*.c)
C_STRICT  = -std=gnu11 -O2 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wno-unused-parameter -Wno-unused-result -Werror -S -o -
lint: need-cargo need-cc
	$(call need,gcc,gcc libc6-dev)
	$(call need,clang,clang)
	@for source in $(C_SOURCES); do \
		gcc $(C_STRICT) $$source >/dev/null && clang $(C_STRICT) $$source >/dev/null || exit 1; \
	done
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps --all-features

# What is installed, under PREFIX.
SHARE     = src/share
TO        = $(DESTDIR)$(PREFIX)
VERSION   = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
PROGRAMS  = mpserv mpserv-audit mpserv-load
PAGES     = mpserv.8 mpserv-audit.1 mpserv-load.1
UNITS     = mpserv@.service mpserv.socket
INSTALLED = $(PROGRAMS:%=bin/%) \
            $(foreach page,$(PAGES),share/man/man$(subst .,,$(suffix $(page)))/$(page)) \
            $(PROGRAMS:%=share/bash-completion/completions/%) \
            $(PROGRAMS:%=share/zsh/site-functions/_%) \
            $(PROGRAMS:%=share/fish/vendor_completions.d/%.fish) \
            $(UNITS:%=lib/systemd/system/%) \
            share/mpserv/fail2ban.conf

# Only the owner can read the file of mpserv. Otherwise a server with -u refuses to restart: see USR2 in mpserv(8).
install: release
	@set -ex; mpserv=$$($(call rust,mpserv)); \
	for program in $(PROGRAMS); do \
		install -D -m 755 "$${mpserv%/*}/$$program" $(TO)/bin/$$program; \
		install -D -m 644 $(SHARE)/completions/$$program.bash $(TO)/share/bash-completion/completions/$$program; \
		install -D -m 644 $(SHARE)/completions/_$$program $(TO)/share/zsh/site-functions/_$$program; \
		install -D -m 644 $(SHARE)/completions/$$program.fish $(TO)/share/fish/vendor_completions.d/$$program.fish; \
	done; \
	chmod 711 $(TO)/bin/mpserv; \
	for page in $(PAGES); do \
		folder=$(TO)/share/man/man$${page##*.}; \
		install -D -m 644 $(SHARE)/$$page $$folder/$$page; \
		sed -i 's#@VERSION@#$(VERSION)#' $$folder/$$page; \
	done; \
	for unit in $(UNITS); do \
		install -D -m 644 $(SHARE)/systemd/$$unit $(TO)/lib/systemd/system/$$unit; \
		sed -i 's#@BINDIR@#$(PREFIX)/bin#' $(TO)/lib/systemd/system/$$unit; \
	done; \
	install -D -m 644 $(SHARE)/fail2ban.conf $(TO)/share/mpserv/fail2ban.conf

# Under DESTDIR, whose folders are made by install, a folder goes with its last file.
uninstall:
	rm -f $(addprefix $(TO)/,$(INSTALLED))
	@$(if $(DESTDIR),cd $(DESTDIR) && rmdir -p --ignore-fail-on-non-empty \
		$(addprefix .$(PREFIX)/,$(sort $(dir $(INSTALLED)))) 2>/dev/null || true)

clean: need-cargo
	$(CARGO) clean

need-cargo:
	@command -v $(firstword $(CARGO)) >/dev/null || { \
		echo 'make: there is no cargo: install Rust 1.85 or later, see https://www.rust-lang.org/tools/install' >&2; exit 1; }

# rustc links with cc, whatever compiles the C programs.
need-cc:
	$(call need,cc,gcc libc6-dev)
ifneq ($(origin CC),default)
	@command -v $(firstword $(CC)) >/dev/null || { echo 'make: CC=$(CC): there is no such compiler' >&2; exit 1; }
endif

need-strace:
	$(call need,strace,strace)
