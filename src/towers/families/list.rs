//! Every family there is.

use std::fmt;

use super::spec::{Family, FamilySpec, Layout, Relative};
use super::{laion, msclap, starter, wavcaps};

/// Every family. The fused layout comes before the plain one, whose names it has too.
pub(crate) const SPECS: [&FamilySpec; 7] = [
    &starter::STARTER,
    &wavcaps::CNN14,
    &wavcaps::HTSAT,
    &laion::FUSED,
    &laion::UNFUSED,
    &laion::ORIGINAL,
    &msclap::MSCLAP_2023,
];

/// The families with a checkpoint of both towers, and how it is laid out.
pub(crate) fn layouts() -> impl DoubleEndedIterator<Item = (Family, &'static Layout)> {
    SPECS.into_iter().filter_map(|spec| Some((spec.family, spec.layout.as_ref()?)))
}

/// The relatives of all families.
pub(crate) fn relatives() -> impl Iterator<Item = &'static Relative> {
    SPECS.into_iter().flat_map(|spec| spec.relatives)
}

impl Family {
    /// Every family that is known.
    pub fn all() -> impl Iterator<Item = Self> {
        SPECS.into_iter().map(|spec| spec.family)
    }

    /// All that is to be said of it.
    pub(crate) fn spec(self) -> &'static FamilySpec {
        match self {
            Self::Starter => &starter::STARTER,
            Self::WavcapsCnn14 => &wavcaps::CNN14,
            Self::WavcapsHtsat => &wavcaps::HTSAT,
            Self::Laion => &laion::UNFUSED,
            Self::LaionFused => &laion::FUSED,
            Self::LaionOriginal => &laion::ORIGINAL,
            Self::Msclap2023 => &msclap::MSCLAP_2023,
        }
    }

    /// Its name, as records and `--json` write it.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// The licence under which its makers published it, in a few words. That of a checkpoint that someone trained is their own.
    pub fn licence(self) -> &'static str {
        self.spec().licence
    }

    /// The tokenizer that its text tower was trained with, as the Hugging Face hub names its repository.
    pub fn tokenizer(self) -> &'static str {
        self.spec().tokenizer
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_and_the_enum_name_the_same_families() {
        for spec in SPECS {
            assert_eq!(spec.family.spec().name, spec.name);
            let written = serde_json::to_string(&spec.family).unwrap();
            assert_eq!(written, format!("\"{}\"", spec.name));
        }
    }
}
