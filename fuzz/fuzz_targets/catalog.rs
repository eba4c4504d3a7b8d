//! A catalog document of somebody: firn's index, LEAP JSON, STAC.
#![no_main]

use firn_catalog::read::{CatalogContent, read};
use firn_catalog::{lookup, site, stac};
use firn_fuzz::expect_no_bug;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    match read("https://example.org/catalog.json", data) {
        Ok(CatalogContent::Entries(mut entries, _)) => {
            for entry in &mut entries {
                let _ = entry.renew_snippets();
                let _ = stac::collection(entry, Some("page"));
                let page = site::page(entry, site::PageLinks::default());
                assert!(!page.contains("<script>alert"), "text of others becomes markup");
            }
            if let Err(error) = lookup::find(&entries, "https://example.org/catalog.json", "id") {
                expect_no_bug(&error);
            }
        }
        Ok(CatalogContent::Stac(_)) => {}
        Err(error) => expect_no_bug(&error),
    }
});
