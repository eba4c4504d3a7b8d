//! What a verb hands back to be printed.

use crate::report::ErrorReport;
use serde::Serialize;
use std::io::{self, Write};
use std::pin::Pin;

/// How text is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Colours and weights are wanted.
    pub colour: bool,
}

impl Style {
    /// Bold text.
    pub fn bold(self, text: impl std::fmt::Display) -> String {
        self.wrap("1", text)
    }

    /// Text that steps back.
    pub fn dim(self, text: impl std::fmt::Display) -> String {
        self.wrap("2", text)
    }

    /// Something that went wrong.
    pub fn red(self, text: impl std::fmt::Display) -> String {
        self.wrap("1;31", text)
    }

    /// Something to look at.
    pub fn yellow(self, text: impl std::fmt::Display) -> String {
        self.wrap("33", text)
    }

    /// Something that is well.
    pub fn green(self, text: impl std::fmt::Display) -> String {
        self.wrap("32", text)
    }

    fn wrap(self, code: &str, text: impl std::fmt::Display) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }
}

/// The answer of a verb, in each of the forms it can be asked for.
pub trait Answer: Send {
    /// As text for people.
    ///
    /// # Errors
    /// What writing says.
    fn text(&self, out: &mut dyn Write, style: Style) -> io::Result<()>;

    /// The `result` of the JSON object.
    ///
    /// # Errors
    /// What writing or serialising says.
    fn json(&self, out: &mut dyn Write) -> serde_json::Result<()>;

    /// One JSON object a line for listings; an answer that is none gives its `result` as the only line.
    ///
    /// # Errors
    /// What writing or serialising says.
    fn lines(&self, out: &mut dyn Write) -> serde_json::Result<()> {
        self.json(out)?;
        line_end(out)
    }
}

/// Ends a line of JSON.
///
/// # Errors
/// What writing says.
pub fn line_end(out: &mut dyn Write) -> serde_json::Result<()> {
    out.write_all(b"\n").map_err(serde_json::Error::io)
}

/// Serialisable data with a function that draws it.
pub struct Drawn<T> {
    /// The data: the `result` of the JSON object.
    pub data: T,
    /// Draws it as text.
    pub draw: fn(&T, &mut dyn Write, Style) -> io::Result<()>,
}

impl<T: Serialize + Send> Answer for Drawn<T> {
    fn text(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        (self.draw)(&self.data, out, style)
    }

    fn json(&self, out: &mut dyn Write) -> serde_json::Result<()> {
        serde_json::to_writer(out, &self.data)
    }
}

/// What a verb came to: an answer, and a failure beside it where the answer is not a good one (differences found, some
/// of several files not opened).
pub struct Outcome {
    /// What is printed on standard output.
    pub answer: Box<dyn Answer>,
    /// What decides the exit status, where it is not success.
    pub failure: Option<ErrorReport>,
    /// What goes on once the answer is printed: a server, until it is stopped.
    pub afterwards: Option<Afterwards>,
}

/// What goes on after an answer.
pub type Afterwards = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Outcome {
    /// Success.
    pub fn of<T: Serialize + Send + 'static>(data: T, draw: fn(&T, &mut dyn Write, Style) -> io::Result<()>) -> Self {
        Self::answer(Drawn { data, draw })
    }

    /// Success, with an answer that prints itself.
    pub fn answer(answer: impl Answer + 'static) -> Self {
        Self { answer: Box::new(answer), failure: None, afterwards: None }
    }

    /// The same answer, and this failure.
    #[must_use]
    pub fn with_failure(self, failure: Option<ErrorReport>) -> Self {
        Self { failure, ..self }
    }

    /// The same answer, after which this goes on.
    #[must_use]
    pub fn then(self, afterwards: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { afterwards: Some(Box::pin(afterwards)), ..self }
    }
}
