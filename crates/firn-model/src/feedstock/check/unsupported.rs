//! What recipes may say and this version of firn does not do. Each key is named, so that nothing is left out in silence.

use crate::cf::PatternTime;
use crate::document::{DocumentPath, Findings};
use crate::feedstock::recipe::{Auth, Bound, Recipe, Selector, SourceFormat, Step, Strategy, TargetFormat};

pub(super) fn check(recipe: &Recipe, path: &DocumentPath, findings: &mut Findings<'_>) {
    let mut tell = |path: DocumentPath, what: String, help: &str| {
        findings.unsupported(&path, format!("this version of firn does not support {what}"), help);
    };
    let help = match recipe.strategy {
        Strategy::Link => Some("a linked store has no recipe: `firn link URL --feedstock DIR`"),
        Strategy::Hybrid => Some("write strategy: transform, or auto"),
        Strategy::Auto | Strategy::Virtualize | Strategy::Transform => None,
    };
    if let Some(help) = help {
        tell(path.key("strategy"), format!("strategy: {}", recipe.strategy.name()), help);
    }
    let source = &recipe.source;
    if matches!(source.format, SourceFormat::Grib | SourceFormat::Geotiff) {
        tell(
            path.keys(["source", "format"]),
            format!("format: {}", source.format.name()),
            "convert the files to NetCDF or Zarr first",
        );
    }
    // Configuration binds the other kinds: ~/.netrc, EARTHDATA_TOKEN, profiles of locations.
    if matches!(source.auth, Auth::Basic | Auth::Bearer) {
        tell(
            path.keys(["source", "auth"]),
            format!("auth: {}", source.auth.name()),
            "put user and password into ~/.netrc and write auth: netrc",
        );
    }
    let is_label = |bound: &Bound| matches!(bound, Bound::Text(text) if PatternTime::start_of(text).is_err());
    for (dim, selector) in &recipe.select.sel {
        let help = match selector {
            Selector::Value(value) if is_label(value) => Some("use isel"),
            Selector::Range(range) if range.iter().any(is_label) => Some("use isel"),
            Selector::Range([Bound::Text(_), Bound::Number(_)] | [Bound::Number(_), Bound::Text(_)]) => {
                Some("write both as dates, a year in quotes: [\"1981\", \"1990\"]")
            }
            _ => None,
        };
        if let Some(help) = help {
            tell(path.keys(["select", "sel", dim]), "selecting by labels".to_owned(), help);
        }
    }
    for (name, rule) in &recipe.verify.rules {
        if let Err(what) = rule.supported(name) {
            let help = "leave it out: opens, chunks, coordinates, cf, decodes and values are always verified";
            tell(path.keys(["verify", "rules", name]), what, help);
        }
    }
    for (at, step) in recipe.transform.iter().enumerate() {
        if !matches!(step, Step::Rename(_) | Step::Squeeze(_)) {
            let path = path.key("transform").index(at).key(step.name());
            tell(path, format!("the step {}", step.name()), "remove the step; rename and squeeze are supported");
        }
    }
    let target = &recipe.target;
    if target.format == Some(TargetFormat::KerchunkParquet) {
        tell(
            path.keys(["target", "format"]),
            "format: kerchunk-parquet".to_owned(),
            "write format: icechunk or kerchunk-json, which hold references too",
        );
    }
    if target.layout.is_some() {
        tell(path.keys(["target", "use"]), "chunks by use".to_owned(), "write chunks: {DIMENSION: LENGTH}");
    }
}
