//! `firn plan`.

use crate::fixture::{january, netcdf};
use crate::run::{Answer, Place, testdata};
use serde_json::Value;

fn result(answer: &Answer) -> Value {
    answer.json()["result"].clone()
}

/// The variable of this path in the first recipe.
fn variable(result: &Value, path: &str) -> Value {
    let all = result["recipes"][0]["variables"].as_array().unwrap().clone();
    all.into_iter().find(|variable| variable["path"] == path).unwrap()
}

fn last_line(answer: &Answer) -> &str {
    answer.stdout.lines().last().unwrap()
}

#[test]
fn one_month_of_nemo_suggests_all_and_the_variable_that_orders_them() {
    let place = Place::new();
    let example = testdata("nemo/nemo_1m_20150101-20150201_grid-T.nc");
    let answer = place.run(&["plan", &example, "-o", "json"]);
    assert_eq!(answer.status, 0, "{answer:#?}");
    let plan = result(&answer);
    assert_eq!(plan["kind"], "example");
    assert!(plan["proposal"]["files"].as_str().unwrap().ends_with("/nemo_1m_*-*_grid-T.nc"));
    assert_eq!(plan["proposal"]["matches"]["count"], 3);
    let recipe = &plan["recipes"][0];
    assert_eq!(recipe["problems"], Value::Array(vec![]));
    let time = recipe["dimensions"].as_array().unwrap().iter().find(|dim| dim["name"] == "time_counter").unwrap();
    assert_eq!((&time["size"], &time["key"]), (&Value::from(3), &Value::from("time_centered")));
    assert_eq!(recipe["strategy"]["name"], "virtualize");
    let tos = variable(&plan, "/tos");
    assert_eq!((&tos["storage"], &tos["array"]["references"]), (&Value::from("virtual"), &Value::from(3)));
    assert_eq!(variable(&plan, "/time_centered")["storage"], "copied");
}

#[test]
fn a_run_does_what_its_plan_says() {
    let place = Place::new();
    let example = testdata("nemo/nemo_1m_20150101-20150201_grid-T.nc");
    assert_eq!(place.run(&["plan", &example, "--write", "feed"]).status, 0);
    for format in ["icechunk", "zarr3"] {
        let recipe = std::fs::read_to_string(place.path().join("feed/recipe.yaml")).unwrap();
        let target = format!("    target: {{format: {format}}}\n");
        let mut lines: Vec<&str> = recipe.lines().filter(|line| !line.contains("target:")).collect();
        lines.push(&target);
        place.write("feed/recipe.yaml", &lines.join("\n"));
        let plan = result(&place.run(&["plan", "feed", "-o", "json"]));
        let run = place.run(&["run", "feed", "--target", &format!("out-{format}"), "-o", "json"]);
        assert_eq!(run.status, 0, "{run:#?}");
        let built = &result(&run)["recipes"][0]["build"];
        let cost = &plan["recipes"][0]["cost"];
        for key in ["tasks", "references", "peak_memory"] {
            assert_eq!(cost[key], built[key], "{format} {key}");
        }
        for array in built["arrays"].as_array().unwrap() {
            let planned = variable(&plan, array["path"].as_str().unwrap());
            assert_eq!(planned["array"]["chunk_shape"], array["chunk_shape"], "{format} {}", array["path"]);
            let storage = if array["storage"] == "virtual" { "virtual" } else { "copied" };
            assert_eq!(planned["storage"], storage, "{format} {}", array["path"]);
        }
    }
}

#[test]
fn a_missing_file_is_named_and_the_others_are_planned() {
    let place = january(&[1, 2, 3, 5, 6]);
    let answer = place.run(&["plan", "d/sst_20200102.nc", "--write", "feed", "-o", "json"]);
    assert_eq!(answer.status, 4, "{answer:#?}");
    assert_eq!(answer.json()["error"]["code"], "source-not-found");
    let plan = result(&answer);
    assert_eq!(plan["proposal"]["dimensions"][0]["keys"], "2020-01-01..2020-01-06/1D");
    assert_eq!(plan["proposal"]["absent"]["first"][0], "2020-01-04");
    assert_eq!(plan["proposal"]["others"]["count"], 1);
    let files = &plan["recipes"][0]["files"];
    assert_eq!((&files["wanted"], &files["found"], &files["missing"]["count"]), (&6.into(), &5.into(), &1.into()));
    assert!(files["missing"]["first"][0].as_str().unwrap().ends_with("d/sst_20200104.nc"));
    assert_eq!(variable(&plan, "/sst")["array"]["shape"], serde_json::json!([5, 2]));

    let recipe = std::fs::read_to_string(place.path().join("feed/recipe.yaml")).unwrap();
    assert!(recipe.contains("# gaps: [{time: 2020-01-04"), "{recipe}");
    place.write("feed/recipe.yaml", &recipe.replace("# gaps:", "gaps:"));
    let answer = place.run(&["plan", "feed", "-o", "json"]);
    assert_eq!(answer.status, 0, "{answer:#?}");
    let files = &result(&answer)["recipes"][0]["files"];
    assert_eq!((&files["wanted"], &files["found"], &files["gaps"]), (&5.into(), &5.into(), &1.into()));
    assert_eq!(files["declared"][0]["reason"], "why there is no file");
}

#[test]
fn keys_of_a_pattern_are_given_or_looked_up() {
    let place = january(&[1, 2, 3]);
    let given = place.run(&["plan", "d/sst_{time:%Y%m%d}.nc", "--dim", "time=2020-01-01..2020-01-02", "-o", "json"]);
    assert_eq!(given.status, 0, "{given:#?}");
    assert_eq!(result(&given)["recipes"][0]["files"]["found"], 2);
    let listed = place.run(&["plan", "d/sst_{time:%Y%m%d}.nc", "-o", "json"]);
    assert_eq!(result(&listed)["proposal"]["dimensions"][0]["keys"], "2020-01-01..2020-01-03/1D");
    assert_eq!(result(&listed)["recipes"][0]["files"]["found"], 3);
    let members = place.run(&["plan", "d/{m}_20200101.nc", "--dim", "m=sst,ice", "-o", "json"]);
    assert_eq!(members.status, 4, "{members:#?}");
    let example = place.run(&["plan", "d/sst_20200101.nc", "--dim", "time=2020-01-02..2020-01-03/1D", "-o", "json"]);
    assert_eq!(result(&example)["recipes"][0]["files"]["found"], 2, "{example:#?}");
}

#[test]
fn a_web_server_without_an_index_page_needs_the_keys() {
    let place = Place::new();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/sst_{{time:%Y%m%d}}.nc", server.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            let _ = std::io::Write::write_all(
                &mut stream,
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
    });
    let answer = place.run(&["plan", &url, "-o", "json"]);
    assert_eq!(answer.status, 2, "{answer:#?}");
    let error = &answer.json()["error"];
    assert!(error["next"].as_str().unwrap().contains("--dim time=FIRST..LAST/1D"), "{error}");
    let wrong =
        place.run(&["plan", "https://host.invalid/a_{time:%Y}.nc", "--dim", "time=2020-13..2021/1D", "-o", "json"]);
    assert_eq!(wrong.status, 2, "{wrong:#?}");
}

#[test]
fn what_would_stop_a_run_is_told_with_its_code() {
    let place = january(&[1, 2]);
    std::fs::write(place.path().join("d/sst_20200103.nc"), netcdf(3, "degC")).unwrap();
    let answer = place.run(&["plan", "d/sst_20200101.nc", "-o", "json"]);
    assert_eq!(answer.status, 11, "{answer:#?}");
    let problem = result(&answer)["recipes"][0]["problems"][0].clone();
    assert_eq!((&problem["code"], &problem["category"]), (&"drift-units".into(), &"inconsistent sources".into()));
    std::fs::write(place.path().join("d/sst_20200103.nc"), "<html>404</html>").unwrap();
    let answer = place.run(&["plan", "d/sst_20200101.nc", "-o", "json"]);
    assert_eq!(answer.status, 8, "{answer:#?}");
    let recipe = result(&answer)["recipes"][0].clone();
    assert_eq!((&recipe["files"]["unreadable"]["count"], &recipe["files"]["found"]), (&1.into(), &2.into()));
}

#[test]
fn what_the_recipe_asks_for_and_a_run_refuses_is_told_before() {
    let place = january(&[1, 2]);
    assert_eq!(place.run(&["plan", "d/sst_20200101.nc", "--write", "feed"]).status, 0);
    let recipe = std::fs::read_to_string(place.path().join("feed/recipe.yaml")).unwrap();
    place.write("feed/recipe.yaml", &format!("{recipe}    verify: {{rules: {{cf: warn}}}}\n"));
    let plan = place.run(&["plan", "feed", "-o", "json"]);
    let run = place.run(&["run", "feed", "--target", "out", "-o", "json"]);
    assert_eq!((plan.status, run.status), (7, 7), "{plan:#?}");
    assert_eq!(plan.json()["error"]["code"], run.json()["error"]["code"]);
    assert!(!place.path().join("out").exists());
}

#[test]
fn a_file_alone_is_planned_alone_and_a_folder_is_asked_about() {
    let place = january(&[7]);
    let answer = place.run(&["plan", "d/sst_20200107.nc", "-o", "json"]);
    assert_eq!(answer.status, 0, "{answer:#?}");
    assert_eq!(result(&answer)["recipes"][0]["files"]["wanted"], 1);
    assert_eq!(result(&answer)["proposal"]["dimensions"], Value::Array(vec![]));
    assert_eq!(place.run(&["plan", "d"]).status, 2);
    assert_eq!(place.run(&["plan", "nothing.nc"]).status, 4);
}

#[test]
fn a_store_is_ready_already() {
    let place = january(&[1]);
    assert_eq!(place.run(&["transform", "d/sst_20200101.nc", "--target", "a.zarr"]).status, 0);
    let answer = place.run(&["plan", "a.zarr", "-o", "json"]);
    assert_eq!(answer.status, 0, "{answer:#?}");
    let plan = result(&answer);
    assert_eq!((&plan["kind"], &plan["recipes"][0]["strategy"]["name"]), (&"store".into(), &"link".into()));
    assert_eq!(plan["next"], "firn link a.zarr --feedstock DIR", "{plan}");
    assert!(plan["notes"][1].as_str().unwrap().ends_with("--target TARGET --chunks time=N,lat=N"), "{plan}");
}

#[test]
fn the_last_line_is_the_next_command_and_nothing_is_written() {
    let place = january(&[1, 2, 3]);
    let answer = place.run(&["plan", "d/sst_20200101.nc"]);
    assert_eq!(last_line(&answer), "firn plan d/sst_20200101.nc --write DIR");
    assert_eq!(answer.stdout, place.run(&["plan", "d/sst_20200101.nc"]).stdout, "the same twice");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "a plan writes nothing");
    let markdown = place.run(&["plan", "d/sst_20200101.nc", "--format", "markdown"]);
    assert!(markdown.stdout.starts_with("## Plan of `d/sst_20200101.nc`\n"), "{markdown:#?}");
    assert_eq!(last_line(&markdown), "Next: `firn plan d/sst_20200101.nc --write DIR`");
    let written = place.run(&["plan", "d/sst_20200101.nc", "--write", "feed"]);
    assert_eq!(last_line(&written), "firn run feed --target URL");
    assert_eq!(place.run(&["plan", "d/sst_20200101.nc", "--write", "feed"]).status, 6, "never overwritten");
}

#[test]
fn the_destination_is_the_published_location() {
    let place = january(&[1, 2]);
    let url = place.path().join("published");
    place.write("firn.toml", &format!("[locations.main]\nurl = {url:?}\nrole = \"published\"\n"));
    let written = place.run(&["plan", "d/sst_20200101.nc", "--write", "feed", "-o", "json"]);
    let plan = result(&written);
    let target = plan["recipes"][0]["destination"].clone();
    assert!(target["url"].as_str().unwrap().ends_with("published/feed/feed"), "{target}");
    assert_eq!(plan["next"], "firn run feed");
    assert_eq!(place.run(&["run", "feed"]).status, 0);
    let again = result(&place.run(&["plan", "feed", "-o", "json"]));
    assert_eq!(again["recipes"][0]["destination"]["current"], "v1");
}

#[test]
fn the_same_title_in_the_catalog_is_named() {
    let catalog = testdata("leap/single-feedstock-web-catalog.json");
    let place = january(&[1, 2]).with("FIRN_CATALOG", &catalog);
    place.run(&["plan", "d/sst_20200101.nc", "--write", "feed"]);
    let meta = std::fs::read_to_string(place.path().join("feed/meta.yaml")).unwrap();
    let title = meta.lines().next().unwrap();
    place.write("feed/meta.yaml", &meta.replace(title, "title: the cool SMALL proto dataset"));
    let plan = result(&place.run(&["plan", "feed", "-o", "json"]));
    assert_eq!(
        (&plan["duplicates"][0]["id"], &plan["duplicates"][0]["same"]),
        (&"proto.my-dataset".into(), &"title".into())
    );
    let other = january(&[1]).with("FIRN_CATALOG", "nowhere.json").run(&["plan", "d/sst_20200101.nc"]);
    assert_eq!(other.status, 0, "{other:#?}");
    assert!(other.stdout.contains("could not be read for duplicates"), "{other:#?}");
}
