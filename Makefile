# scanmill: from raw scans to the table in the paper.  `make help` lists the targets.
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

include config.mk

CONFIG := $(if $(filter none,$(SAN)),release,$(SAN))$(if $(findstring clang,$(CC)),-clang)
B   := build/$(CONFIG)
BIN := $(B)/bin
Q   := $(if $(V),,@)

# No fast-math and no contraction: a data set has the same bytes on every machine of the architecture.
WARN     := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
OPT      := -O2 -g -ffp-contract=off -fno-math-errno -fopenmp -ffile-prefix-map=$(CURDIR)/=
CPPFLAGS := -I. -D_GNU_SOURCE -MMD -MP
CFLAGS   = -std=c17 $(OPT) $(WARN) -Wstrict-prototypes -Wmissing-prototypes
LDFLAGS  := -fopenmp -Wl,--as-needed
# clang under sanitizers cannot vectorise every `omp simd` loop, and says so of each.
ifneq ($(findstring clang,$(CC)),)
WARN += -Wno-pass-failed
endif
ifeq ($(WERROR),1)
CFLAGS += -Werror
endif
ifeq ($(SAN),address)
OPT += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
else ifeq ($(SAN),thread)
OPT += -fsanitize=thread
LDFLAGS += -fsanitize=thread
else ifeq ($(SAN),fuzzer)
OPT += -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=address,undefined
endif

# pkg-config's plain `hdf5` may mean an MPI build: always name the serial one.
HDF5_CFLAGS := $(shell pkg-config --cflags hdf5-serial 2>/dev/null || echo -I/usr/include/hdf5/serial)
HDF5_LIBS   := $(shell pkg-config --libs hdf5-serial 2>/dev/null || echo -lhdf5_serial)
ifeq ($(HDF5),static)
HDF5_LIBS := -Wl,-Bstatic $(HDF5_LIBS) -Wl,-Bdynamic -lsz -ldl
endif
CPPFLAGS += $(HDF5_CFLAGS)

# Each module.mk adds to LIBS (static libraries) and EXES (executables):
#   <lib>_SRC = sources;  <exe>_SRC = sources, <exe>_USE = libraries in link order, <exe>_LD = flags
LIBS :=
EXES :=
include $(sort $(wildcard */module.mk */*/module.mk))

# System libraries; --as-needed keeps only those that an executable uses.
SYSLIBS := -lnifti2 -lznz $(HDF5_LIBS) -lpng -ljpeg -ldeflate -lz -lcyaml -lyaml -ljansson -lcrypto -lpopt -lm -lpthread

obj = $(addprefix $(B)/obj/,$(addsuffix .o,$(1)))

define lib_rule
$(B)/lib$(1).a: $(call obj,$($(1)_SRC))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)ar rcsD $$@ $$(sort $$^)
endef
define exe_rule
$(BIN)/$(1): $(call obj,$($(1)_SRC)) $(foreach l,$($(1)_USE),$(B)/lib$(l).a)
	@mkdir -p $$(@D)
	@echo "  link $(1)"
	$(Q)$(CC) -o $$@ $(call obj,$($(1)_SRC)) -Wl,--start-group $(foreach l,$($(1)_USE),$(B)/lib$(l).a) -Wl,--end-group $(LDFLAGS) $($(1)_LD) $(SYSLIBS)
endef
$(foreach l,$(LIBS),$(eval $(call lib_rule,$(l))))
$(foreach e,$(EXES),$(eval $(call exe_rule,$(e))))

$(B)/obj/%.c.o: %.c Makefile config.mk
	@mkdir -p $(@D)
	@echo "  cc   $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $($(subst /,_,$*)_CFLAGS) -c -o $@ $<

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

PROGRAMS := $(filter scanmill%,$(EXES))

.PHONY: all clean help
all: $(addprefix $(BIN)/,$(PROGRAMS)) ## build every program (bin/ links to them)
	@test "$(CONFIG)" != release || ln -sfn $(BIN) bin
clean: ## remove everything that was built
	rm -rf build bin
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile scripts/*.mk 2>/dev/null | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

include $(sort $(wildcard scripts/*.mk))
