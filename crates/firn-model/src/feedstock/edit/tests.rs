use proptest::prelude::*;
use serde_json::json;

use super::*;

fn change(id: &str, set: &Value) -> StoreChange {
    StoreChange { id: id.to_owned(), set: set.as_object().unwrap().clone(), remove: Vec::new() }
}

#[test]
fn a_key_goes_with_its_lines_and_nothing_else() {
    let text = "stores:\n  - id: a  # mine\n    icechunk:  # goes\n      spec: 1\n      virtual_chunk_containers:\n        - s3://x/\n    # stays\n    url: u\n  - id: b\n    icechunk: {spec: 1}\n";
    let change = StoreChange { remove: vec!["icechunk".to_owned()], ..change("a", &json!({"zarr": {"format": 3}})) };
    let edited = edit_store("catalog.yaml", text, &change).unwrap().text;
    let expected = "stores:\n  - id: a  # mine\n    # stays\n    url: u\n    zarr:\n      format: 3\n  - id: b\n    icechunk: {spec: 1}\n";
    assert_eq!(edited, expected);
    let last = "stores:\n- id: a\n  url: u\n  icechunk: {spec: 1}\n";
    assert_eq!(
        edit_store("catalog.yaml", last, &change).unwrap().text,
        "stores:\n- id: a\n  url: u\n  zarr:\n    format: 3\n"
    );
    let braces = "stores: [{id: a, icechunk: {spec: 1}, url: u}]\n";
    assert!(edit_store("catalog.yaml", braces, &change).is_err());
}

fn edited(text: &str, id: &str, set: &Value) -> String {
    edit_store("catalog.yaml", text, &change(id, set)).unwrap_or_else(|error| panic!("{error}\n{text}")).text
}

const CATALOG: &str = "# All the information important to cataloging.
\"ncviewjs:meta_yaml_url\": \"https://host/meta.yaml\" # !!! keep me !!!
tags:
  - my-custom-tag   # why
stores:
  - id: \"first\"
    name: \"The first\"   # its title
    url: 'gs://bucket/first.zarr'

    xarray_open_kwargs:
      engine: zarr  # v2
  # the second one
  - id: second
    url: https://host/second.zarr
    name: >
      A long
      title

thumbnail: https://host/x.png
";

#[test]
fn an_update_touches_its_values_alone() {
    let set = json!({"url": "s3://bucket/it's", "last_updated": "2026-11-22T00:00:00Z", "xarray_open_kwargs": {"engine": "zarr", "chunks": {}}});
    let edit = edit_store("feedstock/catalog.yaml", CATALOG, &change("first", &set)).unwrap();
    assert!(!edit.added);
    assert_eq!(
        edit.diff,
        "--- a/feedstock/catalog.yaml
+++ b/feedstock/catalog.yaml
@@ -5,10 +5,12 @@
 stores:
   - id: \"first\"
     name: \"The first\"   # its title
-    url: 'gs://bucket/first.zarr'
+    url: 's3://bucket/it''s'
 
     xarray_open_kwargs:
       engine: zarr  # v2
+      chunks: {}
+    last_updated: \"2026-11-22T00:00:00Z\"
   # the second one
   - id: second
     url: https://host/second.zarr
"
    );
}

#[test]
fn a_new_entry_stands_below_the_others() {
    let set = json!({"url": "s3://b/k", "public": true, "xarray_open_kwargs": {"engine": "zarr"}});
    let edit = edit_store("catalog.yaml", CATALOG, &change("sst-monthly", &set)).unwrap();
    assert!(edit.added);
    assert_eq!(
        edit.diff,
        "--- a/catalog.yaml
+++ b/catalog.yaml
@@ -15,5 +15,10 @@
     name: >
       A long
       title
+  - id: sst-monthly
+    url: s3://b/k
+    public: true
+    xarray_open_kwargs:
+      engine: zarr
 
 thumbnail: https://host/x.png
"
    );
}

#[test]
fn nothing_to_change_changes_nothing() {
    let edit = edit_store("c", CATALOG, &change("second", &json!({"name": "A long title\n"}))).unwrap();
    assert_eq!((edit.text.as_str(), edit.diff.as_str(), edit.added), (CATALOG, "", false));
}

#[test]
fn every_way_to_write_a_list_is_edited_in_its_own_style() {
    let set = json!({"url": "u"});
    for (text, expected) in [
        ("", "stores:\n  - id: a\n    url: u\n"),
        ("# only a comment", "# only a comment\nstores:\n  - id: a\n    url: u"),
        ("tags: [x]\n\n# end\n", "tags: [x]\n\n# end\nstores:\n  - id: a\n    url: u\n"),
        ("tags: [x]", "tags: [x]\nstores:\n  - id: a\n    url: u"),
        ("tags: [x]\r\n", "tags: [x]\r\nstores:\r\n  - id: a\r\n    url: u\r\n"),
        ("stores: # none yet\ntags: []\n", "stores: # none yet\n  - id: a\n    url: u\ntags: []\n"),
        ("stores: [] # none\n", "stores: # none\n  - id: a\n    url: u\n"),
        ("stores: null\n", "stores:\n  - id: a\n    url: u\n"),
        ("stores: [{id: b, url: v}]\n", "stores: [{id: b, url: v}, {id: a, url: u}]\n"),
        ("stores: [\n  {id: b, url: v}, # b\n]\n", "stores: [\n  {id: b, url: v}, {id: a, url: u}, # b\n]\n"),
        ("stores:\n- id: b\n  url: v # x", "stores:\n- id: b\n  url: v # x\n- id: a\n  url: u"),
        ("stores:\n  -   id: b\n      url: v\n", "stores:\n  -   id: b\n      url: v\n  -   id: a\n      url: u\n"),
        ("stores:\n  - {id: b, url: v}\n", "stores:\n  - {id: b, url: v}\n  - id: a\n    url: u\n"),
        ("{}", "{stores: [{id: a, url: u}]}"),
        ("{\"stores\": []}", "{\"stores\": [{id: a, url: u}]}"),
        ("{tags: [x]}\n", "{tags: [x], stores: [{id: a, url: u}]}\n"),
        ("a: 1\n...\n", "a: 1\nstores:\n  - id: a\n    url: u\n...\n"),
        ("stores: [{id: b} # b\n  , {id: c} # c\n]\n", "stores: [{id: b} # b\n  , {id: c}, {id: a, url: u} # c\n]\n"),
        ("stores:\n  - id: a\n    url: [x] # x\n", "stores:\n  - id: a\n    url: u # x\n"),
        ("---\ntags: [x]\n", "---\ntags: [x]\nstores:\n  - id: a\n    url: u\n"),
        ("stores:\n  - id: a\n", "stores:\n  - id: a\n    url: u\n"),
        ("stores:\n  - id: a\n    url:   # to come\n", "stores:\n  - id: a\n    url: u   # to come\n"),
        ("stores:\n  - url: old # x\n    id: a", "stores:\n  - url: u # x\n    id: a"),
        ("stores: [{id: a, url: \"old\"}]", "stores: [{id: a, url: \"u\"}]"),
        ("stores: [{\"id\": \"a\"}]", "stores: [{\"id\": \"a\", url: u}]"),
    ] {
        assert_eq!(edited(text, "a", &set), expected, "{text:?}");
    }
}

#[test]
fn what_cannot_be_edited_safely_says_what_to_paste() {
    let set = json!({"url": "u"});
    for (text, what) in [
        ("stores:\n  - id: a\n    url: >\n      x\n", "several lines"),
        ("x: &x {id: a}\nstores:\n  - *x\n", "alias"),
        ("x: &x [{id: b}]\nstores: *x\n", "alias"),
        ("stores: {a: b}\n", "not a list"),
        ("- a\n", "not a mapping"),
        ("stores: [{id: a}, {id: a}]\n", "twice"),
        ("stores: [", "corrected"),
        ("a: 1\na: 2\n", "corrected"),
        ("stores:\n  - id: b\n    name: |+\n      x\n\n", "cannot edit"),
    ] {
        let error = edit_store("catalog.yaml", text, &change("a", &set)).unwrap_err();
        assert!(error.to_string().contains(what), "{text:?}: {error}");
        let next = crate::diagnose::Diagnose::next(&error);
        assert!(next.ends_with("\n  - id: a\n    url: u"), "{next}");
    }
}

/// Documents as people write them: with comments, quotes, blank lines, either style and either line end.
fn documents() -> impl Strategy<Value = String> {
    let text = "[a-z]{1,6}|\"[a-z #:]{0,6}\"|'[a-z, ]{0,6}'|[a-z]+://[a-z/]{1,8}|12|true|é";
    let comment = "( # [a-zé]{0,5})?";
    let entry = (0usize..4, text, comment, text, 0u8..5).prop_map(|(id, name, comment, url, style)| match style {
        0 => format!("  - {{id: s{id}, name: {name}, url: {url}}}{comment}\n"),
        1 => format!("  - id: s{id}{comment}\n    name: {name}\n\n    url: {url}{comment}\n  # after\n"),
        2 => format!("  - url: {url}{comment}\n    id: s{id}\n    xarray_open_kwargs:\n      engine: zarr\n"),
        3 => format!("  - id: s{id}\n    name: |\n      {id} text\n\n      more # no comment\n"),
        _ => format!("  - id: \"s{id}\"\n    tags:\n      - a{comment}\n      - b\n"),
    });
    let entries = proptest::collection::vec(entry, 0..4);
    (comment, entries, 0u8..4, any::<bool>(), any::<bool>()).prop_map(|(comment, entries, around, crlf, newline)| {
        let mut document = format!("# head{comment}\ntags: [a, b]{comment}\n");
        if around != 0 {
            document.push_str(if entries.is_empty() { "stores: []\n" } else { "stores:\n" });
            document.push_str(&entries.concat());
        }
        if around == 2 {
            document.push_str("\n# tail\nthumbnail: x\n");
        }
        if !newline {
            document.truncate(document.trim_end().len());
        }
        if crlf { document.replace('\n', "\r\n") } else { document }
    })
}

proptest! {
    /// All other lines are there, in order, byte for byte.
    #[test]
    fn lines_that_are_not_concerned_stay(document in documents(), id in 0usize..5, url in "[ -~é]{1,12}") {
        let set = json!({"url": url, "public": true, "xarray_open_kwargs": {"engine": "zarr"}, "last_updated": "2026-11-22"});
        let change = change(&format!("s{id}"), &set);
        let (root, _) = parse("c", &document);
        match edit_store("c", &document, &change) {
            Ok(edit) => {
                let (after, findings) = parse("c", &edit.text);
                prop_assert_eq!(findings, vec![]);
                prop_assert_eq!(after.unwrap().to_json(), expected(root.unwrap().to_json(), &change));
                let (gone, old, new) = diff::sides(&document, &edit.text);
                prop_assert_eq!((old.as_str(), new.as_str()), (document.as_str(), edit.text.as_str()));
                // The line of the url, `stores: []`, and a last line that got its newline.
                prop_assert!(gone <= 3, "{gone} lines changed\n{}", edit.diff);
                let again = edit_store("c", &edit.text, &change).unwrap();
                prop_assert_eq!(again.text, edit.text);
            }
            Err(error) => {
                let twice = document.matches(&format!("s{id}")).count() > 1;
                prop_assert!(twice, "{error}\n{document}");
            }
        }
    }

    #[test]
    fn arbitrary_documents_are_edited_or_refused(text in "([a-c]|stores:|id: a|: |- |\n|\n  |\r\n|[\\[\\]{},#'\"é|>])*") {
        let _ = edit_store("c", &text, &change("a", &json!({"url": "u"})));
    }
}
