//! Credentials for S3: which there are, and where they come from. What has to be fetched is fetched by [`crate::fetched`].

use crate::cloud_keys::CloudKeys;
use crate::error::StorageError;
use crate::profile::Profile;
use firn_model::diagnose::At;
use std::fmt;

/// Profiles that may lead to one another by `source_profile`.
const PROFILES: usize = 5;

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

/// Whose requests these are: credentials, and where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Where they come from, for people. Accounts of one source are the same.
    pub source: String,
    /// What was found.
    pub state: CredentialState,
}

impl Account {
    /// With these keys.
    pub fn with_keys(source: &str, keys: Credentials) -> Self {
        Self { source: source.to_owned(), state: CredentialState::Keys(keys) }
    }
}

impl Default for Account {
    fn default() -> Self {
        Self { source: "none: requests are not signed".to_owned(), state: CredentialState::None }
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
    /// Keys that last for a while, and how to get them.
    Fetched(Box<Fetched>),
    /// Those of Google Cloud or Azure.
    Cloud(CloudKeys),
    /// There is something that this version cannot use. An error only once credentials are needed.
    Unusable {
        /// Why.
        what: String,
    },
}

/// How to get keys that last for a while.
#[derive(Clone, PartialEq, Eq)]
pub enum Fetched {
    /// By a command that prints them (`credential_process`).
    Process {
        /// The command line.
        command: String,
    },
    /// By the token that `aws sso login` left.
    SingleSignOn(SingleSignOn),
    /// By taking on a role with other keys.
    Role {
        /// Name of the role.
        arn: String,
        /// `external_id`.
        external_id: Option<String>,
        /// Name of the session, as logs of the service show it.
        session: String,
        /// Seconds that the keys last.
        seconds: u32,
        /// Region and endpoint of the service that gives them.
        service: TokenService,
        /// The keys that may take it on.
        by: Box<CredentialState>,
    },
    /// From what the machine or container has, by these settings of the S3 library.
    Ambient(Vec<(String, String)>),
}

/// Where `aws sso login` leaves its token, and what it is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleSignOn {
    /// The file of the token.
    pub token_file: std::path::PathBuf,
    /// The profile, for the text of an error.
    pub profile: String,
    /// Account number.
    pub account: String,
    /// Name of the role.
    pub role: String,
    /// Region and endpoint of the portal.
    pub service: TokenService,
}

/// Where a service that gives keys is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenService {
    /// Its region.
    pub region: String,
    /// Its address, where it is not Amazon's own.
    pub endpoint: Option<url::Url>,
}

impl fmt::Debug for Fetched {
    /// Its kind: a command line may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process { .. } => "Process(hidden)",
            Self::SingleSignOn(_) => "SingleSignOn",
            Self::Role { .. } => "Role",
            Self::Ambient(_) => "Ambient",
        })
    }
}

impl CredentialState {
    /// Whether requests are signed.
    ///
    /// # Errors
    /// [`StorageError::Credentials`] where there are some that cannot be used: reading anonymously instead would report
    /// "denied" for what the user may well read.
    pub(crate) fn is_signing(&self, at: &At) -> Result<bool, StorageError> {
        match self {
            Self::None => Ok(false),
            Self::Cloud(keys) => Ok(keys.get("azure_skip_signature").is_none()),
            Self::Keys(_) | Self::Fetched(_) => Ok(true),
            Self::Unusable { what } => Err(StorageError::Credentials { at: at.clone(), what: what.clone() }),
        }
    }

    pub(crate) fn unusable(what: impl Into<String>) -> Self {
        Self::Unusable { what: what.into() }
    }
}

/// Looks for credentials where the AWS tools do.
pub(crate) struct Finder<'a> {
    /// An environment variable that is set and not empty.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// A profile of the AWS files.
    pub profile: &'a dyn Fn(&str) -> Option<Profile>,
    /// Whether the machine is one of Amazon's, which has credentials of its own.
    pub is_amazon: bool,
}

impl Finder<'_> {
    /// The account of the environment: its keys, else those of the profile (`default` where none is named), else what a
    /// container or machine has.
    pub(crate) fn account(&self, profile: &str) -> Account {
        let id = (self.variable)("AWS_ACCESS_KEY_ID");
        let secret = (self.variable)("AWS_SECRET_ACCESS_KEY");
        let of_environment =
            |state| Account { source: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned(), state };
        match (id, secret) {
            (Some(id), Some(secret)) => {
                let token = (self.variable)("AWS_SESSION_TOKEN");
                return of_environment(CredentialState::Keys(Credentials::new(&id, &secret, token.as_deref())));
            }
            (Some(_), None) => {
                let what = "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not";
                return of_environment(CredentialState::unusable(what));
            }
            (None, Some(_)) => {
                let what = "AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not";
                return of_environment(CredentialState::unusable(what));
            }
            (None, None) => {}
        }
        let of_profile = self.of_profile(profile);
        if of_profile.state == CredentialState::None { self.ambient() } else { of_profile }
    }

    /// The account of a profile.
    pub(crate) fn of_profile(&self, name: &str) -> Account {
        Account { source: format!("the AWS profile {name:?}"), state: self.state_of_profile(name, PROFILES) }
    }

    fn state_of_profile(&self, name: &str, depth: usize) -> CredentialState {
        let Some(profile) = (self.profile)(name) else { return CredentialState::None };
        if let Some(arn) =
            profile.get("role_arn").filter(|_| depth == PROFILES || profile.get("aws_access_key_id").is_none())
        {
            return self.role(&profile, arn, depth);
        }
        match (profile.get("aws_access_key_id"), profile.get("aws_secret_access_key")) {
            (Some(id), Some(secret)) => {
                return CredentialState::Keys(Credentials::new(id, secret, profile.get("aws_session_token")));
            }
            (None, None) => {}
            _ => {
                let what = format!("the AWS profile {:?} has one of its two keys only", profile.name);
                return CredentialState::unusable(what);
            }
        }
        if profile.get("sso_session").or(profile.get("sso_start_url")).is_some() {
            return self.single_sign_on(&profile);
        }
        if let Some(command) = profile.get("credential_process") {
            return CredentialState::Fetched(Box::new(Fetched::Process { command: command.to_owned() }));
        }
        match profile.get("login_session") {
            None => CredentialState::None,
            Some(_) => CredentialState::unusable(format!(
                "the AWS profile {0:?} gets its keys through login_session, which firn does not do; run: eval \"$(aws configure \
                 export-credentials --profile {0} --format env)\"",
                profile.name
            )),
        }
    }

    fn role(&self, profile: &Profile, arn: &str, depth: usize) -> CredentialState {
        let unusable = |what: &str| {
            CredentialState::unusable(format!("the AWS profile {:?} takes on the role {arn}, and {what}", profile.name))
        };
        if profile.get("mfa_serial").is_some() {
            return unusable(
                "that asks for a code of a device; export temporary keys: aws configure export-credentials --format env",
            );
        }
        if let Some(file) = profile.get("web_identity_token_file") {
            return self.web_identity(file, arn, profile.get("role_session_name"));
        }
        let by = match (profile.get("source_profile"), profile.get("credential_source")) {
            (Some(_), _) if depth == 0 => return unusable("its profiles lead to one another without end"),
            // A profile may name itself: then its own keys are meant.
            (Some(source), _) => self.state_of_profile(source, depth - 1),
            (None, Some("Environment")) => self.account("").state,
            (None, Some(_)) => self.ambient().state,
            (None, None) => CredentialState::None,
        };
        let by = match by {
            CredentialState::None => return unusable("there are no keys that may do so (source_profile)"),
            unusable @ CredentialState::Unusable { .. } => return unusable,
            CredentialState::Fetched(how) if matches!(*how, Fetched::Ambient(_)) => {
                return unusable("firn does not do so with the keys of a machine or container");
            }
            by => Box::new(by),
        };
        let service = match self.service(profile.get("region"), "AWS_ENDPOINT_URL_STS") {
            Ok(service) => service,
            Err(what) => return unusable(&what),
        };
        let session = profile.get("role_session_name").unwrap_or("firn").to_owned();
        let seconds = profile.get("duration_seconds").and_then(|text| text.parse().ok()).unwrap_or(3600);
        let external_id = profile.get("external_id").map(str::to_owned);
        CredentialState::Fetched(Box::new(Fetched::Role {
            arn: arn.to_owned(),
            external_id,
            session,
            seconds,
            service,
            by,
        }))
    }

    fn single_sign_on(&self, profile: &Profile) -> CredentialState {
        let unusable = |what: &str| {
            CredentialState::unusable(format!("the AWS profile {:?} signs in by SSO, and {what}", profile.name))
        };
        let session = profile.get("sso_session");
        let of_session = |key: &str| profile.get(&format!("sso_session.{key}")).or(profile.get(key));
        let (Some(account), Some(role)) = (profile.get("sso_account_id"), profile.get("sso_role_name")) else {
            return unusable("sso_account_id or sso_role_name is missing");
        };
        let (Some(region), Some(start)) = (of_session("sso_region"), of_session("sso_start_url")) else {
            return unusable("sso_region or sso_start_url is missing");
        };
        let Some(home) = (self.variable)("HOME") else { return unusable("HOME, where its token lies, is not set") };
        let service = match self.service(Some(region), "AWS_ENDPOINT_URL_SSO") {
            Ok(service) => service,
            Err(what) => return unusable(&what),
        };
        let name = crate::fetched::token_name(session.unwrap_or(start));
        let token_file = std::path::Path::new(&home).join(".aws/sso/cache").join(name);
        let (account, role) = (account.to_owned(), role.to_owned());
        let single = SingleSignOn { token_file, profile: profile.name.clone(), account, role, service };
        CredentialState::Fetched(Box::new(Fetched::SingleSignOn(single)))
    }

    fn service(&self, region: Option<&str>, endpoint: &str) -> Result<TokenService, String> {
        let region = region.map(str::to_owned).or_else(|| (self.variable)("AWS_REGION"));
        let region = region.or_else(|| (self.variable)("AWS_DEFAULT_REGION")).unwrap_or_else(|| "us-east-1".to_owned());
        // It becomes part of a host name.
        if !region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(format!("{region:?} is no region"));
        }
        // AWS_ENDPOINT_URL would mean this service too; but here it names a store of objects, which is not to see a token.
        let endpoint = (self.variable)(endpoint);
        let endpoint = endpoint.as_deref().map(crate::location::parse_endpoint).transpose()?;
        Ok(TokenService { region, endpoint })
    }

    fn web_identity(&self, file: &str, arn: &str, session: Option<&str>) -> CredentialState {
        let mut settings = vec![
            ("aws_web_identity_token_file".to_owned(), file.to_owned()),
            ("aws_role_arn".to_owned(), arn.to_owned()),
            ("aws_role_session_name".to_owned(), session.unwrap_or("firn").to_owned()),
        ];
        if let Some(endpoint) = (self.variable)("AWS_ENDPOINT_URL_STS") {
            settings.push(("aws_endpoint_url_sts".to_owned(), endpoint));
        }
        CredentialState::Fetched(Box::new(Fetched::Ambient(settings)))
    }

    /// What a container or a machine of Amazon's has.
    fn ambient(&self) -> Account {
        let account = |source: &str, state| Account { source: source.to_owned(), state };
        let fetched = |settings| CredentialState::Fetched(Box::new(Fetched::Ambient(settings)));
        let set = |name: &str| (self.variable)(name);
        if let (Some(file), Some(arn)) = (set("AWS_WEB_IDENTITY_TOKEN_FILE"), set("AWS_ROLE_ARN")) {
            let state = self.web_identity(&file, &arn, set("AWS_ROLE_SESSION_NAME").as_deref());
            return account("AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN", state);
        }
        if let Some(uri) = set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            let settings = vec![("aws_container_credentials_relative_uri".to_owned(), uri)];
            return account("the role of the container", fetched(settings));
        }
        if let (Some(uri), Some(file)) =
            (set("AWS_CONTAINER_CREDENTIALS_FULL_URI"), set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"))
        {
            let settings = vec![
                ("aws_container_credentials_full_uri".to_owned(), uri),
                ("aws_container_authorization_token_file".to_owned(), file),
            ];
            return account("the role of the container", fetched(settings));
        }
        let metadata = set("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let is_off = set("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        // Asking a machine that is not Amazon's would only wait for an answer that nobody gives.
        if !is_off && (self.is_amazon || metadata.is_some()) {
            let settings = metadata.map(|endpoint| ("aws_metadata_endpoint".to_owned(), endpoint));
            return account("the role of this machine", fetched(settings.into_iter().collect()));
        }
        Account::default()
    }
}

/// Whether this machine is one of Amazon's, by what its firmware says.
pub(crate) fn is_amazon() -> bool {
    let says = |file: &str| std::fs::read_to_string(file).unwrap_or_default().to_lowercase();
    says("/sys/devices/virtual/dmi/id/sys_vendor").contains("amazon ec2")
        || says("/sys/hypervisor/uuid").starts_with("ec2")
}
