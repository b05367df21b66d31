//! Where layers take their weights from.

use std::collections::BTreeMap;

use crate::Result;

/// Named tensors of a checkpoint, in whatever format: what a tower is loaded from.
pub trait Tensors: Send + Sync {
    /// The tensor `name`, whose shape must be `shape`, as `f32` in row-major order.
    ///
    /// # Errors
    /// [`Error::Input`] that names a missing, misshapen or damaged tensor.
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>>;

    /// The shape of the tensor `name`, where there is one.
    fn shape(&self, name: &str) -> Option<&[usize]>;

    /// Every tensor with its shape, by name.
    fn names(&self) -> BTreeMap<String, Vec<usize>>;
}

/// The lengths of the tensor `name`, which must have `N` dimensions: for models whose sizes only their tensors tell.
///
/// # Errors
/// [`Error::Input`] that names a missing or misshapen tensor.
pub(crate) fn lengths<const N: usize>(file: &dyn Tensors, name: &str) -> Result<[usize; N]> {
    match file.shape(name).map(<[usize; N]>::try_from) {
        Some(Ok(lengths)) if !lengths.contains(&0) => Ok(lengths),
        // Asked for with a shape that none has, so that the error is that of every other tensor.
        _ => file.get(name, &[usize::MAX; N]).map(|_| [0; N]),
    }
}

/// How many parts the tensors below `prefix` number: one more than the largest number that follows it. So a part that lacks a tensor is
/// missed when it is loaded, and not taken for the end.
pub(crate) fn count(file: &dyn Tensors, prefix: &str) -> usize {
    let number = |name: &String| name.strip_prefix(prefix)?.split('.').next()?.parse::<u16>().ok();
    file.names().keys().filter_map(number).max().map_or(0, |last| usize::from(last) + 1)
}
