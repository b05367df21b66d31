#!/usr/bin/env bash
# Runs tests of the library on an emulated processor with AVX-512: Bochs boots a Linux that has them as its only program.
#
#     tests/emulated/avx512.sh [FILTER…]            # without a filter: simd
#
# CPU names the processor (`bochs-bin --help cpu` lists them), KERNEL a vmlinuz; README.md beside this file says what to install.
# Fails unless every test passed and, but for another CPU, AVX-512 was among the kernels. Tests that read files of the checkout
# fail too: there are none of them in that Linux.
set -euo pipefail
cd "$(dirname "$0")/../.."

cpu=${CPU:-corei7_icelake_u}
kernel=${KERNEL:-$(find /boot -name 'vmlinuz-*' | sort -V | tail -n 1)}
filters=("${@:-simd}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Linked statically, so that the Linux needs no libraries. The flags are for the last crate alone: what it depends on is not built again.
echo "building the tests" >&2
tests=$(cargo rustc --quiet --profile bench --lib --message-format json -- -C target-feature=+crt-static |
    python3 -c 'import json, sys; print([m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable")][-1])')

mkdir -p "$work"/{root/bin,root/proc,root/tmp,disc}
cp "$tests" "$work/root/tests"
cp "$(command -v busybox)" "$work/root/bin/"
cat >"$work/root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox grep -m 1 'model name' /proc/cpuinfo
/tests --nocapture --test-threads=1 "$@"
echo "exit status $?"
/bin/busybox sleep 1
/bin/busybox poweroff -f
INIT
chmod +x "$work/root/init"
(cd "$work/root" && find . | cpio --quiet -o -H newc | gzip -1 >../disc/initrd)

# Bochs 2.7 gives wrong sizes of the compact form of XSAVE, and with PKU wrong places, upon which Linux would do without AVX.
cp "$kernel" "$work/disc/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/disc/"
cat >"$work/disc/isolinux.cfg" <<CONFIG
default tests
label tests
    kernel vmlinuz
    append initrd=initrd console=ttyS0,115200 quiet mitigations=off hpet=disable clearcpuid=pku,xsavec,xsaves -- ${filters[*]}
CONFIG
xorriso -as mkisofs -quiet -o "$work/boot.iso" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table \
    "$work/disc" 2>/dev/null

# Few instructions make up a second there (`ips`), so that what waits for time to pass waits shortly.
cat >"$work/bochsrc" <<CONFIG
megs: 2048
cpu: model=$cpu, count=1, ips=20000000
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=$work/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial
display_library: term
clock: sync=none
log: $work/log
CONFIG
echo continue >"$work/commands"

echo "booting $kernel on $cpu, which takes minutes" >&2
export TERM=vt100
timeout 3600 script -qec "bochs-bin -q -f $work/bochsrc -rc $work/commands" /dev/null </dev/null >"$work/screen" 2>&1 || true
cat "$work/serial"
grep -q 'exit status 0' "$work/serial"
[ "$cpu" != corei7_icelake_u ] || grep -q 'kernels compared on this machine: AVX-512' "$work/serial"
