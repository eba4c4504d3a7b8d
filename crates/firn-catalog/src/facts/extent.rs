//! Where a dataset is: longitudes and latitudes to a box.

/// West, south, east, north of coordinates in degrees. Longitudes of 0 to 360 become those of -180 to 180; a dataset that
/// goes round the Earth gets the whole of it. `None` where the numbers are no degrees.
pub(super) fn bbox(longitudes: &[f64], latitudes: &[f64]) -> Option<[f64; 4]> {
    let (west, east) = longitude_range(longitudes)?;
    let (south, north) = range(latitudes)?;
    // Edges of cells may lie a little beyond the poles.
    ((-91.0..=91.0).contains(&south) && (-91.0..=91.0).contains(&north))
        .then(|| [west, south.max(-90.0), east, north.min(90.0)])
}

/// Least and greatest finite value.
pub(super) fn range(values: &[f64]) -> Option<(f64, f64)> {
    values.iter().filter(|value| value.is_finite()).fold(None, |range, value| match range {
        None => Some((*value, *value)),
        Some((least, most)) => Some((value.min(least), value.max(most))),
    })
}

/// The shortest arc that holds all longitudes, found as the complement of the widest gap between them.
fn longitude_range(longitudes: &[f64]) -> Option<(f64, f64)> {
    let (least, most) = range(longitudes)?;
    if least < -540.0 || most > 720.0 {
        return None;
    }
    if most - least >= 360.0 {
        return Some((-180.0, 180.0));
    }
    let mut turned: Vec<f64> = longitudes.iter().filter(|value| value.is_finite()).map(|value| turn(*value)).collect();
    turned.sort_by(f64::total_cmp);
    turned.dedup();
    let (first, last) = (*turned.first()?, *turned.last()?);
    let around = first + 360.0 - last;
    let widest = turned.windows(2).map(|pair| (pair[1] - pair[0], pair[1], pair[0])).max_by(|a, b| a.0.total_cmp(&b.0));
    let gap = widest.map_or(around, |(gap, ..)| gap.max(around));
    let count = turned.len() as f64;
    // A regular grid round the Earth has no gap wider than its step.
    if turned.len() > 2 && gap <= 2.0 * 360.0 / count {
        return Some((-180.0, 180.0));
    }
    match widest {
        Some((inner, after, before)) if inner > around => Some((after, before)),
        _ => Some((first, last)),
    }
}

/// Into -180 to 180.
fn turn(longitude: f64) -> f64 {
    if (-180.0..=180.0).contains(&longitude) { longitude } else { (longitude + 180.0).rem_euclid(360.0) - 180.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(first: f64, step: f64, count: usize) -> Vec<f64> {
        (0..count).map(|index| first + step * index as f64).collect()
    }

    #[test]
    fn longitudes_of_0_to_360_are_those_of_180_west_to_180_east() {
        let lat = [-10.0, 10.0];
        assert_eq!(bbox(&axis(200.0, 2.5, 53), &lat).unwrap(), [-160.0, -10.0, -30.0, 10.0]);
        assert_eq!(bbox(&axis(0.125, 0.25, 1440), &lat).unwrap(), [-180.0, -10.0, 180.0, 10.0]);
        assert_eq!(bbox(&axis(-180.0, 1.0, 361), &lat).unwrap(), [-180.0, -10.0, 180.0, 10.0]);
        assert_eq!(bbox(&[20.0], &[5.0]).unwrap(), [20.0, 5.0, 20.0, 5.0]);
    }

    #[test]
    fn a_dataset_across_the_antimeridian_has_its_west_in_the_east() {
        assert_eq!(bbox(&axis(170.0, 1.0, 21), &[0.0]).unwrap(), [170.0, 0.0, -170.0, 0.0]);
        assert_eq!(bbox(&axis(-20.0, 1.0, 61), &[0.0]).unwrap(), [-20.0, 0.0, 40.0, 0.0]);
        assert_eq!(bbox(&[350.0, 355.0, 0.0, 5.0], &[0.0]).unwrap(), [-10.0, 0.0, 5.0, 0.0]);
    }

    #[test]
    fn numbers_that_are_no_degrees_give_no_box() {
        assert_eq!(bbox(&[0.0, 500_000.0], &[0.0]), None);
        assert_eq!(bbox(&[0.0], &[4_000_000.0]), None);
        assert_eq!(bbox(&[f64::NAN], &[0.0]), None);
        assert_eq!(bbox(&[], &[]), None);
    }
}
