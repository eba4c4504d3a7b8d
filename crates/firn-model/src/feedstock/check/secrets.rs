//! Feedstocks never hold a secret. What looks like one is refused, and never quoted.

use crate::document::{DocumentPath, Findings, NodeValue, Segment};
use url::Url;

const HELP: &str = "remove it and make it invalid at its issuer; feedstocks name the kind of credentials (auth:), configuration binds them";

/// Looks for secrets in every text and below every telling key.
pub(in crate::feedstock) fn secrets(findings: &mut Findings<'_>) {
    let mut found: Vec<(DocumentPath, &'static str)> = Vec::new();
    findings.root().walk(&DocumentPath::root(), &mut |path, node| {
        let NodeValue::Text(text) = &node.value else { return };
        if let Some(what) = in_text(text).or_else(|| below_key(path, text)) {
            found.push((path.clone(), what));
        }
    });
    for (path, what) in found {
        findings.error_and_hush("document-secret", &path, &format!("this looks like {what}"), HELP);
    }
}

fn in_text(text: &str) -> Option<&'static str> {
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    let words = || text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    if words().any(is_token) {
        return Some("an access key or token");
    }
    if !text.contains("://") {
        return None;
    }
    text.split([' ', '\n', '\t', '"', '\'', '<', '>']).find_map(in_url)
}

/// Prefixes by which issuers mark what they issue, with the length that follows.
fn is_token(word: &str) -> bool {
    const MARKED: [(&str, usize); 9] = [
        ("AKIA", 16),
        ("ASIA", 16),
        ("ghp_", 30),
        ("gho_", 30),
        ("ghs_", 30),
        ("github_pat_", 30),
        ("glpat-", 20),
        ("hf_", 30),
        ("xoxb-", 20),
    ];
    MARKED.iter().any(|(mark, least)| {
        word.strip_prefix(mark).is_some_and(|rest| {
            let upper = !matches!(*mark, "AKIA" | "ASIA")
                || (rest.len() == *least && rest.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()));
            rest.len() >= *least && upper
        })
    })
}

/// What secret a URL carries, where it looks like one: a password, a signature, a token. Addresses of documents that firn did
/// not write, such as a catalog from elsewhere, are asked before they are shown.
pub fn url_secret(text: &str) -> Option<&'static str> {
    in_url(text)
}

fn in_url(text: &str) -> Option<&'static str> {
    // Placeholders of a pattern are no part of a secret, but braces would keep the URL from being read.
    let url = Url::parse(&text.replace(['{', '}'], "_")).ok()?;
    if url.password().is_some() {
        return Some("a URL with a password");
    }
    const SIGNED: [&str; 12] = [
        "x-amz-signature",
        "x-amz-credential",
        "x-amz-security-token",
        "x-goog-signature",
        "awsaccesskeyid",
        "signature",
        "sig",
        "access_token",
        "api_key",
        "apikey",
        "token",
        "password",
    ];
    let signed =
        url.query_pairs().any(|(key, value)| SIGNED.contains(&key.to_ascii_lowercase().as_str()) && !value.is_empty());
    signed.then_some("a URL with a signature or token")
}

/// A text below a key such as `password`. `anon` and the like say that there is none.
fn below_key(path: &DocumentPath, text: &str) -> Option<&'static str> {
    const TELLING: [&str; 14] = [
        "password",
        "passwd",
        "secret",
        "secret_key",
        "secret_access_key",
        "aws_secret_access_key",
        "aws_session_token",
        "access_token",
        "token",
        "api_key",
        "apikey",
        "private_key",
        "account_key",
        "sas_token",
    ];
    const HARMLESS: [&str; 7] = ["", "anon", "anonymous", "none", "cloud", "google_default", "cache"];
    let Some(Segment::Key(key)) = path.segments().last() else { return None };
    let key = key.to_ascii_lowercase().replace('-', "_");
    (TELLING.contains(&key.as_str()) && !HARMLESS.contains(&text)).then_some("a secret")
}
