//! Sizes as people write them.

use std::fmt;
use std::str::FromStr;

/// An amount of memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Size {
    /// Bytes.
    Bytes(u64),
    /// A share of the machine's memory, percent, more than 0 and at most 100.
    Percent(f64),
}

impl Size {
    /// In bytes, on a machine with this much.
    pub fn of(self, total: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => (total as f64 * percent / 100.0) as u64,
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no size: write 4GiB, 500MB or 25%");
        let text_ = text.trim();
        let split = text_.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text_.len());
        let (number, unit) = text_.split_at(split);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "%" if number > 0.0 && number <= 100.0 => return Ok(Self::Percent(number)),
            "" | "b" => 1,
            "kb" | "k" => 1_000,
            "mb" | "m" => 1_000_000,
            "gb" | "g" => 1_000_000_000,
            "tb" | "t" => 1_000_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            _ => return Err(wrong()),
        };
        let bytes = number * factor as f64;
        if !(1.0..9.0e18).contains(&bytes) {
            return Err(wrong());
        }
        Ok(Self::Bytes(bytes as u64))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => f.write_str(&bytes_text(*bytes)),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// `1.5 GiB`, `312 B`.
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    // 1023.95 would print as 1024.0
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        assert_eq!("4GiB".parse(), Ok(Size::Bytes(4 << 30)));
        assert_eq!("500MB".parse(), Ok(Size::Bytes(500_000_000)));
        assert_eq!("1.5 gib".parse(), Ok(Size::Bytes(3 << 29)));
        assert_eq!("4096".parse(), Ok(Size::Bytes(4096)));
        assert_eq!("25%".parse(), Ok(Size::Percent(25.0)));
        assert_eq!(Size::Percent(25.0).of(4000), 1000);
        for bad in ["", "GiB", "0", "0%", "101%", "-1GB", "4 Gibs", "1e30", "99999999TiB", "NaN", "inf"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn bytes_read_well() {
        assert_eq!(bytes_text(0), "0 B");
        assert_eq!(bytes_text(1023), "1023 B");
        assert_eq!(bytes_text(1024), "1.0 KiB");
        assert_eq!(bytes_text((1 << 20) - 1), "1.0 MiB");
        assert_eq!(bytes_text(3 << 29), "1.5 GiB");
    }
}
