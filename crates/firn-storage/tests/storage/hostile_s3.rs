//! S3 services that break their promises.

use crate::fake_s3::{Faults, serve};
use crate::support::{impatient, runtime};
use crate::web::{Web, reply};
use bytes::Bytes;
use firn_model::source::SourceError;
use firn_storage::{
    Account, Answer, CopyExpected, CopyOptions, Credentials, EtagForm, Guarantee, How, ObjectUrl, Precondition, Prefix,
    Storage, StorageError, StorageSettings, probe, probe_copy,
};
use tokio::runtime::Runtime;

fn prefix(runtime: &Runtime, web: &Web) -> Prefix {
    let settings = StorageSettings {
        endpoint: Some(web.url.parse().unwrap()),
        account: Account::with_keys("the test", Credentials::new("AKIDENTITY", "very-secret", None)),
        ..impatient()
    };
    let storage = Storage::new(settings, runtime.handle().clone()).unwrap();
    storage.prefix(&ObjectUrl::parse("s3://bucket/lab").unwrap()).unwrap()
}

fn conforms(faults: Faults) {
    let (runtime, web) = (runtime(), serve(faults));
    let outcome = runtime.block_on(firn_storage::conformance::run(&prefix(&runtime, &web)));
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}

#[test]
fn a_good_service_conforms() {
    conforms(Faults::default());
}

#[test]
fn tags_without_quotes_are_found_out() {
    let faults = Faults { unquoted: true, ..Faults::default() };
    let (runtime, web) = (runtime(), serve(faults));
    let table = runtime.block_on(probe(&prefix(&runtime, &web), None, 0));
    assert!(table.conditions.if_match.is_yes() && table.conditions.etag_form == EtagForm::Unquoted, "{table:?}");
    conforms(faults);
}

#[test]
fn lost_answers_of_conditional_writes_do_no_harm() {
    conforms(Faults { loses_every: 3, ..Faults::default() });
    conforms(Faults { fails_after_every: 2, ..Faults::default() });
}

#[test]
fn copies_are_right_on_services_that_refuse_them_ignore_their_conditions_or_fail_late() {
    conforms(Faults { refuses_copies: true, ..Faults::default() });
    conforms(Faults { copies_anything: true, ..Faults::default() });
    conforms(Faults { copy_fails_every: 3, ..Faults::default() });
    conforms(Faults { ignores_conditions: true, copies_anything: true, ..Faults::default() });
}

#[test]
fn after_a_refusal_the_server_is_not_asked_again() {
    let (runtime, web) = (runtime(), serve(Faults { refuses_copies: true, ..Faults::default() }));
    let prefix = prefix(&runtime, &web);
    let copied = runtime.block_on(async {
        let put = prefix.put("a", Bytes::from("bytes"), Precondition::None).await.unwrap();
        let expected = CopyExpected { size: 5, etag: put.etag, ..CopyExpected::default() };
        let first = prefix.copy_object(&prefix, "a", "b", &expected, &CopyOptions::default()).await.unwrap();
        let before = prefix.storage().traffic().requests;
        let second = prefix.copy_object(&prefix, "a", "c", &expected, &CopyOptions::default()).await.unwrap();
        (first.how, second.how, prefix.storage().traffic().requests - before)
    });
    assert_eq!(copied, (How::Through, How::Through, 3), "read, written, looked at");
}

#[test]
fn our_own_lost_success_is_a_success_and_equal_bytes_of_another_are_not() {
    let (runtime, web) = (runtime(), serve(Faults { loses_every: 1, ..Faults::default() }));
    let prefix = prefix(&runtime, &web);
    let put = |key: &'static str| runtime.block_on(prefix.put(key, Bytes::from("same"), Precondition::Create));
    assert_eq!(put("a").unwrap().guarantee, Guarantee::Atomic);
    assert!(put("a").is_err_and(|error| error.is_conflict()));
}

#[test]
fn where_conditions_are_ignored_writers_agree_among_themselves() {
    let faults = Faults { ignores_conditions: true, ..Faults::default() };
    let (runtime, web) = (runtime(), serve(faults));
    let prefix = prefix(&runtime, &web);
    let table = runtime.block_on(probe(&prefix, None, 0));
    assert_eq!(
        (table.conditions.create.answer, table.conditions.if_match.answer),
        (Answer::No, Answer::No),
        "{table:?}"
    );
    let put = |when| runtime.block_on(prefix.put("zarr.json", Bytes::from("{}"), when));
    assert_eq!(put(Precondition::Create).unwrap().guarantee, Guarantee::Coordinated);
    assert!(put(Precondition::Create).is_err_and(|error| error.is_conflict()));
    let listed = runtime.block_on(prefix.list("")).unwrap();
    assert_eq!(listed.len(), 1, "claims are removed: {listed:?}");
    conforms(faults);
}

#[test]
fn a_denied_listing_is_denied_and_not_a_wrong_answer() {
    let runtime = runtime();
    let web = Web::serve(|_| reply("403 Forbidden", &[], b"<Error><Code>AccessDenied</Code></Error>"));
    let prefix = prefix(&runtime, &web);
    let denied = |error: StorageError| matches!(error, StorageError::Source(SourceError::Denied { .. }));
    assert!(denied(runtime.block_on(prefix.list("")).unwrap_err()));
    assert!(denied(runtime.block_on(prefix.list_shallow("")).unwrap_err()));
}

#[test]
fn a_refused_copy_names_the_policy_that_would_allow_it_and_nothing_more() {
    let (runtime, web) = (runtime(), serve(Faults { refuses_copies: true, ..Faults::default() }));
    let prefix = prefix(&runtime, &web);
    let (from, to) = (prefix.child("from").unwrap(), prefix.child("to").unwrap());
    let probe = runtime.block_on(probe_copy(&from, &to));
    assert!(runtime.block_on(prefix.list("")).unwrap().is_empty(), "the probe leaves nothing");
    assert_eq!((probe.server_side.answer, probe.how), (Answer::No, Some(How::Through)), "{probe:?}");
    let (bucket, policy) = probe.policy.unwrap();
    assert_eq!(bucket, "bucket");
    let statements = policy["Statement"].as_array().unwrap();
    assert_eq!(statements[0]["Action"], serde_json::json!(["s3:GetObject"]));
    assert_eq!(statements[0]["Resource"], serde_json::json!(["arn:aws:s3:::bucket/lab/from/*"]));
    assert_eq!(statements[1]["Action"], serde_json::json!(["s3:ListBucket"]));
    assert_eq!(statements[1]["Condition"]["StringLike"]["s3:prefix"], serde_json::json!(["lab/from/*"]));
}

#[test]
fn a_failing_service_is_unavailable_and_secrets_stay_secret() {
    let runtime = runtime();
    let web = Web::serve(|request| reply("500 Oops", &[], format!("<Error>{}</Error>", request.headers).as_bytes()));
    let prefix = prefix(&runtime, &web);
    for when in [Precondition::None, Precondition::Create, Precondition::IfMatch("\"1\"".to_owned())] {
        let error = runtime.block_on(prefix.put("a", Bytes::from("x"), when)).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("Unavailable"), "{text}");
        assert!(!text.contains("very-secret") && !text.contains("AKIDENTITY") && !text.contains("Signature"), "{text}");
    }
}
