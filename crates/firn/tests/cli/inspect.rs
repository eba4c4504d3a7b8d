//! `firn inspect`, on files whose content another implementation has listed.

use crate::golden::assert_golden;
use crate::run::{firn, testdata};
use serde_json::{Value, json};

fn inspected(name: &str) -> Value {
    let answer = firn(&["inspect", &testdata(name), "-o", "json"]);
    assert_eq!(answer.status, 0, "{answer:#?}");
    answer.json()["result"]["files"][0]["inspected"].clone()
}

#[test]
fn the_text_is_as_kept() {
    for (name, file) in [("ocean", "netcdf3/ocean.nc"), ("nemo", "nemo/nemo_1m_20150101-20150201_grid-T.nc")] {
        let path = testdata(file);
        let answer = firn(&["inspect", &path]);
        assert_eq!(answer.status, 0, "{answer:#?}");
        assert_golden(&format!("inspect/{name}.txt"), &answer.stdout.replace(&path, &format!("TESTDATA/{file}")));
    }
}

#[test]
fn numbers_keep_their_type_and_their_shortest_decimal() {
    let file = inspected("netcdf3/ocean.nc");
    let temperature = &file["groups"][0]["variables"][0];
    assert_eq!(temperature["name"], "T");
    assert_eq!(temperature["attributes"]["lon_t"], json!({"type": "float32", "value": 199.79999}));
    assert_eq!(temperature["attributes"]["time"], json!({"type": "float64", "value": 69715.0}));
    assert_eq!(temperature["array"]["shape"], json!([25, 66]));
    assert_eq!(temperature["verdict"], json!({"kind": "virtual"}));
}

#[test]
fn chunks_are_listed_with_offset_and_length() {
    let answer = firn(&["inspect", &testdata("netcdf3/ocean.nc"), "--chunks", "T", "-o", "jsonl"]);
    assert_eq!(answer.status, 0, "{answer:#?}");
    let rows: Vec<Value> = answer.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0]["state"], &rows[0]["length"]), (&json!("stored"), &json!(25 * 66 * 4)));
    assert_eq!(rows[0]["index"], json!([0, 0]));
    let whole = firn(&["inspect", &testdata("netcdf3/ocean.nc"), "--chunks", "/T", "-o", "json"]).json();
    assert_eq!(whole["result"]["chunk_tables"][0]["chunks"][0]["offset"], rows[0]["offset"]);
}

#[test]
fn a_variable_that_is_not_there_is_named_with_those_that_are() {
    let answer = firn(&["inspect", &testdata("netcdf3/ocean.nc"), "--chunks", "sst"]);
    assert_eq!(answer.status, 2, "{answer:#?}");
    assert!(answer.stderr.contains("T, z_t, lat_t"), "{}", answer.stderr);
}
