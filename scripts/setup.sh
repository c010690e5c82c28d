#!/bin/sh
# Installs what scanmill needs from Debian 12 by apt-get. Usage: scripts/setup.sh [build|check]
#   build   compilers and libraries: enough for every stage and `make demo`
#   check   the same and what the tests use
# Optional, not installed here: libopenmpi-dev for make MPI=1.
# Idempotent: packages that are there are left alone, and with nothing missing no root is needed.
set -eu

build="gcc make pkg-config libopenjp2-7-dev libnifti2-dev libhdf5-dev libpng-dev
libjpeg-dev libdeflate-dev zlib1g-dev libcyaml-dev libyaml-dev libjansson-dev libssl-dev libpopt-dev libdnnl-dev
libgomp1"
check="libcmocka-dev perl python3-minimal python3-numpy python3-nibabel python3-h5py python3-pil
python3-pydicom dcm2niix valgrind clang libclang-rt-14-dev libomp-14-dev texlive-latex-base texlive-latex-recommended"

case "${1:-build}" in
build) want=$build ;;
check) want="$build $check" ;;
*)
	echo "setup: argument '$1': allowed are build and check" >&2
	exit 2
	;;
esac

missing=
for package in $want; do
	state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
	echo "setup: all packages are installed"
	exit 0
fi

echo "setup: to install:$missing"
run=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "setup: needs root or sudo for: apt-get install --no-install-recommends$missing" >&2
		exit 1
	fi
	run=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$run apt-get update -q
# shellcheck disable=SC2086  # a list of package names
$run apt-get install -q -y --no-install-recommends $missing
echo "setup: done"
