# Build switches; override on the command line (make SAN=address) or in config.local.mk.
# SAN       none | address (ASan + UBSan) | thread | fuzzer (clang only)
# WERROR    1 makes warnings errors
# HDF5      static | shared: Debian's shared HDF5 brings libcurl, Kerberos, LDAP and 25 more libraries into each
#           process, for remote files that nobody reads here (3 ms a start); the archive of the same package does not
# MPI       1 builds scanmill-train-mpi too: one training by several processes (docs/training.md)
# CC        gcc by default; clang works
-include config.local.mk
SAN    ?= none
WERROR ?= 0
MPI    ?= 0
# A sanitizer's leak search cannot tell the archive's own free lists from ours: shared there.
HDF5   ?= $(if $(filter-out none,$(SAN)),shared,static)
ifeq ($(origin CC),default)
CC := gcc
endif
