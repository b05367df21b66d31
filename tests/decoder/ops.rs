//! Every fused operation agrees with the one composed of candle's own, forward and backward, and its gradient with finite
//! differences.

use candle_core::{D, Device, Result, Tensor, Var};
use candle_nn::ops::{log_softmax, softmax};
use echoic::internals::ops;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn random(shape: &[usize], seed: u64) -> Var {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Var::from_vec(data, shape, &Device::Cpu).unwrap()
}

fn numbers(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn assert_close(a: &Tensor, b: &Tensor, tolerance: f32) {
    assert_eq!(a.dims(), b.dims());
    for (i, (x, y)) in numbers(a).iter().zip(numbers(b)).enumerate() {
        assert!((x - y).abs() <= tolerance * (1.0 + y.abs()), "number {i}: {x} and {y}");
    }
}

/// The gradient of `Σ out · grad` by finite differences at a few numbers of `x`.
#[track_caller]
fn assert_slope(x: &Var, dx: &Tensor, grad: &Tensor, forward: impl Fn() -> Result<Tensor>) {
    let (data, slopes, weights) = (numbers(x), numbers(dx), numbers(grad));
    let value = |i: usize, step: f32| {
        let mut moved = data.clone();
        moved[i] += step;
        x.set(&Tensor::from_vec(moved, x.shape(), &Device::Cpu).unwrap()).unwrap();
        let out = numbers(&forward().unwrap());
        out.iter().zip(&weights).map(|(o, w)| f64::from(*o) * f64::from(*w)).sum::<f64>()
    };
    let step = 1e-2;
    for i in (0..data.len()).step_by(data.len() / 7 + 1) {
        let slope = (value(i, step) - value(i, -step)) / (2.0 * f64::from(step));
        assert!((slope - f64::from(slopes[i])).abs() < 2e-2 * (1.0 + slope.abs()), "number {i}: {slope} {}", slopes[i]);
    }
    x.set(&Tensor::from_vec(data, x.shape(), &Device::Cpu).unwrap()).unwrap();
}

/// Runs candle's autograd on `Σ out · grad`.
fn autograd(out: &Tensor, grad: &Tensor, of: &[&Var]) -> Vec<Tensor> {
    let gradients = (out * grad).unwrap().sum_all().unwrap().backward().unwrap();
    of.iter().map(|v| gradients.get(v).unwrap().clone()).collect()
}

#[test]
fn layer_norm() {
    for (rows, width) in [(1, 3), (5, 16), (150, 37)] {
        let (x, gain, bias) = (random(&[rows, width], 1), random(&[width], 2), random(&[width], 3));
        let (grad, residual) = (random(&[rows, width], 4), random(&[rows, width], 5));
        let mean = x.mean_keepdim(D::Minus1).unwrap();
        let centred = x.broadcast_sub(&mean).unwrap();
        let variance = centred.sqr().unwrap().mean_keepdim(D::Minus1).unwrap();
        let normal = centred.broadcast_div(&(variance + f64::from(ops::EPSILON)).unwrap().sqrt().unwrap()).unwrap();
        let composed = normal.broadcast_mul(&gain).unwrap().broadcast_add(&bias).unwrap();
        assert_close(&ops::layer_norm(&x, &gain, &bias).unwrap(), &composed, 1e-5);
        let expected = autograd(&composed, &grad, &[&x, &gain, &bias]);
        let (dx, dgain, dbias) = ops::layer_norm_backward(&x, &gain, &grad, None).unwrap();
        assert_close(&dx, &expected[0], 1e-4);
        assert_close(&dgain, &expected[1], 1e-4);
        assert_close(&dbias, &expected[2], 1e-4);
        let (around, _, _) = ops::layer_norm_backward(&x, &gain, &grad, Some(&residual)).unwrap();
        assert_close(&around, &(dx.clone() + residual.as_tensor()).unwrap(), 1e-5);
        if width > 3 {
            assert_slope(&x, &dx, &grad, || ops::layer_norm(&x, &gain, &bias));
        }
    }
}

#[test]
fn linear() {
    for (rows, inner, out) in [(1, 3, 2), (130, 24, 33)] {
        let (x, weight, bias) = (random(&[rows, inner], 1), random(&[out, inner], 2), random(&[out], 3));
        let grad = random(&[rows, out], 4);
        let composed = x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
        assert_close(&ops::linear(&x, &weight, &bias).unwrap(), &composed, 1e-5);
        let expected = autograd(&composed, &grad, &[&x, &weight, &bias]);
        let (dx, dweight, dbias) = ops::linear_backward(&x, &weight, &grad).unwrap();
        assert_close(&dx, &expected[0], 1e-4);
        assert_close(&dweight, &expected[1], 1e-4);
        assert_close(&dbias, &expected[2], 1e-4);
        assert_slope(&weight, &dweight, &grad, || ops::linear(&x, &weight, &bias));
    }
}

#[test]
fn activations() {
    let (x, grad) = (random(&[33, 700], 1), random(&[33, 700], 2));
    let x = Var::from_tensor(&(x.as_tensor() * 4.0).unwrap()).unwrap();
    let composed = x.gelu().unwrap();
    assert_close(&ops::gelu(&x).unwrap(), &composed, 1e-5);
    let dx = ops::gelu_backward(&x, &grad).unwrap();
    assert_close(&dx, &autograd(&composed, &grad, &[&x])[0], 1e-4);
    let composed = x.tanh().unwrap();
    let out = ops::tanh(&x).unwrap();
    assert_close(&out, &composed, 1e-5);
    assert_close(&ops::tanh_backward(&out, &grad).unwrap(), &autograd(&composed, &grad, &[&x])[0], 1e-4);
}

#[test]
fn dropout() {
    let (x, y, grad) = (random(&[60, 512], 1), random(&[60, 512], 2), random(&[60, 512], 3));
    // What is dropped from is overwritten.
    let fresh = |y: &Var| y.copy().unwrap();
    let sum = ops::dropout_add(Some(&x), fresh(&y), 0.0, 9).unwrap();
    assert_close(&sum, &(x.as_tensor() + y.as_tensor()).unwrap(), 0.0);
    let out = ops::dropout_add(Some(&x), fresh(&y), 0.25, 9).unwrap();
    let ones = || y.ones_like().unwrap();
    let mask = ops::dropout_add(None, ones(), 0.25, 9).unwrap();
    let dropped = numbers(&mask).iter().filter(|m| **m == 0.0).count() as f64 / mask.elem_count() as f64;
    assert!((dropped - 0.25).abs() < 0.01, "{dropped}");
    assert!(numbers(&mask).iter().all(|m| *m == 0.0 || (m - 4.0 / 3.0).abs() < 1e-6));
    let composed = (x.as_tensor() + (y.as_tensor() * &mask).unwrap()).unwrap();
    assert_close(&out, &composed, 1e-6);
    let dy = ops::dropout_backward(&grad, 0.25, 9).unwrap();
    assert_close(&dy, &autograd(&composed, &grad, &[&y])[0], 1e-6);
    assert_ne!(numbers(&grad), numbers(&dy), "the gradient itself is left as it was");
    assert_ne!(numbers(&mask), numbers(&ops::dropout_add(None, ones(), 0.25, 10).unwrap()));
}

/// Attention of one sequence `[length, 3 · width]`, composed.
fn composed_attention(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    let (length, triple) = qkv.dims2()?;
    let (width, size) = (triple / 3, triple / 3 / heads);
    let part =
        |i: usize| qkv.narrow(1, i * width, width)?.reshape((length, heads, size))?.transpose(0, 1)?.contiguous();
    let (q, k, v) = (part(0)?, part(1)?, part(2)?);
    let scores = (q.matmul(&k.t()?)? / (size as f64).sqrt())?;
    let mask: Vec<f32> =
        (0..length * length).map(|i| if i % length > i / length { f32::NEG_INFINITY } else { 0.0 }).collect();
    let scores = scores.broadcast_add(&Tensor::from_vec(mask, (1, length, length), &Device::Cpu)?)?;
    softmax(&scores, D::Minus1)?.matmul(&v)?.transpose(0, 1)?.contiguous()?.reshape((length, width))
}

#[test]
fn attention_over_packed_sequences() {
    let (offsets, width, heads) = ([0usize, 1, 6, 6, 19], 24, 4);
    let qkv = Var::from_tensor(&(random(&[19, 3 * width], 1).as_tensor() * 2.0).unwrap()).unwrap();
    let grad = random(&[19, width], 2);
    let pieces: Vec<Tensor> = offsets
        .windows(2)
        .filter(|pair| pair[1] > pair[0])
        .map(|pair| composed_attention(&qkv.narrow(0, pair[0], pair[1] - pair[0]).unwrap(), heads).unwrap())
        .collect();
    let composed = Tensor::cat(&pieces, 0).unwrap();
    assert_close(&ops::attention(&qkv, &offsets, heads).unwrap(), &composed, 1e-5);
    let dqkv = ops::attention_backward(&qkv, &offsets, heads, &grad).unwrap();
    assert_close(&dqkv, &autograd(&composed, &grad, &[&qkv])[0], 1e-4);
    assert_slope(&qkv, &dqkv, &grad, || ops::attention(&qkv, &offsets, heads));
    assert!(ops::attention(&qkv, &[0, 18], heads).is_err());
    assert!(ops::attention(&qkv, &offsets, 5).is_err());
}

#[test]
fn cross_entropy() {
    for smoothing in [0.0, 0.1] {
        let logits = Var::from_tensor(&(random(&[70, 45], 1).as_tensor() * 6.0).unwrap()).unwrap();
        let targets: Vec<u32> = (0..70).map(|i| i * 31 % 45).collect();
        let log = log_softmax(&logits, D::Minus1).unwrap();
        let index = Tensor::from_slice(&targets, (70, 1), &Device::Cpu).unwrap();
        let hit = log.gather(&index, 1).unwrap().mean_all().unwrap();
        let composed = ((hit * (smoothing - 1.0)).unwrap() - (log.mean_all().unwrap() * smoothing).unwrap()).unwrap();
        let (loss, log_sums) = ops::cross_entropy(&logits, &targets, smoothing as f32).unwrap();
        assert!((loss - f64::from(composed.to_scalar::<f32>().unwrap())).abs() < 1e-5);
        let gradients = composed.backward().unwrap();
        let grad = ops::cross_entropy_backward(logits.copy().unwrap(), &targets, smoothing as f32, &log_sums).unwrap();
        assert_close(&grad, gradients.get(&logits).unwrap(), 1e-6);
    }
    assert!(ops::cross_entropy(&random(&[2, 3], 1), &[0, 3], 0.0).is_err());
}

#[test]
fn embedding_rows() {
    let (table, places, prefixes) = (random(&[7, 5], 1), random(&[4, 5], 2), random(&[2, 5], 3));
    let tokens = [None, Some(3), Some(3), None, Some(6)];
    let positions = [0, 1, 2, 0, 1];
    let rows = [
        prefixes.get(0).unwrap(),
        table.get(3).unwrap(),
        table.get(3).unwrap(),
        prefixes.get(1).unwrap(),
        table.get(6).unwrap(),
    ];
    let placed = places.index_select(&Tensor::new(&positions, &Device::Cpu).unwrap(), 0).unwrap();
    let composed = (Tensor::stack(&rows, 0).unwrap() + placed).unwrap();
    assert_close(&ops::embed(&table, &places, &prefixes, &tokens, &positions).unwrap(), &composed, 0.0);
    let grad = random(&[5, 5], 4);
    let expected = autograd(&composed, &grad, &[&table, &places, &prefixes]);
    let zeros = |v: &Var| v.zeros_like().unwrap();
    let (dtable, dplaces) = (zeros(&table), zeros(&places));
    let dprefixes = ops::embed_backward(&grad, &tokens, &positions, &dtable, &dplaces).unwrap();
    for (found, expected) in [dtable, dplaces, dprefixes].iter().zip(&expected) {
        assert_close(found, expected, 1e-6);
    }

    let selected = ops::select_rows(&table, &[5, 0]).unwrap();
    assert_close(&selected, &table.index_select(&Tensor::new(&[5u32, 0], &Device::Cpu).unwrap(), 0).unwrap(), 0.0);
    let back = ops::select_rows_backward(&selected, &[5, 0], 7).unwrap();
    assert_close(&back.get(5).unwrap(), &table.get(5).unwrap(), 0.0);
    assert_eq!(numbers(&back.get(1).unwrap()), [0.0; 5]);
    assert!(ops::embed(&table, &places, &prefixes, &[None, Some(7)], &[0, 1]).is_err());
}

#[test]
fn adamw_takes_candles_steps() {
    use candle_nn::{AdamW, Optimizer, ParamsAdamW};
    let (ours, theirs) = (random(&[40, 900], 1), random(&[40, 900], 1));
    let params = ParamsAdamW { lr: 0.01, beta1: 0.9, beta2: 0.98, eps: 1e-8, weight_decay: 0.1 };
    let mut reference = AdamW::new(vec![theirs.clone()], params).unwrap();
    let mut moments = ops::Moments::new(ours.elem_count());
    for step in 1..=5 {
        let gradient = random(&[40, 900], 10 + step);
        let loss = (theirs.as_tensor() * gradient.as_tensor()).unwrap().sum_all().unwrap();
        reference.backward_step(&loss).unwrap();
        let adam = ops::AdamW { rate: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-8, decay: 0.1, scale: 1.0, step };
        adam.apply(&ours, &gradient, &mut moments).unwrap();
        assert_close(&ours, &theirs, 1e-5);
    }
    let norm: f64 = numbers(&ours).iter().map(|x| f64::from(x * x)).sum();
    assert!((ops::squared_norm(&ours).unwrap() - norm).abs() < 1e-6 * norm);
}
