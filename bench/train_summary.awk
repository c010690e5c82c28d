# SPDX-License-Identifier: Apache-2.0
# README.md's table from the rows that bench/train.sh prints (a saved output, or docs/benchmarks.md): of each
# network our float32, and the first PyTorch of float32 and of bfloat16 in the file (the newest).
function cell(i) { return i in part ? part[i] : "" }
function end_row() {
	if (name == "") return
	times = torch_times == "" ? "" : sprintf("**%.1f**", torch_times)
	half = half_times == "" ? "" : sprintf("%.1f", half_times)
	printf "| %s | %s | %s | %s | %s | %s | %s | %s |\n", name, step, torch, times, half, bound, memory, torch_memory
	name = ""
	rows++
}
{
	n = split($0, part, / *\| */) # part[1] is before the first bar
}
/^\| *network *\| *program *\| *step, ms/ {
	reading = 1
	print "| network | step, ms | PyTorch, ms | times | PyTorch bf16, times | of the bound | memory, MiB | PyTorch, MiB |"
	print "|---|---|---|---|---|---|---|---|"
	next
}
!reading || /^\|---/ { next }
!/^\|/ { end_row(); reading = 0; next }
cell(3) == "ours f32" {
	end_row()
	name = cell(2); step = cell(4); memory = cell(8); bound = cell(10); sub(/,.*/, "", bound)
	torch = torch_times = torch_memory = half_times = ""
}
cell(3) ~ /^f32, / && cell(2) == name && torch == "" { torch = cell(4); torch_times = cell(6); torch_memory = cell(8) }
cell(3) ~ /^bf16, / && cell(2) == name && half_times == "" { half_times = cell(6); sub(/ .*/, "", half_times) }
END {
	end_row()
	if (!rows) { print FILENAME ": has no row of bench/train.sh" >"/dev/stderr"; exit 1 }
}
