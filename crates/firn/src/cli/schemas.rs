//! JSON Schemas of what `-o json` and `-o jsonl` print, made from the types that are printed.

use super::cat::Content;
use super::catalog::answer as validated;
use super::config::{check, show};
use super::explain::Explained;
use super::inspect::answer;
use super::serve::Serving;
use crate::report::ErrorReport;
use firn_engine::build::BuildReport;
use firn_engine::verbs::adopt::AdoptReport;
use firn_engine::verbs::catalog_build::CatalogBuildReport;
use firn_engine::verbs::catalog_show::{ShownDataset, ShownSnippet};
use firn_engine::verbs::check::CheckReport;
use firn_engine::verbs::cp::CopyReport;
use firn_engine::verbs::demo::DemoReport;
use firn_engine::verbs::du::Usage;
use firn_engine::verbs::inbox_list::InboxList;
use firn_engine::verbs::inbox_review::ReviewReport;
use firn_engine::verbs::init::InitReport;
use firn_engine::verbs::link::LinkReport;
use firn_engine::verbs::ls::{Entry, Listed};
use firn_engine::verbs::plan::PlanReport;
use firn_engine::verbs::promote::PromoteReport;
use firn_engine::verbs::push::PushReport;
use firn_engine::verbs::rm::RemoveReport;
use firn_engine::verbs::run::RunReport;
use firn_engine::verbs::seal::SealReport;
use firn_engine::verify::VerifyReport;
use schemars::{JsonSchema, SchemaGenerator, json_schema};
use serde_json::Value;

/// Name and schema of each document, by name: `inspect` is what `firn inspect -o json` prints, `inspect.line` a line of
/// `firn inspect -o jsonl`.
pub fn output_schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("adopt", document::<AdoptReport>("adopt")),
        ("cat", document::<Content>("cat")),
        ("catalog-build", document::<CatalogBuildReport>("catalog-build")),
        ("catalog-show", document::<ShownDataset>("catalog-show")),
        ("catalog-snippet", document::<ShownSnippet>("catalog-snippet")),
        ("catalog-validate", document::<validated::Feedstocks>("catalog-validate")),
        ("catalog-validate.line", line::<validated::Validation>()),
        ("check", document::<CheckReport>("check")),
        ("config-check", document::<check::Checked>("config-check")),
        ("config-show", document::<show::Shown>("config-show")),
        ("cp", document::<CopyReport>("cp")),
        ("demo", document::<DemoReport>("demo")),
        ("du", document::<Usage>("du")),
        ("explain", document::<Explained>("explain")),
        ("inbox-list", document::<InboxList>("inbox-list")),
        ("inbox-promote", document::<PromoteReport>("inbox-promote")),
        ("inbox-review", document::<ReviewReport>("inbox-review")),
        ("init", document::<InitReport>("init")),
        ("inspect", document::<Inspect>("inspect")),
        ("inspect.chunk-line", line::<answer::ChunkLine<'static>>()),
        ("inspect.line", line::<answer::File>()),
        ("link", document::<LinkReport>("link")),
        ("ls", document::<Listed>("ls")),
        ("ls.line", line::<Entry>()),
        ("plan", document::<PlanReport>("plan")),
        ("push", document::<PushReport>("push")),
        ("rm", document::<RemoveReport>("rm")),
        ("run", document::<RunReport>("run")),
        ("seal", document::<SealReport>("seal")),
        ("serve", document::<Serving>("serve")),
        ("sync", document::<CopyReport>("sync")),
        ("transform", document::<BuildReport>("transform")),
        ("verify", document::<VerifyReport>("verify")),
        ("virtualize", document::<BuildReport>("virtualize")),
        ("error", document::<Value>("<verb>")),
    ]
}

/// What `firn inspect` prints: files, or chunk tables where `--chunks` asks for them.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Inspect {
    Files(answer::Files),
    Chunks(answer::ChunkTables<'static>),
}

/// The object that every verb prints, with this `result`.
fn document<T: JsonSchema>(verb: &str) -> Value {
    let mut generator = SchemaGenerator::default();
    let result = generator.subschema_for::<T>();
    let error = generator.subschema_for::<ErrorReport>();
    let name = match verb {
        "<verb>" => json_schema!({ "type": "string", "pattern": "^firn/[a-z-]+/1$" }),
        verb => json_schema!({ "const": format!("firn/{verb}/1") }),
    };
    let result = match verb {
        "<verb>" => json_schema!(true),
        _ => json_schema!({ "anyOf": [result, { "type": "null" }] }),
    };
    let mut schema = json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("firn {}", verb.replace('-', " ")),
        "type": "object",
        "properties": {
            "schema": name,
            "ok": { "type": "boolean", "description": "Whether the verb succeeded: the exit status is 0." },
            "result": result,
            "error": { "anyOf": [error, { "type": "null" }] },
        },
        "required": ["schema", "ok", "result", "error"],
        "additionalProperties": false,
    });
    schema.insert("$defs".to_owned(), Value::Object(generator.take_definitions(true)));
    schema.to_value()
}

/// One line of a listing.
fn line<T: JsonSchema>() -> Value {
    SchemaGenerator::default().into_root_schema_for::<T>().to_value()
}
