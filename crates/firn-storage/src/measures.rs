//! Prices and quotas, as they are written in a configuration.

use serde::{Deserialize, Serialize};

/// What a gigabyte (10^9 bytes) costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Price {
    /// The amount.
    pub amount: f64,
    /// The currency, in three letters.
    pub currency: String,
}

// Amounts are finite: they are checked where they are read.
impl Eq for Price {}

impl Price {
    /// What this many bytes cost: `12.30 USD`.
    pub fn of(&self, bytes: u64) -> String {
        format!("{:.2} {}", self.amount * bytes as f64 / 1e9, self.currency)
    }
}

impl TryFrom<String> for Price {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad = || format!("{text:?} is no price: write an amount per gigabyte and a currency, as \"0.12 USD\"");
        let (amount, currency) = text.trim().split_once(' ').ok_or_else(bad)?;
        let amount: f64 = amount.parse().map_err(|_| bad())?;
        let currency = currency.trim();
        let is_currency = currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase());
        if !amount.is_finite() || amount < 0.0 || !is_currency {
            return Err(bad());
        }
        Ok(Self { amount, currency: currency.to_owned() })
    }
}

impl From<Price> for String {
    fn from(price: Price) -> Self {
        format!("{} {}", price.amount, price.currency)
    }
}

/// How much may lie somewhere, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quota(pub u64);

/// Units of bytes, the largest first.
const UNITS: [(&str, u64); 8] = [
    ("PiB", 1 << 50),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("PB", 1_000_000_000_000_000),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
];

impl TryFrom<String> for Quota {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad =
            || format!("{text:?} is no size: write a number with MB, GB, TB, PB, MiB, GiB, TiB or PiB, as \"50TB\"");
        let (number, unit) = UNITS
            .iter()
            .find_map(|(word, unit)| Some((text.trim().strip_suffix(word)?.trim(), *unit)))
            .ok_or_else(bad)?;
        let number: f64 = number.parse().map_err(|_| bad())?;
        let bytes = number * unit as f64;
        if !(1.0..1e18).contains(&bytes) {
            return Err(bad());
        }
        Ok(Self(bytes as u64))
    }
}

impl From<Quota> for String {
    fn from(Quota(bytes): Quota) -> Self {
        let whole =
            UNITS.iter().find(|(_, unit)| bytes % unit == 0).map(|(word, unit)| format!("{}{word}", bytes / unit));
        whole.unwrap_or_else(|| format!("{:.3}GB", bytes as f64 / 1e9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_and_quotas_read_back() {
        let price = Price::try_from("0.12 USD".to_owned()).unwrap();
        assert_eq!((price.of(100_000_000_000), String::from(price)), ("12.00 USD".to_owned(), "0.12 USD".to_owned()));
        for (text, bytes) in [("50TB", 50_000_000_000_000), ("1.5 GiB", 3 << 29), ("2PiB", 2 << 50)] {
            let quota = Quota::try_from(text.to_owned()).unwrap();
            assert_eq!(quota.0, bytes, "{text}");
            assert_eq!(Quota::try_from(String::from(quota)).unwrap(), quota);
        }
        for bad in ["", "12", "x USD", "-1 USD", "1 usd", "1 DOLLAR", "nan USD", "inf USD"] {
            assert!(Price::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        for bad in ["", "12", "TB", "-1GB", "nanGB", "1e30PB", "0GB"] {
            assert!(Quota::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
