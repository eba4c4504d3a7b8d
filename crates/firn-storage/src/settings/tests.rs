use super::*;
use crate::credentials::Fetched;
use crate::{CredentialState, Credentials};
use firn_model::diagnose::At;

fn env(pairs: &[(&str, &str)]) -> Result<StorageSettings, StorageError> {
    StorageSettings::from_env(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
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
    assert_eq!(settings.account.state, CredentialState::None);
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
    assert_eq!(from_profile.account.state, CredentialState::Keys(Credentials::new("P", "p", None)));
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
    assert_eq!(from_env.account.state, CredentialState::Keys(Credentials::new("E", "e", Some("t"))));
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
    let home = home("[default]\nlogin_session = lab\n", "");
    let settings = env(&[("HOME", home.path().to_str().unwrap())]).unwrap();
    let error = settings.account.state.is_signing(&At::nowhere()).unwrap_err();
    assert!(error.to_string().contains("login_session") && error.to_string().contains("export-credentials"), "{error}");
    let half = env(&[("AWS_ACCESS_KEY_ID", "E")]).unwrap();
    assert!(half.account.state.is_signing(&At::nowhere()).is_err());
}

#[test]
fn secrets_are_not_in_debug() {
    let keys =
        [("AWS_ACCESS_KEY_ID", "AKIAHIDDEN"), ("AWS_SECRET_ACCESS_KEY", "hidden2"), ("AWS_SESSION_TOKEN", "hidden3")];
    let text = format!("{:?}", env(&keys).unwrap());
    assert!(!text.to_lowercase().contains("hidden2") && !text.contains("hidden3") && !text.contains("AKIA"), "{text}");
}

#[test]
fn keys_that_last_for_a_while_are_found_and_not_yet_fetched() {
    let home = home(
        "[profile sso]\nsso_session = my-sso\nsso_account_id = 1\nsso_role_name = R\n[sso-session my-sso]\nsso_region = eu-west-1\n\
         sso_start_url = https://start\n[profile role]\nrole_arn = arn:x\nsource_profile = base\n[profile base]\n\
         aws_access_key_id = B\naws_secret_access_key = b\n[profile round]\nrole_arn = arn:y\nsource_profile = round2\n\
         [profile round2]\nrole_arn = arn:z\nsource_profile = round\n[profile printed]\ncredential_process = print keys\n\
         [profile mfa]\nrole_arn = arn:m\nmfa_serial = 1\nsource_profile = base\n",
        "",
    );
    let home = home.path().to_str().unwrap();
    let state = |profile: &str| env(&[("HOME", home), ("AWS_PROFILE", profile)]).unwrap().account.state;
    let CredentialState::Fetched(sso) = state("sso") else { panic!() };
    let Fetched::SingleSignOn(sso) = *sso else { panic!() };
    assert!(sso.token_file.ends_with(".aws/sso/cache/0ad374308c5a4e22f723adf10145eafad7c4031c.json"));
    assert_eq!((sso.service.region.as_str(), sso.role.as_str()), ("eu-west-1", "R"));
    let CredentialState::Fetched(role) = state("role") else { panic!() };
    let Fetched::Role { by, .. } = *role else { panic!() };
    assert_eq!(*by, CredentialState::Keys(Credentials::new("B", "b", None)));
    assert!(matches!(state("printed"), CredentialState::Fetched(how) if matches!(*how, Fetched::Process { .. })));
    for (profile, word) in [("round", "without end"), ("mfa", "code of a device")] {
        assert!(matches!(state(profile), CredentialState::Unusable { what } if what.contains(word)), "{profile}");
    }
}

#[test]
fn what_a_container_or_machine_has_comes_last() {
    let source = |pairs: &[(&str, &str)]| env(pairs).unwrap().account.source;
    let container = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x");
    assert_eq!(source(&[container]), "the role of the container");
    assert_eq!(source(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")]), "the role of this machine");
    let keys = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "a"), container];
    assert_eq!(source(&keys), "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
}

#[test]
fn a_location_has_the_keys_of_its_profile_or_remote() {
    let folder =
        home("", "[lab]\naws_access_key_id = L\naws_secret_access_key = l\nendpoint_url = https://lab.example\n");
    let conf = folder.path().join("rclone.conf");
    std::fs::write(
        &conf,
        "[osn]\ntype=s3\nprovider=Ceph\nendpoint=pod.example\naccess_key_id=K\nsecret_access_key=k\n",
    )
    .unwrap();
    let conf = conf.to_str().unwrap();
    let table = |text: &str| serde_json::from_str::<LocationConfig>(text).unwrap();
    let settings = || env(&[("HOME", folder.path().to_str().unwrap()), ("RCLONE_CONFIG", conf)]).unwrap();
    let (lab, pod) = (
        table(r#"{"url": "s3://b/x", "profile": "lab"}"#),
        table(r#"{"url": "osn:leap/sub", "role": "inbox", "public_url": "https://data.example"}"#),
    );
    let found = settings().with_locations([(&"lab".to_owned(), &lab), (&"pod".to_owned(), &pod)]).unwrap();
    let lab = &found.locations["lab"];
    assert_eq!(lab.endpoint.as_ref().unwrap().as_str(), "https://lab.example/");
    assert_eq!(lab.account.as_ref().unwrap().state, CredentialState::Keys(Credentials::new("L", "l", None)));
    let pod = &found.locations["pod"];
    assert_eq!((pod.url.to_string().as_str(), pod.role.to_string().as_str()), ("s3://leap/sub", "inbox"));
    assert_eq!(pod.endpoint.as_ref().unwrap().as_str(), "https://pod.example/");
    assert_eq!(pod.account.as_ref().unwrap().source, "the rclone remote \"osn\"");
    for wrong in [
        r#"{"url": "osn:"}"#,
        r#"{"url": "nobody:x"}"#,
        r#"{"url": "osn:b", "endpoint": "https://other"}"#,
        r#"{"url": "s3://b", "profile": "nobody"}"#,
        r#"{"url": "s3://b", "profile": "lab", "anonymous": true}"#,
    ] {
        assert!(settings().with_locations([(&"x".to_owned(), &table(wrong))]).is_err(), "{wrong}");
    }
}
