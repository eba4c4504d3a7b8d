use super::*;
use crate::Credentials;

fn env(pairs: &[(&str, &str)]) -> Result<StorageSettings, StorageError> {
    let pairs: BTreeMap<String, String> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    StorageSettings::from_env(|name| pairs.get(name).cloned())
}

/// A home with AWS profile files.
fn home(config: &str, credentials: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    std::fs::write(home.path().join(".aws/credentials"), credentials).unwrap();
    home
}

#[test]
fn an_empty_environment_reads_anonymously() {
    let settings = env(&[("AWS_ACCESS_KEY_ID", "")]).unwrap();
    assert_eq!(settings.credentials, CredentialState::None);
    assert_eq!(settings.endpoint, None);
}

#[test]
fn the_environment_wins_over_the_profile() {
    let home = home(
        "[default]\nregion = eu-west-1\nendpoint_url = https://a\n",
        "[default]\naws_access_key_id = P\naws_secret_access_key = p\n",
    );
    let home = home.path().to_str().unwrap();
    let from_profile = env(&[("HOME", home)]).unwrap();
    assert_eq!(from_profile.credentials, CredentialState::Keys(Credentials::new("P", "p", None)));
    assert_eq!(from_profile.region.as_deref(), Some("eu-west-1"));
    assert_eq!(from_profile.endpoint.unwrap().as_str(), "https://a/");
    let keys = [("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "e"), ("AWS_SESSION_TOKEN", "t")];
    let others = [
        ("HOME", home),
        ("AWS_REGION", "us-west-2"),
        ("AWS_ENDPOINT_URL", "http://b:1"),
        ("AWS_ENDPOINT_URL_S3", "http://c:2"),
    ];
    let from_env = env(&[&keys[..], &others[..]].concat()).unwrap();
    assert_eq!(from_env.credentials, CredentialState::Keys(Credentials::new("E", "e", Some("t"))));
    assert_eq!(from_env.region.as_deref(), Some("us-west-2"));
    assert_eq!(from_env.endpoint.unwrap().as_str(), "http://c:2/");
}

#[test]
fn a_named_profile_must_exist() {
    let home = home("[profile osn]\nregion = x\n", "");
    let home = home.path().to_str().unwrap();
    assert!(env(&[("HOME", home), ("AWS_PROFILE", "osn")]).is_ok());
    let error = env(&[("HOME", home), ("AWS_PROFILE", "pod")]).unwrap_err();
    assert!(error.to_string().contains("pod"), "{error}");
}

#[test]
fn credentials_of_another_kind_are_an_error_only_when_they_are_needed() {
    let home = home("[default]\nsso_session = lab\n", "");
    let settings = env(&[("HOME", home.path().to_str().unwrap())]).unwrap();
    let error = settings.credentials.keys(&At::nowhere()).unwrap_err();
    assert!(error.to_string().contains("sso_session") && error.to_string().contains("export-credentials"), "{error}");
    let half = env(&[("AWS_ACCESS_KEY_ID", "E")]).unwrap();
    assert!(half.credentials.keys(&At::nowhere()).is_err());
}

#[test]
fn secrets_are_not_in_debug() {
    let keys =
        [("AWS_ACCESS_KEY_ID", "AKIAHIDDEN"), ("AWS_SECRET_ACCESS_KEY", "hidden2"), ("AWS_SESSION_TOKEN", "hidden3")];
    let text = format!("{:?}", env(&keys).unwrap());
    assert!(!text.to_lowercase().contains("hidden2") && !text.contains("hidden3") && !text.contains("AKIA"), "{text}");
}
