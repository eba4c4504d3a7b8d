use proptest::prelude::*;

use super::*;

const RECIPE: &str = include_str!("../../tests/documents/everything.yaml");

proptest! {
    #[test]
    fn arbitrary_documents_never_panic(text in "\\PC*") {
        let document = Some(DocumentText { name: "d", text: &text });
        let loaded = Feedstock::from_texts(FeedstockTexts { meta: document, catalog: document, recipe: document });
        let _ = (loaded.feedstock().is_ok(), loaded.recipe(None).is_ok());
    }

    /// A line of a valid recipe replaced, repeated or cut short.
    #[test]
    fn damaged_recipes_never_panic(line in 0usize..40, at in 0usize..60, with in "[ -~é]{0,6}") {
        let mut lines: Vec<String> = RECIPE.lines().map(str::to_owned).collect();
        let line = line % lines.len();
        let cut: usize = at.min(lines[line].len());
        lines[line].replace_range(cut.., &with);
        let text = lines.join("\n");
        let checked = read_recipe("recipe.yaml", &text);
        for finding in &checked.findings {
            prop_assert!(finding.line >= 1 && finding.line <= lines.len() + 1 && finding.column >= 1);
        }
        // What has no error can be used.
        if let Some(document) = checked.value.filter(|_| checked.findings.iter().all(|f| f.severity != Severity::Error)) {
            for recipe in &document.recipes {
                let _ = (recipe.combine_rules(), recipe.selection());
                if recipe.source.pattern.is_some() {
                    prop_assert!(FilePattern::new(&recipe.source).is_ok());
                }
            }
        }
    }
}

#[test]
fn one_broken_part_of_a_recipe_hides_nothing_else() {
    let codes = |extra: &str, source: &str| {
        let text = format!(
            "version: 1\nrecipes:\n  - id: Bad_ID\n    source: {{{source}}}\n    select: {{variables: [a, a]}}\n{extra}"
        );
        let mut codes: Vec<&str> =
            read_recipe("recipe.yaml", &text).findings.iter().map(|finding| finding.code).collect();
        codes.sort_unstable();
        codes
    };
    let files = "files: [a.nc]";
    assert_eq!(codes("", files), ["recipe-id", "select-twice"]);
    for (step, code) in
        [("{renam: {a: b}}", "unknown-key"), ("{rename: 5}", "wrong-type"), ("{rename: {a: b}, squeeze: c}", "one-key")]
    {
        let mut expected = ["recipe-id", "select-twice", code];
        expected.sort_unstable();
        assert_eq!(codes(&format!("    transform: [{step}]\n"), files), expected, "{step}");
    }
    let gap = "pattern: 'a{t:%Y}.nc', dims: {t: {concat: true, start: 2000, end: 2002, freq: 1YS}}, gaps: [{t: 2001}]";
    assert_eq!(codes("", gap), ["missing-key", "recipe-id", "select-twice"]);
}
