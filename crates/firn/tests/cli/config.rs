//! Settings and where they come from; locations and what they can do.

use crate::run::Place;
use serde_json::json;

#[test]
fn precedence_is_flag_environment_project_user_default() {
    let place = Place::new().with("FIRN_JOBS", "7");
    place.write(".config/firn/config.toml", "memory = '1GiB'\njobs = 1\ncatalog = 'user'\n");
    place.write("firn.toml", "memory = '2GiB'\njobs = 2\n");
    let object = place.run(&["config", "show", "-o", "json"]).json();
    let settings = &object["result"]["settings"];
    assert_eq!(settings["memory"], json!({"value": 2u64 << 30, "origin": "./firn.toml:1"}));
    assert_eq!(settings["jobs"], json!({"value": 7, "origin": "FIRN_JOBS"}));
    assert_eq!(settings["catalog"]["value"], "user");
    assert!(settings["catalog"]["origin"].as_str().unwrap().ends_with(".config/firn/config.toml:3"));
    assert_eq!(settings["state_dir"]["origin"], "default");
}

#[test]
fn a_slip_in_the_project_file_says_where_and_what_was_meant() {
    let place = Place::new();
    place.write("firn.toml", "[locations.data]\nurl = '/data'\nrolle = 'published'\n");
    let answer = place.run(&["config", "show"]);
    assert_eq!(answer.status, 3, "{answer:#?}");
    assert!(answer.stderr.contains("./firn.toml, locations.data.rolle, line 3, column 1"), "{}", answer.stderr);
    assert!(answer.stderr.contains("did you mean \"role\"?"), "{}", answer.stderr);
}

#[test]
fn a_broken_configuration_does_not_keep_anyone_from_help() {
    let place = Place::new();
    place.write("firn.toml", "nonsense\n");
    assert_eq!(place.run(&["explain", "config-invalid"]).status, 0);
    assert_eq!(place.run(&["inspect", "a.nc"]).status, 3);
}

#[test]
fn secrets_are_never_shown() {
    let place = Place::new().with("AWS_ACCESS_KEY_ID", "AKIDHUNTER2").with("AWS_SECRET_ACCESS_KEY", "hunter2");
    place.write("firn.toml", "[locations.bucket]\nurl = 's3://bucket/data'\n");
    for words in [&["config", "show", "-o", "json"][..], &["config", "show", "-vv"][..]] {
        let answer = place.run(words);
        assert_eq!(answer.status, 0, "{answer:#?}");
        let all = format!("{}{}", answer.stdout, answer.stderr).to_lowercase();
        assert!(all.contains("aws_access_key_id") && !all.contains("hunter2"), "{all}");
    }
}

#[test]
fn a_local_location_is_probed_and_the_table_is_kept() {
    let place = Place::new();
    let data = place.path().join("data");
    std::fs::create_dir(&data).unwrap();
    place.write("firn.toml", &format!("state_dir = 'state'\n[locations.data]\nurl = '{}'\n", data.display()));
    let answer = place.run(&["config", "check", "data", "-o", "json"]);
    assert_eq!(answer.status, 0, "{answer:#?}");
    let object = answer.json();
    let location = &object["result"]["locations"][0];
    assert_eq!(location["name"], "data");
    assert_eq!(location["capabilities"]["write"]["answer"], "yes", "{location:#}");
    assert_eq!(location["capabilities"]["conditional create"]["answer"], "yes", "{location:#}");
    assert_eq!(std::fs::read_dir(place.path().join("state/capabilities")).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0, "the probe leaves nothing");
    let text = place.run(&["config", "check"]);
    assert!(text.stdout.contains("conditional create  yes"), "{}", text.stdout);
}

#[test]
fn two_locations_say_how_objects_get_from_one_to_the_other() {
    let place = Place::new();
    let url = |name: &str| place.path().join(name).display().to_string();
    place.write(
        "firn.toml",
        &format!(
            "state_dir = 'state'\n[locations.a]\nurl = '{}'\n[locations.b]\nurl = '{}'\n[locations.c]\nurl = '/proc/c'\n",
            url("a"),
            url("b")
        ),
    );
    let answer = place.run(&["config", "check", "a", "b", "-o", "json"]);
    assert_eq!(answer.status, 0, "{answer:#?}");
    let object = answer.json();
    assert_eq!(object["result"]["locations"], json!([]));
    let copy = &object["result"]["copy"];
    assert_eq!((&copy["from"], &copy["to"], &copy["how"]), (&json!("a"), &json!("b"), &json!("local")), "{copy:#}");
    assert_eq!(copy["policy"], json!(null));
    let text = place.run(&["config", "check", "a", "b"]).stdout;
    assert!(text.starts_with("a → b\n") && text.contains("from file to file"), "{text}");
    let answer = place.run(&["config", "check", "a", "c", "-o", "json"]);
    assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (10, json!("location-check")), "{answer:#?}");
    assert_eq!(place.run(&["config", "check", "a", "a"]).status, 2);
    assert_eq!(place.run(&["config", "check", "a", "d", "-o", "json"]).json()["error"]["code"], "location-unknown");
}

#[test]
fn a_location_that_cannot_be_written_is_a_finding() {
    let place = Place::new();
    place.write("firn.toml", "[locations.data]\nurl = '/proc/nothing'\n");
    let answer = place.run(&["config", "check", "-o", "json"]);
    assert_eq!(answer.status, 10, "{answer:#?}");
    let object = answer.json();
    assert_eq!(object["error"]["code"], "location-check");
    assert!(!object["result"]["locations"][0]["problems"].as_array().unwrap().is_empty());
}

#[test]
fn a_location_that_is_not_configured_is_not_found() {
    let place = Place::new();
    place.write("firn.toml", "[locations.data]\nurl = '/tmp'\n");
    let answer = place.run(&["config", "check", "dta", "-o", "json"]);
    assert_eq!(answer.json()["error"]["code"], "location-unknown", "{answer:#?}");
}
