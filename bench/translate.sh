#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Image translation against PyTorch at 256x256, batch 1: a round of pix2pix (3 channels, patch94, BCE + 100 L1) and of
# MedCycleGAN (CasNet-3, 1 channel), each with Adam, and an image through each generator. Rounds in which the programs
# take turns, one at a time; of PyTorch the faster of two layouts with each kind of Adam.
# usage: PYTHON=newest-python bench/translate.sh [THREADS] [ROUNDS]
#        bench/translate.sh --layers NAME [THREADS]     every layer, with sums by operator
# NETS chooses lines of the list below by their first word, STEPS the steps of a run, KINDS what of PyTorch is tried ("plain,fused last").
set -eu
cd "$(dirname "$0")/.."
program=build/release/bin/bench_translate
make --no-print-directory -s $program >&2

# name, steps, MiB that must be free
list='
mammo 3 4000
medcyclegan 1 10000
pix2pix 10 2000
casnet 3 3000
resnet 5 2000'

if [ "${1:-}" = --layers ]; then
	exec $program layers=1 threads="${3:-$(nproc)}" system="$2" steps="${STEPS:-2}"
fi
nthreads=${1:-$(nproc)} rounds=${2:-3} python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
peers=yes
if ! "$python" -c 'import torch, numpy' 2>/dev/null; then
	echo "$python: has no torch and numpy: only our own lines" >&2
	peers=
fi

theirs() {
	out=$1
	shift
	if GOMP_SPINCOUNT=10000 "$python" bench/translate_torch.py "$@" >"$work/one" 2>"$work/why"; then
		grep '^result' "$work/one" >>"$out"
	else
		echo "$python $*: no result: $(tail -n 1 "$work/why" | cut -c1-120)" >&2
	fi
}

# row FILE LABEL: medians of the rounds, memory the largest, against $work/NAME.ours
row() {
	awk -v label="$2" -v name="$name" -v first="$work/$name.ours" '
	function median(a, n, i, j, t) {
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && a[j] < a[j - 1]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
		return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
	}
	function key(word, i) { for (i = 2; i < NF; i += 2) if ($i == word) return $(i + 1); return "" }
	function larger(a, b) { return a > b ? a : b }
	{
		ours = FILENAME == first
		if (ours) { os[++no] = key("step_ms") + 0; oc[no] = key("cpu_ms") + 0; om = larger(om, key("rss_mib") + 0) }
		if (FNR == NR && ARGC > 2 || ours && ARGC > 2) next
		n++; s[n] = key("step_ms") + 0; c[n] = key("cpu_ms") + 0; m = larger(m, key("rss_mib") + 0)
		forecast = key("forecast_mib"); version = key("version")
	}
	END {
		if (!n) exit
		printf "| %s | %s%s | %.0f | %.0f | %.2f | %.2f | %.0f | %.2f | %s |\n", name, label,
		    version ? " (torch " version ")" : "", median(s, n), median(c, n), median(s, n) / median(os, no),
		    median(c, n) / median(oc, no), m, om / m, forecast
	}' "$work/$name.ours" $([ "$1" = "$work/$name.ours" ] || echo "$1")
}

echo "$(grep -m 1 'model name' /proc/cpuinfo | sed 's/.*: //'), $nthreads threads, $rounds rounds, load $(cut -d' ' -f1 /proc/loadavg) when it began"
echo
echo "| what | program | ms | processor, ms | times ours | by processor time | peak MiB | ours / theirs | forecast MiB |"
echo "|---|---|---|---|---|---|---|---|---|"
for name in ${NETS:-$(echo "$list" | awk '{ print $1 }')}; do
	line=$(echo "$list" | awk -v n="$name" '$1 == n { print $2, $3 }')
	if [ -z "$line" ]; then
		echo "$name: no such line" >&2
		continue
	fi
	steps=${STEPS:-${line% *}} need=${line#* }
	free=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
	if [ "$free" -lt "$need" ]; then
		echo "$name: needs $need MiB, $free are free: left out" >&2
		continue
	fi
	kinds="plain last"
	case $name in mammo | medcyclegan) kinds="plain,fused last,fused plain,foreach last,foreach" ;; esac
	kinds=${KINDS:-$kinds}
	for round in $(seq "$rounds"); do
		$program system="$name" threads="$nthreads" steps="$steps" | grep '^result' >>"$work/$name.ours"
		for kind in ${peers:+$kinds}; do
			# shellcheck disable=SC2086
			theirs "$work/$name.$kind" "$name" 256 "$nthreads" "$steps" $(echo "$kind" | tr , ' ')
		done
	done
	row "$work/$name.ours" ours
	best=
	for kind in ${peers:+$kinds}; do
		[ -s "$work/$name.$kind" ] || continue
		ms=$(awk '{ print $3 }' "$work/$name.$kind" | sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }')
		best="$best$ms $kind
"
	done
	best=$(printf '%s' "$best" | sort -n | awk 'NR == 1 { print $2 }')
	[ -z "$best" ] || row "$work/$name.$best" "$best"
done
echo
echo "load $(cut -d' ' -f1 /proc/loadavg) at the end"
