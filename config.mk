# Build switches; override on the command line (make SAN=address) or in config.local.mk.
# SAN       none | address (ASan + UBSan) | thread | fuzzer (clang only)
# WERROR    1 makes warnings errors
# CC, CXX   gcc and g++ by default; clang works
-include config.local.mk
SAN    ?= none
WERROR ?= 0
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
