//! Noise, shift, and the estimate of the noise.

use echoic::bridge::{estimate_noise_variance, inject_noise, shift};
use echoic::embedding::dot;

fn unit(dim: usize) -> Vec<f32> {
    let mut v = vec![0.0; dim];
    v[0] = 1.0;
    v
}

#[test]
fn noise_has_the_variance_asked_for_and_leaves_unit_length() {
    let (dim, variance) = (1000, 0.0004);
    let mut cosines = 0.0;
    for seed in 0..200 {
        let mut v = unit(dim);
        inject_noise(&mut v, variance, seed);
        assert!((dot(&v, &v) - 1.0).abs() < 1e-5);
        cosines += f64::from(v[0]) / 200.0;
    }
    // Noise of length² 0.4 beside a vector of length 1: the cosine is 1/sqrt(1.4).
    assert!((cosines - 1.0 / 1.4f64.sqrt()).abs() < 0.01, "{cosines}");
}

#[test]
fn no_noise_changes_nothing_and_the_same_seed_repeats() {
    let mut still = unit(8);
    inject_noise(&mut still, 0.0, 1);
    assert_eq!(still, unit(8));
    let noisy = |seed| {
        let mut v = unit(9);
        inject_noise(&mut v, 0.01, seed);
        v
    };
    assert_eq!(noisy(7), noisy(7));
    assert_ne!(noisy(7), noisy(8));
}

#[test]
fn shift_moves_towards_the_other_modality() {
    let mut v = vec![1.0, 0.0];
    shift(&mut v, &[0.0, 1.0]);
    assert!((v[0] - v[1]).abs() < 1e-6 && (dot(&v, &v) - 1.0).abs() < 1e-6);
}

#[test]
fn the_estimate_is_the_mean_of_the_largest_differences_within_clips() {
    let (a, b, c) = ([0.0, 0.0], [0.3, -0.1], [0.1, 0.5]);
    let clips: [Vec<&[f32]>; 3] = [vec![&a, &b, &c], vec![&a, &b], vec![&a]];
    // Pairs: ab 0.3, ac 0.5, bc 0.6, and ab 0.3 again; the clip with one caption says nothing.
    let estimate = estimate_noise_variance(clips).unwrap();
    assert!((estimate.sigma - 0.425).abs() < 1e-6);
    assert!((estimate.variance - 0.425f32.powi(2)).abs() < 1e-6);
    assert_eq!((estimate.pairs, estimate.clips), (4, 2));
    assert_eq!(estimate_noise_variance([vec![&a[..]]]), None);
}
