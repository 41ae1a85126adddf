# Carnot. `make help` lists the targets; docs/ARCHITECTURE.md says how the tree is laid out.
# User flags (CFLAGS, LDFLAGS) are added to the required ones, never mixed with them.

ifneq ($(realpath $(dir $(firstword $(MAKEFILE_LIST)))),$(realpath $(CURDIR)))
$(error this Makefile works in its own folder: make -C $(dir $(firstword $(MAKEFILE_LIST))), with BUILD=DIR for objects elsewhere)
endif

CROSS    ?=
ifeq ($(origin CC),default)
CC       := $(CROSS)gcc
endif
AR       := $(CROSS)ar
CFLAGS   ?= -O2 -g
TRIPLE   := $(shell $(CC) -dumpmachine)
MACHINE  := $(firstword $(subst -, ,$(TRIPLE)))
# RUN: how to start a program built for another machine.
RUN      ?= $(if $(CROSS),qemu-aarch64 -L /usr/aarch64-linux-gnu)
SAN      ?=
comma    := ,
BUILD    := build/$(TRIPLE)$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(findstring clang,$(CC)),-clang)$(if $(findstring musl,$(CC)),-musl)
V        ?= 0
Q        := $(if $(filter 0,$(V)),@)

# Functions begin with a line of the caches: how fast one is does not hang on the length of those before it.
REQUIRED := -std=c11 -D_GNU_SOURCE -falign-functions=64 -ffp-contract=off -fno-math-errno -fvisibility=hidden -pthread -I. -MMD -MP
WARN     := -Wall -Wextra -Wshadow -Wvla -Wundef -Wcast-qual -Wpointer-arith -Wwrite-strings \
            -Wstrict-prototypes -Wmissing-prototypes -Wdouble-promotion -Wformat=2
# Threads have a megabyte (base/threads.c). Sanitizers put guards into frames.
WARN     += $(if $(SAN),,-Wframe-larger-than=65536)
WARN     += $(if $(WERROR),-Werror)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
COMMIT   := $(shell cat .commit 2>/dev/null || git rev-parse --short HEAD 2>/dev/null || echo unknown)
LIBS     := -lm

# The device build (static, phones) needs libc and libm only: no SQLite, no BLAS.
ifneq ($(CROSS)$(findstring musl,$(CC)),)
STATIC   ?= 1
endif
LDSTATIC := $(if $(STATIC),-static)
# Nothing unwinds the static program; tables for it would be a fifteenth of what phones have to load.
REQUIRED += $(if $(STATIC),-fno-unwind-tables -fno-asynchronous-unwind-tables,-fPIC)
# musl-gcc of Debian comes without the kernel's headers; glibc's are looked at last.
REQUIRED += $(if $(findstring musl,$(CC)),-idirafter /usr/include -idirafter /usr/include/$(MACHINE)-linux-gnu)

# Libraries that are used where pkg-config finds them. Without one, what needs it says so by name.
have      = $(if $(STATIC),,$(shell pkg-config --exists $(1) 2>/dev/null && echo 1))
SQLITE   ?= $(call have,sqlite3)
ifneq ($(SQLITE),)
$(BUILD)/bench/study/study_db.o: EXTRA := -DCN_SQLITE $(shell pkg-config --cflags sqlite3)
LIBS     += $(shell pkg-config --libs sqlite3)
endif

MICROHTTPD ?= $(call have,libmicrohttpd)
ifneq ($(MICROHTTPD),)
$(BUILD)/serve/http.o: EXTRA := -DCN_MICROHTTPD $(shell pkg-config --cflags libmicrohttpd)
LIBS     += $(shell pkg-config --libs libmicrohttpd)
endif

# The yardstick of float kernels, loaded when it is asked for (bench/kernel/blas.h).
OPENBLAS ?= $(call have,openblas)
ifneq ($(OPENBLAS),)
$(BUILD)/bench/kernel/blas.o: EXTRA := -DCN_OPENBLAS='"libopenblas.so.0"'
LIBS     += -ldl
endif

# gcc's reassociation and expression replacement move the adds of long unrolled kernels away from
# their products and spill everything in between: half the speed (docs/SPEED.md).
KERNEL_FLAGS := $(if $(findstring clang,$(CC)),,-fno-tree-reassoc -fno-tree-ter)

# Debuggers get lines and functions of kernels. Where each vector lies takes gcc a third of its time with them.
KERNEL_FLAGS += $(if $(filter -g%,$(CFLAGS)),-g1)

# gcc's fake stack, for use after return, is aligned to 32 bytes only: stores of 64 trap (gcc's bug 110027).
KERNEL_FLAGS += $(if $(findstring address,$(SAN)),$(if $(findstring clang,$(CC)),,--param asan-use-after-return=0))

# One line per tier: which files, which instruction set flags. Only these files get any.
ifeq ($(MACHINE),x86_64)
KERNELS  := $(wildcard quant/x86/*.c)
FLAGS_avx2   := -mavx2 -mfma -mf16c -mbmi -mbmi2
FLAGS_avxvnni := $(FLAGS_avx2) -mavxvnni
FLAGS_avx512 := $(FLAGS_avx2) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512vbmi -mgfni -mprefer-vector-width=512
FLAGS_amx    := $(FLAGS_avx512) -mavx512bf16 -mamx-tile -mamx-int8 -mamx-bf16
endif
ifeq ($(MACHINE),aarch64)
KERNELS  := $(wildcard quant/arm/*.c)
FLAGS_neon    := -march=armv8-a
FLAGS_dotprod := -march=armv8.2-a+dotprod+fp16
FLAGS_i8mm    := -march=armv8.2-a+dotprod+fp16+i8mm
# Scheduling before register allocation, on at -O2 for this machine, spills in these files.
$(addprefix $(BUILD)/quant/arm/,gemm_dotprod.o gemm_small_dotprod.o gemm_small_neon.o): EXTRA := $(if $(findstring clang,$(CC)),,-fno-schedule-insns)
endif

# The sources of a floor, in its own folder and its rooms.
sources   = $(wildcard $(1)/*.c $(1)/*/*.c $(1)/*/*/*.c)
LIB_SRC  := $(call sources,base) $(wildcard quant/*.c quant/ref/*.c) $(KERNELS) $(call sources,engine) $(call sources,profiler)
APP_SRC  := $(call sources,bench) $(call sources,serve) $(call sources,cli)
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
APP_OBJ  := $(APP_SRC:%.c=$(BUILD)/%.o)
BENCH_OBJ:= $(filter $(BUILD)/bench/% $(BUILD)/serve/%,$(APP_OBJ))
TEST_OBJ := $(filter-out $(BUILD)/cli/main.o,$(APP_OBJ))
PROGRAM  := $(BUILD)/carnot

all: $(PROGRAM) ## build the program (./carnot)
ifeq ($(CROSS)$(SAN)$(findstring musl,$(CC)),)
all: carnot
# A link to the program of another build is made anew.
ifneq ($(shell readlink carnot),$(PROGRAM))
.PHONY: carnot
endif
carnot: $(PROGRAM)
	$(Q)ln -sf $(PROGRAM) $@
endif

$(PROGRAM): $(APP_OBJ) $(BUILD)/libcarnot.a
	@echo "  LD    $@"
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $(LDSTATIC) -pthread -o $@ $^ $(LDFLAGS) $(LIBS)

$(BUILD)/libcarnot.a: $(LIB_OBJ)
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# The shared library: the names of carnot.h, with a version (engine/carnot.map). As long as the first number
# is 0, the second one says what fits together.
VERSION := $(shell sed -n 's/^\#define CN_VERSION "\(.*\)"/\1/p' cli/version.c)
SONAME  := libcarnot.so.$(basename $(VERSION))
$(BUILD)/libcarnot.so: $(LIB_OBJ) engine/carnot.map
	@echo "  LD    $@"
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) -pthread -shared -Wl,-soname,$(SONAME) -Wl,--version-script=engine/carnot.map \
	    -Wl,-z,defs -o $@ $(LIB_OBJ) $(LDFLAGS) -lm

# The commit is part of the program: a new one builds this file anew.
$(BUILD)/cli/version.o: $(wildcard $(shell git rev-parse --git-path logs/HEAD 2>/dev/null))
$(BUILD)/cli/version.o: EXTRA := -DCN_COMMIT='"$(COMMIT)"'

# What depends on a library is built anew when that comes or goes.
$(BUILD)/bench/study/study_db.o: $(BUILD)/with-sqlite-$(if $(SQLITE),yes,no)
$(BUILD)/bench/kernel/blas.o: $(BUILD)/with-openblas-$(if $(OPENBLAS),yes,no)
$(BUILD)/serve/http.o: $(BUILD)/with-microhttpd-$(if $(MICROHTTPD),yes,no)
# What the program shows, as it is.
$(BUILD)/serve/chat_page.o: serve/chat_page.html
$(BUILD)/with-microhttpd-%:
	@mkdir -p $(@D) && rm -f $(BUILD)/with-microhttpd-* && touch $@
$(BUILD)/with-openblas-%:
	@mkdir -p $(@D) && rm -f $(BUILD)/with-openblas-* && touch $@
$(BUILD)/with-sqlite-%:
	@mkdir -p $(@D) && rm -f $(BUILD)/with-sqlite-* && touch $@

# The tier of a kernel file is the last part of its name: q4_k_avx2.c -> avx2.
tier = $(lastword $(subst _, ,$(basename $(notdir $(1)))))
# Fuzzing leaves kernels as they are: the kernel tests prove what they touch, and clang needs minutes for
# each with sanitizers.
KERNEL_SAN := $(if $(findstring fuzzer,$(SAN)),,$(SANFLAGS))
# Other flags than last time: everything is built anew. The file is written while this Makefile is read, so
# that `make -n` and `make -q` know of nothing to do where there is nothing.
FLAGS   := $(CC) $(REQUIRED) $(CFLAGS)
COMPILE := $(FLAGS) $(WARN)
$(shell mkdir -p $(BUILD); echo '$(FLAGS) $(SANFLAGS)' | cmp -s - $(BUILD)/flags || \
    echo '$(FLAGS) $(SANFLAGS)' >$(BUILD)/flags)
$(BUILD)/quant/x86/%.o: quant/x86/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(COMPILE) $(KERNEL_SAN) $(KERNEL_FLAGS) $(FLAGS_$(call tier,$<)) $(EXTRA) -c -o $@ $<
$(BUILD)/quant/arm/%.o: quant/arm/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(COMPILE) $(KERNEL_SAN) $(KERNEL_FLAGS) $(FLAGS_$(call tier,$<)) $(EXTRA) -c -o $@ $<
$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(COMPILE) $(SANFLAGS) $(EXTRA) -c -o $@ $<

TESTS_SRC := $(filter %_test.c,$(call sources,tests/unit) $(call sources,tests/model))
TESTS_BIN := $(TESTS_SRC:%.c=$(BUILD)/%)
# Kernel tests are the command alone and need libc alone, so that they also run on a phone; the rest
# use cmocka.
KTEST_SRC := $(wildcard tests/kernels/*.c)
KTEST     := $(BUILD)/tests/kernels/kernels
$(KTEST): $(KTEST_SRC:%.c=$(BUILD)/%.o) $(TEST_OBJ) $(BUILD)/libcarnot.a
	@echo "  LD    $@"
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $(LDSTATIC) -pthread -o $@ $^ $(LDFLAGS) $(LIBS)
$(TESTS_BIN): $(BUILD)/%: $(BUILD)/%.o $(TEST_OBJ) $(BUILD)/libcarnot.a
	@echo "  LD    $@"
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) -pthread -o $@ $^ $(WRAP:%=-Wl,--wrap=%) $(LDFLAGS) -lcmocka $(LIBS)
# What alloc_test.c replaces, to refuse it.
$(BUILD)/tests/model/alloc_test: WRAP := malloc calloc realloc aligned_alloc free strdup strndup asprintf \
    fopen fdopen fopencookie fclose mmap munmap pthread_create regcomp

# What scripts of tests/cli start: a device for adb, and what its shell preloads; a machine with a meter.
HELPERS := $(BUILD)/tests/cli/adb_device $(BUILD)/tests/cli/arm64_exec.so $(BUILD)/tests/simulated_machine
$(BUILD)/tests/cli/adb_device $(BUILD)/tests/simulated_machine: %: %.o
	@echo "  LD    $@"
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) -o $@ $^ $(LDFLAGS)
# The program with the instructions of AMX and AVX-VNNI in software.
ifeq ($(MACHINE),x86_64)
HELPERS += $(BUILD)/tests/carnot_emulated
$(BUILD)/tests/carnot_emulated: $(BUILD)/tests/x86_emulator.o
$(BUILD)/tests/carnot_emulated $(BUILD)/tests/carnot_avx512_in_c: $(APP_OBJ) $(BUILD)/libcarnot.a
	@echo "  LD    $@"
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $(LDSTATIC) -pthread -o $@ $(filter %.o,$^) $(filter %.a,$^) -Wl,--wrap=sigaction -Wl,--wrap=cn_tiers_detect \
	    $(LDFLAGS) $(LIBS)
# The same with AVX-512 in C, by Debian's SIMDe: its kernels are checked on machines without it. The header is
# compiled once. What it takes from SIMDe is not ours to warn about.
ifneq ($(if $(findstring clang,$(CC)),,$(wildcard /usr/include/simde/x86/avx512.h)),)
IN_C     := $(BUILD)/tests/avx512_in_c
IN_C_OBJ := $(patsubst quant/x86/%.c,$(IN_C)/%.o,$(filter-out %/peak_avx512.c %/peak_amx.c,$(filter %_avx512.c %_amx.c,$(KERNELS))))
HELPERS  += $(BUILD)/tests/carnot_avx512_in_c
FLAGS_IN_C := $(FLAGS_avx2) -mamx-tile -mamx-int8 -mamx-bf16 -O1 -g0 -w -Wno-psabi
$(IN_C).h.gch: tests/avx512_in_c.h $(BUILD)/flags
	@mkdir -p $(IN_C)
	@echo "  CC    $<"
	$(Q)$(FLAGS) $(KERNEL_SAN) $(KERNEL_FLAGS) $(FLAGS_IN_C) -x c-header -o $@ $<
$(IN_C_OBJ): $(IN_C)/%.o: quant/x86/%.c $(IN_C).h.gch
	@echo "  CC    $< in C"
	$(Q)$(FLAGS) $(KERNEL_SAN) $(KERNEL_FLAGS) $(FLAGS_IN_C) -include $(IN_C).h -c -o $@ $<
$(IN_C)/x86_emulator.o: tests/x86_emulator.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(COMPILE) $(SANFLAGS) -DCN_AVX512_IN_C -c -o $@ $<
$(BUILD)/tests/carnot_avx512_in_c: $(IN_C)/x86_emulator.o $(IN_C_OBJ)
-include $(IN_C_OBJ:.o=.d) $(IN_C).h.d $(IN_C)/x86_emulator.d
endif
endif
$(BUILD)/tests/cli/arm64_exec.so: tests/cli/arm64_exec.c
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(REQUIRED) $(WARN) $(CFLAGS) -fPIC -shared -o $@ $< $(LDFLAGS) -ldl

# Each fuzz target twice: with a driver that replays its corpus, as a test; with libFuzzer (make fuzz).
FUZZ_SRC   := $(wildcard tests/fuzz/*_fuzz.c)
REPLAY_BIN := $(FUZZ_SRC:%_fuzz.c=$(BUILD)/%_replay)
FUZZ_BIN   := $(FUZZ_SRC:%.c=$(BUILD)/%)
$(REPLAY_BIN): %_replay: %_fuzz.o $(BUILD)/tests/fuzz/replay.o $(BENCH_OBJ) $(BUILD)/libcarnot.a
	@echo "  LD    $@"
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) -pthread -o $@ $^ $(LDFLAGS) $(LIBS)
$(FUZZ_BIN): %: %.o $(BENCH_OBJ) $(BUILD)/libcarnot.a
	@echo "  LD    $@"
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) -fsanitize=fuzzer -pthread -o $@ $^ $(LDFLAGS) $(LIBS)

fuzzers: $(FUZZ_BIN)
FUZZ_S ?= 60
FUZZ_SAN := fuzzer-no-link,address,undefined
fuzz: ## fuzz every reader of files for FUZZ_S seconds in all (needs clang)
	$(Q)$(MAKE) --no-print-directory CC=clang SAN=$(FUZZ_SAN) CFLAGS='-O1 -g' fuzzers
	$(Q)tests/fuzz/fuzz.sh $$($(MAKE) -s CC=clang SAN=$(FUZZ_SAN) print-BUILD) $(FUZZ_S)

tests: all $(if $(KTEST_SRC),$(KTEST)) $(TESTS_BIN) $(REPLAY_BIN) $(HELPERS) ## build the program and every test, run none

test: deps ## every test (installs what is missing first)
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)tests/run.sh $(BUILD)

kernel-tests: $(KTEST)

test-kernels: $(KTEST) ## the kernel tests alone; with CROSS= they run under qemu
	$(RUN) $(KTEST)

bench: deps ## quantise the default model, measure, print the table, write report.html (TYPES= FORMATS= TIERS= MODEL=)
	$(Q)$(MAKE) --no-print-directory all
	$(Q)TYPES='$(TYPES)' FORMATS='$(FORMATS)' TIERS='$(TIERS)' MODEL='$(MODEL)' bench/bench.sh

# What each variable says as an option; MODEL: a whole model, instead of kernels.
REV ?= HEAD
AGAINST  = $(if $(MODEL),-m $(MODEL)) $(if $(FORMAT),--format $(FORMAT)) $(if $(TIER),--tier $(TIER)) $(if $(JOB),--job $(JOB)) \
           $(if $(SHAPE),--shape $(SHAPE)) $(if $(MARGIN),--margin $(MARGIN)) $(if $(SECONDS),--seconds $(SECONDS)) $(AGAINST_OPTIONS)
bench-against: all ## is this tree slower than REV (HEAD)? FORMAT= TIER= JOB= SHAPE= or MODEL=, MARGIN= SECONDS=; exit 3 of the command
	$(Q)scripts/bench_against.sh $(REV) $(strip $(AGAINST))

# Blocks of a format and what they stand for: see CONTRIBUTING.md.
$(BUILD)/tests/make_vectors: $(BUILD)/tests/make_vectors.o $(BENCH_OBJ) $(BUILD)/libcarnot.a
	@echo "  LD    $@"
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) -pthread -o $@ $^ $(LDFLAGS) $(LIBS)
# What speculation gains on random weights: scripts/speculation.sh.
$(BUILD)/tests/forced_drafts: $(BUILD)/tests/forced_drafts.o $(BENCH_OBJ) $(BUILD)/libcarnot.a
	@echo "  LD    $@"
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) -pthread -o $@ $^ $(LDFLAGS) $(LIBS)
bench-speculation: all $(BUILD)/tests/forced_drafts ## what guesses gain: SHARED=, PARTS= of prose, lookup, synth
	$(Q)scripts/speculation.sh $(BUILD) $(or $(SHARED),../shared) $(PARTS)

vectors: $(BUILD)/tests/make_vectors ## make the vectors of a new format: make vectors FORMAT=q3_x
	$(Q)$< $(FORMAT) tests/fixtures/vectors | tee -a tests/fixtures/vectors/manifest.csv

check: $(PROGRAM) ## what the layout promises: includes, tables, symbols, headers, format
	$(Q)scripts/check.sh $(BUILD)

# check.sh asks for the flags of a tier with this.
print-%:
	@echo $($*)

format: ## rewrite the sources with clang-format
	clang-format -i $$(git ls-files '*.c' '*.h')

asan: ## the tests under AddressSanitizer and UBSan
	$(MAKE) test SAN=address,undefined
ubsan: ## the tests under UBSan
	$(MAKE) test SAN=undefined
tsan: ## the tests under ThreadSanitizer
	$(MAKE) test SAN=thread

$(BUILD)/tests/soak: $(BUILD)/tests/soak.o $(BUILD)/libcarnot.a
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $(LDSTATIC) -pthread -o $@ $^ $(LDFLAGS) -lm
soak: $(BUILD)/tests/soak ## 100,000 tokens, 10,000 sessions: memory has to stay flat (minutes)
	$(RUN) $< tests/fixtures/bad/good.gguf 100000 10000
	$(RUN) $< tests/fixtures/arch2/lfm2.gguf 100000 1000

lint: ## cppcheck and clang-tidy; the exceptions are in scripts/lint.sh and .clang-tidy
	$(Q)mkdir -p build && scripts/lint.sh

mca: ## estimate the Arm kernels' cycles on cores that are not at hand; KERNEL=q4_k_gemv TIER=avx512: one kernel's inside (needs llvm-19)
	$(Q)$(if $(KERNEL),scripts/mca_kernel.sh $(KERNEL) $(or $(TIER),avx2) $(CORES),scripts/mca.sh)

deps: ## install the Debian packages that building and testing need
	$(Q)scripts/deps.sh

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
DATA   := $(DESTDIR)$(PREFIX)/share
# Pages and completion are what --help of this very program says.
install: all $(if $(STATIC),,$(BUILD)/libcarnot.so) ## install program, library, header, manual, model (PREFIX, LIBDIR, DESTDIR)
	$(Q)install -D -m 755 $(PROGRAM) "$(DESTDIR)$(PREFIX)/bin/carnot"
	$(Q)install -D -m 644 $(BUILD)/libcarnot.a "$(DESTDIR)$(LIBDIR)/libcarnot.a"
ifeq ($(STATIC),)
	$(Q)install -D -m 644 $(BUILD)/libcarnot.so "$(DESTDIR)$(LIBDIR)/libcarnot.so.$(VERSION)"
	$(Q)ln -sf libcarnot.so.$(VERSION) "$(DESTDIR)$(LIBDIR)/$(SONAME)"
	$(Q)ln -sf $(SONAME) "$(DESTDIR)$(LIBDIR)/libcarnot.so"
endif
	$(Q)scripts/header.sh >$(BUILD)/carnot.h
	$(Q)install -D -m 644 $(BUILD)/carnot.h "$(DESTDIR)$(PREFIX)/include/carnot.h"
	$(Q)mkdir -p "$(DESTDIR)$(LIBDIR)/pkgconfig" "$(DATA)/bash-completion/completions"
	$(Q)sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' engine/carnot.pc.in \
	    >"$(DESTDIR)$(LIBDIR)/pkgconfig/carnot.pc"
	$(Q)scripts/man.sh "$(DATA)/man/man1" $(RUN) $(PROGRAM)
	$(Q)scripts/completion.sh $(RUN) $(PROGRAM) >"$(DATA)/bash-completion/completions/carnot"
	$(Q)install -D -m 644 models/prose-8m-f16.gguf "$(DATA)/carnot/prose-8m-f16.gguf"

DIST := carnot-$(VERSION)
dist: ## the source as build/carnot-VERSION.tar.gz: the same bytes for the same commit
	$(Q)mkdir -p build
	$(Q)git archive --format=tar --prefix=$(DIST)/ --add-virtual-file=$(DIST)/.commit:$(COMMIT) HEAD | \
	    gzip -9n >build/$(DIST).tar.gz
	@echo build/$(DIST).tar.gz

deb: ## a Debian package in build/ (needs dpkg-dev)
	$(Q)scripts/deb.sh

PHONE_BYTES := 3000000
phone: ## the static arm64 program for phones, stripped, below 3 MB: build/carnot-arm64
	$(Q)$(MAKE) --no-print-directory CROSS=aarch64-linux-gnu- all
	$(Q)aarch64-linux-gnu-strip -o build/carnot-arm64 build/aarch64-linux-gnu/carnot
	@size=$$(stat -c %s build/carnot-arm64); echo "build/carnot-arm64: $$size bytes, $(PHONE_BYTES) allowed"; \
	    test $$size -le $(PHONE_BYTES)

clean: ## remove everything built
	rm -rf build carnot report.html

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: all tests fuzz fuzzers test kernel-tests test-kernels bench bench-against bench-speculation mca vectors check format asan ubsan tsan deps install dist deb phone soak lint clean help
# What every object includes, whatever it is a part of.
-include $(patsubst %.c,$(BUILD)/%.d,$(LIB_SRC) $(APP_SRC) $(call sources,tests) $(wildcard tests/unit/*/*/*.c))
