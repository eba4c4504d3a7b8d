//! The shape of a region: whole write units, grown until every source chunk is decoded once, as far as memory allows.

use crate::array::chunk_grid::product;

/// The region shape for an array: multiples of the write unit, with the least decoding of source chunks twice, not larger
/// than it pays. `None` where not even one unit fits into the bytes of a region.
pub fn region_shape(shape: &[u64], unit: &[u64], sources: &[Vec<u64>], element: u64, bytes: u64) -> Option<Vec<u64>> {
    // Units are held whole also where they reach beyond the array.
    let held = |region: &[u64]| -> u64 {
        let extent = |axis: usize| region[axis].min(shape[axis].div_ceil(unit[axis].max(1)).saturating_mul(unit[axis]));
        let extents: Vec<u64> = (0..region.len()).map(extent).collect();
        product(&extents).and_then(|n| n.checked_mul(element)).unwrap_or(u64::MAX)
    };
    let mut region = unit.to_vec();
    if held(&region) > bytes {
        return None;
    }
    loop {
        let now = read_amplification(shape, &region, sources);
        let better = candidates(shape, unit, &region, sources)
            .into_iter()
            .filter(|candidate| held(candidate) <= bytes)
            .map(|candidate| (now / read_amplification(shape, &candidate, sources), candidate))
            .filter(|(gain, _)| *gain > 1.01)
            .max_by(|(gain_a, a), (gain_b, b)| {
                let value =
                    |gain: f64, c: &[u64]| gain.ln() / (held(c) as f64 / held(&region).max(1) as f64).ln().max(0.01);
                value(*gain_a, a).total_cmp(&value(*gain_b, b))
            });
        match better {
            Some((_, candidate)) => region = candidate,
            None => return Some(region),
        }
    }
}

/// The next larger regions: one dimension grown to the next place where source chunks end, doubled, or made whole.
fn candidates(shape: &[u64], unit: &[u64], region: &[u64], sources: &[Vec<u64>]) -> Vec<Vec<u64>> {
    let mut found = Vec::new();
    for axis in 0..shape.len() {
        if region[axis] >= shape[axis] {
            continue;
        }
        let whole = shape[axis].div_ceil(unit[axis]) * unit[axis];
        let mut lengths = vec![(region[axis] * 2).min(whole), whole];
        for source in sources {
            // Where units and source chunks begin together again.
            let common = unit[axis] / gcd(unit[axis], source[axis]).max(1) * source[axis];
            lengths.push((region[axis] / common.max(1) + 1).saturating_mul(common).min(whole));
        }
        for length in lengths {
            if length > region[axis] && length % unit[axis] == 0 {
                let mut candidate = region.to_vec();
                candidate[axis] = length;
                found.push(candidate);
            }
        }
    }
    found
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// How often an average source chunk is decoded: along each dimension, the chunks that regions touch over those there are.
pub fn read_amplification(shape: &[u64], region: &[u64], sources: &[Vec<u64>]) -> f64 {
    let of = |source: &Vec<u64>| -> f64 {
        (0..shape.len())
            .map(|axis| {
                let (extent, r, c) = (shape[axis].max(1), region[axis].max(1), source[axis].max(1));
                let chunks = extent.div_ceil(c);
                let regions = extent.div_ceil(r);
                // Each inner border of regions that is no border of chunks makes one chunk be read once more.
                let cut =
                    if r % c == 0 { 0 } else { (1..regions.min(100_000)).filter(|n| (n * r) % c != 0).count() as u64 };
                (chunks + cut) as f64 / chunks as f64
            })
            .product()
    };
    sources.iter().map(of).fold(1.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_grows_until_daily_fields_are_decoded_once() {
        let region =
            region_shape(&[120, 1, 720, 1440], &[30, 1, 180, 360], &[vec![1, 1, 720, 1440]], 2, 1 << 30).unwrap();
        assert_eq!(region, vec![30, 1, 720, 1440]);
        assert_eq!(read_amplification(&[120, 1, 720, 1440], &region, &[vec![1, 1, 720, 1440]]), 1.0);
    }

    #[test]
    fn matching_chunks_need_no_growth() {
        assert_eq!(region_shape(&[100, 100], &[10, 10], &[vec![10, 10]], 4, 1 << 30).unwrap(), vec![10, 10]);
    }

    #[test]
    fn memory_bounds_growth_and_the_rest_is_read_again() {
        let sources = [vec![24, 181, 360]];
        let region = region_shape(&[2208, 181, 360], &[2208, 20, 20], &sources, 4, 100 << 20).unwrap();
        let bytes: u64 = region.iter().zip([2208, 181, 360]).map(|(r, s)| *r.min(&s)).product::<u64>() * 4;
        assert!(bytes <= 100 << 20, "{region:?}");
        assert!(read_amplification(&[2208, 181, 360], &region, &sources) < 12.0, "{region:?}");
    }

    #[test]
    fn a_unit_that_does_not_fit_is_refused() {
        assert_eq!(region_shape(&[1000, 1000], &[1000, 1000], &[], 8, 1 << 20), None);
    }
}
