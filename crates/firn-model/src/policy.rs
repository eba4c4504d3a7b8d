//! What may be written where: rules of places, which their owners wrote into the configuration. Pure.

pub mod destination;

/// What the configuration says of a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlaceRules {
    /// Its name.
    pub name: String,
    /// Whether everybody may read what lies there; `None` where nobody said.
    pub public: Option<bool>,
    /// Whether what lies there is not for others.
    pub private: bool,
    /// The folder that each user writes to, with `{user}` in it.
    pub owner: Option<String>,
}

/// A rule that forbids something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden {
    /// The rule as the configuration has it.
    pub rule: String,
    /// What it forbids here.
    pub what: String,
}

/// Whether this user may write at this key of a place (the empty key: its root).
///
/// # Errors
/// The rule that says no.
pub fn may_write(place: &PlaceRules, key: &str, user: Option<&str>) -> Result<(), Forbidden> {
    let Some(owner) = &place.owner else { return Ok(()) };
    let rule = format!("locations.{}: owner = {owner:?}", place.name);
    let Some(user) = user.filter(|user| is_one_name(user)) else {
        let what = "nobody knows who writes: set JUPYTERHUB_USER or USER".to_owned();
        return Err(Forbidden { rule, what });
    };
    let folder = owner.replace("{user}", user);
    let folder = folder.trim_matches('/');
    if key == folder || key.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')) {
        return Ok(());
    }
    let what = format!("{user} writes below {}:{folder}/ there, and nowhere else", place.name);
    Err(Forbidden { rule, what })
}

/// Whether what lies at one place may be copied to the other.
///
/// # Errors
/// The rule that says no.
pub fn may_copy(from: Option<&PlaceRules>, to: Option<&PlaceRules>) -> Result<(), Forbidden> {
    match (from, to) {
        (Some(from), Some(to)) if from.private && to.public == Some(true) => Err(Forbidden {
            rule: format!("locations.{}: private = true, and locations.{}: public = true", from.name, to.name),
            what: format!("what lies in {} is not for others, and everybody reads {}", from.name, to.name),
        }),
        _ => Ok(()),
    }
}

/// A user name becomes one segment of a key.
fn is_one_name(user: &str) -> bool {
    !user.is_empty() && !user.contains('/') && !matches!(user, "." | "..") && !user.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(owner: Option<&str>, public: Option<bool>, private: bool) -> PlaceRules {
        PlaceRules { name: "scratch".to_owned(), public, private, owner: owner.map(str::to_owned) }
    }

    #[test]
    fn a_user_writes_below_the_own_folder_alone() {
        let scratch = place(Some("{user}/"), None, false);
        for key in ["ana", "ana/x.zarr", "ana/x/y"] {
            assert_eq!(may_write(&scratch, key, Some("ana")), Ok(()), "{key}");
        }
        for key in ["", "bob/x", "anab/x", "x/ana"] {
            assert!(may_write(&scratch, key, Some("ana")).unwrap_err().what.contains("scratch:ana/"), "{key}");
        }
        for user in [None, Some(""), Some("../bob"), Some("..")] {
            assert!(may_write(&scratch, "bob/x", user).is_err(), "{user:?}");
        }
        assert_eq!(may_write(&place(None, None, false), "", None), Ok(()));
        let below = place(Some("users/{user}"), None, false);
        assert_eq!(may_write(&below, "users/ana/x", Some("ana")), Ok(()));
        assert!(may_write(&below, "users/x", Some("ana")).is_err());
    }

    #[test]
    fn private_data_do_not_become_public_by_a_copy() {
        let (private, public) = (place(None, None, true), place(None, Some(true), false));
        let forbidden = may_copy(Some(&private), Some(&public)).unwrap_err();
        assert!(forbidden.rule.contains("private = true") && forbidden.rule.contains("public = true"));
        for (from, to) in [
            (None, Some(&public)),
            (Some(&public), Some(&public)),
            (Some(&private), None),
            (Some(&private), Some(&private)),
        ] {
            assert_eq!(may_copy(from, to), Ok(()));
        }
    }
}
