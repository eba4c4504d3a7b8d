//! What is answered when the command line cannot be understood, and `--help`, `--version`.

use super::arguments::{Common, OutputFormat, VERBS};
use super::render::Printer;
use crate::error::FirnError;
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::process::ExitCode;

/// Prints help or version, or reports the mistake in the form asked for.
pub fn answer(error: &clap::Error, words: &[OsString]) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Whoever closed the pipe does not read help any more.
        error.print().unwrap_or_default();
        return ExitCode::SUCCESS;
    }
    let words: Vec<String> = words.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let verb = verb_of(&words);
    let common = Common { output: output_of(&words), ..Common::default() };
    let schema = format!("firn/{}/1", verb.as_deref().unwrap_or("command").replace(' ', "-"));
    let next = match &verb {
        Some(verb) => format!("firn {verb} --help"),
        None => "firn --help".to_owned(),
    };
    Printer::new(&common, schema).print(Err(FirnError::Usage { what: sentence(error), next }))
}

/// The mistake without clap's own frame around it.
fn sentence(error: &clap::Error) -> String {
    let missing = matches!(error.kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
    if missing || error.kind() == ErrorKind::MissingSubcommand {
        return "a verb is missing".to_owned();
    }
    let text = error.render().to_string();
    let text = text.trim_start_matches("error: ");
    let until = text.find("\n\nUsage:").or_else(|| text.find("\n\nFor more information")).unwrap_or(text.len());
    let lines: Vec<&str> = text[..until].lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// The format asked for, as far as it can be told from words that do not parse.
fn output_of(words: &[String]) -> OutputFormat {
    let mut format = OutputFormat::Text;
    let mut words = words.iter().take_while(|word| *word != "--").peekable();
    while let Some(word) = words.next() {
        let value = match word.as_str() {
            "-o" | "--output" => words.peek().map(|word| word.as_str()),
            other => {
                other.strip_prefix("--output=").or_else(|| other.strip_prefix("-o").map(|v| v.trim_start_matches('=')))
            }
        };
        match value {
            Some("json") => format = OutputFormat::Json,
            Some("jsonl") => format = OutputFormat::Jsonl,
            Some("text") => format = OutputFormat::Text,
            _ => {}
        }
    }
    format
}

/// The verb, with its second word where it has one.
fn verb_of(words: &[String]) -> Option<String> {
    let mut plain = words.iter().filter(|word| !word.starts_with('-'));
    let first = plain.find(|word| VERBS.iter().any(|(verb, _)| verb == *word))?;
    let (_, seconds) = VERBS.iter().find(|(verb, _)| verb == first)?;
    match plain.next().filter(|second| seconds.contains(&second.as_str())) {
        Some(second) => Some(format!("{first} {second}")),
        None => Some(first.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_format_is_known_even_where_the_rest_is_not() {
        assert_eq!(output_of(&words("inspect --nonsense -o json")), OutputFormat::Json);
        assert_eq!(output_of(&words("-ojsonl inspect")), OutputFormat::Jsonl);
        assert_eq!(output_of(&words("inspect --output=json")), OutputFormat::Json);
        assert_eq!(output_of(&words("inspect -- -o json")), OutputFormat::Text);
    }

    #[test]
    fn the_verb_is_known_even_where_the_rest_is_not() {
        assert_eq!(verb_of(&words("-o json catalog build --bad")).as_deref(), Some("catalog build"));
        assert_eq!(verb_of(&words("transform --bad")).as_deref(), Some("transform"));
        assert_eq!(verb_of(&words("nonsense")), None);
    }
}
