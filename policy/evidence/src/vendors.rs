//! Whose word about hardware counts: the keys in which chains end.

use std::borrow::Cow;

/// The vendors' keys.
#[derive(Clone)]
pub struct Vendors {
    amd: Vec<AmdProduct>,
    intel: Cow<'static, [u8]>,
}

/// The two certificates above those of all chips of one product, in DER.
#[derive(Clone)]
pub struct AmdProduct {
    /// The root's, signed by itself.
    pub ark: Cow<'static, [u8]>,
    /// The one that signs for chips.
    pub ask: Cow<'static, [u8]>,
}

impl Vendors {
    /// The real ones: AMD's for Milan and Genoa, and Intel's.
    #[must_use]
    pub fn known() -> Self {
        let milan = AmdProduct {
            ark: Cow::Borrowed(include_bytes!("../roots/amd-milan-ark.der")),
            ask: Cow::Borrowed(include_bytes!("../roots/amd-milan-ask.der")),
        };
        let genoa = AmdProduct {
            ark: Cow::Borrowed(include_bytes!("../roots/amd-genoa-ark.der")),
            ask: Cow::Borrowed(include_bytes!("../roots/amd-genoa-ask.der")),
        };
        let intel = include_bytes!("../roots/intel-sgx-root.der");
        Self { amd: vec![milan, genoa], intel: Cow::Borrowed(intel) }
    }

    /// Others, for hardware that somebody else vouches for, and for tests.
    #[must_use]
    pub fn these(amd: Vec<AmdProduct>, intel_root: Vec<u8>) -> Self {
        Self { amd, intel: Cow::Owned(intel_root) }
    }

    pub(crate) fn amd(&self) -> &[AmdProduct] {
        &self.amd
    }

    pub(crate) fn intel(&self) -> &[u8] {
        &self.intel
    }
}
