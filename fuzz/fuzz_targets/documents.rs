//! The YAML documents of a feedstock: read, checked against each other, patterns counted, an entry edited, a catalog built.
//!
//! The input is `meta.yaml`, `catalog.yaml` and `recipe.yaml`, separated by NUL.
#![no_main]

use firn_catalog::build::{BuildOptions, build};
use firn_catalog::collect::{FeedstockDocuments, collect};
use firn_fuzz::{expect_no_bug, text};
use firn_model::feedstock::{DocumentText, Feedstock, FeedstockTexts, FilePattern, StoreChange, edit_store};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(all) = text(data) else { return };
    let mut parts = all.split('\0');
    let mut document = |name| parts.next().map(|text| DocumentText { name, text });
    let (meta, catalog, recipe) = (document("meta.yaml"), document("catalog.yaml"), document("recipe.yaml"));
    let loaded = Feedstock::from_texts(FeedstockTexts { meta, catalog, recipe });
    for finding in &loaded.findings {
        assert!(!finding.message.is_empty() && finding.line > 0, "{finding:?}");
    }
    if let Err(error) = loaded.recipe(None) {
        expect_no_bug(&error);
    }
    if let Some(recipes) = &loaded.documents.recipe {
        for recipe in &recipes.recipes {
            match FilePattern::with_limit(&recipe.source, 10_000) {
                Ok(pattern) => pattern.files().take(100).for_each(drop),
                Err(error) => expect_no_bug(&error),
            }
        }
    }
    if let Some(catalog) = catalog {
        let set =
            serde_json::json!({"url": "s3://bucket/store", "public": true}).as_object().cloned().unwrap_or_default();
        let change =
            StoreChange { id: "store".to_owned(), set, remove: vec!["icechunk".to_owned(), "zarr".to_owned()] };
        match edit_store("catalog.yaml", catalog.text, &change) {
            Ok(edited) => {
                let again =
                    edit_store("catalog.yaml", &edited.text, &change).expect("an edited document can be edited");
                assert!(again.diff.is_empty() && again.text == edited.text, "the same edit again changes nothing");
            }
            Err(error) => expect_no_bug(&error),
        }
    }
    if let (Some(meta), Some(catalog)) = (loaded.documents.meta.clone(), loaded.documents.catalog.clone()) {
        let documents =
            FeedstockDocuments { place: "input".to_owned(), name: "input".to_owned(), url: None, meta, catalog };
        let (entries, _) = collect(std::slice::from_ref(&documents));
        let options = BuildOptions { pages: true, ..BuildOptions::default() };
        build(&[documents], &entries, &options).expect("valid documents can be built");
    }
});
