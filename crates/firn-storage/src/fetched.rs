//! Keys that last for a while: got by a command, a sign-on or a role, kept until shortly before they end.

use crate::credentials::{CredentialState, Credentials, Fetched, SingleSignOn, TokenService};
use crate::s3_signed::element;
use crate::transport::{Answer, Call, Transport};
use futures::future::BoxFuture;
use object_store::CredentialProvider;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpRequest, HttpRequestBody};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use sha1::{Digest, Sha1};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use url::Url;

/// Keys are fetched again when they end within this time.
const BEFORE_END: Duration = Duration::from_mins(5);
/// How long a command may take that prints keys.
const PROCESS: Duration = Duration::from_mins(1);
/// Most bytes that a command or a service may answer.
const ANSWER: u64 = 1 << 20;

/// Why there are no keys. The texts never hold any.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FetchError(String);

/// Fetches keys, and keeps them.
pub(crate) struct Provider {
    transport: Arc<Transport>,
    how: Fetched,
    kept: tokio::sync::Mutex<Option<Kept>>,
}

struct Kept {
    credential: Arc<AwsCredential>,
    /// When they end; `None` for keys that do not.
    end: Option<SystemTime>,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provider({:?})", self.how)
    }
}

#[async_trait::async_trait]
impl CredentialProvider for Provider {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = &*kept
            && kept.end.is_none_or(|end| end > SystemTime::now() + BEFORE_END)
        {
            return Ok(Arc::clone(&kept.credential));
        }
        let fetched = fetch(&self.transport, &self.how).await;
        let (keys, end) =
            fetched.map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })?;
        let credential = Arc::new(credential(&keys));
        *kept = Some(Kept { credential: Arc::clone(&credential), end });
        Ok(credential)
    }
}

impl Provider {
    pub(crate) fn new(transport: &Arc<Transport>, how: &Fetched) -> Self {
        Self { transport: Arc::clone(transport), how: how.clone(), kept: tokio::sync::Mutex::default() }
    }
}

fn credential(keys: &Credentials) -> AwsCredential {
    AwsCredential {
        key_id: keys.access_key_id.clone(),
        secret_key: keys.secret_access_key.clone(),
        token: keys.session_token.clone(),
    }
}

type KeysUntil = (Credentials, Option<SystemTime>);

/// Boxed, because a role may be taken on with keys that are fetched themselves.
fn fetch<'a>(transport: &'a Transport, how: &'a Fetched) -> BoxFuture<'a, Result<KeysUntil, FetchError>> {
    Box::pin(async move {
        match how {
            Fetched::Process { command } => process(command).await,
            Fetched::SingleSignOn(single) => sign_on(transport, single).await,
            Fetched::Role { arn, external_id, session, seconds, service, by } => {
                let keys = match &**by {
                    CredentialState::Keys(keys) => keys.clone(),
                    CredentialState::Fetched(how) => fetch(transport, how).await?.0,
                    _ => return Err(FetchError(format!("there are no keys that may take on the role {arn}"))),
                };
                let seconds = seconds.to_string();
                let mut asked = vec![
                    ("Action", "AssumeRole"),
                    ("DurationSeconds", &seconds),
                    ("RoleArn", arn),
                    ("RoleSessionName", session),
                    ("Version", "2011-06-15"),
                ];
                asked.extend(external_id.as_deref().map(|id| ("ExternalId", id)));
                asked.sort_unstable();
                role(transport, service, &keys, &asked, arn).await
            }
            Fetched::Ambient(_) => Err(FetchError("a role cannot be taken on with the keys of a machine".to_owned())),
        }
    })
}

/// What a command prints: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

async fn process(command: &str) -> Result<KeysUntil, FetchError> {
    let failed = |what: &str| FetchError(format!("the credential_process of the AWS profile {what}"));
    let words = shlex::split(command).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| failed("is no command: a quote is not closed, or it is empty"))?;
    let run = tokio::process::Command::new(&words[0])
        .args(&words[1..])
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::inherit())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PROCESS, run).await.map_err(|_| failed("takes too long"))?;
    let output = output.map_err(|error| failed(&format!("cannot be run: {}", error.kind())))?;
    if !output.status.success() {
        return Err(failed(&format!("failed: {}", output.status)));
    }
    // An error of the parser could show a part of what was printed.
    let printed: Printed =
        serde_json::from_slice(&output.stdout).map_err(|_| failed("prints no keys in the form of version 1"))?;
    if printed.version != 1 {
        return Err(failed("prints keys in a form other than version 1"));
    }
    let end = printed.expiration.as_deref().map(|text| time(text).ok_or_else(|| failed("prints no usable Expiration")));
    let keys = Credentials::new(&printed.access_key_id, &printed.secret_access_key, printed.session_token.as_deref());
    Ok((keys, end.transpose()?))
}

/// The name of the file in which `aws sso login` keeps the token of a session (or start URL).
pub(crate) fn token_name(session: &str) -> String {
    let digest = Sha1::digest(session.as_bytes());
    let mut name = String::with_capacity(45);
    for byte in digest {
        // Writing to a text cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name + ".json"
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    access_token: String,
    expires_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Portal {
    role_credentials: PortalKeys,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PortalKeys {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    /// Milliseconds since 1970-01-01 UTC.
    expiration: u64,
}

/// `GetRoleCredentials` of the AWS SSO portal.
async fn sign_on(transport: &Transport, single: &SingleSignOn) -> Result<KeysUntil, FetchError> {
    let failed = |what: &str| {
        FetchError(format!("{what} for the AWS profile {:?}; run: aws sso login --profile {0}", single.profile))
    };
    let token = tokio::fs::read(&single.token_file).await.map_err(|_| failed("there is no SSO token"))?;
    let token: Token = serde_json::from_slice(&token).map_err(|_| failed("the SSO token is not readable"))?;
    if time(&token.expires_at).is_none_or(|end| end <= SystemTime::now()) {
        return Err(failed("the SSO token has ended"));
    }
    let mut url = endpoint(&single.service, "portal.sso").map_err(|what| failed(&what))?;
    url.set_path("/federation/credentials");
    url.query_pairs_mut().append_pair("account_id", &single.account).append_pair("role_name", &single.role);
    let mut headers = HeaderMap::new();
    let mut token = HeaderValue::from_str(&token.access_token).map_err(|_| failed("the SSO token is not readable"))?;
    token.set_sensitive(true);
    headers.insert(HeaderName::from_static("x-amz-sso_bearer_token"), token);
    let answer = ask(transport, url, headers).await.map_err(|what| failed(&what))?;
    let keys: Portal = serde_json::from_slice(&answer.body).map_err(|_| failed("the SSO portal answers no keys"))?;
    let keys = keys.role_credentials;
    let end = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(keys.expiration));
    Ok((Credentials::new(&keys.access_key_id, &keys.secret_access_key, keys.session_token.as_deref()), end))
}

/// `AssumeRole` of the security token service.
async fn role(
    transport: &Transport,
    service: &TokenService,
    keys: &Credentials,
    asked: &[(&str, &str)],
    arn: &str,
) -> Result<KeysUntil, FetchError> {
    let failed = |what: &str| FetchError(format!("the role {arn} could not be taken on: {what}"));
    let mut url = endpoint(service, "sts").map_err(|what| failed(&what))?;
    let encoded: Vec<String> =
        asked.iter().map(|(key, value)| format!("{key}={}", crate::s3_signed::encoded_value(value))).collect();
    url.set_query(Some(&encoded.join("&")));
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = url.as_str().parse().map_err(|_| failed("its address is not a URI"))?;
    AwsAuthorizer::new(&credential(keys), "sts", &service.region)
        .try_authorize(&mut request, None)
        .map_err(|_| failed("the request could not be signed"))?;
    let answer = ask(transport, url, request.headers().clone()).await.map_err(|what| failed(&what))?;
    let text = String::from_utf8_lossy(&answer.body);
    let (Some(id), Some(secret)) = (element(&text, "AccessKeyId"), element(&text, "SecretAccessKey")) else {
        return Err(failed("the service answers no keys"));
    };
    let end = element(&text, "Expiration").and_then(|text| time(&text));
    Ok((Credentials::new(&id, &secret, element(&text, "SessionToken").as_deref()), end))
}

fn endpoint(service: &TokenService, name: &str) -> Result<Url, String> {
    match &service.endpoint {
        Some(endpoint) => Ok(endpoint.clone()),
        None => Url::parse(&format!("https://{name}.{}.amazonaws.com/", service.region)).map_err(|e| e.to_string()),
    }
}

async fn ask(transport: &Transport, url: Url, headers: HeaderMap) -> Result<Answer, String> {
    let call = Call {
        method: Method::GET,
        url,
        headers,
        body: None,
        repeatable: true,
        limit_partial: ANSWER,
        limit_whole: ANSWER,
        in_runs: false,
        moved: 0,
        redirects: false,
        keys: None,
    };
    let answer = transport.send(&call).await.map_err(|error| error.to_string())?;
    if answer.status.is_success() {
        return Ok(answer);
    }
    let code = element(&String::from_utf8_lossy(&answer.body), "Code").unwrap_or_default();
    Err(format!("the service answers with status {} {code}", answer.status.as_u16()).trim_end().to_owned())
}

/// A time of ISO 8601 in UTC: `2026-01-31T12:00:00Z`, or as some tools write it with `+00:00` or `UTC`.
fn time(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let text = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")).or_else(|| text.strip_suffix("UTC"))?;
    let seconds = crate::http_date::parse_iso(&format!("{text}Z"))?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_aws_are_read() {
        let at = |text| time(text).map(|time| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
        assert_eq!(at("1970-01-02T00:00:01Z"), Some(86_401));
        assert_eq!(at("2026-11-23T15:00:00.123Z"), Some(1_795_446_000));
        assert_eq!(at("2026-11-23T15:00:00+00:00"), Some(1_795_446_000));
        assert_eq!(at("2026-11-23T15:00:00UTC"), Some(1_795_446_000));
        for wrong in ["", "Z", "2026-13-01T00:00:00Z", "x-1-1T0:0:0Z", "2026-01-01T00:00:00", "99999-01-01T00:00:00Z"] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_token_of_a_session_lies_where_the_aws_tools_put_it() {
        // printf my-sso | sha1sum
        assert_eq!(token_name("my-sso"), "0ad374308c5a4e22f723adf10145eafad7c4031c.json");
    }

    #[tokio::test]
    async fn a_command_gives_keys_and_its_failure_shows_none() {
        let json =
            r#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "s", "Expiration": "2100-01-01T00:00:00Z"}"#;
        let (keys, end) = process(&format!("echo '{json}'")).await.unwrap();
        assert!(keys == Credentials::new("A", "s", None) && end.is_some());
        for (command, word) in [
            ("echo '{\"Version\": 2, \"AccessKeyId\": \"hidden\", \"SecretAccessKey\": \"hidden\"}'", "version 1"),
            ("echo hidden", "version 1"),
            ("false hidden", "failed"),
            ("/no/such/hidden", "cannot be run"),
            ("'open", "quote"),
        ] {
            let error = process(command).await.unwrap_err().to_string();
            assert!(error.contains(word) && !error.contains("hidden"), "{command}: {error}");
        }
    }
}
