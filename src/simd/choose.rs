//! Which loops this machine can run.

#[cfg(target_arch = "x86_64")]
use super::avx2;
#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::kernels::Kernels;
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::plain;

impl Kernels {
    /// The fastest for this machine. Cheap: what the processor has is asked once and remembered.
    pub(crate) fn get() -> &'static Self {
        Self::all().next().unwrap_or(&plain::KERNELS)
    }

    /// Those that this machine can run, the fastest first.
    fn all() -> impl Iterator<Item = &'static Self> {
        let found = [
            #[cfg(target_arch = "x86_64")]
            avx512::kernels(),
            #[cfg(target_arch = "x86_64")]
            avx2::kernels(),
            #[cfg(target_arch = "aarch64")]
            neon::kernels(),
            Some(&plain::KERNELS),
        ];
        found.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::kernels::{TILE_QUERIES, TILE_ROWS};
    use crate::testing::noise;

    fn integers(len: usize, seed: u32, scale: f32) -> Vec<i16> {
        noise(len, seed).iter().map(|x| (x * scale) as i16).collect()
    }

    /// Around every width, and those that models have.
    fn dims() -> impl Iterator<Item = usize> {
        (1..140).chain([384, 512, 768, 1024, 1031])
    }

    /// `--nocapture` shows which they are: an emulator that lacks an instruction set must not pass for one that has it.
    #[test]
    fn the_fastest_kernels_of_the_machine_are_chosen() {
        let names: Vec<&str> = Kernels::all().map(|kernels| kernels.name).collect();
        println!("kernels compared on this machine: {}", names.join(", "));
        assert_eq!(Kernels::get().name, names[0]);
        assert_eq!(*names.last().unwrap(), "plain");
    }

    #[test]
    fn all_kernels_agree_with_their_plain_twins() {
        let plain = &plain::KERNELS;
        for (fast, dim) in Kernels::all().flat_map(|fast| dims().map(move |dim| (fast, dim))) {
            let name = fast.name;
            let rows = noise(7 * dim, 5);
            let query = noise(dim, 6);
            let (mut ours, mut theirs) = (vec![0.0; 7], vec![0.0; 7]);
            fast.dots(&query, &rows, &mut ours);
            plain.dots(&query, &rows, &mut theirs);
            for (row, (a, b)) in ours.iter().zip(&theirs).enumerate() {
                assert!((a - b).abs() < 1e-5 * dim as f32, "{name}, row {row} of {dim}: {a} and {b}");
                let alone = fast.dot(&query, &rows[row * dim..(row + 1) * dim]);
                assert_eq!(alone.to_bits(), a.to_bits(), "{name}, row {row} of {dim} alone");
            }
            let (mut ours, mut theirs) = (vec![0.5; dim], vec![0.5; dim]);
            fast.add_scaled(&mut ours, 0.3, &query);
            plain.add_scaled(&mut theirs, 0.3, &query);
            assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-15), "{name}, {dim}");
        }
    }

    #[test]
    fn all_kernels_agree_with_their_plain_twins_on_codes() {
        for (fast, dim) in Kernels::all().flat_map(|fast| dims().map(move |dim| (fast, dim))) {
            let codes: Vec<i8> = integers(9 * dim, 7, 127.0).iter().map(|x| *x as i8).collect();
            let limit = 32767.0f32.min(i32::MAX as f32 / (127.0 * dim as f32));
            let queries = integers(TILE_QUERIES * dim, 9, limit);
            compare_codes(fast, &queries, &codes, dim);
        }
    }

    /// -32768 · -128 · 511 is just below 2³¹: no product and no pair of products may be cut off on the way.
    #[test]
    fn all_kernels_agree_with_their_plain_twins_on_the_largest_numbers() {
        for (fast, dim) in Kernels::all().flat_map(|fast| [1, 31, 33, 64, 384, 511].map(move |dim| (fast, dim))) {
            for (number, code) in [(i16::MIN, i8::MIN), (i16::MIN, i8::MAX), (i16::MAX, i8::MIN), (i16::MAX, i8::MAX)] {
                compare_codes(fast, &vec![number; TILE_QUERIES * dim], &vec![code; 9 * dim], dim);
            }
        }
    }

    /// Compares all that takes codes, given four queries and nine rows.
    fn compare_codes(fast: &Kernels, queries: &[i16], codes: &[i8], dim: usize) {
        let (plain, name, query) = (&plain::KERNELS, fast.name, &queries[..dim]);
        let (mut ours, mut theirs) = (vec![0; 9], vec![0; 9]);
        fast.code_dots(query, codes, &mut ours);
        plain.code_dots(query, codes, &mut theirs);
        assert_eq!(ours, theirs, "{name}, {dim}");
        let rows = [8, 0, 3, 3, 7, 1];
        let (mut ours, mut theirs) = (vec![0; 6], vec![0; 6]);
        fast.gather(query, codes, &rows, &mut ours);
        plain.gather(query, codes, &rows, &mut theirs);
        assert_eq!(ours, theirs, "{name}, {dim}");
        let mut wide = vec![0; 9 * dim];
        fast.widen(codes, &mut wide);
        assert!(wide.iter().zip(codes).all(|(a, b)| *a == i16::from(*b)), "{name}, {dim}");
        let tile = fast.tile(queries, &wide[..TILE_ROWS * dim], dim);
        assert_eq!(tile, plain.tile(queries, &wide[..TILE_ROWS * dim], dim), "{name}, {dim}");
    }
}
