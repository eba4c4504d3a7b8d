//! Text for people and pages.

/// A URL without credentials and signatures.
pub(crate) fn shown(url: &str) -> String {
    firn_model::diagnose::without_secrets(url)
}

/// `1.5 GiB`
pub(crate) fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A number with as many digits as tell it from its neighbours in `f32`, which most coordinates are.
pub(crate) fn number_text(value: f64) -> String {
    let short = value as f32;
    if f64::from(short) == value { format!("{short}") } else { format!("{value}") }
}
