//! Errors in the words of the one who can mend them: with the line of the recipe that is wrong, or with the flags that the
//! verb has; with a file to look into.

use crate::error::EngineError;
use crate::feedstock::FeedstockDir;
use crate::open::SourceFile;
use firn_model::diagnose::{At, Category, Diagnose, shell_word};
use firn_model::document::{DocumentPath, Node, Segment, parse};
use firn_model::feedstock::recipe::Recipe;
use firn_model::plan::PlanError;

/// The keys of a recipe that name what is in its sources.
const NAMING: [&str; 6] = ["select", "transform", "combine", "target", "attributes", "source"];

/// An error of a rule of a recipe, with the place where the rule is written.
pub(super) fn in_recipe(
    feedstock: &FeedstockDir,
    recipe: &Recipe,
    files: &[SourceFile],
    error: EngineError,
) -> EngineError {
    let next = match &error {
        EngineError::Plan(PlanError::Layout(layout)) => layout.next_in_recipe(),
        EngineError::Combine(_) | EngineError::Select(_) | EngineError::Document { .. } => error.next(),
        _ => return error,
    };
    let next = with_files(&next, &error.at(), files);
    if matches!(error, EngineError::Combine(_)) {
        return EngineError::Advised { error: Box::new(error), next };
    }
    let at = error.at();
    let at = match &at {
        At { url: None, node: Some(node), .. } => written(feedstock, recipe, node).unwrap_or(at),
        _ => at,
    };
    EngineError::InRecipe { error: Box::new(error), at, next }
}

/// An error of a verb that joins files by its flags.
pub(super) fn by_flags(files: &[SourceFile], error: EngineError) -> EngineError {
    let EngineError::Combine(combine) = &error else { return error };
    let next = with_files(&combine.next_by_flags(), &error.at(), files);
    EngineError::Advised { error: Box::new(error), next }
}

/// The next step, with the file that disagrees in the place of any: else the first.
fn with_files(next: &str, at: &At, files: &[SourceFile]) -> String {
    let first = files.first().map(|file| file.url.to_string());
    let odd = at.url.clone().filter(|url| files.iter().any(|file| file.url.to_string() == *url));
    let (Some(first), Some(odd)) = (first.clone(), odd.or(first)) else { return next.to_owned() };
    let (first, odd) = (shell_word(&first), shell_word(&odd));
    next.replace("firn inspect A B", &format!("firn inspect {first} {odd}"))
        .replace("firn inspect FILE", &format!("firn inspect {odd}"))
        .replace("firn plan FILE", &format!("firn plan {odd}"))
}

/// Where a recipe says this: a way of keys (`target.format`), or a name in one of the places that name what sources hold.
fn written(feedstock: &FeedstockDir, recipe: &Recipe, node: &str) -> Option<At> {
    let name = feedstock.dir.join("recipe.yaml").display().to_string();
    let (Some(root), _) = parse(&name, feedstock.recipe_text.as_deref()?) else { return None };
    let is_this = |node: &Node| node.get("id").and_then(Node::as_text) == Some(recipe.id.as_str());
    let number = root.get("recipes")?.items().iter().position(is_this)?;
    let here = DocumentPath::root().key("recipes").index(number);
    let mut keys = node.split('.').fold(here.clone(), |path, key| path.key(key));
    if root.find(&keys).is_none() {
        keys = NAMING.iter().find_map(|key| named(&root, &here.key(*key), node))?;
    }
    let place = root.locate_key(&keys);
    // What nobody wrote yet has lines, and no file.
    let at = if feedstock.dir.join("recipe.yaml").is_file() { At::url(name) } else { At::nowhere() };
    Some(at.node(keys.to_string()).line(place.line, place.column))
}

/// The first key or text below a path that is this name.
fn named(root: &Node, below: &DocumentPath, name: &str) -> Option<DocumentPath> {
    let mut found = None;
    root.find(below)?.walk(below, &mut |path, node| {
        let is_key = matches!(path.segments().last(), Some(Segment::Key(key)) if key == name);
        if found.is_none() && (is_key || node.as_text() == Some(name)) {
            found = Some(path.clone());
        }
    });
    found
}

/// In a recipe a wrong call is a wrong document.
pub(crate) fn category_in_recipe(category: Category) -> Category {
    if category == Category::Usage { Category::InvalidDocument } else { category }
}
