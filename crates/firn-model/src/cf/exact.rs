//! A count in floating point, as whole microseconds: exactly the ones that cftime decodes, and whether that is exact.
//!
//! cftime multiplies in 80-bit extended precision (64 significant bits), rounds halves to even, and where the unit is a second
//! or longer moves a result one microsecond beside a whole second onto that second. All of it is done here in integers.

use super::units::TimeUnit;

/// How far, in units in the last place of an `f64`, a value may lie from a whole microsecond and still be meant as one: the
/// error of a division and a few additions (`start + i / 24`), and no more.
const TOLERANCE_ULPS: i128 = 4;

/// Bits below the point of a microsecond that count as nothing (2⁻¹³ µs, an eighth of a nanosecond): what remains of a zero
/// that was computed.
const NOTHING_BITS: u32 = 13;

/// Counts with more bits than this below the point are smaller than 2⁻²⁰ µs, and would not fit the arithmetic.
const SMALLEST_BITS: u32 = 110;

/// Microseconds of a count, and whether the count means them exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Micros {
    pub(super) micros: i64,
    pub(super) whole: bool,
}

/// The microseconds of a count of units; `None` where it is not finite or needs more than 64 bits.
pub(super) fn micros_of_float(count: f64, unit: TimeUnit) -> Option<Micros> {
    if !count.is_finite() {
        return None;
    }
    let (mantissa, exponent) = parts(count);
    // Below 2⁹⁰: 53 bits of mantissa, 37 of factor.
    let product = i128::from(mantissa) * i128::from(unit.micros());
    if exponent >= 0 {
        let micros = product.checked_mul(1i128.checked_shl(exponent.unsigned_abs())?)?;
        return Some(Micros { micros: i64::try_from(micros).ok()?, whole: true });
    }
    let below = exponent.unsigned_abs();
    if below > SMALLEST_BITS {
        return Some(Micros { micros: 0, whole: true });
    }
    let micros = cftime_integer(round_to_64_bits(product), below, unit);
    let distance = (product - (micros << below)).abs();
    let by_rounding = TOLERANCE_ULPS * i128::from(unit.micros());
    let nothing = if below >= NOTHING_BITS { 1i128 << (below - NOTHING_BITS) } else { 0 };
    Some(Micros { micros: i64::try_from(micros).ok()?, whole: distance <= by_rounding.max(nothing) })
}

/// `value == mantissa · 2^exponent`, with a mantissa of 53 bits where the value is normal.
fn parts(value: f64) -> (i64, i32) {
    let bits = value.to_bits();
    let biased = ((bits >> 52) & 0x7ff) as i32;
    let fraction = (bits & ((1 << 52) - 1)) as i64;
    let mantissa = if biased == 0 { fraction } else { fraction | (1 << 52) };
    (if value.is_sign_negative() { -mantissa } else { mantissa }, biased.max(1) - 1075)
}

/// The nearest number of 64 significant bits, halves to even.
fn round_to_64_bits(product: i128) -> i128 {
    let excess = (128 - product.unsigned_abs().leading_zeros()).saturating_sub(64);
    round_half_even(product, excess) << excess
}

/// `scaled / 2^below` to the nearest integer, halves to even.
fn round_half_even(scaled: i128, below: u32) -> i128 {
    if below == 0 {
        return scaled;
    }
    // An arithmetic shift rounds down, so the rest is never negative.
    let floor = scaled >> below;
    let rest = scaled - (floor << below);
    let half = 1i128 << (below - 1);
    floor + i128::from(rest > half || (rest == half && floor & 1 == 1))
}

/// The integer that cftime makes of `scaled / 2^below` microseconds.
fn cftime_integer(scaled: i128, below: u32, unit: TimeUnit) -> i128 {
    let nearest = round_half_even(scaled, below);
    if matches!(unit, TimeUnit::Milliseconds | TimeUnit::Microseconds) {
        return nearest;
    }
    let floor = scaled >> below;
    let is_whole = floor << below == scaled;
    match nearest.rem_euclid(1_000_000) {
        1 => floor,
        999_999 => floor + i128::from(!is_whole),
        _ => nearest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(count: f64, unit: TimeUnit) -> Option<(i64, bool)> {
        micros_of_float(count, unit).map(|m| (m.micros, m.whole))
    }

    #[test]
    fn a_decimal_fraction_of_a_day_is_meant_exactly() {
        assert_eq!(micros(0.1, TimeUnit::Days), Some((8_640_000_000, true)));
        assert_eq!(micros(7000.1, TimeUnit::Days), Some((604_808_640_000_000, true)));
        assert_eq!(micros(-1.0 / 3.0, TimeUnit::Days), Some((-28_800_000_000, true)));
        for i in 0..48 {
            let expected = (700_000 + i) * 3_600_000_000;
            let count = 700_000.0 / 24.0 + i as f64 * (1.0 / 24.0);
            assert_eq!(micros(count, TimeUnit::Days), Some((expected, true)), "{i}");
        }
    }

    #[test]
    fn a_float32_fraction_between_two_microseconds_is_not_exact() {
        assert_eq!(micros(f64::from(0.1_f32), TimeUnit::Days), Some((8_640_000_129, false)));
        assert_eq!(micros(f64::from(20000.1_f32), TimeUnit::Days).map(|(_, whole)| whole), Some(true));
    }

    #[test]
    fn nanoseconds_in_a_count_of_seconds_are_not_dropped_silently() {
        assert_eq!(micros(0.123_456_789_1, TimeUnit::Seconds), Some((123_457, false)));
        assert_eq!(micros(1.0 / 7.0, TimeUnit::Days).map(|(_, whole)| whole), Some(false));
    }

    #[test]
    fn the_rest_of_a_computed_zero_is_zero() {
        assert_eq!(micros(2.220_446_049_250_313e-16, TimeUnit::Days), Some((0, true)));
        assert_eq!(micros(f64::MIN_POSITIVE, TimeUnit::Days), Some((0, true)));
        assert_eq!(micros(-0.0, TimeUnit::Days), Some((0, true)));
        assert_eq!(micros(5e-324, TimeUnit::Microseconds), Some((0, true)));
    }

    #[test]
    fn what_64_bits_cannot_hold_has_no_instant() {
        for count in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 9.969_209_968_386_869e36, f64::MAX, f64::MIN, 1.1e8] {
            assert_eq!(micros(count, TimeUnit::Days), None, "{count}");
        }
        assert_eq!(micros(1.0e8, TimeUnit::Days), Some((8_640_000_000_000_000_000, true)));
    }
}
