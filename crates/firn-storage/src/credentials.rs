//! Credentials for S3, from the environment or the AWS profile files.

use crate::error::StorageError;
use crate::profile::Profile;
use firn_model::diagnose::At;
use std::fmt;

/// Keys for an S3 service. Never shown: `Debug` hides all of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: Option<String>,
}

impl Credentials {
    /// These keys.
    pub fn new(access_key_id: &str, secret_access_key: &str, session_token: Option<&str>) -> Self {
        Self {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: secret_access_key.to_owned(),
            session_token: session_token.map(str::to_owned),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

/// What was found when looking for credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CredentialState {
    /// None: S3 is read anonymously, by unsigned requests.
    #[default]
    None,
    /// Keys.
    Keys(Credentials),
    /// There is something that this version cannot use. An error only once credentials are needed.
    Unusable {
        /// Why.
        what: String,
    },
}

impl CredentialState {
    /// The keys for requests to `at`, or `None` for unsigned requests.
    ///
    /// # Errors
    /// [`StorageError::Credentials`] where there are some that cannot be used: reading anonymously instead would report
    /// "denied" for what the user may well read.
    pub(crate) fn keys(&self, at: &At) -> Result<Option<&Credentials>, StorageError> {
        match self {
            Self::None => Ok(None),
            Self::Keys(keys) => Ok(Some(keys)),
            Self::Unusable { what } => Err(StorageError::Credentials { at: at.clone(), what: what.clone() }),
        }
    }

    /// The credentials of the environment, else of the profile.
    pub(crate) fn find(variable: &impl Fn(&str) -> Option<String>, profile: Option<&Profile>) -> Self {
        match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => {
                return Self::Keys(Credentials::new(&id, &secret, variable("AWS_SESSION_TOKEN").as_deref()));
            }
            (Some(_), None) => return Self::unusable("AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not"),
            (None, Some(_)) => return Self::unusable("AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not"),
            (None, None) => {}
        }
        let Some(profile) = profile else { return Self::None };
        match (profile.get("aws_access_key_id"), profile.get("aws_secret_access_key")) {
            (Some(id), Some(secret)) => Self::Keys(Credentials::new(id, secret, profile.get("aws_session_token"))),
            (None, None) => Self::indirect(profile),
            _ => Self::unusable(&format!("the AWS profile {:?} has one of its two keys only", profile.name)),
        }
    }

    fn indirect(profile: &Profile) -> Self {
        let kinds =
            ["role_arn", "sso_session", "sso_start_url", "sso_account_id", "credential_process", "login_session"];
        let Some(kind) = kinds.into_iter().find(|kind| profile.get(kind).is_some()) else { return Self::None };
        Self::unusable(&format!(
            "the AWS profile {:?} gets its keys through {kind}, which firn does not do; run: eval \"$(aws configure \
             export-credentials --profile {} --format env)\"",
            profile.name, profile.name
        ))
    }

    fn unusable(what: &str) -> Self {
        Self::Unusable { what: what.to_owned() }
    }
}
