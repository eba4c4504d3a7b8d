//! Where data go: what is asked for, else what the recipe says, else the rules of the policy file, else the only place for it.

use crate::error::EngineError;
use crate::feedstock::FeedstockDir;
use crate::settings::Engine;
use crate::verbs::requests::RunRequest;
use firn_model::feedstock::recipe::Recipe;
use firn_model::policy::destination::{DestinationRule, Facts, Fit, Origin, Shape, choose};
use firn_storage::{Location, LocationRole, ObjectUrl};

/// Where the dataset of a recipe is.
///
/// # Errors
/// No published location, or several, and none named.
pub(crate) fn destination(
    engine: &Engine,
    feedstock: &FeedstockDir,
    recipe: &Recipe,
    request: &RunRequest,
) -> Result<ObjectUrl, EngineError> {
    if let Some(target) = &request.target {
        return Ok(ObjectUrl::parse(target)?.absolute()?);
    }
    let location = match &recipe.target.location {
        Some(name) => engine.storage.location(name)?,
        None => match ruled(engine, feedstock, recipe) {
            Some((_, rule)) => engine.storage.location(&rule.to)?,
            None => only_published(engine)?,
        },
    };
    let path = recipe.target.path.clone().unwrap_or_else(|| format!("{}/{}", feedstock.name, recipe.id));
    // A part of a dataset must not become a version of it.
    let path = request.limit.map_or(path.clone(), |limit| format!("{path}.limit{limit}"));
    Ok(location.url.child(&path)?)
}

/// The rule of the policy that decides where the dataset of a recipe goes, and its number from 1.
pub(crate) fn ruled<'e>(
    engine: &'e Engine,
    feedstock: &FeedstockDir,
    recipe: &Recipe,
) -> Option<(usize, &'e DestinationRule)> {
    let catalog = feedstock.loaded.documents.catalog.as_ref();
    let entry = catalog.and_then(|catalog| catalog.store(&recipe.id));
    let facts = Facts {
        public: entry.and_then(|entry| entry.public),
        draft: None,
        shape: Some(Shape::Zarr),
        data_type: entry.and_then(|entry| entry.data_type).or_else(|| catalog.and_then(|catalog| catalog.data_type)),
        from: origin(engine, recipe),
    };
    let rules = &engine.settings.destinations;
    let rule = choose(rules, &facts)?;
    let number = rules.iter().position(|known| std::ptr::eq(known, rule))? + 1;
    Some((number, rule))
}

/// Where the sources of a recipe are, where one address tells it.
fn origin(engine: &Engine, recipe: &Recipe) -> Option<Origin> {
    let source = &recipe.source;
    let named = source.pattern.as_deref().or(source.glob.as_deref()).or(source.list.as_deref());
    let named = named.or_else(|| source.files.as_ref()?.first().map(String::as_str))?;
    Some(origin_of(engine, named))
}

/// The only location with the role published.
fn only_published(engine: &Engine) -> Result<&Location, EngineError> {
    let locations = engine.storage.settings().locations.values();
    let published: Vec<&Location> = locations.filter(|location| location.role == LocationRole::Published).collect();
    match published.as_slice() {
        [one] => Ok(one),
        [] => Err(EngineError::usage(
            "the recipe names no target location, and no location has the role published",
            "the same command with --target URL, or a location in firn.toml: [locations.published] url = \"…\" role = \"published\"",
        )),
        several => {
            let names: Vec<&str> = several.iter().map(|location| location.name.as_str()).collect();
            Err(EngineError::usage(
                format!("several locations have the role published: {}", names.join(", ")),
                "name one in the recipe: `target: {location: NAME}`",
            ))
        }
    }
}

/// Where something is, by its address: placeholders may be in it.
pub(crate) fn origin_of(engine: &Engine, text: &str) -> Origin {
    let physical = ObjectUrl::parse(text).and_then(|url| engine.storage.physical(&url)).map(|url| url.to_string());
    let text = physical.unwrap_or_else(|_| text.to_owned());
    match text.split_once("://") {
        None | Some(("file", _)) => Origin::Local,
        Some(("http" | "https" | "ftp", _)) => Origin::Web,
        Some(_) => Origin::Bucket,
    }
}

/// What the policy says of data that are copied from this address: the rules that are for them, each with what nobody said.
pub(crate) fn advised(engine: &Engine, from: &str, shape: Shape) -> Vec<String> {
    let facts = Facts { shape: Some(shape), from: Some(origin_of(engine, from)), ..Facts::default() };
    let rules = engine.settings.destinations.iter();
    rules
        .filter_map(|rule| {
            let condition = match rule.fit(&facts) {
                Fit::Holds => String::new(),
                Fit::If(open) => format!(", where {}", open.join(" and ")),
                Fit::No => return None,
            };
            Some(format!("policy: to {}{condition}: {}", rule.to, rule.because))
        })
        .collect()
}
