#!/usr/bin/env bash
# candle-core 0.11.1 with gemm 0.19.0 (matrix products of models on the CPU).
#
# One would guess: candle's matrix products use the widest vectors that the processor
# has. The crate behind them, gemm, picks its kernel at run time, and candle has
# features for what it leaves out (mkl, accelerate, cuda).
# What happens: gemm's kernels for AVX-512 stand behind its feature x86-v4, which
# candle does not turn on and has no feature for. A program that multiplies by candle
# holds no instruction with a 512-bit register at all. Naming gemm as a dependency of
# one's own, with that feature and nothing else, is enough: Cargo unites the features,
# and candle's products take them (about 1.5 to 2 times as fast where AVX-512 is).
# Hit: whoever runs or trains models with candle on a server's CPU.
set -euo pipefail
[ "$(uname -m)" = x86_64 ] || { echo "this is about x86-64"; exit 0; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export CARGO_TARGET_DIR="$tmp/target"
mkdir -p "$tmp/p/src"
cd "$tmp/p"
cat > src/main.rs <<'RS'
use candle_core::{Device, Tensor};
fn main() -> candle_core::Result<()> {
    let a = Tensor::rand(-1f32, 1f32, (512, 768), &Device::Cpu)?;
    let b = Tensor::rand(-1f32, 1f32, (768, 768), &Device::Cpu)?;
    let mut best = f64::MAX;
    for _ in 0..50 {
        let begun = std::time::Instant::now();
        std::hint::black_box(a.matmul(&b)?);
        best = best.min(begun.elapsed().as_secs_f64());
    }
    println!("  512 x 768 by 768 x 768: {:.2} ms at best", 1e3 * best);
    Ok(())
}
RS
build() {
    printf '[package]\nname = "p"\nversion = "0.1.0"\nedition = "2024"\n[dependencies]\ncandle-core = "=0.11.1"\n%s\n' "$1" > Cargo.toml
    cargo build --release --quiet
    "$CARGO_TARGET_DIR/release/p"
    objdump -d "$CARGO_TARGET_DIR/release/p" > "$tmp/code.txt"
    wide=$(grep -c '%zmm' "$tmp/code.txt" || true)
    echo "  instructions with a 512-bit register: $wide"
}
echo "candle-core 0.11.1 as it is"
build 'gemm = "=0.19.0"'
[ "$wide" = 0 ]
echo "with gemm's feature x86-v4"
build 'gemm = { version = "=0.19.0", features = ["x86-v4"] }'
[ "$wide" -gt 100 ]
