//! The verdicts.

use super::look::{Readers, Seen};
use super::report::{ChunkRead, Criterion, CriterionVerdict, LinkWarning, LinkedVariable};
use crate::error::EngineError;
use firn_catalog::classify::StoreKind;
use firn_formats::zarr::is_consolidated;
use firn_model::array::cloud::{ChunkNumbers, ChunkSizes, FEW_CHUNKS, LARGE_CHUNK, SMALL_CHUNK};
use firn_model::dataset::DatasetFormat;
use firn_model::diagnose::{Category, shell_word};
use firn_model::hosting::{Egress, EgressAnswer, egress, local};
use firn_storage::ObjectUrl;

/// A kind of warning.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// Stable code, the argument of `--accept`.
    pub code: &'static str,
    criterion: &'static str,
}

/// Every warning that `--accept` takes.
pub(super) const WARNINGS: [Kind; 13] = [
    THIS_MACHINE,
    EGRESS_UNKNOWN,
    EGRESS_READER,
    NOT_CHUNKED,
    TOO_SMALL,
    TOO_LARGE,
    NOT_CONSOLIDATED,
    ABSENT,
    NOT_DECODED,
    CORS,
    CORS_ERRORS,
    CORS_UNKNOWN,
    NO_SNIPPET,
];

const THIS_MACHINE: Kind = Kind { code: "this-machine", criterion: "public" };
const EGRESS_UNKNOWN: Kind = Kind { code: "egress-unknown", criterion: "egress" };
const EGRESS_READER: Kind = Kind { code: "egress-reader-pays", criterion: "egress" };
const NOT_CHUNKED: Kind = Kind { code: "not-chunked", criterion: "chunked" };
const TOO_SMALL: Kind = Kind { code: "chunks-too-small", criterion: "chunk-sizes" };
const TOO_LARGE: Kind = Kind { code: "chunks-too-large", criterion: "chunk-sizes" };
const NOT_CONSOLIDATED: Kind = Kind { code: "not-consolidated", criterion: "consolidated" };
const ABSENT: Kind = Kind { code: "chunks-absent", criterion: "decodes" };
const NOT_DECODED: Kind = Kind { code: "not-decoded", criterion: "decodes" };
const CORS: Kind = Kind { code: "cors-missing", criterion: "cors" };
const CORS_ERRORS: Kind = Kind { code: "cors-errors", criterion: "cors" };
const CORS_UNKNOWN: Kind = Kind { code: "cors-unknown", criterion: "cors" };
const NO_SNIPPET: Kind = Kind { code: "no-snippet", criterion: "opens" };

/// Names shown of what several variables have in common.
const SHOWN: usize = 5;

/// What was found so far.
#[derive(Default)]
pub(super) struct Judgement {
    pub criteria: Vec<Criterion>,
    pub warnings: Vec<LinkWarning>,
    /// Why the store must not be listed; the first counts.
    pub blocked: Option<EngineError>,
}

impl Judgement {
    fn add(&mut self, name: &'static str, verdict: CriterionVerdict, found: impl Into<String>) {
        self.criteria.push(Criterion { name, verdict, found: found.into() });
    }

    fn warn(&mut self, kind: Kind, what: impl Into<String>) {
        let Kind { code, criterion } = kind;
        self.warnings.push(LinkWarning { code, criterion, what: what.into(), accepted: None });
    }

    fn block(&mut self, error: EngineError) {
        self.blocked.get_or_insert(error);
    }

    /// What it is, and whether it opens with variables.
    pub fn opens(&mut self, seen: &Seen, kind: Option<StoreKind>, variables: usize) {
        match (&seen.opened, kind) {
            (Ok(opened), Some(kind)) => {
                self.add("format", CriterionVerdict::Pass, format!("{}, by its content", kind.title()));
                if variables > 0 {
                    let refused = opened.view.dataset.refusals().count();
                    let but =
                        if refused > 0 { format!(", {refused} of them not readable by firn") } else { String::new() };
                    self.add("opens", CriterionVerdict::Pass, format!("{}{but}", count(variables, "variable")));
                    return;
                }
                let what = "it opens with no variable at all".to_owned();
                self.add("opens", CriterionVerdict::Fail, what.clone());
                self.block(EngineError::NotLinkable {
                    code: "link-empty",
                    at: seen.address.at(),
                    what,
                    category: Category::Corrupt,
                    next: "name the group that holds the variables, or have its metadata consolidated by its owner"
                        .to_owned(),
                });
            }
            (Ok(_), None) => self.add("format", CriterionVerdict::Unknown, "of no kind that a catalog knows"),
            (Err(error), _) => {
                self.add("format", CriterionVerdict::Unknown, "it could not be opened");
                self.add("opens", CriterionVerdict::Fail, error.to_string());
            }
        }
    }

    /// Who can read it. `elsewhere` says why a folder of this machine does not count as public.
    pub fn public(&mut self, seen: &Seen, elsewhere: Option<&str>) {
        let not_public = |what: String, next: String| EngineError::NotLinkable {
            code: "link-not-public",
            at: seen.address.at(),
            what,
            category: Category::Denied,
            next,
        };
        let copy = || {
            let from = shell_word(&seen.address.to_string());
            format!("let everybody read it, or copy it to where they can: firn transform {from} --target URL")
        };
        match (&seen.readers, elsewhere) {
            (Readers::Everybody, _) => {
                if hosted(seen).is_ok_and(|answer| answer.this_machine) {
                    let what = "everybody may read it, but the server is this machine, which others do not reach";
                    self.add("public", CriterionVerdict::Warn, what);
                    self.warn(THIS_MACHINE, what);
                } else {
                    self.add("public", CriterionVerdict::Pass, "everybody may read it, without credentials");
                }
            }
            (Readers::ThisMachine, None) => {
                let what = "a readable folder of this machine; it counts as public because the locations and stores of this \
                            catalog are all local";
                self.add("public", CriterionVerdict::Pass, what);
            }
            (Readers::ThisMachine, Some(elsewhere)) => {
                let what = format!("it is a folder of this machine, and {elsewhere}: others cannot read it");
                self.add("public", CriterionVerdict::Fail, what.clone());
                self.block(not_public(what, copy()));
            }
            (Readers::WithCredentials(why), _) => {
                let what = format!("your credentials open it, and without any it is refused: {why}");
                self.add("public", CriterionVerdict::Fail, what.clone());
                self.block(not_public(what, copy()));
            }
            (Readers::Nobody(why), _) => {
                self.add("public", CriterionVerdict::Fail, why.clone());
                let next =
                    "ask its owner to let everybody read it; where the bucket lists nothing, look at the spelling too";
                self.block(not_public(format!("it is not public: {why}"), next.to_owned()));
            }
        }
    }

    /// Who pays for traffic.
    pub fn egress(&mut self, seen: &Seen) -> Result<Egress, EngineError> {
        let answer = hosted(seen)?;
        let found = match &answer.service {
            Some(service) => format!("{} ({service}: {})", payer(answer.egress), answer.because),
            None => format!("{} ({})", payer(answer.egress), answer.because),
        };
        match answer.egress {
            Egress::None | Egress::Provider => self.add("egress", CriterionVerdict::Pass, found),
            Egress::Reader => {
                self.warn(EGRESS_READER, answer.because);
                self.add("egress", CriterionVerdict::Warn, found);
            }
            Egress::Unknown => {
                self.warn(EGRESS_UNKNOWN, answer.because);
                self.add("egress", CriterionVerdict::Unknown, found);
            }
        }
        Ok(answer.egress)
    }

    /// Whether it is cut into chunks, and into how large ones.
    pub fn chunks(&mut self, seen: &Seen) {
        let Ok(opened) = &seen.opened else { return };
        let of = |wanted: ChunkSizes| -> Vec<(String, ChunkNumbers)> {
            let arrays = opened.view.dataset.arrays();
            let numbers = arrays.filter_map(|(path, array)| Some((path, array.metadata.chunk_numbers()?)));
            let fits = numbers.filter(|(_, numbers)| numbers.verdict() == wanted);
            fits.map(|(path, numbers)| (path.as_key().to_owned(), numbers)).collect()
        };
        let (whole, small, large) = (of(ChunkSizes::NotChunked), of(ChunkSizes::TooSmall), of(ChunkSizes::TooLarge));
        if whole.is_empty() {
            self.add("chunked", CriterionVerdict::Pass, "every large variable is cut into chunks");
        } else {
            let what = format!("one chunk each, which is read whole: {}", sized(&whole, |n| n.chunk_bytes));
            self.add("chunked", CriterionVerdict::Warn, what.clone());
            self.warn(NOT_CHUNKED, what);
        }
        let mut found = Vec::new();
        if !small.is_empty() {
            let limit = format!("more than {FEW_CHUNKS} chunks below {}", bytes(SMALL_CHUNK));
            let what = format!("too small ({limit}): {}", sized(&small, |n| n.object_bytes));
            self.warn(TOO_SMALL, what.clone());
            found.push(what);
        }
        if !large.is_empty() {
            let limit = format!("above {}", bytes(LARGE_CHUNK));
            let what = format!("too large ({limit}): {}", sized(&large, |n| n.chunk_bytes));
            self.warn(TOO_LARGE, what.clone());
            found.push(what);
        }
        if found.is_empty() {
            let most = format!("none above {}", bytes(LARGE_CHUNK));
            let least = format!("no variable in more than {FEW_CHUNKS} chunks below {}", bytes(SMALL_CHUNK));
            self.add("chunk-sizes", CriterionVerdict::Pass, format!("{most}, {least}"));
        } else {
            self.add("chunk-sizes", CriterionVerdict::Warn, found.join("; "));
        }
    }

    /// Whether the metadata are in one document; what it is, where that is a question.
    pub fn consolidated(&mut self, seen: &Seen) -> Result<Option<bool>, EngineError> {
        let Ok(opened) = &seen.opened else { return Ok(None) };
        let format = opened.view.dataset.format;
        if !matches!(format, DatasetFormat::ZarrV2 | DatasetFormat::ZarrV3) {
            self.add("consolidated", CriterionVerdict::NotApplicable, "all metadata are in one place by the format");
            return Ok(None);
        }
        let is = is_consolidated(opened.view.source.as_ref(), format)?;
        if is {
            self.add("consolidated", CriterionVerdict::Pass, "all metadata are in one document");
        } else {
            let what = "each variable has a document of its own: readers without a listing see an empty dataset, without an \
                        error";
            self.add("consolidated", CriterionVerdict::Warn, what);
            self.warn(NOT_CONSOLIDATED, what);
        }
        Ok(Some(is))
    }

    /// Whether the chunks that were read decode.
    pub fn decodes(&mut self, seen: &Seen, variables: &[LinkedVariable]) {
        let names = |wanted: fn(&ChunkRead) -> bool| {
            let names = variables.iter().filter(|variable| wanted(&variable.chunk));
            names.map(|variable| variable.path.trim_start_matches('/').to_owned()).collect::<Vec<String>>()
        };
        let first = |wanted: fn(&ChunkRead) -> bool| variables.iter().find(|variable| wanted(&variable.chunk));
        let denied: fn(&ChunkRead) -> bool = |chunk| matches!(chunk, ChunkRead::Denied { .. });
        let failed: fn(&ChunkRead) -> bool = |chunk| matches!(chunk, ChunkRead::Failed { .. });
        let unread: fn(&ChunkRead) -> bool = |chunk| matches!(chunk, ChunkRead::NotRead { .. });
        let absent: fn(&ChunkRead) -> bool = |chunk| matches!(chunk, ChunkRead::Absent);
        if let Some(LinkedVariable { path, chunk: ChunkRead::Failed { why, .. }, .. }) = first(failed) {
            let what = format!("a chunk of {} does not decode: {why}", shown(&names(failed)));
            self.add("decodes", CriterionVerdict::Fail, what.clone());
            return self.block(EngineError::NotLinkable {
                code: "link-not-decodable",
                at: seen.address.at().node(path.clone()),
                what,
                category: Category::Corrupt,
                next: "ask its owner to write the variable again".to_owned(),
            });
        }
        if let Some(LinkedVariable { path, chunk: ChunkRead::Denied { why }, .. }) = first(denied) {
            let what = format!("a chunk of {} is not public: {why}", shown(&names(denied)));
            self.add("decodes", CriterionVerdict::Fail, what.clone());
            return self.block(EngineError::NotLinkable {
                code: "link-not-public",
                at: seen.address.at().node(path.clone()),
                what,
                category: Category::Denied,
                next: "ask its owner to let everybody read the chunks too".to_owned(),
            });
        }
        let decoded = variables.len() - names(unread).len() - names(absent).len();
        let mut found = vec![format!("a chunk of each of {}", count(decoded, "variable"))];
        let mut verdict = CriterionVerdict::Pass;
        if let Some(LinkedVariable { chunk: ChunkRead::NotRead { why }, .. }) = first(unread) {
            let what = format!("not tried: {} ({why})", shown(&names(unread)));
            self.warn(NOT_DECODED, what.clone());
            found.push(what);
            verdict = CriterionVerdict::Unknown;
        }
        if !names(absent).is_empty() {
            let what = format!("the chunks looked for are absent and read as fill values: {}", shown(&names(absent)));
            self.warn(ABSENT, what.clone());
            found.push(what);
            verdict = if verdict == CriterionVerdict::Pass { CriterionVerdict::Warn } else { verdict };
        }
        self.add("decodes", verdict, found.join("; "));
    }

    /// What web pages of other hosts are let to read, on success and on errors.
    pub fn cors(&mut self, seen: &Seen, document: &ObjectUrl, absent: &ObjectUrl) {
        let answers = (seen.engine.storage.web_answer(document), seen.engine.storage.web_answer(absent));
        let (there, missing) = match answers {
            (Ok(there), Ok(missing)) => (there, missing),
            (Err(error), _) | (_, Err(error)) => {
                self.add("cors", CriterionVerdict::Unknown, error.to_string());
                self.warn(CORS_UNKNOWN, error.to_string());
                return;
            }
        };
        match (there.is_for_everybody(), missing.is_for_everybody()) {
            (true, true) => {
                self.add("cors", CriterionVerdict::Pass, "pages of every host may read it, errors included");
            }
            (true, false) => {
                let what = format!(
                    "what is absent is answered {} without Access-Control-Allow-Origin: browsers cannot tell it from a failure",
                    missing.status
                );
                self.add("cors", CriterionVerdict::Warn, what.clone());
                self.warn(CORS_ERRORS, what);
            }
            (false, _) => {
                let what = "no Access-Control-Allow-Origin: pages of other hosts cannot read it";
                self.add("cors", CriterionVerdict::Warn, what);
                self.warn(CORS, what);
            }
        }
    }

    /// That no page reads a folder.
    pub fn no_cors(&mut self) {
        self.add("cors", CriterionVerdict::NotApplicable, "no server, so no page reads it");
    }

    /// Why there is no snippet.
    pub fn no_snippet(&mut self, why: &str) {
        self.warn(NO_SNIPPET, why);
    }
}

/// What is known of the service at this address.
fn hosted(seen: &Seen) -> Result<EgressAnswer, EngineError> {
    Ok(seen.engine.storage.web_address(&seen.address)?.map_or_else(local, |web| egress(&web)))
}

fn payer(egress: Egress) -> &'static str {
    match egress {
        Egress::None => "none",
        Egress::Provider => "the provider pays",
        Egress::Reader => "the reader pays",
        Egress::Unknown => "unknown",
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn shown(names: &[String]) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let listed = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}

fn sized(found: &[(String, ChunkNumbers)], size: fn(&ChunkNumbers) -> u64) -> String {
    let names: Vec<String> = found.iter().map(|(name, numbers)| format!("{name} ({})", bytes(size(numbers)))).collect();
    shown(&names)
}

/// A number of bytes for people.
fn bytes(number: u64) -> String {
    match number {
        0..1024 => format!("{number} B"),
        1024..1_048_576 => format!("{} KiB", number >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", number >> 20),
        _ => format!("{} GiB", number >> 30),
    }
}
