use proptest::prelude::*;

use super::*;
use serde_json::json;

fn tree(text: &str) -> Node {
    let (root, findings) = parse("d", text);
    assert_eq!(findings, [], "{text}");
    root.unwrap()
}

#[test]
fn dates_and_padded_numbers_are_text() {
    let text = "a: 1981-09-01\nb: {time: 1987-12-01}\nc: 007\nd: 0x10\ne: 1.0e-6\nf: -3\ng: no\nh: 12:30:00\ni: +5\nj: .inf\nk: 1e3\n";
    let expected = json!({
        "a": "1981-09-01", "b": {"time": "1987-12-01"}, "c": "007", "d": "0x10", "e": 1.0e-6, "f": -3, "g": "no",
        "h": "12:30:00", "i": "+5", "j": ".inf", "k": 1000.0,
    });
    assert_eq!(tree(text).to_json(), expected);
}

#[test]
fn every_node_knows_its_place() {
    let text = "é: {ü: [a, 'b']}\r\nempty:\r\nlast: |\r\n  x\r\n";
    let root = tree(text);
    let path = DocumentPath::root().keys(["é", "ü"]);
    let place = root.locate(&path.index(1));
    assert_eq!((place.line, place.column, &text[place.offset..place.offset + 3]), (1, 12, "'b'"));
    let place = root.locate(&path.index(7));
    assert_eq!((place.line, place.column), (1, 8));
    let place = root.locate(&DocumentPath::root().key("empty"));
    assert_eq!((place.line, place.column), (2, 1));
    let place = root.locate_key(&path);
    assert_eq!(&text[place.offset..place.offset + 2], "ü");
}

#[test]
fn aliases_repeat_what_they_name() {
    let root = tree("a: &x {b: 1}\nc: *x\n");
    assert_eq!(root.to_json(), json!({"a": {"b": 1}, "c": {"b": 1}}));
    assert!(root.get("c").unwrap().aliased && !root.get("a").unwrap().aliased);
}

#[test]
fn near_words_are_suggested_and_far_ones_are_not() {
    assert_eq!(nearest("stratgy", ["source", "strategy"]), Some("strategy"));
    assert_eq!(nearest("meta-yaml-url", ["meta_yaml_url"]), Some("meta_yaml_url"));
    assert_eq!(nearest("tiem", ["time", "item"]), Some("time"));
    assert_eq!(nearest("netcdf4", ["netcdf3", "hdf5"]), Some("hdf5"));
    assert_eq!(nearest("colour", ["name", "url"]), None);
    assert_eq!(nearest("x", ["y"]), None);
}

#[test]
fn other_keys_are_a_path_of_their_own() {
    let path = DocumentPath::root().key("ncviewjs:meta_yaml_url").index(2).key("a-b");
    assert_eq!(path.to_string(), "[\"ncviewjs:meta_yaml_url\"][2].a-b");
}

#[test]
fn huge_documents_are_refused() {
    let (root, findings) = parse("d", &"#".repeat(MAX_BYTES + 1));
    assert!(root.is_none());
    assert_eq!(findings[0].code, "document-too-large");
    let (_, findings) = parse("d", &format!("[{}]", "1,".repeat(MAX_NODES + 1)));
    assert_eq!(findings[0].code, "document-too-large");
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*") {
        let _ = parse("d", &text);
    }

    #[test]
    fn text_that_looks_like_yaml_never_panics(text in "([a-c<~]|: |- |\\? |\n|\n  |\r\n|\t|[\\[\\]{},&*!|>'\"%@`#é]|---|\\.\\.\\.)*") {
        let (root, _) = parse("d", &text);
        if let Some(root) = root {
            root.walk(&DocumentPath::root(), &mut |_, node| {
                assert!(text.is_char_boundary(node.start.offset) && text.is_char_boundary(node.end.offset));
            });
        }
    }

    #[test]
    fn written_text_is_read_as_itself(text in "\\PC*|(yes|no|null|1981-09-01|1e3|[ -~]|[\u{0}-\u{1f}\u{7f}-\u{a0}\u{2028}\u{feff}]|é)*") {
        for style in [Style::Plain, Style::SingleQuoted, Style::DoubleQuoted] {
            let written = yaml_text_styled(&YamlScalar::Text(text.clone()), style);
            let (root, findings) = parse("d", &format!("a: {written} # c\nb: [{written}, {{c: {written}}}]\n"));
            prop_assert_eq!(findings, vec![], "{}", written);
            prop_assert_eq!(root.unwrap().to_json(), json!({"a": text, "b": [text, {"c": text}]}), "{}", written);
        }
    }
}
