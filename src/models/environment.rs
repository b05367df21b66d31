//! What the environment says about the network.

/// Whether the environment keeps Echoic off the network.
pub(crate) fn offline_by_env() -> bool {
    ["ECHOIC_OFFLINE", "HF_HUB_OFFLINE"].iter().any(|name| {
        let value = std::env::var(name).unwrap_or_default().trim().to_ascii_lowercase();
        !["", "0", "n", "no", "f", "false", "off"].contains(&value.as_str())
    })
}

/// Why nothing is downloaded.
pub(crate) const OFFLINE: &str = "it would have to be downloaded, and the network may not be used (offline by option, \
    ECHOIC_OFFLINE or HF_HUB_OFFLINE)";
