//! The error of tensor computations, so that candle's own stays out of the library's face.

use crate::Error;

/// What goes wrong in a function that computes with tensors: candle's error or the library's.
#[derive(Debug)]
pub(crate) enum Fault {
    Tensor(candle_core::Error),
    Other(Error),
}

/// The result of such a function.
pub(crate) type Result<T, E = Fault> = std::result::Result<T, E>;

impl From<candle_core::Error> for Fault {
    fn from(error: candle_core::Error) -> Self {
        Self::Tensor(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Tensor(error) => Self::Tensor(error.to_string()),
            Fault::Other(error) => error,
        }
    }
}
