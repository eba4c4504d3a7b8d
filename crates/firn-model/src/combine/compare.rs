//! Comparing values, bit by bit or within a tolerance.

use crate::array::chunk_grid::from_linear;
use crate::array::{Elements, Values};

/// How two arrays of the same shape and type differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The first element that differs.
    pub index: Vec<u64>,
    /// It in the one.
    pub expected: String,
    /// It in the other.
    pub found: String,
    /// Number of elements that differ.
    pub count: u64,
    /// Largest absolute difference, where both are finite numbers.
    pub max_difference: Option<f64>,
}

/// How `found` differs from `expected`: bit by bit, so that NaN equals the same NaN and 0.0 is not -0.0. `None` where it
/// does not. Shapes and types are the caller's to compare: other ones count as differing at the first element.
pub fn compare_values(expected: &Values, found: &Values) -> Option<Difference> {
    if expected.elements == found.elements && expected.data_type == found.data_type && expected.shape == found.shape {
        return None;
    }
    let comparable = expected.data_type == found.data_type && expected.shape == found.shape;
    let size = expected.data_type.size().unwrap_or(1);
    let differing: Vec<usize> = match (&expected.elements, &found.elements) {
        (Elements::Fixed(a), Elements::Fixed(b)) if comparable => {
            a.chunks(size).zip(b.chunks(size)).enumerate().filter(|(_, (x, y))| x != y).map(|(i, _)| i).collect()
        }
        (Elements::Text(a), Elements::Text(b)) if comparable => {
            a.iter().zip(b).enumerate().filter(|(_, (x, y))| x != y).map(|(i, _)| i).collect()
        }
        _ => {
            return Some(Difference {
                index: vec![0; expected.shape.len()],
                expected: format!("{} {:?}", expected.data_type, expected.shape),
                found: format!("{} {:?}", found.data_type, found.shape),
                count: found.len() as u64,
                max_difference: None,
            });
        }
    };
    let first = *differing.first()?;
    let max_difference = match (expected.to_f64(), found.to_f64()) {
        (Some(a), Some(b)) => {
            let largest = differing.iter().map(|i| (a[*i] - b[*i]).abs()).fold(0.0, f64::max);
            let all_finite = differing.iter().all(|i| a[*i].is_finite() && b[*i].is_finite());
            all_finite.then_some(largest)
        }
        _ => None,
    };
    Some(Difference {
        index: from_linear(first as u64, &expected.shape).0,
        expected: expected.display(first),
        found: found.display(first),
        count: differing.len() as u64,
        max_difference,
    })
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at index {:?}", self.found, self.index)?;
        if self.count > 1 {
            write!(f, " ({} values differ", self.count)?;
            match self.max_difference {
                Some(max) => write!(f, ", by at most {max:e})")?,
                None => f.write_str(")")?,
            }
        } else if let Some(max) = self.max_difference {
            write!(f, " (a difference of {max:e})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DataType;

    fn floats(values: &[f32]) -> Values {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Values { data_type: DataType::Float32, shape: vec![values.len() as u64], elements: Elements::Fixed(bytes) }
    }

    #[test]
    fn nan_equals_nan_and_a_difference_is_located() {
        assert_eq!(compare_values(&floats(&[1.0, f32::NAN]), &floats(&[1.0, f32::NAN])), None);
        let found = compare_values(&floats(&[1.0, 2.0, 3.0]), &floats(&[1.0, 2.5, 3.25])).unwrap();
        assert_eq!((found.index, found.count, found.max_difference), (vec![1], 2, Some(0.5)));
    }

    #[test]
    fn a_nan_against_a_number_has_no_largest_difference() {
        let found = compare_values(&floats(&[f32::NAN]), &floats(&[1.0])).unwrap();
        assert_eq!(found.max_difference, None);
    }
}
