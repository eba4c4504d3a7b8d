//! A dataset as the catalog tells it: what the documents say, what opening the store told, and how to open it.

use crate::classify::StoreKind;
use crate::facts::DatasetFacts;
use crate::snippet::Snippet;
use firn_model::diagnose::without_secrets;
use firn_model::feedstock::catalog::{LineageEntry, Link};
use firn_model::feedstock::meta::{LicenseLink, Maintainer, Provider};
use firn_model::feedstock::store_entry::{Access, IcechunkDetails, KerchunkDetails};
use firn_model::feedstock::{DataType, StoreEntry, url_secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A dataset of a catalog: one store of a feedstock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CatalogEntry {
    /// Public id.
    pub id: String,
    /// Title of the store.
    pub title: String,
    /// Title of the feedstock.
    pub collection: String,
    /// What it is, in some sentences.
    pub description: String,
    /// How the data came to be here.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none", default)]
    pub data_type: Option<DataType>,
    /// Name of the feedstock.
    pub feedstock: String,
    /// Where the feedstock is, where that is a URL.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub feedstock_url: Option<String>,
    /// Id of the store, as the feedstock writes it.
    pub store: String,
    /// Former ids.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub aliases: Vec<String>,
    /// Where the store is.
    pub url: String,
    /// What it is.
    pub kind: StoreKind,
    /// How to reach it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub access: Option<Access>,
    /// Whether everybody may read it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub public: Option<bool>,
    /// Details of an Icechunk repository.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub icechunk: Option<IcechunkDetails>,
    /// Details of kerchunk references.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kerchunk: Option<KerchunkDetails>,
    /// When it was last written, as the document says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_updated: Option<String>,
    /// Licence, as the document says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub license: Option<String>,
    /// Where the licence is written down.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub license_link: Option<LicenseLink>,
    /// DOI.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub doi: Option<String>,
    /// What the data were made from.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub lineage: Vec<LineageEntry>,
    /// Organisations and people behind the data.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub providers: Vec<Provider>,
    /// Who looks after the feedstock.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub maintainers: Vec<Maintainer>,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tags: Vec<String>,
    /// URL of a picture.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub thumbnail: Option<String>,
    /// Further reading.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub links: Vec<Link>,
    /// How to open it; empty where firn knows no way.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub snippets: Vec<Snippet>,
    /// What opening it told; absent where it was not opened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub facts: Option<DatasetFacts>,
}

impl CatalogEntry {
    /// The entry as a feedstock would write it: what snippets are made from.
    pub fn as_store(&self) -> StoreEntry {
        StoreEntry {
            id: self.store.clone(),
            url: self.url.clone(),
            public: self.public,
            access: self.access.clone(),
            icechunk: self.icechunk.clone(),
            kerchunk: self.kerchunk.clone(),
            ..StoreEntry::default()
        }
    }

    /// The licence as SPDX expression, where it is one.
    pub fn spdx(&self) -> Option<&str> {
        let text = self.license.as_deref()?.trim();
        spdx::Expression::parse(text).ok().map(|_| text)
    }

    /// The DOI without prefix, where it looks like one.
    pub fn bare_doi(&self) -> Option<&str> {
        let doi = self.doi.as_deref()?.trim();
        let prefixes = ["https://doi.org/", "http://doi.org/", "https://dx.doi.org/", "doi:"];
        let bare = prefixes.iter().find_map(|prefix| doi.strip_prefix(prefix)).unwrap_or(doi);
        (bare.starts_with("10.") && bare.contains('/')).then_some(bare)
    }

    /// The same without secrets in its addresses, and without lines that would repeat one. firn's own catalogs have none.
    #[must_use]
    pub fn without_secrets(mut self) -> Self {
        if url_secret(&self.url).is_some() {
            self.snippets.clear();
        }
        let links = self.links.iter_mut().map(|link| &mut link.url);
        let optional = [&mut self.feedstock_url, &mut self.thumbnail].into_iter().flatten();
        for text in links.chain(optional).chain([&mut self.url]) {
            if url_secret(text).is_some() {
                *text = without_secrets(text);
            }
        }
        self
    }

    /// Makes the snippet again from what is known now. A store of which none is known has none.
    pub fn renew_snippets(&mut self) -> Result<(), crate::snippet::NoSnippet> {
        let store = self.as_store();
        match crate::snippet::snippet(&crate::snippet::Opening::of(&store, self.kind)) {
            Ok(snippet) => {
                self.snippets = vec![snippet];
                Ok(())
            }
            Err(none) => {
                self.snippets = Vec::new();
                Err(none)
            }
        }
    }
}
