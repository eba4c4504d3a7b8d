//! HTML as text.

use std::fmt::Write;

const STYLE: &str = include_str!("style.css");

/// A text in an element or in a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A link, where the URL is one of the web; else the text alone.
pub(super) fn link(url: &str, text: &str) -> String {
    match crate::stac::web(url) {
        Some(url) => format!("<a href=\"{}\" rel=\"noopener\">{}</a>", escape(&url), escape(text)),
        None => escape(text),
    }
}

/// A picture, where its URL is one of the web over TLS; else nothing.
pub(super) fn picture(url: &str, of: &str) -> String {
    match crate::stac::web(url).filter(|url| url.starts_with("https://")) {
        Some(url) => format!(
            "<p><img class=\"thumbnail\" src=\"{}\" alt=\"{}\" loading=\"lazy\" referrerpolicy=\"no-referrer\"></p>\n",
            escape(&url),
            escape(of)
        ),
        None => String::new(),
    }
}

/// A table; a header, and rows of cells that are HTML already.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = String::from("<div class=\"scroll\"><table>\n");
    if header.iter().any(|name| !name.is_empty()) {
        text.push_str("<tr>");
        for name in header {
            let _ = write!(text, "<th scope=\"col\">{name}</th>");
        }
        text.push_str("</tr>\n");
    }
    for row in rows {
        text.push_str("<tr>");
        for cell in row {
            let _ = write!(text, "<td>{cell}</td>");
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</table></div>\n");
    text
}

/// A whole page.
pub(super) fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src https:\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escape(title)
    )
}
