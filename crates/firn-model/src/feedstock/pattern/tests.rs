use proptest::prelude::*;

use super::*;
use crate::combine::SlotKey;
use crate::feedstock::read_recipe;

fn source(source: &str) -> Source {
    let text = format!("version: 1\nrecipes:\n  - {{id: a, source: {source}}}\n");
    let checked = read_recipe("recipe.yaml", &text);
    checked.value.unwrap_or_else(|| panic!("{:?}", checked.findings)).recipes.remove(0).source
}

fn pattern(text: &str) -> FilePattern {
    FilePattern::new(&source(text)).unwrap()
}

fn urls(text: &str) -> Vec<String> {
    pattern(text).files().map(|file| file.url).collect()
}

#[test]
fn the_last_dimension_changes_fastest() {
    let text = "{pattern: '{v}/{time.start:%Y%m%d}-{time.end:%Y%m%d}.nc', dims: {v: {merge: true, keys: [sst, ice]}, \
                time: {concat: true, start: 1980-01-01, end: 1980-03-31, freq: 1MS}}}";
    let expected = ["sst/19800101-19800131.nc", "sst/19800201-19800229.nc", "sst/19800301-19800331.nc"];
    let mut both: Vec<String> = expected.map(str::to_owned).to_vec();
    both.extend(expected.map(|url| url.replace("sst", "ice")));
    assert_eq!(urls(text), both);
}

#[test]
fn keys_carry_their_labels_and_formats() {
    let pattern = pattern(
        "{pattern: '{{{m}}}/f{lead:03d}', dims: {m: {concat: true, keys: [{r1: realization 1}, {r2: 2}, c]}, \
         lead: {concat: true, keys: [0, -6]}}}",
    );
    let files: Vec<SourceFile> = pattern.files().collect();
    let list: Vec<&str> = files.iter().map(|file| file.url.as_str()).collect();
    assert_eq!(list, ["{r1}/f000", "{r1}/f-06", "{r2}/f000", "{r2}/f-06", "{c}/f000", "{c}/f-06"]);
    let slots: Vec<SlotKey> = files.iter().step_by(2).map(|file| file.keys["m"].slot()).collect();
    assert_eq!(slots, [SlotKey::Text("realization 1".to_owned()), SlotKey::Int(2), SlotKey::Text("c".to_owned())]);
    assert_eq!(files[1].keys["lead"].slot(), SlotKey::Int(-6));
}

#[test]
fn leading_zeros_of_keys_stay() {
    assert_eq!(urls("{pattern: 'x{m}', dims: {m: {concat: true, keys: [001, 010, 2]}}}"), ["x001", "x010", "x2"]);
}

#[test]
fn listed_dates_are_written_by_their_format() {
    let text = "{pattern: 'x{t:%Y_%j}', dims: {t: {concat: true, keys: [2000-03-01, 1999-03-01, 1998]}}}";
    assert_eq!(urls(text), ["x2000_061", "x1999_060", "x1998_001"]);
}

#[test]
fn time_keys_are_instants() {
    let pattern = pattern("{pattern: 'x{t:%Y}', dims: {t: {concat: true, start: 1970, end: 1971, freq: 1YS}}}");
    let slots: Vec<SlotKey> = pattern.files().map(|file| file.keys["t"].slot()).collect();
    assert_eq!(slots, [SlotKey::Time(0), SlotKey::Time(365 * 86_400_000_000)]);
}

#[test]
fn declared_gaps_are_left_out_with_their_reason() {
    let pattern = pattern(
        "{pattern: '{m}{time:%Y%m%d%H}', dims: {m: {concat: true, keys: [a, b]}, \
         time: {concat: true, start: 2000-01-01, end: 2000-01-02, freq: 12h}}, \
         gaps: [{time: 2000-01-01, m: a, reason: outage}, {time: '2000-01-02T12:00', reason: late}]}",
    );
    let list: Vec<String> = pattern.files().map(|file| file.url).collect();
    assert_eq!(list, ["a2000010200", "b2000010100", "b2000010112", "b2000010200"]);
    let gaps: Vec<(String, &str)> = pattern
        .slots()
        .filter_map(|slot| match slot {
            PatternSlot::Gap { file, reason, .. } => Some((file.url, reason)),
            PatternSlot::File(_) => None,
        })
        .collect();
    let expected =
        [("a2000010100", "outage"), ("a2000010112", "outage"), ("a2000010212", "late"), ("b2000010212", "late")];
    assert_eq!(gaps, expected.map(|(url, reason)| (url.to_owned(), reason)));
    assert_eq!(pattern.len(), 8);
}

#[test]
fn ten_million_files_are_made_one_by_one_and_more_are_refused() {
    let text = |end: &str| {
        source(&format!(
            "{{pattern: '{{m}}/{{t:%Y%m%d%H%M%S}}', dims: {{m: {{concat: true, keys: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}}, \
             t: {{concat: true, start: 2000-01-01, end: '{end}', freq: 1s}}}}}}"
        ))
    };
    let pattern = FilePattern::new(&text("2000-01-12T13:46:39")).unwrap();
    assert_eq!(pattern.len(), 10_000_000);
    assert!(matches!(pattern.slot(9_999_999), Some(PatternSlot::File(file)) if file.url == "9/20000112134639"));
    assert_eq!(pattern.slot(10_000_000), None);
    let error = FilePattern::new(&text("2000-01-12T13:46:40")).unwrap_err();
    assert_eq!(error.to_string(), "the pattern \"{m}/{t:%Y%m%d%H%M%S}\" stands for 10000010 files, more than 10000000");
}

#[test]
fn a_url_tells_its_keys() {
    let keys = |pattern: &str, url: &str| -> Option<Vec<(String, String)>> {
        let keys = keys_of_url(pattern, url).unwrap()?;
        Some(keys.into_iter().map(|(dim, key)| (dim, key.to_string())).collect())
    };
    let pairs = |pairs: &[(&str, &str)]| Some(pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect());
    let oisst = "https://host/{time:%Y%m}/oisst.{time:%Y%m%d}.nc";
    assert_eq!(keys(oisst, "https://host/198109/oisst.19810930.nc"), pairs(&[("time", "1981-09-30 00:00")]));
    assert_eq!(keys(oisst, "https://host/198110/oisst.19810930.nc"), None);
    assert_eq!(keys(oisst, "https://host/198109/oisst.19810931.nc"), None);
    assert_eq!(keys("{v}_{v}.nc", "a_b_a_b.nc"), pairs(&[("v", "a_b")]));
    assert_eq!(keys("{v}/{t:%B%Y}.nc", "x/May2001.nc"), pairs(&[("v", "x"), ("t", "2001-05-01 00:00")]));
    assert_eq!(keys("{v}/x", "a/b/x"), None);
    assert_eq!(keys("f{lead:03d}", "f0120"), None);
    assert_eq!(keys("f{lead:03d}", "f120"), pairs(&[("lead", "120")]));
    let step = "{t.start:%Y%m%d}-{t.end:%Y%m%d}";
    assert_eq!(keys(step, "19800101-19800131"), pairs(&[("t", "1980-01-01 00:00")]));
    assert_eq!(keys(step, "19800101-19800132"), None);
}

#[test]
fn a_search_over_hostile_urls_ends() {
    let pattern = "{a}{b}{c}{d}{e}{f}{g}{h}.nc";
    assert_eq!(keys_of_url(pattern, &"a".repeat(2000)).unwrap(), None);
}

#[test]
fn braces_are_escaped_and_closed() {
    let what = |pattern: &str| Template::parse(pattern).map(|_| ()).unwrap_err().message;
    assert!(what("a{b").contains("counterpart"));
    assert!(what("a}b").contains("counterpart"));
    assert!(what("a").contains("no placeholder"));
    assert!(what("{}").contains("names no dimension"));
    assert!(what("{a.b}").contains("asks for \"b\""));
    assert!(what("{a.end}").contains("no format"));
    assert!(what("{a:5x}").contains("unknown"));
    assert!(what("{a:999d}").contains("unknown"));
    assert!(Template::parse("{{x}}{a}").is_ok());
}

proptest! {
    #[test]
    fn every_file_of_a_pattern_tells_its_keys(number in 0u64..2400) {
        let pattern = pattern(
            "{pattern: 's3://b/{m}/{time:%Y}/{lead:03d}/x_{time:%Y%m%d%H}.nc', dims: {m: {concat: true, keys: [r1i1, r2i1]}, \
             time: {concat: true, start: 1999-12-01, end: 2000-03-29, freq: 6h}, lead: {concat: true, keys: [0, 6, 120, 1200, -6]}}}",
        );
        prop_assert_eq!(pattern.len(), 2 * 480 * 5);
        let Some(PatternSlot::File(file)) = pattern.slot(number) else { panic!() };
        let expected: IndexMap<String, Key> = file.keys.iter().map(|(dim, key)| (dim.clone(), key.key.clone())).collect();
        prop_assert_eq!(pattern.keys_of(&file.url), Some(expected));
    }

    #[test]
    fn arbitrary_patterns_and_urls_never_panic(pattern in "([a-c{}:.%]|\\{a\\}|\\{t:%Y%m\\}|\\{n:03d\\}|é)*", url in "[a-c0-9/é.-]*") {
        let _ = keys_of_url(&pattern, &url);
    }
}
