//! Which dimensions count the characters of texts. The rule is xarray's (`conventions.decode_cf_variables`), whose view of
//! NetCDF files firn gives; it is the same for the classic formats and for HDF5.

/// Says of each dimension whether it joins characters to texts, and is none of the dataset then: no variable has its name, and
/// it is the last dimension of variables of characters alone. `variables`: whether a variable is of single characters, and its
/// dimensions by number; `has_variable`: for each dimension whether a variable has its name.
pub(crate) fn joined<'a>(
    variables: impl IntoIterator<Item = (bool, &'a [usize])>,
    has_variable: impl IntoIterator<Item = bool>,
) -> Vec<bool> {
    let mut joins: Vec<bool> = has_variable.into_iter().map(|taken| !taken).collect();
    for (is_char, dimensions) in variables {
        for number in dimensions {
            if let Some(joins) = joins.get_mut(*number) {
                *joins &= is_char && dimensions.last() == Some(number);
            }
        }
    }
    joins
}

/// Whether the characters of a variable along these dimensions are joined.
pub(crate) fn are_joined(dimensions: &[usize], joins: &[bool]) -> bool {
    dimensions.last().and_then(|number| joins.get(*number)).is_some_and(|joins| *joins)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: usize = 0;
    const LENGTH: usize = 1;

    fn joins(variables: &[(bool, &[usize])], has_variable: [bool; 2]) -> Vec<bool> {
        joined(variables.iter().copied(), has_variable)
    }

    #[test]
    fn a_last_dimension_of_characters_alone_joins_them() {
        assert_eq!(joins(&[(true, &[TIME, LENGTH]), (false, &[TIME])], [false; 2]), [false, true]);
        assert_eq!(joins(&[(true, &[LENGTH])], [true, false]), [false, true]);
    }

    #[test]
    fn a_dimension_that_numbers_have_too_joins_nothing() {
        assert_eq!(joins(&[(true, &[TIME]), (false, &[TIME, LENGTH])], [false; 2]), [false, false]);
    }

    #[test]
    fn a_dimension_with_a_variable_of_its_name_joins_nothing() {
        assert_eq!(joins(&[(true, &[LENGTH])], [false, true]), [true, false]);
    }

    #[test]
    fn a_dimension_that_is_not_always_the_last_joins_nothing() {
        assert_eq!(joins(&[(true, &[TIME, LENGTH]), (true, &[LENGTH, TIME])], [false; 2]), [false, false]);
    }

    #[test]
    fn characters_without_dimensions_are_not_joined() {
        assert!(!are_joined(&[], &[true, true]));
        assert!(are_joined(&[TIME, LENGTH], &[false, true]) && !are_joined(&[LENGTH, TIME], &[false, true]));
    }
}
