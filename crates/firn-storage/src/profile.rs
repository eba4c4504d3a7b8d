//! The AWS profile files `~/.aws/config` and `~/.aws/credentials`.

use std::collections::BTreeMap;

/// One profile: the settings of both files, those of the credentials file first.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Its name.
    pub name: String,
    values: BTreeMap<String, String>,
}

impl Profile {
    /// The profile of this name, or `None` where neither text has it.
    pub(crate) fn find(name: &str, config: &str, credentials: &str) -> Option<Self> {
        let config = sections(config);
        let section = if name == "default" { "default".to_owned() } else { format!("profile {name}") };
        let from_config = config.get(&section).or_else(|| config.get("profile default").filter(|_| name == "default"));
        let credentials = sections(credentials);
        let from_credentials = credentials.get(name);
        if from_config.is_none() && from_credentials.is_none() {
            return None;
        }
        let mut values = from_config.cloned().unwrap_or_default();
        // `services = X` names a section whose nested `s3` block may set the endpoint of S3 alone.
        if let Some(services) = values.get("services").and_then(|name| config.get(&format!("services {name}")))
            && let Some(endpoint) = services.get("s3.endpoint_url")
        {
            values.insert("s3.endpoint_url".to_owned(), endpoint.clone());
        }
        if let Some(session) = values.get("sso_session").and_then(|name| config.get(&format!("sso-session {name}"))) {
            let session: Vec<_> =
                session.iter().map(|(key, value)| (format!("sso_session.{key}"), value.clone())).collect();
            values.extend(session);
        }
        values.extend(from_credentials.cloned().unwrap_or_default());
        Some(Self { name: name.to_owned(), values })
    }

    /// A setting, where it is there and not empty.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// The texts of the two files. Never shown: they hold keys.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct ProfileFiles {
    pub config: String,
    pub credentials: String,
}

impl std::fmt::Debug for ProfileFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProfileFiles(hidden)")
    }
}

impl ProfileFiles {
    /// The profile of this name.
    pub(crate) fn find(&self, name: &str) -> Option<Profile> {
        Profile::find(name, &self.config, &self.credentials)
    }
}

/// The sections of an ini text. An indented line belongs to the key above it: `s3 =` / `  endpoint_url = …` is
/// `s3.endpoint_url`.
fn sections(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut section = None;
    let mut outer = String::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            sections.entry(name.clone()).or_default();
            section = Some(name);
            continue;
        }
        let (Some(section), Some((key, value))) = (&section, trimmed.split_once('=')) else { continue };
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim().to_owned());
        let nested = line.starts_with([' ', '\t']) && !outer.is_empty();
        let key = if nested {
            format!("{outer}.{key}")
        } else {
            outer = if value.is_empty() { key.clone() } else { String::new() };
            key
        };
        sections.entry(section.clone()).or_default().insert(key, value);
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "[default]\nregion = eu-west-1\n\n[profile osn]\nservices = pods\nregion=us-east-1\n# c\n\
        [services pods]\ns3 =\n  endpoint_url = https://pod.example\n";

    #[test]
    fn credentials_file_is_laid_over_the_config_file() {
        let credentials = "[osn]\naws_access_key_id = A\naws_secret_access_key = b=c\n";
        let profile = Profile::find("osn", CONFIG, credentials).unwrap();
        assert_eq!(profile.get("region"), Some("us-east-1"));
        assert_eq!(profile.get("aws_secret_access_key"), Some("b=c"));
        assert_eq!(profile.get("s3.endpoint_url"), Some("https://pod.example"));
    }

    #[test]
    fn a_profile_in_neither_file_is_none() {
        assert!(Profile::find("other", CONFIG, "").is_none());
        assert_eq!(Profile::find("default", CONFIG, "").unwrap().get("region"), Some("eu-west-1"));
    }
}
