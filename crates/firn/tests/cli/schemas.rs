//! The schemas that are checked in are those of the types that are printed.

use crate::golden::assert_file;
use std::path::Path;

#[test]
fn schemas_of_outputs_are_as_kept() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/output");
    let mut names = Vec::new();
    for (name, schema) in firn::cli::output_schemas() {
        let mut text = serde_json::to_string_pretty(&schema).unwrap();
        text.push('\n');
        assert_file(&folder.join(format!("{name}.json")), &text);
        names.push(format!("{name}.json"));
    }
    let mut kept: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    kept.sort();
    assert_eq!(kept, names, "schemas of outputs that are not there any more");
}
