# Benchmarks: bench/*.sh, one command each; figures belong into docs/benchmarks.md with the machine.
.PHONY: bench
bench: all ## run every benchmark of bench/
	@set -e; for b in $(sort $(wildcard bench/*.sh)); do echo "== $$b"; sh $$b; done
