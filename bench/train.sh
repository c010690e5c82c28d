#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A training step (loss, backward, Adam) of each network against PyTorch: rounds in which the programs
# take turns, medians of the rounds' medians, processor time, peak memory against the forecast, and the
# share of the bound that direct convolutions would have at the peak measured in the same run (of the
# line "ours bf16": the peak of AVX-512_BF16, which on some CPUs is below that of float32).
# usage: PYTHON="newest-python older-python" bench/train.sh [THREADS] [ROUNDS]
#        bench/train.sh --loaded [THREADS] [ROUNDS]   THREADS against one thread, a step each in turn, on an
#                                                     idle machine and with a busy loop on each core (memory
#                                                     of THREADS + 2 networks); undisturbed: sums over the
#                                                     layers of each one's least time in the steps of a run,
#                                                     which no step need reach
#        bench/train.sh --layers NAME [THREADS]       every layer of one network
#        bench/train.sh --summary FILE                README.md's table from what a run printed (docs/benchmarks.md)
# NETS chooses lines of the list below by their first word (default: all), STEPS the steps of a run; what is
# missing is told.
set -eu
if [ "${1:-}" = --summary ]; then
	[ $# -eq 2 ] || { echo "usage: bench/train.sh --summary FILE" >&2; exit 2; }
	exec awk -f "$(dirname "$0")/train_summary.awk" "$2"
fi
cd "$(dirname "$0")/.."
program=build/release/bin/bench_train_step
make --no-print-directory $program >&2

# name, network, batch, D, H, W, channels in, out, loss, steps
list='
basic basic_unet3d 1 16 160 160 4 4 dice_ce 3
basic2 basic_unet3d 2 16 160 160 4 4 dice_ce 3
unet3d unet3d 1 16 160 160 4 3 soft_dice 1
resunet3d resunet3d 1 16 160 160 4 3 soft_dice 1
vnet vnet 1 16 160 160 4 3 soft_dice 1
nnunet3d nnunet3d 1 16 160 160 4 4 dice_ce 1
unet2d-128 unet2d 1 16 128 128 4 4 ce 2
unet2d-240 unet2d 1 8 240 240 4 4 ce 2'

# What a row calls them.
titles='
basic 3-D U-Net 16-32-64-128-256, 4x16x160x160, batch 1
basic2 the same, batch 2
unet3d UNet3D
resunet3d ResUNet3D
vnet V-Net
nnunet3d nnU-Net'"'"'s 3-D U-Net
unet2d-128 UNet-2D, 16 slices of 128x128
unet2d-240 UNet-2D, 8 slices of 240x240'

work=$(mktemp -d)
busy=
stop() {
	for p in $busy; do kill "$p" 2>/dev/null || true; done
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 1' INT TERM

line_of() {
	echo "$list" | awk -v n="$1" -v steps="${STEPS:-}" '
		$1 == n { if (steps) $NF = steps; print; found = 1 }
		END { exit !found }'
}

# For awk: the median of a[1..n], which it sorts.
# shellcheck disable=SC2016
median='
	function median(a, n, i, j, t) {
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && a[j] < a[j - 1]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
		return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
	}
'

# ours FILE THREADS NET BATCH D H W IN OUT LOSS STEPS: appends the result line to FILE; half=1: in bfloat16
half=
ours() {
	out=$1 threads=$2
	shift 2
	soft=1
	[ "$8" = soft_dice ] && soft=0
	$program threads="$threads" model="$1" batch="$2" d="$3" h="$4" w="$5" in="$6" out="$7" \
	    loss="$8" softmax=$soft steps="$9" ${RECOMPUTE:+recompute=$RECOMPUTE} ${half:+bf16=$half} | grep '^result' >>"$out"
}

# turns THREADS NET BATCH D H W IN OUT LOSS STEPS: one thread against THREADS, a step each in turn
turns() {
	threads=$1
	shift
	soft=1
	[ "$8" = soft_dice ] && soft=0
	$program turns=1 threads="$threads" model="$1" batch="$2" d="$3" h="$4" w="$5" in="$6" out="$7" \
	    loss="$8" softmax=$soft steps="${STEPS:-15}" | grep '^turns'
}

# theirs FILE PYTHON FLAGS NET ... STEPS: the same; tells why when there is no result
theirs() {
	out=$1 python=$2 flags=$3
	shift 3
	set -- "$1" "$2" "$3" "$4" "$5" "$6" "$7" "$8" "$nthreads" "$9"
	# shellcheck disable=SC2086
	if GOMP_SPINCOUNT=10000 ONEDNN_MAX_CPU_ISA=${isa:-DEFAULT} "$python" bench/train_torch.py "$@" $flags \
	    >"$work/one" 2>"$work/why"; then
		grep '^result' "$work/one" >>"$out"
	elif [ -z "${isa:-}" ] && echo "$flags" | grep -q bf16; then
		isa=AVX512_CORE_BF16
		echo "$python $1 $flags: stopped ($(tail -n 1 "$work/why" | cut -c1-80)); again, from now on with ONEDNN_MAX_CPU_ISA=$isa" >&2
		theirs "$out" "$python" "$flags" "$1" "$2" "$3" "$4" "$5" "$6" "$7" "$8" "${10}"
	else
		echo "$python $1 $flags: no result: $(tail -n 1 "$work/why" | cut -c1-120)" >&2
	fi
}

# summary FILE LABEL OURS [OURS_BF16]: a row of the table from result lines (medians; memory: the largest);
# with OURS_BF16 the step is compared with that too
summary() {
	awk -v label="$2" -v ours="$3" -v net="$net" -v half="${4:-}" "$median"'
	function key(name, i) { for (i = 2; i < NF; i += 2) if ($i == name) return $(i + 1); return "" }
	FILENAME == ours && FILENAME != ARGV[2] { os[++no] = key("step_ms") + 0; oc[no] = key("cpu_ms") + 0; next }
	{
		n++; s[n] = key("step_ms") + 0; c[n] = key("cpu_ms") + 0; r = key("rss_mib") + 0; rss = r > rss ? r : rss
		forecast = key("forecast_mib"); b[n] = key("bound_ms") + 0; bc[n] = key("bound_cpu_ms") + 0
		version = key("version")
	}
	END {
		if (!n) exit
		step = median(s, n); cpu = median(c, n)
		while (half && (getline < half) > 0) hs[++nh] = key("step_ms") + 0
		against = nh ? sprintf(" (%.1f of bf16)", step / median(hs, nh)) : ""
		printf "| %s | %s%s | %.0f | %.0f | ", net, label, version ? " (torch " version ")" : "", step, cpu
		if (no) printf "%.2f%s | %.2f | %.0f | ", step / median(os, no), against, cpu / median(oc, no), rss
		else printf "1 | 1 | %.0f | ", rss
		if (!forecast) print "| |"
		else printf "%s (%+.1f %%) | %.2f, %.2f |\n", forecast, (forecast / rss - 1) * 100, \
		    median(b, n) / step, median(bc, n) / cpu
	}' "$3" "$1" 2>/dev/null
}

# better A B: the file whose median step is lower
better() {
	for f in "$1" "$2"; do
		[ -s "$f" ] && echo "$(awk '{ print $3 }' "$f" | sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }') $f"
	done | sort -n | awk 'NR == 1 { print $2 }'
}

case ${1:-} in
--layers)
	# shellcheck disable=SC2046
	set -- "${3:-$(nproc)}" $(line_of "$2")
	soft=1
	[ "${10}" = soft_dice ] && soft=0
	exec $program layers=1 threads="$1" model="$3" batch="$4" d="$5" h="$6" w="$7" in="$8" out="$9" loss="${10}" \
	    softmax=$soft steps="${11}"
	;;
--loaded)
	nthreads=${2:-$(nproc)} rounds=${3:-3}
	# shellcheck disable=SC2046
	set -- $(line_of basic)
	shift
	for l in idle loaded; do
		if [ $l = loaded ]; then
			for i in $(seq "$(nproc)"); do
				(while :; do :; done) &
				busy="$busy $!"
			done
		fi
		for i in $(seq "$rounds"); do
			turns "$nthreads" "$@" >>"$work/$l"
		done
	done
	echo "| $1, medians of $rounds runs' medians, ms | one thread | $nthreads threads | times (quartiles) | $nthreads networks of one thread side by side | the limit that sets | processor time, one thread and $nthreads | undisturbed, one thread | $nthreads threads | times |"
	echo "|---|---|---|---|---|---|---|---|---|---|"
	for l in idle loaded; do
		awk -v what=$l "$median"'
		{ for (i = 2; i < NF; i += 2) v[$i, NR] = $(i + 1) }
		function of(name, i, a) { for (i = 1; i <= NR; i++) a[i] = v[name, i]; return median(a, NR) }
		END {
			printf "| %s | %.0f | %.0f | %.2f (%.2f to %.2f) | %.0f | %.2f | %.0f, %.0f | %s |\n", what, of("one_ms"),
			    of("many_ms"), of("times"), of("low"), of("high"), of("apart_ms"), of("limit"), of("one_cpu"), of("many_cpu"),
			    what == "idle" ? sprintf("%.0f | %.0f | %.2f", of("calm_one_ms"), of("calm_many_ms"), of("calm_times")) : "| |"
		}' "$work/$l"
	done
	exit 0
	;;
esac

nthreads=${1:-$(nproc)} rounds=${2:-3}
pythons=
for p in ${PYTHON:-python3}; do
	if "$p" -c 'import torch, numpy' 2>/dev/null; then
		pythons="$pythons $p"
	else
		echo "$p: has no torch and numpy, left out" >&2
	fi
done
[ -n "$pythons" ] || echo "no PyTorch at all: only our own lines" >&2
isa=
# bfloat16 needs a CPU with AVX-512: without it neither side has such lines.
no_half=
grep -q -m 1 avx512bw /proc/cpuinfo || no_half=yes
[ -z "$no_half" ] || echo "no AVX-512: no lines of bfloat16" >&2
echo "$(grep -m 1 'model name' /proc/cpuinfo | sed 's/.*: //'), $nthreads threads, $rounds rounds, load $(cut -d' ' -f1 /proc/loadavg) when it began"
echo
echo "| network | program | step, ms | processor, ms | times ours | by processor time | peak MiB | forecast MiB | share of the direct bound: clock, processor |"
echo "|---|---|---|---|---|---|---|---|---|"
for name in ${NETS:-$(echo "$list" | awk '{ print $1 }')}; do
	if ! row=$(line_of "$name"); then
		echo "$name: no such line" >&2
		continue
	fi
	# shellcheck disable=SC2086
	set -- $row
	shift
	net=$(echo "$titles" | sed -n "s/^$name //p")
	for round in $(seq "$rounds"); do
		ours "$work/$name.ours" "$nthreads" "$@"
		half=1
		[ -n "$no_half" ] || ours "$work/$name.ours16" "$nthreads" "$@"
		half=
		first=1
		for p in $pythons; do
			tag=$(echo "$p" | tr / _)
			theirs "$work/$name.$tag.f32" "$p" "" "$@"
			theirs "$work/$name.$tag.f32last" "$p" "last" "$@"
			if [ $first = 1 ] && [ -z "$no_half" ]; then
				theirs "$work/$name.$tag.bf16" "$p" "bf16" "$@"
				theirs "$work/$name.$tag.bf16last" "$p" "last bf16" "$@"
			fi
			first=0
		done
	done
	summary "$work/$name.ours" "ours f32" "$work/$name.ours"
	[ -n "$no_half" ] || summary "$work/$name.ours16" "ours bf16" "$work/$name.ours"
	for p in $pythons; do
		tag=$(echo "$p" | tr / _)
		for kind in f32 bf16; do
			best=$(better "$work/$name.$tag.$kind" "$work/$name.$tag.${kind}last")
			layout="plain"
			case $best in *last) layout="channels last" ;; esac
			mine=
			[ "$kind" = bf16 ] && mine=$work/$name.ours16
			[ -n "$best" ] && summary "$best" "$kind, $layout" "$work/$name.ours" "$mine"
		done
	done
done
echo
echo "load $(cut -d' ' -f1 /proc/loadavg) at the end"
